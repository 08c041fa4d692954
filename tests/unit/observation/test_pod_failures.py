"""What keeps a pool from its workers: which cause is named, with whose words, and whether more workers would help."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.pod_states import NOW, STATES, deployment_of, pods_of
from tests.support.times import stamp
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.labels import DRAINING
from utilitarian_operator.core.observation.pod_failures import PodFailure, pod_failure

PULLING = {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x"'}}
LOOPING = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
CREATING = {"waiting": {"reason": "ContainerCreating"}}
RUNNING: Object = {"running": {}}
FAILED = {"terminated": {"exitCode": 2, "reason": "Error"}}
KILLED = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
ROLLING = {"replicas": 3, "updatedReplicas": 1}
QUOTA = 'pods "w" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=2, limited: pods=2'


def pod(name: str, state: Object, last: Object | None = None, *, ready: bool = False, **metadata: Any) -> Object:
    container = {"name": "worker", "state": state, "lastState": last or {}, "restartCount": 1 if last else 0}
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {
        "metadata": {"name": name, "creationTimestamp": stamp(NOW - timedelta(hours=1)), **metadata},
        "status": {"phase": "Running", "containerStatuses": [container], "conditions": conditions},
    }


def unplaced(name: str, ago: timedelta) -> Object:
    message = "0/3 nodes are available: 3 Insufficient memory."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {
        "metadata": {"name": name, "creationTimestamp": stamp(NOW - ago)},
        "status": {"phase": "Pending", "conditions": [condition | {"lastTransitionTime": stamp(NOW - ago)}]},
    }


def deployment(*conditions: tuple[str, str, str, str], **status: Any) -> Object:
    shown = [dict(zip(("type", "status", "reason", "message"), it, strict=True)) for it in conditions]
    return {"metadata": {"name": "fleet-a"}, "spec": {}, "status": {"conditions": shown, **status}}


def refused(message: str) -> Object:
    return deployment(("ReplicaFailure", "True", "FailedCreate", message))


def leaving(replicas: int) -> Object:
    metadata = {"name": "fleet-a", "deletionTimestamp": stamp(NOW), "finalizers": ["foregroundDeletion"]}
    return {**deployment(), "metadata": metadata, "spec": {"replicas": replicas}}


GOES = (
    "its pods are no longer made: Deployment fleet-a is being deleted, and another one is made when it has gone; what "
    "it waits for is in its metadata.finalizers (foregroundDeletion: that its last pod has ended)"
)
LATE = deployment(("Progressing", "False", "ProgressDeadlineExceeded", "it timed out"))
WORKS = pod("w", RUNNING, ready=True)
LONG, SHORT = timedelta(minutes=2), timedelta(seconds=119)


@pytest.mark.parametrize(
    "live,pods,expected",
    [
        pytest.param(None, [], None, id="nothing is there"),
        pytest.param(deployment(), [WORKS], None, id="all is well"),
        pytest.param(deployment(), [pod("p", CREATING, creationTimestamp=stamp(NOW - SHORT))], None, id="one starts"),
        pytest.param(
            deployment(), [pod("p", LOOPING, FAILED, deletionTimestamp="x")], None, id="one that leaves is no matter"
        ),
        pytest.param(
            deployment(),
            [pod("p", RUNNING, FAILED, annotations={DRAINING: stamp(NOW - SHORT)})],
            None,
            id="one that is led out is no matter",
        ),
        pytest.param(
            deployment(), [pod("p", RUNNING, FAILED, ready=True)], None, id="one that was restarted works again"
        ),
        pytest.param(
            deployment(),
            [pod("p", PULLING)],
            PodFailure("WorkersFailing", 'pod p: ImagePullBackOff: Back-off pulling image "x"'),
            id="none can start",
        ),
        pytest.param(
            deployment(),
            [pod("p", LOOPING, KILLED)],
            PodFailure(
                "WorkersFailing", "pod p: CrashLoopBackOff: back-off 10s; it ended with exit code 137 (OOMKilled)"
            ),
            id="a crash loop says how it ended",
        ),
        pytest.param(
            deployment(),
            [pod("p", RUNNING, FAILED)],
            PodFailure("WorkersFailing", "pod p: 1 restart; it ended with exit code 2 (Error)"),
            id="and between two crashes too",
        ),
        pytest.param(
            deployment(**ROLLING),
            [WORKS, WORKS, pod("p", PULLING)],
            PodFailure(
                "RolloutFailing",
                "a new template can't take over and the old workers go on: "
                'pod p: ImagePullBackOff: Back-off pulling image "x"',
                more_is_useless=False,
            ),
            id="a rollout that is stuck",
        ),
        pytest.param(
            {**deployment(**ROLLING), "spec": {"paused": True}},
            [WORKS, WORKS],
            PodFailure(
                "RolloutFailing",
                "a new template can't take over and the old workers go on: the rollout of Deployment fleet-a is "
                "paused; kubectl rollout resume deployment/fleet-a",
                more_is_useless=False,
            ),
            id="a rollout that was paused",
        ),
        pytest.param(leaving(2), [], PodFailure("PodsRefused", GOES), id="a Deployment that goes and has no pods"),
        pytest.param(
            leaving(2),
            [pod("p", RUNNING, ready=True, deletionTimestamp="x")],
            PodFailure("PodsRefused", GOES),
            id="a Deployment that goes with its last pod",
        ),
        pytest.param(
            leaving(2),
            [WORKS],
            PodFailure("PodsRefused", GOES, stops=False),
            id="a Deployment that goes while one works",
        ),
        pytest.param(leaving(1), [WORKS], None, id="a Deployment that goes and lacks no pod"),
        pytest.param(leaving(0), [], None, id="a Deployment that goes while nothing is to do"),
        pytest.param({**deployment(), "spec": {"paused": True}}, [WORKS], None, id="paused, with nothing to roll out"),
        pytest.param(
            deployment(),
            [WORKS, WORKS, pod("p", LOOPING)],
            PodFailure(
                "WorkersFailing",
                "1 worker of 3 can't run: pod p: CrashLoopBackOff: back-off 10s",
                stops=False,
                more_is_useless=False,
            ),
            id="one of three",
        ),
        pytest.param(
            deployment(),
            [WORKS, pod("p", LOOPING)],
            PodFailure("WorkersFailing", "1 worker of 2 can't run: pod p: CrashLoopBackOff: back-off 10s", stops=False),
            id="one of two: more would fail alike",
        ),
        pytest.param(deployment(), [unplaced("p", SHORT)], None, id="without a node for a while"),
        pytest.param(
            deployment(),
            [unplaced("p", LONG), unplaced("q", LONG)],
            PodFailure(
                "Unschedulable",
                "2 workers found no node for 2m: pod p: 0/3 nodes are available: 3 Insufficient memory; "
                "add nodes, or lower worker.resources.requests",
            ),
            id="without a node for long",
        ),
        pytest.param(LATE, [WORKS], None, id="a deadline of the past"),
        pytest.param(
            LATE,
            [WORKS, pod("p", RUNNING)],
            PodFailure(
                "NeverReady",
                "1 worker did not become ready within 10m, pod p for one: its log says why it doesn't consume "
                "(kubectl logs)",
                stops=False,
                more_is_useless=False,
            ),
            id="one that never consumes",
        ),
        pytest.param(
            refused(QUOTA),
            [WORKS],
            PodFailure(
                "PodsRefused",
                f"its pods are refused: {QUOTA}; raise the ResourceQuota compute, or lower scaling.max or "
                "worker.resources",
                stops=False,
            ),
            id="a quota",
        ),
    ],
)
def test_what_hinders_a_pool(live: Object | None, pods: list[Object], expected: PodFailure | None) -> None:
    assert pod_failure(live, pods, NOW) == expected


@pytest.mark.parametrize("state", [pytest.param(it, id=it["id"]) for it in STATES])
def test_what_fails_in_each_state_that_kubernetes_writes(state: Object) -> None:
    found = pod_failure(deployment_of(state), pods_of(state), NOW, state.get("events", {}))
    if "hinders" not in state:
        assert found is None
        return
    reason, stops, words = state["hinders"]
    assert found is not None
    assert (found.reason, found.stops) == (reason, stops)
    assert words in found.message


def test_the_table_has_every_reason() -> None:
    said = {it["hinders"][0] for it in STATES if "hinders" in it}
    assert said >= {"PodsRefused", "PodsNotDeleted", "Unschedulable", "WorkersFailing", "NeverReady", "NodeLost"}
    assert {cause for it in STATES for cause, _ in it.get("lost", [])} == {
        *("OOMKilled", "Crashed", "Evicted", "Preempted", "NodeLost")
    }


def test_what_stops_a_pool_is_said_before_what_does_not() -> None:
    """A pod that can't be deleted is no matter while no worker can run."""
    kept = next(it for it in STATES if it["id"] == "a pod can't be deleted")
    crashed = next(it for it in STATES if it["id"] == "a worker's first crash")
    found = pod_failure(deployment_of(kept), pods_of(crashed), NOW)
    assert found is not None
    assert found.reason == "WorkersFailing"


@pytest.mark.parametrize("ago", [timedelta(minutes=-1), timedelta(minutes=1), timedelta(hours=1), timedelta(hours=-1)])
def test_a_pod_that_was_rejected_long_ago_or_by_a_clock_that_was_set_back_is_no_failure(ago: timedelta) -> None:
    rejected = {"phase": "Failed", "reason": "OutOfcpu", "message": "no room"}
    sent_away = {"metadata": {"name": "a", "creationTimestamp": stamp(NOW - ago)}, "status": rejected}
    assert (pod_failure(deployment(), [sent_away], NOW) is not None) == (abs(ago) < timedelta(minutes=2))


NO_SCHEDULER = {"metadata": {"name": "u", "creationTimestamp": stamp(NOW)}, "status": {"phase": "Pending"}}
NO_NODE = "1 worker found no node so far: pod u: 0/3 nodes are available: 3 Insufficient memory"


@pytest.mark.parametrize(
    "pods, hurries, expected",
    [
        pytest.param([unplaced("u", SHORT)], False, None, id="an autoscaler may still answer"),
        pytest.param(
            [unplaced("u", timedelta())],
            True,
            PodFailure(
                "Unschedulable",
                f"{NO_NODE}; add nodes, or lower worker.resources.requests",
                stops=False,
                more_is_useless=False,
            ),
            id="told at once where tasks cannot wait any longer",
        ),
        pytest.param([NO_SCHEDULER], True, None, id="before a scheduler has looked at it there is nothing to tell"),
        pytest.param(
            [unplaced("u", SHORT), pod("p", PULLING)],
            True,
            PodFailure("WorkersFailing", 'pod p: ImagePullBackOff: Back-off pulling image "x"'),
            id="what has surely failed comes first",
        ),
    ],
)
def test_a_pool_whose_tasks_waited_already_tells_of_the_first_sign(
    pods: list[Object], hurries: bool, expected: PodFailure | None
) -> None:
    assert pod_failure(deployment(), pods, NOW, hurries=hurries) == expected


ROOM = "maxSurge: 0, maxUnavailable: 1} in the pool, or {type: Recreate}"
NO_QUOTA = ("ReplicaFailure", "True", "FailedCreate", QUOTA)
ELSEWHERE = {"p": 'FailedAttachVolume: Multi-Attach error for volume "v": it is used by pod(s) w'}


def strategy(deployed: Object, **written: Any) -> Object:
    return {**deployed, "spec": {"strategy": written}}


@pytest.mark.parametrize(
    "deployed, pods, events, said",
    [
        pytest.param(deployment(NO_QUOTA, **ROLLING), [WORKS], {}, True, id="a full quota"),
        pytest.param(deployment(NO_QUOTA), [WORKS], {}, False, id="a full quota without a rollout"),
        pytest.param(deployment(**ROLLING), [WORKS, unplaced("p", LONG)], {}, True, id="no node has room"),
        pytest.param(deployment(), [WORKS, unplaced("p", LONG)], {}, False, id="no node without a rollout"),
        pytest.param(deployment(**ROLLING), [unplaced("p", LONG)], {}, False, id="no node, and no old worker"),
        pytest.param(
            deployment(**ROLLING), [WORKS, pod("p", CREATING)], ELSEWHERE, True, id="a volume of another node"
        ),
        pytest.param(deployment(**ROLLING), [WORKS, pod("p", CREATING)], {}, False, id="a start that takes too long"),
        pytest.param(
            strategy(deployment(NO_QUOTA, **ROLLING), type="Recreate"), [WORKS], {}, False, id="all go first already"
        ),
        pytest.param(
            strategy(deployment(NO_QUOTA, **ROLLING), rollingUpdate={"maxSurge": 0, "maxUnavailable": 1}),
            [WORKS],
            {},
            False,
            id="one goes first already",
        ),
    ],
)
def test_a_rollout_that_finds_no_room_is_said_with_how_to_make_some(
    deployed: Object, pods: list[Object], events: dict[str, str], said: bool
) -> None:
    failure = pod_failure(deployed, pods, NOW, events)
    assert failure is not None
    assert (ROOM in failure.message) is said
    assert not said or failure.stops

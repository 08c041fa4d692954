"""What keeps a pool from its workers: which cause is named, with whose words, and whether more workers would help."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.times import stamp
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.labels import DRAINING
from utilitarian_operator.core.observation.causes.pod_status import trouble
from utilitarian_operator.core.observation.pod_failures import PodFailure, pod_failure

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
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
    told = [dict(zip(("type", "status", "reason", "message"), it, strict=True)) for it in conditions]
    return {"metadata": {"name": "fleet-a"}, "spec": {}, "status": {"conditions": told, **status}}


def refused(message: str) -> Object:
    return deployment(("ReplicaFailure", "True", "FailedCreate", message))


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


@pytest.mark.parametrize(
    "said,cure",
    [
        (
            'pods "w" is forbidden: failed quota: compute: must specify cpu for: worker',
            "ResourceQuota compute asks for",
        ),
        (
            'pods "w" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
            "set pod.securityContext and pod.containerSecurityContext",
        ),
        (
            'pods "w" is forbidden: error looking up service account ns/x: serviceaccount "x" not found',
            "make the ServiceAccount x, or correct pod.serviceAccountName",
        ),
        (
            'pods "w" is forbidden: maximum memory usage per Container is 64Mi, but limit is 2Gi',
            "give worker.resources what the LimitRange allows",
        ),
        (
            'pods "w" is forbidden: memory max limit to request ratio per Pod is 2, but provided ratio is 4',
            "give worker.resources what the LimitRange allows",
        ),
        (
            'pods "w" is forbidden: no PriorityClass with name urgent was found',
            "make the PriorityClass urgent, or correct pod.priorityClassName",
        ),
        (
            'Pod "w" is invalid: spec.containers[0].resources.requests: must be less than or equal to memory limit',
            "a LimitRange may have filled in what it leaves open",
        ),
        ("admission webhook said no", "change what it complains of"),
    ],
)
def test_what_to_do_about_pods_that_are_refused(said: str, cure: str) -> None:
    found = pod_failure(refused(said), [], NOW)
    assert found is not None
    assert said in found.message
    assert cure in found.message


def test_a_pod_without_a_status_is_no_trouble() -> None:
    assert trouble({"metadata": {"name": "p"}}, NOW) is None
    assert trouble({}, NOW) is None


@pytest.mark.parametrize("ago", [timedelta(minutes=-1), timedelta(minutes=1), timedelta(hours=1), timedelta(hours=-1)])
def test_what_was_is_told_no_longer_when_the_clock_was_set_back(ago: timedelta) -> None:
    ended = {"terminated": {**KILLED["terminated"], "finishedAt": stamp(NOW - ago)}}
    rejected = {"phase": "Failed", "reason": "OutOfcpu", "message": "no room"}
    sent_away = {"metadata": {"name": "a", "creationTimestamp": stamp(NOW - ago)}, "status": rejected}
    lately = abs(ago) < timedelta(minutes=2)
    assert (trouble(pod("a", RUNNING, ended), NOW) is not None) == lately
    assert (pod_failure(deployment(), [sent_away], NOW) is not None) == lately


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

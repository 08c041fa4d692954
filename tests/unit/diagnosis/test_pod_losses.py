"""Workers that were lost: which cause their pod's status tells, what the sentence says, and that each is told once."""

from datetime import UTC, datetime
from typing import Any

import pytest

from utilitarian_operator.adapters.cluster.cache import FLEETS, PODS, Key, Store
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.diagnosis.pod_loss_history import PodLosses
from utilitarian_operator.core.diagnosis.pod_losses import Cause, pod_losses
from utilitarian_operator.core.reasons import MOST_EVENTS_AT_ONCE, Reason
from utilitarian_operator.reconcile.act.events import WARNINGS

BEGAN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
COMMAND = ["celery", "-A", "utilitarian", "worker", "-Q", "amr,amr.hourly", "--concurrency=10"]
LIMIT = {"limits": {"memory": "2Gi"}}


def pod(
    name: str = "fleet-amr-1", *, pool: str | None = "amr", resources: Object | None = None, **status: Any
) -> Object:
    labels = {"app.kubernetes.io/instance": "fleet"} | ({"utilitarian.io/pool": pool} if pool else {})
    name_of_ours, command = ("worker", COMMAND) if pool else ("beat", ["celery", "beat"])
    container = {"name": name_of_ours, "command": command, "resources": resources or {}}
    return {
        "metadata": {"name": name, "namespace": "ns", "uid": f"uid-{name}", "labels": labels, "resourceVersion": "1"},
        "spec": {"nodeName": "node-7", "containers": [container]},
        "status": status,
    }


def ended(reason: str = "Error", code: int = 1, at: str = "2026-11-23T12:00:05Z") -> Object:
    return {"terminated": {"reason": reason, "exitCode": code, "finishedAt": at}}


def containers(state: Object | None = None, last: Object | None = None, name: str = "worker") -> list[Object]:
    return [{"name": name, "state": state or {"running": {}}, "lastState": last or {}}]


def disrupted(reason: str, message: str) -> list[Object]:
    at = "2026-11-23T12:00:05Z"
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}
    return [{"type": "Ready", "status": "True"}, condition | {"lastTransitionTime": at}]


@pytest.mark.parametrize(
    "command,queues",
    [
        pytest.param(["run", "-Q", "celery", "worker", "-Q", "q"], "q", id="a-prefix-with-such-an-option"),
        pytest.param(["celery", "worker", "-Q"], "", id="nothing-follows"),
    ],
)
def test_the_queues_of_a_lost_worker(command: list[str], queues: str) -> None:
    lost = pod(containerStatuses=containers(ended()))
    lost["spec"]["containers"][0]["command"] = command
    assert [it.queues for it in pod_losses(lost)] == [queues]


LOW = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 20Mi. "


@pytest.mark.parametrize(
    "lost,cause,note",
    [
        pytest.param(
            pod(resources=LIMIT, containerStatuses=containers(last=ended("OOMKilled", 137))),
            Cause.OOM_KILLED,
            "pool amr: pod fleet-amr-1 (queue amr, amr.hourly) on node node-7 was killed at its memory limit of 2Gi; "
            "raise worker.resources.limits.memory, lower worker.concurrency, or set worker.maxMemoryPerChild (prefork)",
            id="killed at its limit",
        ),
        pytest.param(
            pod(containerStatuses=containers(last=ended("OOMKilled", 137))),
            Cause.OOM_KILLED,
            "pool amr: pod fleet-amr-1 (queue amr, amr.hourly) on node node-7 was killed because the node was out of "
            "memory; give it a limit and a request: worker.resources",
            id="killed without a limit",
        ),
        pytest.param(
            pod(
                "fleet-beat-0",
                pool=None,
                resources=LIMIT,
                containerStatuses=containers(last=ended("OOMKilled", 137), name="beat"),
            ),
            Cause.OOM_KILLED,
            "beat: pod fleet-beat-0 on node node-7 was killed at its memory limit of 2Gi; raise "
            "beat.resources.limits.memory",
            id="beat",
        ),
        pytest.param(
            pod(containerStatuses=containers(ended())),
            Cause.CRASHED,
            "ended by itself, exit code 1 (Error); its log says why: kubectl logs fleet-amr-1 --previous",
            id="just crashed",
        ),
        pytest.param(
            pod(containerStatuses=containers({"waiting": {"reason": "CrashLoopBackOff"}}, ended("Completed", 0))),
            Cause.CRASHED,
            "ended by itself, exit code 0 (Completed)",
            id="ended in peace, and nobody told it to",
        ),
        pytest.param(
            pod(phase="Failed", reason="Evicted", message=LOW),
            Cause.EVICTED,
            "was evicted: The node was low on resource: memory. Threshold quantity: 100Mi, available: 20Mi; "
            "give worker.resources.requests what it uses",
            id="evicted by an older kubelet",
        ),
        pytest.param(
            pod(conditions=disrupted("TerminationByKubelet", LOW)),
            Cause.EVICTED,
            "give worker.resources.requests what it uses",
            id="evicted by the kubelet",
        ),
        pytest.param(
            pod(conditions=disrupted("EvictionByEvictionAPI", "Eviction API: evicting")),
            Cause.EVICTED,
            "was evicted: Eviction API: evicting",
            id="a node is emptied",
        ),
        pytest.param(
            pod(conditions=disrupted("PreemptionByScheduler", "default-scheduler: preempting to accommodate a pod")),
            Cause.PREEMPTED,
            "preempting to accommodate a pod; raise pod.priorityClassName, or add nodes",
            id="preempted",
        ),
        pytest.param(
            pod(conditions=disrupted("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")),
            Cause.NODE_LOST,
            "was lost with its node: Taint manager: deleting due to NoExecute taint; what it ran is redelivered only",
            id="the node does not answer",
        ),
        pytest.param(
            pod(conditions=disrupted("DeletionByPodGC", "PodGC: node no longer exists")),
            Cause.NODE_LOST,
            "PodGC: node no longer exists",
            id="the node is gone",
        ),
    ],
)
def test_a_loss_and_its_sentence(lost: Object, cause: Cause, note: str) -> None:
    (found,) = pod_losses(lost)
    assert found.cause is cause
    assert note in found.note()


def test_a_worker_that_was_told_to_stop_is_no_loss() -> None:
    stopped = pod(containerStatuses=containers(ended("Completed", 0)))
    stopped["metadata"]["deletionTimestamp"] = "2026-11-23T12:00:00Z"
    assert list(pod_losses(stopped)) == []
    assert list(pod_losses(pod(containerStatuses=containers()))) == []


def crashed(times: int, name: str = "fleet-amr-1") -> Object:
    return pod(name, containerStatuses=containers(last=ended(at=f"2026-11-23T12:00:{times:02}Z")))


def test_each_loss_is_counted_and_told_once_a_pod_and_cause() -> None:
    found, losses = PodLosses(BEGAN).new([])
    assert found == []
    told = []
    for times in (1, 1, 2, 3):
        found, losses = losses.new([crashed(times)])
        told.append([worth for _, worth in found])
    assert told == [[True], [], [False], [False]]
    killed = pod(containerStatuses=containers(last=ended("OOMKilled", 137, "2026-11-23T12:00:09Z")))
    assert [(it.cause, worth) for it, worth in losses.new([killed])[0]] == [(Cause.OOM_KILLED, True)]


def test_what_was_lost_before_the_operator_began_is_told_already() -> None:
    before = pod(containerStatuses=containers(last=ended(at="2026-11-23T11:59:59Z")))
    assert PodLosses(BEGAN).new([before, pod(phase="Failed", reason="Evicted", message=LOW)])[0] == []
    assert len(PodLosses(BEGAN).new([crashed(1)])[0]) == 1


def test_of_many_losses_at_once_only_some_are_told() -> None:
    _, losses = PodLosses(BEGAN).new([])
    found, _ = losses.new([crashed(1, f"fleet-amr-{number}") for number in range(20)])
    assert [worth for _, worth in found] == [True] * MOST_EVENTS_AT_ONCE + [False] * (20 - MOST_EVENTS_AT_ONCE)


def test_a_pod_that_went_between_two_looks_is_looked_at_once_more() -> None:
    store, key = Store(), Key("ns", "fleet")
    lost = pod(conditions=disrupted("DeletionByPodGC", "PodGC: node no longer exists"))
    store.see(PODS, lost, deleted=True)
    assert store.all_pods(key) == []
    store.see(FLEETS, {"metadata": {"namespace": "ns", "name": "fleet", "resourceVersion": "1"}})
    store.see(PODS, lost, deleted=True)
    assert store.all_pods(key) == [lost]
    assert store.all_pods(key) == []


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_is_a_warning(cause: Cause) -> None:
    assert Reason(cause) in WARNINGS

"""Workers that were lost: which cause their pod's status tells, what the sentence says, and that each is told once."""

import pytest

from tests.support.lost_pods import LOW, containers, disrupted, ended, pod
from utilitarian_operator.adapters.cluster.cache import PODS
from utilitarian_operator.adapters.cluster.kept import kept
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.diagnosis.pod_losses import Cause, pod_losses
from utilitarian_operator.core.reasons import Reason
from utilitarian_operator.reconcile.act.events import WARNINGS

LIMIT = {"limits": {"memory": "2Gi"}}


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
            id="ended without an error, and without being asked to",
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


@pytest.mark.parametrize(
    "deletion, lost",
    [
        ("2026-11-23T12:01:34Z", []),
        ("2026-11-23T12:01:35Z", [Cause.EVICTED]),
        ("2026-11-23T12:01:36Z", [Cause.EVICTED]),
    ],
    ids=["before", "in the same second", "after"],
)
def test_a_worker_that_left_already_is_not_lost_by_an_eviction(deletion: str, lost: list[Cause]) -> None:
    """`kubectl drain` evicts those that leave as well: it was counted as a loss that the operator had led out."""
    evicted = pod(conditions=disrupted("EvictionByEvictionAPI", "Eviction API: evicting"))
    evicted["metadata"] |= {"deletionTimestamp": deletion, "deletionGracePeriodSeconds": 90}
    assert [it.cause for it in pod_losses(kept(PODS, evicted))] == lost


@pytest.mark.parametrize("grace", [10**12, 2**63 - 1])
def test_an_eviction_may_give_any_grace_that_the_api_server_takes(grace: int) -> None:
    """Each look at the fleet ended with an error while the pod was there; the API server's own moment overflows."""
    evicted = pod(conditions=disrupted("EvictionByEvictionAPI", "Eviction API: evicting"))
    evicted["metadata"] |= {"deletionTimestamp": "1970-01-01T00:00:00Z", "deletionGracePeriodSeconds": grace}
    assert [it.cause for it in pod_losses(evicted)] == []


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_is_a_warning(cause: Cause) -> None:
    assert Reason(cause) in WARNINGS

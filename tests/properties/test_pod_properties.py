"""What must hold of a pod's status whatever a cluster puts beside our container, and whatever came of it."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.diagnosis.pod_losses import pod_losses
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.pod import pod_snapshot
from utilitarian_operator.core.observation.pod_failures import pod_failure

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MOMENTS = st.sampled_from(["2026-11-23T11:59:59Z", "2026-11-23T11:50:01Z", "2026-11-01T00:00:00Z"])
ENDS = st.builds(
    lambda reason, code, at: {"terminated": {"reason": reason, "exitCode": code, "finishedAt": at}},
    st.sampled_from(["OOMKilled", "Error", "Completed", "ContainerStatusUnknown", "Unknown", "StartError"]),
    st.sampled_from([0, 1, 137, 143, 255]),
    MOMENTS,
)
WAITS = st.builds(
    lambda reason: {"waiting": {"reason": reason, "message": "m"} if reason else {}},
    st.sampled_from([None, "ContainerCreating", "PodInitializing", "CrashLoopBackOff", "ImagePullBackOff"]),
)
STATES = st.one_of(ENDS, WAITS, MOMENTS.map(lambda at: {"running": {"startedAt": at}}))
CONDITIONS = st.lists(
    st.builds(
        lambda kind, status, reason, at: {"type": kind, "status": status, "reason": reason, "lastTransitionTime": at},
        st.sampled_from(["Ready", "ContainersReady", "PodScheduled", "DisruptionTarget", "PodReadyToStartContainers"]),
        st.sampled_from(["True", "False", "Unknown"]),
        st.sampled_from(["", "TerminationByKubelet", "EvictionByEvictionAPI", "Unschedulable", "SchedulingGated"]),
        MOMENTS,
    ),
    unique_by=lambda it: it["type"],
)


def container(name: str) -> st.SearchStrategy[Object]:
    return st.builds(
        lambda state, last, ready: {"name": name, "state": state, "lastState": last, "ready": ready, "restartCount": 1},
        STATES,
        st.one_of(st.just({}), ENDS),
        st.booleans(),
    )


def pod(status: Object, *, gone: bool) -> Object:
    metadata = {"name": "p", "uid": "u", "creationTimestamp": "2026-11-23T11:00:00Z"}
    spec = {"nodeName": "n", "containers": [{"name": "istio-proxy"}, {"name": "worker", "command": ["celery"]}]}
    leaving = {"deletionTimestamp": "2026-11-23T12:30:00Z"} if gone else {}
    return {"metadata": metadata | leaving, "spec": spec, "status": status}


STATUSES = st.builds(
    lambda phase, reason, conditions, own: {
        "phase": phase,
        "reason": reason,
        "conditions": conditions,
        "containerStatuses": [own],
    },
    st.sampled_from(["Pending", "Running", "Failed"]),
    st.sampled_from(["", "Evicted", "Terminated", "Preempting", "OutOfcpu"]),
    CONDITIONS,
    container("worker"),
)


def amid(status: Object, beside: Object, before: Object) -> Object:
    """The same with a container beside ours, and one before it."""
    return status | {"containerStatuses": [beside, *status["containerStatuses"]], "initContainerStatuses": [before]}


@given(status=STATUSES, beside=container("istio-proxy"), before=container("istio-init"), gone=st.booleans())
def test_what_becomes_of_other_containers_is_no_loss(
    status: Object, beside: Object, before: Object, *, gone: bool
) -> None:
    assert list(pod_losses(pod(amid(status, beside, before), gone=gone))) == list(pod_losses(pod(status, gone=gone)))


@given(status=STATUSES, beside=container("istio-proxy"), before=container("istio-init"), gone=st.booleans())
def test_a_worker_is_seen_alike_whatever_runs_beside_it(
    status: Object, beside: Object, before: Object, *, gone: bool
) -> None:
    silent = Unknown("does not answer", NOW)
    alone = pod_snapshot("p", pod(status, gone=gone), silent)
    assert pod_snapshot("p", pod(amid(status, beside, before), gone=gone), silent) == alone
    assert alone.running == ("running" in status["containerStatuses"][0]["state"])


@given(STATUSES, container("istio-proxy"), container("istio-init"))
def test_a_pod_that_is_ready_is_hindered_by_nothing(status: Object, beside: Object, before: Object) -> None:
    ready = status | {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    assert pod_failure(None, [pod(amid(ready, beside, before), gone=False)], NOW) is None


@given(status=STATUSES, beside=container("istio-proxy"), before=container("istio-init"), gone=st.booleans())
def test_whatever_hinders_can_be_said(status: Object, beside: Object, before: Object, *, gone: bool) -> None:
    found = pod_failure(None, [pod(amid(status, beside, before), gone=gone)], NOW)
    assert found is None or (found.message and "None" not in found.message)

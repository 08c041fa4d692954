"""How pods were lost that the operator didn't stop, from their status, and what to change.

A container that its node killed for memory or that ended by itself, and a pod that was evicted, preempted or lost with
its node. The names of the causes are Kubernetes' own (pod conditions, `DisruptionTarget`; container status, `reason`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from utilitarian_operator.api.objects import ReadOnlyObject
from utilitarian_operator.core.containers import condition, ours, queues_of, spec_of_ours
from utilitarian_operator.core.labels import POOL_LABEL
from utilitarian_operator.core.moments import length

BEAT = "beat"
"""What beat's pod stands under among the pools: none of them may be called so."""


class Cause(StrEnum):
    """Why a pod, or its container, was lost: all there are, so that a metric may carry it."""

    OOM_KILLED = "OOMKilled"
    CRASHED = "Crashed"
    EVICTED = "Evicted"
    PREEMPTED = "Preempted"
    NODE_LOST = "NodeLost"


@dataclass(frozen=True, slots=True)
class PodLoss:
    """One loss.

    Args:
        pod: its name.
        uid: of the pod.
        pool: it belonged to; `beat` for beat's pod.
        cause: of the loss.
        at: when, as far as Kubernetes tells it.
        occasion: tells two losses of one pod and one cause apart.
        words: Kubernetes' own, or what is known of the end.
        queues: that its worker consumed, by its command line.
        memory_limit: of its container; None if there is none.
        node: it ran on.
    """

    pod: str
    uid: str
    pool: str
    cause: Cause
    at: datetime | None
    occasion: str
    words: str
    queues: str = ""
    memory_limit: str | None = None
    node: str = "?"

    def note(self) -> str:
        """A sentence for people: what happened to which worker, and what to change."""
        whose = "beat" if self.pool == BEAT else f"pool {self.pool}"
        queues = f" (queue {self.queues})" if self.queues else ""
        return f"{whose}: pod {self.pod}{queues} on node {self.node} {_WHAT[self.cause](self)}"


_Lost: TypeAlias = tuple[Cause, str | None, str]
"""Why a pod was lost as a whole: cause, moment, words."""


def pod_losses(pod: ReadOnlyObject) -> Iterator[PodLoss]:
    """All losses that a pod's status still shows: of the container that runs Celery, and of the pod as a whole.

    A container that ended because its pod was evicted, or its node shut down, is one loss and not two.
    """
    lost = _of_the_pod(pod)
    own = ours(pod) or {}
    ended = _terminated(own, "state") or _terminated(own, "lastState")
    if ended is not None and not _was_told_to(pod, own, ended, lost):
        yield _of_our_container(pod, ended)
    if lost is not None:
        cause, at, words = lost
        yield _loss(pod, cause, at, "", words)


def _of_our_container(pod: ReadOnlyObject, ended: ReadOnlyObject) -> PodLoss:
    reason = ended.get("reason", "Error")
    words = f"exit code {ended.get('exitCode')} ({reason})"
    occasion = str(ended.get("containerID") or ended.get("finishedAt"))
    if reason in _OUT_OF_SIGHT:
        said = ended.get("message") or "its node restarted, or lost sight of it"
        return _loss(pod, Cause.NODE_LOST, ended.get("finishedAt"), occasion, f"{said.rstrip('. ')}, {words}")
    cause = Cause.OOM_KILLED if reason == Cause.OOM_KILLED else Cause.CRASHED
    return _loss(pod, cause, ended.get("finishedAt"), occasion, words)


def _was_told_to(pod: ReadOnlyObject, own: ReadOnlyObject, ended: ReadOnlyObject, lost: _Lost | None) -> bool:
    """Whether the container ended because its pod was to; one that the kernel kills for memory never does."""
    if ended.get("reason") == Cause.OOM_KILLED:
        return False
    if "deletionTimestamp" in pod["metadata"]:
        return True
    if lost is None:
        return False
    _, since, _ = lost
    now = _terminated(own, "state") is not None
    at = ended.get("finishedAt")
    return now if since is None or at is None else datetime.fromisoformat(at) >= datetime.fromisoformat(since)


def _terminated(container: ReadOnlyObject, which: str) -> ReadOnlyObject | None:
    return (container.get(which) or {}).get("terminated")


_OUT_OF_SIGHT = {"ContainerStatusUnknown", "Unknown"}
"""How a kubelet calls the end of a container that it found gone, after its node was restarted say."""

_EVICTION = "EvictionByEvictionAPI"
_DISRUPTIONS = {
    "PreemptionByScheduler": Cause.PREEMPTED,
    "DeletionByTaintManager": Cause.NODE_LOST,
    "DeletionByPodGC": Cause.NODE_LOST,
    _EVICTION: Cause.EVICTED,
    "TerminationByKubelet": Cause.EVICTED,
}

_ENDS = {
    "Evicted": Cause.EVICTED,
    "Terminated": Cause.EVICTED,
    "NodeShutdown": Cause.EVICTED,
    "Shutdown": Cause.EVICTED,
    "Preempting": Cause.PREEMPTED,
    "NodeLost": Cause.NODE_LOST,
}
"""By `status.reason` of a pod: what a kubelet writes that ends one as a whole."""


def _of_the_pod(pod: ReadOnlyObject) -> _Lost | None:
    """Why a pod as a whole was ended that the operator didn't stop; one whose container never began is no loss."""
    status = pod.get("status", {})
    why, by_kubelet = status.get("reason", ""), _ENDS.get(status.get("reason", ""))
    target = condition(pod, "DisruptionTarget")
    if _left_before(pod, target):
        return None
    if target.get("status") == "True":
        cause = _DISRUPTIONS.get(target.get("reason", ""), Cause.EVICTED)
        if target.get("reason") == "TerminationByKubelet" and by_kubelet is not None:
            cause = by_kubelet
        words = target.get("message") or target.get("reason", "")
        return cause, target.get("lastTransitionTime"), words.rstrip(". ")
    if by_kubelet is None and status.get("phase") == "Failed" and why and ours(pod) is not None:
        by_kubelet = Cause.EVICTED
    if by_kubelet is None:
        return None
    return by_kubelet, None, str(status.get("message") or why).rstrip(". ")


def _left_before(pod: ReadOnlyObject, target: ReadOnlyObject) -> bool:
    """Whether a pod was deleted already when it was evicted: Kubernetes writes the same condition then.

    Both moments are known to the second. A deletionTimestamp is when the grace is over that the deletion has given.
    """
    metadata, at = pod["metadata"], target.get("lastTransitionTime")
    if target.get("reason") != _EVICTION or at is None or "deletionTimestamp" not in metadata:
        return False
    grace = length(metadata.get("deletionGracePeriodSeconds") or 0)
    return datetime.fromisoformat(metadata["deletionTimestamp"]) - grace < datetime.fromisoformat(at)


def _loss(pod: ReadOnlyObject, cause: Cause, at: str | None, occasion: str, words: str) -> PodLoss:
    metadata, container = pod["metadata"], spec_of_ours(pod)
    return PodLoss(
        pod=metadata["name"],
        uid=metadata["uid"],
        pool=(metadata.get("labels") or {}).get(POOL_LABEL, BEAT),
        cause=cause,
        at=datetime.fromisoformat(at) if at else None,
        occasion=occasion,
        words=words,
        queues=", ".join(queues_of(container)),
        memory_limit=(container.get("resources", {}).get("limits") or {}).get("memory"),
        node=pod["spec"].get("nodeName", "?"),
    )


def _out_of_memory(it: PodLoss) -> str:
    field = "beat.resources" if it.pool == BEAT else "worker.resources"
    if it.memory_limit is None:
        return f"was killed because the node was out of memory; give it a limit and a request: {field}"
    less = "" if it.pool == BEAT else ", lower worker.concurrency, or set worker.maxMemoryPerChild (prefork)"
    return f"was killed at its memory limit of {it.memory_limit}; raise {field}.limits.memory{less}"


def _crashed(it: PodLoss) -> str:
    return f"ended by itself, {it.words}; its log says why: kubectl logs {it.pod} --previous"


def _evicted(it: PodLoss) -> str:
    if "shutdown" in it.words.lower():
        return f"was ended because its node shuts down: {it.words}; it had the node's shutdownGracePeriod to finish"
    field = "beat.resources.requests" if it.pool == BEAT else "worker.resources.requests"
    cure = "" if "The node was low on resource" not in it.words else f"; give {field} what it uses"
    return f"was evicted: {it.words}{cure}"


def _preempted(it: PodLoss) -> str:
    return f"was preempted by a pod of higher priority: {it.words}; raise pod.priorityClassName, or add nodes"


def _node_lost(it: PodLoss) -> str:
    return f"was lost with its node: {it.words}; what it ran is redelivered only if it acknowledges late"


_WHAT = {
    Cause.OOM_KILLED: _out_of_memory,
    Cause.CRASHED: _crashed,
    Cause.EVICTED: _evicted,
    Cause.PREEMPTED: _preempted,
    Cause.NODE_LOST: _node_lost,
}

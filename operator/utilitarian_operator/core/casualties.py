"""How pods were lost against everybody's will, as their status tells it, and what to change; decides nothing.

A container that its node killed for memory or that ended by itself, and a pod that was evicted, preempted or lost with
its node. The names of the causes are Kubernetes' own (pod conditions, `DisruptionTarget`; container status, `reason`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from utilitarian_operator.core.manifests import POOL_LABEL

Object = Mapping[str, Any]

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
class Casualty:
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


def casualties(pod: Object) -> Iterator[Casualty]:
    """All losses that a pod's status still shows."""
    status, metadata = pod.get("status", {}), pod["metadata"]
    for container in status.get("containerStatuses", []):
        ended = container.get("state", {}).get("terminated") or container.get("lastState", {}).get("terminated")
        # One that was told to stop has ended as it should.
        if ended and ("deletionTimestamp" not in metadata or ended.get("reason") == Cause.OOM_KILLED):
            cause = Cause.OOM_KILLED if ended.get("reason") == Cause.OOM_KILLED else Cause.CRASHED
            words = f"exit code {ended.get('exitCode')} ({ended.get('reason', 'Error')})"
            occasion = str(ended.get("containerID") or ended.get("finishedAt"))
            yield _casualty(pod, cause, ended.get("finishedAt"), occasion, words)
    lost = _disruption(status)
    if lost is not None:
        cause, at, words = lost
        yield _casualty(pod, cause, at, "", words)


_DISRUPTIONS = {
    "PreemptionByScheduler": Cause.PREEMPTED,
    "DeletionByTaintManager": Cause.NODE_LOST,
    "DeletionByPodGC": Cause.NODE_LOST,
    "EvictionByEvictionAPI": Cause.EVICTED,
    "TerminationByKubelet": Cause.EVICTED,
}


def _disruption(status: Object) -> tuple[Cause, str | None, str] | None:
    for condition in status.get("conditions", []):
        if (condition["type"], condition["status"]) == ("DisruptionTarget", "True"):
            cause = _DISRUPTIONS.get(condition.get("reason", ""), Cause.EVICTED)
            words = condition.get("message") or condition.get("reason", "")
            return cause, condition.get("lastTransitionTime"), words.rstrip(". ")
    if status.get("reason") == Cause.EVICTED:
        return Cause.EVICTED, None, str(status.get("message", "no message")).rstrip(". ")
    return None


def _casualty(pod: Object, cause: Cause, at: str | None, occasion: str, words: str) -> Casualty:
    metadata, container = pod["metadata"], pod["spec"]["containers"][0]
    command = container.get("command", [])
    return Casualty(
        pod=metadata["name"],
        uid=metadata["uid"],
        pool=(metadata.get("labels") or {}).get(POOL_LABEL, BEAT),
        cause=cause,
        at=datetime.fromisoformat(at) if at else None,
        occasion=occasion,
        words=words,
        queues=", ".join(command[command.index("-Q") + 1].split(",")) if "-Q" in command else "",
        memory_limit=(container.get("resources", {}).get("limits") or {}).get("memory"),
        node=pod["spec"].get("nodeName", "?"),
    )


def _out_of_memory(it: Casualty) -> str:
    field = "beat.resources" if it.pool == BEAT else "worker.resources"
    if it.memory_limit is None:
        return f"was killed because the node was out of memory; give it a limit and a request: {field}"
    less = "" if it.pool == BEAT else ", lower worker.concurrency, or set worker.maxMemoryPerChild (prefork)"
    return f"was killed at its memory limit of {it.memory_limit}; raise {field}.limits.memory{less}"


def _crashed(it: Casualty) -> str:
    return f"ended by itself, {it.words}; its log says why: kubectl logs {it.pod} --previous"


def _evicted(it: Casualty) -> str:
    cure = "" if "The node was low on resource" not in it.words else "; give worker.resources.requests what it uses"
    return f"was evicted: {it.words}{cure}"


def _preempted(it: Casualty) -> str:
    return f"was preempted by a pod of higher priority: {it.words}; raise pod.priorityClassName, or add nodes"


def _node_lost(it: Casualty) -> str:
    return f"was lost with its node: {it.words}; what it ran is redelivered only if it acknowledges late"


_WHAT = {
    Cause.OOM_KILLED: _out_of_memory,
    Cause.CRASHED: _crashed,
    Cause.EVICTED: _evicted,
    Cause.PREEMPTED: _preempted,
    Cause.NODE_LOST: _node_lost,
}

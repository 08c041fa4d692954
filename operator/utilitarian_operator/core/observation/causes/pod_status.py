"""Why one pod doesn't run or doesn't become ready, in the words of Kubernetes in its status."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from utilitarian_operator.api.objects import ReadOnlyObject
from utilitarian_operator.core.containers import before_ours, beside_ours, condition, is_ready, keeps_running, ours
from utilitarian_operator.core.moments import apart
from utilitarian_operator.core.wording import plural

ON_ITS_WAY = {None, "ContainerCreating", "PodInitializing"}
"""Reasons of a waiting container that are no failure."""

HISTORY_AFTER = timedelta(minutes=10)
"""An end of a container that lies further back explains nothing any more: Kubernetes forgets its backoff by then."""

LATE_AFTER = timedelta(minutes=10)
"""A pod that has a node should be ready by then: as long as Kubernetes lets a Deployment make no progress."""

LONGEST_WARNING = 400
"""Characters of a warning that are shown."""

Events = Mapping[str, str]
"""What Kubernetes warns of, or the broker refused, of a pod that doesn't run or become ready, by the pod's name."""


def why_not_running(pod: ReadOnlyObject, now: datetime) -> str | None:
    """Why a pod can't run, in the kubelet's words; None if it runs, or is on its way.

    Our own container comes first, then those before it, which keep it from starting, then those beside it, which keep
    the pod from being ready.

    Args:
        pod: as it was seen.
        now: the one clock.
    """
    if not pod or is_ready(pod):
        return None
    own = ours(pod)
    for container in [*([own] if own else []), *before_ours(pod), *beside_ours(pod)]:
        words = _of_a_container(container, now, ended_well=container is not own)
        if words is not None:
            whose = "" if container is own else f", container {container.get('name')}"
            return f"pod {pod['metadata']['name']}{whose}: {words}"
    return None


def crashed(pod: ReadOnlyObject, now: datetime) -> str | None:
    """Whose log says why our container doesn't stay up: `previous` or `current`; None if it did not end lately."""
    own = ours(pod)
    if own is None or is_ready(pod) or "deletionTimestamp" in pod["metadata"]:
        return None
    ended = (own.get("state") or {}).get("terminated")
    last = ended or (own.get("lastState") or {}).get("terminated")
    if not last or not last.get("exitCode") or _is_history(last, now):
        return None
    return "current" if ended else "previous"


def why_not_ready(pod: ReadOnlyObject, now: datetime, events: Events = MappingProxyType({})) -> str | None:
    """Why no node takes a pod, in the scheduler's words, why its container can't run, or what it waits for so long.

    Args:
        pod: as it was seen.
        now: the one clock.
        events: what is known of pods beyond their status.
    """
    placed = condition(pod, "PodScheduled")
    if placed.get("status") == "False" and placed.get("message"):
        return f"pod {pod['metadata']['name']}: {placed.get('reason')}: {placed['message']}"
    words = with_events(why_not_running(pod, now), pod, events)
    since = unready_since(pod)
    if words is None and since is not None and now - since >= LATE_AFTER:
        return f"pod {pod['metadata']['name']}: {what_is_missing(pod, events)}"
    return words


def with_events(words: str | None, pod: ReadOnlyObject, events: Events) -> str | None:
    """A sentence on a pod, with what is known beyond its status; None if there is no sentence."""
    name = pod["metadata"]["name"]
    return words if words is None or name not in events else f"{words}; {events[name]}"


def _of_a_container(container: ReadOnlyObject, now: datetime, *, ended_well: bool) -> str | None:
    state, last = container.get("state") or {}, (container.get("lastState") or {}).get("terminated")
    if last and _is_history(last, now):
        last = None
    waiting, ended, running = state.get("waiting"), state.get("terminated"), state.get("running")
    if waiting and waiting.get("reason") not in ON_ITS_WAY:
        return f"{waiting['reason']}: {waiting.get('message', 'no message')}{_ending(last)}"
    if ended and (ended.get("exitCode") or not ended_well):
        return _ending(ended).removeprefix("; ")
    if running is not None and last and last.get("exitCode"):
        return f"{plural(container.get('restartCount', 1), 'restart')}{_ending(last)}"
    return None  # it runs, has done its part, or starts for the first time


def _is_history(ended: ReadOnlyObject, now: datetime) -> bool:
    at = ended.get("finishedAt")
    return at is not None and apart(datetime.fromisoformat(at), now) > HISTORY_AFTER


def _ending(last: ReadOnlyObject | None) -> str:
    """How the container ended the last time: what `CrashLoopBackOff` itself doesn't say."""
    if not last:
        return ""
    return f"; it ended with exit code {last.get('exitCode')} ({last.get('reason', 'Error')})"


def unplaced(pod: ReadOnlyObject, now: datetime, patience: timedelta) -> tuple[str, str] | None:
    """Why no node has been found for a pod for too long, and what to do; None for one that has a node, or is young.

    Args:
        pod: as it was seen.
        now: the one clock.
        patience: for how long that may be so.
    """
    if pod.get("spec", {}).get("nodeName") or ours(pod) is not None:
        return None
    placed, made = condition(pod, "PodScheduled"), pod["metadata"].get("creationTimestamp")
    since = placed.get("lastTransitionTime") or made
    if placed.get("status") == "True" or since is None or now - datetime.fromisoformat(since) < patience:
        return None
    name = f"pod {pod['metadata']['name']}"
    match placed.get("reason"):
        case None:
            scheduler = pod.get("spec", {}).get("schedulerName", "default-scheduler")
            return f"{name}: no scheduler has looked at it", f"see that the scheduler {scheduler} runs"
        case "SchedulingGated":
            gates = ", ".join(it["name"] for it in pod.get("spec", {}).get("schedulingGates") or []) or "?"
            return f"{name}: {placed.get('message', 'gated')} ({gates})", "what has set a gate must take it away"
        case _:
            said = f"{name}: {placed.get('message', 'no message')}"
            return said, "add nodes, or lower worker.resources.requests"


def unready_since(pod: ReadOnlyObject) -> datetime | None:
    """Since when a pod that has a node has not been ready; None for one that is, or whose status doesn't tell."""
    if is_ready(pod) or condition(pod, "PodScheduled").get("status") == "False":
        return None
    moments = [condition(pod, kind).get("lastTransitionTime") for kind in ("Ready", "PodScheduled")]
    known = [it for it in moments if it] or [pod["metadata"].get("creationTimestamp")]
    return max((datetime.fromisoformat(it) for it in known if it), default=None)


def what_is_missing(pod: ReadOnlyObject, events: Events) -> str:
    """What a pod that has a node still waits for, as a clause, by its status and by Kubernetes' newest warning.

    Args:
        pod: that is not ready.
        events: of pods.
    """
    name = pod["metadata"]["name"]
    said = f" ({events[name]})" if name in events else ""
    hangs = next((it["name"] for it in before_ours(pod) if _hangs(pod, it)), None)
    if hangs is not None:
        return f"its init container {hangs} has not ended{said} (kubectl logs {name} -c {hangs})"
    own = ours(pod)
    if own is None or "running" not in (own.get("state") or {}):
        lacks = _before_a_container(pod, own)
        return f"{lacks}{said} (kubectl describe pod {name})"
    beside = next((it["name"] for it in beside_ours(pod) if not it.get("ready")), None)
    if beside is not None:
        return f"its container {beside} is not ready{said} (kubectl logs {name} -c {beside})"
    return f"its log says why it doesn't consume{said} (kubectl logs)"


def newest_warning(events: Sequence[ReadOnlyObject]) -> str:
    """The newest of a pod's warnings, as `REASON: MESSAGE`; empty if there is none.

    Args:
        events: of the pod, as the API server lists them.
    """
    said = [it for it in events if it.get("type") == "Warning" and it.get("message")]
    if not said:
        return ""
    newest = max(said, key=lambda it: str(it.get("lastTimestamp") or it.get("eventTime") or ""))
    return f"{newest.get('reason', 'Warning')}: {newest['message']}"[:LONGEST_WARNING].strip()


def _hangs(pod: ReadOnlyObject, container: ReadOnlyObject) -> bool:
    if keeps_running(pod, container["name"]):
        return not container.get("started", True)
    return "running" in (container.get("state") or {})


def _before_a_container(pod: ReadOnlyObject, own: ReadOnlyObject | None) -> str:
    """In which of the kubelet's steps it stands."""
    if condition(pod, "PodReadyToStartContainers").get("status") == "False":
        return "its volumes or its network are not ready"
    if own is None:
        return "its node has not begun with it"
    waiting = (own.get("state") or {}).get("waiting") or {}
    return f"its container has not started ({waiting.get('reason', 'no reason is given')})"

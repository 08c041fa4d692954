"""What keeps a pool from having the workers that were asked for, in Kubernetes' own words.

A ReplicaSet may be refused its pods (a quota, a limit range, pod security, a service account that is not there), a pod
may find no node, and a container may not start. Asking for more workers helps with none of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from utilitarian_operator.api.objects import ReadOnlyObject
from utilitarian_operator.api.units import format_duration
from utilitarian_operator.core.containers import condition, is_ready, lost_on, ours
from utilitarian_operator.core.labels import DRAINING
from utilitarian_operator.core.moments import apart
from utilitarian_operator.core.observation.causes.pod_status import (
    LATE_AFTER,
    Events,
    unplaced,
    unready_since,
    what_is_missing,
    why_not_running,
    with_events,
)
from utilitarian_operator.core.observation.causes.refused_pods import cure
from utilitarian_operator.core.wording import plural

PODS_REFUSED = "PodsRefused"
PODS_NOT_DELETED = "PodsNotDeleted"
UNSCHEDULABLE = "Unschedulable"
WORKERS_FAILING = "WorkersFailing"
ROLLOUT_FAILING = "RolloutFailing"
NEVER_READY = "NeverReady"
NODE_LOST = "NodeLost"

REASONS = (PODS_REFUSED, UNSCHEDULABLE, WORKERS_FAILING, ROLLOUT_FAILING, NEVER_READY, NODE_LOST)
"""All reasons of a failure that stops a pool."""

UNSCHEDULABLE_AFTER = timedelta(minutes=2)
"""A pod that waits for a node for less long may be what a cluster autoscaler answers to."""

ATTACHED_ELSEWHERE = "Multi-Attach error"
"""How Kubernetes says that a volume of one node is on another one."""

REJECTED_FOR = timedelta(minutes=2)
"""A pod that its node has sent away is reported for this long: its ReplicaSet makes another at once."""


@dataclass(frozen=True, slots=True)
class PodFailure:
    """Why a pool can't have its workers.

    Args:
        reason: one word in CamelCase.
        message: one sentence, with what Kubernetes says and what to do.
        stops: whether the pool can't do its work, or a new template can't take over; else some workers go on.
        more_is_useless: whether more workers would fare no better than those that are hindered.
    """

    reason: str
    message: str
    stops: bool = True
    more_is_useless: bool = True


def pod_failure(
    deployment: ReadOnlyObject | None,
    pods: Sequence[ReadOnlyObject],
    now: datetime,
    events: Events = MappingProxyType({}),
    *,
    hurries: bool = False,
) -> PodFailure | None:
    """The failure of a pool; None if there is none. What stops it goes first, then what a person must repair first.

    Args:
        deployment: of the pool, as it was seen; None while there is none.
        pods: of the pool, as they were seen.
        now: the one clock.
        events: what Kubernetes says of pods that have not become ready, as far as it was asked.
        hurries: whether the first failure counts: the pool asks for workers only when its tasks can't wait any longer.
    """
    found = list(_why_not_ready(deployment or {}, pods, now, events))
    if hurries and not found:
        found += _first_failures(pods, now)
    return next((it for it in found if it.stops), found[0] if found else None)


def is_refused(deployment: ReadOnlyObject) -> bool:
    """Whether the API server does not let a Deployment's pods be made, or deleted."""
    return condition(deployment, "ReplicaFailure").get("status") == "True"


def is_paused(deployment: ReadOnlyObject) -> bool:
    """Whether a new template waits because another client has paused the Deployment's rollout."""
    return bool(deployment.get("spec", {}).get("paused")) and rolls_out(deployment)


def is_leaving(deployment: ReadOnlyObject) -> bool:
    """Whether a Deployment is being deleted, and is there still."""
    return "deletionTimestamp" in deployment.get("metadata", {})


def is_sound(pod: ReadOnlyObject) -> bool:
    """Whether a pod has what it needs, whatever the time is: it stays, and is ready on a node that answers."""
    return _stays(pod) and is_ready(pod) and (bool(pod.get("spec", {}).get("nodeName")) or ours(pod) is not None)


def make_room(deployment: ReadOnlyObject) -> str:
    """What lets a new template take over where there is no room for a worker more, as a clause; empty if none is made.

    Args:
        deployment: whose rollout it is, as it was seen.
    """
    strategy = deployment.get("spec", {}).get("strategy") or {}
    surge = (strategy.get("rollingUpdate") or {}).get("maxSurge", "25%")
    if strategy.get("type") == "Recreate" or surge in {0, "0%"}:
        return ""
    return (
        "; the rollout starts new workers beside the old ones: if there is room for none, write rollout: {maxSurge: 0, "
        "maxUnavailable: 1} in the pool, or {type: Recreate}: an old worker then ends its tasks and goes first"
    )


def rolls_out(live: ReadOnlyObject) -> bool:
    """Whether a new template has not reached every pod of a Deployment or StatefulSet."""
    status = live.get("status", {})
    return bool(status.get("updatedReplicas", 0) < status.get("replicas", 0))


def late(deployment: ReadOnlyObject | None, pods: Sequence[ReadOnlyObject], now: datetime) -> list[ReadOnlyObject]:
    """The pods that have a node and have not become ready for too long, those that have waited longest first."""
    waited = [(since, pod) for pod in pods if _stays(pod) and (since := unready_since(pod))]
    too_long = [(since, pod) for since, pod in waited if now - since >= _patience(deployment or {})]
    return [pod for _, pod in sorted(too_long, key=lambda it: (it[0], it[1]["metadata"]["name"]))]


def _why_not_ready(
    deployment: ReadOnlyObject, pods: Sequence[ReadOnlyObject], now: datetime, events: Events
) -> Iterator[PodFailure]:
    there = [pod for pod in pods if _stays(pod)]
    ready, rolling_out = sum(is_ready(pod) for pod in there), rolls_out(deployment)
    yield from _leaving(deployment, len(there), ready)
    yield from _refused(deployment, ready, rolling_out=rolling_out)
    yield from _paused(deployment)
    yield from _rejected(pods, ready, now)
    lost = [(pod, node) for pod in there if (node := lost_on(pod))]
    there = [pod for pod in there if not lost_on(pod)]
    failing = [words for pod in there if (words := with_events(why_not_running(pod, now), pod, events))]
    if failing:
        yield _failing(failing, ready, rolling_out=rolling_out)
    waiting = [found for pod in there if (found := unplaced(pod, now, UNSCHEDULABLE_AFTER))]
    if waiting:
        said, remedy = waiting[0]
        what = f"{plural(len(waiting), 'worker')} found no node for {format_duration(UNSCHEDULABLE_AFTER)}: {said}"
        room = make_room(deployment) if ready and rolling_out else ""
        yield PodFailure(UNSCHEDULABLE, f"{what.rstrip('.')}; {remedy}{room}", stops=not ready or bool(room))
    if lost:
        yield _lost(lost, ready)
    yield from _never_ready(deployment, there, ready, now, events)


def _first_failures(pods: Sequence[ReadOnlyObject], now: datetime) -> Iterator[PodFailure]:
    """What the scheduler says of pods that may still get a node: from an autoscaler that makes one, for example."""
    found = [unplaced(pod, now, timedelta()) for pod in pods if _stays(pod) and condition(pod, "PodScheduled")]
    waiting = [it for it in found if it is not None]
    if waiting:
        said, remedy = waiting[0]
        message = f"{plural(len(waiting), 'worker')} found no node so far: {said}".rstrip(".")
        yield PodFailure(UNSCHEDULABLE, f"{message}; {remedy}", stops=False, more_is_useless=False)


def _failing(failing: Sequence[str], ready: int, *, rolling_out: bool) -> PodFailure:
    useless = len(failing) >= ready
    if not ready:
        return PodFailure(WORKERS_FAILING, failing[0])
    if rolling_out:
        message = f"a new template can't take over and the old workers go on: {failing[0]}"
        return PodFailure(ROLLOUT_FAILING, message, more_is_useless=useless)
    message = f"{plural(len(failing), 'worker')} of {len(failing) + ready} can't run: {failing[0]}"
    return PodFailure(WORKERS_FAILING, message, stops=False, more_is_useless=useless)


def _lost(lost: Sequence[tuple[ReadOnlyObject, str]], ready: int) -> PodFailure:
    pod, node = lost[0]
    message = (
        f"{plural(len(lost), 'worker')} can't be seen: pod {pod['metadata']['name']}: its node {node} doesn't answer; "
        "Kubernetes replaces it after some minutes (tolerationSeconds of node.kubernetes.io/unreachable)"
    )
    return PodFailure(NODE_LOST, message, stops=not ready, more_is_useless=False)


def _never_ready(
    deployment: ReadOnlyObject, there: Sequence[ReadOnlyObject], ready: int, now: datetime, events: Events
) -> Iterator[PodFailure]:
    """Workers that have a node and don't become ready, by their own age: as long as a Deployment may make no progress.

    Not by the Deployment's condition, which Kubernetes never sets on one that was complete with no replicas.
    """
    unready = late(deployment, there, now)
    if unready:
        message = (
            f"{plural(len(unready), 'worker')} did not become ready within {format_duration(_patience(deployment))}, "
            f"pod {unready[0]['metadata']['name']} for one: {what_is_missing(unready[0], events)}"
        )
        if ready and rolls_out(deployment) and ATTACHED_ELSEWHERE in message:
            message += make_room(deployment)
        yield PodFailure(NEVER_READY, message, stops=not ready or rolls_out(deployment), more_is_useless=not ready)


def _patience(deployment: ReadOnlyObject) -> timedelta:
    return timedelta(seconds=deployment.get("spec", {}).get("progressDeadlineSeconds", LATE_AFTER.total_seconds()))


def _leaving(deployment: ReadOnlyObject, there: int, ready: int) -> Iterator[PodFailure]:
    """What is to go, and has not gone yet, gets no pods any more, and no other of its name can be made beside it."""
    if is_leaving(deployment) and there < deployment["spec"].get("replicas", 1):
        name = deployment["metadata"]["name"]
        message = (
            f"its pods are no longer made: Deployment {name} is being deleted, and another one is made when it has "
            "gone; what it waits for is in its metadata.finalizers (foregroundDeletion: that its last pod has ended)"
        )
        yield PodFailure(PODS_REFUSED, message, stops=not ready)


def _refused(deployment: ReadOnlyObject, ready: int, *, rolling_out: bool) -> Iterator[PodFailure]:
    """What the API server says of pods that it does not let the ReplicaSet make, or delete."""
    if not is_refused(deployment):
        return
    failure = condition(deployment, "ReplicaFailure")
    said = str(failure.get("message", "no message")).rstrip(".")
    if failure.get("reason") == "FailedDelete":
        message = f"a pod of it can't be deleted: {said}; until it can, more workers run than are asked for"
        yield PodFailure(PODS_NOT_DELETED, message, stops=False, more_is_useless=False)
    else:
        room = make_room(deployment) if ready and rolling_out else ""
        message = f"its pods are refused: {said}; {cure(said)}{room}"
        yield PodFailure(PODS_REFUSED, message, stops=not ready or rolling_out)


def _paused(deployment: ReadOnlyObject) -> Iterator[PodFailure]:
    """What a person may have paused and forgotten: the operator leaves such a field to the client that set it."""
    if is_paused(deployment):
        name = deployment["metadata"]["name"]
        message = (
            "a new template can't take over and the old workers go on: "
            f"the rollout of Deployment {name} is paused; kubectl rollout resume deployment/{name}"
        )
        yield PodFailure(ROLLOUT_FAILING, message, more_is_useless=False)


def _rejected(pods: Sequence[ReadOnlyObject], ready: int, now: datetime) -> Iterator[PodFailure]:
    """What a node says of pods that it got and did not begin with."""
    for pod in pods:
        status, made = pod.get("status", {}), pod["metadata"].get("creationTimestamp")
        young = made is not None and apart(datetime.fromisoformat(made), now) < REJECTED_FOR
        if status.get("phase") == "Failed" and status.get("reason") and young and ours(pod) is None:
            said = f"{status['reason']}: {status.get('message', 'no message')}".rstrip(". ")
            message = f"its pods are refused by their node: pod {pod['metadata']['name']}: {said}"
            yield PodFailure(PODS_REFUSED, message, stops=not ready)
            return


def _stays(pod: ReadOnlyObject) -> bool:
    """Whether it has not ended (an evicted pod stays as Failed), nor is about to: one that drains is not ready."""
    ended = pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}
    drains = DRAINING in (pod["metadata"].get("annotations") or {})
    return not ended and not drains and "deletionTimestamp" not in pod["metadata"]

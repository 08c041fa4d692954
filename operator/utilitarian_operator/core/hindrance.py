"""What keeps a pool from having the workers that were asked for, in Kubernetes' own words; decides nothing.

A ReplicaSet may be refused its pods (a quota, a limit range, pod security, a service account that is not there), a pod
may find no node, and a container may not start. None of it is mended by asking for more workers.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from utilitarian_operator.api.units import format_duration
from utilitarian_operator.core.manifests import DRAINING
from utilitarian_operator.core.wording import plural

Object = Mapping[str, Any]

PODS_REFUSED = "PodsRefused"
UNSCHEDULABLE = "Unschedulable"
WORKERS_FAILING = "WorkersFailing"
ROLLOUT_FAILING = "RolloutFailing"
NEVER_READY = "NeverReady"

REASONS = (PODS_REFUSED, UNSCHEDULABLE, WORKERS_FAILING, ROLLOUT_FAILING, NEVER_READY)
"""All reasons of a hindrance."""

UNSCHEDULABLE_AFTER = timedelta(minutes=2)
"""A pod that waits for a node for less long may be what a cluster autoscaler answers to."""

ON_ITS_WAY = {"ContainerCreating", "PodInitializing"}
"""Reasons of a waiting container that are no trouble."""

PROGRESS_DEADLINE_S = 600
"""Kubernetes' own, of a Deployment that names none."""


@dataclass(frozen=True, slots=True)
class Hindrance:
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


def hindrance(deployment: Object | None, pods: Sequence[Object], now: datetime) -> Hindrance | None:
    """What hinders a pool; None if nothing does. Of several causes the one that a person must mend first.

    Args:
        deployment: of the pool, as it was seen; None while there is none.
        pods: of the pool, as they were seen.
        now: the one clock.
    """
    refused = _refused(deployment or {})
    if refused is not None:
        return refused
    there = [pod for pod in pods if _stays(pod)]
    ready = sum(_is_ready(pod) for pod in there)
    failing = [words for pod in there if (words := trouble(pod))]
    if failing:
        return _failing(failing, ready, rolls_out(deployment or {}))
    waiting = list(_unschedulable(there, now))
    if waiting:
        what = (
            f"{plural(len(waiting), 'worker')} found no node for {format_duration(UNSCHEDULABLE_AFTER)}: {waiting[0]}"
        )
        cure = "add nodes, or lower worker.resources.requests"
        return Hindrance(UNSCHEDULABLE, f"{what.rstrip('.')}; {cure}", stops=not ready)
    return _never_ready(deployment or {}, there, ready)


def rolls_out(live: Object) -> bool:
    """Whether a new template has not reached every pod of a Deployment or StatefulSet."""
    status = live.get("status", {})
    return bool(status.get("updatedReplicas", 0) < status.get("replicas", 0))


def trouble(pod: Object) -> str | None:
    """Why a pod's container can't run, in the kubelet's words; None if it runs, or is on its way."""
    status = pod.get("status", {})
    for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        state, last = container.get("state", {}), container.get("lastState", {}).get("terminated")
        waiting = state.get("waiting")
        if waiting and waiting.get("reason") not in ON_ITS_WAY:
            words = f"{waiting.get('reason')}: {waiting.get('message', 'no message')}"
        elif waiting or not last or _is_ready(pod) or not last.get("exitCode"):
            continue  # it runs, or starts for the first time
        else:
            words = f"{plural(container.get('restartCount', 1), 'restart')}"
        return f"pod {pod['metadata']['name']}: {words}{_ending(last)}"
    return None


def pod_hindrance(pod: Object) -> str | None:
    """Why no node takes a pod, in the scheduler's words, or why its container can't run."""
    for condition in pod.get("status", {}).get("conditions", []):
        if (condition["type"], condition["status"]) == ("PodScheduled", "False") and condition.get("message"):
            return f"pod {pod['metadata']['name']}: {condition.get('reason')}: {condition['message']}"
    return trouble(pod)


def _ending(last: Object | None) -> str:
    """How the container ended the last time: what `CrashLoopBackOff` itself doesn't say."""
    if not last:
        return ""
    return f"; it ended with exit code {last.get('exitCode')} ({last.get('reason', 'Error')})"


def _failing(failing: Sequence[str], ready: int, rolling_out: bool) -> Hindrance:
    useless = len(failing) >= ready
    if not ready:
        return Hindrance(WORKERS_FAILING, failing[0])
    if rolling_out:
        message = f"a new template can't take over and the old workers go on: {failing[0]}"
        return Hindrance(ROLLOUT_FAILING, message, more_is_useless=useless)
    message = f"{plural(len(failing), 'worker')} of {len(failing) + ready} can't run: {failing[0]}"
    return Hindrance(WORKERS_FAILING, message, stops=False, more_is_useless=useless)


def _never_ready(deployment: Object, there: Sequence[Object], ready: int) -> Hindrance | None:
    """Workers that run and don't consume, after the time that Kubernetes gives a Deployment to make progress."""
    unready = sorted(pod["metadata"]["name"] for pod in there if not _is_ready(pod))
    conditions = deployment.get("status", {}).get("conditions", [])
    reasons = {it.get("reason") for it in conditions if (it["type"], it["status"]) == ("Progressing", "False")}
    if not unready or "ProgressDeadlineExceeded" not in reasons:
        return None
    patience = timedelta(seconds=deployment["spec"].get("progressDeadlineSeconds", PROGRESS_DEADLINE_S))
    message = (
        f"{plural(len(unready), 'worker')} did not become ready within {format_duration(patience)}, pod {unready[0]} "
        "for one: its log says why it doesn't consume (kubectl logs)"
    )
    return Hindrance(NEVER_READY, message, stops=not ready or rolls_out(deployment), more_is_useless=not ready)


def _refused(deployment: Object) -> Hindrance | None:
    """What the API server says of pods that it does not let the ReplicaSet make."""
    for condition in deployment.get("status", {}).get("conditions", []):
        if (condition["type"], condition["status"]) == ("ReplicaFailure", "True"):
            said = str(condition.get("message", "no message")).rstrip(".")
            return Hindrance(PODS_REFUSED, f"its pods are refused: {said}; {_cure(said)}")
    return None


_CURES = (
    (r"exceeded quota: (?P<name>[^,]+)", "raise the ResourceQuota {name}, or lower scaling.max or worker.resources"),
    (r"failed quota: (?P<name>[^:]+)", "give worker.resources what the ResourceQuota {name} asks for"),
    (
        r"violates PodSecurity",
        "set pod.securityContext and pod.containerSecurityContext to what the namespace's level asks for",
    ),
    (
        r'serviceaccount "(?P<name>[^"]+)" not found',
        "make the ServiceAccount {name}, or correct pod.serviceAccountName",
    ),
    (
        r"(?:maximum|minimum|max limit|min)\b.*\bper (?:Container|Pod)\b",
        "give worker.resources what the LimitRange allows",
    ),
    (r"is invalid: \S+resources", "correct worker.resources: a LimitRange may have filled in what it leaves open"),
    (r"no PriorityClass with name (?P<name>\S+)", "make the PriorityClass {name}, or correct pod.priorityClassName"),
)


def _cure(said: str) -> str:
    for pattern, cure in _CURES:
        found = re.search(pattern, said)
        if found:
            return cure.format(**found.groupdict())
    return "change what it complains of: no worker is made before"


def _unschedulable(pods: Iterable[Object], now: datetime) -> Iterator[str]:
    for pod in pods:
        for condition in pod.get("status", {}).get("conditions", []):
            unplaced = (condition["type"], condition["status"], condition.get("reason"))
            since = condition.get("lastTransitionTime") or pod["metadata"]["creationTimestamp"]
            waited = now - datetime.fromisoformat(since)
            if unplaced == ("PodScheduled", "False", "Unschedulable") and waited >= UNSCHEDULABLE_AFTER:
                yield f"pod {pod['metadata']['name']}: {condition.get('message', 'no message')}"


def _stays(pod: Object) -> bool:
    """Whether it has not ended (an evicted pod stays as Failed), nor is about to: one that drains is not ready."""
    ended = pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}
    drains = DRAINING in (pod["metadata"].get("annotations") or {})
    return not ended and not drains and "deletionTimestamp" not in pod["metadata"]


def _is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any((it["type"], it["status"]) == ("Ready", "True") for it in conditions)

"""Follows the workers of a fleet from look to look until they are ready, so that each start is reported once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from utilitarian_operator.core.observation.counted.start_ups import LONGEST_START_UP_S, start_up
from utilitarian_operator.core.observation.model.pod import PodSnapshot

Pods = Mapping[str, tuple[PodSnapshot, ...]]
Bodies = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Starts:
    """The starts of a fleet's workers, as they are known after a look.

    Args:
        ready: pods that have become ready, and whose start was reported.
        at_once: the most workers that were starting at the same time as each, by pod.
        unseen: when the broker was last away; None if it never was.
    """

    ready: frozenset[str] = frozenset()
    at_once: Mapping[str, int] = field(default_factory=dict)
    unseen: datetime | None = None


def with_starts(
    before: Starts, pods: Pods, bodies: Bodies, began: datetime, now: datetime, *, broker_away: bool
) -> tuple[dict[str, tuple[PodSnapshot, ...]], Starts]:
    """The pods of a look by pool, each that became ready since the last one with its start; and what to keep.

    Args:
        before: what was kept at the last look.
        pods: by pool.
        bodies: the Kubernetes objects, by pod.
        began: when this operator began to look; of older pods nothing is reported.
        now: the one clock.
        broker_away: whether the broker can't be reached: a worker that starts waits for it.
    """
    starting = [pod.name for found in pods.values() for pod in found if _is_starting(pod, now)]
    at_once = {name: count for name, count in before.at_once.items() if name in bodies}
    at_once |= {name: max(at_once.get(name, 0), len(starting)) for name in starting}
    known = Starts(before.ready, at_once, now if broker_away else before.unseen)
    seen = {pool: tuple(_with_start(pod, bodies, known, began) for pod in found) for pool, found in pods.items()}
    ready = {pod.name for found in pods.values() for pod in found if pod.ready}
    kept = {name for name in before.ready if name in bodies}
    return seen, replace(known, ready=frozenset(ready | kept))


def _with_start(pod: PodSnapshot, bodies: Bodies, known: Starts, began: datetime) -> PodSnapshot:
    if not pod.ready or pod.name in known.ready:
        return pod
    body = bodies[pod.name]
    created, ready = datetime.fromisoformat(body["metadata"]["creationTimestamp"]), _ready_at(body)
    if created < began or ready is None:
        return pod
    at_once = known.at_once.get(pod.name, 1)
    return replace(pod, started_up=start_up(created, pod.running_since, ready, known.unseen, at_once))


def _is_starting(pod: PodSnapshot, now: datetime) -> bool:
    """Whether its container runs and it is not ready yet; one that takes too long for a start is another failure."""
    since = pod.running_since
    soon = since is not None and now - since <= timedelta(seconds=LONGEST_START_UP_S)
    return pod.running and pod.staying and not pod.ready and soon


def _ready_at(body: Mapping[str, Any]) -> datetime | None:
    conditions: Iterable[Mapping[str, Any]] = body.get("status", {}).get("conditions") or ()
    moments = (it.get("lastTransitionTime") for it in conditions if it.get("type") == "Ready")
    return next((datetime.fromisoformat(moment) for moment in moments if moment), None)

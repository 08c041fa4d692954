"""Follows the workers of a fleet from look to look until they are ready, and reports each start once."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from utilitarian_operator.core.observation.model import PodSnapshot
from utilitarian_operator.core.observation.start_ups import LONGEST_START_UP_S, start_up

Pods = Mapping[str, tuple[PodSnapshot, ...]]
Bodies = Mapping[str, Mapping[str, Any]]


class Starts:
    """The starts of a fleet's workers.

    Args:
        began: when this operator began to look; of older pods nothing is recorded.
    """

    def __init__(self, began: datetime) -> None:
        self._began = began
        self._ready: set[str] = set()
        self._at_once: dict[str, int] = {}
        self._unseen: datetime | None = None

    def see(
        self, pods: Pods, bodies: Bodies, now: datetime, *, broker_away: bool
    ) -> dict[str, tuple[PodSnapshot, ...]]:
        """The pods of a look by pool, each that became ready since the last one with its start.

        Args:
            pods: by pool.
            bodies: the Kubernetes objects, by pod.
            now: the one clock.
            broker_away: whether the broker can't be reached: a worker that starts waits for it.
        """
        self._unseen = now if broker_away else self._unseen
        starting = [pod.name for found in pods.values() for pod in found if _is_starting(pod, now)]
        for name in starting:
            self._at_once[name] = max(self._at_once.get(name, 0), len(starting))
        seen = {pool: tuple(self._with_start(pod, bodies[pod.name]) for pod in found) for pool, found in pods.items()}
        self._ready &= bodies.keys()
        self._at_once = {name: count for name, count in self._at_once.items() if name in bodies}
        return seen

    def _with_start(self, pod: PodSnapshot, body: Mapping[str, Any]) -> PodSnapshot:
        if not pod.ready or pod.name in self._ready:
            return pod
        self._ready.add(pod.name)
        created, ready = datetime.fromisoformat(body["metadata"]["creationTimestamp"]), _ready_at(body)
        if created < self._began or ready is None:
            return pod
        at_once = self._at_once.get(pod.name, 1)
        return replace(pod, started_up=start_up(created, pod.running_since, ready, self._unseen, at_once))


def _is_starting(pod: PodSnapshot, now: datetime) -> bool:
    """Whether its container runs and it is not ready yet; one that takes too long for a start has another trouble."""
    since = pod.running_since
    soon = since is not None and now - since <= timedelta(seconds=LONGEST_START_UP_S)
    return pod.running and pod.staying and not pod.ready and soon


def _ready_at(body: Mapping[str, Any]) -> datetime | None:
    conditions: Iterable[Mapping[str, Any]] = body.get("status", {}).get("conditions") or ()
    moments = (it.get("lastTransitionTime") for it in conditions if it.get("type") == "Ready")
    return next((datetime.fromisoformat(moment) for moment in moments if moment), None)

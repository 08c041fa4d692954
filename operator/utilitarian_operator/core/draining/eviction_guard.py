"""Which busy workers ask node autoscalers to leave their nodes alone (`disruption: Avoid`)."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from utilitarian_operator.api.effective import Fleet, Pool
from utilitarian_operator.api.objects import ReadOnlyObject
from utilitarian_operator.core.moments import since
from utilitarian_operator.core.observation.model import FleetSnapshot, PodSnapshot
from utilitarian_operator.core.sizing.facts import is_idle

GUARD = {
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "karpenter.sh/do-not-disrupt": "true",
}
"""What Kubernetes' cluster autoscaler (its FAQ) and Karpenter (Disruption, pod-level controls) heed."""

IDLE_FOR = timedelta(seconds=30)
"""A worker that had nothing to do for less long may have the next task at once: its pod is not written for each."""


class EvictionGuards:
    """The eviction guards of one fleet's workers; keeps only since when a worker is idle."""

    def __init__(self) -> None:
        self._idle_since: dict[str, datetime] = {}

    def changes(
        self, fleet: Fleet, snapshot: FleetSnapshot, bodies: Mapping[str, ReadOnlyObject]
    ) -> Iterator[tuple[ReadOnlyObject, dict[str, str | None]]]:
        """The pods to annotate, each with what to set, or with None for what to take away.

        Args:
            fleet: what runs.
            snapshot: of this look.
            bodies: of the pods, by name.
        """
        idle = {pod.name for pool in snapshot.pools.values() for pod in pool.pods if is_idle(pod)}
        self._idle_since = {name: since(self._idle_since.get(name), snapshot.at) for name in idle}
        for pool in fleet.pools:
            for pod in snapshot.pools[pool.name].pods:
                body = bodies.get(pod.name)
                change = None if body is None else self._change(pool, pod, body, snapshot.at)
                if body is not None and change:
                    yield body, change

    def _change(self, pool: Pool, pod: PodSnapshot, body: ReadOnlyObject, now: datetime) -> dict[str, str | None]:
        """What to write; an annotation that the resource gives its pods itself is left as it is."""
        there = body["metadata"].get("annotations") or {}
        ours = {key: value for key, value in GUARD.items() if key not in pool.pod.annotations}
        idle_since = self._idle_since.get(pod.name)
        # One that doesn't answer is busy.
        if pool.disruption == "Avoid" and idle_since is None:
            return {key: value for key, value in ours.items() if there.get(key) != value}
        if pool.disruption == "Avoid" and pod.running and idle_since is not None and now - idle_since < IDLE_FOR:
            return {}
        return dict.fromkeys(key for key, value in ours.items() if there.get(key) == value)

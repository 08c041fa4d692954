"""Which busy workers ask node autoscalers to leave their nodes alone (`disruption: Avoid`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from utilitarian_operator.api.effective import Fleet, Pool
from utilitarian_operator.api.objects import Object, ReadOnlyObject
from utilitarian_operator.core.containers import WORKER
from utilitarian_operator.core.moments import since
from utilitarian_operator.core.objects.pod_template import with_templates
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pod import PodSnapshot
from utilitarian_operator.core.sizing.facts import is_idle

GUARD = {
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "karpenter.sh/do-not-disrupt": "true",
}
"""What Kubernetes' cluster autoscaler (its FAQ) and Karpenter (Disruption, pod-level controls) heed."""


@dataclass(frozen=True, slots=True)
class GuardPod:
    """Annotations to write on a pod.

    Args:
        pod: its name.
        annotations: what to set; None takes one away.
    """

    pod: str
    annotations: Mapping[str, str | None]


def idle_since(snapshot: FleetSnapshot, before: Mapping[str, datetime]) -> dict[str, datetime]:
    """Since when each idle worker is idle, by the name of its pod.

    Args:
        snapshot: of this look.
        before: the same, of the look before.
    """
    idle = {pod.name for pool in snapshot.pools.values() for pod in pool.pods if is_idle(pod)}
    return {name: since(before.get(name), snapshot.at) for name in idle}


def guards(
    fleet: Fleet, snapshot: FleetSnapshot, bodies: Mapping[str, ReadOnlyObject], idle: Mapping[str, datetime]
) -> tuple[GuardPod, ...]:
    """The pods whose guard is not as it should be.

    Args:
        fleet: what runs.
        snapshot: of this look.
        bodies: of the pods, by name.
        idle: since when idle workers are idle, by the name of the pod.
    """
    found = []
    for pool in fleet.pools:
        given = _given(pool) if snapshot.pools[pool.name].pods else {}
        ours = {key: value for key, value in GUARD.items() if key not in given}
        for pod in snapshot.pools[pool.name].pods:
            body = bodies.get(pod.name)
            change = (
                None
                if body is None
                else _change(pool, pod, body, ours, _idle_for(idle, pod, snapshot.at), fleet.patience.idle)
            )
            if change:
                found.append(GuardPod(pod.name, change))
    return tuple(found)


def _given(pool: Pool) -> ReadOnlyObject:
    """The annotations that the resource gives the pool's pods itself, by a template as well."""
    made: Object = {"metadata": {"annotations": dict(pool.pod.annotations)}}
    parts = ({"metadata": it["metadata"]} for it in pool.pod.templates if isinstance(it.get("metadata"), dict))
    found = with_templates(made, parts, WORKER)["metadata"].get("annotations")
    return found if isinstance(found, dict) else {}


def _idle_for(idle: Mapping[str, datetime], pod: PodSnapshot, now: datetime) -> timedelta | None:
    return now - idle[pod.name] if pod.name in idle else None


def _change(
    pool: Pool,
    pod: PodSnapshot,
    body: ReadOnlyObject,
    ours: Mapping[str, str],
    idle: timedelta | None,
    patience: timedelta,
) -> dict[str, str | None]:
    """What to write of `ours`; an annotation that the resource gives its pods itself is not among them."""
    there = body["metadata"].get("annotations") or {}
    # One that doesn't answer is busy.
    if pool.disruption == "Avoid" and idle is None:
        return {key: value for key, value in ours.items() if there.get(key) != value}
    if pool.disruption == "Avoid" and pod.running and idle is not None and idle < patience:
        return {}
    return dict.fromkeys(key for key, value in ours.items() if there.get(key) == value)

"""From a pod as Kubernetes describes it to the values that are seen of it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from utilitarian_operator.core.changed import changed
from utilitarian_operator.core.containers import early_proxy, ours, queues_of, spec_of_ours
from utilitarian_operator.core.labels import CHEAPEST, CONSUMING, DELETION_COST, DRAINING
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad

_NOT_ASKED = Unknown("not asked", datetime.min.replace(tzinfo=UTC))


def pod_snapshot(
    name: str, body: Mapping[str, Any], held: WorkerLoad | Unknown, *, caught_up: bool = True
) -> PodSnapshot:
    """One pod of a pool.

    Args:
        name: of the pod.
        body: the Kubernetes object.
        held: what its worker said.
        caught_up: whether the watch has seen all that the operator wrote to it.
    """
    return changed(pod_by_itself(name, body), held=held, caught_up=caught_up)


def pod_by_itself(name: str, body: Mapping[str, Any]) -> PodSnapshot:
    """The same as the object alone tells it: its worker is not asked.

    Args:
        name: of the pod.
        body: the Kubernetes object.
    """
    metadata, status = body["metadata"], body.get("status", {})
    annotations = metadata.get("annotations") or {}
    conditions = {condition["type"]: condition["status"] for condition in status.get("conditions") or []}
    # The worker's container alone: one that a cluster puts beside it runs on while the worker crashes.
    running = ((ours(body) or {}).get("state") or {}).get("running")
    gates = body.get("spec", {}).get("readinessGates") or []
    return PodSnapshot(
        name=name,
        ready=conditions.get("Ready") == "True",
        running=running is not None,
        leaving="deletionTimestamp" in metadata,
        held=_NOT_ASKED,
        gated={"conditionType": CONSUMING} in gates,
        gate={"True": True, "False": False}.get(conditions.get(CONSUMING, "")),
        marked=_moment(annotations.get(DRAINING)),
        cheapest=annotations.get(DELETION_COST) == CHEAPEST,
        revision=(metadata.get("labels") or {}).get("pod-template-hash", ""),
        running_since=_moment((running or {}).get("startedAt")),
        early_proxy=early_proxy(body),
        leaves_by=_moment(metadata.get("deletionTimestamp")),
        queues=queues_of(spec_of_ours(body)),
    )


def no_older(held: WorkerLoad, since: datetime | None, now: datetime) -> WorkerLoad:
    """What a worker holds, with no task older than its container: ages are measured by the clocks of other machines."""
    if since is None:
        return held
    age = max((now - since).total_seconds(), 0.0)
    return held if held.oldest_s <= age else replace(held, oldest_s=age)


def _moment(text: str | None) -> datetime | None:
    """A moment as Kubernetes writes it; an edited text that is no moment counts as long ago."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

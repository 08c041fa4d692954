"""Counts the losses of pods that are new since the last look, and records an event for each."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from utilitarian_operator.core.diagnosis.pod_losses import Cause, PodLoss, pod_losses
from utilitarian_operator.core.reasons import Reason
from utilitarian_operator.metrics.fleet import Metrics
from utilitarian_operator.reconcile.act.events import MOST_TOLD
from utilitarian_operator.reconcile.act.writer import ObjectWriter

CLOCKS_DIFFER = timedelta(minutes=5)
"""Kubernetes' moments are whole seconds of another machine's clock."""


class PodLosses:
    """The losses of one fleet that its pods' status still shows.

    Args:
        began: when this operator began to look; what was lost before, an earlier one has told.
    """

    def __init__(self, began: datetime) -> None:
        self._began = began
        self._seen: set[tuple[str, Cause, str]] | None = None
        self._told: set[tuple[str, Cause]] = set()

    async def tell(
        self, pods: Iterable[Mapping[str, Any]], resource: dict[str, Any], metrics: Metrics, writer: ObjectWriter
    ) -> None:
        """Count the losses that are new, and tell the resource of them.

        Args:
            pods: see `new`.
            resource: the fleet's.
            metrics: the one writer.
            writer: that tells.
        """
        fleet = (resource["metadata"]["namespace"], resource["metadata"]["name"])
        for loss, worth_telling in self.new(pods):
            metrics.lost(fleet, loss.pool, loss.cause)
            if worth_telling:
                await writer.tell(resource, Reason(loss.cause), loss.note())

    def new(self, pods: Iterable[Mapping[str, Any]]) -> list[tuple[PodLoss, bool]]:
        """The losses that were not seen before, each with whether it is worth an event.

        Of a pod that is lost again and again by the same cause only the first is, and only some of one look.

        Args:
            pods: of the fleet: those that are there, and as they were those that went since the last look.
        """
        now = [loss for pod in pods for loss in pod_losses(pod)]
        before, self._seen = self._seen, {_key(it) for it in now}
        known = before or set()
        fresh = [it for it in now if _key(it) not in known and self._is_since(it, first_look=before is None)]
        self._told &= {(it.uid, it.cause) for it in now}
        return [(it, self._first(it, left)) for left, it in zip(count(MOST_TOLD, -1), fresh, strict=False)]

    def _is_since(self, loss: PodLoss, *, first_look: bool) -> bool:
        """Whether it happened since this operator began: a pod's status shows a container's last end for weeks."""
        if loss.at is None:
            return not first_look
        return loss.at >= (self._began if first_look else self._began - CLOCKS_DIFFER)

    def _first(self, loss: PodLoss, left: int) -> bool:
        subject = (loss.uid, loss.cause)
        if left <= 0 or subject in self._told:
            return False
        self._told.add(subject)
        return True


def _key(loss: PodLoss) -> tuple[str, Cause, str]:
    return loss.uid, loss.cause, loss.occasion

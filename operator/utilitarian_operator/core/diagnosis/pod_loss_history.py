"""The losses of pods that are new since the last look, and which of them are worth an event."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from utilitarian_operator.core.changed import Kept, changed
from utilitarian_operator.core.diagnosis.pod_losses import Cause, PodLoss, pod_losses
from utilitarian_operator.core.reasons import MOST_EVENTS_AT_ONCE

CLOCKS_DIFFER = timedelta(minutes=5)
"""Kubernetes' moments are whole seconds of another machine's clock."""


@dataclass(frozen=True)
class PodLosses:
    """The losses of one fleet that its pods' status still shows.

    Args:
        began: when this operator began to look; what was lost before, an earlier one has recorded.
        seen: the losses of the last look; None before the first.
        recorded: of each pod the causes that have their event.
    """

    began: datetime
    seen: frozenset[tuple[str, Cause, str]] | None = None
    recorded: frozenset[tuple[str, Cause]] = frozenset()

    def new(
        self, pods: Iterable[Mapping[str, Any]], kept: Kept | None = None
    ) -> "tuple[list[tuple[PodLoss, bool]], PodLosses]":
        """The losses that were not seen before, each with whether it is worth an event, and what is remembered now.

        Of a pod that is lost again and again by the same cause only the first is, and only some of one look.

        Args:
            pods: of the fleet: those that are there, and as they were those that went since the last look.
            kept: what the look before has made.
        """
        kept = kept or Kept()
        now = [loss for pod in pods for loss in kept.of(pod["metadata"]["name"], _losses, pod)]
        known, first_look = self.seen or frozenset(), self.seen is None
        fresh = [it for it in now if _key(it) not in known and self._is_since(it, first_look=first_look)]
        recorded = self.recorded & {(it.uid, it.cause) for it in now}
        found = []
        for left, it in zip(range(MOST_EVENTS_AT_ONCE, MOST_EVENTS_AT_ONCE - len(fresh), -1), fresh, strict=True):
            worth_an_event = left > 0 and (it.uid, it.cause) not in recorded
            recorded |= {(it.uid, it.cause)} if worth_an_event else set()
            found.append((it, worth_an_event))
        return found, changed(self, seen=frozenset(_key(it) for it in now), recorded=recorded)

    def _is_since(self, loss: PodLoss, *, first_look: bool) -> bool:
        """Whether it happened since this operator began: a pod's status shows a container's last end for weeks."""
        if loss.at is None:
            return not first_look
        return loss.at >= (self.began if first_look else self.began - CLOCKS_DIFFER)


def _losses(pod: Mapping[str, Any]) -> tuple[PodLoss, ...]:
    return tuple(pod_losses(pod))


def _key(loss: PodLoss) -> tuple[str, Cause, str]:
    return loss.uid, loss.cause, loss.occasion

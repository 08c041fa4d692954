"""Writes the eviction guards of busy workers on their pods and takes them away again."""

import logging
from typing import Any, Protocol

from utilitarian_operator.adapters.cluster.cache import PODS, Key, Store
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.draining.eviction_guard import EvictionGuards
from utilitarian_operator.core.observation.model import FleetSnapshot
from utilitarian_operator.errors import ClusterError

logger = logging.getLogger(__name__)

Object = dict[str, Any]


class Pods(Protocol):
    """What is needed of the API server; raises ClusterError."""

    async def annotate(self, pod: Object, annotations: dict[str, str | None]) -> Object:
        """Set annotations of exactly this pod; None takes one away."""


async def eviction_guard(
    cluster: Pods, store: Store, key: Key, eviction_guards: EvictionGuards, fleet: Fleet, snapshot: FleetSnapshot
) -> None:
    """Annotate the pods whose guard is not as it should be; one that can't be written is tried at the next look."""
    for body, annotations in eviction_guards.changes(fleet, snapshot, store.children(PODS, key)):
        try:
            store.answered(PODS, await cluster.annotate(dict(body), annotations))
        except ClusterError as error:
            logger.info("pod not annotated", extra={"pod": body["metadata"]["name"], "because": str(error)})

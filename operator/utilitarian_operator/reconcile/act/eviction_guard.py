"""Writes the eviction guards of busy workers on their pods and takes them away again."""

import logging

from utilitarian_operator.adapters.cluster.cache import PODS, Key, Store
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.draining.eviction_guard import EvictionGuards
from utilitarian_operator.core.observation.model import FleetSnapshot
from utilitarian_operator.errors import ClusterError

logger = logging.getLogger(__name__)


async def eviction_guard(
    cluster: Cluster, store: Store, key: Key, eviction_guards: EvictionGuards, fleet: Fleet, snapshot: FleetSnapshot
) -> None:
    """Annotate the pods whose guard is not as it should be; one that can't be written is tried at the next look."""
    for body, annotations in eviction_guards.changes(fleet, snapshot, store.children(PODS, key)):
        try:
            store.answered(
                PODS, await cluster.patch({"kind": "Pod", **body}, {"metadata": {"annotations": annotations}})
            )
        except ClusterError as error:
            logger.info("pod not annotated", extra={"pod": body["metadata"]["name"], "because": str(error)})

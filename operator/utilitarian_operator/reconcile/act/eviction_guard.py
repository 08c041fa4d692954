"""Writes the eviction guards of busy workers on their pods and takes them away again."""

import logging
from collections.abc import Iterable

from utilitarian_operator.adapters.cluster.cache import PODS, Key, Store
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.adapters.cluster.versions import version
from utilitarian_operator.core.draining.eviction_guard import GuardPod
from utilitarian_operator.errors import ClusterError

logger = logging.getLogger(__name__)


async def guard(cluster: Cluster, store: Store, key: Key, guards: Iterable[GuardPod]) -> None:
    """Annotate pods; one that can't be written is tried at the next look.

    Args:
        cluster: the API server.
        store: given at once what a write came to.
        key: of the fleet.
        guards: what to write.
    """
    there = store.children(PODS, key)
    for it in guards:
        if it.pod not in there:
            continue
        try:
            change, pod = {"metadata": {"annotations": it.annotations}}, there[it.pod]
            store.answered(PODS, await cluster.patch({"kind": "Pod", **pod}, change), seen=version(pod))
        except ClusterError as error:
            about = {"fleet": str(key), "pod": f"{key.namespace}/{it.pod}"}
            logger.info("pod not annotated", extra={**about, "because": str(error)})

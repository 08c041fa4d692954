"""Whether the API server fails one write alone, as where a webhook hangs that is called for it."""

import logging

from utilitarian_operator.adapters.cluster.cache import FLEETS, Key, Store
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.objects import Object
from utilitarian_operator.errors import ClusterError, Gone, LeaseUnsure, Rejected

logger = logging.getLogger(__name__)

ALONE = "the API server answers other requests: a webhook that is called for this one may hang"


async def refusal(cluster: Cluster, store: Store, resource: Object, error: ClusterError) -> tuple[str, bool]:
    """Why a write failed, as a sentence, and whether that may have been by chance: not where it was refused.

    Args:
        cluster: the API server.
        store: gets the resource as it is now.
        resource: the fleet's.
        error: of the write.

    Raises:
        ClusterError: the API server answers nothing at all now, or nothing may be written.
    """
    if isinstance(error, Rejected):
        return error.said, False
    if isinstance(error, LeaseUnsure):
        raise error
    await look_at(cluster, store, resource)
    return f"{error}; {ALONE}", True


async def look_at(cluster: Cluster, store: Store, resource: Object) -> None:
    """See whether a resource is there still: a watch may have missed that it went.

    Args:
        cluster: the API server.
        store: gets the resource as it is now.
        resource: as it was seen.
    """
    key = Key(resource["metadata"]["namespace"], resource["metadata"]["name"])
    try:
        store.see(FLEETS, await cluster.read(resource["kind"], *key))
    except Gone:
        store.see(FLEETS, resource, deleted=True)
    except Rejected as error:  # its role may be an older chart's, without the right
        logger.debug("resource not read", extra={"fleet": str(key), "because": str(error)})

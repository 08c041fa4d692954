"""Which fleets are looked at, and in which namespaces: those of other operators are left alone."""

import logging
from collections.abc import Awaitable, Callable

from utilitarian_operator.adapters.cluster.cache import FLEETS, Key, Store
from utilitarian_operator.errors import ClusterError
from utilitarian_operator.host.fences import Fences
from utilitarian_operator.host.settings import Settings
from utilitarian_operator.reconcile.reconciler import Reconciler

logger = logging.getLogger(__name__)


def wanted(store: Store, reconciler: Reconciler) -> list[Key]:
    """The fleets that are there, and those that are to be forgotten: no event may tell of that again."""
    return list(dict.fromkeys((*store.fleets(), *sorted(reconciler.kept))))


async def _all_known(_: str) -> None:
    """Every namespace is listed."""


async def look_if_ours(
    fences: Fences,
    reconciler: Reconciler,
    key: Key,
    newly_chosen: Callable[[str], Awaitable[None]] = _all_known,
) -> bool:
    """Look at a fleet, unless nothing may be written now or it is another operator's.

    Args:
        fences: say so.
        reconciler: looks.
        key: of the fleet.
        newly_chosen: called with its namespace before: where it was chosen a moment ago, what is there is read.
    """
    if fences.leadership.unsure:
        return True  # the next tick asks again
    if await fences.namespaces.ours(key.namespace):
        try:
            await newly_chosen(key.namespace)
        except ClusterError as error:
            logger.warning("not listed", extra={"namespace": key.namespace, "because": str(error)})
            return False
        return await reconciler.reconcile(key)
    if key.namespace in fences.namespaces.left_alone or reconciler.has_gone(key):
        await reconciler.leave(key)  # what the other one does meanwhile is not known here
    return True


async def leave(fences: Fences, store: Store, reconciler: Reconciler, key: Key) -> None:
    """Keep nothing more of a fleet; of one whose namespace is chosen no more, let another operator work on it."""
    await reconciler.leave(key)
    if key.namespace not in store.chosen:
        await fences.namespaces.leave(key.namespace)


def held(settings: Settings, store: Store) -> set[str]:
    """The namespaces that are watched by name, and those that have fleets, also where these are left alone."""
    return {*settings.namespaces, *store.room.aside, *(key.namespace for key in store.fleets())}


def worked_on(store: Store, namespace: str) -> bool:
    """Whether an operator has looked at a fleet of a namespace and written so."""
    return any((it.get("status") or {}).get("conditions") for it in store.objects_in(FLEETS, {namespace}))

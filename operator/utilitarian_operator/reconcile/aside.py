"""Tells of namespaces whose fleets are left alone because what is kept of them takes too much memory."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from utilitarian_operator.adapters.cluster.cache import FLEETS
from utilitarian_operator.adapters.cluster.room import Room
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.reasons import Reason
from utilitarian_operator.errors import ClusterError, NamespaceTooLarge

logger = logging.getLogger(__name__)

LOOKED_AT_EACH_S = 1.0
TRIES = 10
"""To record an event: after a start, the Lease without which none may be written is held within a second or two."""

PART_OF_THE_LIMIT = 4
"""Of the memory that the process may have, what is kept of objects takes one such part at most: what follows from them
takes as much again, and the process itself the rest."""


def room_in(memory: int | None) -> Room:
    """Room for the objects of all namespaces.

    Args:
        memory: bytes that the process may have; None where nothing limits it.
    """
    return Room(None if memory is None else memory // PART_OF_THE_LIMIT)


class Figures(Protocol):
    """What is shown of it."""

    def failed(self, error: Exception, /) -> None:
        """Count an error: so the alert on errors of looks tells of it."""

    def keeps(self, bytes_: int, most: int | None, /) -> None:
        """Show how many bytes are kept, and how many may be; None: as many as there are."""


@dataclass
class Aside:
    """Tells where a namespace gives way.

    Args:
        room: says which, and why.
        cluster: the API server.
        record: records an event on a fleet; returns whether it could be.
        figures: of the process.
    """

    room: Room
    cluster: Cluster
    record: Callable[[Object, Reason, str], Awaitable[bool]]
    figures: Figures
    _told: dict[str, str] = field(default_factory=dict)
    _tries_left: dict[str, int] = field(default_factory=dict)

    def notes(self) -> list[str]:
        """Which are left alone, a sentence each."""
        return [_sentence(namespace, why) for namespace, why in sorted(self.room.aside.items())]

    async def run(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Tell of each once, for ever."""
        while True:
            await self.look()
            await sleep(LOOKED_AT_EACH_S)

    async def look(self) -> None:
        """Tell of those that gave way or were taken back since the last time, and show how full the room is."""
        self.figures.keeps(self.room.taken, self.room.most)
        for namespace in self.room.aside:
            self.figures.failed(NamespaceTooLarge(namespace))
        now = dict(self.room.aside)
        for namespace in sorted(self._told.keys() - now.keys()):
            logger.info("the fleets of a namespace are looked at again", extra={"namespace": namespace})
        for namespace in sorted(now.keys() - self._told.keys()):
            about = {"namespace": namespace, "because": now[namespace]}
            logger.warning("the fleets of a namespace are left alone: it takes too much memory", extra=about)
            self._tries_left[namespace] = TRIES
        self._told = now
        for namespace in sorted(now.keys() & self._tries_left.keys()):
            self._tries_left[namespace] -= 1
            if await self._is_recorded(namespace, now[namespace]) or not self._tries_left[namespace]:
                del self._tries_left[namespace]

    async def _is_recorded(self, namespace: str, why: str) -> bool:
        """Record an event on one of a namespace's fleets; that can't be done before its Lease is held."""
        try:
            fleets, _ = await self.cluster.items(FLEETS, namespace, limit=1)
        except ClusterError as error:
            logger.debug("event not recorded yet", extra={"namespace": namespace, "because": str(error)})
            return False
        return all([await self.record(it, Reason.NAMESPACE_TOO_LARGE, _sentence(namespace, why)) for it in fleets])


def _sentence(namespace: str, why: str) -> str:
    return (
        f"the fleets of namespace {namespace} are left alone: {why}; delete what is not needed there, or give the "
        "operator more memory (resources.limits.memory)"
    )

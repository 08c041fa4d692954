"""Tells of namespaces with fleets that no operator works on: each operator that shares a cluster looks for them."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from utilitarian_operator.adapters.cluster.cache import FLEETS
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.names import FLEETS_LEASE
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.reasons import Reason
from utilitarian_operator.errors import ClusterError, Gone, NoOperator
from utilitarian_operator.host.watched.chosen import Chosen

logger = logging.getLogger(__name__)

ROUND_EACH_S = 65.0
"""A Lease that was not renewed from one round to the next has run out."""

BETWEEN_S = 1.0
"""Between two namespaces of a round: however many there are, it is one request a second."""


class Figures(Protocol):
    """What is shown of it."""

    def failed(self, error: Exception, /) -> None:
        """Count an error: so the alert on errors of looks tells of it."""


@dataclass
class Unworked:
    """Looks at the Lease of each namespace that has fleets and is not this operator's.

    Args:
        cluster: the API server; what is asked of it needs no Lease.
        chosen: has these namespaces.
        record: records an event on a fleet.
        figures: of the process.
    """

    cluster: Cluster
    chosen: Chosen
    record: Callable[[Object, Reason, str], Awaitable[object]]
    figures: Figures
    _held: dict[str, tuple[int, str]] = field(default_factory=dict)
    """What each Lease said at the last round: its holder, and when it was renewed; empty where none holds it. Before
    that the turn of its namespace: what was seen before that was this operator's says nothing of it now."""

    _told: set[str] = field(default_factory=set)

    def notes(self) -> list[str]:
        """Which they are, a sentence each."""
        turns = self.chosen.turns
        told = sorted(it for it in self._told & self.chosen.elsewhere if self._held[it][0] == turns[it])
        return [_sentence(it) for it in told]

    async def run(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Look at all of them, for ever."""
        while True:
            await sleep(ROUND_EACH_S)
            for namespace in sorted(self.chosen.elsewhere):
                await self.look(namespace)
                await sleep(BETWEEN_S)

    async def look(self, namespace: str) -> None:
        """Tell of a namespace once, where its Lease was held by none, or not renewed, since the last round."""
        try:
            before, now = self._held.get(namespace), (self.chosen.turns[namespace], await self._holder(namespace))
            self._held[namespace] = now
            if now != before:
                self._told.discard(namespace)
                return
            fleets, _ = await self.cluster.items(FLEETS, namespace, limit=1)
        except ClusterError as error:
            logger.debug("not known who works there", extra={"namespace": namespace, "because": str(error)})
            return
        if not fleets:
            self.chosen.elsewhere.discard(namespace)
            self._told.discard(namespace)
            del self._held[namespace]
            return
        if namespace not in self.chosen.elsewhere:
            return  # it was chosen meanwhile
        self.figures.failed(NoOperator(namespace))
        if namespace not in self._told:
            self._told.add(namespace)
            logger.warning("no operator works on the fleets of a namespace", extra={"namespace": namespace})
            await self.record(fleets[0], Reason.NO_OPERATOR, _sentence(namespace))

    async def _holder(self, namespace: str) -> str:
        try:
            spec = (await self.cluster.read("Lease", namespace, FLEETS_LEASE)).get("spec") or {}
        except Gone:
            return ""
        holder = spec.get("holderIdentity")
        return f"{holder} {spec.get('renewTime')}" if holder else ""


def _sentence(namespace: str) -> str:
    return (
        f"no operator works on the fleets of namespace {namespace}: its Lease {FLEETS_LEASE} is not held; give the "
        "namespace a label that the namespaceSelector of an operator chooses, or start that operator"
    )

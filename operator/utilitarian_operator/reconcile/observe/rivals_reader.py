"""Reads which autoscalers and disruption budgets a namespace has, once a minute for all of its fleets together.

Where no fleet has a pod nothing is read again: Kubernetes' autoscaler leaves a Deployment at zero alone, and a budget
has nothing to keep there.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from utilitarian_operator.adapters.cluster.cache import OTHERS_SELECTOR
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.objects.rivals import MOST_READ, Rivals, rivals
from utilitarian_operator.errors import ClusterError, Gone, Rejected

logger = logging.getLogger(__name__)

EVERY_S = 60.0
ABSENT_S = 600.0
"""Until it is tried again where it may not be read: an operator's rights may be an older chart's."""


@dataclass
class _Reading:
    """Of one namespace."""

    newest: Rivals = field(default_factory=Rivals)
    due: float = -inf
    wanted: bool = True
    task: asyncio.Task[None] | None = None
    said: set[str] = field(default_factory=set)


class RivalsReader:
    """The autoscalers and budgets of namespaces; read aside, so that no look waits for them.

    Args:
        cluster: where they are listed.
        monotonic: seconds of a clock that never goes back.
    """

    def __init__(self, cluster: Cluster, monotonic: Callable[[], float]) -> None:
        self._cluster, self._monotonic = cluster, monotonic
        self._readings: dict[str, _Reading] = defaultdict(_Reading)

    def newest(self, namespace: str, *, wanted: bool = True) -> Rivals:
        """What was read last; empty at first, and where it may not be read.

        Args:
            namespace: of a fleet.
            wanted: whether it is to be read again when it is time for it.
        """
        reading = self._readings[namespace]
        reading.wanted = reading.wanted or wanted
        is_time = reading.wanted and self._monotonic() >= reading.due
        if is_time and (reading.task is None or reading.task.done()):
            reading.due, reading.wanted = self._monotonic() + EVERY_S, False
            reading.task = asyncio.create_task(self._read(namespace, reading), name=f"rivals in {namespace}")
        return reading.newest

    def forget(self, namespace: str) -> None:
        """No fleet is left in a namespace."""
        reading = self._readings.pop(namespace, None)
        if reading is not None and reading.task is not None:
            reading.task.cancel()

    async def _read(self, namespace: str, reading: _Reading) -> None:
        scalers = await self._list("horizontalpodautoscalers", namespace, reading)
        budgets = await self._list("poddisruptionbudgets", namespace, reading, OTHERS_SELECTOR)
        read, before = rivals(scalers or (), budgets or ()), reading.newest
        reading.newest = Rivals(
            before.scalers if scalers is None else read.scalers, before.budgets if budgets is None else read.budgets
        )

    async def _list(self, plural: str, namespace: str, reading: _Reading, selector: str = "") -> list[Object] | None:
        """What there is of one kind, nothing where it may not be read; None where no answer came."""
        try:
            found, _ = await self._cluster.items(plural, namespace, selector, MOST_READ)
        except ClusterError as error:
            refused = isinstance(error, Gone | Rejected)
            if refused:
                reading.due = self._monotonic() + ABSENT_S
            level = logging.DEBUG if plural in reading.said else logging.INFO
            fields = {"kind": plural, "namespace": namespace, "because": str(error)}
            logger.log(level, "autoscalers or budgets of others not read", extra=fields)
            reading.said.add(plural)
            return [] if refused else None
        reading.said.discard(plural)
        return found

"""Reads once a minute what the pods of one fleet use, aside: a metrics API that doesn't answer holds up no look."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from math import inf

from utilitarian_operator.adapters.cluster.cache import Key
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.core.labels import INSTANCE_LABEL, MANAGED_BY_LABEL, MANAGER
from utilitarian_operator.core.observation.model.usage import PodUsage
from utilitarian_operator.errors import ClusterError, Gone, Rejected

logger = logging.getLogger(__name__)

EVERY_S = 60.0
ABSENT_S = 600.0
"""Until it is tried again where there is no such API, or it may not be read."""


class UsageReader:
    """The usage of one fleet's pods.

    Args:
        key: of the fleet.
        cluster: where `metrics.k8s.io` is read.
        monotonic: seconds of a clock that never goes back.
    """

    def __init__(self, key: Key, cluster: Cluster, monotonic: Callable[[], float]) -> None:
        self._key, self._cluster, self._monotonic = key, cluster, monotonic
        self._due, self._said = -inf, False
        self._newest: Mapping[str, PodUsage] = {}
        self._measured: Mapping[str, str | None] = {}
        self._reading: asyncio.Task[None] | None = None

    def newest(self, *, wanted: bool) -> Mapping[str, PodUsage]:
        """What was read since the last call, by the pod's name; empty where nothing was.

        Args:
            wanted: whether any pod is there; without one nothing is asked.
        """
        found, self._newest = self._newest, {}
        if wanted and self._monotonic() >= self._due and (self._reading is None or self._reading.done()):
            self._due = self._monotonic() + EVERY_S
            self._reading = asyncio.create_task(self._read())
        return found

    def close(self) -> None:
        """Give up what is still being read."""
        if self._reading is not None:
            self._reading.cancel()

    async def _read(self) -> None:
        selector = f"{MANAGED_BY_LABEL}={MANAGER},{INSTANCE_LABEL}={self._key.name}"
        try:
            found = await self._cluster.pod_usage(self._key.namespace, selector)
        except ClusterError as error:
            if isinstance(error, Gone | Rejected):
                self._due = self._monotonic() + ABSENT_S
            fields = {"fleet": str(self._key), "because": str(error)}
            logger.log(logging.DEBUG if self._said else logging.INFO, "usage of CPU and memory not read", extra=fields)
            self._said = True
        else:
            self._newest = {name: it for name, it in found.items() if not self._is_known(name, it)}
            self._measured = {name: it.measured for name, it in found.items()}
            self._said = False

    def _is_known(self, name: str, usage: PodUsage) -> bool:
        """Whether it was told already: an adapter that stands still answers with what it measured long ago."""
        return usage.measured is not None and usage.measured == self._measured.get(name)

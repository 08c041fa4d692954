"""Asks the API server what it warns of about pods that don't become ready: a volume that is not there, say."""

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from utilitarian_operator.core.hindrance import late
from utilitarian_operator.core.pod_trouble import newest_warning
from utilitarian_operator.errors import ClusterError

logger = logging.getLogger(__name__)

Object = dict[str, Any]

EVERY_S = 30.0
MOST_PODS = 3
"""Pods of a fleet that are asked about at a time: a message names one pod of a pool."""


class Events(Protocol):
    """What is needed of the API server."""

    async def warnings(self, namespace: str, uid: str) -> list[Object]:
        """The events of type Warning about one object; raises ClusterError."""


class PodWarnings:
    """What Kubernetes warns of about the pods of one fleet that don't become ready.

    Args:
        cluster: where events are read.
    """

    def __init__(self, cluster: Events) -> None:
        self._cluster = cluster
        self._words: dict[str, str] = {}
        self._due = 0.0

    async def look(self, pods: Sequence[Mapping[str, Any]], now: datetime) -> Mapping[str, str]:
        """The newest warning by the pod's name, as far as there is one and it may be read.

        Args:
            pods: of the fleet, as they were seen.
            now: the one clock.
        """
        concerned = late(None, pods, now)[:MOST_PODS]
        if not concerned:
            self._words, self._due = {}, 0.0
        elif time.monotonic() >= self._due:
            self._due = time.monotonic() + EVERY_S
            self._words = {}
            for pod in concerned:
                await self._ask(pod["metadata"])
        return self._words

    async def _ask(self, metadata: Mapping[str, Any]) -> None:
        try:
            events = await self._cluster.warnings(metadata["namespace"], metadata["uid"])
        except ClusterError as error:  # its role may be an older chart's, without the right
            logger.debug("warnings not seen", extra={"pod": metadata["name"], "because": str(error)})
            return
        words = newest_warning(events)
        if words:
            self._words[metadata["name"]] = words

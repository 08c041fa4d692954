"""Asks why pods don't run or become ready: Kubernetes' warnings, and what the broker refused a crashed worker."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.containers import spec_of_ours
from utilitarian_operator.core.observation.causes.pod_status import crashed, newest_warning
from utilitarian_operator.core.observation.causes.worker_log import said_by_log
from utilitarian_operator.core.observation.pod_failures import late
from utilitarian_operator.errors import ClusterError

logger = logging.getLogger(__name__)


EVERY_S = 30.0
MOST_EVENTS = 100
MOST_PODS = 3
"""Pods of a fleet that are asked about at a time, of each kind: a message names one pod of a pool."""


class PodWarnings:
    """What is known of the pods of one fleet that don't run or become ready, beyond their status.

    Args:
        cluster: where events and logs are read.
        monotonic: seconds of a clock that never goes back.
    """

    def __init__(self, cluster: Cluster, monotonic: Callable[[], float]) -> None:
        self._cluster, self._monotonic = cluster, monotonic
        self._words: dict[str, str] = {}
        self._due = 0.0
        self._reading: asyncio.Task[None] | None = None

    async def look(self, pods: Sequence[Object], now: datetime, queues: Collection[str] = ()) -> Mapping[str, str]:
        """A sentence by the pod's name, as far as there is one and it may be read.

        Args:
            pods: of the fleet, as they were seen.
            now: the one clock.
            queues: that the fleet consumes; a refusal names no other.
        """
        waiting = late(None, pods, now)[:MOST_PODS]
        ended = [(pod, which) for pod in pods if (which := crashed(pod, now))][:MOST_PODS]
        concerned = {it["metadata"]["name"] for it in [*waiting, *(pod for pod, _ in ended)]}
        self._words = {name: words for name, words in self._words.items() if name in concerned}
        if not concerned:
            self._due = 0.0
        elif self._monotonic() >= self._due:
            self._due = self._monotonic() + EVERY_S
            for pod in waiting:
                await self._ask(pod["metadata"])
            if ended and (self._reading is None or self._reading.done()):
                # Aside: a node that doesn't answer would hold up the look for as long as the request may take.
                self._reading = asyncio.create_task(self._read(ended, frozenset(queues)))
        return self._words

    def close(self) -> None:
        """Give up what is still being read."""
        if self._reading is not None:
            self._reading.cancel()

    async def _ask(self, metadata: Mapping[str, Any]) -> None:
        try:
            about = f"involvedObject.uid={metadata['uid']},type=Warning"
            events, _ = await self._cluster.items("events", metadata["namespace"], limit=MOST_EVENTS, fields=about)
        except ClusterError as error:  # its role may be an older chart's, without the right
            pod = f"{metadata['namespace']}/{metadata['name']}"
            logger.debug("warnings not seen", extra={"pod": pod, "because": str(error)})
            return
        self._note(metadata["name"], newest_warning(events))

    async def _read(self, ended: Sequence[tuple[Object, str]], queues: Collection[str]) -> None:
        for pod, which in ended:
            name, container = pod["metadata"]["name"], spec_of_ours(pod).get("name", "")
            try:
                log = await self._cluster.log_end(pod, container, previous=which == "previous")
            except ClusterError as error:
                where = f"{pod['metadata']['namespace']}/{name}"
                logger.debug("log not seen", extra={"pod": where, "because": str(error)})
            else:
                self._note(name, said_by_log(log, queues))

    def _note(self, pod: str, words: str) -> None:
        if words:
            self._words = {**self._words, pod: words}

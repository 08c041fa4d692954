"""Sends scale requests; after one whose answer never came, the Deployment is read before the next decision."""

import asyncio
import logging
from dataclasses import dataclass, field, replace

from utilitarian_operator.adapters.cluster.cache import DEPLOYMENTS, Key, Store
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.objects.actions import ScaleTo
from utilitarian_operator.core.objects.refusals import Refusal, not_scaled
from utilitarian_operator.core.objects.scaled_by import held_by_us
from utilitarian_operator.errors import ClusterError, Conflict, Gone, Rejected
from utilitarian_operator.metrics.fleet import Metrics
from utilitarian_operator.reconcile.act.one_write import refusal

logger = logging.getLogger(__name__)

MOST_TRIES = 5
"""Times that a step up is sent while the Deployment changes under it; the next look goes on from there."""


@dataclass(frozen=True)
class ScaleRequests:
    """Those of all fleets.

    Args:
        cluster: the API server.
        store: gets what a request came to at once.
        metrics: where those that were accepted are counted.
        in_doubt: names of the Deployments to which one was sent whose answer has not come, by fleet.
    """

    cluster: Cluster
    store: Store
    metrics: Metrics
    in_doubt: dict[Key, set[str]] = field(default_factory=dict)

    async def send(self, key: Key, resource: Object, pool: str, step: ScaleTo) -> bool | Refusal:
        """Send the request of one pool; returns whether it was accepted, or why it is not as long as it is not.

        Raises:
            ClusterError: the API server is away.
        """
        self.in_doubt.setdefault(key, set()).add(step.name)  # a look that is cut off hears of no answer either
        try:
            scaled = await self._scaled(key, step)
        except (Conflict, Gone) as error:
            self._is_known(key, step.name)
            logger.info("scale request put off", extra={"fleet": str(key), "pool": pool, "because": str(error)})
            return False
        except ClusterError as error:
            if isinstance(error, Rejected):
                self._is_known(key, step.name)
            said, doubtful = await refusal(self.cluster, self.store, resource, error)
            return replace(not_scaled(pool, step, said), doubtful=doubtful)
        self._is_known(key, step.name)
        self._remember_replicas(key, step, scaled)
        self.metrics.scaled(key, pool, up=step.replicas > step.before)
        return True

    async def find_out(self, key: Key) -> None:
        """Read the Deployments of a fleet that may ask for another number than was seen.

        By the number from before, another pool would get what one has taken already.
        """
        if key in self.in_doubt:
            await asyncio.gather(*(self._find_out(key, name) for name in sorted(self.in_doubt[key])))

    def forget(self, key: Key) -> None:
        """Keep nothing of a fleet that is gone, or another operator's."""
        self.in_doubt.pop(key, None)

    async def _find_out(self, key: Key, name: str) -> None:
        try:
            self.store.see(DEPLOYMENTS, await self.cluster.read("Deployment", key.namespace, name))
        except (Gone, Rejected) as error:
            logger.debug("Deployment not read", extra={"fleet": str(key), "because": str(error)})
        except ClusterError as error:  # the next look asks again
            logger.info("Deployment not read", extra={"fleet": str(key), "because": str(error)})
            return
        self._is_known(key, name)

    def _is_known(self, key: Key, name: str) -> None:
        names = self.in_doubt.get(key, set())
        names.discard(name)
        if not names:
            self.in_doubt.pop(key, None)

    async def _scaled(self, key: Key, step: ScaleTo) -> Object:
        """Send one scale request, on the Deployment as it was seen or, for a step up, as it is found at once.

        A Deployment whose pods are starting changes several times a second, and a step up must not wait for that. It
        is sent again as long as the Deployment asks for what the step starts from: what another client set is not
        undone by a figure from before. A step down rests on all that was seen, so only the next look may repeat it.
        """
        at = step.resource_version
        for _ in range(MOST_TRIES - 1):
            try:
                return await self.cluster.scale(key.namespace, step.name, step.replicas, at)
            except Conflict:
                live = await self.cluster.read("Deployment", key.namespace, step.name)
                self.store.see(DEPLOYMENTS, live)
                if step.replicas < step.before or int(live["spec"].get("replicas", 1)) != step.before:
                    raise
                at = live["metadata"]["resourceVersion"]
        return await self.cluster.scale(key.namespace, step.name, step.replicas, at)

    def _remember_replicas(self, key: Key, step: ScaleTo, scaled: Object) -> None:
        """What the Deployment is now: its status has yet to speak of it, which its generation says."""
        live = self.store.children(DEPLOYMENTS, key).get(step.name)
        if live is None:
            return
        metadata = {**live["metadata"], "resourceVersion": scaled["metadata"]["resourceVersion"]}
        metadata["managedFields"] = held_by_us(live["metadata"].get("managedFields") or ())
        metadata["generation"] = live["metadata"].get("generation", 0) + 1
        body = {**live, "metadata": metadata, "spec": {**live["spec"], "replicas": step.replicas}}
        self.store.answered(DEPLOYMENTS, body, seen=int(step.resource_version))

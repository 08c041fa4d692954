"""Reads broker, workers and the objects of one fleet once a look."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from utilitarian_operator.adapters.broker.seam import Broker
from utilitarian_operator.adapters.cluster.cache import DEPLOYMENTS, PODS, STATEFUL_SETS, Key, Store
from utilitarian_operator.core.labels import node_name
from utilitarian_operator.core.observation.fleet import Readings
from utilitarian_operator.core.observation.model.usage import PodUsage


class Observer:
    """Eyes of one fleet.

    Args:
        key: of the fleet.
        store: of the cluster's objects.
    """

    def __init__(self, key: Key, store: Store) -> None:
        self._key, self._store = key, store

    async def read(
        self,
        broker: Broker,
        queues: Sequence[str],
        now: datetime,
        warnings: Mapping[str, str] = MappingProxyType({}),
        usage: Mapping[str, PodUsage] = MappingProxyType({}),
    ) -> Readings:
        """Read everything once.

        Args:
            broker: to look at it through.
            queues: whose depths are asked for.
            now: the one clock.
            warnings: what Kubernetes warns of about pods that don't become ready, by the pod's name.
            usage: what pods used, by name, where that was read since the look before.
        """
        store, key = self._store, self._key
        deployments, pods = store.children(DEPLOYMENTS, key), store.children(PODS, key)
        behind = frozenset(name for name in pods if not store.watch_has(PODS, key, name))
        workers, after = broker.known, await broker.look(queues)
        return Readings(
            *(now, key.name, workers, after, deployments, store.children(STATEFUL_SETS, key), pods, behind, warnings),
            # Only workers of the broker that say what they consume are looked for among them.
            neighbours=self._neighbours() if after.consuming else {},
            usage=usage,
        )

    def _neighbours(self) -> dict[str, str]:
        return {node_name(pod): str(key) for pod, key in self._store.neighbours(self._key).items()}

"""An observer with what is believed from look to look, as a reconciler has both, without all else that it decides."""

from collections.abc import Container
from dataclasses import replace
from datetime import datetime

from utilitarian_operator.adapters.broker.seam import Broker
from utilitarian_operator.adapters.cluster.cache import Key, Store
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.observation.broker import questions
from utilitarian_operator.core.observation.fleet import Sightings, fleet_snapshot
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.reconcile.observe.observer import Observer


class Watcher:
    """Looks at one fleet, and asks its workers.

    Args:
        key: of the fleet.
        store: of the cluster's objects.
        began: when it begins to look.
    """

    def __init__(self, key: Key, store: Store, began: datetime) -> None:
        self._key, self._observer = key, Observer(key, store)
        self.sightings = Sightings(began)

    async def look(
        self, fleet: Fleet, broker: Broker, now: datetime, shrinking: Container[str] = frozenset()
    ) -> FleetSnapshot:
        """What is seen now."""
        read = await self._observer.read(broker, self.sightings.queues(fleet), now)
        snapshot, self.sightings = fleet_snapshot(fleet, read, self.sightings)
        broker.ask(self._key, replace(questions(snapshot, shrinking), beats=False))
        return snapshot

"""What is kept of each fleet: once a resource, through one session a broker, and nothing of one that is gone."""

import time
from datetime import UTC, datetime
from typing import Any

from tests.support.resources import resource
from utilitarian_operator.adapters.broker.fake import FakeBroker
from utilitarian_operator.adapters.broker.session import Brokers, Credentials
from utilitarian_operator.adapters.broker.unreachable import UnreachableBroker
from utilitarian_operator.adapters.cluster.cache import FLEETS, Key, Store
from utilitarian_operator.adapters.cluster.fake import FakeCluster
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.patience import PATIENCE
from utilitarian_operator.api.validation.pod_security import Allowances
from utilitarian_operator.core.blocker import SECRET_MISSING
from utilitarian_operator.reconcile.fleet_state import FleetState
from utilitarian_operator.reconcile.fleets import Fleets

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KEY = Key("ns", "fleet")
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"namespace": "ns", "name": "env"},
    "data": {"URL": "YW1xcDovL3JhYmJpdC8="},
}


class World:
    """An operator's fleets over a cluster in memory, with one resource."""

    def __init__(self) -> None:
        self.cluster, self.store = FakeCluster(lambda: NOW), Store()
        self.sessions: dict[Credentials, FakeBroker] = {}
        self.forgotten: list[FleetState] = []
        brokers = Brokers(lambda it: self.sessions.setdefault(it, FakeBroker()))
        self.fleets = Fleets(
            self.cluster, self.store, brokers, lambda: NOW, time.monotonic, self._forget, PATIENCE, Allowances()
        )

    async def _forget(self, known: FleetState) -> None:
        self.forgotten.append(known)

    async def write(self, **metadata: Any) -> Object:
        """Make the resource, as a watch then tells of it."""
        body = resource()
        body["metadata"] |= {"namespace": "ns", "generation": 1, **metadata}
        made = await self.cluster.create(body)
        self.store.see(FLEETS, made)
        present = self.fleets.present(KEY)
        assert present is not None
        return present


async def test_a_resource_that_is_about_to_go_is_not_there() -> None:
    world = World()
    assert world.fleets.present(KEY) is None
    there = await world.write()
    gone = {**there, "metadata": there["metadata"] | {"deletionTimestamp": "2026-11-23T12:00:00Z"}}
    gone["metadata"]["resourceVersion"] = "99"
    world.store.see(FLEETS, gone)
    assert world.fleets.present(KEY) is None


async def test_one_resource_is_kept_once_and_another_of_its_name_anew() -> None:
    world = World()
    there = await world.write()
    first = await world.fleets.known(KEY, there)
    assert await world.fleets.known(KEY, there) is first
    await world.cluster.delete(there)
    another = await world.fleets.known(KEY, await world.write())
    assert another is not first
    assert world.forgotten == [first]


async def test_a_broker_without_its_secret_sees_nothing_and_says_why() -> None:
    world = World()
    known = await world.fleets.known(KEY, await world.write())
    spec, _ = await world.fleets.spec(known)
    assert spec.newest.fleet is not None
    broker, spec = await world.fleets.broker(known, spec.newest.fleet, spec)
    assert isinstance(broker, UnreachableBroker)
    assert [it.reason for it in spec.blockers] == [SECRET_MISSING]


async def test_a_session_is_closed_when_its_resource_is_gone() -> None:
    world = World()
    await world.cluster.create(SECRET)
    known = await world.fleets.known(KEY, await world.write())
    spec, _ = await world.fleets.spec(known)
    assert spec.running is not None
    assert spec.running.fleet is not None
    broker, spec = await world.fleets.broker(known, spec.running.fleet, spec)
    assert (spec.blockers, list(world.sessions.values())) == ((), [broker])
    await world.fleets.forget(KEY)
    assert [it.closed for it in world.sessions.values()] == [True]
    await world.fleets.forget(KEY)  # it is forgotten once
    assert world.forgotten == [known]

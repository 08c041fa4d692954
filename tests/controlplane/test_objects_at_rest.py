"""The objects of a fleet on a real API server: each is made and handed over once, and at rest it is not written."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from prometheus_client import CollectorRegistry

from tests.support.controlplane import ControlPlane
from tests.support.fleet import Fleet
from tests.support.waiting import wait_until
from utilitarian_operator.adapters.broker.bounded.brokers import Brokers
from utilitarian_operator.adapters.broker.fake import FakeBroker
from utilitarian_operator.adapters.cluster import cache
from utilitarian_operator.adapters.cluster.cache import Key, Store
from utilitarian_operator.adapters.cluster.client import ClusterClient
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.labels import node_name
from utilitarian_operator.metrics.fleet import Metrics
from utilitarian_operator.reconcile.act.drains import Drains
from utilitarian_operator.reconcile.act.writer import ObjectWriter
from utilitarian_operator.reconcile.reconciler import Reconciler

SOON = timedelta(seconds=60)
POOLS = ("a", "b", "c")
OBJECTS = [(kind, f"fleet-{pool}") for pool in POOLS for kind in ("deployments", "poddisruptionbudgets")]
GROUPS = {"deployments": "apps/v1", "poddisruptionbudgets": "policy/v1"}
KINDS = (cache.FLEETS, cache.DEPLOYMENTS, cache.DISRUPTION_BUDGETS, cache.STATEFUL_SETS, cache.PODS)
A_MINUTE = 60


class Counting(ClusterClient):
    """The API server, with the writes of a fleet's objects that it took: method, plural and name."""

    def __init__(self, client: ApiClient) -> None:
        super().__init__(client)
        self.writes: Counter[tuple[str, str, str]] = Counter()

    async def _write(
        self,
        method: str,
        path: str,
        body: Any,
        content_type: str,
        query: Sequence[tuple[str, str]] = (),
        unknown: str = "Strict",
    ) -> Object:
        answer = await super()._write(method, path, body, content_type, query, unknown)
        plural, _, name = path.partition("/namespaces/")[2].partition("/")[2].partition("/")
        if plural in GROUPS:
            self.writes[method, plural, name or body["metadata"]["name"]] += 1
        return answer


class World:
    """One fleet with a worker in each pool, and an operator whose seconds pass from look to look."""

    def __init__(self, fleet: Fleet, client: ApiClient) -> None:
        self.fleet, self.cluster, self._store = fleet, Counting(client), Store()
        self._began, self._seconds = datetime.now(UTC), 0.0
        self.broker = FakeBroker(statistics=True, clock=lambda: self._seconds)
        self.broker.place.declare(*POOLS)
        metrics = Metrics(CollectorRegistry(), lambda: self._seconds)
        writer = ObjectWriter(self.cluster, self._store, metrics, "test", self._now, uuid.uuid4)
        drains = Drains(self.cluster, self._store, writer, self._now, asyncio.sleep)
        brokers, clocks = Brokers(lambda _: self.broker), (self._now, lambda: self._seconds)
        self._reconciler = Reconciler(self.cluster, self._store, brokers, drains, metrics, *clocks)

    def _now(self) -> datetime:
        return self._began + timedelta(seconds=self._seconds)

    async def looks(self, number: int = 1) -> None:
        """Look so many times, a second apart, at what the API server has now."""
        for kind in KINDS:
            for it in (await self.cluster.items(kind, self.fleet.namespace))[0]:
                self._store.see(kind, it)
        for _ in range(number):
            self._seconds += 1
            assert await self._reconciler.reconcile(Key(self.fleet.namespace, self.fleet.name))

    def start_workers(self, *, silent: bool) -> None:
        """Each pod is ready; returns when the controllers have said so of its objects."""
        plane, namespace = self.fleet.controlplane, self.fleet.namespace
        wait_until(lambda: all(map(self.fleet.pods, POOLS)), within=SOON, describe=self.fleet.describe)
        for pool in POOLS:
            (pod,) = self.fleet.pods(pool)
            plane.mark_pod_ready(namespace, pod)
            self.broker.place.start(node_name(pod), pool).silent = silent
        wait_until(lambda: all(self._is_told(*it) for it in OBJECTS), within=SOON, describe=self.fleet.describe)

    def _is_told(self, plural: str, name: str) -> bool:
        path = f"/apis/{GROUPS[plural]}/namespaces/{self.fleet.namespace}/{plural}/{name}"
        status = self.fleet.controlplane.request("GET", path).get("status", {})
        return 1 in {status.get("readyReplicas"), status.get("currentHealthy")}


@pytest.fixture
async def world(controlplane: ControlPlane, namespace: str) -> AsyncIterator[World]:
    fleet = Fleet(controlplane, namespace)
    pools = [{"name": name, "queues": [name], "scaling": {"min": 1}} for name in POOLS]
    fleet.create("amqps://user:word@broker/vhost", pools=pools, beat={"enabled": False})
    configuration = Configuration()
    await config.load_kube_config(str(controlplane.kubeconfig), client_configuration=configuration)
    async with ApiClient(configuration) as client:
        yield World(fleet, client)


@pytest.mark.parametrize("silent", [False, True], ids=["workers that answer", "workers that hang"])
async def test_each_object_is_made_and_handed_over_once_and_not_written_while_its_workers_are_ready(
    world: World, *, silent: bool
) -> None:
    await world.looks()
    assert world.cluster.writes == {("POST", *it): 1 for it in OBJECTS}
    world.cluster.writes.clear()
    for _ in OBJECTS:  # more often than needed: where a controller writes an object meanwhile, the next look does it
        await world.looks()
    assert world.cluster.writes == {("PATCH", *it): 1 for it in OBJECTS}
    world.cluster.writes.clear()

    world.start_workers(silent=silent)
    await world.looks(A_MINUTE)
    await world.looks(A_MINUTE)
    assert world.cluster.writes == {}, world.fleet.describe()

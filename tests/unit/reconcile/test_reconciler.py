"""One fleet's look goes on whatever becomes of another's, in another namespace."""

import asyncio
import time
import uuid
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry

from utilitarian_operator.adapters.broker.bounded.brokers import Brokers
from utilitarian_operator.adapters.broker.fake import FakeBroker
from utilitarian_operator.adapters.cluster.cache import FLEETS, Key, Store
from utilitarian_operator.adapters.cluster.fake import FakeCluster
from utilitarian_operator.api.objects import Object
from utilitarian_operator.errors import ClusterError
from utilitarian_operator.metrics.fleet import Metrics
from utilitarian_operator.reconcile.act.drains import Drains
from utilitarian_operator.reconcile.act.writer import ObjectWriter
from utilitarian_operator.reconcile.reconciler import Reconciler

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
OURS, OTHER = Key("ours", "fleet"), Key("other", "fleet")


def resource(key: Key) -> Object:
    spec = {"image": "i", "broker": {"urlFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}, "pools": []}
    kind = {"apiVersion": "utilitarian.io/v1alpha1", "kind": "UtilitarianWorkerPool"}
    metadata = {"namespace": key.namespace, "name": key.name}
    return kind | {"metadata": metadata, "spec": spec | {"nonsense": 1}}


@pytest.mark.parametrize("failure", [ClusterError("no answer"), KeyError("what no code expects")], ids=type)
async def test_no_fleet_is_held_up_by_what_is_wrong_with_another(failure: Exception) -> None:
    store, cluster = Store(), FakeCluster(lambda: NOW)
    for key in (OURS, OTHER):
        store.see(FLEETS, await cluster.create(resource(key)))
    cluster.fails = lambda asked: failure if asked.namespace == OTHER.namespace else None
    metrics = Metrics(CollectorRegistry(), time.monotonic)
    writer = ObjectWriter(cluster, store, metrics, "operator-0", lambda: NOW, uuid.uuid4)
    drains = Drains(cluster, store, writer, lambda: NOW, asyncio.sleep)
    reconciler = Reconciler(
        cluster, store, Brokers(lambda _: FakeBroker()), drains, metrics, lambda: NOW, time.monotonic
    )
    assert await reconciler.reconcile(OURS)
    status = (await cluster.read("UtilitarianWorkerPool", *OURS))["status"]
    assert {it["reason"] for it in status["conditions"] if it["type"] == "Stalled"} == {"InvalidSpec"}

"""One fleet's look goes on whatever becomes of another's, in another namespace."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from utilitarian_operator.adapters.broker.fake import FakeBroker
from utilitarian_operator.adapters.broker.session import Brokers
from utilitarian_operator.adapters.cluster.cache import FLEETS, Key, Store
from utilitarian_operator.errors import ClusterError
from utilitarian_operator.metrics.fleet import Metrics
from utilitarian_operator.reconcile.act.drains import Drains
from utilitarian_operator.reconcile.act.writer import ObjectWriter
from utilitarian_operator.reconcile.reconciler import Reconciler

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
OURS, OTHER = Key("ours", "fleet"), Key("other", "fleet")


class Cluster:
    """An API server that keeps statuses and fails, in one way, for one namespace."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure
        self.written: dict[str, Any] = {}

    async def items(self, plural: str, namespace: str, selector: str) -> tuple[list[Any], str]:
        del plural, selector
        if namespace == OTHER.namespace:
            raise self.failure
        return [], ""

    async def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        return manifest  # events

    async def patch(self, live: dict[str, Any], change: dict[str, Any], subresource: str) -> dict[str, Any]:
        assert subresource == "status"
        self.written[live["metadata"]["namespace"]] = change["status"]
        return live | change


def resource(key: Key) -> dict[str, Any]:
    metadata = {"namespace": key.namespace, "name": key.name, "uid": str(key), "generation": 1, "resourceVersion": "1"}
    spec = {"image": "i", "broker": {"urlFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}, "pools": []}
    kind = {"apiVersion": "utilitarian.io/v1alpha1", "kind": "UtilitarianWorkerPool"}
    return kind | {"metadata": metadata | {"creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": spec | {"nonsense": 1}}


@pytest.mark.parametrize("failure", [ClusterError("no answer"), KeyError("what nobody thought of")], ids=type)
async def test_no_fleet_is_held_up_by_what_is_wrong_with_another(failure: Exception) -> None:
    store, cluster = Store(), Cluster(failure)
    for key in (OURS, OTHER):
        store.see(FLEETS, resource(key))
    metrics, api = Metrics(CollectorRegistry()), cast("Any", cluster)
    writer = ObjectWriter(api, store, metrics, "operator-0", lambda: NOW)
    drains = Drains(api, store, writer, lambda: NOW)
    reconciler = Reconciler(api, store, Brokers(lambda _: FakeBroker()), drains, metrics, lambda: NOW)
    assert await reconciler.reconcile(OURS)
    assert {it["reason"] for it in cluster.written["ours"]["conditions"] if it["type"] == "Stalled"} == {"InvalidSpec"}

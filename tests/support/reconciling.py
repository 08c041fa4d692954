"""A reconciler over a cluster in memory, with all its parts."""

import asyncio
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from utilitarian_operator.adapters.broker.bounded.brokers import Brokers
from utilitarian_operator.adapters.broker.fake import FakeBroker
from utilitarian_operator.adapters.cluster.cache import Store
from utilitarian_operator.adapters.cluster.fake import FakeCluster
from utilitarian_operator.metrics.fleet import Metrics
from utilitarian_operator.reconcile.act.drains import Drains
from utilitarian_operator.reconcile.act.writer import ObjectWriter
from utilitarian_operator.reconcile.reconciler import Reconciler

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def reconciler_of(
    cluster: FakeCluster,
    store: Store,
    broker: FakeBroker,
    registry: CollectorRegistry | None = None,
    clock: Callable[[], datetime] = lambda: NOW,
) -> Reconciler:
    """One whose fleets all have this broker.

    Args:
        cluster: the API server.
        store: what watches told.
        broker: that every resource names.
        registry: of its metrics; one of its own unless given.
        clock: the one clock.
    """
    metrics = Metrics(registry or CollectorRegistry(), time.monotonic)
    writer = ObjectWriter(cluster, store, metrics, "operator-0", clock, uuid.uuid4)
    drains = Drains(cluster, store, writer, clock, asyncio.sleep)
    return Reconciler(cluster, store, Brokers(lambda _: broker), drains, metrics, clock, time.monotonic)

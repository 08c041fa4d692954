"""What one look at a fleet costs, at rest and where one pool has work; starts no broker and no API server.

Seventy-two fleets of fourteen pools in one namespace, as `bench.watching` has them, with an API server and a broker in
memory, and time that is handed in. Prints one JSON object: processor milliseconds a look, MiB that all fleets take
together, and what of it is kept of objects (a quarter of the memory limit, at most). So two versions can be compared
on a machine that has other work.
"""

import argparse
import asyncio
import gc
import json
import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from utilitarian_operator.adapters.broker.bounded.brokers import Brokers
from utilitarian_operator.adapters.broker.fake import FakeBroker, FakeRabbitMQ
from utilitarian_operator.adapters.cluster.cache import DEPLOYMENTS, FLEETS, Key, Store
from utilitarian_operator.adapters.cluster.fake import FakeCluster
from utilitarian_operator.core.observation.model.queue import Counted
from utilitarian_operator.errors import BrokerError
from utilitarian_operator.metrics.fleet import Metrics
from utilitarian_operator.reconcile.act.drains import Drains
from utilitarian_operator.reconcile.act.writer import ObjectWriter
from utilitarian_operator.reconcile.reconciler import Reconciler

NAMESPACE = "bench"
POOLS = 14
STATISTICS_S = 5.0
"""Statistics are renewed so often, as a session has them."""


@dataclass
class Clock:
    """Time that goes on when it is told to."""

    seconds: float = 1_000.0

    def monotonic(self) -> float:
        """Seconds."""
        return self.seconds

    def now(self) -> datetime:
        """The same as a date."""
        return datetime(2026, 11, 23, 12, tzinfo=UTC) + timedelta(seconds=self.seconds)


class SteadyBroker(FakeBroker):
    """Counts anew every few seconds."""

    counted_at = float("-inf")
    counts: Mapping[str, Counted] | BrokerError | None = None

    def _count(self) -> Mapping[str, Counted] | BrokerError | None:
        if self._clock() - self.counted_at >= STATISTICS_S:
            self.counted_at, self.counts = self._clock(), super()._count()
        return self.counts


@dataclass
class World:
    """All fleets of one operator."""

    fleets: int
    clock: Clock = field(default_factory=Clock)
    place: FakeRabbitMQ = field(default_factory=FakeRabbitMQ)

    def __post_init__(self) -> None:
        self.cluster, self.store = FakeCluster(self.clock.now), Store()
        metrics = Metrics(CollectorRegistry(), self.clock.monotonic)
        writer = ObjectWriter(self.cluster, self.store, metrics, "bench-0", self.clock.now, uuid.uuid4)
        drains = Drains(self.cluster, self.store, writer, self.clock.now, asyncio.sleep)
        broker = SteadyBroker(self.place, statistics=True, clock=self.clock.monotonic)
        self.reconciler = Reconciler(
            self.cluster,
            self.store,
            Brokers(lambda _: broker),
            drains,
            metrics,
            self.clock.now,
            self.clock.monotonic,
        )
        self.keys = [Key(NAMESPACE, f"fleet-{number:03}") for number in range(self.fleets)]

    async def make(self) -> None:
        """Make the resources, and look until all is made."""
        for key in self.keys:
            queues = [_queue(key, number) for number in range(POOLS)]
            self.place.declare(*queues)
            await self.cluster.create(_secret(key))
            self.store.see(FLEETS, await self.cluster.create(_resource(key, queues)))
        await self.rounds(3)
        await self._control()
        await self.rounds(17)

    async def _control(self) -> None:
        """What the controllers say of Deployments at zero."""
        for live in (await self.cluster.items(DEPLOYMENTS, NAMESPACE))[0]:
            status = {"observedGeneration": live["metadata"]["generation"]}
            self.store.see(DEPLOYMENTS, await self.cluster.patch(live, {"status": status}, "status"))

    async def rounds(self, number: int) -> float:
        """Look at all fleets so many times, a second apart; returns processor milliseconds a look."""
        begun = time.process_time()
        for _ in range(number):
            self.clock.seconds += 1
            for key in self.keys:
                await self.reconciler.reconcile(key)
        return (time.process_time() - begun) * 1000 / number / len(self.keys)


def _queue(key: Key, number: int) -> str:
    return f"utilitarian.tasks.{key.name}-{number}"


def _secret(key: Key) -> dict[str, Any]:
    data = {"URL": "YW1xcDovL3JhYmJpdC8=", "STATS": "aHR0cDovL3JhYmJpdDoxNTY5Mi8="}
    metadata = {"namespace": key.namespace, "name": key.name}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


def _resource(key: Key, queues: list[str]) -> dict[str, Any]:
    def source(of: str) -> dict[str, Any]:
        return {"secretKeyRef": {"name": key.name, "key": of}}

    broker = {"urlFrom": source("URL"), "stats": {"urlFrom": source("STATS")}}
    pools = [{"name": f"p{number}", "queues": [queue]} for number, queue in enumerate(queues)]
    return {
        "apiVersion": "utilitarian.io/v1alpha1",
        "kind": "UtilitarianWorkerPool",
        "metadata": {"namespace": key.namespace, "name": key.name},
        "spec": {"image": "u:1", "broker": broker, "beat": {"enabled": False}, "pools": pools},
    }


def _resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def measure(fleets: int) -> dict[str, Any]:
    """One row."""
    gc.collect()
    before, world = _resident_mib(), World(fleets)
    making = time.process_time()
    await world.make()
    made = time.process_time() - making
    asked = len(world.cluster.requests)
    world.cluster.requests.clear()
    rest = await world.rounds(60)
    asked_at_rest = len(world.cluster.requests)
    for key in world.keys:
        world.place.publish(_queue(key, 0))
    await world.rounds(3)  # that wake the pools
    awake = await world.rounds(15)
    gc.collect()
    return {
        "bench": "looks",
        "pools": fleets * POOLS,
        "made_ms": round(made * 1000 / fleets, 1),
        "made_requests": round(asked / fleets, 1),
        "rest_ms": round(rest, 3),
        "rest_requests_s": round(asked_at_rest / 60, 2),
        "awake_ms": round(awake, 2),
        "mib": round(_resident_mib() - before, 1),
        "kept_mib": round(world.store.room.taken / 2**20, 1),
    }


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fleets", type=int, default=72, help="how many, of fourteen pools each")
    print(json.dumps(asyncio.run(measure(parser.parse_args().fleets))))


if __name__ == "__main__":
    main()

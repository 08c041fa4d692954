"""What it costs to look at a broker each second and decide, and how soon a message is seen; starts no worker.

A real RabbitMQ with as many queues as pools, watched as an operator does: observer, decision, metrics and status of
fleets of a hundred pools, through one session. A third of the pools has work and a worker; into the others single
messages are published from a process of its own. Prints one JSON object a size.
"""

import asyncio
import json
import math
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

from amqp import Message
from prometheus_client import CollectorRegistry

from tests.support.observing import Watcher
from tests.support.pools import fleet
from tests.support.rabbitmq import RabbitMQ
from utilitarian_operator.adapters.broker.session import BrokerSession, Credentials
from utilitarian_operator.adapters.cluster.cache import DEPLOYMENTS, PODS, Key, Store
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.diagnosis.finding_history import Health
from utilitarian_operator.core.labels import INSTANCE_LABEL, POOL_LABEL
from utilitarian_operator.core.sizing.facts import facts
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.pools import FleetContext, decide_fleet
from utilitarian_operator.core.status.change import Written, worth_writing
from utilitarian_operator.core.status.report import Reported, StatusInput
from utilitarian_operator.core.status.status import fleet_status
from utilitarian_operator.host.workqueue import WorkQueue
from utilitarian_operator.metrics.fleet import Metrics

SIZES = (14, 100, 1000)
A_FLEET = 100
EVERY_BUSY = 3
TICK_S = 1.0
SETTLE_S = 6.0
SPAN_S = 20.0
AT_REST_S = 6.0
AGAIN_AFTER_S = 2.0
"""Between two messages to one queue: the fleet must have seen it empty."""

NAMESPACE = "bench"
LOGIN = {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "url"}}}
STATS = {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "stats"}}}


@dataclass
class Seen:
    """When messages were published and when the decision asked for a worker because of them, seconds."""

    published: dict[str, float] = field(default_factory=dict)
    delays: list[float] = field(default_factory=list)


@dataclass
class Watched:
    """One fleet and what is kept of it between two looks."""

    key: Key
    fleet: Fleet
    observer: Watcher
    health: Health = field(default_factory=Health)
    memories: dict[str, Memory] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    written: Written | None = None


class Watch:
    """The looks at all fleets, as the reconciler has them but for its requests to the API server.

    Args:
        session: to the broker.
        pools: how many, a hundred a fleet.
        publisher: the other end of which publishes.
    """

    def __init__(self, session: BrokerSession, pools: int, publisher: "Connection[Any, Any]") -> None:
        self._session, self._publisher = session, publisher
        self._metrics = Metrics(CollectorRegistry(), time.monotonic)
        self._store = Store()
        self._queue: WorkQueue[Key] = WorkQueue(self._look)
        self._fleets = {it.key: it for it in self._made(pools)}
        self._left: set[Key] = set()
        self._began = 0.0
        self.seen = Seen()
        self.took: list[float] = []

    async def run(self, seconds: float) -> int:
        """Tick for a time; returns how many ticks there were."""
        working, ticks, end = asyncio.create_task(self._queue.run()), 0, time.monotonic() + seconds
        while time.monotonic() < end:
            self._began, self._left, ticks = time.monotonic(), set(self._fleets), ticks + 1
            for key in self._fleets:
                self._queue.add(key)
            await asyncio.sleep(TICK_S)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        return ticks

    def _made(self, pools: int) -> Iterator[Watched]:
        for first in range(0, pools, A_FLEET):
            key = Key(NAMESPACE, f"fleet-{first}")
            numbers = range(first, min(first + A_FLEET, pools))
            asked = fleet(
                *({"name": f"p{number}", "queues": [queue(number)]} for number in numbers),
                app="bench",
                broker={**LOGIN, "stats": STATS},
                beat={"enabled": False},
            )
            for number in numbers:
                self._store.see(DEPLOYMENTS, deployment(key, number))
                if busy(number):
                    self._store.see(PODS, pod(key, number))
            yield Watched(key, asked, Watcher(key, self._store, datetime.now(UTC)))

    async def _look(self, key: Key) -> bool:
        it = self._fleets[key]
        snapshot = await it.observer.look(it.fleet, self._session, datetime.now(UTC))
        it.health = it.health.examined(it.fleet, snapshot)
        seen = {name: facts(pool, it.health.starved(name)) for name, pool in snapshot.pools.items()}
        sizes = decide_fleet(it.fleet, seen, it.memories, FleetContext(snapshot.at))
        decisions, it.memories = sizes.decisions, sizes.memories
        self._note(it, {name for name, decision in decisions.items() if decision.replicas})
        self._metrics.looked(key, snapshot, decisions, it.health.findings)
        status = fleet_status(Reported(it.fleet, snapshot, decisions, it.memories, it.status, StatusInput(1)))
        if worth_writing(status, it.status, it.written, snapshot.at):
            it.status, it.written = status, Written(status, status, snapshot.at)
        self._left.discard(key)
        if not self._left:
            self.took.append(time.monotonic() - self._began)
        return True

    def _note(self, it: Watched, awake: set[str]) -> None:
        while self._publisher.poll():
            name, at = self._publisher.recv()
            self.seen.published[name] = at
        for pool in it.fleet.pools:
            name = pool.queues[0]
            if pool.name in awake and name in self.seen.published:
                self.seen.delays.append(time.monotonic() - self.seen.published.pop(name))
                self._publisher.send(name)


def queue(number: int) -> str:
    """Name of a pool's queue."""
    return f"utilitarian.tasks.bench-{number:04}"


def busy(number: int) -> bool:
    """Whether the pool has work and a worker all the time."""
    return number % EVERY_BUSY == 0


def deployment(key: Key, number: int) -> dict[str, Any]:
    """Of one pool."""
    replicas = int(busy(number))
    return {"metadata": metadata(key, f"{key.name}-p{number}", number), "spec": {"replicas": replicas}}


def pod(key: Key, number: int) -> dict[str, Any]:
    """Of one busy pool."""
    status = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        "containerStatuses": [{"name": "worker", "state": {"running": {}}}],
    }
    return {"metadata": metadata(key, f"{key.name}-p{number}-0", number), "status": status}


def metadata(key: Key, name: str, number: int) -> dict[str, Any]:
    """Of an object of the fleet."""
    labels = {INSTANCE_LABEL: key.name, POOL_LABEL: f"p{number}"}
    created = "2026-01-01T00:00:00Z"
    return {"namespace": key.namespace, "name": name, "labels": labels, "creationTimestamp": created}


def publish(broker: RabbitMQ, queues: list[str], watcher: "Connection[Any, Any]", seed: int) -> None:
    """Put single messages into queues at random, each anew when the last one was seen; ends with the connection."""
    dice, free = random.Random(seed), dict.fromkeys(queues, 0.0)  # noqa: S311 - which queue is no secret
    with broker.connection("/", confirm_publish=True) as connection, connection.channel() as channel:
        while True:
            while watcher.poll(dice.uniform(0.0, 0.05)):
                try:
                    seen = watcher.recv()
                except EOFError:
                    return
                channel.queue_purge(seen)
                free[seen] = time.monotonic() + AGAIN_AFTER_S
            ready = [name for name, since in free.items() if since <= time.monotonic()]
            if ready:
                name = dice.choice(ready)
                free[name] = math.inf
                watcher.send((name, time.monotonic()))
                channel.basic_publish(Message("{}"), exchange="", routing_key=name)


def cpu_of(pid: int) -> float:
    """CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def own_cpu() -> float:
    """CPU seconds of this process, all threads, without its children."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def p99(values: list[float]) -> float:
    """The 99th percentile, by nearest rank."""
    return sorted(values)[math.ceil(0.99 * len(values)) - 1]


async def measured(broker: RabbitMQ, pools: int) -> dict[str, object]:
    """The figures of one size; the broker's are over what it uses at rest with the same queues and publisher."""
    names = [queue(number) for number in range(pools)]
    broker.declare("/", *names)
    for number in filter(busy, range(pools)):
        broker.publish("/", queue(number), ["{}"] * 5)
    await asyncio.sleep(SETTLE_S)  # it goes on for a while with what the start and the declarations left to do
    before = cpu_of(broker.server.pid)
    await asyncio.sleep(AT_REST_S)
    at_rest = (cpu_of(broker.server.pid) - before) / AT_REST_S
    ours, theirs = multiprocessing.Pipe()
    quiet = [name for number, name in enumerate(names) if not busy(number)]
    publisher = multiprocessing.get_context("fork").Process(target=publish, args=(broker, quiet, theirs, pools))
    session = BrokerSession(Credentials(broker.amqp_url(), (broker.prometheus_url,)))
    session.start()
    watch = Watch(session, pools, ours)
    await watch.run(SETTLE_S)
    cpu, server, began = own_cpu(), cpu_of(broker.server.pid), time.monotonic()
    ticks = await watch.run(SPAN_S)
    tick_cpu, span = (own_cpu() - cpu) / ticks, time.monotonic() - began
    cores, tick = (cpu_of(broker.server.pid) - server) / span - at_rest, median(watch.took[-ticks:])
    publisher.start()
    await watch.run(SPAN_S)
    publisher.terminate()
    publisher.join()
    await session.close()
    return {
        "bench": "sight",
        "pools": pools,
        "tick_cpu_ms": round(tick_cpu * 1000, 1),
        "tick_ms": round(tick * 1000, 1),
        "broker_cores": round(cores, 3),
        "seen_p99_s": round(p99(watch.seen.delays), 3),
    }


def main() -> None:
    """Print one JSON object for each number of pools, or for those given on the command line."""
    sizes = [int(word) for word in sys.argv[1:]] or SIZES
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder, RabbitMQ(Path(folder)) as broker:
            print(json.dumps(asyncio.run(measured(broker, size))), flush=True)


if __name__ == "__main__":
    main()

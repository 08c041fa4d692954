"""How near the learned seconds per task come to the true ones; a real RabbitMQ and real Celery workers, no cluster.

Each worker runs tasks of one length, in bursts or as a stream, and is watched as the operator watches it: session,
observer, facts and memory, with the broker's statistics and without. Prints one JSON object a worker and way: what was
learned, divided by the truth, after 10 and after 50 tasks and when all are done.

`python -m bench.learned prefork stream 1` measures a slice: kinds of workers, ways and seconds, each as many as named.
"""

import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.celery_workers import Application, running, send
from tests.support.observing import Watcher
from tests.support.pools import fleet
from tests.support.rabbitmq import RabbitMQ
from utilitarian_operator.adapters.broker.session import BrokerSession, Credentials
from utilitarian_operator.adapters.cluster.cache import DEPLOYMENTS, PODS, Key, Store
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.labels import INSTANCE_LABEL, POOL_LABEL
from utilitarian_operator.core.sizing.facts import facts
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.pools import FleetContext, decide_fleet

LENGTHS = (0.1, 1.0, 10.0, 100.0)
EXECUTIONS = ("prefork", "threads", "solo")
WAYS = ("bursts", "stream")
AFTER = (10, 50)

SLOTS = {0.1: 4, 1.0: 4, 10.0: 8, 100.0: 16}
TASKS = 60
FEW = 6
"""Tasks of a worker that would be at work for longer than a quarter of an hour with all of them."""
LONGEST_S = 840.0
BURST = 12
LOAD = 0.6
"""Part of the slots that a stream keeps at work."""
TICK_S = 1.0
SETTLED_S = 4.0
STREAM = "stream"
POOL, QUEUE, NODE = "pool", "utilitarian.tasks.amr", "worker-0"


@dataclass(frozen=True)
class Case:
    """One worker and what it is given."""

    execution: str
    way: str
    seconds: float
    number: int = TASKS

    @property
    def slots(self) -> int:
        """Tasks that it runs at a time."""
        return 1 if self.execution == "solo" else SLOTS[self.seconds]

    @property
    def tasks(self) -> int:
        """How many it is given."""
        return self.number if self.number * self.seconds / self.slots / LOAD < LONGEST_S else FEW

    @property
    def name(self) -> str:
        """Fit for a virtual host and a folder."""
        return f"{self.execution}-{self.way}-{self.seconds:g}"

    def arrivals(self) -> Iterator[tuple[float, int]]:
        """Moments and how many tasks come then."""
        dice, at, left = random.Random(self.name), 0.0, self.tasks  # noqa: S311 - when a task comes is no secret
        while left:
            size = 1 if self.way == STREAM else min(BURST, left)
            yield at, size
            pause = dice.expovariate(LOAD) if self.way == STREAM else BURST + dice.uniform(0.5, 1) * self.slots
            at, left = at + pause * self.seconds / self.slots + (self.way != STREAM) * dice.uniform(2, 6), left - size


@dataclass
class Watched:
    """One fleet of one worker, as one observer sees it, and the ratio after so many tasks."""

    asked: Fleet
    observer: Watcher
    session: BrokerSession
    memories: dict[str, Memory] = field(default_factory=dict)
    ratios: dict[int, float] = field(default_factory=dict)

    async def look(self, seconds: float) -> float:
        """Look once; returns how many tasks were counted until now."""
        snapshot = await self.observer.look(self.asked, self.session, datetime.now(UTC))
        seen = {name: facts(pool) for name, pool in snapshot.pools.items()}
        self.memories = decide_fleet(self.asked, seen, self.memories, FleetContext(snapshot.at)).memories
        memory = self.memories[POOL]
        for count in AFTER:
            if memory.completions >= count:
                self.ratios.setdefault(count, round(memory.slot_seconds / memory.completions / seconds, 2))
        return memory.completions

    @property
    def ratio(self) -> float | None:
        """Of what is learned in the end."""
        memory = self.memories[POOL]
        return round(memory.slot_seconds / memory.completions, 4) if memory.completions else None


def store(key: Key) -> Store:
    """With one Deployment and its pod, which runs."""
    labels = {INSTANCE_LABEL: key.name, POOL_LABEL: POOL}
    made, common = Store(), {"namespace": key.namespace, "labels": labels, "creationTimestamp": "2030-01-01T00:00:00Z"}
    status = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2030-01-01T00:00:05Z"}],
        "containerStatuses": [{"name": "worker", "state": {"running": {"startedAt": "2030-01-01T00:00:00Z"}}}],
    }
    made.see(DEPLOYMENTS, {"metadata": {**common, "name": f"{key.name}-{POOL}"}, "spec": {"replicas": 1}})
    made.see(PODS, {"metadata": {**common, "name": NODE}, "status": status})
    return made


async def measured(broker: RabbitMQ, case: Case, folder: Path) -> list[dict[str, Any]]:
    """What was learned of one worker, by both observers."""
    vhost, loop = case.name, asyncio.get_running_loop()
    await loop.run_in_executor(None, broker.make_vhost, vhost)
    url = broker.amqp_url(vhost)
    application = Application(url, folder / case.name)
    worker = application.worker(NODE, queues=[QUEUE], concurrency=case.slots, execution=case.execution)
    async with AsyncExitStack() as stack:
        watches = {}
        for name, endpoints in (("statistics", (broker.prometheus_url,)), ("none", ())):
            session = BrokerSession(Credentials(url, endpoints))
            session.start()
            stack.push_async_callback(session.close)
            login = {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "url"}}}
            stats = {"stats": {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "s"}}}} if endpoints else {}
            pool = {"name": POOL, "queues": [QUEUE], "worker": {"concurrency": case.slots}}
            asked = fleet(pool, app="utilitarian", broker={**login, **stats}, beat={"enabled": False})
            key = Key("bench", "fleet")
            watches[name] = Watched(asked, Watcher(key, store(key), datetime.now(UTC)), session)
        looking = asyncio.create_task(watch(watches.values(), case))
        with ExitStack() as processes:
            await loop.run_in_executor(None, processes.enter_context, running(worker))
            await feed(url, case)
            await looking
            worker.kill()
    await loop.run_in_executor(None, broker.delete_vhost, vhost)
    return [
        {"bench": "learned", "execution": case.execution, "way": case.way, "seconds": case.seconds, "sight": name}
        | {f"after_{count}": it.ratios.get(count) for count in AFTER}
        | {"tasks": case.tasks, "counted": it.memories[POOL].completions, "learned_s": it.ratio}
        for name, it in watches.items()
    ]


async def feed(url: str, case: Case) -> None:
    """Send the tasks at their moments."""
    began, loop = time.monotonic(), asyncio.get_running_loop()
    for at, count in case.arrivals():
        await asyncio.sleep(max(began + at - time.monotonic(), 0))
        await loop.run_in_executor(None, send, url, QUEUE, [case.seconds] * count)


async def watch(watches: Collection[Watched], case: Case) -> None:
    """Look each second until every task was counted by both, or surely never will be."""
    until = time.monotonic() + LONGEST_S
    while time.monotonic() < until:
        counted = [await it.look(case.seconds) for it in watches]
        if all(it >= case.tasks for it in counted):
            return
        await asyncio.sleep(TICK_S)


async def all_of(cases: Sequence[Case]) -> None:
    """All at once: tasks sleep, so that the workers do not disturb each other much."""
    with tempfile.TemporaryDirectory() as folder, RabbitMQ(Path(folder) / "broker") as broker:
        turn = asyncio.Semaphore(8)

        async def one(case: Case) -> None:
            async with turn:
                for row in await measured(broker, case, Path(folder)):
                    print(json.dumps(row), flush=True)

        await asyncio.gather(*(one(case) for case in sorted(cases, key=lambda it: -it.seconds * it.tasks)))


def main() -> None:
    """Print the rows of all workers, or of those that the command line names."""
    words = set(sys.argv[1:])
    executions = [it for it in EXECUTIONS if it in words] or EXECUTIONS
    ways = [it for it in WAYS if it in words] or WAYS
    lengths = [it for it in LENGTHS if f"{it:g}" in words] or LENGTHS
    asyncio.run(all_of([Case(*it) for it in ((e, w, s) for e in executions for w in ways for s in lengths)]))


if __name__ == "__main__":
    main()

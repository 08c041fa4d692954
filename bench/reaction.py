"""How soon a pool at zero is woken: from a message in its queue to the workers asked for, and to its first task.

A real API server with its controllers, a real RabbitMQ, a fleet of fourteen pools and Celery workers as processes; one
pool after the other is woken, at random moments. In `0-1` one task is sent and run. In `0-20` two hundred messages come
at once to a fleet that has no node: how soon twenty workers are asked for is the operator's matter, how soon they start
is the cluster's. Prints one JSON object a step, ends by itself and leaves nothing behind.

`p50_s` and `p99_s` are of the time until the Deployment asks for all of its workers; `steps_max` says in how many
changes it came there, at most; `first_task_p50_s` is of the time until the first task runs. `0-1` counts from when the
broker has confirmed the message, `0-20` from before the first message is sent.
"""

import argparse
import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from bench.drain import Bench, bench
from tests.support.celery_workers import send
from tests.support.fleet import Fleet
from tests.support.installation import NO_BEAT
from tests.support.ledger import FileLedgerReader
from tests.support.operator import as_process
from tests.support.process_node import ProcessNode
from tests.support.waiting import wait_until
from utilitarian import routing

QUEUES = tuple(routing.WORK_TASKS)
STEPS = ("0-1", "0-20")
WAKES = 40
MOST, MESSAGES = 20, 200
GLANCE = timedelta(milliseconds=10)
AT_REST_WITHIN = timedelta(minutes=2)
LONGEST_PAUSE_S = 2.0
SCALING = {"idleAfter": "1s", "stabilization": "1s", "taskDuration": "1s", "drainWithin": "1s", "max": MOST}


@dataclass(frozen=True)
class Wake:
    """One wake, in seconds after the broker had its messages; `first_task_s` is None where none is run."""

    asked_s: float
    steps: int
    first_task_s: float | None = None


@dataclass(frozen=True)
class Sleepers:
    """A fleet of pools at zero, each with a queue of its own."""

    parts: Bench
    fleet: Fleet
    vhost: str
    ledger: FileLedgerReader

    def create(self) -> None:
        """Make its queues and the resource, and wait until all is at rest."""
        with self.parts.rabbitmq.channel(self.vhost) as channel:
            for declaration in routing.declarations("classic"):
                declaration(channel).declare()
        pools = [{"name": _pool(queue), "queues": [queue]} for queue in QUEUES]
        defaults = {"worker": {"concurrency": 1}, "scaling": SCALING}
        env = [{"name": "UTILITARIAN_LEDGER", "value": str(self.ledger.directory)}]
        url = self.parts.rabbitmq.amqp_url(self.vhost)
        self.fleet.create(url, pools=pools, defaults=defaults, beat=NO_BEAT, env=env)
        for queue in QUEUES:
            self.rest(queue)

    def rest(self, queue: str) -> None:
        """Wait until the pool of a queue has no worker and none is asked for."""
        pool = _pool(queue)
        wait_until(lambda: self.fleet.replicas(pool) == 0 and not self.fleet.pods(pool), within=AT_REST_WITHIN)

    def wake_one(self, queue: str) -> Wake:
        """Send one task, and wait until it runs."""
        (task,) = send(self.parts.rabbitmq.amqp_url(self.vhost), queue, [0.1])
        begun = time.time()
        woken = self._asked(queue, begun, 1)
        wait_until(lambda: task in self.ledger.read().ids("start"), within=AT_REST_WITHIN)
        at = next(it.at for it in self.ledger.read().records if it.task_id == task and it.event == "start")
        return Wake(woken.asked_s, woken.steps, at - begun)

    def wake_many(self, queue: str) -> Wake:
        """Publish so many messages that the pool needs all of its workers, and take them away when it asks for them."""
        begun = time.time()
        self.parts.rabbitmq.publish(self.vhost, queue, ["{}"] * MESSAGES)
        woken = self._asked(queue, begun, MOST)
        self.parts.rabbitmq.purge(self.vhost, queue)
        return woken

    def _asked(self, queue: str, begun: float, workers: int) -> Wake:
        seen: list[int] = []

        def enough() -> bool:
            asked = self.fleet.replicas(_pool(queue)) or 0
            if asked and asked not in seen:
                seen.append(asked)
            return asked >= workers

        wait_until(enough, within=AT_REST_WITHIN, every=GLANCE)
        return Wake(time.time() - begun, len(seen))


def _pool(queue: str) -> str:
    return queue.rsplit(".", 1)[-1].replace("_", "-")


@contextlib.contextmanager
def _sleepers(parts: Bench, folder: Path, *, node: bool) -> Iterator[Sleepers]:
    with parts.rabbitmq.vhost() as vhost, parts.plane.namespace() as namespace, contextlib.ExitStack() as stack:
        if node:
            stack.enter_context(ProcessNode(parts.plane, namespace, folder / "node"))
        sleepers = Sleepers(parts, Fleet(parts.plane, namespace), vhost, FileLedgerReader(folder / "ledger"))
        stack.enter_context(as_process(parts.plane, namespace, directory=folder))
        sleepers.create()
        yield sleepers
        sleepers.fleet.delete()


def measure(parts: Bench, step: str, wakes: int) -> dict[str, Any]:
    """One row."""
    dice = Random(wakes)  # noqa: S311 - no secret
    folder = parts.folder / step
    folder.mkdir()
    with _sleepers(parts, folder, node=step == "0-1") as sleepers:
        wake: Callable[[str], Wake] = sleepers.wake_one if step == "0-1" else sleepers.wake_many
        found = []
        for number in range(wakes):
            queue = QUEUES[number % len(QUEUES)]
            sleepers.rest(queue)
            time.sleep(dice.uniform(0, LONGEST_PAUSE_S))
            found.append(wake(queue))
    return _row(step, found)


def _row(step: str, found: list[Wake]) -> dict[str, Any]:
    asked = sorted(it.asked_s for it in found)
    ran = [it.first_task_s for it in found if it.first_task_s is not None]
    return {
        "bench": "reaction",
        "system": "utilitarian",
        "step": step,
        "n": len(found),
        "p50_s": round(median(asked), 2),
        "p99_s": round(asked[math.ceil(len(asked) * 0.99) - 1], 2),
        "steps_max": max(it.steps for it in found),
        "first_task_p50_s": round(median(ran), 2) if ran else None,
    }


def main() -> None:
    """Print one JSON object a step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wakes", type=int, default=WAKES, help="of each step (default: %(default)s)")
    parser.add_argument("--step", choices=STEPS, action="append", help="only this one")
    asked = parser.parse_args()
    with bench() as parts:
        for step in asked.step or STEPS:
            print(json.dumps(measure(parts, step, asked.wakes)), flush=True)


if __name__ == "__main__":
    main()

"""How soon a pool at zero is woken: from a message in its queue to the workers asked for, and to its first task.

A real API server with its controllers (the HPA's too), a real RabbitMQ, a fleet of fourteen pools and Celery workers as
processes. In each round the systems follow one another, each started anew: this operator, KEDA as documented, KEDA as
an expert sets it; so what else the machine does is alike for all. A round wakes each pool once, at a random moment of a
minute; then all of them are put to rest again: ours by itself, KEDA's by hand when no message is left, since its
cooldown takes minutes. In `0-1` one task is sent and run. In `0-20` two hundred
messages come at once to a fleet that has no node: how soon twenty workers are asked for is the system's matter, how
soon they start is the cluster's. Prints one JSON object a step and system, ends by itself and leaves nothing behind.

`p50_s` and `p99_s` are of the time until the Deployment asks for all of its workers; `steps_max` says in how many
changes it came there, at most; `first_task_p50_s` is of the time until the first task runs. `0-1` counts from when the
broker has confirmed the message, `0-20` from before the first message is sent. `load` is the machine's own figure
for the last minute when a round was done, in the mean.
"""

import argparse
import contextlib
import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from statistics import mean, median
from typing import Any

from bench.drain import Bench, bench
from bench.machine import machine
from bench.replica_trail import ReplicaTrail, replica_trail
from bench.systems import OURS, SYSTEMS, Aim, System, Target, at_work
from tests.support.celery_workers import send
from tests.support.fleet import Fleet
from tests.support.installation import NO_BEAT
from tests.support.ledger import FileLedgerReader
from tests.support.process_node import ProcessNode
from tests.support.waiting import wait_until
from utilitarian import routing

QUEUES = tuple(routing.WORK_TASKS)
STEPS = ("0-1", "0-20")
ROUNDS = 3
MOST, MESSAGES = 20, 200
GLANCE_S = 0.02
WOKEN_WITHIN = timedelta(minutes=4)
ROUND_S = 60.0
SCALING = {"idleAfter": "1s", "stabilization": "1s", "taskDuration": "1s", "drainWithin": "1s", "max": MOST}


@dataclass
class Wake:
    """One wake: times in seconds since the epoch; `task` and `ran_at` are None where none is run."""

    queue: str
    sent_at: float
    task: str | None = None
    asked_at: float | None = None
    steps: int = 0
    ran_at: float | None = None


@dataclass
class Sleepers:
    """A fleet of pools at zero, each with a queue of its own, under one system."""

    parts: Bench
    step: str
    target: Target
    vhost: str
    ledger: FileLedgerReader
    system: System
    trail: ReplicaTrail
    open: list[Wake] = field(default_factory=list)

    def round(self, dice: Random) -> list[Wake]:
        """Wake each pool once, and put all to rest again."""
        due = sorted((dice.uniform(0, ROUND_S), queue) for queue in QUEUES)
        begun, wakes = time.monotonic(), list[Wake]()
        self.open = []
        while due:
            if time.monotonic() - begun >= due[0][0]:
                wakes.append(self._wake(due.pop(0)[1]))
                self.open.append(wakes[-1])
            self._look()
            time.sleep(GLANCE_S)
        wait_until(self._all_woken, within=WOKEN_WITHIN, every=timedelta(seconds=GLANCE_S), describe=self._describe)
        wait_until(lambda: self._all_ran(wakes), within=WOKEN_WITHIN)
        self.system.rest()
        return wakes

    def _wake(self, queue: str) -> Wake:
        """Send one task, or so many messages that the pool needs all of its workers."""
        pool = _pool(queue)
        if self.trail.now(f"{self.target.fleet.name}-{pool}"):
            raise AssertionError(f"pool {pool} has workers before it is woken: the row would be wrong")
        if self.step == "0-1":
            (task,) = send(self.target.broker_url, queue, [0.1])
            return Wake(queue, time.time(), task)
        begun = time.time()
        self.parts.rabbitmq.publish(self.vhost, queue, ["{}"] * MESSAGES)
        return Wake(queue, begun)

    def _look(self) -> None:
        """Note which pools have been asked to have all of their workers; what waits for these is taken away."""
        for wake in list(self.open):
            name, workers = f"{self.target.fleet.name}-{_pool(wake.queue)}", 1 if wake.task else MOST
            asked = self.trail.first(name, wake.sent_at - 1, workers)
            if asked is not None:
                wake.asked_at = asked
                wake.steps = sum(
                    at <= asked and replicas > 0 for at, replicas in self.trail.since(name, wake.sent_at - 1)
                )
                self.open.remove(wake)
                if not wake.task:
                    self.parts.rabbitmq.purge(self.vhost, wake.queue)

    def _all_woken(self) -> bool:
        self._look()
        return not self.open

    def _describe(self) -> str:
        return "\n".join(process.tail() for process in self.system.processes)

    def _all_ran(self, wakes: list[Wake]) -> bool:
        began = {it.task_id: it.at for it in self.ledger.read().records if it.event == "start"}
        for wake in wakes:
            wake.ran_at = began.get(wake.task) if wake.task else None
        return all(wake.task is None or wake.ran_at is not None for wake in wakes)


def _pool(queue: str) -> str:
    return queue.rsplit(".", 1)[-1].replace("_", "-")


def sleeping_spec(ledger: FileLedgerReader) -> dict[str, Any]:
    """Of the fleet: a pool for each of the application's queues."""
    return {
        "pools": [{"name": _pool(queue), "queues": [queue]} for queue in QUEUES],
        "defaults": {"worker": {"concurrency": 1}, "scaling": SCALING},
        "beat": NO_BEAT,
        "env": [{"name": "UTILITARIAN_LEDGER", "value": str(ledger.directory)}],
    }


@contextlib.contextmanager
def _sleepers(parts: Bench, system: str, step: str, folder: Path) -> Iterator[Sleepers]:
    with parts.rabbitmq.vhost() as vhost, parts.plane.namespace() as namespace, contextlib.ExitStack() as stack:
        if step == "0-1":
            stack.enter_context(ProcessNode(parts.plane, namespace, folder / "node"))
        with parts.rabbitmq.channel(vhost) as channel:
            for declaration in routing.declarations("classic"):
                declaration(channel).declare()
        ledger, url = FileLedgerReader(folder / "ledger"), parts.rabbitmq.amqp_url(vhost)
        target = Target(Fleet(parts.plane, namespace), url, sleeping_spec(ledger), Aim(MOST, MESSAGES // MOST))
        trail = stack.enter_context(replica_trail(parts.plane, namespace))
        scaling = stack.enter_context(at_work(system, parts.plane, target, folder))
        yield Sleepers(parts, step, target, vhost, ledger, scaling, trail)


@dataclass
class Measured:
    """The wakes of a system in one step, and what the machine had to do in each round."""

    wakes: list[Wake] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)

    def round(self, parts: Bench, system: str, step: str, number: int) -> None:
        """One more round, on parts of its own; the moments are those of all systems in this round."""
        folder = parts.folder / f"{system}-{step}-{number}"
        folder.mkdir()
        with _sleepers(parts, system, step, folder) as sleepers:
            self.wakes += sleepers.round(Random(number))  # noqa: S311 - no secret
        self.loads.append(os.getloadavg()[0])

    def row(self, system: str, step: str) -> dict[str, Any]:
        """What is printed."""
        return {**_row(system, step, self.wakes), "load": round(mean(self.loads), 1)}


def measure(parts: Bench, systems: Sequence[str], step: str, rounds: int) -> list[dict[str, Any]]:
    """A row a system: in each round they follow one another, so that what else the machine does is alike for all."""
    measured = {system: Measured() for system in systems}
    for number in range(rounds):
        for system, of_it in measured.items():
            of_it.round(parts, system, step, number)
    return [of_it.row(system, step) for system, of_it in measured.items()]


def _row(system: str, step: str, found: list[Wake]) -> dict[str, Any]:
    asked = sorted(it.asked_at - it.sent_at for it in found if it.asked_at is not None)
    ran = [it.ran_at - it.sent_at for it in found if it.ran_at is not None]
    return {
        "bench": "reaction",
        "system": system,
        "step": step,
        "n": len(asked),
        "p50_s": round(median(asked), 2),
        "p99_s": round(asked[math.ceil(len(asked) * 0.99) - 1], 2),
        "steps_max": max(it.steps for it in found),
        "first_task_p50_s": round(median(ran), 2) if ran else None,
    }


def main() -> None:
    """Print one JSON object a step and system."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of 14 wakes each (default: %(default)s)")
    parser.add_argument("--step", choices=STEPS, action="append", help="only this one")
    parser.add_argument("--system", choices=SYSTEMS, action="append", help=f"only this one ({OURS} needs no Go)")
    asked = parser.parse_args()
    print(json.dumps(machine()), flush=True)
    with bench() as parts:
        for step in asked.step or STEPS:
            for row in measure(parts, asked.system or SYSTEMS, step, asked.rounds):
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()

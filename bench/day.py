"""A day of the documented fleet in 24 minutes on real parts: what it costs, what waits, and which runs are in time.

A real API server with its controllers (the HPA's too), a real RabbitMQ and Celery workers as processes. The systems
follow one another with the same tasks: this operator, KEDA as documented, KEDA as an expert sets it. What is compressed
and what can't be is said in `bench.compressed_day`. KEDA's value is what the simulator takes for a careful user's: what
one worker starts within `drainWithin`. Before the day each pool outside runs has run one task, since the operator of a
fleet that has run for a day knows how long a start takes. Prints one JSON object a system, ends by itself and leaves
nothing behind.

`worker_seconds` is how long pods were there, from the day's start until its end or the last task's, whichever is later;
`worker_seconds_outside_runs` those of the pools without a schedule, in which nothing is distorted: a cooldown of
minutes counts sixty times in a pool whose runs are compressed. `wait_*` are of tasks outside runs, `person_wait_*` of
those of `amr-on-demand`, `started_in_time` counts those outside runs that began within `drainWithin`, and
`deadlines_met` the runs whose tasks all ended in time. `lost` tasks never finished; `begun_twice` were begun more than
once; `replica_changes` counts each change of a Deployment's size. `load` is the machine's own figure for the last
quarter of an hour when the row was done.
"""

import argparse
import contextlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench.compressed_day import MINUTES, Became, Task, coming, figures, fleet, fleet_spec
from bench.drain import Bench, bench
from bench.machine import machine
from bench.replica_trail import ReplicaTrail, replica_trail
from bench.systems import AT_REST_WITHIN, OURS, SYSTEMS, Aim, System, Target, at_work
from tests.support.celery_workers import sender
from tests.support.fleet import Fleet
from tests.support.installation import NO_BEAT, Installation
from tests.support.pod_lives import Life, PodLives
from tests.support.process_node import ProcessNode
from tests.support.waiting import NotInTimeError, wait_until
from utilitarian_operator.simulation.autoscalers import default_target

MINUTE_S = 60.0
SOONEST_S, LATEST_S = 5.0, 40.0
"""Seconds of a minute in which the schedules are written: not so late that the operator learns of them too late."""

AT_A_TIME = 2
"""First starts: a start-up is learned from those of which at most two ran at once."""

LOOK_S = 1.0
CALM_S = 15.0
"""For so long the broker must have said that it has no message: its statistics are seconds late."""

OVER_WITHIN = timedelta(minutes=15)
"""After the day's end; what has not ended by then counts as lost."""


@dataclass
class Day:
    """A fleet under one system, at rest before its day."""

    installation: Installation
    target: Target
    system: System
    lives: PodLives
    trail: ReplicaTrail
    idle_since: float | None = None

    def prepare(self) -> None:
        """Have each pool outside runs start once, and come to rest again."""
        awake = [it.queues[0] for it in fleet().pools if not it.schedule]
        for first in range(0, len(awake), AT_A_TIME):
            sent = {
                task for queue in awake[first : first + AT_A_TIME] for task in self.installation.send(queue, 1, 0.1)
            }
            wait_until(lambda sent=sent: self._ended() >= sent, within=AT_REST_WITHIN)  # type: ignore[misc]
        self.system.rest()

    def begin(self, *, with_schedules: bool) -> float:
        """Wait for the minute with which the day starts, and say when that is, in seconds since the epoch."""
        second = time.time() % MINUTE_S
        if not SOONEST_S <= second <= LATEST_S:
            time.sleep((SOONEST_S - second) % MINUTE_S)
        begun = (time.time() // MINUTE_S + 1) * MINUTE_S
        if with_schedules:
            self.target.fleet.edit(pools=fleet_spec(time.gmtime(begun).tm_min)["pools"])
        time.sleep(max(begun - time.time(), 0))
        return begun

    def play(self, tasks: Sequence[Task], begun: float) -> list[str]:
        """Send everything when it is due; returns ids, in the order of the tasks."""
        ids = []
        with sender(self.target.broker_url) as send:
            for task in tasks:
                time.sleep(max(begun + task.at - time.time(), 0))
                ids.append(send(task.queue, task.seconds))
        return ids

    def wait_over(self, ids: Sequence[str]) -> None:
        """Wait until each task has ended, or nothing is left that could end it."""
        with contextlib.suppress(NotInTimeError):  # the row tells
            wait_until(lambda: self._over(ids), within=OVER_WITHIN, every=timedelta(seconds=LOOK_S))

    def _over(self, ids: Sequence[str]) -> bool:
        if self._ended() >= set(ids):
            return True
        if not self._nothing_left(ids):
            self.idle_since = None
            return False
        self.idle_since = self.idle_since or time.time()
        return time.time() - self.idle_since >= CALM_S

    def _nothing_left(self, ids: Sequence[str]) -> bool:
        """Whether the broker has no message, and no worker is there that has begun a task and not ended it."""
        if any(it != (0, 0) for it in self.installation.rabbitmq.totals(self.installation.vhost).values()):
            return False
        open_tasks = set(ids) - self._ended()
        workers = {it.hostname for it in self.installation.ledger.read().records if it.task_id in open_tasks}
        there = {f"celery@{name}" for pool in self.target.pools for name in self.target.fleet.pods(pool)}
        return not workers & there

    def _ended(self) -> frozenset[str]:
        ledger = self.installation.ledger.read()
        return ledger.ids("end") | ledger.ids("fail")


@contextlib.contextmanager
def _day(parts: Bench, system: str, folder: Path) -> Iterator[Day]:
    with (
        parts.rabbitmq.vhost() as vhost,
        parts.plane.namespace() as namespace,
        ProcessNode(parts.plane, namespace, folder / "node") as node,
    ):
        installation = Installation(Fleet(parts.plane, namespace), parts.rabbitmq, vhost, node, folder / "ledger")
        installation.declare()
        target = _target(installation)
        with (
            PodLives.of(installation.fleet, every_s=LOOK_S) as lives,
            replica_trail(parts.plane, namespace) as trail,
            at_work(system, parts.plane, target, folder) as scaling,
        ):
            yield Day(installation, target, scaling, lives, trail)


def _target(installation: Installation) -> Target:
    env = [{"name": "UTILITARIAN_LEDGER", "value": str(installation.ledger.directory)}]
    spec = {**fleet_spec(first_minute=None), "beat": NO_BEAT, "env": env}
    aims = {it.name: Aim(it.scaling.max, round(default_target(it))) for it in fleet().pools}
    return Target(installation.fleet, installation.broker_url, spec, aims)


def measure(parts: Bench, system: str, minutes: float) -> dict[str, Any]:
    """One row."""
    tasks, folder = coming(minutes), parts.folder / f"day-{system}"
    folder.mkdir()
    with _day(parts, system, folder) as day:
        day.prepare()
        begun = day.begin(with_schedules=system == OURS)
        ids = day.play(tasks, begun)
        time.sleep(max(begun + minutes * MINUTE_S - time.time(), 0))
        day.wait_over(ids)
        return _row(system, minutes, day, begun, dict(zip(ids, tasks, strict=True)))


def _row(system: str, minutes: float, day: Day, begun: float, tasks: dict[str, Task]) -> dict[str, Any]:
    ledger = day.installation.ledger.read()
    summary = ledger.summary(tasks)
    first = {it.task_id: it.at - begun for it in reversed(ledger.records) if it.event == "start"}
    ended = {it.task_id: it.at - begun for it in ledger.records if it.event == "end"}
    became = [Became(task, first.get(it), ended.get(it)) for it, task in tasks.items()]
    until = begun + max(minutes * MINUTE_S, *(ended[it] for it in tasks if it in ended))
    seconds = {pool: round(_seconds(day.lives.lives(), pool, begun, until)) for pool in day.target.pools}
    outside = [it.name for it in fleet().pools if not it.schedule]
    changes = [day.trail.since(f"{day.target.fleet.name}-{pool}", begun) for pool in day.target.pools]
    return {
        "bench": "day",
        "system": system,
        "minutes": minutes,
        "worker_seconds": sum(seconds.values()),
        "worker_seconds_outside_runs": sum(seconds[pool] for pool in outside),
        **figures(became),
        "lost": len(summary.lost),
        "begun_twice": len(summary.run_twice),
        "replica_changes": sum(len(it) for it in changes),
        "starts": sum(begun <= it.first <= until for it in day.lives.lives()),
        "lasted_s": round(until - begun),
        "load": round(os.getloadavg()[2], 1),
        "worker_seconds_of": seconds,
    }


def _seconds(lives: Sequence[Life], pool: str, begun: float, until: float) -> float:
    """For how long workers of a pool were there, all together, between two moments."""
    return sum(max(min(it.last, until) - max(it.first, begun), 0.0) for it in lives if it.pool == pool)


def main() -> None:
    """Print the machine, and one JSON object a system."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of the day's (default: %(default)s, all)")
    parser.add_argument("--system", choices=SYSTEMS, action="append", help=f"only this one ({OURS} needs no Go)")
    asked = parser.parse_args()
    print(json.dumps(machine()), flush=True)
    with bench() as parts:
        for system in asked.system or SYSTEMS:
            print(json.dumps(measure(parts, system, asked.minutes)), flush=True)


if __name__ == "__main__":
    main()

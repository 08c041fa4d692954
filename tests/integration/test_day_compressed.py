"""A day of the five trickle pools in six minutes with real parts: what waiting saves, and what `simulate` says.

Of a day of examples/load-typical.yaml one task in 96 comes, in the 240th part of the time: 2.5 times as many a second.
`drainWithin` and `idleAfter` are two fifths, a start takes what it takes. Both ways to wake get the same tasks.
"""

import sys
import time
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from random import Random
from statistics import mean, median, quantiles
from typing import Any

import pytest
import yaml

from tests.support import pools as effective
from tests.support.celery_workers import sender
from tests.support.controlplane import REPOSITORY
from tests.support.installation import Installation
from tests.support.operator import Operator, in_process
from tests.support.pod_lives import Life, PodLives
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.labels import node_name
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.memory_json import from_text
from utilitarian_operator.simulation.engine import Engine
from utilitarian_operator.simulation.load.arrivals import Tasks, tasks_of
from utilitarian_operator.simulation.load.workload import Load
from utilitarian_operator.simulation.play import Scene, kind
from utilitarian_operator.simulation.pool_model import Workers

DAY_S, LENGTH_S, DENSER = 86_400.0, 360.0, 2.5
THIN = DAY_S / LENGTH_S / DENSER
SEED = 11
ENDS = timedelta(seconds=180)
"""What the last tasks may wait and take."""

NEAR = 0.10
"""Part that the forecast of worker-seconds may be off by."""

QUEUES = {
    "amr-on-demand": ("utilitarian.tasks.amr.on_demand",),
    "commits": (
        "utilitarian.tasks.commits",
        "utilitarian.tasks.commits.meter_readings",
        "utilitarian.tasks.commits.meter_system_events",
    ),
    "default": ("utilitarian.tasks.default",),
    "amr": ("utilitarian.tasks.amr",),
    "external": ("utilitarian.tasks.external", "utilitarian.tasks.external.publish"),
}
SCALING = {"idleAfter": "48s", "stabilization": "24s", "max": 5, "drainWithin": "120s", "taskDuration": "1s"}
DEFAULTS = {"worker": {"concurrency": 4, "execution": "threads"}, "scaling": SCALING}
WAITS, HURRIES = {"wake": "WhenDue"}, {"idleAfter": "4s", "drainWithin": "60s"}
"""What tasks of commits and readings may, and what a person who waits for a meter may not."""

POLICIES: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "WhenDue": {"amr-on-demand": HURRIES, **dict.fromkeys(("commits", "default", "amr", "external"), WAITS)},
    "AtOnce": {"amr-on-demand": {"drainWithin": "60s"}},
}


def pools(policy: str) -> list[dict[str, Any]]:
    scaling = POLICIES[policy]
    return [
        {"name": name, "queues": list(queues), "scaling": dict(scaling.get(name, {}))}
        for name, queues in QUEUES.items()
    ]


def typical() -> Load:
    return Load.model_validate(yaml.safe_load((REPOSITORY / "examples/load-typical.yaml").read_text()))


def compressed(fleet: Fleet) -> dict[str, Tasks]:
    """What comes to each pool: seconds from the beginning."""
    load, dice = typical(), Random(SEED)  # noqa: S311 - no secret
    found = {}
    for pool in fleet.pools:
        day = tasks_of(pool, fleet, load, days=1, seed=SEED, folder=Path())
        kept = [k for k in range(len(day.at)) if dice.random() < 1 / THIN]
        at = array("d", (day.at[k] * LENGTH_S / DAY_S for k in kept))
        seconds = array("d", (day.seconds[k] for k in kept))
        found[pool.name] = Tasks(at, seconds, bytearray(day.queue[k] for k in kept), day.queues, {})
    return found


@dataclass(frozen=True)
class Came:
    """What became of a day.

    Args:
        worker_seconds: that workers were asked for.
        starts: of workers.
        waits: seconds of each task until it began, sorted.
        late: tasks that waited for longer than their pool's `drainWithin`.
    """

    worker_seconds: float
    starts: int
    waits: Sequence[float]
    late: int

    def __str__(self) -> str:
        p95 = quantiles(self.waits, n=20)[-1]
        waits = f"waits p50 {median(self.waits):.1f} s, p95 {p95:.1f} s, longest {self.waits[-1]:.1f} s"
        return f"{self.worker_seconds:,.0f} worker-seconds, {self.starts} starts, {waits}, {self.late} late"


@dataclass(frozen=True)
class Machine:
    """What the machine, and not the operator, had a part in.

    Args:
        start_ups: seconds that each worker took to begin its first task, by pool.
        departure: of a worker that holds nothing, as docs/simulate.md takes it from the metrics.
    """

    start_ups: Mapping[str, Sequence[float]]
    departure: timedelta


def simulated(fleet: Fleet, tasks: Mapping[str, Tasks], machine: Machine, known: Mapping[str, Memory]) -> Came:
    """What the simulator says of the same tasks and machine, with what was known of starts when they began."""
    until = LENGTH_S + ENDS.total_seconds()
    load = typical().model_copy(update={"departure": machine.departure})
    stage = Scene(fleet, load, tasks, until / DAY_S, SEED)
    workers = {
        it.name: Workers(tasks[it.name], kind(it, stage, departs=True), cycle(machine.start_ups[it.name]))
        for it in fleet.pools
    }
    engine = Engine(fleet, workers, stage.load.begins, until, range(int(until)))
    for name, lane in engine.lanes.items():
        lane.memory = replace(known[name], started_at=stage.load.begins)
    engine.advance(until)
    waits, late = [], 0
    for pool in fleet.pools:
        model = workers[pool.name]
        model.advance(until)
        model.close()
        of_pool = [began - at for began, at in zip(model.began_at, model.tasks.at, strict=True)]
        late += sum(it > pool.scaling.drain_within.total_seconds() for it in of_pool)
        waits += of_pool
    accounts = [it.account for it in workers.values()]
    return Came(sum(it.worker_seconds for it in accounts), sum(it.starts for it in accounts), sorted(waits), late)


def play(installation: Installation, tasks: Mapping[str, Tasks]) -> tuple[datetime, dict[str, tuple[str, float]]]:
    """Send everything when it is due; returns when it began, and pool and moment of each task, by its id."""
    agenda = sorted((it.at[k], name, k) for name, it in tasks.items() for k in range(len(it.at)))
    sent = {}
    with sender(installation.broker_url) as send:
        begun = datetime.now(UTC)
        for at, name, k in agenda:
            time.sleep(max(begun.timestamp() + at - time.time(), 0))  # the clock is what a load is about
            task = send(tasks[name].queues[tasks[name].queue[k]], tasks[name].seconds[k])
            sent[task] = name, time.time()
    return begun, sent


def asked_for(lives: PodLives, begun: float, until: float) -> float:
    """Worker-seconds of all pools, by what their Deployments asked for."""
    total = 0.0
    for name in QUEUES:
        sizes = [(max(at, begun), size) for at, size in lives.sizes(name)]
        ends = [*(at for at, _ in sizes[1:]), until]
        total += sum(size * max(end - at, 0.0) for (at, size), end in zip(sizes, ends, strict=True))
    return total


def first_starts(installation: Installation) -> dict[str, Memory]:
    """Have each pool start once, two at a time, so that a start is known; returns what is known of starts."""
    fleet, names = installation.fleet, list(QUEUES)
    for some in (names[:2], names[2:4], names[4:]):
        sent = [task for name in some for task in installation.send(QUEUES[name][0], 1, 0.1)]
        installation.wait(lambda sent=sent: installation.ledger.read().ids("end") >= set(sent), ENDS)  # type: ignore[misc]
    installation.wait(lambda: all(fleet.replicas(name) == 0 for name in names), ENDS)
    known = {name: from_text(fleet.pool(name)["memory"], datetime.now(UTC)) for name in names}
    return {
        name: Memory(start_up_s=it.start_up_s, start_ups=it.start_ups, start_up_deviation_s=it.start_up_deviation_s)
        for name, it in known.items()
    }


def drains(operator: Operator) -> tuple[float, float]:
    """How many workers were drained, and what they cost when they held nothing, in seconds, by the metrics."""
    samples = operator.metrics()
    count, seconds = (
        sum(value for name, value in samples.items() if name.startswith(f"utilitarian_{family}{{"))
        for family in ("drain_seconds_count", "departing_worker_seconds_total")
    )
    return count, seconds


def start_ups(lives: Sequence[Life], begun: Mapping[str, float]) -> dict[str, list[float]]:
    """Seconds from asking for a worker to its first task, as a load file has them, by pool, in their order.

    A worker takes its first task before its pod is called ready.

    Args:
        lives: of the pods.
        begun: when each worker began its first task, by its node name.
    """
    served = [it for it in sorted(lives, key=lambda it: it.first) if node_name(it.name) in begun]
    found = {name: [begun[node_name(it.name)] - it.first for it in served if it.pool == name] for name in QUEUES}
    usual = mean(it for each in found.values() for it in each)
    return {name: each or [usual] for name, each in found.items()}


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("policy", POLICIES)
def test_a_compressed_day_costs_what_was_simulated(
    installation: Installation, capsys: pytest.CaptureFixture[str], policy: str
) -> None:
    fleet = effective.fleet(*pools(policy), defaults=DEFAULTS)
    tasks = compressed(fleet)
    installation.declare()
    env = [{"name": "UTILITARIAN_LEDGER", "value": str(installation.ledger.directory)}]
    installation.create(pools=pools(policy), defaults=DEFAULTS, env=env)
    here = installation.fleet
    with PodLives.of(here) as lives, in_process(here.controlplane, here.namespace) as operator:
        installation.wait(lambda: all(here.replicas(name) == 0 for name in QUEUES))
        known = first_starts(installation)
        before = drains(operator)
        begun, sent = play(installation, tasks)
        installation.wait(lambda: installation.ledger.read().ids("end") >= sent.keys(), ENDS)
        ended = time.time()
        installation.wait(lambda: all(here.replicas(name) == 0 for name in QUEUES), ENDS)
        until = time.time()
        went, took_s = (after - first for after, first in zip(drains(operator), before, strict=True))
    ledger = installation.ledger.read()
    starts = [record for record in reversed(ledger.records) if record.event == "start"]
    first = {record.task_id: record.at for record in starts}
    waits = {task: first[task] - at for task, (_, at) in sent.items()}
    promises = {pool.name: pool.scaling.drain_within.total_seconds() for pool in fleet.pools}
    late = sum(waits[task] > promises[name] for task, (name, _) in sent.items())
    of_day = [it for it in lives.lives() if it.first >= begun.timestamp()]
    took = start_ups(of_day, {record.hostname: record.at for record in starts})
    real = Came(asked_for(lives, begun.timestamp(), until), len(of_day), sorted(waits.values()), late)
    machine = Machine(took, timedelta(seconds=took_s / max(went, 1)))
    forecast = simulated(fleet, tasks, machine, known)
    off, every = real.worker_seconds / forecast.worker_seconds - 1, [it for each in took.values() for it in each]
    lines = [
        f"{policy}: {len(sent)} tasks in {ended - begun.timestamp():.0f} s, {off:+.1%} off",
        f"  real      {real}",
        f"  simulated {forecast}",
        f"  a start took {median(every):.1f} s (median), {max(every):.1f} s at most",
        f"  a departure took {machine.departure.total_seconds():.2f} s (mean of {went:.0f})",
    ]
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
    assert ledger.summary(list(sent)).each_finished_once
    assert real.late == 0, lines
    assert abs(off) <= NEAR, lines

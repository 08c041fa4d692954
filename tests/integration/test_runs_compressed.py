"""A month in eight minutes with real parts: at zero outside their runs, pools open and close as `simulate` says."""

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from tests.support import pools as effective
from tests.support.installation import NO_BEAT, Installation
from tests.support.operator import Operator
from utilitarian import routing
from utilitarian_operator.simulation.engine import Engine
from utilitarian_operator.simulation.load.workload import Load
from utilitarian_operator.simulation.play import kind, scene, start_ups
from utilitarian_operator.simulation.pool_model import Workers

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
LENGTH = 7 * MINUTE + 30 * SECOND
WARM_UP = 25 * SECOND
SCALING = {"idleAfter": "5s", "stabilization": "2s", "drainWithin": "10s", "max": 5, "taskDuration": "2s"}
WORKER = {"concurrency": 4, "execution": "threads"}
OPEN_NEAR, CLOSE_NEAR = 3.0, 12.0
"""Seconds that a real pool may be off: it is looked at each second; at the end its workers' own pace adds up."""

Changes = list[tuple[float, int]]
"""Workers of a pool from a moment (Unix seconds) on."""


@dataclass(frozen=True)
class Runs:
    """One pool, and what comes in each of its runs, all at once."""

    period: str
    start: str
    tasks: int
    seconds: float
    finish_within: str
    workers: int
    due: tuple[datetime, ...]

    @property
    def queue(self) -> str:
        return routing.period_queue(self.period)

    @property
    def pool(self) -> dict[str, Any]:
        run = {"name": "run", "start": self.start, "finishWithin": self.finish_within, "workers": self.workers}
        return {"name": self.period, "queues": [self.queue], "schedule": [{**run, "warmUp": f"{WARM_UP.seconds}s"}]}

    @property
    def load(self) -> dict[str, Any]:
        seconds = {"median": self.seconds, "p95": self.seconds}
        return {"seconds": seconds, "arrivals": [{"cron": self.start, "tasks": self.tasks}]}


def compressed(first: datetime) -> list[Runs]:
    """An hour becomes two minutes, a day four, and the month the eight."""

    def each(minutes: int, begin: int) -> tuple[datetime, ...]:
        return tuple(first + minute * MINUTE for minute in range(begin, 7, minutes))

    return [
        Runs("hourly", "*/2 * * * *", 12, 2, "1m", 1, each(2, 0)),
        Runs("daily", f"{(first.minute + 1) % 4}-59/4 * * * *", 200, 2, "2m", 1, each(4, 1)),
        Runs("monthly", f"{(first.minute + 2) % 60} * * * *", 400, 3, "4m", 2, each(60, 2)),
    ]


def simulated(runs: Iterable[Runs], first: datetime, start_up: float) -> dict[str, Changes]:
    """What `simulate` says of the same spec and load, from the full hour on: the lines of cron are alike each hour."""
    fleet = effective.fleet(*(it.pool for it in runs), defaults={"worker": WORKER, "scaling": SCALING})
    hour = first.replace(minute=0, second=0)
    queues = {it.queue: it.load for it in runs}
    load = Load.model_validate({"start": first.date(), "startUp": f"{round(start_up, 1)}s", "queues": queues})
    days = (first - hour + LENGTH) / timedelta(days=1)
    asked = scene(fleet, load, days=days, seed=1, folder=Path())
    workers = {p.name: Workers(asked.tasks[p.name], kind(p, asked), start_ups(p, asked)) for p in fleet.pools}
    engine = Engine(fleet, workers, load.begins, asked.until, range(int(asked.until)))
    engine.advance(asked.until)
    return {
        name: [(hour.timestamp() + at, alive) for at, _, alive in lane.samples] for name, lane in engine.lanes.items()
    }


def spans(changes: Changes, since: datetime) -> list[tuple[float, float]]:
    """From when to when a pool had workers, of the runs that begin later than a moment."""
    found: list[tuple[float, float]] = []
    opened: float | None = None
    for at, workers in changes:
        if workers and opened is None:
            opened = at
        elif not workers and opened is not None:
            found.append((opened, at))
            opened = None
    return [span for span in found if span[0] >= since.timestamp()]


def worker_hours(changes: Changes, since: datetime) -> float:
    begin, end = since.timestamp(), (since + LENGTH).timestamp()
    moments = [min(max(at, begin), end) for at, _ in changes] + [end]
    return sum(n * (b - a) for (_, n), a, b in zip(changes, moments, moments[1:], strict=False)) / 3600


def until(moment: datetime) -> None:
    """Beat's own wait: the clock is what a schedule is about."""
    time.sleep(max(moment.timestamp() - time.time(), 0))


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_runs_of_a_compressed_month_open_and_close_as_simulated(
    installation: Installation, operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet = installation.fleet
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    first = now + (3 + (now.minute + 1) % 2) * MINUTE
    runs = compressed(first)
    env = [{"name": "UTILITARIAN_LEDGER", "value": str(installation.ledger.directory)}]
    installation.create(
        pools=[it.pool for it in runs], defaults={"worker": WORKER, "scaling": SCALING}, beat=NO_BEAT, env=env
    )
    installation.wait(lambda: {it.queue for it in runs} <= installation.rabbitmq.queues(installation.vhost))
    since = first - WARM_UP - 3 * SECOND
    until(since)
    assert [fleet.replicas(it.period) for it in runs] == [0, 0, 0], fleet.describe()

    sent: list[str] = []
    for moment, run in sorted(((due, it) for it in runs for due in it.due), key=itemgetter(0)):
        until(moment)
        assert fleet.pool(run.period)["ready"] >= run.workers, f"{run.period} at {moment}: {fleet.describe()}"
        sent += installation.send(run.queue, run.tasks, run.seconds)
    until(first + LENGTH)

    summary = installation.ledger.read().summary(sent)
    assert summary.each_finished_once, summary
    measured = [value for name, value in operator.metrics().items() if "run_at_risk" in name]
    assert not any(measured)
    start_up = max(float(fleet.pool(it.period)["memory"].get("startUp", 3)) for it in runs)
    expected, lines = simulated(runs, first, start_up), []
    for it in runs:
        real = [(at, workers) for at, workers in fleet.scalings(it.period)]
        history = fleet.pool(it.period)["history"][: len(it.due)]
        assert [past["outcome"] for past in history] == ["Done"] * len(it.due), history
        ours, theirs = spans(real, since), spans(expected[it.period], since)
        lines.append(
            f"{it.period}: {len(ours)} runs, open {_off(ours, theirs, 0)}, closed {_off(ours, theirs, 1)} off; "
            f"{worker_hours(real, since):.3f} worker-hours, simulated {worker_hours(expected[it.period], since):.3f}, "
            f"always on {max(n for _, n in real) * LENGTH.seconds / 3600:.3f}"
        )
        assert len(ours) == len(theirs) == len(it.due), (ours, theirs)
        for mine, other in zip(ours, theirs, strict=True):
            assert abs(mine[0] - other[0]) <= OPEN_NEAR, lines
            assert abs(mine[1] - other[1]) <= CLOSE_NEAR, lines
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")


def _off(ours: list[tuple[float, float]], theirs: list[tuple[float, float]], end: int) -> str:
    each = [mine[end] - other[end] for mine, other in zip(ours, theirs, strict=False)]
    return f"{min(each, default=0):+.1f} to {max(each, default=0):+.1f} s"

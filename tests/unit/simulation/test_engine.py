from datetime import timedelta
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from tests.support.examples import length
from tests.support.pools import NOW, facts, fleet, pool
from tests.support.simulated import load, stage
from utilitarian_operator.core.sizing.memory import Memory, remember
from utilitarian_operator.core.sizing.pools import FleetContext, decide_pool
from utilitarian_operator.simulation.engine import Engine
from utilitarian_operator.simulation.play import Scene, kind, play, scene, start_ups
from utilitarian_operator.simulation.pool_model import Workers
from utilitarian_operator.simulation.report.measure import PoolResult, measured

HOURLY = {"cron": "0 * * * *", "tasks": 1200}
RUN = [{"name": "hourly", "start": "0 * * * *", "finishWithin": "30m", "warmUp": "1m"}]


def looked(asked: Scene, *, every_tick: bool) -> Engine:
    workers = {
        one.name: Workers(asked.tasks[one.name], kind(one, asked, departs=True), start_ups(one, asked))
        for one in asked.fleet.pools
    }
    engine = Engine(
        asked.fleet, workers, asked.load.begins, asked.until, range(int(asked.until)) if every_tick else None
    )
    engine.advance(asked.until)
    for model in workers.values():
        model.advance(asked.until)
        model.close()
    return engine


@pytest.mark.parametrize(
    "arrivals, settings, played, near",
    [
        pytest.param([HOURLY], {"schedule": RUN}, 0.0625, 0.002, id="runs"),
        pytest.param([{"poisson": "40/h"}], {}, 0.0625, 0.002, id="a trickle"),
        pytest.param([HOURLY], {"scaling": {"drainWithin": "2m"}}, 0.0625, 0.02, id="bursts"),
        pytest.param([{"poisson": "8/s"}], {}, length(0.25, quick=0.1), 0.01, id="a steady stream"),
        pytest.param([{"poisson": "40/h"}, HOURLY], {"scaling": {"idleAfter": "30s"}}, 0.0625, 0.02, id="both"),
        pytest.param([{"poisson": "200/h"}], {"scaling": {"wake": "WhenDue"}}, 0.0625, 0.04, id="a trickle that waits"),
        pytest.param(
            [HOURLY], {"scaling": {"wake": "WhenDue", "drainWithin": "2m"}}, 0.0625, 0.03, id="bursts that wait"
        ),
        pytest.param(
            [{"rate": "0.1/s"}],
            {"scaling": {"wake": "WhenDue", "drainWithin": "5m", "taskDuration": "1s"}, "worker": {"concurrency": 4}},
            0.0625,
            0.025,
            id="a stream that waits, many times what runs at once",
        ),
    ],
)
@pytest.mark.thorough
def test_it_decides_as_if_it_looked_each_second(
    arrivals: list[Any], settings: dict[str, Any], played: float, near: float
) -> None:
    alike(stage({"work": {"arrivals": arrivals}}, settings, days=played), near)


def test_long_tasks_that_wait_are_played_as_if_they_were_looked_at_each_second() -> None:
    work = {"seconds": {"median": 900, "p95": 900}, "arrivals": [{"cron": "0 * * * *", "tasks": 100}]}
    alike(stage({"work": work}, {"worker": {"concurrency": 20}, "scaling": {"wake": "WhenDue"}}, days=0.08), 0.01)


def alike(asked: Scene, near: float) -> None:
    """The looks that count come to what looks each second come to."""
    sparse, dense = (looked(asked, every_tick=every).lanes["pool"] for every in (False, True))
    one, other = sparse.workers.account, dense.workers.account
    assert len(sparse.samples) < len(dense.samples) / 2
    assert one.worker_seconds == pytest.approx(other.worker_seconds, rel=near)
    assert abs(one.starts - other.starts) <= max(1, 0.15 * other.starts)
    assert abs(one.changes - other.changes) <= max(1, 0.25 * other.changes)
    assert sparse.workers.completed == pytest.approx(dense.workers.completed, rel=max(near / 2, 0.001))


def result(asked: Scene, policy: str = "utilitarian") -> PoolResult:
    return measured(policy, play(policy, asked), asked).pools["pool"]


def test_the_same_seed_plays_the_same() -> None:
    one, same, other = (
        result(stage({"work": {"arrivals": [{"poisson": "60/h"}, HOURLY]}}, days=0.1, seed=seed)) for seed in (3, 3, 4)
    )
    assert one == same
    assert one.hours != other.hours


def test_a_sleeping_pool_wakes_within_a_second() -> None:
    asked = stage({"work": {"arrivals": [{"poisson": "4/h"}]}})
    waits = result(asked).waits
    assert 10 <= waits.p50 <= 11
    assert waits.longest <= 11


@pytest.mark.parametrize(
    "arrivals, start_up, played, part",
    [
        pytest.param("40/h", "10s", 0.5, 0.1, id="a trickle"),
        pytest.param("1/s", "10s", 0.25, 0.65, id="a stream"),
        pytest.param("40/h", {"median": "8s", "p95": "20s"}, 0.5, 0.2, id="starts that differ"),
        pytest.param("8/s", "10s", 0.05, 1.02, id="workers are always needed"),
    ],
)
@pytest.mark.thorough
def test_a_pool_that_wakes_when_due_keeps_its_promise_for_a_part_of_the_hours(
    arrivals: str, start_up: Any, played: float, part: float
) -> None:
    asked, at_once = (
        stage(
            {"work": {"arrivals": [{"poisson": arrivals}]}}, {"scaling": {"wake": wake}}, days=played, startUp=start_up
        )
        for wake in ("WhenDue", "AtOnce")
    )
    due, once = result(asked), result(at_once)
    assert due.promises.kept >= 0.997 * due.promises.given > 0  # one start of hundreds is longer than all before it
    assert due.hours <= part * once.hours


def test_runs_meet_their_deadlines_and_nothing_is_interrupted() -> None:
    pool_result = result(stage({"work": {"arrivals": [HOURLY]}}, {"schedule": RUN}))
    assert (len(pool_result.runs), sum(run.met for run in pool_result.runs)) == (24, 24)
    assert (pool_result.interrupted, pool_result.unfinished) == (0, 0)


def test_a_month_without_the_run_has_no_deadline() -> None:
    quarterly = {"schedule": [{"name": "quarter", "start": "0 3 1 1,4,7,10 *", "finishWithin": "24h"}]}
    pool_result = result(stage({"work": {"arrivals": [{"rate": "20/h"}]}}, quarterly, days=0.25))
    assert (pool_result.runs, pool_result.promises.given, pool_result.waits.tasks) == ([], 120, 120)


def test_a_quarter_of_the_workers_begins_to_go_at_a_look() -> None:
    asked = stage({"work": {"arrivals": [{"cron": "0 0 * * *", "tasks": 4000}]}}, {"scaling": {"drainWithin": "2m"}})
    counts = [alive for _, _, alive in looked(asked, every_tick=False).lanes["pool"].samples]
    most = max(counts)
    assert most >= 8
    assert all(before - after <= ceil(most / 4) for before, after in pairwise(counts))


def test_a_run_is_prepared_by_what_the_last_one_brought() -> None:
    tight = [{"name": "hourly", "start": "30 * * * *", "finishWithin": "3m", "warmUp": "2m"}]
    arrivals = [{"cron": "30 * * * *", "tasks": 1200}]
    asked = stage(
        {"work": {"arrivals": arrivals}}, {"schedule": tight, "scaling": {"max": 20}}, days=0.2, startUp="45s"
    )
    samples = looked(asked, every_tick=False).lanes["pool"].samples
    at_start = [[workers for at, _, workers in samples if at < hour * 3600 + 1800][-1] for hour in range(4)]
    assert at_start[0] == 1
    assert min(at_start[1:]) >= 5


def test_work_that_is_held_waits_for_the_next_run() -> None:
    settings = {"scaling": {"outsideRuns": "Hold"}, "schedule": [{"name": "nightly", "start": "0 2 * * *"}]}
    asked = stage({"work": {"arrivals": [{"cron": "0 1 * * *", "tasks": 10}]}}, settings)
    assert result(asked).waits.p50 == pytest.approx(3490, abs=3)  # warmed up two minutes before


def test_what_is_left_after_a_duration_is_held_and_no_worker_stands_for_it() -> None:
    run = {"name": "early", "start": "0 1 * * *", "until": "Duration", "duration": "1h", "workers": 2}
    settings = {"scaling": {"outsideRuns": "Hold", "max": 2}, "schedule": [run]}
    arrivals = [{"cron": "0 1 * * *", "tasks": 20_000}, {"cron": "* 2-23 * * *", "tasks": 1}]
    asked = stage({"work": {"arrivals": arrivals}}, settings, days=0.25)
    samples = looked(asked, every_tick=False).lanes["pool"].samples
    awake = [at for at, _, workers in samples if workers]
    assert min(awake) >= 3600 - 130
    assert max(awake) <= 7200 + 60
    assert max(waiting for at, waiting, _ in samples if at > 7200 + 60) > 5_000


def test_the_fleet_s_ceiling_binds_and_every_pool_gets_its_first() -> None:
    pools = [{"name": name, "queues": [name], "priority": priority, "scaling": {"drainWithin": "1m"}}
             for name, priority in (("high", 90), ("low", 10))]  # fmt: skip
    burst = {"arrivals": [{"cron": "0 1 * * *", "tasks": 2000}]}
    asked = scene(fleet(*pools, maxWorkers=4), load({"high": burst, "low": burst}), days=0.2, seed=1, folder=Path())
    results = measured("utilitarian", play("utilitarian", asked), asked).pools
    # While both have work; afterwards the rest is for the one that still has.
    assert (results["high"].peak, results["low"].peak) == (3, 4)
    first = [next(i for i, workers in enumerate(results[name].workers) if workers) for name in ("high", "low")]
    assert first[0] == first[1]
    assert all(one.unfinished == 0 for one in results.values())


def test_a_task_that_came_and_went_between_two_looks_was_work() -> None:
    idle = Memory(idle_since=NOW - timedelta(minutes=5), looked_at=NOW - timedelta(seconds=1))
    window = timedelta(minutes=10)
    assert remember(pool(), facts(0, current=1, arrived=1, completed=1), idle, NOW, window).idle_since == NOW
    assert remember(pool(), facts(0, current=1, arrived=0), idle, NOW, window).idle_since == idle.idle_since


def test_a_floor_is_no_demand_to_remember() -> None:
    asked = pool(schedule=[{"name": "run", "start": "0 12 * * *", "workers": 3}])
    _, memory = decide_pool(asked, facts(0, current=0), Memory(), FleetContext(NOW))
    assert memory.runs
    assert [value for _, value in memory.highs] == [0]


def test_idle_after_alone_says_when_a_pool_sleeps() -> None:
    trickle = {"work": {"arrivals": [{"poisson": "20/h"}]}}
    short, long = (
        result(stage(trickle, {"scaling": {"idleAfter": patience, "stabilization": "5m"}}, days=0.5))
        for patience in ("10s", "5m")
    )
    assert short.hours < long.hours / 3
    assert short.waits.longest <= 11


@pytest.mark.parametrize("tasks, seconds, in_time", [(80, 5, 0.7), (400, 1, 0.5)])
def test_a_node_that_its_own_starts_slow_down_is_not_asked_for_ever_more(
    tasks: int, seconds: int, in_time: float
) -> None:
    """By the promise less the start-up alone the eight workers stood all day, for 1 % in time: 22 hours a day."""
    burst = {"arrivals": [{"cron": "*/20 * * * *", "tasks": tasks}], "seconds": {"median": seconds, "p95": seconds}}
    scaling = {"max": 8, "drainWithin": "30s", "taskDuration": f"{seconds}s"}
    node = {"startUps": {"pool": {"each": "8s"}}}
    found = result(stage({"work": burst}, {"worker": {"concurrency": 10}, "scaling": scaling}, days=0.5, **node))
    assert found.hours <= 7.5 / 2
    assert found.promises.kept >= in_time * found.promises.given


def test_start_ups_of_many_at_once_are_told_apart() -> None:
    asked = stage({"work": {"arrivals": [{"cron": "0 * * * *", "tasks": 4000}]}}, {"scaling": {"max": 20}}, days=0.2)
    lane = looked(asked, every_tick=False).lanes["pool"]
    together = [worker.at_once for worker in lane.workers.workers]
    assert max(together) > 2
    assert lane.workers.account.peak >= max(together)

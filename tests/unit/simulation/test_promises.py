"""Which tasks belong to a run with a deadline, and by when each must start."""

from typing import Any

from tests.support.simulated import stage
from utilitarian_operator.simulation.play import Scene
from utilitarian_operator.simulation.promises import latest_starts, runs_of

HOUR = 3600
RUN = {"name": "run", "start": "0 * * * *", "finishWithin": "30m"}


def played(arrivals: list[dict[str, Any]], **pool: Any) -> Scene:
    queue = {"arrivals": arrivals, "seconds": {"median": 2, "p95": 6}}
    return stage({"work": queue}, {"scaling": {"drainWithin": "60s"}, **pool}, days=0.25)


def test_a_run_has_the_tasks_from_its_start_up_to_a_pause() -> None:
    asked = played(
        [{"cron": "0 * * * *", "tasks": 5}, {"cron": "5 * * * *", "tasks": 1}, {"cron": "45 * * * *", "tasks": 1}],
        schedule=[RUN],
    )
    runs = runs_of(asked.fleet.pools[0], asked.tasks["pool"], asked.load, asked.until)
    assert [(run.start, run.deadline, run.beyond - run.first) for run in runs] == [
        (hour * HOUR, hour * HOUR + 1800, 6) for hour in range(6)
    ]


def test_a_run_of_a_duration_has_the_tasks_that_come_within_it() -> None:
    trickle = [{"rate": "30/h"}, {"cron": "0,25 * * * *", "tasks": 5}]
    asked = played(trickle, schedule=[{**RUN, "until": "Duration", "duration": "20m"}])
    runs = runs_of(asked.fleet.pools[0], asked.tasks["pool"], asked.load, asked.until)
    assert [run.beyond - run.first for run in runs] == [15] * 6


def test_a_schedule_without_a_deadline_and_one_without_tasks_promise_nothing() -> None:
    asked = played([{"cron": "0 0 * * *", "tasks": 1}], schedule=[RUN, {"name": "no-deadline", "start": "0 * * * *"}])
    assert [run.start for run in runs_of(asked.fleet.pools[0], asked.tasks["pool"], asked.load, asked.until)] == [0]


def test_a_task_starts_within_drain_within_or_so_that_its_run_ends_in_time() -> None:
    asked = played([{"cron": "0 1 * * *", "tasks": 2}, {"cron": "40 * * * *", "tasks": 1}], schedule=[RUN])
    pool, tasks = asked.fleet.pools[0], asked.tasks["pool"]
    runs = runs_of(pool, tasks, asked.load, asked.until)
    latest = latest_starts(pool, tasks, runs)
    for k, at in enumerate(tasks.at):
        in_run = at == HOUR
        assert latest[k] == (HOUR + 1800 - tasks.seconds[k] if in_run else at + 60)


def test_a_task_with_a_later_time_counts_from_that_time() -> None:
    asked = stage(
        {"work": {"arrivals": [{"cron": "0 * * * *", "tasks": 1}], "eta": {"share": 1, "after": "10m"}}}, days=0.25
    )
    pool, tasks = asked.fleet.pools[0], asked.tasks["pool"]
    promise = pool.scaling.drain_within.total_seconds()
    assert list(latest_starts(pool, tasks, [])) == [at + 600 + promise for at in tasks.at]

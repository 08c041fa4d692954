from array import array
from itertools import pairwise

import pytest

from tests.support.simulated import stage
from tests.support.steps import at_most
from utilitarian_operator.simulation import oracle as oracle_module
from utilitarian_operator.simulation.oracle import Problem, lower_bound, one_by_one, play_oracle, stays
from utilitarian_operator.simulation.play import play
from utilitarian_operator.simulation.report.measure import PolicyResult, measured

FIXED = {"median": 5, "p95": 5}


def problem(at: list[float], seconds: float, promise: float, *, slots: int = 2) -> Problem:
    latest = array("d", [came + promise for came in at])
    return Problem(array("d", at), array("d", [seconds] * len(at)), latest, slots, 10.0, 30)


def test_one_task_costs_a_start_up_and_itself() -> None:
    one = problem([100], 5, 60)
    assert stays(one, 0, 1000).cost == one_by_one(one).cost == 15
    assert lower_bound(one) == 10 + 5 / 2


def test_tasks_that_can_wait_for_each_other_share_a_start_up() -> None:
    together = problem([100, 130, 155], 5, 60)
    plan = stays(together, 0, 1000)
    assert (plan.starts, plan.cost, plan.idle) == (1, 10 + 10, 0)
    assert list(plan.began) == [160, 160, 165]


def test_what_comes_soon_is_worth_waiting_for() -> None:
    close = problem([100, 172], 5, 0)
    assert stays(close, 0, 1000).starts == 2
    closer = problem([100, 112], 5, 0)
    plan = stays(closer, 0, 1000)
    assert (plan.starts, plan.cost, plan.idle) == (1, 10 + 5 + 7 + 5, 7)


def test_a_burst_begins_early_enough_for_its_last_task() -> None:
    burst = problem([100] * 200, 5, 600)
    plan = stays(burst, 0, 10_000)
    assert (plan.late, plan.peak) == (0, 1)
    assert plan.cost == 10 + 500
    assert max(plan.began) == pytest.approx(700)


def test_a_tight_promise_needs_as_many_workers_as_fit() -> None:
    plan = stays(problem([100] * 200, 5, 50, slots=4), 0, 10_000)
    assert (plan.late, plan.peak) == (0, 5)  # 50 slots' worth within 50 s: 11 rounds of 20


def test_long_tasks_are_served_one_worker_at_a_time() -> None:
    long = problem([100.0 + 300 * i for i in range(100)], 1800, 600)
    plan = one_by_one(long)
    assert plan.late == 0
    assert plan.cost < stays(long, 0, 40_000).cost
    assert lower_bound(long) <= plan.cost <= 1.2 * lower_bound(long)


def test_its_first_start_up_may_begin_before_the_time_that_is_played() -> None:
    scene = stage({"work": {"arrivals": [{"rate": "1/m"}], "seconds": FIXED}}, days=0.01, startUp="1h")
    played, bounds = play_oracle(scene)
    pool = measured("oracle", played, scene, bounds).pools["pool"]
    assert pool.workers[0] == pool.peak


HOURLY = {"arrivals": [{"cron": "0 * * * *", "tasks": 500}], "seconds": FIXED}
POOL = {"worker": {"concurrency": 10}, "schedule": [{"name": "hourly", "start": "0 * * * *", "finishWithin": "30m"}]}


def results() -> tuple[PolicyResult, PolicyResult]:
    scene = stage({"work": HOURLY, "more": {"arrivals": [{"poisson": "30/h"}]}}, POOL)
    played, bounds = play_oracle(scene)
    return measured("utilitarian", play("utilitarian", scene), scene), measured("oracle", played, scene, bounds)


def test_it_keeps_all_promises_and_costs_least() -> None:
    ours, oracle = results()
    pool = oracle.pools["pool"]
    assert oracle.deadlines_met == oracle.deadlines == 24
    assert pool.promises.kept == pool.promises.given > 0
    assert pool.bound <= oracle.hours <= ours.hours
    assert oracle.interrupted == pool.unfinished == 0


def test_tasks_with_an_eta_start_when_they_are_due() -> None:
    scene = stage({"work": {"arrivals": [{"poisson": "60/h"}], "eta": {"share": 0.5, "after": "30m"}}})
    played, _ = play_oracle(scene)
    workers, tasks = played["pool"].workers, scene.tasks["pool"]
    assert all(workers.began_at[k] >= due for k, due in tasks.eta.items())
    assert all(began >= came for began, came in zip(workers.began_at, tasks.at, strict=True))


@pytest.mark.parametrize("after", ["1m", "20m", "3h"])
def test_tasks_with_an_eta_in_a_run_come_to_an_end(after: str) -> None:
    scene = stage({"work": HOURLY | {"eta": {"share": 0.3, "after": after}}}, POOL, days=0.25)
    with at_most(2_000_000, oracle_module):
        played, bounds = play_oracle(scene)
    workers, tasks = played["pool"].workers, scene.tasks["pool"]
    assert all(workers.began_at[k] >= due for k, due in tasks.eta.items())
    assert 0 < bounds["pool"] <= workers.account.worker_seconds
    if after == "1m":
        oracle = measured("oracle", played, scene, bounds)
        assert oracle.deadlines_met == oracle.deadlines == 6


def test_a_task_that_can_no_longer_start_in_time_ends_the_bound_all_the_same() -> None:
    late = Problem(array("d", [100, 200, 300]), array("d", [5.0] * 3), array("d", [50, 60, 310]), 2, 10.0, 30)
    with at_most(1_000, oracle_module):
        assert lower_bound(late) > 0


def test_a_minimum_is_paid_all_the_time() -> None:
    scene = stage({"work": {"arrivals": [{"poisson": "60/h"}]}}, {"scaling": {"min": 2}})
    played, bounds = play_oracle(scene)
    account = played["pool"].workers.account
    assert account.worker_seconds == bounds["pool"] == 2 * 86400
    busy = sum(scene.tasks["pool"].seconds)
    assert 2 * 86400 - busy <= account.idle < 2 * 86400 - busy / 4  # 4 slots


def test_no_task_starts_before_it_came_nor_after_the_next_in_line() -> None:
    plan = stays(problem([100.0 + i % 7 + 3 * (i // 7) for i in range(300)], 5, 40), 0, 10_000)
    assert all(one <= other + 1e-9 for one, other in pairwise(plan.began))

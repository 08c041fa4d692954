"""The sentences and cells of a report: shares are never rounded up, and what needs a word gets one."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.support.simulated import stage
from utilitarian_operator.api.price import Price
from utilitarian_operator.simulation.play import play
from utilitarian_operator.simulation.report.measure import PolicyResult, measured
from utilitarian_operator.simulation.report.report import (
    Report,
    headline,
    policies,
    pools,
    queues,
    remarks,
    share,
)

STAGE = stage({"work": {"arrivals": [{"cron": "0 * * * *", "tasks": 3}]}}, days=0.1)
RESULT = measured("utilitarian", play("utilitarian", STAGE), STAGE)


@pytest.mark.parametrize(
    "part,whole,text",
    [(0, 0, "-"), (5, 5, "100%"), (0, 5, "0.00%"), (99_999, 100_000, "99.99%"), (1, 3, "33.33%")],
)
def test_a_share_is_all_only_if_it_is(part: int, whole: int, text: str) -> None:
    assert share(part, whole) == text


def report(*results: PolicyResult, price: Price | None = None) -> Report:
    return Report("fleet", STAGE, results, price)


def said(results: Sequence[PolicyResult]) -> str:
    return "\n".join(remarks(report(*results)))


def test_the_title_says_what_was_played() -> None:
    assert report(RESULT).title.startswith("fleet: 0.1 days from 2026-03-02, ")


def test_a_sweep_without_an_effect_is_said_to_have_none() -> None:
    tried = [replace(RESULT, policy=f"pools.a.scaling.drainWithin={value}") for value in ("1m", "5m")]
    assert "drainWithin makes no difference here" in said([RESULT, *tried])
    assert "makes no difference" not in said([RESULT, tried[0]])


def test_what_was_lost_late_or_left_is_said_of_its_pool() -> None:
    pool = RESULT.pools["pool"]
    promises = replace(pool.promises, given=10, kept=7, start_up=2)
    bad = replace(RESULT, pools={"pool": replace(pool, lost=1, unfinished=4, promises=promises)})
    text = said([bad])
    assert "pool: 3 tasks of 10 started later than" in text
    assert "2 of them by no more than the start-up of the worker they waited for, 1 because more was to do" in text
    assert "pool: 1 task lost: interrupted after they were acknowledged" in text
    assert "pool: 4 tasks not done at the end" in text


def test_a_price_has_a_column_and_only_pools_of_several_queues_a_row_each() -> None:
    assert "COST" in pools(report(RESULT, price=Price(worker=0.05))).head
    assert "COST-EUR" in policies(report(RESULT, price=Price(worker=0.05, currency="EUR"))).head
    assert "COST" not in pools(report(RESULT)).head
    assert queues(report(RESULT)).rows == []


def test_the_first_line_says_what_it_costs_and_how_long_tasks_wait() -> None:
    said = headline(report(RESULT, price=Price(worker=2, currency="EUR")))
    assert said.startswith(f"{RESULT.hours:,.1f} worker-hours ({2 * RESULT.hours:,.2f} EUR)")
    assert said.endswith("of the tasks outside runs started in time, 95% of all waited at most 10s")


def test_the_best_value_of_a_sweep_breaks_nothing_that_is_kept() -> None:
    pool = RESULT.pools["pool"]
    cheap = replace(RESULT, policy="a=1", pools={"pool": replace(pool, hours=pool.hours / 2)})
    broken = replace(pool, hours=0.0, interrupted=1)
    asked = report(RESULT, cheap, replace(RESULT, policy="a=2", pools={"pool": broken}))
    assert asked.best is cheap
    assert [row[0] for row in policies(asked).rows] == ["utilitarian (as it is)", "a=1 (best)", "a=2"]
    assert report(RESULT).best is None


def test_one_broken_promise_less_makes_no_other_good() -> None:
    pool = replace(RESULT.pools["pool"], interrupted=1)
    asis = replace(RESULT, pools={"pool": pool})
    late = replace(pool.promises, kept=pool.promises.kept - 1)
    other = replace(RESULT, policy="a=1", pools={"pool": replace(pool, hours=0.0, interrupted=0, promises=late)})
    assert report(asis, other).best is asis

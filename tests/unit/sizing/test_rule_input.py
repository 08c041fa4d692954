from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.pools import NOW, facts, pool
from utilitarian_operator.core.sizing.memory import Memory, seconds_per_task
from utilitarian_operator.core.sizing.rule_input import RuleInput, arrival_window, horizon_now, window_of

KNOWN = Memory(slot_seconds=800.0, completions=95.0, start_up_s=20.0)
"""Tasks of 8.25 s with the first guess of 5 s, starts of 20 s."""


def test_what_is_worked_out_is_that_of_the_memory() -> None:
    of = pool(drainWithin="2m")
    given = RuleInput(of, facts(3), KNOWN, NOW)
    assert given.seconds_per_task == given.seconds_per_task == seconds_per_task(of, KNOWN, NOW)
    assert given.horizon == given.horizon == horizon_now(of, KNOWN, NOW)
    assert window_of(given.horizon) == arrival_window(of, KNOWN, NOW)
    assert arrival_window(of, KNOWN, NOW, given.seconds_per_task) == arrival_window(of, KNOWN, NOW)
    assert (given.start_up_s, RuleInput(of, facts(), Memory(), NOW).start_up_s) == (20.0, 5.0)


@pytest.mark.parametrize("asked", [True, False], ids=["after-it-was-asked", "before"])
def test_a_demand_that_is_remembered_changes_nothing_that_was_worked_out(*, asked: bool) -> None:
    of, before = pool(drainWithin="10m", wake="WhenDue"), replace(KNOWN, empty_looks=2, started_at=NOW)
    given = RuleInput(of, facts(0, current=1, serving=1), before, NOW)
    seen = (given.seconds_per_task, given.horizon, given.leaves) if asked else None
    after = given.remembering(replace(before, highs=((NOW, 7),), surplus_since=NOW))
    assert after.memory.highs == ((NOW, 7),)
    again = RuleInput(of, given.facts, after.memory, NOW)
    assert (after.seconds_per_task, after.horizon, after.leaves) == (
        again.seconds_per_task,
        again.horizon,
        again.leaves,
    )
    assert seen in {None, (after.seconds_per_task, after.horizon, after.leaves)}


def test_how_long_it_has_been_idle() -> None:
    of, minute = pool(), timedelta(minutes=1)
    assert RuleInput(of, facts(), Memory(), NOW).idle_for is None
    assert RuleInput(of, facts(), Memory(idle_since=NOW - minute), NOW).idle_for == minute


@pytest.mark.parametrize("over, window", [(0.5, 60), (60, 60), (61.5, 61.5)])
def test_arrivals_are_counted_over_a_minute_at_least(over: float, window: float) -> None:
    assert window_of(over) == timedelta(seconds=window)

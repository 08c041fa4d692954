from datetime import timedelta

import pytest

from tests.support.pools import NOW, facts, pool
from utilitarian_operator.core.sizing.memory import (
    Memory,
    arrival_rate,
    remember,
    seconds_per_task,
    with_demand,
)


def test_seconds_per_task_starts_at_the_guess_and_ends_at_the_measure() -> None:
    guessed = pool(taskDuration="20s")
    assert seconds_per_task(guessed, Memory(), NOW) == 20
    assert seconds_per_task(guessed, Memory(slot_seconds=2 * 995, completions=995), NOW) == pytest.approx(2.09)


def test_within_a_busy_period_it_rises_to_the_age_of_the_period_at_most() -> None:
    young = Memory(slot_seconds=10_000, completions=1, busy_since=NOW - timedelta(seconds=40), period_seconds=5)
    assert seconds_per_task(pool(), young, NOW) == 40
    assert seconds_per_task(pool(), young, NOW + timedelta(hours=10)) == pytest.approx(10_025 / 6)


def test_a_new_busy_period_keeps_the_ratio_and_200_completions() -> None:
    begun = remember(pool(), facts(1), Memory(slot_seconds=9_000, completions=3_000), NOW, timedelta(minutes=10))
    assert (begun.completions, begun.slot_seconds) == (200, 600)
    assert begun.busy_since == NOW


def test_old_completions_count_half_above_ten_thousand() -> None:
    old = Memory(slot_seconds=30_000, completions=9_999, busy_since=NOW, period_seconds=3)
    learned = remember(pool(), facts(10, completed=3, slot_seconds=9.0), old, NOW, timedelta(minutes=10))
    assert (learned.completions, learned.slot_seconds) == (5_001, 15_004.5)


def test_arrivals_are_forgotten_after_the_window() -> None:
    window = timedelta(minutes=10)
    memory = Memory()
    for minute in range(30):
        memory = remember(pool(), facts(5, arrived=60), memory, NOW + timedelta(minutes=minute), window)
    assert len(memory.arrivals) <= 11
    assert arrival_rate(memory, window, NOW + timedelta(minutes=29)) == pytest.approx(1.0)
    assert arrival_rate(memory, window, NOW + timedelta(minutes=40)) == 0


def test_the_highest_demand_is_remembered_for_the_stabilization_and_in_little_room() -> None:
    memory, stabilization = Memory(), timedelta(seconds=60)
    for second in range(300):
        memory = with_demand(memory, 300 - second, stabilization, NOW + timedelta(seconds=second))
    values = [value for _, value in memory.highs]
    assert len(values) <= 11
    assert 55 <= values[0] <= 66
    assert values[-1] <= 7


def test_a_start_is_the_median_of_the_newest_and_the_longest_task_is_kept() -> None:
    memory = Memory()
    for look in (facts(5, started_up=(10.0,)), facts(5, started_up=(20.0,), longest_s=90.0), facts(5, longest_s=30.0)):
        memory = remember(pool(), look, memory, NOW, timedelta(minutes=10))
    assert memory.start_up_s == 15.0
    assert memory.longest_s == 90.0

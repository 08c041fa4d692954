"""The formulas, at the numbers that are worked out in the text beside them."""

from datetime import timedelta

import pytest

from tests.support.pools import NOW
from utilitarian_operator.core.sizing.demand import demand, horizon, is_cut
from utilitarian_operator.core.sizing.memory import Memory, is_rising


@pytest.mark.parametrize(
    "work, c, s, drain_within, start_up, workers",
    [
        pytest.param(20_000, 20, 5, 600, 28, 9, id="a burst: 174 slots"),
        pytest.param(60, 20, 1800, 600, 28, 3, id="tasks longer than the promise need a slot each"),
        pytest.param(1, 1, 1800, 600, 28, 1, id="one task, one slot"),
        pytest.param(1, 20, 5, 600, 28, 1, id="one task wakes one worker"),
        pytest.param(0, 20, 5, 600, 28, 0, id="nothing wakes no worker"),
        pytest.param(10_000, 20, 5, 600, 28, 5, id="half of it"),
        pytest.param(100, 4, 5, 10, 20, 25, id="start-up longer than the promise: at once"),
        pytest.param(80, 10, 5, 30, 3, 2, id="a short promise: 6 waves"),
        pytest.param(80, 10, 5, 30, 25, 4, id="slow starts ask for no slot a task: a third of the promise"),
        pytest.param(80, 10, 5, 30, 29, 4, id="nor do slower ones"),
        pytest.param(80, 10, 5, 30, 1_000, 4, id="nor those that take longer than the promise"),
        pytest.param(400, 10, 1, 30, 25, 4, id="short tasks: 40 slots of a third of the promise"),
        pytest.param(2_000, 4, 5, 600, 86_400, 13, id="a start of a day: 50 slots"),
    ],
)
def test_demand(work: int, c: int, s: float, drain_within: float, start_up: float, workers: int) -> None:
    result = demand(work, arrivals=0, concurrency=c, seconds_per_task=s, over=horizon(drain_within, start_up, s))
    assert result.workers == workers


@pytest.mark.parametrize(
    "drain_within, start_up, s, seconds, cut",
    [
        pytest.param(600, 28, 5, 575, False, id="115 waves"),
        pytest.param(30, 25, 5, 10, False, id="two waves are a third of the promise"),
        pytest.param(30, 26, 5, 10, True, id="a third of the promise"),
        pytest.param(30, 40, 5, 10, True, id="starts longer than the promise"),
        pytest.param(600, 28, 1_800, 1_800, False, id="one task"),
        pytest.param(30, 0, 10, 40, False, id="the last wave begins at the end"),
        pytest.param(30, 5, 0, 25.000001, False, id="tasks of no time"),
    ],
)
def test_the_horizon(drain_within: float, start_up: float, s: float, seconds: float, *, cut: bool) -> None:
    assert horizon(drain_within, start_up, s) == pytest.approx(seconds)
    assert is_cut(drain_within, start_up, s) is cut


@pytest.mark.parametrize(
    "s, age, rising, workers",
    [
        pytest.param(500, 500, True, 9, id="they run and run: no wave is counted on"),
        pytest.param(500, 1_100, False, 5, id="the first have ended by now: two waves"),
        pytest.param(5, 500, False, 1, id="as long as was thought"),
    ],
)
def test_while_tasks_turn_out_longer_than_thought_no_wave_of_them_is_counted_on(
    s: float, age: float, workers: int, *, rising: bool
) -> None:
    memory = Memory(busy_since=NOW - timedelta(seconds=age), period_seconds=5.0)
    assert is_rising(memory, s, NOW) is rising
    over = horizon(600, 24, s, rising=rising)
    asked = demand(200, arrivals=0, concurrency=20, seconds_per_task=s, over=over)
    assert asked.workers == workers


def test_the_burst_takes_174_slots() -> None:
    result = demand(20_000, arrivals=0, concurrency=20, seconds_per_task=5, over=horizon(600, 28, 5))
    assert round(result.slots) == 174


@pytest.mark.parametrize(
    "work, arrivals, workers",
    [
        pytest.param(100, 20.0, 5, id="a steady stream: arrivals times seconds"),
        pytest.param(50, 20.0, 3, id="never more slots than tasks"),
        pytest.param(0, 20.0, 0, id="arrivals alone keep no worker awake"),
        pytest.param(24_000, 20.0, 11, id="a burst counts once, by the larger"),
    ],
)
def test_arrivals(work: int, arrivals: float, workers: int) -> None:
    result = demand(work, arrivals=arrivals, concurrency=20, seconds_per_task=5, over=horizon(600, 28, 5))
    assert result.workers == workers

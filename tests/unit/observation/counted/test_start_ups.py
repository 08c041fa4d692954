"""What is learned of a worker's start: not what it waited for, nothing of crowded nodes, and no single slow one."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pools import NOW, facts, pool
from utilitarian_operator.core.observation.counted.start_ups import LONGEST_START_UP_S, StartUp, learned, start_up
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.pod import WorkerLoad
from utilitarian_operator.core.observation.pod import no_older
from utilitarian_operator.core.sizing.memory import Memory, remember
from utilitarian_operator.core.sizing.pools import FleetContext, decide_pool

SECOND = timedelta(seconds=1)
DAY = 86_400
SILENT = Unknown("does not answer", NOW)


def at(seconds: float) -> datetime:
    return NOW + seconds * SECOND


@pytest.mark.parametrize(
    "created, running, ready, unseen, seconds, waited",
    [
        pytest.param(0, 2, 22, None, 22, 0, id="at once"),
        pytest.param(0, DAY, DAY + 20, None, 25, DAY - 5, id="Pending for a day, then up in 20 s"),
        pytest.param(0, 95, 115, None, 25, 90, id="an image of 90 s"),
        pytest.param(0, 2, 22, -60, 22, 0, id="the broker was away before"),
        pytest.param(0, 2, 600, 590, None, 600, id="the broker was away meanwhile"),
        pytest.param(0, 2, 600, 2, None, 600, id="or when it began"),
        pytest.param(0, None, 600, None, None, 600, id="its container's start is not told"),
        pytest.param(0, -3, 20, None, 23, 0, id="clocks that differ"),
        pytest.param(0, 30, 20, None, 5, 15, id="clocks that differ the other way"),
    ],
)
def test_a_start_without_what_it_waited_for(
    created: float, running: float | None, ready: float, unseen: float | None, seconds: float | None, waited: float
) -> None:
    moments = (None if it is None else at(it) for it in (running, ready, unseen))
    run, became, away = moments
    assert became is not None
    assert start_up(at(created), run, became, away, 1) == StartUp(seconds, waited, 1)


@pytest.mark.parametrize(
    "known, before, alone, together, expected",
    [
        pytest.param(None, (), (20.0,), (), 20, id="the first"),
        pytest.param(None, (), (DAY,), (), 600, id="none over a cap"),
        pytest.param(8.0, (8.0,) * 5, (500.0,), (), 8, id="a single slow one among five"),
        pytest.param(8.0, (8.0,) * 9, (60.0, 60.0, 60.0, 60.0), (), 8, id="a few slow ones among ten"),
        pytest.param(8.0, (8.0,) * 10, (60.0,) * 6, (), 60, id="most of the newest ten"),
        pytest.param(600.0, (600.0,), (20.0, 21.0), (), 21, id="a bad first one"),
        pytest.param(None, (), (), (30.0, 25.0, 26.0), 26, id="a group, while nothing else is known"),
        pytest.param(26.0, (), (), (40.0, 40.0, 40.0), 40, id="the newest group then"),
        pytest.param(26.0, (), (8.0,), (40.0,), 8, id="a start by itself replaces what groups said"),
        pytest.param(8.0, (8.0,), (), (40.0, 40.0, 40.0), 8, id="and groups count no more"),
        pytest.param(8.0, (8.0,), (), (), 8, id="nothing started"),
    ],
)
def test_what_is_learned_of_starts(
    known: float | None,
    before: tuple[float, ...],
    alone: tuple[float, ...],
    together: tuple[float, ...],
    expected: float,
) -> None:
    assert learned(known, before, alone, together)[0] == expected


@given(st.lists(st.floats(-10, 10**6), max_size=30))
def test_what_a_start_takes_lies_between_the_newest_ten(starts: list[float]) -> None:
    u, kept = None, ()
    for one in starts:
        u, kept = learned(u, kept, (one,), ())
        assert u is not None
        assert 0 <= min(kept) <= u <= max(kept) <= LONGEST_START_UP_S
    assert len(kept) <= 10


def test_a_pod_that_waited_for_a_day_asks_for_no_slot_a_task() -> None:
    of, memory = pool(max=1_000), Memory()
    (waited,) = [start_up(at(0), at(DAY), at(DAY + 20), None, 1)]
    assert waited.seconds is not None
    look = facts(2_000, current=1, started_up=(waited.seconds,), start_waited_s=waited.waited_s)
    decision, memory = decide_pool(of, look, memory, FleetContext(NOW))
    assert (memory.start_up_s, memory.start_waited_s) == (25.0, DAY - 5)
    assert decision.replicas == 5


def test_starts_that_a_full_node_slows_down_ask_for_no_more_of_them() -> None:
    """80 tasks of 5 s within 30 s on a node that takes 8 s for each of the workers that start at once."""
    of, memory, asked = pool(concurrency=10, max=8, drainWithin="30s"), Memory(), []
    for day in range(12):
        now = NOW + timedelta(days=day)
        decision, memory = decide_pool(of, facts(80), memory, FleetContext(now))
        asked.append(decision.replicas)
        took = 8.0 * decision.replicas
        seen = {"started_up": (took,)} if decision.replicas <= 2 else {"started_together": (took,) * decision.replicas}
        memory = remember(of, facts(80, current=decision.replicas, **seen), memory, now, timedelta(minutes=1))
        memory = remember(of, facts(0, arrived=0, completed=80), memory, now + SECOND, timedelta(minutes=1))
    assert max(asked) <= 4
    assert not [pair for pair in pairwise(asked[1:]) if pair[1] > pair[0]]


def hourly(**memory: Any) -> tuple[str, int]:
    of = pool(schedule=[{"name": "hourly", "start": "0 * * * *", "warmUp": "0s"}])
    idle = Memory(idle_since=NOW - timedelta(hours=1), looked_at=NOW - SECOND, start_up_s=600.0, **memory)
    decision, _ = decide_pool(of, facts(0, current=1), idle, FleetContext(NOW + timedelta(minutes=55)))
    return decision.message, decision.replicas


def test_a_pool_that_stays_awake_because_of_slow_starts_sleeps_once_a_day_to_learn() -> None:
    assert hourly(started_at=NOW)[1] == 1
    assert hourly(started_at=NOW - timedelta(days=1))[1] == 0


@pytest.mark.parametrize(
    "age, since, oldest",
    [(864_000.0, 60, 60.0), (30.0, 60, 30.0), (30.0, None, 30.0), (30.0, -60, 0.0)],
    ids=["a clock that jumped", "younger", "not running", "a clock behind"],
)
def test_no_task_is_older_than_its_container(age: float, since: float | None, oldest: float) -> None:
    held = WorkerLoad(active=1, acked_early=0, reserved=0, scheduled=0, oldest_s=age)
    assert no_older(held, None if since is None else NOW - since * SECOND, NOW).oldest_s == oldest

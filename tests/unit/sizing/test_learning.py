"""What a pool learns of its tasks heals: after a clock that was set back, and after a task that hung."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.pools import NOW, facts, fleet, pool
from utilitarian_operator.api.effective import Pool
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.learning import believed
from utilitarian_operator.core.sizing.memory import Memory, longest_task, seconds_per_task
from utilitarian_operator.core.sizing.pools import FleetContext, decide_fleet, decide_pool
from utilitarian_operator.core.sizing.runs.run_state import OpenRun

SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=n) for n in (1, 60, 3_600, 86_400))
RUN = [{"name": "run", "start": "0 12 * * *", "finishWithin": "2h"}]
KNOWN = Memory(slot_seconds=1_000.0, completions=200.0, looked_at=NOW - SECOND)
"""Tasks of 5 s, well known."""


def after(of: Pool, memory: Memory, looks: Iterable[tuple[datetime, Facts]]) -> Memory:
    for now, look in looks:
        _, memory = decide_pool(of, look, memory, FleetContext(now))
    return memory


def asked(of: Pool, look: Facts, memory: Memory, now: datetime) -> int:
    return decide_pool(of, look, memory, FleetContext(now))[0].replicas


@pytest.mark.parametrize("back", [MINUTE, 10 * MINUTE, 41 * DAY], ids=str)
@pytest.mark.parametrize(
    "work, schedule, workers", [(20_000, None, 9), (200_000, RUN, 9)], ids=["a-burst", "a-run-of-two-hours"]
)
def test_a_clock_that_is_set_back_makes_no_task_shorter(
    back: timedelta, work: int, schedule: list[dict[str, Any]] | None, workers: int
) -> None:
    of = pool(concurrency=20, max=100, schedule=schedule)
    busy = facts(40, current=2, running=40, completed=0)
    memory = after(of, KNOWN, [(NOW, busy), (NOW - back, busy)])
    assert (memory.slot_seconds, memory.completions) == (1_040.0, 200.0)
    assert seconds_per_task(of, memory, NOW - back) == 5.0
    runs = (OpenRun("run", NOW - back),) if schedule else ()
    assert asked(of, facts(work, current=2, running=40), replace(memory, runs=runs), NOW - back) == workers


def hangs(since: datetime, now: datetime, **more: Any) -> Facts:
    """One task that hangs, and nothing else."""
    age = (now - since).total_seconds()
    return facts(1, current=1, ready=0, running=1, completed=0, longest_s=age, **more)


def test_one_task_that_hangs_in_a_quiet_pool_does_not_make_the_others_long() -> None:
    of, memory, now = pool(), Memory(slot_seconds=5.0, completions=1.0), NOW
    while now < NOW + timedelta(seconds=20_195):
        now += 5 * SECOND
        _, memory = decide_pool(of, hangs(NOW, now), memory, FleetContext(now))
    assert seconds_per_task(of, memory, now) < 10
    assert asked(of, facts(401, current=1, running=1, completed=0, longest_s=20_200.0), memory, now + SECOND) == 2
    # Its worker is killed, and no completion is told of it.
    memory = after(
        of, memory, [(now + SECOND, facts(400, current=1, ready=399, running=1, completed=0, longest_s=0.5))]
    )
    assert asked(of, facts(400, current=1, running=1), memory, now + 2 * SECOND) == 2


def test_long_tasks_are_known_to_be_long_as_soon_as_the_first_has_ended() -> None:
    of, memory = pool(concurrency=1), Memory()
    seen = [*((n, n) for n in range(0, 1_801, 5)), (1_805, 0)]
    for n, age in seen:
        look = facts(1, current=1, running=1, completed=int(n > age), longest_s=float(age))
        _, memory = decide_pool(of, look, memory, FleetContext(NOW + n * SECOND))
    assert memory.slot_seconds == pytest.approx(1_800, rel=0.02)
    assert seconds_per_task(of, memory, NOW + 1_805 * SECOND) == pytest.approx(1_825 / 6, rel=0.02)


def test_many_long_tasks_are_known_to_be_long_while_they_run() -> None:
    of = pool(concurrency=20, max=30)
    looks = (
        (NOW + n * SECOND, facts(200, current=10, running=200, completed=0, longest_s=float(n))) for n in range(600)
    )
    assert seconds_per_task(of, after(of, Memory(), looks), NOW + 600 * SECOND) == pytest.approx(600, rel=0.02)


SIX_HOURS = [{"name": "run", "start": "0 12 * * *", "finishWithin": "6h"}]
TEN_DAYS = 864_000.0


@pytest.mark.parametrize(
    "longest, earlier, seconds",
    [
        pytest.param(0, (), 0, id="none was seen"),
        pytest.param(60, (), 60, id="the only one"),
        pytest.param(TEN_DAYS, (), 500, id="one that hung"),
        pytest.param(TEN_DAYS, (9, 7), 500, id="one that hung, among others"),
        pytest.param(5, (TEN_DAYS, 7), 500, id="one that hung a while ago"),
        pytest.param(1_800, (1_700, 5), 1_700, id="long ones are there again and again"),
    ],
)
def test_the_longest_task_that_is_believed(longest: float, earlier: tuple[float, ...], seconds: float) -> None:
    assert believed(longest, earlier, 5.0) == seconds


@pytest.mark.parametrize("into, workers", [(timedelta(), 5), (3 * HOUR, 5)], ids=["at-its-start", "three-hours-in"])
@pytest.mark.parametrize(
    "memory",
    [
        pytest.param({}, id="nothing-hung"),
        pytest.param({"longest_s": TEN_DAYS}, id="one-hung"),
        pytest.param({"longest_s": 5.0, "longest_before": (TEN_DAYS,)}, id="one-had-hung"),
    ],
)
def test_a_task_that_hung_for_ten_days_makes_no_run_larger(
    memory: dict[str, Any], into: timedelta, workers: int
) -> None:
    of = pool(max=100, schedule=SIX_HOURS)
    known = Memory(slot_seconds=50_000.0, completions=10_000.0, runs=(OpenRun("run", NOW),), **memory)
    work = 60_000 - int(into / HOUR * 12_500)
    assert asked(of, facts(work, current=5, running=20), known, NOW + into) == workers


def test_what_hung_is_forgotten_within_five_busy_periods() -> None:
    of, memory, now = pool(), Memory(), NOW
    for longest in (TEN_DAYS, 5.0, 5.0, 5.0, 5.0, 5.0):
        for look in (facts(1, current=1, running=1, completed=0, longest_s=longest), facts(0, current=1, completed=1)):
            now += SECOND
            _, memory = decide_pool(of, look, memory, FleetContext(now))
    assert (memory.longest_s, memory.longest_before) == (5.0, (5.0,) * 4)
    assert longest_task(memory, 5.0) == 5.0


def test_a_busy_period_without_an_end_forgets_day_by_day() -> None:
    of, memory, now = pool(), Memory(), NOW
    for hour in range(24 * 6):
        now = NOW + hour * HOUR
        look = facts(9, current=1, running=4, completed=9, longest_s=TEN_DAYS if hour == 1 else 5.0)
        _, memory = decide_pool(of, look, memory, FleetContext(now))
    assert longest_task(memory, 5.0) == 5.0
    assert TEN_DAYS not in (memory.longest_s, *memory.longest_before)


def test_a_task_that_still_hangs_is_one_and_not_one_a_day() -> None:
    of, memory = pool(), Memory()
    for hour in range(24 * 6):
        look = facts(9, current=1, running=4, completed=9, longest_s=hour * 3_600.0 + 5)
        _, memory = decide_pool(of, look, memory, FleetContext(NOW + hour * HOUR))
    assert memory.longest_before == ()
    assert longest_task(memory, 5.0) == 500.0


def test_the_fleet_decides_alike_with_a_clock_that_jumps_to_and_fro() -> None:
    of = fleet({"name": "p"})
    memories: dict[str, Memory] = {}
    for step in (0, 1, 864_000, 864_001, 2, 3):
        look = facts(40, current=1, running=4, completed=1)
        memories = decide_fleet(of, {"p": look}, memories, FleetContext(NOW + step * SECOND)).memories
    assert memories["p"].slot_seconds <= 4 * (1 + 120 + 1 + 1)


@pytest.mark.parametrize(
    "slot_seconds, completions, longest, expected",
    [
        pytest.param(183.0, 33.0, 1.296, 2.296, id="a third of the tasks counted and all of their time, and more"),
        pytest.param(96.0, 96.0, 1.296, 1.0, id="as it is"),
        pytest.param(0.0, 0.0, 1.296, 1.0, id="nothing was learned: the guess"),
        pytest.param(183.0, 33.0, 0.0, 4.95, id="none was seen running"),
        pytest.param(900.0, 0.0, 90.0, 91.0, id="ten that run"),
    ],
)
def test_tasks_are_never_longer_on_the_average_than_the_longest(
    slot_seconds: float, completions: float, longest: float, expected: float
) -> None:
    memory = Memory(slot_seconds=slot_seconds, completions=completions, longest_s=longest)
    learned = seconds_per_task(pool(taskDuration="1s"), memory, NOW)
    assert learned == pytest.approx(expected, abs=0.25)

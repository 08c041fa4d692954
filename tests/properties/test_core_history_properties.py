"""What must hold for a decision after any number of looks, with runs open or not: hypothesis draws the looks."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.pools import NOW, facts, pool
from utilitarian_operator.api.effective import Pool
from utilitarian_operator.core.sizing.decision import Decision
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import Memory, longest_seen, longest_task, seconds_per_task
from utilitarian_operator.core.sizing.pools import FleetContext, decide_pool

EXAMPLES = settings(max_examples=examples(150))

WORKERS = st.integers(0, 30)
COUNTED = st.one_of(st.none(), st.integers(0, 1000))
STARTS = ("* * * * *", "*/5 * * * *", "1 12 * * *", "30 12 2 3 *")

SCHEDULE = st.fixed_dictionaries(
    {"start": st.sampled_from(STARTS), "workers": st.integers(1, 8), "warmUp": st.sampled_from(("0s", "10s", "2m"))},
    optional={"finishWithin": st.sampled_from(("1m", "5m", "1h"))},
)


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    """A pool with up to two schedules."""
    schedule = [{**it, "name": f"run-{i}"} for i, it in enumerate(draw(st.lists(SCHEDULE, max_size=2)))]
    least = draw(st.integers(0, 5))
    scaling: dict[str, Any] = {
        "min": least,
        "max": draw(st.integers(max(least, 1), 60)),
        "drainWithin": f"{draw(st.integers(1, 3_600))}s",
        "taskDuration": f"{draw(st.integers(1, 999_999))}ms",
        "stabilization": f"{draw(st.integers(0, 600))}s",
        "idleAfter": f"{draw(st.integers(0, 600))}s",
        "outsideRuns": draw(st.sampled_from(("React", "Hold"))) if schedule else "React",
    }
    return pool(concurrency=draw(st.integers(1, 50)), schedule=schedule, **scaling)


@st.composite
def seen(draw: st.DrawFn) -> Facts:
    """A look that the broker answered."""
    current, work = draw(WORKERS), draw(st.one_of(st.integers(0, 3), st.integers(0, 10_000)))
    ready = draw(st.integers(0, work))
    return facts(
        work,
        current=current,
        ready=ready,
        idle=draw(st.integers(0, current)),
        running=draw(st.integers(0, work - ready)),
        arrived=draw(COUNTED),
        completed=draw(COUNTED),
        serving=draw(st.integers(0, current)),
        longest_s=float(draw(st.integers(0, 1000))),
        started_up=tuple(map(float, draw(st.lists(st.integers(0, 100), max_size=2)))),
        draining=draw(st.integers(0, 3)),
    )


UNSEEN = WORKERS.map(lambda current: facts(None, current=current))
STEPS = st.one_of(st.integers(1, 400), st.sampled_from((-864_000, -600, -1, 0, 7_200, 864_000)))
"""Seconds between two looks; a clock may also be set back or forward meanwhile."""

LOOKS = st.lists(st.tuples(st.one_of(seen(), UNSEEN), STEPS), min_size=1, max_size=8)
Looks = list[tuple[Facts, int]]


def after(pool: Pool, looks: Looks) -> tuple[Memory, datetime]:
    """What a pool remembers after these looks, each so many seconds after the one before, and the next second."""
    memory, now = Memory(), NOW
    for look, seconds in looks:
        now += timedelta(seconds=seconds)
        _, memory = decide_pool(pool, look, memory, FleetContext(now))
    return memory, now + timedelta(seconds=1)


def decided(pool: Pool, look: Facts, memory: Memory, now: datetime) -> Decision:
    return decide_pool(pool, look, memory, FleetContext(now))[0]


@EXAMPLES
@given(pools(), LOOKS)
def test_what_is_learned_keeps_its_bounds_whatever_the_clock_does(pool: Pool, looks: Looks) -> None:
    memory, now = Memory(), NOW
    guess = pool.scaling.task_duration.total_seconds()
    for look, seconds in looks:
        now += timedelta(seconds=seconds)
        decision, memory = decide_pool(pool, look, memory, FleetContext(now))
        assert memory.slot_seconds >= 0
        assert memory.completions >= 0
        assert 0 < seconds_per_task(pool, memory, now) <= 1.001 * max(guess, memory.slot_seconds)
        assert pool.scaling.min <= decision.replicas <= pool.scaling.max
    assert 0 <= longest_task(memory, guess) <= longest_seen(memory)


@EXAMPLES
@given(pools(), LOOKS, seen())
def test_within_bounds_and_settled_in_one_step(pool: Pool, looks: Looks, look: Facts) -> None:
    memory, now = after(pool, looks)
    first, memory = decide_pool(pool, look, memory, FleetContext(now))
    assert pool.scaling.min <= first.replicas <= pool.scaling.max
    idle = max(first.replicas - (look.current - look.idle), 0)
    done = replace(look, current=first.replicas, idle=idle, arrived=0, completed=0, started_up=())
    assert decided(pool, done, memory, now).replicas == first.replicas


@EXAMPLES
@given(pools(), LOOKS, seen(), st.integers(0, 5000))
def test_more_backlog_never_gives_fewer_workers(pool: Pool, looks: Looks, look: Facts, more: int) -> None:
    memory, now = after(pool, looks)
    larger = facts(
        int(look.at_least or 0) + more,
        **{name: getattr(look, name) for name in ("current", "idle", "running", "arrived", "completed", "serving")},
    )
    smaller = replace(larger, ready=look.at_least or 0, work=look.at_least or 0, at_least=look.at_least)
    assert decided(pool, smaller, memory, now).replicas <= decided(pool, larger, memory, now).replicas


@EXAMPLES
@given(pools(), LOOKS, UNSEEN)
def test_unknown_takes_no_worker_and_adds_only_what_a_run_stands_by_with(pool: Pool, looks: Looks, look: Facts) -> None:
    memory, now = after(pool, looks)
    decision, memory = decide_pool(pool, look, memory, FleetContext(now))
    floor = max(
        [pool.scaling.min, *(it.workers for it in pool.schedule if it.name in {run.name for run in memory.runs})]
    )
    assert decision.replicas >= min(look.current, pool.scaling.max)
    assert decision.replicas <= max(min(max(look.current, floor), pool.scaling.max), pool.scaling.min)


@EXAMPLES
@given(pools(), LOOKS, seen())
def test_outside_its_runs_a_pool_that_holds_has_no_worker_whatever_was_before(
    pool: Pool, looks: Looks, look: Facts
) -> None:
    memory, now = after(pool, looks)
    decision, memory = decide_pool(pool, look, memory, FleetContext(now))
    if pool.scaling.outside_runs == "Hold" and not memory.runs:
        assert decision.replicas == pool.scaling.min


@EXAMPLES
@given(st.lists(st.tuples(seen(), st.integers(1, 300), st.sampled_from((0, -7_200, 4_200, 9_000))), max_size=8))
def test_a_clock_that_is_right_before_a_run_starts_costs_it_nothing(looks: list[tuple[Facts, int, int]]) -> None:
    run = {"name": "run", "start": "10 13 2 3 *", "workers": 2, "finishWithin": "1h"}
    of, memory, right = pool(schedule=[run], max=60), Memory(), NOW
    for look, seconds, wrong in looks:
        right += timedelta(seconds=seconds)
        _, memory = decide_pool(of, look, memory, FleetContext(right + timedelta(seconds=wrong)))
    start, idle = NOW + timedelta(minutes=70), facts(0, current=0, arrived=0, completed=0)
    for at in (start - timedelta(seconds=90), start + timedelta(seconds=1)):
        decision, memory = decide_pool(of, idle, memory, FleetContext(at))
    assert [(it.start, it.first_message, it.missed) for it in memory.runs] == [(start, None, False)]
    assert decision.replicas >= 2

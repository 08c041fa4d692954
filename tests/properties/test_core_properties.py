"""What must hold for every decision, whatever was seen: hypothesis looks for the case that was not thought of."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.support.pools import NOW, facts, fleet, pool
from utilitarian_operator.api.effective import Pool
from utilitarian_operator.core.sizing.demand import horizon, is_cut
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.memory_json import from_text, to_text
from utilitarian_operator.core.sizing.pools import FleetContext, decide_fleet
from utilitarian_operator.core.sizing.rule_input import RuleInput
from utilitarian_operator.core.sizing.rules import by_demand, by_run, decide
from utilitarian_operator.core.sizing.runs.run_state import OpenRun

WORK = st.integers(0, 100_000)
WORKERS = st.integers(0, 50)


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    minimum = draw(st.integers(0, 5))
    return pool(
        concurrency=draw(st.integers(1, 50)),
        min=minimum,
        max=draw(st.integers(max(minimum, 1), 60)),
        drainWithin=f"{draw(st.integers(1, 3_600))}s",
        taskDuration=f"{draw(st.integers(1, 999_999))}ms",
        stabilization=f"{draw(st.integers(0, 600))}s",
        idleAfter=f"{draw(st.integers(0, 600))}s",
    )


@st.composite
def seen(draw: st.DrawFn) -> Facts:
    current = draw(WORKERS)
    work = draw(st.one_of(st.none(), WORK))
    return facts(work, current=current, idle=draw(st.integers(0, current)) if work else None)


@st.composite
def memories(draw: st.DrawFn) -> Memory:
    def moment() -> st.SearchStrategy[object]:
        return st.one_of(st.none(), st.integers(0, 100_000).map(lambda s: NOW - timedelta(seconds=s)))

    return Memory(
        idle_since=draw(moment()),  # type: ignore[arg-type]
        surplus_since=draw(moment()),  # type: ignore[arg-type]
        slot_seconds=draw(st.integers(0, 10**6)),
        completions=draw(st.integers(0, 10**4)),
        highs=tuple(
            sorted((NOW - timedelta(seconds=s), n) for s, n in draw(st.lists(st.tuples(WORKERS, WORKERS), max_size=5)))
        ),
    )


@given(pools(), seen(), memories())
def test_within_bounds_or_explained(pool: Pool, facts: Facts, memory: Memory) -> None:
    decision, _ = decide(RuleInput(pool, facts, memory, NOW))
    assert pool.scaling.min <= decision.replicas <= pool.scaling.max


@given(pools(), seen(), memories())
def test_the_trail_leads_from_what_is_to_what_is_decided(pool: Pool, facts: Facts, memory: Memory) -> None:
    decision, _ = decide(RuleInput(pool, facts, memory, NOW))
    assert decision.trail[0].before == facts.current
    assert decision.trail[-1].after == decision.replicas
    assert all(one.after == other.before for one, other in zip(decision.trail, decision.trail[1:], strict=False))
    assert all(step.because for step in decision.trail)


@given(pools(), memories(), WORKERS, WORK, WORK)
def test_more_backlog_never_asks_for_fewer_workers(
    pool: Pool, memory: Memory, current: int, one: int, other: int
) -> None:
    less, more = sorted((one, other))
    few = by_demand(RuleInput(pool, facts(less, current=current), memory, NOW)).after
    many = by_demand(RuleInput(pool, facts(more, current=current), memory, NOW)).after
    assert few <= many


@given(st.lists(st.tuples(st.integers(1, 100), st.integers(1, 9)), min_size=1, max_size=3), WORK, st.integers(0, 99))
def test_of_several_runs_the_one_that_needs_most_decides(
    written: list[tuple[int, int]], work: int, minutes: int
) -> None:
    schedule = [
        {"name": f"run-{number}", "start": "0 12 * * *", "finishWithin": f"{within}m", "workers": workers}
        for number, (within, workers) in enumerate(written)
    ]
    of, now, seen = pool(max=1_000, schedule=schedule), NOW + timedelta(minutes=minutes), facts(work)

    def needed(*runs: int) -> int:
        memory = Memory(runs=tuple(OpenRun(f"run-{number}", NOW) for number in runs))
        asked = by_demand(RuleInput(of, seen, memory, now)).after
        step = by_run(RuleInput(of, seen, memory, now), asked)
        return asked if step is None else step.after

    each = range(len(written))
    assert needed(*each) == max(needed(number) for number in each)


SECONDS = st.floats(0, 10**6)


@given(st.floats(1, 10**6), SECONDS, SECONDS, SECONDS)
def test_slower_starts_never_ask_for_a_slot_a_task(within: float, one: float, other: float, s: float) -> None:
    fast, slow = sorted((one, other))
    assert horizon(within, fast, s) >= horizon(within, slow, s) >= max(within / 3, s)
    assert is_cut(within, slow, s) >= is_cut(within, fast, s)


@given(pools(), memories(), WORK)
def test_a_pool_never_asks_for_more_slots_than_tasks(pool: Pool, memory: Memory, work: int) -> None:
    workers = by_demand(RuleInput(pool, facts(work), memory, NOW)).after
    assert (workers - 1) * pool.worker.concurrency < max(work, 1)


@given(pools(), memories(), WORKERS)
def test_unknown_changes_nothing(pool: Pool, memory: Memory, current: int) -> None:
    decision, _ = decide(RuleInput(pool, facts(None, current=current), memory, NOW))
    assert decision.replicas == min(max(current, pool.scaling.min), pool.scaling.max)


@given(pools(), seen(), memories())
def test_workers_that_fail_are_never_answered_with_more(pool: Pool, facts: Facts, memory: Memory) -> None:
    free, _ = decide(RuleInput(pool, facts, memory, NOW))
    failure, _ = decide(RuleInput(pool, replace(facts, held_up="pod x: CrashLoopBackOff"), memory, NOW))
    assert failure.replicas <= max(facts.current, pool.scaling.min, 1)
    assert failure.replicas == free.replicas or failure.rule in {"held-up", "bounds", "calm"}


@given(pools(), seen(), memories())
def test_the_same_facts_settle_in_one_step(pool: Pool, facts: Facts, memory: Memory) -> None:
    first, remembered = decide(RuleInput(pool, facts, memory, NOW))
    arrived = replace(facts, current=first.replicas, idle=max(first.replicas - (facts.current - facts.idle), 0))
    again, _ = decide(RuleInput(pool, arrived, remembered, NOW))
    assert again.replicas == first.replicas


@given(pools(), seen(), memories())
def test_a_restarted_operator_decides_the_same(pool: Pool, facts: Facts, memory: Memory) -> None:
    decision, remembered = decide(RuleInput(pool, facts, memory, NOW))
    read_back = from_text(to_text(remembered), NOW)
    again, _ = decide(RuleInput(pool, facts, from_text(to_text(memory), NOW), NOW))
    assert again == decision
    assert replace(read_back, looked_at=None) == replace(remembered, looked_at=None)


@given(
    st.lists(st.tuples(WORK, st.integers(0, 100)), min_size=2, max_size=8),
    st.integers(1, 40),
)
def test_the_ceiling_holds_and_every_waiting_pool_gets_its_first_worker_first(
    work: list[tuple[int, int]], ceiling: int
) -> None:
    written = [{"name": f"p{i}", "priority": priority} for i, (_, priority) in enumerate(work)]
    pool_workers = fleet(*written, maxWorkers=ceiling)
    looks = {f"p{i}": facts(amount) for i, (amount, _) in enumerate(work)}
    decisions = decide_fleet(pool_workers, looks, {}, FleetContext(NOW)).decisions
    assert sum(decision.replicas for decision in decisions.values()) <= ceiling
    waiting = [name for name, look in looks.items() if look.at_least and not decisions[name].replicas]
    assert not waiting or all(decision.replicas <= 1 for decision in decisions.values())


@given(pools(), st.integers(1, 2_000), st.integers(0, 50))
def test_a_constant_load_makes_no_oscillation(pool: Pool, work: int, current: int) -> None:
    memory, numbers = Memory(), []
    for tick in range(120):
        look = facts(work, current=current, idle=max(current - -(-work // pool.worker.concurrency), 0))
        decision, memory = decide(RuleInput(pool, look, memory, NOW + timedelta(seconds=10 * tick)))
        current = decision.replicas
        numbers.append(current)
    turns = sum((b - a) * (c - b) < 0 for a, b, c in zip(numbers, numbers[1:], numbers[2:], strict=False))
    assert turns <= 1, numbers

"""What the pools of a fleet have together: its ceiling, and the turns of the workers that declare queues."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pools import NOW, facts, fleet
from utilitarian_operator.core.sizing.decision import Decision, Step, start
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.fleet_limits import FIRST_WORKERS_AT_A_TIME, within
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.memory_json import from_text, to_text
from utilitarian_operator.core.sizing.pools import FleetContext, decide_fleet

MINUTE = timedelta(minutes=1)


def wants(replicas: int, *, work: bool = True) -> Decision:
    """A pool's own decision, because of its work or of its minimum."""
    if work:
        return start(Step("demand", replicas, replicas, "its work asks for them"))
    return start(Step("demand", replicas, 0, "nothing to do")).then(Step("bounds", 0, replicas, "min"))


def shared(
    ceiling: int,
    asked: dict[str, tuple[int, int, Decision]],
    draining: dict[str, int] | None = None,
    returnable: dict[str, int] | None = None,
) -> dict[str, int]:
    """Workers granted, by pool; each is given as its priority, the workers it has, and what it asks for."""
    pools = [{"name": name, "priority": priority} for name, (priority, _, _) in asked.items()]
    current = {name: there for name, (_, there, _) in asked.items()}
    decisions = {name: decision for name, (_, _, decision) in asked.items()}
    asked_for = fleet(*pools, maxWorkers=ceiling).pools
    given = within(ceiling, asked_for, decisions, current, sum((draining or {}).values()), returnable or {})
    return {name: decision.replicas for name, decision in given.items()}


def test_a_pool_grows_into_what_another_has_left_and_not_into_what_it_gives_up() -> None:
    """Ceiling 20, one pool from 15 to 4 with long tasks, another from 0 to 16: 31 pods while the first drained."""
    assert shared(20, {"a": (50, 15, wants(4)), "b": (50, 0, wants(16))}) == {"a": 4, "b": 5}
    # All that leave hold their places.
    assert shared(20, {"a": (50, 4, wants(4)), "b": (50, 5, wants(16))}, {"a": 11, "b": 0}) == {"a": 4, "b": 5}
    assert shared(20, {"a": (50, 4, wants(4)), "b": (50, 5, wants(16))}, {"a": 3, "b": 0}) == {"a": 4, "b": 13}


@pytest.mark.parametrize(
    "ceiling, asked, expected",
    [
        pytest.param(
            2,
            {"high": (90, 0, wants(5)), "middle": (80, 0, wants(5)), "low": (10, 1, wants(1))},
            {"high": 1, "middle": 0, "low": 1},
            id="one that has work keeps its worker",
        ),
        pytest.param(
            2,
            {"high": (90, 1, wants(5)), "middle": (80, 1, wants(5)), "low": (10, 1, wants(1))},
            {"high": 1, "middle": 1, "low": 1},
            id="also where the ceiling was lowered under it",
        ),
        pytest.param(
            1,
            {"high": (90, 0, wants(5)), "low": (10, 1, wants(1, work=False))},
            {"high": 0, "low": 0},
            id="one without work gives its place up, and holds it until it is gone",
        ),
        pytest.param(
            4,
            {"high": (90, 0, wants(9)), "low": (10, 4, wants(4))},
            {"high": 0, "low": 1},
            id="what is more than one goes to the higher priority",
        ),
    ],
)
def test_below_the_number_of_pools_with_work(
    ceiling: int, asked: dict[str, tuple[int, int, Decision]], expected: dict[str, int]
) -> None:
    assert shared(ceiling, asked) == expected


@pytest.mark.parametrize(
    "asked, returnable, expected",
    [
        pytest.param({"a": (50, 4, wants(8))}, {"a": 4}, {"a": 8}, id="all four"),
        pytest.param({"a": (50, 4, wants(6))}, {"a": 4}, {"a": 6}, id="two of them"),
        pytest.param({"a": (50, 4, wants(8))}, {"a": 1}, {"a": 5}, id="the one that holds tasks"),
        pytest.param({"a": (50, 4, wants(8))}, {}, {"a": 4}, id="none that can't consume again"),
        pytest.param({"a": (50, 4, wants(8)), "b": (90, 0, wants(3))}, {"a": 4}, {"a": 5, "b": 0}, id="not for others"),
        pytest.param({"a": (90, 4, wants(8)), "b": (50, 0, wants(3))}, {"a": 4}, {"a": 7, "b": 0}, id="but for itself"),
    ],
)
def test_a_pool_takes_its_own_back_at_the_ceiling(
    asked: dict[str, tuple[int, int, Decision]], returnable: dict[str, int], expected: dict[str, int]
) -> None:
    """Ceiling 8: four of a pool's eight workers were to leave, with a task of hours each, when more work came."""
    assert shared(8, asked, {"a": 4}, returnable) == expected


def test_gevent_takes_none_back_at_the_ceiling() -> None:
    pools = fleet({"name": "a"}, {"name": "b", "worker": {"execution": "gevent"}}, maxWorkers=8)
    there = facts(99_999, current=1, draining=3, returnable=3)
    sizes = decide_fleet(pools, {"a": there, "b": there}, {}, FleetContext(NOW))
    assert {name: it.replicas for name, it in sizes.decisions.items()} == {"a": 4, "b": 1}, sizes.own


@pytest.mark.parametrize("removed, expected", [(0, 7), (2, 5), (5, 2), (9, 0)])
def test_workers_of_a_pool_that_was_removed_hold_their_places_until_they_are_gone(removed: int, expected: int) -> None:
    """Ceiling 8: five were led out of a pool that was removed, and another one grew by three meanwhile."""
    pools, seen = fleet({"name": "a"}, {"name": "b"}, maxWorkers=8), {"a": facts(0, current=1), "b": facts(99_999)}
    sizes = decide_fleet(pools, seen, {}, FleetContext(NOW, removed=removed))
    assert sizes.decisions["b"].replicas == expected, sizes.own["b"]


POOLS = st.lists(
    st.tuples(
        st.integers(0, 9), st.integers(0, 6), st.integers(0, 9), st.integers(0, 4), st.integers(0, 4), st.booleans()
    ),
    min_size=1,
    max_size=6,
)


@given(POOLS, st.integers(1, 30))
def test_the_ceiling_holds_with_all_that_leaves_and_no_pool_with_work_is_left_without(
    asked: list[tuple[int, int, int, int, int, bool]], ceiling: int
) -> None:
    """Each pool: priority, workers it has, wants, gives up, and may take back, and whether work asks for them."""
    rows = {f"p{i}": (of, there, wants(most, work=work)) for i, (of, there, most, _, _, work) in enumerate(asked)}
    leaving = {f"p{i}": number for i, (_, _, _, number, _, _) in enumerate(asked)}
    returnable = {f"p{i}": min(back, number) for i, (_, _, _, number, back, _) in enumerate(asked)}
    given = shared(ceiling, rows, leaving, returnable)
    more = {name: max(given[name] - there, 0) for name, (_, there, _) in rows.items()}
    before = sum(there for _, there, _ in rows.values()) + sum(leaving.values())
    after = before + sum(max(number - returnable[name], 0) for name, number in more.items())
    assert after <= max(ceiling, before)
    for name, (_, there, decision) in rows.items():
        assert given[name] <= decision.replicas
        if there and decision.replicas and decision.trail[0].after:
            assert given[name] >= 1


def names(number: int) -> list[str]:
    return [f"p{i:02}" for i in range(number)]


class Fleet:
    """A new fleet, of which some pools' first workers never start; the others declare their queue in a minute."""

    def __init__(self, number: int, broken: set[str]) -> None:
        self.pools = fleet(*({"name": it, "priority": 99 - i} for i, it in enumerate(names(number))))
        self.broken, self.missing = broken, set(names(number))
        self.current, self.since = dict.fromkeys(names(number), 0), dict.fromkeys(names(number), NOW)
        self.memories: dict[str, Memory] = {}
        self.most = 0

    def look(self, now: datetime) -> None:
        """What is decided happens at once; the operator starts anew each time, and remembers what stands in status."""
        sizes = decide_fleet(self.pools, self._seen(now), self.memories, FleetContext(now))
        decisions, memories = sizes.decisions, sizes.memories
        self.memories = {name: from_text(to_text(it), now) for name, it in memories.items()}
        for name, decision in decisions.items():
            if decision.replicas and not self.current[name]:
                self.since[name] = now
            self.current[name] = decision.replicas
        self.most = max(self.most, sum(bool(self.current[name]) for name in self.missing))

    def _seen(self, now: datetime) -> dict[str, Facts]:
        for name in sorted(self.missing - self.broken):
            if self.current[name] and now - self.since[name] >= MINUTE:
                self.missing.discard(name)
        return {
            name: facts(0, current=number, missing=(f"queue-{name}",) if name in self.missing else ())
            for name, number in self.current.items()
        }


def test_workers_that_can_not_start_keep_no_turn_for_ever() -> None:
    """Three pools of the highest priority whose image can't be pulled: after six hours no other had had a turn."""
    world = Fleet(14, set(names(3)))
    for minute in range(60):
        world.look(NOW + minute * MINUTE)
    assert world.missing == set(names(3))
    assert world.most <= FIRST_WORKERS_AT_A_TIME
    assert [world.current[name] for name in names(3)] == [1, 1, 1]  # no pool waits any more: they go on trying


def test_turns_go_round_among_those_that_can_not_start() -> None:
    world, had = Fleet(5, set(names(5))), dict.fromkeys(names(5), 0)
    for minute in range(300):
        world.look(NOW + minute * MINUTE)
        for name, number in world.current.items():
            had[name] += number
    assert world.most <= FIRST_WORKERS_AT_A_TIME
    fair = 300 * FIRST_WORKERS_AT_A_TIME / 5
    assert all(minutes >= fair / 2 for minutes in had.values()), had

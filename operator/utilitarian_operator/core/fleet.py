"""One decision for each pool: its own rules, then what the pools may have together, then what a person said."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core import budget
from utilitarian_operator.core.decision import Decision, Step
from utilitarian_operator.core.observation import FleetSight
from utilitarian_operator.core.rules import Memory, Situation, decide, remember

GOOD_LOOKS = 2
"""Complete looks that an operator must have had since it started before it takes a worker away."""


def decide_fleet(
    fleet: Fleet, sight: FleetSight, memories: Mapping[str, Memory], *, running_for: timedelta, good_looks: int
) -> tuple[dict[str, Decision], dict[str, Memory]]:
    """The decisions and what is remembered of them, both by pool name.

    Args:
        fleet: what is asked for.
        sight: what was seen.
        memories: of the last time; a pool without one starts afresh.
        running_for: since the operator began to look at this fleet.
        good_looks: looks since then at which the broker answered.
    """
    decisions, remembered = {}, {}
    for pool in fleet.pools:
        seen = sight.pools[pool.name]
        memory = remember(pool, seen, memories.get(pool.name, Memory()), sight.at)
        steady = running_for >= pool.scaling.stabilization and good_looks >= GOOD_LOOKS
        decisions[pool.name] = decide(Situation(pool, seen, memory, sight.at, steady))
        remembered[pool.name] = memory
    current = {name: seen.current for name, seen in sight.pools.items()}
    decisions = budget.in_turn(fleet.pools, decisions, current)
    decisions = budget.within(fleet.max_workers, fleet.pools, decisions, current)
    return {name: _as_told(fleet, decision, current[name]) for name, decision in decisions.items()}, remembered


def looked_well(sight: FleetSight) -> bool:
    """Whether a look was complete enough to count as a good one."""
    return sight.broker is None and sight.statistics is None


def _as_told(fleet: Fleet, decision: Decision, current: int) -> Decision:
    """`mode: Paused` leaves the numbers of workers alone."""
    if fleet.mode != "Paused" or decision.replicas == current:
        return decision
    because = f"paused: would be {decision.replicas} ({decision.message})"
    return decision.then(Step("paused", decision.replicas, current, because))


def first_seen_work(before: Mapping[str, datetime], sight: FleetSight) -> dict[str, datetime]:
    """Since when each sleeping pool has had work waiting: where the time to wake it is counted from."""
    return {
        name: before.get(name, sight.at)
        for name, pool in sight.pools.items()
        if not pool.current and isinstance(pool.ready, int) and pool.ready
    }

"""What the pools of a fleet may have together: its ceiling by priority, and whose missing queues are declared first."""

from collections.abc import Mapping, Sequence

from utilitarian_operator.api.effective import Pool
from utilitarian_operator.core.decision import Decision
from utilitarian_operator.core.rules import held_back
from utilitarian_operator.core.wording import plural

FIRST_WORKERS_AT_A_TIME = 3
"""Workers started at the same time only to declare queues: a new fleet must not start all its pools at once."""


def in_turn(
    pools: Sequence[Pool], decisions: Mapping[str, Decision], current: Mapping[str, int]
) -> dict[str, Decision]:
    """The decisions with at most `FIRST_WORKERS_AT_A_TIME` pools awake only because a queue is missing, by priority."""
    declaring = [pool.name for pool in by_priority(pools) if decisions[pool.name].rule == "missing-queue"]
    awake = [name for name in declaring if current[name]]
    asleep = [name for name in declaring if not current[name]]
    waiting = asleep[max(FIRST_WORKERS_AT_A_TIME - len(awake), 0) :]
    because = f"waits its turn: {FIRST_WORKERS_AT_A_TIME} pools at a time declare their queues"
    return {name: held_back(d, 0, because) if name in waiting else d for name, d in decisions.items()}


def within(
    ceiling: int | None, pools: Sequence[Pool], decisions: Mapping[str, Decision], current: Mapping[str, int]
) -> dict[str, Decision]:
    """The decisions cut down to the fleet's ceiling.

    Workers that are there stay: taking a busy one away would kill its tasks. Of what is left, every pool that wants any
    gets its first worker before any pool gets its second; then by priority, higher first, then by name.

    Args:
        ceiling: `spec.maxWorkers`; None is no ceiling.
        pools: of the fleet.
        decisions: by pool name, for each of `pools`.
        current: workers asked for now, by pool name.
    """
    if ceiling is None or sum(d.replicas for d in decisions.values()) <= ceiling:
        return dict(decisions)
    order = [pool.name for pool in by_priority(pools)]
    granted = {name: min(decisions[name].replicas, current[name]) for name in order}
    left = max(ceiling - sum(granted.values()), 0)
    firsts = {name: min(decisions[name].replicas, 1) for name in order}
    for goal in (firsts, {name: decisions[name].replicas for name in order}):
        for name in order:
            more = min(max(goal[name] - granted[name], 0), left)
            granted[name] += more
            left -= more
    because = f"maxWorkers is {plural(ceiling, 'worker')} for the whole fleet, shared by priority"
    return {
        name: held_back(d, granted[name], because) if granted[name] < d.replicas else d for name, d in decisions.items()
    }


def by_priority(pools: Sequence[Pool]) -> list[Pool]:
    """The pools, most urgent first; names decide between equals, so that two looks give the same order."""
    return sorted(pools, key=lambda pool: (-pool.priority, pool.name))

"""What the pools of a fleet may have together: the ceiling by priority, and the order of declared queues."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from types import MappingProxyType

from utilitarian_operator.api.effective import Pool
from utilitarian_operator.core.sizing.decision import Decision, Rule
from utilitarian_operator.core.sizing.rules import held_back
from utilitarian_operator.core.wording import plural

FIRST_WORKERS_AT_A_TIME = 3
"""Workers started at the same time only to declare queues: a new fleet must not start all its pools at once."""

TURN_LASTS = timedelta(minutes=10)
"""Time that a first worker has to start while others wait: as long as Kubernetes gives a Deployment to progress."""


def in_turn(
    pools: Sequence[Pool],
    decisions: Mapping[str, Decision],
    current: Mapping[str, int],
    turns: Mapping[str, datetime],
    now: datetime,
) -> dict[str, Decision]:
    """The decisions with at most `FIRST_WORKERS_AT_A_TIME` pools awake only because a queue is missing.

    Turns are given by priority, first to those that had none yet, then to those whose turn was the longest ago. A pool
    whose worker could not start within its turn (its image is not there) makes room for one that waits.

    Args:
        pools: of the fleet.
        decisions: by pool name, for each of `pools`.
        current: workers asked for now, by pool name, without those that drain.
        turns: when each pool's last turn began, by pool name; none for a pool that had none.
        now: the one clock.
    """
    declaring = [it.name for it in by_priority(pools) if declares(decisions[it.name]) and not it.scaling.min]
    awake = [name for name in declaring if current[name]]
    never = datetime.min.replace(tzinfo=UTC)
    asleep = sorted((name for name in declaring if not current[name]), key=lambda name: turns.get(name, never))
    free = max(FIRST_WORKERS_AT_A_TIME - len(awake), 0)
    over = sorted((it for it in awake if now - turns.get(it, now) >= TURN_LASTS), key=lambda name: turns[name])
    waiting = {*asleep[free:], *over[: len(asleep[free:])]}
    because = f"waits its turn: {FIRST_WORKERS_AT_A_TIME} pools at a time declare their queues"
    return {name: held_back(d, 0, because) if name in waiting else d for name, d in decisions.items()}


def declares(decision: Decision) -> bool:
    """Whether a pool has its worker only because one of its queues is missing."""
    return decision.rule == Rule.MISSING_QUEUE


def within(
    ceiling: int | None,
    pools: Sequence[Pool],
    decisions: Mapping[str, Decision],
    current: Mapping[str, int],
    leaving: int,
    returnable: Mapping[str, int] = MappingProxyType({}),
) -> dict[str, Decision]:
    """The decisions cut down to the fleet's ceiling.

    A pool that has a worker and work keeps one whatever the others need. Every other pool that wants any worker has its
    share begin with one; the rest is shared by priority, and between pools of the same priority the one with workers
    keeps them. Workers beyond their pool's share leave by the drain, and hold their places until they are gone: until
    then the others can't grow into them, also where their own pool wants them no more. A pool that takes some of its
    own back needs no place for them.

    Args:
        ceiling: `spec.maxWorkers`; None is no ceiling.
        pools: of the fleet.
        decisions: by pool name, for each of `pools`.
        current: workers asked for now, by pool name, without those that drain.
        leaving: workers on their way out, of pools that are no longer asked for as well.
        returnable: those of them that their pool takes back before it starts new ones, by its name.
    """
    if ceiling is None or sum(max(current[name], d.replicas) for name, d in decisions.items()) + leaving <= ceiling:
        return dict(decisions)
    wanted = {pool.name: decisions[pool.name].replicas for pool in by_priority(pools)}
    lasting = {name: min(number, current[name], int(_has_work(decisions[name]))) for name, number in wanted.items()}
    shares = _filled(lasting, max(ceiling - sum(lasting.values()), 0), _goals(pools, wanted, current))
    kept = {name: min(share, current[name] + returnable.get(name, 0)) for name, share in shares.items()}
    free = ceiling - sum(current[name] for name in wanted) - leaving
    granted = _filled(kept, max(free, 0), [{name: min(share, 1) for name, share in shares.items()}, shares])
    because = f"maxWorkers is {plural(ceiling, 'worker')} for the whole fleet, shared by priority"
    return {
        name: held_back(d, granted[name], because) if granted[name] < d.replicas else d for name, d in decisions.items()
    }


def takes_back(pool: Pool) -> bool:
    """Whether a worker of a pool that cancelled its consumers may consume again.

    Celery's gevent workers may crash when a queue is added again (celery/celery#4775), and of a catch-all's worker it
    is no longer known what it consumed.
    """
    return not pool.is_catch_all and pool.worker.execution != "gevent"


def _has_work(decision: Decision) -> bool:
    """Whether a pool has work, or may have: its first rule speaks of what waits and runs."""
    return decision.trail[0].after > 0


def _goals(pools: Sequence[Pool], wanted: Mapping[str, int], current: Mapping[str, int]) -> Iterator[Mapping[str, int]]:
    """What is granted in turn, each in the order of its names."""
    yield {name: min(number, 1) for name, number in wanted.items()}
    for _, equals in groupby(by_priority(pools), key=attrgetter("priority")):
        names = [pool.name for pool in equals]
        yield {name: min(wanted[name], current[name]) for name in names}
        yield {name: wanted[name] for name in names}


def _filled(granted: dict[str, int], left: int, goals: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """What is granted with `left` more, given out goal by goal until nothing is left."""
    for goal in goals:
        for name, number in goal.items():
            more = min(max(number - granted[name], 0), left)
            granted[name] += more
            left -= more
    return granted


def by_priority(pools: Sequence[Pool]) -> list[Pool]:
    """The pools, most urgent first; names decide between equals, so that two looks give the same order."""
    return sorted(pools, key=lambda pool: (-pool.priority, pool.name))

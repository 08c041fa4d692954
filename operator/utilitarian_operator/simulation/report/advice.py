"""Finds what to change by trying: a change is said only if the same tasks then cost less and it breaks no promise.

Each pool is tried by itself, on its first days: a shorter `idleAfter`, nothing fetched ahead, half the `concurrency`
with twice the `max`. A change that is kept is the ground on which the next one is tried, so that following all of them
brings what was measured, and following them again asks for nothing that costs more.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from math import ceil

from utilitarian_operator.api.effective import Pool
from utilitarian_operator.api.units import format_duration
from utilitarian_operator.core.explain.recommendations import Recommendation, can_be_written, round_up
from utilitarian_operator.core.wording import clock, number
from utilitarian_operator.simulation.load.arrivals import Tasks
from utilitarian_operator.simulation.play import DAY, Progress, Scene, play
from utilitarian_operator.simulation.report.measure import PolicyResult, PoolResult, measured

DAYS = 3.0
MOST_TASKS = 300_000
"""A pool with more tasks in these days is tried on fewer days: a trial must end while someone waits for it."""

WORTH_TRYING = 0.005
"""Part of the fleet's worker-hours below which a pool is left alone."""

WORTH_SAYING = 0.02
"""Part of the pool's worker-hours that a change must save."""

HALVINGS = 3
SHORTEST_IDLE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Change:
    """One field of a pool with another value, and what goes with it.

    Args:
        pool: as it is then.
        field: that is changed.
        was: its value, as in YAML.
        to: its value then.
        most: `scaling.max` then, where it goes with the change.
    """

    pool: Pool
    field: str
    was: str
    to: str
    most: int | None = None

    @property
    def can_be_written(self) -> bool:
        """Whether the schema takes all of it."""
        at = f"pools.{self.pool.name}"
        fits = self.most is None or can_be_written(f"{at}.scaling.max", str(self.most))
        return fits and can_be_written(f"{at}.{self.field}", self.to)


_Kind = Callable[[Pool], Change | None]


def advice(stage: Scene, result: PolicyResult, progress: Progress = lambda _: None) -> list[Recommendation]:
    """What to change, confirmed by playing it.

    Args:
        stage: that was played on.
        result: what our policy came to there.
        progress: called with the share of the pools that were tried.
    """
    found: list[Recommendation] = []
    for index, pool in enumerate(stage.fleet.pools):
        if result.pools[pool.name].hours > WORTH_TRYING * result.hours:
            found += _tried(pool, stage)
        progress((index + 1) / len(stage.fleet.pools))
    return found


def _tried(pool: Pool, stage: Scene) -> Iterator[Recommendation]:
    """The changes of one pool that cost less, each tried on top of those before it."""
    alone = _first_days(pool, stage)
    best, before = pool, _played(pool, alone)
    for kind in _KINDS:
        kept, since = None, before
        for change in _steps(kind, best):
            after = _played(change.pool, alone)
            if not _is_better(before, after):
                break
            kept, best, before = replace(change, was=kept.was if kept else change.was), change.pool, after
        if kept is not None:
            yield _said(kept, since, before, alone.days)


def _steps(kind: _Kind, pool: Pool) -> Iterator[Change]:
    """The same change again and again, as far as the schema takes it."""
    for _ in range(HALVINGS):
        change = kind(pool)
        if change is None or not change.can_be_written:
            return
        yield change
        pool = change.pool


def _idle_sooner(pool: Pool) -> Change | None:
    was = pool.scaling.idle_after
    to = round_up(was.total_seconds() / 2)
    if not SHORTEST_IDLE <= to < was:
        return None
    changed = replace(pool, scaling=replace(pool.scaling, idle_after=to))
    return Change(changed, "scaling.idleAfter", format_duration(was), format_duration(to))


def _fetch_less(pool: Pool) -> Change | None:
    was = pool.worker.prefetch_multiplier
    if was == 1:
        return None
    changed = replace(pool, worker=replace(pool.worker, prefetch_multiplier=1))
    return Change(changed, "worker.prefetchMultiplier", str(was), "1")


def _fewer_slots(pool: Pool) -> Change | None:
    slots = pool.worker.concurrency
    if slots == 1:
        return None
    fewer, most = slots // 2, ceil(pool.scaling.max * slots / (slots // 2))
    worker, scaling = replace(pool.worker, concurrency=fewer), replace(pool.scaling, max=most)
    changed = replace(pool, worker=worker, scaling=scaling)
    return Change(changed, "worker.concurrency", str(slots), str(fewer), most)


_KINDS: tuple[_Kind, ...] = (_idle_sooner, _fetch_less, _fewer_slots)


def _first_days(pool: Pool, stage: Scene) -> Scene:
    """The pool alone on its first days; no node dies there, so that two plays differ by the change alone."""
    tasks = stage.tasks[pool.name]
    until = min(stage.until, DAYS * DAY, tasks.at[MOST_TASKS] if len(tasks.at) > MOST_TASKS else stage.until)
    count = bisect_left(tasks.at, until)
    few = Tasks(
        array("d", tasks.at[:count]),
        array("d", tasks.seconds[:count]),
        tasks.queue[:count],
        tasks.queues,
        {k: due for k, due in tasks.eta.items() if k < count},
    )
    load = stage.load.model_copy(update={"node_kills": ()})
    return Scene(replace(stage.fleet, pools=(pool,)), load, {pool.name: few}, until / DAY, stage.seed)


def _played(pool: Pool, alone: Scene) -> PoolResult:
    stage = replace(alone, fleet=replace(alone.fleet, pools=(pool,)))
    return measured("utilitarian", play("utilitarian", stage), stage).pools[pool.name]


def _is_better(before: PoolResult, after: PoolResult) -> bool:
    """Whether it costs less and breaks no promise that was kept."""
    return after.hours < before.hours * (1 - WORTH_SAYING) and all(
        now <= then for now, then in zip(_broken(after), _broken(before), strict=True)
    )


def _broken(result: PoolResult) -> tuple[int, ...]:
    late = result.promises.given - result.promises.kept
    return late, sum(not run.met for run in result.runs), result.interrupted, result.lost


def _said(change: Change, before: PoolResult, after: PoolResult, days: float) -> Recommendation:
    more = f" with scaling.max: {change.most}" if change.most is not None else ""
    because = (
        f"tried on {number(round(days, 2))} days{more}: {after.hours:,.1f} worker-hours instead of "
        f"{before.hours:,.1f}, no further promise broken"
    )
    effect = f"the 95th percentile of the waits is {clock(after.waits.p95)} then, {clock(before.waits.p95)} now"
    return Recommendation(f"pools.{after.name}.{change.field}", change.was, change.to, because, effect)

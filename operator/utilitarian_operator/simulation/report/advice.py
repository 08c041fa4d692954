"""Finds what lowers the bill by trying: pool by pool on a few days, then all that won on the whole load.

Tried are the way to wake, `idleAfter`, a smaller `max`, and where CPU and memory have a price the `concurrency`; then
whether quiet pools with equal workers are cheaper as one. What doesn't cost less with every promise kept that is kept
now is not said. Where it was measured what tasks use of CPU and memory, more slots are tried within what is requested
already, instead of by a guess. A longer `drainWithin` is only asked about: only people know whether tasks may wait.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from utilitarian_operator.api.effective import Pool
from utilitarian_operator.api.price import Price
from utilitarian_operator.core.sizing.usage import Usage
from utilitarian_operator.simulation.load.arrivals import joined, until
from utilitarian_operator.simulation.play import DAY, Progress, Scene, play
from utilitarian_operator.simulation.report.candidates import (
    FieldChange,
    differences,
    fewer_slots,
    longer_idles,
    longer_promises,
    measured_slots,
    more_slots,
    shorter_idles,
    smaller,
    wakes,
)
from utilitarian_operator.simulation.report.measure import PolicyResult, PoolResult, measured
from utilitarian_operator.simulation.report.merging import may_merge, merge

DAYS = 2.0
MOST_TASKS = 100_000
"""A pool with more tasks in these days is tried on fewer days: a trial must end while someone waits for it."""

WORTH_TRYING = 0.005
"""Part of the fleet's worker-hours below which a pool is left alone."""

WORTH_SAYING = 0.02
"""Part of the pool's cost that a change must save."""

WORTH_ASKING = 0.2
"""Part of the pool's cost that a longer promise must save to be asked about."""

SEARCH = 0.7
"""Part of the progress that the few days are."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one or several pools came to.

    Args:
        hours: worker-hours.
        cost: of them; hours again where there is no price.
        promised: starts that drainWithin promised.
        kept: of them.
        deadlines: of runs.
        met: of them.
        waits: median and 95th percentile of each pool's waits, seconds.
        starts_an_hour: of workers.
    """

    hours: float
    cost: float
    promised: int
    kept: int
    deadlines: int
    met: int
    waits: tuple[tuple[float, float], ...]
    starts_an_hour: float


@dataclass(frozen=True, slots=True)
class Change:
    """What to change in a pool, or in pools that become one, and what came of it on the whole load.

    Args:
        pools: names, as they are now; the first one stays.
        to: the pool then.
        fields: that change.
        before: on the whole load.
        after: same.
    """

    pools: tuple[str, ...]
    to: Pool
    fields: tuple[FieldChange, ...]
    before: Figures
    after: Figures


@dataclass(frozen=True, slots=True)
class Advice:
    """What to change, and what only people can decide.

    Args:
        days: on which it was searched at most; changes are confirmed on the whole load.
        changes: that lower the bill and break no promise.
        questions: the same with a longer promise, on the few days alone.
        before: the whole fleet.
        after: same, with all changes.
        untried: names of the pools for which no time was left.
    """

    days: float
    changes: tuple[Change, ...]
    questions: tuple[Change, ...]
    before: Figures
    after: Figures
    untried: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """A pool as it was tried, alone, on a few days; `of` are the pools, as they are now, that it stands for."""

    pool: Pool
    result: PoolResult
    of: tuple[Pool, ...]


class Search:
    """Tries changes of a fleet's pools.

    Args:
        stage: the whole load, and the fleet as it is.
        price: of worker-hours; None if not given.
        usage: what was learned of the CPU and memory of the pools' workers, by pool; those are left out that have none.
        in_time: whether there is time for one more pool, or for one more question.
    """

    def __init__(
        self,
        stage: Scene,
        price: Price | None,
        usage: Mapping[str, Usage] | None = None,
        in_time: Callable[[], bool] = lambda: True,
    ) -> None:
        self.stage, self.price, self._usage, self._in_time = stage, price, usage or {}, in_time
        self._scenes: dict[tuple[str, ...], Scene] = {}

    def advise(self, result: PolicyResult, progress: Progress = lambda _: None) -> Advice:
        """What lowers the bill, confirmed on the whole load.

        Args:
            result: what the fleet as it is came to there.
            progress: called with the share that is done.
        """
        before = list(result.pools.values())
        found, untried = self._searched(result, progress)
        won = [it for it in self._merged(found) if it.pool != it.of[0]]
        changes, stayed = self._confirmed(won, result)
        days = max((self._few(it.pool.name).days for it in found), default=0.0)
        after = _sum([self._figures(stayed), *(change.after for change in changes)])
        return Advice(days, changes, tuple(self._questions(found)), self._figures(before), after, untried)

    def _searched(self, result: PolicyResult, progress: Progress) -> tuple[list[Trial], tuple[str, ...]]:
        """The best of each pool in the fleet's order, those first tried that spend most; and those not tried."""
        worth = [pool for pool in self.stage.fleet.pools if self._may_save(result.pools[pool.name], result)]
        by_spending = sorted(worth, key=lambda pool: -self._cost([result.pools[pool.name]]))
        best: dict[str, Trial] = {}
        for index, pool in enumerate(by_spending):
            if not self._in_time():
                break
            best[pool.name] = self._best(pool)
            progress(SEARCH * (index + 1) / len(by_spending))
        found = [best[pool.name] for pool in worth if pool.name in best]
        return found, tuple(pool.name for pool in worth if pool.name not in best)

    def _may_save(self, pool: PoolResult, fleet: PolicyResult) -> bool:
        """Whether a pool has anything to save: of work itself only other requests change the cost."""
        if self.price and self.price.by_requests:
            return pool.hours > WORTH_TRYING * fleet.hours
        spare = pool.idle + pool.starting
        return spare > WORTH_TRYING * fleet.hours and spare > WORTH_SAYING * pool.hours

    def _best(self, pool: Pool) -> Trial:
        """The cheapest way to run a pool that was tried."""
        asis = self._tried(pool, self._few(pool.name), (pool,))
        best = self._idle(asis)
        other = self._step(asis, wakes(pool))
        if other is not asis:
            best = self._cheaper(best, self._idle(other))
        best = self._step(best, smaller(best.pool, best.result.peak))
        return self._slots(best) if self.price and self.price.by_requests else best

    def _slots(self, best: Trial) -> Trial:
        """More slots by what was measured, or fewer; more with requests to match only where nothing was measured."""
        usage = self._usage.get(best.pool.name, Usage())
        for candidates in (
            measured_slots(best.pool, usage, best.result.peak),
            fewer_slots(best.pool),
            () if usage.slots else more_slots(best.pool),
        ):
            tried = self._step(best, candidates)
            if tried is not best:
                return tried
        return best

    def _idle(self, trial: Trial) -> Trial:
        shorter = self._step(trial, shorter_idles(trial.pool))
        return shorter if shorter is not trial else self._step(trial, longer_idles(trial.pool))

    def _step(self, best: Trial, candidates: Iterable[Pool]) -> Trial:
        """The best of a trial and of what goes ever further from it, up to the first that is no better."""
        alone = self._few(*(pool.name for pool in best.of))
        for pool in candidates:
            trial = self._tried(pool, alone, best.of)
            if self._cheaper(best, trial) is best:
                break
            best = trial
        return best

    def _cheaper(self, one: Trial, other: Trial) -> Trial:
        """The other, if it costs less and breaks no promise that the first one keeps."""
        return other if self._saves([one.result], [other.result], WORTH_SAYING) else one

    def _saves(self, before: Sequence[PoolResult], after: Sequence[PoolResult], worth: float) -> bool:
        less = self._cost(after) < self._cost(before) * (1 - worth)
        return less and all(now <= then for now, then in zip(_broken(after), _broken(before), strict=True))

    def _merged(self, found: Sequence[Trial]) -> list[Trial]:
        """The trials, with those merged that are cheaper as one; only pools that one worker is enough for."""
        left, done = list(found), []
        while left:
            one = left.pop(0)
            for other in [it for it in left if max(it.result.peak, one.result.peak) <= 1]:
                if (
                    may_merge(one.pool, other.pool)
                    and self._in_time()
                    and (both := self._as_one(one, other)) is not None
                ):
                    left.remove(other)
                    one = both
            done.append(one)
        return done

    def _as_one(self, one: Trial, other: Trial) -> Trial | None:
        of = (*one.of, *other.of)
        both = self._tried(merge(one.pool, other.pool), self._few(*(it.name for it in of)), of)
        return both if self._saves([one.result, other.result], [both.result], WORTH_SAYING) else None

    def _confirmed(self, won: Sequence[Trial], result: PolicyResult) -> tuple[tuple[Change, ...], list[PoolResult]]:
        """The changes that save on the whole load too, and what the pools without one come to then.

        Under a ceiling that is near, what one pool saves another may pay for. There the changes count together: without
        those that don't save, or the least of them while a pool without one keeps less, the rest is played again.
        """
        while won:
            after = self._on_the_whole(won, result)
            changes = tuple(self._saving(won, after, result))
            gone = {name for change in changes for name in change.pools}
            shares = self._share(won, result)
            stayed = [after.get(name, it) if shares else it for name, it in result.pools.items() if name not in gone]
            if not shares or (len(changes) == len(won) and self._spares(changes, stayed, result)):
                return changes, stayed
            if len(changes) == len(won):
                changes = tuple(it for it in changes if it is not min(changes, key=_saved))
            won = [it for it in won if it.pool.name in {change.pools[0] for change in changes}]
        return (), list(result.pools.values())

    def _on_the_whole(self, won: Sequence[Trial], result: PolicyResult) -> Mapping[str, PoolResult]:
        """What changed pools come to on the whole load, with the others where one may depend on another."""
        changed = {it.of[0].name: it for it in won}
        gone = {pool.name for it in won for pool in it.of}
        depend = self._share(won, result) or self.stage.load.node_kills
        pools, tasks = [], {}
        for pool in self.stage.fleet.pools:  # in their order: of two of one priority the first has its workers first
            it = changed.get(pool.name)
            if it is not None:
                pools.append(it.pool)
                tasks[it.pool.name] = joined([self.stage.tasks[one.name] for one in it.of])
            elif depend and pool.name not in gone:
                pools.append(pool)
                tasks[pool.name] = self.stage.tasks[pool.name]
        whole = replace(self.stage, fleet=replace(self.stage.fleet, pools=tuple(pools)), tasks=tasks)
        return measured("utilitarian", play("utilitarian", whole), whole).pools

    def _saving(self, won: Sequence[Trial], after: Mapping[str, PoolResult], result: PolicyResult) -> Iterator[Change]:
        for it in won:
            before = [result.pools[pool.name] for pool in it.of]
            if self._saves(before, [after[it.pool.name]], WORTH_SAYING):
                names, fields = tuple(pool.name for pool in it.of), differences(it.of[0], it.pool)
                yield Change(names, it.pool, fields, self._figures(before), self._figures([after[it.pool.name]]))

    def _share(self, won: Sequence[Trial], result: PolicyResult) -> bool:
        """Whether what a pool has may be missing in another one: the fleet's ceiling is near."""
        most = sum(pool.peak for pool in result.pools.values()) + sum(it.result.peak for it in won)
        ceiling = self.stage.fleet.max_workers
        return ceiling is not None and most > ceiling

    def _spares(self, changes: Sequence[Change], stayed: Sequence[PoolResult], result: PolicyResult) -> bool:
        """Whether no pool that stays keeps less than before under the changes of others, and the whole costs less."""
        before = [result.pools[it.name] for it in stayed]
        keeps = all(now <= then for now, then in zip(map(_late, stayed), map(_late, before), strict=True))
        missed = all(now <= then for now, then in zip(map(_missed, stayed), map(_missed, before), strict=True))
        return keeps and missed and self._cost(stayed) - self._cost(before) < sum(map(_saved, changes))

    def _questions(self, found: Sequence[Trial]) -> Iterator[Change]:
        """What a longer promise would bring on top, on the few days."""
        for it in found:
            if len(it.of) > 1 or it.pool.schedule or not self._in_time():
                continue
            for pool in longer_promises(it.pool):
                longer = self._step(self._tried(pool, self._few(pool.name), it.of), wakes(pool))
                if self._saves([it.result], [longer.result], WORTH_ASKING):
                    days, before, after = self._few(pool.name).days, [it.result], [longer.result]
                    figures = (self._figures(before, days), self._figures(after, days))
                    yield Change((pool.name,), longer.pool, differences(it.pool, longer.pool), *figures)

    def _few(self, *names: str) -> Scene:
        """Pools as one, alone on its first days; no node dies there, so that two plays differ by the change alone."""
        if names not in self._scenes:
            self._scenes[names] = self._first_days(names)
        return self._scenes[names]

    def _first_days(self, names: tuple[str, ...]) -> Scene:
        tasks = joined([self.stage.tasks[name] for name in names])
        days = min(self.stage.days, DAYS)
        if len(tasks.at) > MOST_TASKS:
            days = min(days, tasks.at[MOST_TASKS] / DAY)
        load = self.stage.load.model_copy(update={"node_kills": ()})
        return Scene(self.stage.fleet, load, {names[0]: until(tasks, days * DAY)}, days, self.stage.seed)

    def _tried(self, pool: Pool, alone: Scene, of: tuple[Pool, ...]) -> Trial:
        stage = replace(alone, fleet=replace(alone.fleet, pools=(pool,)))
        return Trial(pool, measured("utilitarian", play("utilitarian", stage), stage).pools[pool.name], of)

    def _cost(self, results: Sequence[PoolResult]) -> float:
        return sum(it.hours * (self.price.of(it.requests) if self.price else 1.0) for it in results)

    def _figures(self, results: Sequence[PoolResult], days: float | None = None) -> Figures:
        return Figures(
            hours=sum(it.hours for it in results),
            cost=self._cost(results),
            promised=sum(it.promises.given for it in results),
            kept=sum(it.promises.kept for it in results),
            deadlines=sum(len(it.runs) for it in results),
            met=sum(run.met for it in results for run in it.runs),
            waits=tuple((it.waits.p50, it.waits.p95) for it in results),
            starts_an_hour=sum(it.starts for it in results) / (24 * (self.stage.days if days is None else days)),
        )


def _sum(parts: Sequence[Figures]) -> Figures:
    return Figures(
        hours=sum(it.hours for it in parts),
        cost=sum(it.cost for it in parts),
        promised=sum(it.promised for it in parts),
        kept=sum(it.kept for it in parts),
        deadlines=sum(it.deadlines for it in parts),
        met=sum(it.met for it in parts),
        waits=tuple(chain.from_iterable(it.waits for it in parts)),
        starts_an_hour=sum(it.starts_an_hour for it in parts),
    )


def _saved(change: Change) -> float:
    return change.before.cost - change.after.cost


def _broken(results: Sequence[PoolResult]) -> tuple[int, ...]:
    late, missed = sum(map(_late, results)), sum(map(_missed, results))
    return late, missed, sum(it.interrupted for it in results), sum(it.lost for it in results)


def _late(result: PoolResult) -> int:
    return result.promises.given - result.promises.kept


def _missed(result: PoolResult) -> int:
    return sum(not run.met for run in result.runs)

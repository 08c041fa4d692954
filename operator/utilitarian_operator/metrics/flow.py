"""What flows through each pool and how soon it is done; what its workers use, and what workers at all times would."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry

from utilitarian_operator.api.effective import Fleet, Pool
from utilitarian_operator.api.price import Price
from utilitarian_operator.core.mode import makes_objects
from utilitarian_operator.core.moments import apart
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.plan import Figures as Look
from utilitarian_operator.core.sizing.facts import Facts, is_idle
from utilitarian_operator.core.sizing.memory import Memory, seconds_per_task
from utilitarian_operator.metrics.families import FlowFamilies, SpentFamilies
from utilitarian_operator.metrics.series import Board, Figures, FleetLabels, Gauge

FLOW = "/flow"
"""The part of a fleet's board that is shown here: no pool can be called so."""

RATES_OVER_S = 60.0
"""Rates are the mean of the last minute."""

LONGEST_GAP_S = 120.0
"""A longer time between two looks is not counted as worked: it was not seen."""

_FRESH = Memory()


class FlowMetrics:
    """The metrics of what flows through the pools of one operator.

    Args:
        registry: where what is counted is registered.
        board: where their figures are shown, and taken away.
        workers: the gauge of workers by state, of which the bounds are shown here.
        monotonic: seconds of a clock that never goes back.
        price: of a worker-hour; None tells no money.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        board: Board,
        workers: Gauge,
        monotonic: Callable[[], float],
        price: Price | None = None,
    ) -> None:
        self._board, self._workers, self._monotonic, self._price = board, workers, monotonic, price
        self._gauges, self._counted = FlowFamilies(board), SpentFamilies(registry)
        self._kept: dict[FleetLabels, dict[str, _PoolFlow]] = {}
        self._seen_at: dict[FleetLabels, float] = {}

    def looked(self, fleet: FleetLabels, look: Look) -> None:
        """Record a look.

        Args:
            fleet: namespace and name.
            look: all that was seen and decided at it.
        """
        now = self._work_goes_on(fleet)
        before, shares = self._kept.get(fleet, {}), _always_on(look.fleet)
        self._forget_pools(fleet, before.keys() - shares.keys())
        figures: dict[tuple[Gauge, tuple[str, ...]], float | None] = {
            (self._gauges.ceiling, fleet): look.fleet.max_workers
        }
        kept = self._kept[fleet] = {}
        for pool in look.fleet.pools:
            labels = (*fleet, pool.name)
            flow = kept[pool.name] = before.get(pool.name) or self._begun(fleet, pool.name)
            flow.looked(look.snapshot.pools[pool.name], look.facts[pool.name], now)
            flow.always = shares[pool.name]
            if self._price is not None:
                flow.hour_costs = self._price.of(pool.worker.resources["requests"])
            figures |= self._figures(labels, pool, look, flow, now)
        self._board.show(fleet, FLOW, figures)

    def same(self, fleet: FleetLabels) -> None:
        """Record a look at which all was as at the one before: the same workers worked on, or idled."""
        self._work_goes_on(fleet)

    def drained(self, fleet: FleetLabels, pool: str, going: Iterable[PodSnapshot], at: datetime) -> None:
        """Record workers that were let go.

        Args:
            fleet: namespace and name.
            pool: its name.
            going: as they were at the look.
            at: when their scale request was accepted.
        """
        flow = self._kept.get(fleet, {}).get(pool)
        if flow is None:
            return  # one that is led out for good has no figures any more
        for pod in going:
            if pod.marked is not None:
                self._counted.drain.observe(apart(at, pod.marked).total_seconds(), fleet, pool)
                self._counted.departing.add(flow.departed(pod.name, self._monotonic(), at - pod.marked), fleet, pool)
            if isinstance(pod.held, WorkerLoad):
                self._counted.returned.add(pod.held.reserved + pod.held.scheduled, fleet, pool)

    def forget(self, fleet: FleetLabels) -> None:
        """Drop the counters of a fleet that is gone; its figures go with the board."""
        self._kept.pop(fleet, None)
        self._seen_at.pop(fleet, None)
        self._counted.forget(fleet)

    def _begun(self, fleet: FleetLabels, pool: str) -> "_PoolFlow":
        """The counters of a pool, from its first look on: `rate` doesn't see the step from nothing to 1."""
        for one in (self._counted.drain, self._counted.departing, self._counted.returned, self._counted.always):
            one.begin(fleet, pool)
        for state in ("busy", "idle"):
            self._counted.spent.begin(fleet, pool, state)
        if self._price is not None:
            for cost in (self._counted.cost, self._counted.always_cost):
                cost.begin(fleet, pool, self._price.currency)
        return _PoolFlow()

    def _forget_pools(self, fleet: FleetLabels, gone: Iterable[str]) -> None:
        for pool in gone:
            self._counted.forget(fleet, pool)

    def _work_goes_on(self, fleet: FleetLabels) -> float:
        """Count the time since the last look to what was there at it; returns the present moment."""
        now = self._monotonic()
        seconds = now - self._seen_at.get(fleet, now)
        self._seen_at[fleet] = now
        if 0 < seconds <= LONGEST_GAP_S:
            for pool, flow in self._kept.get(fleet, {}).items():
                self._spend(fleet, pool, flow, seconds)
        return now

    def _spend(self, fleet: FleetLabels, pool: str, flow: "_PoolFlow", seconds: float) -> None:
        """Count so many seconds to what was there at the last look."""
        if flow.busy:
            self._counted.spent.add(flow.busy * seconds, fleet, pool, "busy")
        if flow.idle:
            self._counted.spent.add(flow.idle * seconds, fleet, pool, "idle")
        self._counted.always.add(flow.always * seconds, fleet, pool)
        worker_costs = flow.hour_costs * seconds / 3600
        if self._price is not None and worker_costs:
            currency = self._price.currency
            self._counted.cost.add((flow.busy + flow.idle) * worker_costs, fleet, pool, currency)
            self._counted.always_cost.add(flow.always * worker_costs, fleet, pool, currency)

    def _figures(self, labels: tuple[str, str, str], pool: Pool, look: Look, flow: "_PoolFlow", now: float) -> Figures:
        seen, facts = look.snapshot.pools[pool.name], look.facts[pool.name]
        memory = look.runs.memories.get(pool.name, _FRESH)
        task_s = seconds_per_task(pool, memory, look.snapshot.at)
        completions = flow.completed.per_second(now)
        if completions is None and not any(pod.running for pod in seen.pods):
            completions = 0.0
        return {
            (self._workers, (*labels, "min")): pool.scaling.min,
            (self._workers, (*labels, "max")): pool.scaling.max,
            (self._gauges.arrivals, labels): flow.arrived.per_second(now),
            (self._gauges.completions, labels): completions,
            (self._gauges.task, labels): task_s if memory.completions else None,
            (self._gauges.start_up, labels): memory.start_up_s,
            (self._gauges.to_drain, labels): _time_to_drain(pool, facts, task_s),
            (self._gauges.promise, labels): pool.scaling.drain_within.total_seconds(),
            (self._gauges.age, labels): _age(seen, memory, flow, look.snapshot.at, now),
        }


@dataclass(slots=True)
class _Rate:
    """What came within the last minute, by the moments of the looks."""

    counts: list[tuple[float, int]] = field(default_factory=list)
    total: int = 0

    def add(self, at: float, count: int | None) -> None:
        """Count what a look saw; None where it does not know."""
        if count is None:
            return
        if not count and self.counts and not self.counts[-1][1]:  # most pools have nothing for hours
            self.counts.pop()
        self.counts.append((at, count))
        self.total += count

    def per_second(self, now: float) -> float | None:
        """The mean of the last minute; None where no look of it knew."""
        while self.counts and now - self.counts[0][0] >= RATES_OVER_S:
            self.total -= self.counts.pop(0)[1]
        return self.total / RATES_OVER_S if self.counts else None


@dataclass(slots=True)
class _PoolFlow:
    """What is kept of one pool from look to look: its rates, and who works until the next one."""

    busy: int = 0
    idle: int = 0
    always: float = 0.0
    hour_costs: float = 0.0
    waits_since: float | None = None
    emptied: Mapping[str, float] = field(default_factory=dict)
    arrived: _Rate = field(default_factory=_Rate)
    completed: _Rate = field(default_factory=_Rate)

    def looked(self, seen: PoolSnapshot, facts: Facts, now: float) -> None:
        """Take what a look says.

        Args:
            seen: of the pool.
            facts: made from it.
            now: seconds of a clock that never goes back.
        """
        self.emptied = {pod.name: self.emptied.get(pod.name, now) for pod in seen.pods if self._holds_nothing(pod)}
        running = [pod for pod in seen.pods if pod.running]
        self.busy = sum(_is_busy(pod) for pod in running)
        self.idle = len(running) - self.busy
        self.arrived.add(now, facts.arrived)
        self.completed.add(now, facts.completed)
        waits = not isinstance(facts.ready, Unknown) and facts.ready > 0
        self.waits_since = (self.waits_since or now) if waits and not facts.serving else None

    def departed(self, pod: str, now: float, chosen: timedelta) -> float:
        """Seconds that a worker cost since it was to leave and was seen to hold nothing; 0 where it never was.

        Args:
            pod: of the worker.
            now: seconds of a clock that never goes back.
            chosen: for how long it was to leave, by the clock on the wall, which may have been set.
        """
        return max(min(now - self.emptied.get(pod, now), chosen.total_seconds()), 0.0)

    def _holds_nothing(self, pod: PodSnapshot) -> bool:
        """By its own word, or the last that it gave."""
        return pod.held.nothing if isinstance(pod.held, WorkerLoad) else pod.name in self.emptied


def _is_busy(pod: PodSnapshot) -> bool:
    """Whether it has a task, or may have: one that is not ready yet has none."""
    return (pod.ready or not pod.staying) and not is_idle(pod)


def _always_on(fleet: Fleet) -> Mapping[str, float]:
    """Workers of each pool that always has as many as it may; none of a fleet that is only previewed."""
    if not makes_objects(fleet.mode):
        return {pool.name: 0.0 for pool in fleet.pools}
    most = sum(pool.scaling.max for pool in fleet.pools)
    share = min(1.0, fleet.max_workers / most) if fleet.max_workers is not None and most else 1.0
    return {pool.name: max(float(pool.scaling.min), pool.scaling.max * share) for pool in fleet.pools}


def _time_to_drain(pool: Pool, facts: Facts, seconds_per_task: float) -> float | None:
    """Seconds until what is there is done by those that serve; None where that can't be said."""
    if facts.at_least is None:
        return None
    slots = min(facts.serving * pool.worker.concurrency, facts.at_least)
    if not slots:
        return None if facts.at_least else 0.0
    return max(facts.at_least / slots, 1.0) * seconds_per_task


def _age(seen: PoolSnapshot, memory: Memory, flow: _PoolFlow, at: datetime, now: float) -> float | None:
    """Seconds that the oldest waiting message has waited, as far as it was seen; None where that is not known."""
    if isinstance(seen.ready, Unknown):
        return None
    if not seen.ready:
        return 0.0
    if flow.waits_since is None:
        return None
    remembered = 0.0 if memory.waiting_since is None else apart(at, memory.waiting_since).total_seconds()
    return max(now - flow.waits_since, remembered)

"""The metrics of fleets and pools; a label carries a name, never a sentence."""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, get_args

from prometheus_client import CollectorRegistry

from utilitarian_operator.api.names import BEAT
from utilitarian_operator.api.price import Price
from utilitarian_operator.api.resource import Mode
from utilitarian_operator.core.diagnosis.findings import REASONS, Finding
from utilitarian_operator.core.diagnosis.pod_losses import Cause
from utilitarian_operator.core.mode import makes_objects
from utilitarian_operator.core.observation.model.figures import Source, Unknown
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present
from utilitarian_operator.core.sizing.decision import Decision, Rule
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.usage import Usage
from utilitarian_operator.metrics.conditions import CONDITIONS, ConditionMetrics
from utilitarian_operator.metrics.families import (
    CountedFamilies,
    FleetFamilies,
    PoolFamilies,
    QueueFamilies,
    WaitingFamilies,
)
from utilitarian_operator.metrics.flow import FLOW, FlowMetrics
from utilitarian_operator.metrics.process import ProcessMetrics
from utilitarian_operator.metrics.runs import CAME, RUNS, RunMetrics
from utilitarian_operator.metrics.series import Board, Counter, Figures
from utilitarian_operator.metrics.series import FleetLabels as Fleet

AGES = "/ages"
"""The part of a fleet's board that is shown at each look: no pool can be called so."""


class Metrics:
    """All metrics of one operator.

    Args:
        registry: where they are registered.
        monotonic: seconds of a clock that never goes back.
        price: of a worker-hour; None tells no money.
    """

    def __init__(self, registry: CollectorRegistry, monotonic: Callable[[], float], price: Price | None = None) -> None:
        self._board = board = Board(registry)
        self._queues, self._pools, self._waiting = QueueFamilies(board), PoolFamilies(board), WaitingFamilies(board)
        self._fleets, self._counts = FleetFamilies(registry, board, monotonic), CountedFamilies(registry)
        self._conditions = ConditionMetrics(board)
        self._decided = dict[Fleet, list[tuple[str, str]]]()
        self._shown: dict[Fleet, dict[str, _Shown]] = {}
        self._counted: dict[Fleet, set[str]] = defaultdict(set)
        self._unseen, self._told, self._begun = set[Fleet](), set[Fleet](), set[Fleet]()
        self.runs = RunMetrics(registry, board)
        self.flow = FlowMetrics(registry, board, self._pools.workers, monotonic, price)
        self.process = ProcessMetrics(registry)

    @contextlib.contextmanager
    def look(self, fleet: Fleet) -> Iterator[None]:
        """Around one look at a fleet: if it comes to nothing, the figures of the last one are shown no more."""
        if fleet not in self._begun:  # where no look ever succeeds, there is none from which its age could be told
            self._begun.add(fleet)
            self._fleets.tick_age.from_now(fleet)
        self._unseen.add(fleet)
        self._told.discard(fleet)
        try:
            yield
        finally:
            if fleet in self._unseen:
                self._unseen.discard(fleet)
                self._shown.pop(fleet, None)
                self._board.keep_only(fleet, {CONDITIONS} if fleet in self._told else ())

    def conditions(self, fleet: Fleet, conditions: Sequence[Mapping[str, Any]]) -> None:
        """Record the conditions of a fleet, also of one that was never let run.

        Args:
            fleet: namespace and name.
            conditions: as they stand in a status.
        """
        self._told.add(fleet)
        self._conditions.told(fleet, conditions)

    def looked(
        self,
        fleet: Fleet,
        snapshot: FleetSnapshot,
        decisions: Mapping[str, Decision],
        findings: Mapping[str, Sequence[Finding]],
        mode: Mode = "Auto",
        memories: Mapping[str, Memory] = MappingProxyType({}),
    ) -> None:
        """Record what was seen and decided; what this look says nothing of is shown no more.

        Args:
            fleet: namespace and name.
            snapshot: of this look.
            decisions: by pool name.
            findings: what is wrong with each pool, by its name.
            mode: of the fleet; while it is only previewed, its beat runs elsewhere.
            memories: what was learned, by pool name.
        """
        self._unseen.discard(fleet)
        self._keep_only(fleet, snapshot)
        self._board.show(fleet, "", self._whole(fleet, snapshot, mode))
        self._show_ages(fleet, snapshot.sources)
        self.runs.came(fleet, snapshot)
        before = self._shown.get(fleet, {})
        now = self._shown[fleet] = {}
        self._decided[fleet] = [(name, decisions[name].rule) for name in snapshot.pools]
        self._count_decisions(fleet)
        for name, pool in snapshot.pools.items():
            reasons = frozenset(it.reason for it in findings.get(name, ()))
            decision = decisions[name]
            held = waits_on_purpose(pool, decision)
            usage = memories[name].usage if name in memories else Usage()
            finishing = pool.finishing(snapshot.at)
            shown = now[name] = _Shown(pool, decision.replicas, held, decision.due, reasons, usage, finishing)
            # Most pools of a large fleet are as they were a second ago, and setting it all anew would take longest.
            if before.get(name) != shown:
                self._begin(fleet, name)
                self._board.show(fleet, name, self._pool((*fleet, name), shown))
        for name, pool in snapshot.leftover.items():
            self._board.show(fleet, name, self._workers_of((*fleet, name), pool, 0, pool.finishing(snapshot.at)))

    def same(self, fleet: Fleet, sources: Iterable[Source]) -> None:
        """Record a look at which all was as at the one before: the same was decided, and what is shown holds still.

        Args:
            fleet: namespace and name.
            sources: how fresh each is.
        """
        self._unseen.discard(fleet)
        self._show_ages(fleet, sources)
        self.flow.same(fleet)
        self._count_decisions(fleet)

    def _count_decisions(self, fleet: Fleet) -> None:
        for pool, rule in self._decided.get(fleet, ()):
            self._counts.decisions.add(1, fleet, pool, rule)

    def _show_ages(self, fleet: Fleet, sources: Iterable[Source]) -> None:
        ages: Figures = {
            (self._fleets.sight_age, (*fleet, it.name)): None if it.age is None else it.age.total_seconds()
            for it in sources
        }
        self._board.show(fleet, AGES, ages)

    def _keep_only(self, fleet: Fleet, snapshot: FleetSnapshot) -> None:
        """Show nothing of pools that are neither asked for nor led out any more, their counters included."""
        there = {*snapshot.pools, *snapshot.leftover}
        self._board.keep_only(fleet, {"", AGES, RUNS, CAME, CONDITIONS, FLOW, *there})
        gone = self._counted[fleet] - there - ({BEAT} if snapshot.beat is not None else set())
        for pool in gone:
            self._counts.wake.forget(fleet, pool)
            for counter in self._counters:
                counter.forget(fleet, pool)
        self._counted[fleet] = (self._counted[fleet] - gone) | there

    def _whole(self, fleet: Fleet, snapshot: FleetSnapshot, mode: Mode) -> Figures:
        beat = snapshot.beat if makes_objects(mode) else None
        return {
            (self._fleets.reachable, fleet): snapshot.broker is None,
            (self._fleets.beat, fleet): None if beat is None else beat.ready,
            **{(self._fleets.mode, (*fleet, it)): it == mode for it in get_args(Mode)},
        }

    def _pool(self, pool: tuple[str, str, str], shown: "_Shown") -> Figures:
        seen = shown.seen
        if seen.pods:
            self.lost(pool[:2], pool[2])
        figures = dict(self._workers_of(pool, seen, shown.wanted, shown.finishing))
        figures[self._waiting.held, pool] = shown.held
        figures[self._waiting.due, pool] = None if shown.due is None else shown.due.timestamp()
        figures[self._waiting.cpu, pool], figures[self._waiting.memory, pool] = (
            shown.usage.cores,
            shown.usage.peak_memory,
        )
        for state in ("active", "reserved", "scheduled"):
            figures[self._pools.tasks, (*pool, state)] = seen.said(state)
        for reason in REASONS:
            figures[self._pools.ailing, (*pool, reason)] = reason in shown.reasons
        for queue, it in seen.queues.items():
            if isinstance(it, Present):  # what is not seen has no figure; the last one would look like the present one
                figures[self._queues.messages, (*pool, queue, "ready")] = it.ready
                figures[self._queues.messages, (*pool, queue, "unacked")] = it.unacked
                figures[self._queues.consumers, (*pool, queue)] = it.consumers
                figures[self._queues.foreign, (*pool, queue)] = seen.foreign.get(queue, 0)
        return figures

    def _workers_of(self, pool: tuple[str, str, str], seen: PoolSnapshot, wanted: int, finishing: int) -> Figures:
        return {
            (self._pools.workers, (*pool, "wanted")): wanted,
            (self._pools.workers, (*pool, "ready")): seen.ready_workers,
            (self._pools.workers, (*pool, "starting")): max(seen.current - seen.ready_workers, 0),
            (self._pools.workers, (*pool, "draining")): seen.draining,
            (self._pools.workers, (*pool, "finishing")): finishing,
        }

    def _begin(self, fleet: Fleet, pool: str) -> None:
        """Show the counters of a pool from its first look on: `rate` doesn't see the step from nothing to 1."""
        self._counts.wake.begin(fleet, pool)
        for counted in (self._counts.slow, self._counts.wrong, self._counts.replaced, self._counts.dropped):
            counted.begin(fleet, pool)
        for direction in ("up", "down"):
            self._counts.scales.begin(fleet, pool, direction)

    def ticked(self, fleet: Fleet, took: timedelta) -> None:
        """Record that a look was completed."""
        self._fleets.tick.observe(took.total_seconds(), fleet)
        self._fleets.tick_age.from_now(fleet)

    @property
    def fleets(self) -> Collection[Fleet]:
        """Those of which something is shown."""
        return self._begun

    def scaled(self, fleet: Fleet, pool: str, *, up: bool) -> None:
        """Count a scale request."""
        self._counted[fleet].add(pool)
        self._counts.scales.add(1, fleet, pool, "up" if up else "down")

    def drained_slowly(self, fleet: Fleet, pool: str) -> None:
        """Count a worker that still holds something after the pool's `drainTimeout`."""
        self._counted[fleet].add(pool)
        self._counts.slow.add(1, fleet, pool)

    def wrong_victims(self, fleet: Fleet, pool: str, number: int) -> None:
        """Count workers that a step down took although others had been released for it."""
        self._counted[fleet].add(pool)
        self._counts.wrong.add(number, fleet, pool)

    def replaced(self, fleet: Fleet, pool: str) -> None:
        """Count a stuck worker that was replaced."""
        self._counted[fleet].add(pool)
        self._counts.replaced.add(1, fleet, pool)

    def dropped(self, fleet: Fleet, pool: str, number: int) -> None:
        """Count tasks that left a queue while nothing consumed it."""
        self._counted[fleet].add(pool)
        self._counts.dropped.add(number, fleet, pool)

    def woke(self, fleet: Fleet, pool: str, after: timedelta) -> None:
        """Record how long a pool that slept had work waiting before it was woken."""
        self._counted[fleet].add(pool)
        self._counts.wake.observe(after.total_seconds(), fleet, pool)

    def lost(self, fleet: Fleet, pool: str, cause: Cause | None = None) -> None:
        """Count a lost worker; without a cause show the counters, which begin with a pool's first worker."""
        self._counted[fleet].add(pool)
        for one in Cause if cause is None else ():
            self._counts.lost.begin(fleet, pool, one)
        if cause is not None:
            self._counts.lost.add(1, fleet, pool, cause)

    def forget(self, fleet: Fleet) -> None:
        """Drop every series of a fleet that is gone: a gauge that stays at its last value tells a lie."""
        self._board.forget(fleet)
        self._fleets.tick_age.forget(fleet)
        for counter in self._counters:
            counter.forget(fleet)
        for histogram in (self._counts.wake, self._fleets.tick):
            histogram.forget(fleet)
        self._shown.pop(fleet, None)
        self._decided.pop(fleet, None)
        self._counted.pop(fleet, None)
        self._told.discard(fleet)
        self._begun.discard(fleet)
        self.runs.forget(fleet)
        self.flow.forget(fleet)

    @property
    def _counters(self) -> tuple[Counter, ...]:
        return (
            self._counts.replaced,
            self._counts.decisions,
            self._counts.scales,
            self._counts.slow,
            self._counts.wrong,
            self._counts.lost,
            self._counts.dropped,
        )


@dataclass(frozen=True, slots=True)
class _Shown:
    """All that the gauges of one pool rest on; `held`: tasks that no worker is asked for, `due`: until when.

    `finishing`: workers that are being deleted and have time.
    """

    seen: PoolSnapshot
    wanted: int
    held: int | None
    due: datetime | None
    reasons: frozenset[str]
    usage: Usage
    finishing: int


def waits_on_purpose(pool: PoolSnapshot, decision: Decision) -> int | None:
    """Ready messages that no worker is asked for, on purpose.

    They wait for a run, for their own time or until they are due, they are another resource's, or a person has drained
    the pool. None where it is not known how much is ready.
    """
    if isinstance(pool.ready, Unknown):
        return None
    waits = decision.trail[0].after == 0 or decision.due is not None or decision.rule == Rule.QUEUE_TAKEN
    drained = not decision.replicas and any(step.rule == Rule.OVERRIDE and not step.after for step in decision.trail)
    return pool.ready if waits or drained else 0

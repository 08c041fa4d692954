"""Plays the live decision engine over the pools of a fleet.

The operator looks each second. Here the engine is asked at those seconds at which it could say something else: when
tasks come to a pool that sleeps or has more work than slots, when a worker becomes ready, when a schedule, idleAfter or
stabilization is due, and at a pace that follows the backlog in between. docs/simulate.md has the reasons; a test
compares a day with one that is looked at each second.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime
from heapq import heappop, heappush
from math import ceil, floor, inf

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.changed import changed
from utilitarian_operator.core.draining.steps import largest_step
from utilitarian_operator.core.observation.counted.start_ups import MOST_AT_ONCE
from utilitarian_operator.core.sizing.decision import Decision
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import BUCKETS, SHORTEST_WINDOW, Memory, seconds_per_task, with_demand
from utilitarian_operator.core.sizing.pools import FleetContext, decide_fleet
from utilitarian_operator.core.sizing.rule_input import arrival_window
from utilitarian_operator.simulation.lane import TICK_S, Lane
from utilitarian_operator.simulation.next_look import SLOWEST_PACE_S, Calendar
from utilitarian_operator.simulation.pool_model import Workers
from utilitarian_operator.simulation.worker import SERVING, STARTING

LOOKS_TO_REMEMBER = 20
"""Looks at several workers within `stabilization`: fewer miss demands that would have kept them all."""

LEARNING = 0.03
"""Part by which the seconds per task have moved since the last look: more is worth another look soon."""

_NOTHING = Facts(current=0, ready=0, work=0, at_least=0, idle=0)
_SHORTEST_BUCKET_S = SHORTEST_WINDOW.total_seconds() / BUCKETS


class Engine:
    """The live engine over a fleet.

    Args:
        fleet: what is asked for.
        workers: the model of each pool, by name.
        begins: the start of the load.
        until: its end, seconds.
        looks: when to look, seconds; else when the engine could decide something else.
    """

    def __init__(
        self,
        fleet: Fleet,
        workers: Mapping[str, Workers],
        begins: datetime,
        until: float,
        looks: Sequence[float] | None = None,
    ) -> None:
        self.fleet, self.begins, self.until, self.looks = fleet, begins, until, looks
        self._calendar, self._context = Calendar(begins), FleetContext(begins, in_words=False)
        self.lanes = {pool.name: Lane(pool, workers[pool.name]) for pool in fleet.pools}
        self._models = [lane.workers for lane in self.lanes.values()]
        first = looks[0] if looks else 0.0
        self._departing: dict[str, Lane] = {}
        self._agenda = [(first, index, pool.name) for index, pool in enumerate(fleet.pools)]

    @property
    def next_look(self) -> float:
        """When a pool is looked at next."""
        return self._agenda[0][0]

    def advance(self, until: float, alone_until: float | None = None) -> None:
        """Look at the pools, each at its times, up to a moment; those that are due together share the ceiling.

        Args:
            until: the moment, seconds.
            alone_until: until when nothing from outside happens to the workers, so that a model may be played so far
                ahead; `until` unless given.
        """
        alone_until = until if alone_until is None else alone_until
        while self._agenda[0][0] < until:
            now, due = self._agenda[0][0], []
            while self._agenda and self._agenda[0][0] == now:
                due.append(heappop(self._agenda)[1:])
            lanes = [self.lanes[name] for _, name in due]
            self._act(lanes, self._decided(lanes, now), now)
            for (index, name), lane in zip(due, lanes, strict=True):
                heappush(self._agenda, (self._next_look(lane, now, alone_until), index, name))

    def look_again(self, now: float) -> None:
        """Have every pool looked at again soon: something happened to it from outside."""
        self._agenda = sorted((min(at, floor(now) + TICK_S), index, name) for at, index, name in self._agenda)

    def _decided(self, lanes: list[Lane], now: float) -> list[Decision]:
        """See some pools and decide for them, beside what was last decided for the others."""
        self._see_off(now)
        seen, memories = {}, {}
        for lane in lanes:
            lane.workers.advance(now)
            memories[lane.pool.name], since = self._caught_up(lane, now)
            seen[lane.pool.name] = self._facts(lane, since)
        context = changed(self._context, now=self._calendar.moment(now))
        sizes = decide_fleet(self.fleet, seen, memories, context, self.lanes)
        for lane in lanes:
            name, lane.looked_at = lane.pool.name, now
            lane.own, lane.memory = sizes.own[name], sizes.memories[name]
        return [sizes.decisions[lane.pool.name] for lane in lanes]

    def _act(self, lanes: list[Lane], decisions: list[Decision], now: float) -> None:
        """Do what was decided."""
        for lane, decision in zip(lanes, decisions, strict=True):
            workers, moved = lane.workers, decision.replicas != lane.workers.current
            self._set_pace(lane, moved=moved, now=now)
            if moved:
                lane.rules[decision.rule] = lane.rules.get(decision.rule, 0) + 1
                workers.resize(max(decision.replicas, _fewest(workers)), now)
                self._departing[lane.pool.name] = lane
            lane.samples.append((now, workers.ready + workers.held(), len(workers.alive)))
        self._see_who_start()

    def _see_off(self, now: float) -> None:
        """Workers that are gone hold no place under the ceiling, also where their pool is not looked at now."""
        for name, lane in list(self._departing.items()):
            lane.workers.advance(now)
            if not lane.draining:
                del self._departing[name]

    def _see_who_start(self) -> None:
        """Workers that start together may slow each other down: their start-ups are distinguished."""
        if count := sum([workers.in_each[STARTING] for workers in self._models]):
            for workers in self._models:
                workers.see_start(count)

    def _set_pace(self, lane: Lane, *, moved: bool, now: float) -> None:
        """Look often after a change, and while the seconds per task are being learned; ever more rarely after."""
        s = seconds_per_task(lane.pool, lane.memory, self._calendar.moment(now))
        learning = abs(s - lane.seconds) > LEARNING * lane.seconds
        calm = lane.pool.scaling.stabilization.total_seconds() / LOOKS_TO_REMEMBER
        slowest = min(SLOWEST_PACE_S, max(calm, TICK_S)) if lane.workers.current > 1 else SLOWEST_PACE_S
        lane.pace, lane.seconds = TICK_S if moved or learning else min(lane.pace * 2, slowest), s

    def _facts(self, lane: Lane, since: int) -> Facts:
        workers = lane.workers
        ready, arrived, used = workers.ready, workers.arrived, workers.used
        work = ready + workers.held()
        facts = changed(
            _NOTHING,
            current=workers.current,
            ready=ready,
            work=work,
            at_least=work,
            idle=workers.idle,
            running=workers.running,
            deferred=len(workers.deferred),
            arrived=arrived - since,
            completed=workers.completed - lane.completed,
            slot_seconds=max(used - lane.used, 0.0),
            serving=workers.in_each[SERVING],
            longest_s=workers.oldest,
            draining=lane.draining,
            returnable=lane.returnable,
            first_due=self._first_due(workers),
        )
        if workers.started_up:
            facts = _with_starts(facts, workers)
        lane.arrived, lane.completed, lane.used = arrived, workers.completed, used
        return facts

    def _first_due(self, workers: Workers) -> datetime | None:
        """The first ETA of the tasks that wait for theirs in a worker."""
        if not workers.deferred:
            return None
        return self._calendar.moment(min([workers.tasks.eta[k] for k in workers.deferred]))

    def _caught_up(self, lane: Lane, now: float) -> tuple[Memory, int]:
        """The memory as looks at each second would have left it, and how many tasks came before the last second."""
        memory, workers = lane.memory, lane.workers
        if not workers.current and memory.looked_at is not None:
            memory = changed(memory, looked_at=self._calendar.moment(now - TICK_S))
        if lane.coasted:
            memory = with_demand(memory, 1, lane.pool.scaling.stabilization, self._calendar.moment(workers.busy_until))
            lane.coasted = False
        if now - lane.looked_at <= _SHORTEST_BUCKET_S:
            return memory, lane.arrived
        window = arrival_window(lane.pool, memory, self._calendar.moment(now))
        length = window.total_seconds() / BUCKETS
        if now - lane.looked_at <= length:
            return memory, lane.arrived
        begin = max(now - TICK_S - window.total_seconds(), lane.looked_at)
        edges = [begin + length * i for i in range(ceil((now - TICK_S - begin) / length))] + [now - TICK_S]
        counts = [workers.arrived_by(edge) for edge in edges]
        new = [
            (self._calendar.moment(edge), b - a)
            for edge, a, b in zip(edges, counts, counts[1:], strict=False)
            if b - a > 0
        ]
        return changed(
            memory,
            arrivals=(*memory.arrivals, *new),
            busy_since=None if workers.emptied > lane.looked_at else memory.busy_since,
            idle_since=None if counts[-1] > lane.arrived else memory.idle_since,
        ), counts[-1]

    def _next_look(self, lane: Lane, now: float, until: float) -> float:
        if self.looks is None:
            return max(self._calendar.next_change(lane, now, until), now + TICK_S)
        number = bisect_right(self.looks, now)
        return self.looks[number] if number < len(self.looks) else inf


def _with_starts(facts: Facts, workers: Workers) -> Facts:
    """The facts with the starts since the last look, each told once."""
    starts = [[s for s, n in workers.started_up if (n > MOST_AT_ONCE) is together] for together in (False, True)]
    workers.started_up.clear()
    return changed(facts, started_up=tuple(starts[0]), started_together=tuple(starts[1]))


def _fewest(workers: Workers) -> int:
    """How few may stay after this look: an operator begins to drain a part of them at a time."""
    return workers.current - largest_step(len(workers.alive))

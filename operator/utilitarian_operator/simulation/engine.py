"""Plays the live decision engine over the pools of a fleet.

The operator looks each second. Here the engine is asked at those seconds at which it could say something else: when
tasks come to a pool that sleeps or has more work than slots, when a worker becomes ready, when a schedule, idleAfter or
stabilization is due, and at a pace that follows the backlog in between. docs/simulate.md has the reasons; a test
compares a day with one that is looked at each second.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from heapq import heappop, heappush
from math import ceil, floor, inf
from operator import itemgetter

from utilitarian_operator.api.effective import Fleet, Pool
from utilitarian_operator.core.draining.steps import largest_step
from utilitarian_operator.core.observation.start_ups import MOST_AT_ONCE
from utilitarian_operator.core.sizing import when_due
from utilitarian_operator.core.sizing.decision import Decision, Rule, Step, start
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import BUCKETS, Memory, seconds_per_task, start_up, with_demand
from utilitarian_operator.core.sizing.pools import FleetContext, decide_pool, together
from utilitarian_operator.core.sizing.rules import FIRST_GUESS_START_UP, arrival_window
from utilitarian_operator.core.sizing.runs import next_start, tolerance, window
from utilitarian_operator.simulation.pool_model import Workers
from utilitarian_operator.simulation.worker import State

TICK_S = 1.0
SLOWEST_PACE_S = 30.0
"""Seconds between two looks at a pool that is busy and needs nothing."""

LOOKS_TO_REMEMBER = 20
"""Looks at several workers within `stabilization`: fewer miss demands that would have kept them all."""

DEPARTURE_S = 3.0
"""Seconds that a worker costs after it has nothing more to do: marked, told, seen empty and released, a look each."""

LOOKS_BEFORE_SURPLUS = 4
"""Looks within the time after which, at the present pace, a worker would be one too many."""

LEARNING = 0.03
"""Part by which the seconds per task have moved since the last look: more is worth another look soon."""

GROWN = 1.1
"""Times the work of the last look: more is worth another look at once."""


NOT_LOOKED_AT = start(Step(Rule.DEMAND, 0, 0, "not looked at yet"))


@dataclass(slots=True)
class Lane:
    """One pool as it is played.

    Args:
        pool: the effective spec.
        workers: the model.
        memory: the engine's.
        decision: the last.
        opens: when the next schedule opens, seconds.
    """

    pool: Pool
    workers: Workers
    memory: Memory = field(default_factory=Memory)
    decision: Decision | None = None
    opens: float = -inf
    looked_at: float = 0.0
    arrived: int = 0
    completed: int = 0
    used: float = 0.0
    pace: float = TICK_S
    seconds: float = 0.0
    coasted: bool = False
    rules: dict[str, int] = field(default_factory=dict)
    samples: list[tuple[float, int, int]] = field(default_factory=list)


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
        self.lanes = {pool.name: Lane(pool, workers[pool.name]) for pool in fleet.pools}
        first = looks[0] if looks else 0.0
        self._agenda = [(first, index, pool.name) for index, pool in enumerate(fleet.pools)]

    @property
    def next_look(self) -> float:
        """When a pool is looked at next."""
        return self._agenda[0][0]

    def advance(self, until: float) -> None:
        """Look at the pools, each at its times, up to a moment; those that are due together share the ceiling."""
        while self._agenda[0][0] < until:
            now, due = self._agenda[0][0], []
            while self._agenda and self._agenda[0][0] == now:
                due.append(heappop(self._agenda)[1:])
            lanes = [self.lanes[name] for _, name in due]
            for lane in lanes:
                self._look(lane, now)
            self._act(lanes, now)
            for (index, name), lane in zip(due, lanes, strict=True):
                heappush(self._agenda, (self._next_look(lane, now, until), index, name))

    def look_again(self, now: float) -> None:
        """Have every pool looked at again soon: something happened to it from outside."""
        self._agenda = sorted((min(at, floor(now) + TICK_S), index, name) for at, index, name in self._agenda)

    def _moment(self, seconds: float) -> datetime:
        return self.begins + timedelta(seconds=seconds)

    def _seconds(self, moment: datetime) -> float:
        return (moment - self.begins).total_seconds()

    def _look(self, lane: Lane, now: float) -> None:
        """See a pool and decide for it by itself."""
        lane.workers.advance(now)
        memory, since = self._caught_up(lane, now)
        facts = self._facts(lane, since)
        lane.decision, lane.memory = decide_pool(lane.pool, facts, memory, FleetContext(self._moment(now)))
        lane.looked_at = now

    def _act(self, lanes: list[Lane], now: float) -> None:
        """Do what was decided, within the fleet's ceiling."""
        for lane, decision in zip(lanes, self._shared(lanes, now), strict=True):
            workers, moved = lane.workers, decision.replicas != lane.workers.current
            self._set_pace(lane, moved=moved, now=now)
            if moved:
                lane.rules[decision.rule] = lane.rules.get(decision.rule, 0) + 1
                workers.resize(max(decision.replicas, _fewest(workers)), now)
            lane.samples.append((now, workers.ready + workers.held(), len(workers.alive)))
        self._see_who_start()

    def _see_who_start(self) -> None:
        """Workers that start together may slow each other down: their start-ups are told apart."""
        starting = [it for lane in self.lanes.values() for it in lane.workers.in_state(State.STARTING)]
        for worker in starting:
            worker.at_once = max(worker.at_once, len(starting))

    def _set_pace(self, lane: Lane, *, moved: bool, now: float) -> None:
        """Look often after a change, and while the seconds per task are being learned; ever more rarely after."""
        s = seconds_per_task(lane.pool, lane.memory, self._moment(now))
        learning = abs(s - lane.seconds) > LEARNING * lane.seconds
        calm = lane.pool.scaling.stabilization.total_seconds() / LOOKS_TO_REMEMBER
        slowest = min(SLOWEST_PACE_S, max(calm, TICK_S)) if lane.workers.current > 1 else SLOWEST_PACE_S
        lane.pace, lane.seconds = TICK_S if moved or learning else min(lane.pace * 2, slowest), s

    def _shared(self, lanes: list[Lane], now: float) -> list[Decision]:
        """The decisions within the fleet's ceiling, beside the last ones of the other pools."""
        own = {name: lane.decision or NOT_LOOKED_AT for name, lane in self.lanes.items()}
        ceiling = self.fleet.max_workers
        if self.fleet.mode == "Paused" or (ceiling is not None and self._asked(own) > ceiling):
            current = {name: lane.workers.current for name, lane in self.lanes.items()}
            own = together(
                self.fleet,
                own,
                current,
                {name: _going(lane.workers) for name, lane in self.lanes.items()},
                now=self._moment(now),
            )
        return [own[lane.pool.name] for lane in lanes]

    def _asked(self, decisions: Mapping[str, Decision]) -> int:
        """Workers wanted, or there still, and those that leave."""
        going = sum(_going(lane.workers) for lane in self.lanes.values())
        return going + sum(max(it.replicas, self.lanes[name].workers.current) for name, it in decisions.items())

    def _facts(self, lane: Lane, since: int) -> Facts:
        workers = lane.workers
        ready, arrived, used = workers.ready, workers.arrived, workers.used
        work = ready + workers.held()
        facts = Facts(
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
            serving=workers.count(State.SERVING),
            longest=workers.oldest,
            started_up=tuple(seconds for seconds, at_once in workers.started_up if at_once <= MOST_AT_ONCE),
            started_together=tuple(seconds for seconds, at_once in workers.started_up if at_once > MOST_AT_ONCE),
            draining=_going(workers),
            first_due=min((self._moment(workers.tasks.eta[k]) for k in workers.deferred), default=None),
        )
        workers.started_up.clear()
        lane.arrived, lane.completed, lane.used = arrived, workers.completed, used
        return facts

    def _caught_up(self, lane: Lane, now: float) -> tuple[Memory, int]:
        """The memory as looks at each second would have left it, and how many tasks came before the last second."""
        memory, workers = lane.memory, lane.workers
        if not workers.current and memory.looked_at is not None:
            memory = replace(memory, looked_at=self._moment(now - TICK_S))
        if lane.coasted:
            memory = with_demand(memory, 1, lane.pool.scaling.stabilization, self._moment(workers.busy_until))
            lane.coasted = False
        window = arrival_window(lane.pool, memory, self._moment(now))
        length = window.total_seconds() / BUCKETS
        if now - lane.looked_at <= length:
            return memory, lane.arrived
        begin = max(now - TICK_S - window.total_seconds(), lane.looked_at)
        edges = [begin + length * i for i in range(ceil((now - TICK_S - begin) / length))] + [now - TICK_S]
        counts = [workers.arrived_by(edge) for edge in edges]
        new = [(self._moment(edge), b - a) for edge, a, b in zip(edges, counts, counts[1:], strict=False) if b - a > 0]
        return replace(
            memory,
            arrivals=(*memory.arrivals, *new),
            busy_since=None if workers.emptied > lane.looked_at else memory.busy_since,
            idle_since=None if counts[-1] > lane.arrived else memory.idle_since,
        ), counts[-1]

    # When to look next.

    def _next_look(self, lane: Lane, now: float, until: float) -> float:
        if self.looks is None:
            return max(self._next_change(lane, now, until), now + TICK_S)
        number = bisect_right(self.looks, now)
        return self.looks[number] if number < len(self.looks) else inf

    def _next_change(self, lane: Lane, now: float, until: float) -> float:
        workers, known = lane.workers, min(self._known(lane, now), until)
        if not workers.current:
            # What draining workers end belongs to the past, and must be learned before a new busy period begins.
            ends = _tick(workers.last_end) if workers.running else inf
            sleeps = lane.memory.eta_sleep is not None
            arrives = _tick(workers.next_arrival) if sleeps or not workers.ready else inf
            if workers.ready and not sleeps and when_due.applies(lane.pool, lane.memory):
                return min(known, ends, self._due(lane, now))
            return min(known, ends, arrives, now + SLOWEST_PACE_S if workers.ready and not sleeps else inf)
        if not workers.ready and self._leaves_when_served(lane, now):
            return min(known, self._while_served(lane, now))
        if workers.arrived == workers.completed + len(workers.lost) and not workers.deferred:
            return self._while_empty(lane, now, known)
        if self._may_coast(lane):
            return self._coasted(lane, known)
        return min(known, self._while_busy(lane, now))

    def _due(self, lane: Lane, now: float) -> float:
        """The first look at which a sleeping pool's worker is due, with all that will have come until then."""
        workers = lane.workers
        low, high = now, now + lane.pool.scaling.drain_within.total_seconds()
        while high - low > TICK_S:
            middle = float(floor((low + high) / 2))
            waiting = workers.ready + workers.held() + workers.arrived_by(middle) - workers.arrived
            due = when_due.due(lane.pool, lane.memory, waiting, lane.seconds)
            if due is None:
                return now + SLOWEST_PACE_S
            low, high = (low, middle) if middle >= self._seconds(due) else (middle, high)
        return float(ceil(high))

    def _leaves_when_served(self, lane: Lane, now: float) -> bool:
        """Whether the pool leaves as soon as its queue is empty, so that each look at it counts."""
        pool, memory, moment = lane.pool, lane.memory, self._moment(now)
        if not when_due.applies(pool, memory) or not lane.workers.count(State.SERVING):
            return False
        if not (when_due.has_room(pool, memory) or when_due.learns(memory, moment)):
            return False
        return when_due.sleep_pays(pool, memory, lane.seconds, arrival_window(pool, memory, moment), moment)

    def _while_served(self, lane: Lane, now: float) -> float:
        """A pool that leaves when its queue is empty: at the next look, or when its long tasks have ended."""
        workers, longest = lane.workers, when_due.longest_start_up(lane.pool, lane.memory) or 0.0
        if lane.seconds <= longest or not workers.running:
            return now + TICK_S
        return min(_tick(workers.last_end), _tick(workers.next_arrival))

    def _known(self, lane: Lane, now: float) -> float:
        """The next moment that is known by the calendar: a schedule opens, a run begins or may end."""
        if lane.pool.schedule and lane.opens <= now:
            lane.opens = min(
                self._seconds(next_start(schedule, self._moment(now) + schedule.warm_up) - schedule.warm_up)
                for schedule in lane.pool.schedule
            )
        moments = [lane.opens] if lane.pool.schedule else []
        sleep = lane.memory.eta_sleep
        moments += (
            [_tick(self._seconds(sleep.first_due) - start_up(lane.memory, FIRST_GUESS_START_UP))] if sleep else []
        )
        for run in lane.memory.runs:
            start = self._seconds(run.start)
            schedule = next(schedule for schedule in lane.pool.schedule if schedule.name == run.name)
            waits = (tolerance(schedule, run.start), window(schedule, run.start))
            moments += [start, *(start + wait.total_seconds() for wait in waits)]
        return min((moment for moment in moments if moment > now), default=inf)

    def _while_empty(self, lane: Lane, now: float, known: float) -> float:
        """A pool without work changes at the next task, or when its workers have stood idle long enough."""
        workers = lane.workers
        idle_since = self._seconds(lane.memory.idle_since) if lane.memory.idle_since else now
        patience = lane.pool.scaling.idle_after.total_seconds()
        if workers.current == 1 and self._may_coast(lane) and now < idle_since + patience:
            if workers.next_arrival < min(idle_since + patience, known):
                workers.advance(workers.next_arrival)
                return self._coasted(lane, known)
            return min(known, idle_since + patience)
        waits = [idle_since + patience, *self._calm_ends(lane), now + lane.pace]
        later = [max(wait, now + TICK_S) for wait in waits if wait > now]
        return min([known, _tick(workers.next_arrival), *later])

    def _may_coast(self, lane: Lane) -> bool:
        """Whether one worker serves alone with slots to spare: nothing but its end can change the decision."""
        workers = lane.workers
        alone = len(workers.alive) == 1 and workers.count(State.SERVING) == 1
        settled = lane.decision is not None and lane.decision.replicas == 1
        return (
            alone
            and settled
            and not (workers.ready or workers.tasks.eta or workers.held(fetched_only=True))
            and workers.running <= lane.pool.worker.concurrency
        )

    def _coasted(self, lane: Lane, known: float) -> float:
        """When to look, after the quiet time was played."""
        workers, patience = lane.workers, lane.pool.scaling.idle_after.total_seconds()
        lane.coasted, began = True, workers.clock
        lane.samples.append((began, workers.coast(known, lane.pool.worker.concurrency, patience), 1))
        return min(known, _tick(workers.clock))

    def _while_busy(self, lane: Lane, now: float) -> float:
        """A pool with work changes at its pace, when a worker is ready, and as soon as there is much more to do."""
        workers, c = lane.workers, lane.pool.worker.concurrency
        work = workers.ready + workers.held()
        waits: list[float] = [self._surplus_at(lane, now, work), _tick(workers.next_event)]
        waits += self._calm_ends(lane) if work <= c * (workers.current - 1) else []
        limit, most = (
            min([max(wait, now + TICK_S) for wait in waits if wait > now]),
            max(GROWN * work + c, c * workers.current),
        )
        while (alarm := workers.arrival(workers.arrived + floor(most - work))) < limit:
            workers.advance(alarm)
            work = workers.ready + workers.held()
            if work >= most:
                return _tick(alarm)
        return limit

    def _surplus_at(self, lane: Lane, now: float, work: int) -> float:
        """When to look because a worker may soon be one too many, or already is."""
        workers, c = lane.workers, lane.pool.worker.concurrency
        alone = workers.current == 1
        if alone and work <= c:
            slowest = now + SLOWEST_PACE_S
            return min(_tick(workers.last_end), slowest) if workers.running else slowest
        useful = work - c * max(workers.current - 1, 1)
        if useful <= 0:
            return now + lane.pace
        slots = max(min(work, c * workers.count(State.SERVING)), 1)
        soon = useful * lane.seconds / slots / LOOKS_BEFORE_SURPLUS
        # A dip shorter than that is smoothed by the rules themselves.
        calm = min(lane.pace, lane.pool.scaling.stabilization.total_seconds() / BUCKETS)
        return now + min(max(soon, calm, TICK_S), lane.pace)

    def _calm_ends(self, lane: Lane) -> list[float]:
        """When a demand that was higher is forgotten, and when a surplus has lasted one task's time."""
        memory, pool, ends = lane.memory, lane.pool, []
        high = max(memory.highs, key=itemgetter(1), default=None)
        if high is not None:
            ends.append(_tick(self._seconds(high[0]) + pool.scaling.stabilization.total_seconds()))
        if memory.surplus_since is not None:
            s = seconds_per_task(pool, memory, memory.surplus_since)
            ends.append(_tick(self._seconds(memory.surplus_since) + s))
        return ends


def _going(workers: Workers) -> int:
    """Workers on their way out."""
    return len(workers.alive) - workers.current


def _fewest(workers: Workers) -> int:
    """How few may stay after this look: an operator begins to drain a part of them at a time."""
    return workers.current - largest_step(len(workers.alive))


def _tick(moment: float) -> float:
    """The first look that sees what happened at a moment."""
    return moment if moment == inf else float(ceil(moment))

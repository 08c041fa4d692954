"""When a pool that is played is to be looked at next: the first second at which the engine could decide otherwise."""

from datetime import datetime, timedelta
from math import ceil, floor, inf
from operator import itemgetter

from utilitarian_operator.core.sizing import when_due
from utilitarian_operator.core.sizing.memory import BUCKETS, seconds_per_task, start_up_s
from utilitarian_operator.core.sizing.rule_input import FIRST_GUESS_START_UP, arrival_window
from utilitarian_operator.core.sizing.runs.run_times import next_start, tolerance, window
from utilitarian_operator.simulation.lane import TICK_S, Lane
from utilitarian_operator.simulation.worker import SERVING

SLOWEST_PACE_S = 30.0
"""Seconds between two looks at a pool that is busy and needs nothing."""

LOOKS_BEFORE_SURPLUS = 4
"""Looks within the time after which, at the present pace, a worker would be one too many."""

GROWN = 1.1
"""Times the work of the last look: more is worth another look at once."""


class Calendar:
    """The times at which pools are worth a look.

    Args:
        begins: the start of the load.
    """

    def __init__(self, begins: datetime) -> None:
        self.begins = begins
        self._now, self._moment = 0.0, begins

    def moment(self, seconds: float) -> datetime:
        """A time of the play as the engine knows it; one look asks for the same time again and again."""
        if seconds != self._now:
            self._now, self._moment = seconds, self.begins + timedelta(seconds=seconds)
        return self._moment

    def seconds(self, moment: datetime) -> float:
        """A moment of the engine in seconds since the start of the load."""
        return (moment - self.begins).total_seconds()

    def next_change(self, lane: Lane, now: float, until: float) -> float:
        """When the engine could decide otherwise for a pool that was looked at now; `until` at the latest."""
        workers, known = lane.workers, min(self._known(lane, now), until)
        if not workers.current:
            # What draining workers end belongs to the past, and must be learned before a new busy period begins.
            ends = _tick(workers.last_end) if workers.running else inf
            sleeps = lane.memory.eta_sleep is not None
            arrives = _tick(workers.next_arrival) if sleeps or not workers.ready else inf
            if workers.ready and not sleeps and when_due.applies(lane.pool, lane.memory):
                return min(known, ends, self._due(lane, now))
            return min(known, ends, arrives, now + SLOWEST_PACE_S if workers.ready and not sleeps else inf)
        if workers.in_each[SERVING] and self._leaves_when_served(lane, now):
            return self._while_served(lane, now, known)
        if workers.arrived == workers.completed + len(workers.lost) and not workers.deferred:
            return self._while_empty(lane, now, known)
        if self._may_coast(lane):
            return self._coasted(lane, known)
        return self._while_busy(lane, now, known)

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
            low, high = (low, middle) if middle >= self.seconds(due) else (middle, high)
        return float(ceil(high))

    def _leaves_when_served(self, lane: Lane, now: float) -> bool:
        """Whether the pool leaves as soon as its queue is empty, so that each look at it counts."""
        pool, memory, moment = lane.pool, lane.memory, self.moment(now)
        if not when_due.applies(pool, memory):
            return False
        if not (when_due.has_room(pool, memory) or when_due.learns(memory, moment)):
            return False
        return when_due.sleep_pays(
            pool, memory, lane.seconds, arrival_window(pool, memory, moment, lane.seconds), moment
        )

    def _while_served(self, lane: Lane, now: float, known: float) -> float:
        """A pool that leaves when its queue is empty: when it is, and at the look after.

        While long tasks run it is a busy pool like others: workers without one go, and what they take is learned.
        """
        workers, longest = lane.workers, when_due.longest_start_up_s(lane.pool, lane.memory) or 0.0
        if workers.ready:
            return self._emptied(lane, now, self._while_busy(lane, now, known))
        if lane.seconds <= longest or not workers.running:
            return min(known, now + TICK_S)
        return min(self._while_busy(lane, now, known), _tick(workers.next_arrival))

    def _emptied(self, lane: Lane, now: float, limit: float) -> float:
        """The first look at which no message waits any more."""
        at = max(now, floor(lane.workers.clock)) + TICK_S
        while at < limit:
            lane.workers.advance(at)
            if not lane.workers.ready:
                return at
            at += TICK_S
        return limit

    def _known(self, lane: Lane, now: float) -> float:
        """The next moment that is known by the calendar: a schedule opens, a run begins or may end."""
        if lane.pool.schedule and lane.opens <= now:
            lane.opens = min(
                self.seconds(next_start(schedule, self.moment(now) + schedule.warm_up) - schedule.warm_up)
                for schedule in lane.pool.schedule
            )
        moments = [lane.opens] if lane.pool.schedule else []
        sleep = lane.memory.eta_sleep
        moments += (
            [_tick(self.seconds(sleep.first_due) - start_up_s(lane.memory, FIRST_GUESS_START_UP))] if sleep else []
        )
        for run in lane.memory.runs:
            start = self.seconds(run.start)
            schedule = next(schedule for schedule in lane.pool.schedule if schedule.name == run.name)
            waits = (tolerance(schedule, run.start), window(schedule, run.start))
            moments += [start, *(start + wait.total_seconds() for wait in waits)]
        return min((moment for moment in moments if moment > now), default=inf)

    def _while_empty(self, lane: Lane, now: float, known: float) -> float:
        """A pool without work changes at the next task, or when its workers have stood idle long enough."""
        workers = lane.workers
        idle_since = self.seconds(lane.memory.idle_since) if lane.memory.idle_since else now
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
        alone = len(workers.alive) == 1 and workers.in_each[SERVING] == 1
        settled = lane.own.replicas == 1
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

    def _while_busy(self, lane: Lane, now: float, known: float) -> float:
        """A pool with work changes at its pace, when a worker is ready, and as soon as there is much more to do.

        It is played no further ahead than until what is known to come: a node that dies finds it as it was then.
        """
        workers, c = lane.workers, lane.pool.worker.concurrency
        work = workers.ready + workers.held()
        waits: list[float] = [known, self._surplus_at(lane, now, work), max(_tick(workers.next_event), now + TICK_S)]
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
        if not workers.in_each[SERVING]:
            return inf  # none is taken away while all that came waits for the first that is ready
        alone = workers.current == 1
        if alone and work <= c:
            slowest = now + SLOWEST_PACE_S
            return min(_tick(workers.last_end), slowest) if workers.running else slowest
        useful = work - c * max(workers.current - 1, 1)
        if useful <= 0:
            return now + lane.pace
        slots = max(min(work, c * workers.in_each[SERVING]), 1)
        soon = useful * lane.seconds / slots / LOOKS_BEFORE_SURPLUS
        # A dip shorter than that is smoothed by the rules themselves.
        calm = min(lane.pace, lane.pool.scaling.stabilization.total_seconds() / BUCKETS)
        return now + min(max(soon, calm, TICK_S), lane.pace)

    def _calm_ends(self, lane: Lane) -> list[float]:
        """When a demand that was higher is forgotten, and when a surplus has lasted one task's time."""
        memory, pool, ends = lane.memory, lane.pool, []
        high = max(memory.highs, key=itemgetter(1), default=None)
        if high is not None:
            ends.append(_tick(self.seconds(high[0]) + pool.scaling.stabilization.total_seconds()))
        if memory.surplus_since is not None:
            s = seconds_per_task(pool, memory, memory.surplus_since)
            ends.append(_tick(self.seconds(memory.surplus_since) + s))
        return ends


def _tick(moment: float) -> float:
    """The first look that sees what happened at a moment."""
    return moment if moment == inf else float(ceil(moment))

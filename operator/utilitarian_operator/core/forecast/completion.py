"""When an open run will be done, how sure that is, and what would help if it is too late."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import sqrt

from utilitarian_operator.api.effective import Fleet, Pool, Schedule
from utilitarian_operator.api.units import format_duration
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.sizing import memory as memories
from utilitarian_operator.core.sizing.decision import Decision, Rule
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.learning import GUESS_WEIGHT
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.rule_input import FIRST_GUESS_START_UP
from utilitarian_operator.core.sizing.runs import open_runs, run_demand, run_times
from utilitarian_operator.core.sizing.runs.run_state import OpenRun, Outcome
from utilitarian_operator.core.wording import number, plural, seconds, whole

SURE = 2.0
"""Standard errors on either side of a forecast: it holds in about nineteen of twenty cases."""

ENOUGH_TASKS = 20
"""Ended tasks from which on the uncertainty is more than that of a guess."""

SHORT_FOR = timedelta(minutes=2)
"""Workers that were asked for and are not ready after so long (or three start-ups) are not counted on any more."""

LONGEST_S = timedelta(days=36_500).total_seconds()
"""What takes longer is said to take so long, for there are moments that no calendar has."""

LONGER_THAN_THOUGHT = 1.5
"""Times taskDuration: from there on a message names the longer tasks."""


_HELD_DOWN = {Rule.OVERRIDE, Rule.PAUSED, Rule.CONTESTED, Rule.QUEUE_TAKEN}
"""Rules that give a pool fewer workers than its run needs, whatever the work: each says why, and until when."""


class Cause(StrEnum):
    """Why a run will probably not be done in time; each names what would help."""

    OVERDUE = "Overdue"
    WORKERS_MISSING = "WorkersMissing"
    MAXIMUM_REACHED = "MaximumReached"
    HELD_DOWN = "HeldDown"
    TOO_MUCH_WORK = "TooMuchWork"
    NOT_SEEN = "NotSeen"


@dataclass(frozen=True, slots=True)
class Risk:
    """A run that will probably not be done in time.

    Args:
        cause: in one word.
        message: the run, its figures, why, and what would help.
    """

    cause: Cause
    message: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """An open run with its forecast.

    Args:
        run: as it is remembered.
        deadline: when it must be done; None if it has no deadline.
        remaining: tasks left; None while that is unknown.
        eta: when it will be done; None while that is unknown, nothing has come yet, or no worker is ready.
        uncertainty: the eta may be off by so much, either way.
        risk: None while it will be done in time.
        message: why it is missed; empty if it is not.
    """

    run: OpenRun
    deadline: datetime | None
    remaining: int | None = None
    eta: datetime | None = None
    uncertainty: timedelta | None = None
    risk: Risk | None = None
    message: str = ""


Forecasts = Mapping[str, tuple[Forecast, ...]]
"""The open runs by pool name, those with the nearest deadline first."""


def forecast(
    fleet: Fleet, pool: Pool, facts: Facts, decision: Decision, memory: Memory, now: datetime
) -> tuple[Forecast, ...]:
    """All open runs of a pool, the one with the nearest deadline first.

    Args:
        fleet: whose pool it is.
        pool: the effective spec.
        facts: of this look.
        decision: of this look, within what the fleet may have.
        memory: of this look.
        now: the one clock.
    """
    schedules = {schedule.name: schedule for schedule in pool.schedule}
    found = [
        _RunInProgress(fleet, pool, schedules[run.name], run, facts, decision, memory, now).forecast()
        for run in memory.runs
        if run.name in schedules
    ]
    return tuple(sorted(found, key=lambda it: (it.deadline is None, it.deadline or it.run.start)))


@dataclass(frozen=True, slots=True)
class _RunInProgress:
    """One open run and all that its end depends on."""

    fleet: Fleet
    pool: Pool
    schedule: Schedule
    run: OpenRun
    facts: Facts
    decision: Decision
    memory: Memory
    now: datetime

    def forecast(self) -> Forecast:
        due, work = run_times.deadline(self.schedule, self.run), self.facts.at_least
        if self.run.missed:
            return Forecast(self.run, due, work, message=self._why_missed())
        if work is None and self.run.at_risk:
            message = f"run {self.run.name} was at risk when its work was last seen; what is left is unknown now"
            return Forecast(self.run, due, risk=Risk(Cause.NOT_SEEN, message))
        if not work or self.now < self.run.start:
            return Forecast(self.run, due, work, risk=self._was_late(due, work))
        eta, uncertainty = self._end(work)
        return Forecast(self.run, due, work, eta, uncertainty, self._risk(work, due, eta, uncertainty))

    def _end(self, work: int) -> tuple[datetime | None, timedelta | None]:
        """When the slots that serve, and from their start-up on those that are starting, have done W·s.

        And what the last tasks take longer than the mean; ± two standard errors. A task's spread is taken as large as
        its mean: the mean of n tasks is then known to s/√n, and the sum of the W that are left to s·√W. Half of what
        the longest task takes over the mean goes on top, either way, and what the start-up may be off, as far as the
        work depends on it.
        """
        c, s, within = self.pool.worker.concurrency, self._seconds_per_task, self.schedule.finish_within
        slots = min(self._workers() * c, work)
        if not slots:
            return None, None
        serving = min(self.facts.serving * c, slots)
        longest = memories.longest_task(self.memory, s)
        tail = (run_demand.last_task(within or timedelta.max, s, longest) - s) / 2
        waited = min(self._starting, work * s / serving) if serving else self._starting
        working = max((work * s - serving * waited) / slots, 0 if serving else s)
        length_s = max(waited + working, s)
        known = GUESS_WEIGHT + self.memory.completions
        spread = SURE * max(work * s / slots, s) * sqrt(1 / work + 1 / known) + tail
        spread += (1 - serving / slots) * self._start_up_off_s
        return self.now + _seconds(length_s + tail), _seconds(spread)

    def _workers(self) -> int:
        """Those that work, and those that were asked for, as long as they may still be starting."""
        serving, wanted = self.facts.serving, self.decision.replicas
        return min(serving, wanted) if self._is_short else wanted

    @property
    def _starting(self) -> float:
        """Seconds until workers that were asked for serve; what took longer than ever is not over at once."""
        since, usual = self.run.short_since, self._start_up_s
        return usual if since is None else max(usual - (self.now - since).total_seconds(), usual / 4)

    @property
    def _start_up_off_s(self) -> float:
        """Seconds that a start-up may take longer: where none was measured, until it is no longer counted on."""
        return SHORT_FOR.total_seconds() if self.memory.start_up_s is None else self._start_up_s / 4

    @property
    def _is_short(self) -> bool:
        since = self.run.short_since
        patience = max(SHORT_FOR, timedelta(seconds=3 * self._start_up_s))
        return since is not None and self.now - since >= patience

    @property
    def _seconds_per_task(self) -> float:
        return memories.seconds_per_task(self.pool, self.memory, self.now)

    @property
    def _start_up_s(self) -> float:
        return memories.start_up_s(self.memory, FIRST_GUESS_START_UP)

    def _risk(
        self, work: int, due: datetime | None, eta: datetime | None, uncertainty: timedelta | None
    ) -> Risk | None:
        if due is None:
            return None
        cause, why = self._limit(due)
        latest = eta
        if eta is not None and uncertainty is not None and self.memory.completions >= ENOUGH_TASKS:
            # Where more workers can still come, they make up for tasks that are longer than thought. And what was at
            # risk stays so until it is well out of it.
            limited = cause is not Cause.TOO_MUCH_WORK
            latest = eta + uncertainty if limited or self.run.at_risk else eta
        if self.now < due and latest is not None and latest <= due:
            return None
        off = f" (± {format_duration(whole(uncertainty))})" if uncertainty is not None else ""
        done = f"done about {timestamp(eta)}{off}" if eta else "no worker works on them"
        longer = self._longer_tasks() if cause is not Cause.TOO_MUCH_WORK else ""
        what = f"run {self.run.name}: {plural(work, 'task')} left, {done}, due {timestamp(due)}"
        return Risk(cause, f"{what}: {why}{longer}")

    def _was_late(self, due: datetime | None, work: int | None) -> Risk | None:
        """What a run is that has done its work after the deadline, and is open until nothing more comes."""
        first, idle = self.run.first_message, self.memory.idle_since
        if work is None or due is None or first is None or idle is None:
            return None
        if open_runs.drained(self.run, due, max(first, idle)) is not Outcome.LATE:
            return None
        what = f"run {self.run.name}: nothing is left since {timestamp(max(first, idle))}, due {timestamp(due)}"
        return Risk(Cause.OVERDUE, f"{what}: the deadline has passed")

    def _limit(self, due: datetime) -> tuple[Cause, str]:
        """What keeps the run from having more workers, and what would help."""
        cause, why = self._limit_of_workers()
        if self.now < due:
            return cause, why
        if cause is Cause.TOO_MUCH_WORK:
            why = "it goes on" if self._workers() else f"no worker is asked for: {self.decision.message}"
        return Cause.OVERDUE, f"the deadline has passed; {why}"

    def _limit_of_workers(self) -> tuple[Cause, str]:
        if self._is_short and self.run.short_since is not None:
            facts = self.facts
            return Cause.WORKERS_MISSING, (
                f"{number(facts.current - facts.serving)} of {plural(facts.current, 'worker')} asked for are not ready "
                f"since {timestamp(self.run.short_since)}: look at the pods of pool {self.pool.name} (room on the "
                "nodes, quota, image)"
            )
        limits, wanted = self.decision.limits, max(step.after for step in self.decision.trail)
        for step in reversed(self.decision.trail):
            if step in limits:
                return Cause.MAXIMUM_REACHED, self._more_allowed(step.rule, step.before)
            if step.rule in _HELD_DOWN and step.after < wanted:
                return Cause.HELD_DOWN, step.because
        return Cause.TOO_MUCH_WORK, "no number of workers ends it in time" + self._longer_tasks()

    def _more_allowed(self, rule: str, wanted: int) -> str:
        if rule == Rule.BOUNDS:
            return f"scaling.max is {number(self.pool.scaling.max)}: {number(wanted)} would do"
        most, priority = self.fleet.max_workers or 0, self.pool.priority
        return (
            f"spec.maxWorkers is {number(most)} and leaves {plural(self.decision.replicas, 'worker')} of "
            f"{number(wanted)} that would do: raise it, or the pool's priority ({number(priority)})"
        )

    def _longer_tasks(self) -> str:
        guess, s = self.pool.scaling.task_duration.total_seconds(), self._seconds_per_task
        if s < LONGER_THAN_THOUGHT * guess:
            return ""
        return f"; a task takes {seconds(s)}, taskDuration says {format_duration(self.pool.scaling.task_duration)}"

    def _why_missed(self) -> str:
        patience = format_duration(whole(run_times.tolerance(self.schedule, self.run.start)))
        return (
            f"run {self.run.name} was due at {timestamp(self.run.start)} and no message came within {patience}: is "
            "beat alive, and does the application's schedule say the same? Whatever still comes is worked off"
        )


def _seconds(length_s: float) -> timedelta:
    return timedelta(seconds=min(length_s, LONGEST_S))


def at_risk(forecasts: Forecasts) -> Iterator[tuple[str, Risk]]:
    """The runs at risk with their pools, in the order of the pools."""
    for pool, each in forecasts.items():
        yield from ((pool, it.risk) for it in each if it.risk is not None)


def missed(forecasts: Forecasts) -> Iterator[tuple[str, str]]:
    """The runs that did not begin with their pools, each as a sentence."""
    for pool, each in forecasts.items():
        yield from ((pool, it.message) for it in each if it.message)

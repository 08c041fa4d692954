"""Which runs are open: they are opened in their time, what happens in them is noted, and they end."""

from dataclasses import replace
from datetime import datetime, timedelta

from utilitarian_operator.api.effective import Pool, Schedule
from utilitarian_operator.core.changed import changed
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import LONGEST_GAP, Memory
from utilitarian_operator.core.sizing.runs.run_state import MOST_PAST_RUNS, OpenRun, Outcome, PastRun
from utilitarian_operator.core.sizing.runs.run_times import (
    NO_MESSAGE_WITHIN,
    WITHOUT_A_DEADLINE,
    coming_start,
    deadline,
    last_start,
    next_start,
    tolerance,
    window,
)
from utilitarian_operator.core.spec.by_hand import RunByHand

MOST_OPEN = 3
"""Runs of one schedule that are open or being prepared at a time, whatever its warm-up and its duration.

An older one ends where one more begins, and a later one is prepared when one of them is over.
"""

BEFORE_ITS_START = timedelta(seconds=10)
"""What comes so shortly before the start of a run may be its own: clocks differ."""


def follow(pool: Pool, facts: Facts, memory: Memory, now: datetime, before: Memory) -> Memory:
    """Open the runs that are due (or soon, by their warm-up), note what happens in them, close those that are over.

    Args:
        pool: the effective spec.
        facts: of this look.
        memory: brought up to `now`, but for the runs.
        now: of this look.
        before: the memory of the look before; as it was read back, at the first look of an operator.
    """
    since = before.looked_at
    memory = _of_the_spec(pool, memory)
    for schedule in pool.schedule:
        memory = _opened(schedule, memory, now, since)
    if not memory.runs:
        return memory
    schedules = {schedule.name: schedule for schedule in pool.schedule}
    begun = [run for run in memory.runs if run.start <= now]
    newest = max(begun, key=lambda run: run.start, default=None)
    stay, over = [], []
    for run in memory.runs:
        if run.name not in schedules:
            continue  # taken out of the spec: how it ends doesn't matter any more
        schedule = schedules[run.name]
        noted = _staffed(run, facts, now, since)
        if run.start <= now:
            noted = _worked(schedule, noted, facts, now, alone=len(begun) == 1)
        if run is newest:
            noted = changed(noted, tasks=noted.tasks + (facts.arrived or 0), done=noted.done + (facts.completed or 0))
        finished = _drained_at(pool, noted, memory, now) or _done_before_the_next(pool, run, memory, now, before)
        noted = noted if finished is None else changed(noted, drained=True)
        ended = _end(pool, noted, finished, facts, memory, now)
        if ended is None:
            stay.append(noted)
        else:
            over.append(_past(schedule, noted, *ended))
    if not over and tuple(stay) == memory.runs:
        return memory
    history = sorted([*over, *memory.history], key=lambda past: past.finished, reverse=True)[:MOST_PAST_RUNS]
    return changed(memory, runs=tuple(stay), history=tuple(history))


def opened_by_hand(pool: Pool, asked: RunByHand | None, memory: Memory, now: datetime) -> Memory:
    """The memory with the run that a person has opened, once: as if its schedule began then.

    It is opened as long as it could still be open, not before its start, and where no later start of its schedule was
    opened, be it one that is only being prepared. So what an old annotation says never opens a run again.
    """
    schedule = None if asked is None else next((it for it in pool.schedule if it.name == asked.name), None)
    if asked is None or schedule is None:
        return memory
    age, longest = now - asked.start, schedule.finish_within or schedule.duration or WITHOUT_A_DEADLINE
    # The first question keeps the calendar out of it, which has no answer at either end of time.
    if not timedelta() <= age <= longest or age > window(schedule, asked.start):
        return memory
    newest = _newest(schedule, memory)
    if (newest is not None and newest >= asked.start) or _open(schedule, memory) >= MOST_OPEN:
        return memory
    return _with_run(schedule, asked.start, memory, now)


def _of_the_spec(pool: Pool, memory: Memory) -> Memory:
    """The memory without starts of schedules that are no more: each name that a schedule ever had would be kept."""
    names = {schedule.name for schedule in pool.schedule}
    opened = tuple(it for it in memory.opened if it[0] in names)
    return memory if len(opened) == len(memory.opened) else changed(memory, opened=opened)


def _opened(schedule: Schedule, memory: Memory, now: datetime, since: datetime | None) -> Memory:
    """The memory with the run that is due, and with those that are to be prepared by now, each start in its turn."""
    memory = _without_the_future(schedule, _with_none_too_many(schedule, memory, now), now)
    memory = _without_starts_of_before(schedule, memory, now)
    newest = _newest(schedule, memory)
    due = last_start(schedule, now)
    # A start that a look before this one has passed over is one that the schedule did not have then.
    came_later = newest is None or (since is not None and due <= since <= now)
    if newest is None or due > newest:
        # A pool that is new has missed nothing: what began a day ago without a deadline was not its own.
        known = newest or schedule.finish_within or schedule.duration
        if now - due <= (window(schedule, due) if known else NO_MESSAGE_WITHIN):
            memory = _with_run(schedule, due, memory, now, seen=not came_later)
        newest = due
    while (coming := next_start(schedule, newest)) <= now + schedule.warm_up and _open(schedule, memory) < MOST_OPEN:
        memory, newest = _with_run(schedule, coming, memory, now), coming
    return memory


def _with_none_too_many(schedule: Schedule, memory: Memory, now: datetime) -> Memory:
    """Each run once, and of those that are to come no more than may be: a status may tell anything."""
    if len(memory.runs) <= 1:
        return memory
    mine = {run.start: run for run in memory.runs if run.name == schedule.name}
    begun = [start for start in mine if start <= now]
    ahead = sorted(mine.keys() - begun)[: max(MOST_OPEN - len(begun), 0)]
    if len(begun) + len(ahead) == _open(schedule, memory):
        return memory
    kept = tuple(mine[start] for start in sorted([*begun, *ahead]))
    others = tuple(run for run in memory.runs if run.name != schedule.name)
    soon = kept[-1].start if kept else now
    opened = tuple((name, min(at, soon) if name == schedule.name else at) for name, at in memory.opened)
    return changed(memory, runs=(*others, *kept), opened=opened)


def _newest(schedule: Schedule, memory: Memory) -> datetime | None:
    """Start of the newest run that was opened; an open run says it too."""
    opened = [start for name, start in memory.opened if name == schedule.name]
    return max([*opened, *(run.start for run in memory.runs if run.name == schedule.name)], default=None)


def _open(schedule: Schedule, memory: Memory) -> int:
    return sum(run.name == schedule.name for run in memory.runs)


def _with_run(schedule: Schedule, start: datetime, memory: Memory, now: datetime, *, seen: bool = True) -> Memory:
    if _is_known(schedule, start, memory):
        return memory
    opened = {**dict(memory.opened), schedule.name: start}
    begun = OpenRun(schedule.name, start, watched_since=max(now, start) if seen else None)
    return changed(memory, runs=(*memory.runs, begun), opened=tuple(sorted(opened.items())))


def _without_the_future(schedule: Schedule, memory: Memory, now: datetime) -> Memory:
    """The clock was set back: what it said of the time to come is forgotten, or a run would not open in its time.

    A run is prepared before its start, but nothing happens in it and it can't be over. Nor is the time over of one that
    was given up later than now.
    """
    name, soon, latest = schedule.name, now + schedule.warm_up, now + LONGEST_GAP
    over = {it.start for it in memory.history if it.name == name and (it.start > now or _gave_up_after(it, latest))}
    begun = [run.start for run in memory.runs if run.name == name and run.start > now and _has_begun(run)]
    newest = _newest(schedule, memory)
    if not over and not begun and (newest is None or newest <= soon):
        return memory
    before = min(over, default=soon) - timedelta(seconds=1)
    opened = ((of, min(at, before) if of == name and over else at) for of, at in memory.opened)
    return changed(
        memory,
        opened=tuple((of, at) for of, at in opened if of != name or at <= soon),
        runs=tuple(
            _unbegun(run) if run.name == name and run.start in begun else run
            for run in memory.runs
            if run.name != name or run.start <= soon
        ),
        history=tuple(past for past in memory.history if past.name != name or past.start not in over),
    )


def _without_starts_of_before(schedule: Schedule, memory: Memory, now: datetime) -> Memory:
    """The schedule was edited: a run that is being prepared, and that it has no more, is forgotten.

    So is that it was opened: a start of the new schedule that comes before it is still to be opened.
    """
    stale = [run for run in memory.runs if run.name == schedule.name and run.start > now and not _has(schedule, run)]
    if not stale:
        return memory
    opened = tuple((name, at) for name, at in memory.opened if name != schedule.name)
    return changed(memory, runs=tuple(run for run in memory.runs if run not in stale), opened=opened)


def _has(schedule: Schedule, run: OpenRun) -> bool:
    return next_start(schedule, run.start - timedelta(seconds=1)) == run.start


def _gave_up_after(past: PastRun, latest: datetime) -> bool:
    return past.finished > latest and past.outcome not in {Outcome.DONE, Outcome.LATE}


def _has_begun(run: OpenRun) -> bool:
    """Whether anything is known of a run that can only be known of one whose start has come."""
    return run.missed or bool(run.tasks or run.done) or run.first_message is not None or run.worked_at is not None


def _unbegun(run: OpenRun) -> OpenRun:
    return replace(run, first_message=None, worked_at=None, tasks=0, done=0, missed=False, drained=False)


def _is_known(schedule: Schedule, due: datetime, memory: Memory) -> bool:
    """Whether the run is open or over already, which only a clock that was set back makes a question."""
    starts = [(run.name, run.start) for run in memory.runs] + [(past.name, past.start) for past in memory.history]
    return (schedule.name, due) in starts


def _staffed(run: OpenRun, facts: Facts, now: datetime, since: datetime | None) -> OpenRun:
    """The run with the workers that this look tells of, and since when it has been watched without a gap."""
    gap = timedelta() if since is None or now < since else now - since
    unwatched = run.watched_since is not None and now > run.start and (since is None or gap > LONGEST_GAP)
    return changed(
        run,
        watched_since=now if unwatched else run.watched_since,
        most_workers=max(run.most_workers, facts.current),
        worker_seconds=run.worker_seconds + facts.current * min(gap, LONGEST_GAP).total_seconds(),
        short_since=(run.short_since or now) if facts.serving < facts.current else None,
    )


def _worked(schedule: Schedule, run: OpenRun, facts: Facts, now: datetime, *, alone: bool) -> OpenRun:
    """A run that has begun, with the work that this look tells of."""
    first = run.first_message or (now if _has_come(facts, alone=alone) else None)
    return changed(
        run,
        first_message=first,
        worked_at=now if facts.at_least or facts.arrived or facts.completed else run.worked_at,
        missed=first is None and (run.missed or _is_missing(schedule, run, facts, now)),
    )


def _has_come(facts: Facts, *, alone: bool) -> bool:
    """Whether a run's work has begun to come; what another run left behind is not this one's."""
    if alone or facts.arrived is None:
        return bool(facts.at_least or facts.arrived or facts.completed)
    return bool(facts.arrived)


def _is_missing(schedule: Schedule, run: OpenRun, facts: Facts, now: datetime) -> bool:
    """Whether nothing came in time, seen by looks all the time."""
    if facts.at_least is None or run.watched_since is None:
        return False
    # An operator that starts within the warm-up has watched it from then on; but nothing was due before its start.
    patience, watched_since = tolerance(schedule, run.start), max(run.watched_since, run.start)
    return watched_since <= run.start + patience and now >= watched_since + patience


def _past(schedule: Schedule, run: OpenRun, outcome: Outcome, finished: datetime) -> PastRun:
    """A run that is over, as the status has it."""
    tasks, due = max(run.tasks, run.done), deadline(schedule, run)
    return PastRun(run.name, run.start, finished, due, outcome, tasks, run.most_workers, run.worker_seconds)


def _end(
    pool: Pool, run: OpenRun, finished: datetime | None, facts: Facts, memory: Memory, now: datetime
) -> tuple[Outcome, datetime] | None:
    """How and when a run ended whose work was done at a moment, or was not; None while it is open."""
    schedule = next(it for it in pool.schedule if it.name == run.name)
    due = deadline(schedule, run)
    later = sum(it.name == run.name and run.start < it.start <= now for it in memory.runs)
    if schedule.until == "Duration":
        ended = now >= run.start + window(schedule, run.start) or later >= MOST_OPEN
        return (Outcome.MISSED if run.missed else Outcome.ENDED, now) if ended else None
    if run.first_message is None:
        given_up = later or now >= run.start + window(schedule, run.start)
        return (Outcome.MISSED if run.missed else Outcome.UNSEEN, now) if given_up else None
    held = pool.scaling.outside_runs == "Hold"
    if finished is not None and not (held and _waits(pool, run, facts, memory, now)):
        return drained(run, due, finished), finished
    past_due = due is None or now >= due or later >= MOST_OPEN
    return (Outcome.OVERTAKEN, now) if later and past_due else None


def _waits(pool: Pool, run: OpenRun, facts: Facts, memory: Memory, now: datetime) -> bool:
    """Whether a run that has nothing to do stays open, since what comes a little later would wait for the next one.

    What it has done may have waited since before its start: its own first message is not overdue yet. And a task with
    a later time of its own, as one that is tried again, is of the run whose time is not over then. Where another run
    begins beside it, the one whose time is over last waits for both.
    """
    schedules = {it.name: it for it in pool.schedule}
    schedule, sleep = schedules[run.name], memory.eta_sleep
    ends = run.start + window(schedule, run.start)
    if any(start + window(schedules[name], start) >= ends for name, start in _beside(pool, run, memory, now)):
        return False
    if now < run.start + tolerance(schedule, run.start):
        return True
    in_workers = facts.deferred > 0 and (facts.first_due is None or facts.first_due < ends)
    return now < ends and (in_workers or (sleep is not None and sleep.first_due < ends))


def _drained_at(pool: Pool, run: OpenRun, memory: Memory, now: datetime) -> datetime | None:
    """When nothing was to do any more, once it was so for `idleAfter`; None of a run without a message so far."""
    if run.first_message is None or memory.idle_since is None:
        return None
    finished = max(memory.idle_since, run.first_message)
    return finished if now - finished >= pool.scaling.idle_after else None


def _done_before_the_next(pool: Pool, run: OpenRun, memory: Memory, now: datetime, before: Memory) -> datetime | None:
    """When a run was done that is still open, where another one begins: what comes from then on is that one's.

    It would count as work of both, and be late by the deadline of the one that was done long before.
    """
    first, idle = run.first_message, memory.idle_since
    beside = min((start for _, start in _beside(pool, run, memory, now)), default=None)
    if first is None or beside is None or (idle is not None and now < beside):
        return None
    if (idle := idle or before.idle_since) is not None:
        return min(max(idle, first), now)
    worked = run.worked_at or first  # what was not seen since then tells nothing of a run that was done before
    return worked if run.drained and worked < (before.looked_at or beside - BEFORE_ITS_START) else None


def _beside(pool: Pool, run: OpenRun, memory: Memory, now: datetime) -> list[tuple[str, datetime]]:
    """The runs after a run, of whatever schedule, that have begun or begin in a moment: schedules and starts."""
    soon, names = now + BEFORE_ITS_START, {it.name for it in pool.schedule}
    there = [(it.name, it.start) for it in memory.runs if it.name in names]
    coming = [(it.name, coming_start(it, now)) for it in pool.schedule]
    return [(name, start) for name, start in (*there, *coming) if run.start < start <= soon]


def drained(run: OpenRun, due: datetime | None, finished: datetime) -> Outcome:
    """How a run ended all of whose work was done at a moment."""
    if due is None or finished <= due:
        return Outcome.DONE
    unseen = run.worked_at is None or finished - run.worked_at > LONGEST_GAP
    return Outcome.UNSEEN if unseen and (run.worked_at is None or run.worked_at <= due) else Outcome.LATE

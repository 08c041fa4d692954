"""The rules that size one pool, in order; each returns the new number with a sentence, or None: no change."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from math import ceil

from utilitarian_operator.api.units import format_duration as duration
from utilitarian_operator.core.changed import changed
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.sizing import memory as memories
from utilitarian_operator.core.sizing import when_due
from utilitarian_operator.core.sizing.decision import Decision, Rule, Step, start
from utilitarian_operator.core.sizing.demand import Demand, demand, is_cut
from utilitarian_operator.core.sizing.eta_sleep import given_back_too_often, not_yet_due, why_awake
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.rule_input import RuleInput, window_of
from utilitarian_operator.core.sizing.runs import run_demand, run_times
from utilitarian_operator.core.sizing.runs.run_state import OpenRun
from utilitarian_operator.core.wording import number, plural, seconds, whole

START_HOLDS = timedelta(days=1)
"""For how long a measured start is a reason to keep a worker awake."""


def decide(given: RuleInput) -> tuple[Decision, Memory]:
    """All the rules of one pool, without what the fleet's ceiling says; and the memory with the demand in it."""
    asked = _ruled(given, start(by_demand(given)), _FLOORS)
    # A floor is no demand: with nothing to do there is none to remember, or each run would be stood by for longer.
    remembering = given.remembering(_demanded(given, asked.replicas if given.facts.at_least else 0))
    return _ruled(remembering, asked, _BOUNDS), remembering.memory


def _ruled(given: RuleInput, decision: Decision, rules: Iterable[Callable[[RuleInput, int], Step | None]]) -> Decision:
    """The decision after some more rules, in order."""
    for rule in rules:
        if (step := rule(given, decision.replicas)) is not None:
            decision = decision.then(step)
    return decision


def by_demand(given: RuleInput) -> Step:
    """What waits and runs, as far as it is certain, asks for this many workers."""
    pool, facts = given.pool, given.facts
    if facts.at_least is None:
        why = facts.ready.why if isinstance(facts.ready, Unknown) else "not seen"
        if (certain := _certainly_waiting(given)) and not facts.current:
            some = f"{plural(certain, 'task')} {'waits' if certain == 1 else 'wait'} on the queues that can be seen"
            return Step(Rule.DEMAND, 0, 1, f"{some}: 1 worker, since the rest of the backlog is unknown ({why})")
        return Step(Rule.UNKNOWN, facts.current, facts.current, f"backlog unknown ({why}): nothing changes")
    if holds(given):
        opens, run = min((run_times.coming_start(it, given.now), it.name) for it in pool.schedule)
        waiting = facts.ready if isinstance(facts.ready, int) else facts.at_least
        some = f"{plural(waiting, 'task')} {'waits' if waiting == 1 else 'wait'}" if waiting else "nothing waits"
        because = f"{some} for the next run, {run} at {timestamp(opens)} (outsideRuns: Hold)"
        return Step(Rule.HOLD, facts.current, 0, because)
    if not facts.at_least:
        return Step(Rule.DEMAND, facts.current, 0, "nothing to do")
    if when_due.all_are_taken(pool, facts, given.memory):
        held = f"{plural(facts.at_least, 'task')} {'was' if facts.at_least == 1 else 'were'} taken"
        return Step(Rule.DEMAND, 0, 0, f"no message waits: {held}, and what is not done there comes back to its queue")
    s = given.seconds_per_task
    result = demand(
        facts.at_least,
        arrivals=memories.arrival_rate(given.memory, window_of(given.horizon), given.now),
        concurrency=pool.worker.concurrency,
        seconds_per_task=s,
        over=given.horizon,
    )
    because = _why_demand(given, facts.at_least, result) if given.in_words else ""
    return Step(Rule.DEMAND, facts.current, result.workers, because)


def _certainly_waiting(given: RuleInput) -> int:
    """Messages that wait while the backlog of other queues of the pool is unknown; not those for a later time."""
    not_due = not_yet_due(given.memory.eta_sleep, given.start_up_s, given.now)
    return 0 if holds(given) else max(given.facts.seen_ready - not_due, 0)


def _why_demand(given: RuleInput, work: int, asked: Demand) -> str:
    scaling, s = given.pool.scaling, given.seconds_per_task
    because = (
        f"{plural(work, 'task')} of {seconds(s)}, to be started within {duration(scaling.drain_within)}: "
        f"{plural(round(asked.slots, 1), 'slot')}, {number(given.pool.worker.concurrency)} a worker: "
        f"{plural(asked.workers, 'worker')}"
    )
    if asked.workers > given.facts.current and is_cut(scaling.drain_within.total_seconds(), given.start_up_s, s):
        because += (
            f"; a start takes {seconds(given.start_up_s)} of that, so some begin too late whatever their number: "
            "a longer drainWithin, or workers that stand by (min)"
        )
    return because


def wait_until_due(given: RuleInput, wanted: int) -> Step | None:
    """A sleeping pool lets its tasks wait as long as one worker can still start all of them in time."""
    pool, facts, memory = given.pool, given.facts, given.memory
    if not wanted or facts.current or not when_due.applies(pool, memory):
        return None
    waiting = _certainly_waiting(given) if facts.at_least is None else facts.at_least
    due = when_due.due(pool, memory, waiting, given.seconds_per_task)
    if due is None or given.now >= due:
        return None
    because = (
        f"{plural(waiting, 'task')} {'waits' if waiting == 1 else 'wait'}; workers are asked for at {timestamp(due)}, "
        f"so that {'it starts' if waiting == 1 else 'they start'} within {duration(pool.scaling.drain_within)}"
    )
    if memory.start_delay_s:
        earlier = duration(whole(timedelta(seconds=memory.start_delay_s)))
        because += f"; {earlier} of that because the last start took so much longer"
    return Step(Rule.WAIT, wanted, 0, because, due)


def leave_when_served(given: RuleInput, wanted: int) -> Step | None:
    """Workers whose queue is empty leave at once: what comes from now on may wait until it is due."""
    if not wanted or not given.leaves:
        return None
    because = f"no message waits: what comes now is due within {duration(given.pool.scaling.drain_within)}"
    return Step(Rule.LEAVE, wanted, 0, because)


def holds(given: RuleInput) -> bool:
    """Whether the pool leaves work alone now: it has runs, none is open, and `outsideRuns` is Hold.

    Then nothing but `min`, a missing queue, an override or an unknown figure keeps a worker: one that is there takes
    what comes, whatever the rules say. It is drained at once, and ends what it holds.
    """
    pool = given.pool
    return pool.scaling.outside_runs == "Hold" and bool(pool.schedule) and not given.memory.runs


def by_run(given: RuleInput, wanted: int) -> Step | None:
    """An open run with a deadline is sized by it; every open run has its workers ready from its warm-up on."""
    if not given.memory.runs:
        return None
    schedules = {schedule.name: schedule for schedule in given.pool.schedule}
    asked = [(run, _deadline_demand(given, run)) for run in given.memory.runs]
    replaced = any(by_deadline is not None for _, by_deadline in asked)
    most = None
    for run, by_deadline in asked:
        schedule = schedules[run.name]
        floor = schedule.workers if run_demand.stands_by(schedule, run, given.now) else 0
        # The deadline replaces the promise, but for the tasks of a run that has none; the run that needs most decides.
        promised = wanted if not replaced or run.start <= given.now else 0
        needed = max(floor, promised if by_deadline is None else by_deadline.workers)
        if most is None or needed > most.after:
            most = Step(Rule.RUN, wanted, needed, _why_run(given, run, floor, by_deadline))
    return most if most is not None and most.after != wanted else None


def _deadline_demand(given: RuleInput, run: OpenRun) -> run_demand.RunDemand | None:
    return run_demand.deadline_demand(
        given.pool,
        given.facts,
        run,
        given.memory,
        seconds_per_task=given.seconds_per_task,
        now=given.now,
    )


def _why_run(given: RuleInput, run: OpenRun, workers: int, asked: run_demand.RunDemand | None) -> str:
    if given.now < run.start:
        until = duration(timedelta(seconds=round((run.start - given.now).total_seconds())))
        if asked is None or asked.workers <= workers:
            return f"run {run.name} starts in {until} with {plural(workers, 'worker')}"
        expected, there = run_demand.expected(run, given.memory), given.facts.at_least or 0
        why = f"{plural(there, 'task')} {'is' if there == 1 else 'are'} there"
        if expected > there:
            why = f"{plural(expected, 'task')} came in the last one"
        return f"run {run.name} starts in {until} with {plural(asked.workers, 'worker')}: {why}"
    if asked is None or asked.workers <= workers:
        return f"run {run.name} is open with {plural(workers, 'worker')} at least"
    left = duration(timedelta(seconds=round((asked.deadline - given.now).total_seconds())))
    work = given.facts.at_least or 0
    coming = run_demand.expected(run, given.memory) - run.done - work
    # Of no more workers than the tasks that are there can use, those to come have asked for none.
    counted = coming > 0 and asked.workers < ceil(work / given.pool.worker.concurrency)
    more = f", and {number(coming)} more to come as in the last run" if counted else ""
    return (
        f"run {run.name}: {plural(work, 'task')} of {seconds(given.seconds_per_task)}{more}, deadline in {left}: "
        f"{plural(asked.workers, 'worker')}"
    )


def not_for_starved_work(given: RuleInput, wanted: int) -> Step | None:
    """Work that no free worker takes is not answered with more workers; what an open run asked for in advance stays."""
    facts = given.facts
    if not facts.starved:
        return None
    open_runs = {run.name for run in given.memory.runs}
    prepared = max((it.workers for it in given.pool.schedule if it.name in open_runs), default=0)
    enough = max(facts.current, prepared)
    if wanted <= enough:
        return None
    return Step(Rule.STARVED, wanted, enough, f"{plural(enough, 'worker')} kept: {facts.starved}")


def declare_missing_queues(given: RuleInput, wanted: int) -> Step | None:
    """Only the application knows how to declare its queues, so a missing one gets its pool one worker, once."""
    missing = given.facts.missing
    if wanted or not missing or given.memory.first_worker_spent:
        return None
    return Step(Rule.MISSING_QUEUE, wanted, 1, f"queue {missing[0]} does not exist yet: one worker declares it")


def _demanded(given: RuleInput, demanded: int) -> Memory:
    """The memory with this demand, and since when fewer workers than there are would do."""
    scaling, facts, now = given.pool.scaling, given.facts, given.now
    memory = given.memory
    if facts.at_least is not None:
        memory = memories.with_demand(memory, demanded, scaling.stabilization, now)
    surplus = max(memories.highest(memory), _useful(given)) < facts.current
    since = (memory.surplus_since or now) if surplus else None
    return memory if since == memory.surplus_since else changed(memory, surplus_since=since)


def _useful(given: RuleInput) -> int:
    """Workers whose slots the work can fill, at most those that are there; all of them while the work is unknown."""
    facts = given.facts
    if isinstance(facts.work, Unknown):
        return facts.current
    if not (facts.work and facts.current):
        return 0
    held = facts.work - (facts.ready if holds(given) and isinstance(facts.ready, int) else 0)
    return min(facts.current, ceil(held / given.pool.worker.concurrency))


def do_not_scale_up_failing_pods(given: RuleInput, wanted: int) -> Step | None:
    """While workers can't be had, or fail one like the other, more of them are not asked for: but for `min`."""
    facts = given.facts
    enough = max(facts.current, 1)
    if wanted <= enough or not facts.held_up:
        return None
    because = f"{plural(enough, 'worker')} and no more, though {number(wanted)} are needed: {facts.held_up}"
    return Step(Rule.HELD_UP, wanted, enough, because)


def keep_what_is_of_use(given: RuleInput, wanted: int) -> Step | None:
    """No worker goes while its slots have work, nor because of a demand that was higher a moment ago."""
    facts, memory = given.facts, given.memory
    current = facts.current
    if wanted >= current:
        return None
    if isinstance(facts.work, Unknown):
        return Step(Rule.CALM, wanted, current, f"{plural(current, 'worker')} kept: {facts.work.why}")
    if holds(given) or (not wanted and given.leaves):
        return None
    # Idle for idleAfter, it sleeps: what was needed a moment before that says nothing any more.
    idle_long = given.idle_for is not None and given.idle_for >= given.pool.scaling.idle_after
    useful, high = _useful(given), 0 if idle_long else min(memories.highest(memory), current)
    kept = max(wanted, useful, high)
    if kept > wanted and kept == useful:
        because = f"{plural(kept, 'worker')} kept: {plural(facts.work, 'task')} fill their slots"
    else:
        because = f"{plural(kept, 'worker')} kept: as many were needed within the last {_stabilization(given)}"
    busy = current - facts.idle
    if kept < busy and not _surplus_lasted(given):
        kept = min(busy, current)
        because = f"{plural(kept, 'worker')} kept: they hold tasks, and the surplus has not yet lasted one task's time"
    return Step(Rule.CALM, wanted, kept, because) if kept > wanted else None


def _stabilization(given: RuleInput) -> str:
    return duration(given.pool.scaling.stabilization)


def _surplus_lasted(given: RuleInput) -> bool:
    since = given.memory.surplus_since
    return since is not None and (given.now - since).total_seconds() >= given.seconds_per_task


def sleep_when_idle(given: RuleInput, wanted: int) -> Step | None:
    """The last worker goes after `idleAfter` without any task, and not if the next run would wake it again at once."""
    facts, idle_for = given.facts, given.idle_for
    if wanted or not facts.current or holds(given):
        return None
    if idle_for is None and not given.leaves:
        return Step(Rule.IDLE, wanted, 1, f"1 worker kept: {_not_seen_idle(facts)}")
    if facts.deferred:
        why = why_awake(given.pool, facts, given.memory.eta_sleep, given.start_up_s, given.now)
        if why is not None:
            return Step(Rule.DEFERRED, wanted, 1, f"1 worker kept: {why}")
    if idle_for is not None and idle_for < given.pool.scaling.idle_after and not given.leaves:
        patience = duration(given.pool.scaling.idle_after)
        return Step(Rule.IDLE, wanted, 1, f"1 worker kept: nothing to do, but not yet for {patience}")
    run = run_at_once(given)
    return None if run is None else Step(Rule.IDLE, wanted, 1, f"1 worker kept: run {run} would wake it again at once")


def run_at_once(given: RuleInput) -> str | None:
    """The run that would wake a pool that sleeps now before a start-up is over; None where none would."""
    for schedule in given.pool.schedule:
        wake = run_times.next_start(schedule, given.now) - schedule.warm_up - given.now
        if wake.total_seconds() < given.start_up_s and not _start_is_old(given):
            return schedule.name
    return None


def give_back_seldom(given: RuleInput, wanted: int) -> Step | None:
    """A pool that holds its work may give tasks with a later time back, but not so often that a queue drops them."""
    if wanted or not given.facts.current or not holds(given):
        return None
    why = given_back_too_often(given.facts, given.memory.eta_sleep)
    return None if why is None else Step(Rule.DEFERRED, wanted, 1, f"1 worker kept: {why}")


def _start_is_old(given: RuleInput) -> bool:
    """Whether no start was measured for a day: a pool that stays awake because of a slow one would never learn more."""
    measured = given.memory.started_at
    return measured is not None and given.now - measured >= START_HOLDS


def _not_seen_idle(facts: Facts) -> str:
    return facts.work.why if isinstance(facts.work, Unknown) else plural(facts.work, "task") + " left"


def within_bounds(given: RuleInput, wanted: int) -> Step | None:
    """`min` holds even when nothing is known; `max` limits what is asked for."""
    scaling = given.pool.scaling
    if wanted < scaling.min:
        return Step(Rule.BOUNDS, wanted, scaling.min, f"min is {number(scaling.min)}")
    if wanted > scaling.max:
        because = f"max is {number(scaling.max)}, {plural(wanted, 'worker')} would be needed"
        return Step(Rule.BOUNDS, wanted, scaling.max, because)
    return None


def by_override(given: RuleInput, wanted: int) -> Step | None:
    """What a person set, until the moment that they set, replaces demand, runs and bounds."""
    override = given.override
    if override is None or given.now >= override.until:
        return None
    until = timestamp(override.until)
    return Step(
        Rule.OVERRIDE, wanted, override.workers, f"{plural(override.workers, 'worker')} by annotation until {until}"
    )


def wait_after_a_start(given: RuleInput, wanted: int) -> Step | None:
    """After a start of the operator no worker goes before it has seen well, twice and for a while."""
    current = given.facts.current
    if wanted >= current or given.steady:
        return None
    return Step(Rule.SAFETY, wanted, current, f"{plural(current, 'worker')} kept: the operator has just started")


def held_back(decision: Decision, allowed: int, because: str) -> Decision:
    """The decision cut down by the fleet's ceiling."""
    return decision.then(Step(Rule.BUDGET, decision.replicas, allowed, because))


_FLOORS = (wait_until_due, leave_when_served, by_run, not_for_starved_work, declare_missing_queues)
_BOUNDS = (
    do_not_scale_up_failing_pods,
    keep_what_is_of_use,
    sleep_when_idle,
    give_back_seldom,
    within_bounds,
    by_override,
    wait_after_a_start,
)

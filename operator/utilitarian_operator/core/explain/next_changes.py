"""What would change a pool's number of workers, and what its settings cost at any number."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from utilitarian_operator.api.effective import Fleet, Pool
from utilitarian_operator.api.units import format_duration
from utilitarian_operator.core.changed import changed
from utilitarian_operator.core.explain import usage_advice
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.sizing import when_due
from utilitarian_operator.core.sizing.decision import Rule, Step
from utilitarian_operator.core.sizing.demand import is_cut
from utilitarian_operator.core.sizing.memory import arrival_rate, highest, longest_task
from utilitarian_operator.core.sizing.rule_input import RuleInput, arrival_window, horizon_now
from utilitarian_operator.core.sizing.rules import run_at_once
from utilitarian_operator.core.sizing.runs import run_times
from utilitarian_operator.core.spec.by_hand import PAUSED
from utilitarian_operator.core.wording import number, plural, seconds, whole

LONG_TASK_S = 60.0
MANY_SLOTS = 10
"""A worker with so many slots and so long a task is slow to go, and most of its slots stand empty meanwhile."""


@dataclass(frozen=True, slots=True)
class TradeOff:
    """What a setting costs, which no number of workers changes.

    Args:
        what: it costs, with the figures.
        cure: what to change against it.
    """

    what: str
    cure: str


_WHATEVER_WAITS = {Rule.HOLD, Rule.OVERRIDE, Rule.QUEUE_TAKEN, Rule.PAUSED, Rule.CONTESTED}
"""Rules beside which no number of tasks asks for workers."""


def outlook(fleet: Fleet, given: RuleInput, trail: tuple[Step, ...], *, paused: bool = False) -> Iterator[str]:
    """Sentences on what would change the number, the most likely first.

    Args:
        fleet: whose pool it is.
        given: of the last look.
        trail: of the last decision.
        paused: whether a person's pause is in force.
    """
    spoken = {step.rule: step for step in trail}
    for rule, sentence in _BY_RULE.items():
        if rule in spoken and (text := sentence(fleet, given, spoken[rule])):
            yield text
    if not (paused or _WHATEVER_WAITS & spoken.keys() or _has_deadline(given)):
        yield from _growth(given, trail[-1].after if trail else 0)
    for schedule in given.pool.schedule:
        start = run_times.next_start(schedule, given.now)
        earlier = f"{plural(schedule.workers, 'worker')} from {timestamp(start - schedule.warm_up)} on"
        yield f"run {schedule.name} starts at {timestamp(start)}, {earlier}"


def trade_offs(given: RuleInput, *, kept_in_broker: bool = False) -> Iterator[TradeOff]:
    """What this pool's settings cost, as far as its figures tell.

    Args:
        given: of the last look.
        kept_in_broker: whether Celery's native delayed delivery is set up.
    """
    pool, s = given.pool, given.seconds_per_task
    longest = longest_task(given.memory, s)
    promise, c = pool.scaling.drain_within, pool.worker.concurrency
    if s > promise.total_seconds():
        held = c * max(pool.worker.prefetch_multiplier, 1)
        yield TradeOff(
            f"a task takes {seconds(s)}, longer than drainWithin ({format_duration(promise)}). With early "
            f"acknowledgement, Celery's default, a busy worker holds {plural(held, 'message')} behind its running "
            "tasks, and no number of workers gets them started in time",
            _cure_of_early_acknowledgement(given),
        )
    if c >= MANY_SLOTS and longest >= LONG_TASK_S:
        yield TradeOff(
            f"a worker that is to go first ends its tasks, {number(c)} at a time: the longest seen took "
            f"{seconds(longest)}, and until then its other slots stand empty",
            "a smaller worker.concurrency with a larger scaling.max",
        )
    if not pool.scaling.min and given.start_up_s >= promise.total_seconds():
        yield TradeOff(
            f"asleep, it takes {seconds(given.start_up_s)} to start a worker, and drainWithin is "
            f"{format_duration(promise)}",
            "scaling.min: 1, or a schedule whose warmUp comes before the work does",
        )
    elif is_cut(promise.total_seconds(), given.start_up_s, s):
        yield TradeOff(
            f"a start takes {seconds(given.start_up_s)} of drainWithin ({format_duration(promise)}), and the "
            "rest is too short for a burst: some of its tasks begin too late, and more workers would only slow each "
            "other's starts",
            "a longer scaling.drainWithin, or scaling.min: 1",
        )
    if usage_advice.is_bound(pool, given.memory.usage):
        yield TradeOff(
            f"a worker is bound by its CPU: {usage_advice.bound(pool, given.memory.usage)}",
            "more workers rather than more concurrency: a larger scaling.max with a smaller worker.concurrency",
        )
    yield from _of_others(pool)
    yield from _trickle(given)
    yield from _of_later_tasks(given, kept_in_broker=kept_in_broker)


def _of_others(pool: Pool) -> Iterator[TradeOff]:
    """What can't be known where others are meant to consume the same queues."""
    if pool.foreign_consumers == "Expected":
        yield TradeOff(
            "workers of others may consume its queues, and what those run is in no figure here: only its own workers' "
            "tasks count as unacknowledged or running, and a run counts as done while others may still run its tasks. "
            "All arrivals count, also those that others serve",
            "pools of this resource for all the queue's workers, and foreignConsumers left out",
        )


def _of_later_tasks(given: RuleInput, *, kept_in_broker: bool) -> Iterator[TradeOff]:
    if given.facts.deferred:
        yield TradeOff(
            f"{plural(given.facts.deferred, 'task')} with a later time wait inside a worker, which may not sleep "
            "for long while they do",
            "a topic exchange: Celery's native delayed delivery is set up, and keeps back no task of a direct one"
            if kept_in_broker
            else "quorum queues with Celery's native delayed delivery (5.5 or newer) keep them in the broker",
        )


def _trickle(given: RuleInput) -> Iterator[TradeOff]:
    """Single tasks that come so rarely that the pool sleeps between them, and that each wake it."""
    pool, now = given.pool, given.now
    held = pool.scaling.outside_runs == "Hold" and pool.schedule
    if held or (when_due.applies(pool, given.memory) and when_due.has_room(pool, given.memory)):
        return
    window = arrival_window(pool, given.memory, now)
    rate = arrival_rate(given.memory, window, now)
    patience = pool.scaling.idle_after
    if pool.scaling.min or not rate or 1 / rate <= patience.total_seconds():
        return
    gap = format_duration(timedelta(seconds=round(1 / rate)))
    yield TradeOff(
        f"tasks come about every {gap}, and it sleeps after {format_duration(patience)}: nearly every task starts a "
        f"worker and waits {seconds(given.start_up_s)} for it",
        f"scaling.idleAfter longer than {gap}, which keeps a worker awake all the time, or bear it",
    )


def _cure_of_early_acknowledgement(given: RuleInput) -> str:
    own = [] if given.pool.worker.prefetch_multiplier == 1 else ["worker.prefetchMultiplier: 1"]
    own += [] if given.pool.worker.concurrency == 1 else ["a smaller worker.concurrency"]
    return ", ".join([*own, "late acknowledgement in the application (task_acks_late)"])


def _has_deadline(given: RuleInput) -> bool:
    """Whether a run is open that is sized by its deadline, and not by the promise."""
    named = {run.name for run in given.memory.runs}
    return any(it.finish_within is not None and it.name in named for it in given.pool.schedule)


def _growth(given: RuleInput, asked: int) -> Iterator[str]:
    """From how many tasks on the work would ask for one worker more than are there, or are asked for."""
    pool, facts, s = given.pool, given.facts, given.seconds_per_task
    if facts.at_least is None:
        return
    if not (facts.current or facts.at_least or asked):
        yield _first_message(given)
    over = horizon_now(pool, given.memory, given.now)
    more = max(facts.current, asked, 1) + 1
    if more <= pool.scaling.max and s > 0:
        tasks = int((more - 1) * pool.worker.concurrency * over / s) + 1
        yield f"from {plural(tasks, 'task')} on, {seconds(s)} each, it asks for {plural(more, 'worker')}"


def _first_message(given: RuleInput) -> str:
    pool, memory, now = given.pool, given.memory, given.now
    if when_due.applies(pool, memory):
        due = when_due.due(pool, changed(memory, waiting_since=now), 1, given.seconds_per_task)
        if due is not None and due > now:
            return f"the first message waits for {format_duration(whole(due - now))}, then it asks for one worker"
    return "the first message wakes it with one worker"


def _unknown(fleet: Fleet, given: RuleInput, step: Step) -> str:
    del fleet, given, step
    return "nothing changes until its queues are seen again: see the condition BrokerReachable"


def _hold(fleet: Fleet, given: RuleInput, step: Step) -> str:
    del fleet, step
    names = ", ".join(schedule.name for schedule in given.pool.schedule)
    return f"the work that waits is done when a run opens ({names}); scaling.outsideRuns: React does it now"


def _wait(fleet: Fleet, given: RuleInput, step: Step) -> str:
    del fleet
    due = step.due or when_due.due(given.pool, given.memory, given.facts.at_least or 0, given.seconds_per_task)
    moment = "when the oldest is due" if due is None else f"at {timestamp(due)}"
    sooner = "earlier if more comes than one can start in time"
    return f"workers are asked for {moment}, {sooner}; scaling.wake: AtOnce asks for them at once"


def _starved(fleet: Fleet, given: RuleInput, step: Step) -> str:
    del fleet, given
    return f"a worker begins a task again: then it asks for {plural(step.before, 'worker')}"


def _run(fleet: Fleet, given: RuleInput, step: Step) -> str:
    del fleet, step
    names = list(dict.fromkeys(run.name for run in given.memory.runs)) or ["the run"]
    held = given.pool.scaling.outside_runs == "Hold"
    then = "what still waits is held for the next run (outsideRuns: Hold)" if held else "demand alone counts"
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} over: then {then}"


def _missing(fleet: Fleet, given: RuleInput, step: Step) -> str:
    del fleet, given, step
    return "the application declares the missing queue: then the queue's own work counts"


def _calm(fleet: Fleet, given: RuleInput, step: Step) -> str:
    del fleet
    facts, pool = given.facts, given.pool
    if isinstance(facts.work, Unknown):
        return f"no worker goes until this is known: {facts.work.why}"
    if step.after <= highest(given.memory) and facts.work <= (step.after - 1) * pool.worker.concurrency:
        return f"a worker goes when the smaller demand has lasted {format_duration(pool.scaling.stabilization)}"
    tasks = plural((step.after - 1) * pool.worker.concurrency, "task")
    return f"a worker goes when no more than {tasks} are left, and that has lasted one task's time"


def _idle(fleet: Fleet, given: RuleInput, step: Step) -> str:
    del fleet, step
    since, patience = given.memory.idle_since, given.pool.scaling.idle_after
    if since is None:
        return f"it sleeps when nothing has been to do for {format_duration(patience)}"
    if since + patience > given.now:
        return f"it sleeps at {timestamp(since + patience)} if nothing comes until then"
    run = run_at_once(given)
    return "" if run is None else f"it sleeps when run {run}, which is about to begin, is over"


def _bounds(fleet: Fleet, given: RuleInput, step: Step) -> str:
    del fleet
    scaling = given.pool.scaling
    if step.after < step.before:
        return f"scaling.max: {step.before} lets it have all that it asks for; now it is {number(scaling.max)}"
    return f"scaling.min is {number(scaling.min)}: a smaller one lets it have fewer"


def _budget(fleet: Fleet, given: RuleInput, step: Step) -> str:
    short = step.before - step.after
    if fleet.max_workers is None or short <= 0:
        return ""
    priority = given.pool.priority
    return (
        f"{plural(short, 'worker')} more when other pools give some back; or a spec.maxWorkers larger than "
        f"{number(fleet.max_workers)}, or a priority larger than {number(priority)}"
    )


def _override(fleet: Fleet, given: RuleInput, step: Step) -> str:
    del fleet, step
    name = given.pool.name
    until = f"at {timestamp(given.override.until)}" if given.override else "when the annotation's time is over"
    return f"the rules decide again {until}, or without the annotation utilitarian.io/override.{name}"


def _safety(fleet: Fleet, given: RuleInput, step: Step) -> str:
    del fleet, step
    stabilization = format_duration(given.pool.scaling.stabilization)
    return f"workers go again when the operator has seen well, twice, and run for {stabilization}"


def _deferred(fleet: Fleet, given: RuleInput, step: Step) -> str:
    del fleet, step
    return f"it sleeps when {plural(given.facts.deferred, 'task')} with a later time have run, or may be given back"


def _held_up(fleet: Fleet, given: RuleInput, step: Step) -> str:
    del fleet, given
    return f"{plural(step.before, 'worker')} when what holds them up is mended; it is looked for each second"


def _paused(fleet: Fleet, given: RuleInput, step: Step) -> str:
    del given
    if fleet.mode == "Auto":
        return f"the rules set it to {step.before} when the pause is over, or without the annotation {PAUSED}"
    return f"spec.mode: Auto sets it to {step.before}"


def _contested(fleet: Fleet, given: RuleInput, step: Step) -> str:
    del fleet, given
    return f"when the other client has written nothing for ten minutes the rules set it to {step.before}"


_BY_RULE: dict[Rule, Callable[[Fleet, RuleInput, Step], str]] = {
    Rule.PAUSED: _paused,
    Rule.CONTESTED: _contested,
    Rule.UNKNOWN: _unknown,
    Rule.OVERRIDE: _override,
    Rule.HOLD: _hold,
    Rule.WAIT: _wait,
    Rule.BUDGET: _budget,
    Rule.BOUNDS: _bounds,
    Rule.MISSING_QUEUE: _missing,
    Rule.STARVED: _starved,
    Rule.RUN: _run,
    Rule.HELD_UP: _held_up,
    Rule.SAFETY: _safety,
    Rule.DEFERRED: _deferred,
    Rule.IDLE: _idle,
    Rule.CALM: _calm,
}

SOON = timedelta(days=2)


def until(moment: datetime, now: datetime) -> str:
    """How long it is to a moment, in words short enough for a table: `in 23m`, `in 5h10m`, `in 12 days`."""
    left = moment - now
    if left >= SOON:
        return f"in {left.days} days"
    fine = timedelta(seconds=1) if left < timedelta(minutes=2) else timedelta(minutes=1)
    return f"in {format_duration(max(round(left / fine), 1) * fine)}"

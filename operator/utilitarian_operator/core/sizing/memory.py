"""What a pool remembers from one decision to the next, small enough for the status."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any

from utilitarian_operator.api.effective import Pool
from utilitarian_operator.core.changed import changed
from utilitarian_operator.core.observation.counted import start_ups
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.sizing.eta_sleep import EtaSleep
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.learning import (
    GUESS_WEIGHT,
    MOST_COMPLETIONS,
    MOST_STRETCHES,
    Oldest,
    believed,
    no_longer_than,
    spent,
)
from utilitarian_operator.core.sizing.runs.run_state import OpenRun, PastRun
from utilitarian_operator.core.sizing.usage import Usage, learned

KEPT_AT_A_NEW_PERIOD = 200
"""Completions that are carried into a new busy period: enough to know, few enough to learn anew."""

LONGER = 1.5
"""Times the seconds per task at the start of a busy period: then they were not known."""

BUCKETS = 10
SHORTEST_WINDOW = timedelta(seconds=60)
LONGEST_GAP = timedelta(minutes=2)
"""A longer time between two looks (the operator was away) is not counted as busy: it was not seen."""


@dataclass(frozen=True)
class Memory:
    """What a pool remembers; without slots, since each look changes some of it (`changed`).

    Args:
        looked_at: when it was last seen.
        idle_since: since when nothing is to do, seen without a gap; None while something is, or may be.
        busy_since: since when something is to do; None while it is idle.
        slot_seconds: A, what the tasks of this and earlier busy periods took.
        completions: n, how many they were.
        period_seconds: s at the start of the busy period.
        longest_s: seconds of the longest task that was seen in this busy period, or in a day of it; 0 before one was.
        longest_before: the same of the stretches before, the newest last.
        oldest: the task that has run longest.
        start_up_s: u, measured seconds from scale request to first task; None before one was.
        start_ups: the newest starts that it rests on; empty where it rests on starts of a larger group.
        start_up_deviation_s: mean deviation of the starts from that, seconds; None before one was measured.
        started_at: when a start was measured last.
        start_waited_s: seconds that a worker of the newest starts waited for a node, its image or the broker.
        arrivals: tasks by bucket, each with the moment it begins; newest last.
        highs: the largest demand of each stretch of the stabilization time, with its moment; newest last.
        surplus_since: since when fewer workers would do; None while they would not.
        waiting_since: since when the oldest message of a pool that no worker serves may wait; None while none does.
        asked_since: since when a pool that wakes when due has asked for workers and none serves; None while one does.
        start_delay_s: seconds that its last start took longer than a start takes; 0 where it did not.
        usage: of CPU and memory.
        empty_looks: looks in a row at which no message waited for the workers that are there, 2 at most.
        first_worker_since: since when a ready worker runs although one of the queues is missing.
        first_worker_spent: that worker had its time and the queue is still missing: it is not given again.
        first_worker_turn: when its last turn to start that worker began; None once its queues are there.
        eta_sleep: with tasks that wait for their time, or the last one while some of them may; None without any.
        of_queues: what stands for the queues that the sleep and the first worker are of; empty without either.
        runs: open.
        opened: start of the newest run of each schedule that was opened.
        history: the last runs that are over, the newest first.
    """

    looked_at: datetime | None = None
    idle_since: datetime | None = None
    busy_since: datetime | None = None
    slot_seconds: float = 0.0
    completions: float = 0.0
    period_seconds: float | None = None
    longest_s: float = 0.0
    longest_before: tuple[float, ...] = ()
    oldest: Oldest = field(default_factory=Oldest)
    start_up_s: float | None = None
    start_ups: tuple[float, ...] = ()
    start_up_deviation_s: float | None = None
    started_at: datetime | None = None
    start_waited_s: float = 0.0
    arrivals: tuple[tuple[datetime, int], ...] = ()
    highs: tuple[tuple[datetime, int], ...] = ()
    surplus_since: datetime | None = None
    waiting_since: datetime | None = None
    asked_since: datetime | None = None
    start_delay_s: float = 0.0
    usage: Usage = field(default_factory=Usage)
    empty_looks: int = 0
    first_worker_since: datetime | None = None
    first_worker_spent: bool = False
    first_worker_turn: datetime | None = None
    eta_sleep: EtaSleep | None = None
    of_queues: str = ""
    runs: tuple[OpenRun, ...] = ()
    opened: tuple[tuple[str, datetime], ...] = ()
    history: tuple[PastRun, ...] = ()


FRESH = Memory()
"""What is remembered of a pool that was never looked at."""


def seconds_per_task(pool: Pool, memory: Memory, now: datetime) -> float:
    """S = (5 * taskDuration + A) / (5 + n): the measured mean, which the first guess gives way to.

    Within a busy period it rises at most to the longer of its value at the start and the period's age: the running
    tasks of a young period say how long they have run, not how long they will.
    """
    guess = pool.scaling.task_duration.total_seconds()
    most = no_longer_than(longest_seen(memory), guess, memory.completions)
    s = min((GUESS_WEIGHT * guess + memory.slot_seconds) / (GUESS_WEIGHT + memory.completions), most)
    if memory.busy_since is None or memory.period_seconds is None or s <= memory.period_seconds:
        return s
    return min(s, max(memory.period_seconds, (now - memory.busy_since).total_seconds()))


def is_rising(memory: Memory, seconds_per_task: float, now: datetime) -> bool:
    """Whether the tasks of a young busy period turn out longer than was thought at its start.

    Args:
        memory: brought up to `now`.
        seconds_per_task: s.
        now: the one clock.
    """
    if memory.busy_since is None or memory.period_seconds is None:
        return False
    young = (now - memory.busy_since).total_seconds() <= 2 * seconds_per_task
    return young and seconds_per_task > LONGER * memory.period_seconds


def longest_task(memory: Memory, seconds_per_task: float) -> float:
    """Seconds of the longest task that is to be expected again; 0 before one was seen."""
    return believed(memory.longest_s, memory.longest_before, seconds_per_task)


def longest_seen(memory: Memory) -> float:
    """Seconds of the longest task that was seen in recent busy periods, one that hung included."""
    return max(memory.longest_s, 0.0, *memory.longest_before) if memory.longest_before else max(memory.longest_s, 0.0)


def start_up_s(memory: Memory, first_guess: timedelta) -> float:
    """u: seconds from a scale request to the first task, measured or guessed."""
    return first_guess.total_seconds() if memory.start_up_s is None else memory.start_up_s


def arrival_rate(memory: Memory, window: timedelta, now: datetime) -> float:
    """Lambda: tasks a second that came within the window; 0 without statistics."""
    since = now - window
    return sum([count for begin, count in memory.arrivals if begin > since]) / window.total_seconds()


def remember(pool: Pool, facts: Facts, memory: Memory, now: datetime, window: timedelta) -> Memory:
    """The memory after a look and before the decision that rests on it.

    Args:
        pool: the effective spec.
        facts: of the look.
        memory: of the look before.
        now: of this look.
        window: over which arrivals are counted.
    """
    if memory.looked_at is None or now < memory.looked_at:
        memory = _without_the_future(memory, now)
    memory = _period(pool, facts, memory, now)
    memory = _learned(pool, facts, memory, now)
    memory = _started(facts, memory, now)
    memory = _first_worker(pool, facts, memory, now)
    if facts.measured:
        memory = changed(memory, usage=learned(memory.usage, pool.worker.concurrency, facts.measured, now))
    arrivals = _arrived(facts, memory.arrivals, now, max(window, SHORTEST_WINDOW))
    return changed(memory, arrivals=arrivals, looked_at=now)


def of_its_queues(pool: Pool, memory: Memory, *, moved: bool) -> Memory:
    """The memory, without what it has of other queues: work on the new ones would count as what waits for its time.

    Args:
        pool: the effective spec.
        memory: of the look before.
        moved: whether the URL names another broker since then.
    """
    # Of an operator's earlier version it is not known which queues it is of.
    if not _has_of_queues(memory) or (not moved and memory.of_queues in {"", _mark(pool.queues)}):
        return memory
    return changed(memory, eta_sleep=None, first_worker_since=None, first_worker_spent=False, of_queues="")


def marked(pool: Pool, memory: Memory) -> Memory:
    """The memory with what stands for the queues of which it has something."""
    mark = _mark(pool.queues) if _has_of_queues(memory) else ""
    return memory if mark == memory.of_queues else changed(memory, of_queues=mark)


def _has_of_queues(memory: Memory) -> bool:
    return memory.eta_sleep is not None or memory.first_worker_spent or memory.first_worker_since is not None


@lru_cache(maxsize=1024)
def _mark(queues: tuple[str, ...]) -> str:
    """A few characters instead of all names: a status has a hundred pools of forty queues."""
    return sha256("\n".join(sorted(queues)).encode()).hexdigest()[:8]


def _without_the_future(memory: Memory, now: datetime) -> Memory:
    """The clock was set back: what it dated later than now counts from now, or nothing would end until then."""

    def passed(moment: datetime | None) -> datetime | None:
        return None if moment is None else min(moment, now)

    return changed(
        memory,
        idle_since=passed(memory.idle_since),
        busy_since=passed(memory.busy_since),
        surplus_since=passed(memory.surplus_since),
        waiting_since=passed(memory.waiting_since),
        asked_since=passed(memory.asked_since),
        first_worker_since=passed(memory.first_worker_since),
        first_worker_turn=passed(memory.first_worker_turn),
        started_at=passed(memory.started_at),
        arrivals=tuple((min(begin, now), count) for begin, count in memory.arrivals),
        highs=tuple((min(at, now), value) for at, value in memory.highs),
        runs=tuple(
            replace(
                run,
                watched_since=passed(run.watched_since),
                first_message=passed(run.first_message),
                worked_at=passed(run.worked_at),
                short_since=passed(run.short_since),
            )
            for run in memory.runs
        ),
    )


def _period(pool: Pool, facts: Facts, memory: Memory, now: datetime) -> Memory:
    """Begin and end busy periods; one that begins keeps of the past only what it can still unlearn."""
    idle_since = _idle_since(facts, memory, now)
    busy = bool(facts.at_least)
    if not busy or memory.busy_since is not None:
        busy_since = None if facts.nothing_to_do else memory.busy_since
        if idle_since == memory.idle_since and busy_since == memory.busy_since:
            return memory
        return changed(memory, idle_since=idle_since, busy_since=busy_since)
    share = min(1.0, KEPT_AT_A_NEW_PERIOD / memory.completions) if memory.completions else 1.0
    begun = changed(
        memory,
        idle_since=idle_since,
        slot_seconds=memory.slot_seconds * share,
        completions=memory.completions * share,
        **_next_stretch(memory),
    )
    return changed(begun, busy_since=now, period_seconds=seconds_per_task(pool, begun, now))


def _idle_since(facts: Facts, memory: Memory, now: datetime) -> datetime | None:
    """A task that came and ended between two looks was work all the same: short ones are rarely seen running."""
    if not facts.nothing_to_do:
        return None
    return now if facts.arrived or facts.completed or memory.idle_since is None else memory.idle_since


def _next_stretch(memory: Memory) -> dict[str, Any]:
    """What was the longest task is one of those before; without any there is nothing to put there."""
    if not memory.longest_s:
        return {}
    return {"longest_s": 0.0, "longest_before": (*memory.longest_before, memory.longest_s)[-MOST_STRETCHES:]}


def _learned(pool: Pool, facts: Facts, memory: Memory, now: datetime) -> Memory:
    memory = _with_longest(facts, memory, now)
    if facts.completed is None:
        return memory  # slot-seconds without completions would only make tasks look longer
    gap = timedelta() if memory.looked_at is None else min(max(now - memory.looked_at, timedelta()), LONGEST_GAP)
    s, most = seconds_per_task(pool, memory, now), pool.drain_timeout.total_seconds()
    used, oldest = spent(facts, memory.oldest, gap.total_seconds(), s, most)
    ended = max(facts.completed, 0)
    if not (used or ended) and oldest == memory.oldest:
        return memory
    slot_seconds, completions = memory.slot_seconds + used, memory.completions + ended
    share = min(0.5, MOST_COMPLETIONS / completions) if completions > MOST_COMPLETIONS else 1.0
    return changed(memory, slot_seconds=slot_seconds * share, completions=completions * share, oldest=oldest)


def _with_longest(facts: Facts, memory: Memory, now: datetime) -> Memory:
    """The longest task of this stretch; in a busy period without an end each day is one, unless the task runs on."""
    since, before, day = memory.busy_since, memory.looked_at, timedelta(days=1)
    runs_on = facts.longest_s >= max(memory.longest_s, day.total_seconds())
    if since is not None and before is not None and not runs_on and (now - since) // day > (before - since) // day:
        memory = changed(memory, **_next_stretch(memory))
    return changed(memory, longest_s=facts.longest_s) if facts.longest_s > memory.longest_s else memory


def _started(facts: Facts, memory: Memory, now: datetime) -> Memory:
    if not facts.started_up and not facts.started_together and facts.start_waited_s is None:
        return memory
    u, kept = start_ups.learned(memory.start_up_s, memory.start_ups, facts.started_up, facts.started_together)
    counted = facts.started_up if kept else facts.started_together
    return changed(
        memory,
        start_up_s=u,
        start_ups=kept,
        start_up_deviation_s=start_ups.deviation(memory.start_up_deviation_s, memory.start_up_s, counted),
        started_at=now if facts.started_up or facts.started_together else memory.started_at,
        start_waited_s=facts.start_waited_s or 0.0,
    )


Arrivals = tuple[tuple[datetime, int], ...]


def _arrived(facts: Facts, kept: Arrivals, now: datetime, window: timedelta) -> Arrivals:
    # One bucket more than the window has: with the seconds per task the window may grow again a little.
    length = window / BUCKETS
    if kept and now - kept[0][0] >= window + length:
        since = now - window - length
        kept = tuple([it for it in kept if it[0] > since])
    if not facts.arrived:
        return kept
    if kept and now - kept[-1][0] < length:
        begin, count = kept[-1]
        return (*kept[:-1], (begin, count + facts.arrived))
    return (*kept, (now, facts.arrived))


def _first_worker(pool: Pool, facts: Facts, memory: Memory, now: datetime) -> Memory:
    if isinstance(facts.ready, Unknown):
        return memory
    if not facts.missing and memory.first_worker_since is None and not memory.first_worker_spent:
        return memory
    if not facts.missing:
        return changed(memory, first_worker_since=None, first_worker_spent=False)
    tried = (memory.first_worker_since or now) if facts.serving else None
    spent = memory.first_worker_spent or (tried is not None and now - tried >= pool.scaling.idle_after)
    return changed(memory, first_worker_since=tried, first_worker_spent=spent)


def highest(memory: Memory) -> int:
    """The largest demand that is still remembered."""
    return max([value for _, value in memory.highs]) if memory.highs else 0


def with_demand(memory: Memory, demand: int, stabilization: timedelta, now: datetime) -> Memory:
    """The memory with one more demand; those older than `stabilization` are forgotten.

    Of a tenth of that time only the largest is kept, so that never more than a dozen are.
    """
    recent = memory.highs
    if recent and now - recent[0][0] >= stabilization:
        recent = tuple([it for it in recent if now - it[0] < stabilization])
    if recent and _same_bucket(recent[-1][0], now, stabilization / BUCKETS):
        demand, recent = max(demand, recent[-1][1]), recent[:-1]
    return changed(memory, highs=(*recent, (now, demand)))


def _same_bucket(one: datetime, other: datetime, length: timedelta) -> bool:
    seconds = length.total_seconds()
    return seconds > 0 and one.timestamp() // seconds == other.timestamp() // seconds

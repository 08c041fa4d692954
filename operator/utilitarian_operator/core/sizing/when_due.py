"""Waking when due (`wake: WhenDue`): how long a sleeping pool lets its tasks wait, and when it pays to sleep.

The promise, `drainWithin`, says that a task may wait. So a pool without a worker stays asleep until one that is asked
for then still starts the oldest task in time, and a pool whose queue is empty leaves at once, where that saves more
than the next start costs. All of it is off until a start-up was measured, and where a start-up leaves too little of the
promise. Where starts were long a pool stands and would never learn that they are short again: once an hour it leaves
all the same, and wakes at once. After a start that took longer than starts do, because something was in its way, a pool
wakes earlier by as much, until one goes well. docs/simulate.md has the simulations that chose the figures.
"""

from datetime import datetime, timedelta
from math import inf

from utilitarian_operator.api.effective import Pool
from utilitarian_operator.core.moments import since
from utilitarian_operator.core.observation.counted.start_ups import LONGEST_DELAY_S
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import Memory, arrival_rate

DEVIATIONS = 4.0
"""Mean deviations that a start-up may exceed the learned one by: what TCP allows its round trips (RFC 6298)."""

AMPLE_DEVIATIONS = 8.0
AMPLE_PART = 1 / 3
"""Where the promise has time enough, up to this part of it is given to starts longer than any that was seen."""

MARGIN_S = 3.0
"""From the moment that a worker is due until it is asked for: a few looks."""

SURELY_EMPTY = 2
"""Looks in a row: one alone may lie between two messages."""

FALSE_ZERO = timedelta(seconds=60)
"""A quorum queue without its leader says 0 messages and 0 consumers; another one is elected sooner than that."""

ROOM = 2.0
"""Times the longest start-up that must fit into the promise."""

LEAVING_S = 3.0
"""What a worker costs after its last task: it is marked, cancelled, seen empty and released, a look each."""

RECENT = timedelta(seconds=60)
"""What came within it says whether to sleep, if it is less than came on average: a burst is over soon."""

LEARN_AGAIN = timedelta(hours=1)
"""A start-up that was measured longer ago is no reason to stand."""


def applies(pool: Pool, memory: Memory) -> bool:
    """Whether waiting is asked for and nothing else rules: a minimum, a run that is open or warms up, a catch-all."""
    return pool.scaling.wake == "WhenDue" and not (pool.scaling.min or memory.runs or pool.is_catch_all)


def longest_start_up_s(pool: Pool, memory: Memory) -> float | None:
    """u_hi = max(u + 4 dev, min(u + 8 dev, D / 3)), seconds; None before a start-up was measured."""
    if memory.start_up_s is None:
        return None
    u, deviation = memory.start_up_s, memory.start_up_deviation_s or 0.0
    ample = min(u + AMPLE_DEVIATIONS * deviation, AMPLE_PART * _promise(pool))
    return max(u + DEVIATIONS * deviation, ample)


def has_room(pool: Pool, memory: Memory) -> bool:
    """Whether D >= 2 u_hi + 3 s: a start-up surely fits into the promise, with time to wait before it."""
    u = longest_start_up_s(pool, memory)
    return u is not None and _fits(pool, u)


def due(pool: Pool, memory: Memory, waiting: int, seconds_per_task: float) -> datetime | None:
    """When a worker must be asked for so that it alone starts all that waits in time; None while nothing waits.

    Args:
        pool: the effective spec.
        memory: brought up to now.
        waiting: B, tasks to do.
        seconds_per_task: s.
    """
    u = longest_start_up_s(pool, memory)
    if memory.waiting_since is None or u is None:
        return None
    if not _fits(pool, u):
        return memory.waiting_since
    c = pool.worker.concurrency
    before = u + MARGIN_S + max(waiting - c, 0) * seconds_per_task / c + memory.start_delay_s
    return memory.waiting_since + timedelta(seconds=max(_promise(pool) - before, 0.0))


def all_are_taken(pool: Pool, facts: Facts, memory: Memory) -> bool:
    """Whether a pool sleeps, and others have what is to do: workers that leave, a node that is lost, a stranger.

    A message that comes back waits from then on. A worker that stayed for it would leave when none waits, and be asked
    for again as soon as it leaves.

    Args:
        pool: the effective spec.
        facts: of the look.
        memory: brought up to now.
    """
    if facts.current or facts.ready != 0 or memory.waiting_since is not None:
        return False
    return applies(pool, memory) and longest_start_up_s(pool, memory) is not None


def may_leave(pool: Pool, facts: Facts, memory: Memory, seconds_per_task: float, now: datetime) -> bool:
    """Whether nothing waits, twice running, and what still runs ends sooner than a start takes: workers may go.

    Args:
        pool: the effective spec.
        facts: of the look.
        memory: brought up to `now`.
        seconds_per_task: s.
        now: the one clock.
    """
    u = longest_start_up_s(pool, memory)
    if u is None or not applies(pool, memory) or not (_fits(pool, u) or learns(memory, now)):
        return False
    if not facts.serving or facts.missing or not isinstance(facts.work, int) or facts.ready != 0:
        return False
    return memory.empty_looks >= SURELY_EMPTY and (facts.work == 0 or seconds_per_task <= u)


def sleep_pays(pool: Pool, memory: Memory, seconds_per_task: float, window: timedelta, now: datetime) -> bool:
    """Whether a worker that leaves now stays away for at least a start-up: until the next task, and until that is due.

    While rho = lambda s / c < 1: 1 / lambda + (D - u_hi - 3 s) / (1 + rho) - s - 3 s >= u.

    Args:
        pool: the effective spec.
        memory: brought up to `now`.
        seconds_per_task: s.
        window: over which arrivals are counted.
        now: the one clock.
    """
    u_hi = longest_start_up_s(pool, memory)
    if u_hi is None or memory.start_up_s is None:
        return False
    rate = min(arrival_rate(memory, window, now), recent_rate(memory, now))
    load = rate * seconds_per_task / pool.worker.concurrency
    if load >= 1:
        return False
    if learns(memory, now):
        return True
    room = (_promise(pool) - u_hi - MARGIN_S) / (1 + load)
    return (1 / rate if rate else inf) + room - seconds_per_task - LEAVING_S >= memory.start_up_s


def learns(memory: Memory, now: datetime) -> bool:
    """Whether the last measured start-up is too old to be a reason to stand."""
    return memory.started_at is None or now - memory.started_at >= LEARN_AGAIN


def recent_rate(memory: Memory, now: datetime) -> float:
    """Tasks a second over the newest whole buckets that reach back for `RECENT`.

    Buckets cut at that time would leave out what came just before, and take a steady stream for a pause.
    """
    count, seconds = 0, RECENT.total_seconds()
    for begin, arrived in reversed(memory.arrivals):
        count += arrived
        if now - begin >= RECENT:
            seconds = (now - begin).total_seconds()
            break
    return count / seconds


def waiting_since(pool: Pool, facts: Facts, memory: Memory, now: datetime) -> datetime | None:
    """Since when the oldest message of a pool that no worker serves may wait; None where none does.

    What came unseen came right after the look before, also where that look, or this one, saw nothing. An operator that
    has just started and has no word of it finds messages that may have waited for any time. A start that comes to
    nothing ends no wait, nor does a zero that a queue without its leader says.

    Args:
        pool: the effective spec.
        facts: of the look.
        memory: of the look before.
        now: of this look.
    """
    if pool.scaling.wake != "WhenDue" or facts.serving:
        return None
    known = _by_this_clock(memory, now)
    if facts.ready == 0:
        return None if _surely_empty(facts, memory, now) else known
    if facts.current:
        return known
    if known is None:
        known = memory.looked_at or now - pool.scaling.drain_within
    return min(known, now)


def _by_this_clock(memory: Memory, now: datetime) -> datetime | None:
    """Since when the oldest message waited at the look before; where the clock was set back it has waited as long."""
    known, before = memory.waiting_since, memory.looked_at
    if known is None or before is None or now >= before:
        return known
    return now - max(before - known, timedelta())


def _surely_empty(facts: Facts, memory: Memory, now: datetime) -> bool:
    """Whether no message waits any more: a queue that something consumes says so by its leader."""
    return facts.consumed or (memory.idle_since is not None and now - memory.idle_since >= FALSE_ZERO)


def start_followed(pool: Pool, facts: Facts, memory: Memory, now: datetime) -> tuple[datetime | None, float]:
    """Since when a worker is asked for and none serves, and what the last start took beyond what a start takes.

    What a start waits for (a quota, a node, its image) is no part of a start-up, and may be over at the next one. But a
    pool that lets its tasks wait would find out too late that it is not: so it wakes earlier by it, once.

    Args:
        pool: the effective spec.
        facts: of the look.
        memory: of this look, with the start-ups that ended with it.
        now: of this look.
    """
    asked, delay = memory.asked_since, memory.start_delay_s
    if pool.scaling.wake != "WhenDue":
        return None, 0.0
    if facts.current and not facts.serving:
        return since(asked, now), delay
    if asked is None or memory.start_up_s is None:
        return None, delay
    took = max((now - asked).total_seconds(), 0.0)
    if took > (longest_start_up_s(pool, memory) or 0.0) + MARGIN_S:
        return None, min(took - memory.start_up_s, LONGEST_DELAY_S)
    return None, 0.0 if facts.serving else delay


def empty_looks(facts: Facts, memory: Memory) -> int:
    """Looks in a row, this one included, at which no message waited for the workers that are there.

    Args:
        facts: of the look.
        memory: of the look before.
    """
    return min(memory.empty_looks + 1, SURELY_EMPTY) if facts.current and facts.ready == 0 else 0


def _fits(pool: Pool, longest_s: float) -> bool:
    return _promise(pool) >= ROOM * longest_s + MARGIN_S


def _promise(pool: Pool) -> float:
    return pool.scaling.drain_within.total_seconds()

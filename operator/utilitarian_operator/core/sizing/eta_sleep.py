"""When a pool may sleep whose tasks wait for their ETA, and what is remembered of those tasks.

An idle worker soaks such tasks up and holds them unacknowledged. When it goes, they are back on the queue, where they
look like work that waits: unless it is remembered how many they are and when the first is due, they would wake the pool
at once.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from utilitarian_operator.api.effective import Pool
from utilitarian_operator.api.units import format_duration
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.wording import plural

MOST_RETURNS = 3
"""Sleeps that may give the same tasks back: a quorum queue drops a message after 20 deliveries (RabbitMQ 4.0 and
later), and others count, too."""

SURELY_NONE = timedelta(seconds=10)
"""Nothing to do for so long before the tasks are forgotten: an answer is believed for a few seconds, and may be of
before the worker took them off the queue."""

SOAKED_A_SECOND = 2.0
"""Tasks with an ETA that a waking worker takes off its queue a second, with one message fetched ahead for each slot."""


@dataclass(frozen=True, slots=True)
class EtaSleep:
    """A sleep with tasks that wait for their time.

    Args:
        number: of those tasks: as many messages on the queue are no work yet.
        first_due: when the first of them is.
        returns: sleeps so far that gave them back.
        slept: whether this one has begun: the pool has been at zero.
    """

    number: int
    first_due: datetime
    returns: int = 0
    slept: bool = False


def deferring(facts: Facts, sleep: EtaSleep | None, start_up_s: float, now: datetime) -> Facts:
    """The facts with the messages that a sleep gave back as deferred, until a worker must start to be there in time."""
    if sleep is None or facts.at_least is None or not isinstance(facts.ready, int):
        return facts
    if not not_yet_due(sleep, start_up_s, now):
        return facts
    if facts.current and not sleep.slept:
        return facts  # its workers still hold them
    # A worker that was only asked to leave holds its part, perhaps for as long as a drain may take.
    held = sleep.number if facts.still_held is None else facts.still_held
    number = min(max(sleep.number - facts.deferred - held, 0), facts.ready)
    return replace(
        facts,
        ready=facts.ready - number,
        work=facts.work - number if isinstance(facts.work, int) else facts.work,
        at_least=max(facts.at_least - number, 0),
        deferred=facts.deferred + number,
        first_due=min(sleep.first_due, facts.first_due or sleep.first_due) if number else facts.first_due,
    )


def not_yet_due(sleep: EtaSleep | None, start_up_s: float, now: datetime) -> int:
    """Messages that a sleep gave back and that are no work yet; 0 once a worker must start to be there in time."""
    if sleep is None or now >= sleep.first_due - timedelta(seconds=start_up_s):
        return 0
    return sleep.number


def followed(sleep: EtaSleep | None, facts: Facts, idle_for: timedelta) -> EtaSleep | None:
    """What is still to be remembered after a look: less, when leaving workers ran some tasks or others took them.

    Args:
        sleep: of the look before.
        facts: as they were seen, without what `deferring` makes of them.
        idle_for: how long nothing has been to do, by the look before.
    """
    if sleep is None or not isinstance(facts.ready, int):
        return sleep
    if facts.leaving:
        return sleep if facts.given_back is None else _of(sleep, min(sleep.number, facts.given_back + facts.ready))
    if not facts.current:
        begun = sleep if sleep.slept else replace(sleep, slept=True, returns=sleep.returns + 1)
        return _of(begun, min(sleep.number, facts.ready))
    # Awake again, a worker soaks them up anew: none is left on the queue, and none in the workers, when all have run.
    none = sleep.slept and facts.serving and facts.nothing_to_do and not facts.deferred
    return None if none and idle_for >= SURELY_NONE else sleep


def put_to_sleep(sleep: EtaSleep | None, facts: Facts, replicas: int) -> EtaSleep | None:
    """The sleep that begins with a decision for no worker, if tasks wait for their time in one."""
    if replicas or not facts.current or not facts.deferred or facts.first_due is None:
        return sleep
    return EtaSleep(facts.deferred, facts.first_due, 0 if sleep is None else sleep.returns)


def why_awake(pool: Pool, facts: Facts, sleep: EtaSleep | None, start_up_s: float, now: datetime) -> str | None:
    """Why a pool with nothing but tasks that wait for their time keeps a worker; None if it may sleep.

    The first must be due later than the pool would fall asleep and wake again; a waking worker must have taken all of
    them off the queue before a task that came meanwhile is late; and none may be given back too often.
    """
    waiting = _waiting(facts.deferred)
    if facts.first_due is None:
        return f"{waiting}, but no worker says when that is"
    scaling, wakes = pool.scaling, timedelta(seconds=start_up_s)
    if facts.first_due - now <= scaling.idle_after + wakes:
        return f"{waiting}, the first at {timestamp(facts.first_due)}"
    if timedelta(seconds=facts.deferred / SOAKED_A_SECOND) + wakes > scaling.drain_within:
        return f"{waiting}, too many to be fetched anew within {format_duration(scaling.drain_within)}"
    return given_back_too_often(facts, sleep)


def given_back_too_often(facts: Facts, sleep: EtaSleep | None) -> str | None:
    """Why tasks that wait for their time may not be given back once more; None if they may, or there are none."""
    if not facts.deferred or sleep is None or sleep.returns < MOST_RETURNS:
        return None
    waiting = _waiting(facts.deferred)
    return f"{waiting}, given back {MOST_RETURNS} times so far: a queue may drop a message after too many"


def _waiting(tasks: float) -> str:
    return f"{plural(tasks, 'task')} {'waits for its' if tasks == 1 else 'wait for their'} time"


def _of(sleep: EtaSleep, number: int) -> EtaSleep | None:
    return replace(sleep, number=number) if number else None

"""Which messages a worker probably holds for longer than the broker lets it: then it is cut off, and ends.

RabbitMQ closes the channel of a consumer that has not acknowledged a message within `consumer_timeout`, whether a task
runs, waits for its time, or waits behind others. Celery's worker ends with exit code 1 then, once what it runs is over;
all that it held comes back to the queue meanwhile (Celery 5.7, RabbitMQ 3.10, measured).
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from utilitarian_operator.api.effective import Pool
from utilitarian_operator.api.units import format_duration
from utilitarian_operator.core.observation.broker_settings import BrokerSettings, at_least
from utilitarian_operator.core.observation.model.pod import WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present
from utilitarian_operator.core.sizing.memory import Memory, longest_seen, seconds_per_task
from utilitarian_operator.core.wording import number, seconds

CONSUMER_TIMEOUT = timedelta(minutes=30)
"""RabbitMQ's own from 3.8.17 on; its configuration may say otherwise, and can't be read from outside."""

NEAR = 0.8
"""Part of a limit that a task may take before it is said."""


def timeout_advice(
    pool: Pool, seen: PoolSnapshot, memory: Memory, settings: BrokerSettings, now: datetime
) -> Iterator[str]:
    """What had better be changed of a pool whose messages are held for too long, in one sentence.

    Args:
        pool: the effective spec.
        seen: of this look.
        memory: of the pool.
        settings: of the broker.
        now: the one clock.
    """
    here = {name: _limit(name, settings) for name, queue in seen.queues.items() if isinstance(queue, Present)}
    limits = {name: limit for name, limit in here.items() if limit is not None}
    if not limits:
        return
    queue = min(limits, key=lambda name: limits[name])
    limit, known = limits[queue], _own(queue, settings) is not None
    why = _why(pool, seen, memory, limit, now)
    if why is not None:
        whose = "its" if known else "unless rabbitmq.conf says otherwise, its"
        what, remedy = why
        yield (
            f"pool {pool.name}, queue {queue}: {what}; {whose} consumer_timeout is {format_duration(limit)}, after "
            f"which a worker with an unacknowledged message is cut off; make it longer{remedy}"
        )


def _why(pool: Pool, seen: PoolSnapshot, memory: Memory, limit: timedelta, now: datetime) -> tuple[str, str] | None:
    """What is held for so long, and what helps beside a longer limit."""
    longest, near = longest_seen(memory), NEAR * limit.total_seconds()
    took = f"the longest task took {seconds(longest)}"
    behind = pool.worker.prefetch_multiplier - 1
    if longest >= near:
        return took, ""
    if longest and behind > 0 and longest + behind * seconds_per_task(pool, memory, now) >= near:
        ahead = number(behind + 1)
        return f"{took}, and a worker fetches {ahead} messages for each slot, which wait behind it", (
            ", or worker.prefetchMultiplier 1"
        )
    later = [pod.name for pod in seen.pods if isinstance(pod.held, WorkerLoad) and _waits(pod.held, now, limit)]
    if later:
        return f"a task waits in worker {min(later)} for a time that is further away", (
            ", or let the broker keep such tasks (Celery's native delayed delivery)"
        )
    return None


def _waits(held: WorkerLoad, now: datetime, limit: timedelta) -> bool:
    return held.first_due is not None and held.first_due - now > limit


def _limit(queue: str, settings: BrokerSettings) -> timedelta | None:
    """The limit of a queue, its own or RabbitMQ's; None where it has none, or that is not known.

    From 4.3 on quorum queues alone have it; before, it is the same whatever the queue.
    """
    declared = settings.queues.get(queue)
    if not at_least(settings.version, 3, 8):
        return None
    if at_least(settings.version, 4, 3) and (declared is None or declared.kind != "quorum"):
        return None
    own = _own(queue, settings)
    return CONSUMER_TIMEOUT if own is None else timedelta(milliseconds=own)


def _own(queue: str, settings: BrokerSettings) -> int | None:
    declared = settings.queues.get(queue)
    own = None if declared is None else declared.settings.get("consumer-timeout")
    return own if type(own) is int and own > 0 else None

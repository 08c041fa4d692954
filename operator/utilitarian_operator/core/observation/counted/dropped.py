"""Tasks that left a queue while nothing consumed it: they expired there, or were purged.

Celery gives a message with `expires` to RabbitMQ with that time to live, so the broker itself drops it when a sleeping
pool lets it wait for longer. It says so to no one, but fewer messages wait at the next look.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from utilitarian_operator.core.changed import changed
from utilitarian_operator.core.moments import apart, watched
from utilitarian_operator.core.observation.model.queue import Present, QueueSnapshot

TOLD_FOR = timedelta(days=1)
"""After the last of them."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """What was dropped of one queue.

    Args:
        tasks: at least so many, since this operator began to look.
        last: when the last of them had gone.
    """

    tasks: int
    last: datetime


@dataclass(frozen=True, slots=True)
class _Unconsumed:
    """One queue at a look at which nothing consumed it.

    Args:
        ready: messages that waited.
        gone: that went since then, and have not come back.
        since: when the first of those went; None where there are none.
    """

    ready: int
    gone: int = 0
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Drops:
    """What was dropped of all queues of a fleet.

    Args:
        known: by queue, those of the last day.
        queues: that nothing consumed at the last look, by name.
        at: when that was.
    """

    known: Mapping[str, Dropped] = field(default_factory=dict)
    queues: Mapping[str, _Unconsumed] = field(default_factory=dict)
    at: datetime | None = None

    def seen(
        self,
        queues: Mapping[str, QueueSnapshot],
        now: datetime,
        settles: timedelta,
        served: Collection[str] = (),
    ) -> "Drops":
        """After one more look.

        Args:
            queues: all of the fleet, by name.
            now: when it was.
            settles: what has not come back for so long was dropped.
            served: queues whose workers run: one may begin to consume, and end, between two looks.
        """
        known = {name: it for name, it in self.known.items() if name in queues and apart(now, it.last) < TOLD_FOR}
        after: dict[str, _Unconsumed] = {}
        before = self.queues if watched(self.at, now) else {}
        for name, queue in queues.items():
            if not isinstance(queue, Present) or queue.doubt is not None:
                continue  # what is in doubt may be a figure of the statistics, from before a worker took them
            consumed = queue.consumers > 0 or name in served
            there = _next(before[name], queue, now, consumed=consumed) if name in before else _Unconsumed(queue.ready)
            settled = there.since is not None and (consumed or now - there.since >= settles)
            if settled and there.gone:
                known[name] = Dropped(there.gone + (known[name].tasks if name in known else 0), now)
                there = _Unconsumed(queue.ready)
            if not consumed:
                after[name] = there
        return Drops(known, after, now)


def _next(before: _Unconsumed, queue: Present, now: datetime, *, consumed: bool) -> _Unconsumed:
    """Of a queue that nothing consumed at the look before: what comes may be what had gone, and a consumer takes."""
    ready = max(queue.ready, before.ready) if consumed else queue.ready
    if ready == before.ready:
        return before
    gone = max(before.gone + before.ready - ready, 0)
    return changed(before, ready=ready, gone=gone, since=(before.since or now) if gone else None)

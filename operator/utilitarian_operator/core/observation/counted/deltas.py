"""What changed between two looks: the tasks that a pod's worker has done, and a queue's arrivals."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from utilitarian_operator.core.changed import changed
from utilitarian_operator.core.observation.counted.worked import Worked
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.pod import PodSnapshot
from utilitarian_operator.core.observation.model.queue import Counted, Missing, QueueSnapshot
from utilitarian_operator.core.observation.model.usage import PodUsage

SHORTEST_READING_S, LONGEST_READING_S = 20.0, 180.0
"""Between two readings of usage: over less a single task says too much, and of more not every second was seen."""

Totals: TypeAlias = Mapping[tuple[str, str], Counted]
"""What was last counted of a queue, by pool and queue."""


def with_done(
    pod: PodSnapshot, created: datetime, worked: Worked | None, before: Worked | None, began: datetime
) -> PodSnapshot:
    """The pod with what its worker has done since the last look; what it did before `began` is not counted.

    Args:
        pod: as it was seen.
        created: when it was.
        worked: what its worker has done, as far as it was seen; None while it was not.
        before: the same at the last look at which it was known; None where it never was.
        began: when this operator began to look.
    """
    if worked is None or worked.last is None:
        return pod
    first = Worked() if created >= began else worked
    before = first if before is None else before
    if worked.ended < before.ended or worked.slot_seconds < before.slot_seconds:
        before = first  # another session with the broker, which counts anew
    return changed(
        pod,
        completed=worked.ended - before.ended,
        slot_seconds=worked.slot_seconds - before.slot_seconds,
        lasted_s=worked.lasted_s if worked.ended > before.ended else 0.0,
    )


def used(usage: PodUsage | None, worked: Worked | None, before: Worked | None) -> PodUsage | None:
    """What a pod used, with the slots that were busy since the reading before, as far as that was seen.

    Args:
        usage: as it was read; None where there is no new reading.
        worked: what its worker has done.
        before: the same at the reading before.
    """
    if usage is None or worked is None or before is None or worked.last is None or before.last is None:
        return usage
    span, spent = worked.last.asked - before.last.asked, worked.slot_seconds - before.slot_seconds
    if not SHORTEST_READING_S <= span <= LONGEST_READING_S or spent < 0:  # less: another session, which counts anew
        return usage
    return changed(usage, busy=spent / span)


def flowed(
    pool: str, counted: Mapping[str, Counted], queues: Iterable[str], before: Totals
) -> tuple[int | None, int | None]:
    """Tasks that came to a pool's queues and that left them since the last look; None without statistics.

    A queue that is counted for the first time, or anew (another session with the broker), had neither.

    Args:
        pool: its name.
        counted: the statistics, by queue.
        queues: of the pool.
        before: of the looks before.
    """
    arrived = left = None
    for queue in queues:
        now = counted.get(queue)
        if now is None or now.arrived is None or now.left is None:
            continue
        last = before.get((pool, queue), now)
        arrived = (arrived or 0) + max(now.arrived - (last.arrived or 0), 0)
        left = (left or 0) + max(now.left - (last.left or 0), 0)
    return arrived, left


def totals(pools: Iterable[tuple[str, Iterable[str]]], counted: Mapping[str, Counted]) -> Totals:
    """What the next look counts from: the totals of those queues that are counted.

    Args:
        pools: names, each with its queues.
        counted: the statistics, by queue.
    """
    found = ((pool, queue, counted.get(queue)) for pool, queues in pools for queue in queues)
    return {(pool, queue): it for pool, queue, it in found if it and it.arrived is not None and it.left is not None}


@dataclass(frozen=True, slots=True)
class LastMessages:
    """When a message was last seen to come to each queue that a schedule feeds.

    Args:
        known: by queue; at first from before a restart.
        before: what waited in each queue, and had come to it, at the last look.
    """

    known: Mapping[str, datetime] = field(default_factory=dict)
    before: Mapping[str, tuple[int | None, int | None]] = field(default_factory=dict)

    def seen(
        self, queues: Mapping[str, QueueSnapshot], counted: Mapping[str, Counted], now: datetime
    ) -> "LastMessages":
        """After a look: with what came to some queues since the last one, by the broker's count or by what waits.

        Without statistics, a message that a worker takes between two looks is not seen, and one that is returned looks
        like a new one.
        """
        known, after = dict(self.known), dict(self.before)
        for queue, snapshot in queues.items():
            ready, arrived = _waiting(snapshot), counted[queue].arrived if queue in counted else None
            ready_before, arrived_before = self.before.get(queue, (None, None))
            came = _rose(arrived_before, arrived) if arrived is not None else _rose(ready_before, ready)
            if came or known.get(queue, now) > now:  # the clock was set back
                known[queue] = now
            after[queue] = (ready_before if ready is None else ready, arrived)
        return LastMessages(known, after)

    def only(self, queues: Container[str]) -> "LastMessages":
        """Without the queues that no schedule feeds any more."""
        known = {queue: at for queue, at in self.known.items() if queue in queues}
        return LastMessages(known, {queue: it for queue, it in self.before.items() if queue in queues})


def _waiting(snapshot: QueueSnapshot) -> int | None:
    """Messages ready; None where that is not sure: a zero in doubt would make them all come again."""
    if isinstance(snapshot, Missing):
        return 0
    return None if isinstance(snapshot, Unknown) or snapshot.doubt else snapshot.ready


def _rose(before: int | None, now: int | None) -> bool:
    return before is not None and now is not None and now > before

"""What changed between two looks: the tasks that a pod's worker has done, and a queue's arrivals."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from utilitarian_operator.core.observation.model import (
    Counted,
    Missing,
    PodSnapshot,
    QueueSnapshot,
    Unknown,
    WorkerLoad,
)
from utilitarian_operator.core.observation.worked import Worked


@dataclass
class History:
    """What was known of each pod at the last look.

    Args:
        began: when this operator began to look; what older pods did before is not counted.
    """

    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    _worked: dict[str, Worked] = field(default_factory=dict)

    def add(
        self, pod: PodSnapshot, body: Mapping[str, Any], sample: WorkerLoad | None, worked: Worked | None
    ) -> PodSnapshot:
        """The pod with what is new of it since the last look.

        Args:
            pod: as it was seen.
            body: the Kubernetes object.
            sample: what its worker said last; None if it said nothing.
            worked: what that has done, as far as it was seen; None while it was not.
        """
        created = datetime.fromisoformat(body["metadata"]["creationTimestamp"])
        return self._newly(replace(pod, sample=sample), created, worked)

    def keep_only(self, pods: Container[str]) -> None:
        """Forget the pods that are gone."""
        self._worked = {name: worked for name, worked in self._worked.items() if name in pods}

    def _newly(self, pod: PodSnapshot, created: datetime, worked: Worked | None) -> PodSnapshot:
        """With what its worker has done since the last look; what it did before this operator began is not counted."""
        if worked is None or worked.last is None:
            return pod
        first = Worked() if created >= self.began else worked
        before = self._worked.get(pod.name, first)
        self._worked[pod.name] = worked
        if worked.ended < before.ended or worked.slot_seconds < before.slot_seconds:
            before = first  # another session with the broker, which counts anew
        return replace(
            pod,
            completed=worked.ended - before.ended,
            slot_seconds=worked.slot_seconds - before.slot_seconds,
            lasted=worked.lasted if worked.ended > before.ended else 0.0,
        )


@dataclass
class Flows:
    """The totals of each pool's queues at the last look."""

    _last: dict[tuple[str, str], Counted] = field(default_factory=dict)

    def since(self, pool: str, counted: Mapping[str, Counted], queues: Iterable[str]) -> tuple[int | None, int | None]:
        """Tasks that came to a pool's queues and that left them since the last look; None without statistics.

        A queue that is counted for the first time, or anew (another session with the broker), had neither.
        """
        arrived = left = None
        for queue in queues:
            now = counted.get(queue)
            if now is None or now.arrived is None or now.left is None:
                continue
            before = self._last.get((pool, queue), now)
            self._last[pool, queue] = now
            arrived = (arrived or 0) + max(now.arrived - (before.arrived or 0), 0)
            left = (left or 0) + max(now.left - (before.left or 0), 0)
        return arrived, left


class LastMessages:
    """When a message was last seen to come to each queue that a schedule feeds.

    Args:
        known: from before a restart, by queue.
    """

    def __init__(self, known: Mapping[str, datetime]) -> None:
        self.known: dict[str, datetime] = dict(known)
        self._before: dict[str, tuple[int | None, int | None]] = {}

    def see(self, queues: Mapping[str, QueueSnapshot], counted: Mapping[str, Counted], now: datetime) -> None:
        """Take note of what came to some queues since the last look: by the broker's count, else by what waits.

        Without statistics, a message that a worker takes between two looks is not seen, and one that is returned looks
        like a new one.
        """
        for queue, snapshot in queues.items():
            ready, arrived = _waiting(snapshot), counted[queue].arrived if queue in counted else None
            ready_before, arrived_before = self._before.get(queue, (None, None))
            came = _rose(arrived_before, arrived) if arrived is not None else _rose(ready_before, ready)
            if came or self.known.get(queue, now) > now:  # the clock was set back
                self.known[queue] = now
            self._before[queue] = (ready_before if ready is None else ready, arrived)

    def keep_only(self, queues: Container[str]) -> None:
        """Forget the queues that no schedule feeds any more."""
        self.known = {queue: at for queue, at in self.known.items() if queue in queues}
        self._before = {queue: before for queue, before in self._before.items() if queue in queues}


def _waiting(snapshot: QueueSnapshot) -> int | None:
    """Messages ready; None where that is not sure: a zero in doubt would make them all come again."""
    if isinstance(snapshot, Missing):
        return 0
    return None if isinstance(snapshot, Unknown) or snapshot.doubt else snapshot.ready


def _rose(before: int | None, now: int | None) -> bool:
    return before is not None and now is not None and now > before

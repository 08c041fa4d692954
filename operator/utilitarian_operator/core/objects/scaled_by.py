"""Which other clients set the number of a Deployment's pods, and whether they do it again and again."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from utilitarian_operator.api.objects import ReadOnlyObject
from utilitarian_operator.core.labels import MANAGER
from utilitarian_operator.core.moments import apart

WITHIN = timedelta(minutes=1)
WRITES = 3
"""So many writes within that time are no person's correction: a program sets the number, too."""

LEFT_ALONE_FOR = timedelta(minutes=10)
"""Since its last write. Then the operator sets the number again, and one write against that is enough."""


@dataclass(frozen=True, slots=True)
class Writes:
    """What is known of the others' writes to one Deployment.

    Args:
        last: who holds the number, as the object tells it: manager, moment (to the second) and number; None: we do.
        generation: of the Deployment at the last look.
        moments: of those within the last minute, when they were seen.
        manager: who wrote last.
        contested: when it wrote last while the number is left to it; None while it is not.
        released: when the number was last taken back; None where it never was left to another.
    """

    last: tuple[Any, ...] | None = None
    generation: int = 0
    moments: tuple[datetime, ...] = ()
    manager: str = ""
    contested: datetime | None = None
    released: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReplicaWriters:
    """The others' writes to the Deployments of one fleet, by the pool that each runs.

    Args:
        writes: what is known of them.
        recalled: pools whose number was left to another when the operator before this one wrote the status.
    """

    writes: Mapping[str, Writes] = field(default_factory=dict)
    recalled: frozenset[str] = frozenset()

    def seen(
        self, deployments: Mapping[str, ReadOnlyObject], now: datetime, scaled: Collection[str] = ()
    ) -> "ReplicaWriters":
        """With one more look: who set each number since the last one.

        Args:
            deployments: the fleet's own, by pool name.
            now: the one clock.
            scaled: names of pools whose number the operator has set since the last look.
        """
        found = {
            name: _recalled(it, now)
            if name in self.recalled and name not in self.writes
            else _followed(self.writes.get(name), it, now, ours=name in scaled)
            for name, it in deployments.items()
        }
        return ReplicaWriters(found, self.recalled - found.keys())

    @property
    def contested_pools(self) -> dict[str, str]:
        """The field manager to which the number of workers is left, by the names of such pools."""
        return {name: it.manager for name, it in self.writes.items() if it.contested is not None}


def other_writer(deployment: ReadOnlyObject) -> tuple[str, str] | None:
    """The field manager that last set the replicas, with when; None where it was the operator.

    A client that sets another number by an update takes the field from those who had it, so the operator and another
    one hold it together only where the other applies the same number.
    """
    entries: Iterable[Mapping[str, Any]] = deployment["metadata"].get("managedFields") or ()
    holders = [it for it in entries if "f:replicas" in ((it.get("fieldsV1") or {}).get("f:spec") or {})]
    if any(it.get("manager") == MANAGER for it in holders):
        return None
    return max(
        ((str(it.get("manager")), str(it.get("time", ""))) for it in holders), default=None, key=lambda it: it[1]
    )


def held_by_us(fields: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The managedFields of a Deployment after the operator has set another number, as the API server will show them.

    Args:
        fields: as they were.
    """
    others = [it for it in fields if "f:replicas" not in ((it.get("fieldsV1") or {}).get("f:spec") or {})]
    own = {"manager": MANAGER, "operation": "Update", "subresource": "scale"}
    return [*others, {**own, "fieldsV1": {"f:spec": {"f:replicas": {}}}}]


def _followed(before: Writes | None, deployment: ReadOnlyObject, now: datetime, *, ours: bool) -> Writes:
    """With one Deployment as it is now.

    Two writes of the same number within a second look alike: the second is known by ours, which came in between.
    """
    writer, generation = other_writer(deployment), deployment["metadata"].get("generation", 0)
    newest = None if writer is None else (*writer, deployment["spec"].get("replicas", 1))
    if before is None:  # who wrote before the operator began to look does not count
        return Writes(newest, generation)
    again = ours and generation != before.generation
    wrote = newest is not None and (newest != before.last or again)
    moments = tuple(it for it in (*before.moments, *((now,) if wrote else ())) if apart(now, it) < WITHIN)[-WRITES:]
    manager = writer[0] if writer is not None and wrote else before.manager
    enough = before.contested is not None or _just_released(before, now) or len(moments) >= WRITES
    if wrote and enough:
        return Writes(newest, generation, moments, manager, now, before.released)
    if before.contested is not None and apart(now, before.contested) >= LEFT_ALONE_FOR:
        return Writes(newest, generation, (), manager, None, now)
    return Writes(newest, generation, moments, manager, before.contested, before.released)


def _recalled(deployment: ReadOnlyObject, now: datetime) -> Writes:
    """With a Deployment that was left to another before a restart: it still is, until long after the last write."""
    writer, generation = other_writer(deployment), deployment["metadata"].get("generation", 0)
    if writer is None:  # the number was taken back meanwhile
        return Writes(None, generation, released=now)
    newest, at = (*writer, deployment["spec"].get("replicas", 1)), _moment(writer[1], now)
    if apart(now, at) >= LEFT_ALONE_FOR:
        return Writes(newest, generation, (), writer[0], None, now)
    return Writes(newest, generation, (), writer[0], at)


def _moment(written: str, now: datetime) -> datetime:
    """When a write was, as the API server has it; now where that can't be read, or is still to come."""
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        return now
    return min(at, now) if at.tzinfo is not None else now


def _just_released(before: Writes, now: datetime) -> bool:
    return before.released is not None and apart(now, before.released) < LEFT_ALONE_FOR

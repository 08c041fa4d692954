"""Whether an operator is at work, by its Lease, and how old a status is, by the moments in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from utilitarian_operator.api.objects import ReadOnlyObject
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.wording import span

LEASE_DURATION = timedelta(seconds=15)
"""What the operator's Lease says where it says nothing else."""

CLOCKS_APART = timedelta(minutes=5)
"""A Lease of a later moment than that was not written by a clock that goes right."""


class Seen(StrEnum):
    """Whether an operator was seen."""

    NOW = "Now"
    NOT = "Not"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether an operator looks after a fleet.

    Args:
        seen: in one word.
        at: when it last renewed its Lease; None where that is unknown.
        message: the same for people.
    """

    seen: Seen
    at: datetime | None
    message: str


def presence(lease: ReadOnlyObject | str | None, namespace: str, now: datetime) -> Presence:
    """Whether an operator looks after the fleets of a namespace.

    Args:
        lease: that of fleets, in their namespace: what another one says is about other fleets. Where it could not be
            read, why; None where there is none.
        namespace: of the fleets.
        now: the one clock.
    """
    if isinstance(lease, str):
        return Presence(
            Seen.UNKNOWN, None, f"whether an operator is at work can't be known: its Lease can't be read: {lease}"
        )
    spec = (lease or {}).get("spec") or {}
    renewed = _moment(spec.get("renewTime"))
    if renewed is None:
        none = f"there is no Lease of one in namespace {namespace} (only one that runs outside the cluster has none)"
        return Presence(Seen.NOT, None, f"operator NOT SEEN: {none}")
    return _told(spec, renewed, now)


def _told(spec: ReadOnlyObject, at: datetime, now: datetime) -> Presence:
    ago, lasts = max(now - at, timedelta()), timedelta(seconds=spec.get("leaseDurationSeconds") or 0) or LEASE_DURATION
    if at - now > CLOCKS_APART:
        why = f"its Lease says that it was renewed at {timestamp(at)}, which is yet to come: a clock is wrong"
        return Presence(Seen.UNKNOWN, at, f"whether an operator is at work can't be known: {why}")
    if ago <= lasts and spec.get("holderIdentity"):
        return Presence(Seen.NOW, at, f"operator seen {span(ago)} ago")
    gone = "" if spec.get("holderIdentity") else ": it ended, and no other has begun"
    return Presence(Seen.NOT, at, f"operator NOT SEEN for {span(ago)}{gone}; nothing below is newer than that")


def of_a_file(resource: ReadOnlyObject, now: datetime) -> Presence:
    """What a saved resource tells: of when it is, and nothing of an operator."""
    newest = newest_moment(resource, now)
    if newest is None:
        return Presence(Seen.UNKNOWN, None, "read from a file that tells no moment")
    ago = span(now - newest)
    return Presence(
        Seen.UNKNOWN, newest, f"read from a file: nothing in it is newer than {timestamp(newest)}, {ago} ago"
    )


def newest_moment(resource: ReadOnlyObject, now: datetime) -> datetime | None:
    """The newest moment that a status tells of what has been, the time of its last write included where it is known."""
    moments = (_moment(text) for text in _told_of_the_past(resource))
    return max((moment for moment in moments if moment is not None and moment <= now), default=None)


def _told_of_the_past(resource: ReadOnlyObject) -> Iterator[Any]:
    status = resource.get("status") or {}
    fields = _entries(resource["metadata"], "managedFields")
    yield from (entry.get("time") for entry in fields if entry.get("subresource") == "status")
    yield from (condition.get("lastTransitionTime") for condition in _entries(status, "conditions"))
    beat = status.get("beat") or {}
    yield beat.get("lastSeen")
    yield from (came.get("at") for came in _entries(beat, "lastMessages"))
    for pool in _entries(status, "pools"):
        yield from (past.get("finished") for past in _entries(pool, "history"))
        yield from _remembered(pool.get("memory") or {})


def _entries(part: ReadOnlyObject, name: str) -> Iterator[ReadOnlyObject]:
    """The objects of a list; a value that was edited into something else is none."""
    found = part.get(name)
    return (entry for entry in found if isinstance(entry, Mapping)) if isinstance(found, list) else iter(())


def _remembered(memory: ReadOnlyObject) -> Iterator[Any]:
    yield from (memory.get(name) for name in ("idleSince", "busySince", "surplusSince", "firstWorkerSince"))
    for series in ("arrivals", "highs"):
        rows = memory.get(series)
        yield from (row[0] for row in (rows if isinstance(rows, list) else ()) if isinstance(row, list) and row)


def _moment(text: Any) -> datetime | None:
    try:
        moment = text if isinstance(text, datetime) else datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo is not None else None

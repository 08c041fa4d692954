"""Moments: how far they are apart by a clock that may be set back, and how they are written."""

from datetime import UTC, datetime, timedelta
from typing import Literal


def since(before: datetime | None, now: datetime) -> datetime:
    """When something that still lasts began: as it was known, now if it was not, and never later than now."""
    return now if before is None else min(before, now)


def apart(one: datetime, other: datetime) -> timedelta:
    """How far two moments are from each other, whichever is the later by a clock that was set back."""
    return abs(one - other)


def timestamp(moment: datetime, to: Literal["minutes", "seconds", "microseconds"] = "seconds") -> str:
    """A moment in UTC as Kubernetes writes it (RFC 3339): `2026-03-02T12:00:00Z`.

    Args:
        moment: with its time zone.
        to: the last unit that is written; what is below it is cut off.
    """
    return moment.astimezone(UTC).isoformat(timespec=to).replace("+00:00", "Z")

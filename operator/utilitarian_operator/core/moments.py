"""Moments: how far they are apart by a clock that may be set back, and how they are written."""

from datetime import UTC, datetime, timedelta
from typing import Literal

UNWATCHED = timedelta(seconds=30)
"""Looks that are further apart say nothing of the time between them: a few requests that ran into their time-outs."""

LONGEST = timedelta(days=36_500)
"""No length that an object has counts for more: the API server takes a grace of 2^63 seconds, and no moment does."""


def length(seconds: int) -> timedelta:
    """A number of seconds that stands in an object, as a length that any moment of today may be moved by."""
    return timedelta(seconds=min(seconds, LONGEST // timedelta(seconds=1)))


def since(before: datetime | None, now: datetime) -> datetime:
    """When something that still lasts began: as it was known, now if it was not, and never later than now."""
    return now if before is None else min(before, now)


def apart(one: datetime, other: datetime) -> timedelta:
    """How far two moments are from each other, whichever is the later by a clock that was set back."""
    return abs(one - other)


def watched(before: datetime | None, now: datetime) -> bool:
    """Whether what is so at two looks was so all the time, and for as long as the clock says.

    Not so where the process or its machine stood still in between, or the clock was set: what has lasted begins anew.

    Args:
        before: when the one look was; None: it is the first.
        now: of the other one.
    """
    return before is None or apart(now, before) <= UNWATCHED


def timestamp(moment: datetime, to: Literal["minutes", "seconds", "microseconds"] = "seconds") -> str:
    """A moment in UTC as Kubernetes writes it (RFC 3339): `2026-03-02T12:00:00Z`.

    Args:
        moment: with its time zone.
        to: the last unit that is written; what is below it is cut off.
    """
    return moment.astimezone(UTC).isoformat(timespec=to).replace("+00:00", "Z")

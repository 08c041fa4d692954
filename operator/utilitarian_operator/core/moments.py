"""Times between looks, by a clock that may be set back: none is negative, and none has to be waited for twice."""

from datetime import datetime, timedelta


def since(before: datetime | None, now: datetime) -> datetime:
    """When something that still lasts began: as it was known, now if it was not, and never later than now."""
    return now if before is None else min(before, now)


def apart(one: datetime, other: datetime) -> timedelta:
    """How far two moments are from each other, whichever is the later by a clock that was set back."""
    return abs(one - other)

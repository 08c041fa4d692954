"""A figure as it was seen, and how fresh its source is; one that was not read is `Unknown`, never 0, never absent."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Unknown:
    """A figure that could not be read.

    Args:
        why: one clause that names the cause, fit for a status message.
        since: when it was last known, or when reading it was first tried.
    """

    why: str
    since: datetime


Count: TypeAlias = int | Unknown


LIVE = timedelta(seconds=2)
"""What is not older counts as of this moment: a tick and its answer."""

HOLDS = timedelta(seconds=15)
"""What is older is not believed: three readings of the statistics."""


@dataclass(frozen=True, slots=True)
class Source:
    """One of the sources of a look and how fresh it is.

    Args:
        name: `depths` (ready and consumers), `statistics` (unacknowledged, arrivals) or `workers` (what they hold).
        age: time since it was last asked with success; None if it never answered.
    """

    name: str
    age: timedelta | None

    @property
    def quality(self) -> str:
        """Of its figures: `live`, `sampled`, `stale` or `unknown`."""
        if self.age is None:
            return "unknown"
        return "live" if self.age <= LIVE else "sampled" if self.age <= HOLDS else "stale"


def add(counts: Iterable[Count]) -> Count:
    """Sum of counts; the first Unknown among them makes the sum Unknown."""
    total = 0
    for count in counts:
        if isinstance(count, Unknown):
            return count
        total += count
    return total

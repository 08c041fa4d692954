"""Reads values of a status one by one: each within its bounds; what can't be read is left out and named."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any, TypeVar

T = TypeVar("T")

SOON = timedelta(days=1)
"""How far ahead a seen moment may lie: clocks differ, and one may have been set back."""

OLDEST = datetime(2000, 1, 1, tzinfo=UTC)

MOST_COUNTED = 10**9
MOST_SECONDS = 1e9
"""More than any pool has counted."""

LONGEST_NAME = 255
SHOWN = 40
"""Characters of an unreadable value that are shown."""


class Reader:
    """Reads what was written at a place in a status.

    Args:
        now: the one clock.
        where: the place, as a path.
        left_out: filled with what could not be read, each with its place.
    """

    def __init__(self, now: datetime, where: str, left_out: list[str]) -> None:
        self.now, self.where, self.left_out = now, where, left_out

    def at(self, place: str) -> "Reader":
        """The same for a place within this one."""
        return Reader(self.now, f"{self.where}{place}", self.left_out)

    def leave_out(self, value: object, why: str) -> None:
        """Note that a value is not taken, and why."""
        try:
            text = json.dumps(value, default=str, ensure_ascii=False) if not isinstance(value, str) else repr(value)
        except (
            RecursionError,
            TypeError,
            ValueError,
        ):  # parts within each other, or digits, that Python has no text of
            text = "nothing that can be shown"
        self.left_out.append(f"{self.where} is {text[:SHOWN]}, which is {why}")

    def moment(self, value: object, ahead: timedelta = SOON) -> datetime | None:
        """A moment with its zone that is not far ahead; None if there is none that can be read."""
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value) if isinstance(value, str) else None
            if moment is None or moment.tzinfo is None:
                self.leave_out(value, "no moment with a time zone")
                return None
            moment = moment.astimezone(UTC)
        except (ValueError, OverflowError):
            self.leave_out(value, "no moment")
            return None
        if not OLDEST <= moment <= self.now + ahead:
            self.leave_out(value, "too far away")
            return None
        return moment

    def figure(self, value: object, most: float = MOST_SECONDS) -> float | None:
        """A number from 0 to a bound; None if there is none that can be read."""
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.leave_out(value, "no number")
            return None
        if not 0 <= value <= most or not isfinite(value):
            self.leave_out(value, "out of bounds")
            return None
        return float(value)

    def count(self, value: object, most: int = MOST_COUNTED) -> int | None:
        """A whole number from 0 to a bound; None if there is none that can be read."""
        figure = self.figure(value, most)
        if figure is not None and figure != int(figure):
            self.leave_out(value, "no whole number")
            return None
        return None if figure is None else int(figure)

    def flag(self, value: object) -> bool:
        """Yes or no; no if there is none that can be read."""
        if value is None or isinstance(value, bool):
            return bool(value)
        self.leave_out(value, "neither true nor false")
        return False

    def name(self, value: object) -> str | None:
        """A name; None if there is none that can be read."""
        if isinstance(value, str) and 0 < len(value) <= LONGEST_NAME:
            return value
        self.leave_out(value, "no name")
        return None

    def fields(self, value: object) -> Mapping[str, Any] | None:
        """A value with fields; None if there is none that can be read."""
        if value is None or isinstance(value, Mapping):
            return value
        self.leave_out(value, "nothing with fields")
        return None

    def each(self, value: object, read: Callable[["Reader", Any], T | None]) -> Iterator[T]:
        """Each part of a list that can be read.

        Args:
            value: the list, or what stands in its place.
            read: reads one part; None if it can't be read.
        """
        if value is not None and not isinstance(value, list | tuple):
            self.leave_out(value, "no list")
            return
        for place, part in enumerate(value or ()):
            found = read(self.at(f"[{place}]"), part)
            if found is not None:
                yield found

    def pair(self, value: object) -> tuple[Any, Any] | None:
        """A list of two; None if there is none that can be read."""
        if isinstance(value, list | tuple) and len(value) == 2:  # noqa: PLR2004 - two
            return value[0], value[1]
        self.leave_out(value, "no pair")
        return None

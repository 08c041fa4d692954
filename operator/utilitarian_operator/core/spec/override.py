"""The number of workers that a person set for a while, by an annotation."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from utilitarian_operator.api.problem import Problem, shown
from utilitarian_operator.core.moments import timestamp

PREFIX = "utilitarian.io/override."
_FORM = re.compile(r"^(?P<workers>[0-9]{1,4}) until (?P<until>\S+)$")


@dataclass(frozen=True, slots=True)
class Override:
    """Workers that a person wants instead of those that demand, runs and bounds ask for.

    Args:
        workers: wanted.
        until: when the rules decide again.
    """

    workers: int
    until: datetime


def written(workers: int, until: datetime) -> str:
    """The annotation's value."""
    return f"{workers} until {timestamp(until)}"


def overrides(annotations: Mapping[str, str]) -> tuple[dict[str, Override], list[Problem]]:
    """The overrides by pool name, and what is wrong with those that can't be read: one without an end is refused."""
    found, problems = {}, []
    for name, text in sorted(annotations.items()):
        if name.startswith(PREFIX):
            override = _read(text)
            if override is None:
                path = f"metadata.annotations[{name}]"
                problems.append(
                    Problem(path, shown("", text), 'write it like "5 until 2026-11-24T12:00Z", in UTC and with an end')
                )
            else:
                found[name.removeprefix(PREFIX)] = override
    return found, problems


def _read(text: str) -> Override | None:
    match = _FORM.match(text.strip())
    if match is None:
        return None
    until = moment(match["until"])
    return Override(int(match["workers"]), until) if until else None


def moment(text: str) -> datetime | None:
    """A moment with its time zone, in UTC; None where the text is none."""
    try:
        read = datetime.fromisoformat(text)
        return read.astimezone(UTC) if read.tzinfo else None
    except (ValueError, OverflowError):  # the last: no year of UTC
        return None

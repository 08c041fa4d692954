"""The number of workers that a person set for a while, by an annotation."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from utilitarian_operator.api.problem import Problem

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


def overrides(annotations: Mapping[str, str]) -> tuple[dict[str, Override], list[Problem]]:
    """The overrides by pool name, and what is wrong with those that can't be read: one without an end is refused."""
    found, problems = {}, []
    for name, text in sorted(annotations.items()):
        if name.startswith(PREFIX):
            override = _read(text)
            if override is None:
                path = f"metadata.annotations[{name}]"
                problems.append(
                    Problem(path, text, 'write it like "5 until 2026-11-24T12:00Z", in UTC and with an end')
                )
            else:
                found[name.removeprefix(PREFIX)] = override
    return found, problems


def _read(text: str) -> Override | None:
    match = _FORM.match(text.strip())
    if match is None:
        return None
    try:
        until = datetime.fromisoformat(match["until"])
        return Override(int(match["workers"]), until.astimezone(UTC)) if until.tzinfo else None
    except (ValueError, OverflowError):  # the last: no year of UTC
        return None

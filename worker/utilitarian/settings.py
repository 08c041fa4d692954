"""Reads the application's own environment variables, once; it holds no defaults of Celery."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

QUEUE_TYPES = ("classic", "quorum")
EXCHANGE_TYPES = ("direct", "topic")


class SettingsError(ValueError):
    """An environment variable has a value that can't be used; the message names it and tells what would do."""


@dataclass(frozen=True)
class Settings:
    """What the environment says; the broker's address (CELERY_BROKER_URL) is read by Celery itself.

    Attributes:
        queue_type: UTILITARIAN_QUEUE_TYPE, "classic" (default) or "quorum": how the 14 queues are declared.
        exchange_type: UTILITARIAN_EXCHANGE_TYPE, "direct" (default) or "topic": of the exchange that they are bound to.
        acks_late: UTILITARIAN_ACKS_LATE, "true" or "false" (default): acknowledge a task after it ran, not before.
        beat_compressed: UTILITARIAN_BEAT_COMPRESSED, seconds: every scheduled entry runs this often instead of by its
            crontab, so that a demonstration sees beat at work.
        meters: UTILITARIAN_METERS, how many meters a scheduled poll fans out to (default 1: it polls itself).
        ledger: UTILITARIAN_LEDGER, "amqp", a directory, or None (default) for no ledger.
    """

    queue_type: str = "classic"
    acks_late: bool = False
    beat_compressed: timedelta | None = None
    meters: int = 1
    ledger: str | None = None
    exchange_type: str = "direct"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Reads and checks the variables; an empty one counts as absent.

        Raises:
            SettingsError: a variable has a value that can't be used.
        """
        given = {name: value for name, value in environ.items() if value}
        compressed = given.get("UTILITARIAN_BEAT_COMPRESSED")
        return cls(
            queue_type=_one_of(given, "UTILITARIAN_QUEUE_TYPE", QUEUE_TYPES, "classic"),
            acks_late=_one_of(given, "UTILITARIAN_ACKS_LATE", ("true", "false"), "false") == "true",
            beat_compressed=None if compressed is None else _seconds("UTILITARIAN_BEAT_COMPRESSED", compressed),
            meters=_count("UTILITARIAN_METERS", given.get("UTILITARIAN_METERS", "1")),
            ledger=given.get("UTILITARIAN_LEDGER"),
            exchange_type=_one_of(given, "UTILITARIAN_EXCHANGE_TYPE", EXCHANGE_TYPES, "direct"),
        )


def _one_of(given: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = given.get(name, default).lower()
    if value not in allowed:
        raise SettingsError(f"{name} is {value!r}: use {' or '.join(allowed)}")
    return value


def _seconds(name: str, value: str) -> timedelta:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    # Comparisons with NaN are false, so this refuses it too.
    if not 0 < seconds < timedelta.max.total_seconds():
        raise SettingsError(f"{name} is {value!r}: use a number of seconds above 0, such as 10")
    return timedelta(seconds=seconds)


def _count(name: str, value: str) -> int:
    if not (value.isascii() and value.isdecimal() and int(value) >= 1):
        raise SettingsError(f"{name} is {value!r}: use a whole number from 1")
    return int(value)

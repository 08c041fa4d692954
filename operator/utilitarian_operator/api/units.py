"""Durations and quantities as Kubernetes writes them, to and from values."""

import re
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache

DURATION_PATTERN = r"^([0-9]{1,6}([.][0-9]{1,3})?(h|m|s|ms))+$"
DURATION_LENGTH = 20
QUANTITY_PATTERN = r"^[0-9]{1,15}([.][0-9]{1,6})?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"
QUANTITY_LENGTH = 24
MEMORY_PATTERN = r"^[1-9][0-9]{0,9}(k|M|G|Ki|Mi|Gi)$"

_UNITS = {
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_PART = re.compile(r"([0-9]+(?:[.][0-9]+)?)(ms|h|m|s)")
_SUFFIXES = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", start=1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)},
}


def parse_duration(text: str) -> timedelta:
    """Read `500ms`, `90s` or `1h30m` (Go's notation, without days and without a sign).

    Raises:
        ValueError: the text is something else, a bare number included: it has no unit.
    """
    if len(text) > DURATION_LENGTH or not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError(f"{text!r} is no duration: write it like 500ms, 90s or 1h30m")
    parts = _PART.findall(text)
    return sum((float(number) * _UNITS[unit] for number, unit in parts), timedelta())


@lru_cache(maxsize=1024)
def format_duration(value: timedelta) -> str:
    """Write a duration of whole milliseconds as Go does, without zero parts: `1h30m`, `90s` becomes `1m30s`.

    Kept, since each look says the same few of them again.
    """
    left = round(value / _UNITS["ms"])
    words = []
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)):
        count, left = divmod(left, size)
        if count:
            words.append(f"{count}{unit}")
    return "".join(words) or "0s"


def millicores(cores: float) -> str:
    """Write cores as Kubernetes' tools do: `30m`, and no less than `1m`."""
    return f"{max(round(cores * 1000), 1)}m"


def mebibytes(size: float) -> str:
    """Write bytes as Kubernetes' tools do: `1741Mi`, and no less than `1Mi`."""
    return f"{max(round(size / 2**20), 1)}Mi"


def parse_quantity(text: str) -> Decimal:
    """Read a Kubernetes quantity: `200m` is 0.2 (cores), `512Mi` is 536870912 (bytes).

    Raises:
        ValueError: the text is no quantity. Exponents and signs, which Kubernetes knows too, are not accepted.
    """
    if not re.fullmatch(QUANTITY_PATTERN, text):
        raise ValueError(f"{text!r} is no quantity: write it like 200m (CPU) or 512Mi (memory)")
    number = text.rstrip("mkMGTPEKi")
    return Decimal(number) * _SUFFIXES[text[len(number) :]]

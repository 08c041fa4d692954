"""How numbers and moments read in the sentences of the rules."""

from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache

BARS = "▁▂▃▄▅▆▇█"


@lru_cache(maxsize=4096)
def number(value: float) -> str:
    """A number with thousands separated, and no decimals where there are none: `20,000`, `174.8`.

    Kept, since each look says the same ones again.
    """
    if not value:
        return "0"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.3g}" if value < 1 else f"{value:,.1f}"


def plural(value: float, noun: str) -> str:
    """A count with its noun: `1 worker`, `20,000 tasks`."""
    return f"{number(value)} {noun}" if value == 1 else f"{number(value)} {noun}s"


def seconds(value: float) -> str:
    """Seconds with as many digits as are of use: `0.2 s`, `5 s`, `1,800 s`."""
    return f"{number(round(value, 1 if value < 10 else 0) or round(value, 3))} s"  # noqa: PLR2004 - two digits


def whole(length: timedelta) -> timedelta:
    """A length of time to the second, or to the minute where it is long; never zero."""
    fine = timedelta(seconds=1) if length < timedelta(minutes=10) else timedelta(minutes=1)
    return max(round(length / fine), 1) * fine


def span(length: timedelta) -> str:
    """A length of time in its largest unit, as people say it: `2 s`, `5 min`, `3 h`, `270 days`."""
    for unit, most, word in ((1, 120, "s"), (60, 120, "min"), (3600, 48, "h")):
        if length < timedelta(seconds=unit * most):
            return f"{round(length.total_seconds() / unit)} {word}"
    return f"{length.days} days"


def named(things: Sequence[str], most: int = 5) -> str:
    """Names, the first few of them."""
    more = len(things) - most
    return ", ".join(things[:most]) + (f" and {more} more" if more > 0 else "")


def clock(value: float) -> str:
    """Seconds as a table has them: `0.4s`, `31s`, `4m10s`, `2h05m`."""
    if value < 10:  # noqa: PLR2004 - one digit before the point
        return f"{value:.1f}s"
    rounded = round(value)
    if rounded < 60:  # noqa: PLR2004 - a minute
        return f"{rounded}s"
    if rounded < 3600:  # noqa: PLR2004 - an hour
        return f"{rounded // 60}m{rounded % 60:02}s"
    return f"{rounded // 3600}h{rounded % 3600 // 60:02}m"


def sparkline(values: Sequence[int], width: int = 48) -> str:
    """Values as bars, the largest of each of `width` parts."""
    part = len(values) / width
    highest = [max(values[int(i * part) : int((i + 1) * part)], default=0) for i in range(width)]
    top = max(highest, default=0)
    return "".join(BARS[round(value / top * (len(BARS) - 1))] if top else BARS[0] for value in highest)

"""How much a test tries: all of it, or a part in `make check`, which is run after each edit."""

import os
from typing import TypeVar

T = TypeVar("T", int, float)

QUICK = bool(os.environ.get("QUICK"))
SHARE = 5 if QUICK else 1
FEWEST = 20
USUAL = 100
"""Hypothesis' own number."""


def examples(most: int = USUAL) -> int:
    """The number of examples of a property, of so many at most; a fifth of them in `make check`."""
    return max(most // SHARE, min(most, FEWEST))


def days(whole: T, quick: T) -> T:
    """How many days a simulation plays: `quick` in `make check`."""
    return quick if QUICK else whole

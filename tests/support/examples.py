"""How much a test tries: all of it, or a part in `make check`, which is run after each edit."""

import os
from typing import TypeVar

T = TypeVar("T", int, float)

QUICK = bool(os.environ.get("QUICK"))
SHARE = 5 if QUICK else 1
FEWEST = 20
USUAL = 100
"""Hypothesis' own number."""


def examples(most: int = USUAL, fewest: int = FEWEST) -> int:
    """The number of examples of a property, of so many at most; a fifth of them in `make check`.

    Args:
        most: in a run of all tests.
        fewest: in `make check`; fewer than usual where a single one takes long.
    """
    return max(most // SHARE, min(most, fewest))


def length(whole: T, quick: T) -> T:
    """How long a simulation plays, in days or looks: `quick` in `make check`."""
    return quick if QUICK else whole

"""How many examples a property is tried with: all of them, or a third in `make check`, which is run after each edit."""

import os

SHARE = 3 if os.environ.get("QUICK") else 1
FEWEST = 20
USUAL = 100
"""Hypothesis' own number."""


def examples(most: int = USUAL) -> int:
    """The number of examples, of so many at most."""
    return max(most // SHARE, min(most, FEWEST))

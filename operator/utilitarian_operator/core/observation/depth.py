"""What a broker says of one queue when it is asked for its depth."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Depth:
    """What a passive declare says: messages ready and consumers, both of this moment."""

    ready: int
    consumers: int


@dataclass(frozen=True, slots=True)
class Untold:
    """A queue of which the broker won't say anything, while it tells of others.

    Args:
        why: a clause that goes on after the queue's name, with the broker's words.
    """

    why: str


Depths: TypeAlias = Mapping[str, Depth | Untold | None]
"""By queue; None for one that doesn't exist."""

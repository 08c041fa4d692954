"""Lets a test that measures how fast something is have the machine to itself, in whichever processes the others run."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn(folder: Path, *, alone: bool) -> Iterator[None]:
    """Hold a place for the time of the block: together with all others, or alone.

    Whoever wants to be alone waits for those who have begun, and nobody begins meanwhile.

    Args:
        folder: that all of them name.
        alone: with nobody else.
    """
    with (folder / "turn").open("a") as place:
        with (folder / "queue").open("a") as queue:
            fcntl.flock(queue, fcntl.LOCK_EX)
            fcntl.flock(place, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield

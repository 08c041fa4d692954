"""How long a worker takes to start, and what it waited for before: from seen times to learned ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

LONGEST_START_UP_S = 600.0
"""No start is counted as longer: what took longer did not only start."""

LONGEST_DELAY_S = 3600.0
"""No start is awaited for longer than it takes by more than this: most promises are shorter."""

LONGEST_REQUEST_S = 5.0
"""Seconds from a pod's creation to its container's start that belong to every start; what took longer was a wait."""

MOST_AT_ONCE = 2
"""Starts at once in a fleet that are learned from: a node that its own starts slow down would else ask for more."""

FIRST_DEVIATION = 0.25
"""Part of the first start that is taken for the deviation of starts."""

NEWEST_DEVIATION = 0.1
"""Weight of the newest deviation: of many starts one is slow, and that one must be remembered."""

MOST_START_UPS = 10
"""Starts that the median is taken of: each counts a tenth, and the oldest goes with each new one."""


@dataclass(frozen=True, slots=True)
class StartUp:
    """One worker's start.

    Args:
        seconds: from the request to its readiness, without what it waited for; None where that can't be known.
        waited_s: seconds that it waited: for a node, its image, a volume, or the broker.
        at_once: workers of the fleet that were starting at the same time, itself included.
    """

    seconds: float | None
    waited_s: float = 0.0
    at_once: int = 1


def start_up(
    created: datetime, running: datetime | None, ready: datetime, unseen: datetime | None, at_once: int
) -> StartUp:
    """One worker's start by the times that Kubernetes gives.

    Args:
        created: when its pod was.
        running: when its container began to run, the last time.
        ready: when it became ready.
        unseen: when the broker was last away; None if it never was.
        at_once: workers of the fleet that were starting at the same time, itself included.
    """
    whole = max((ready - created).total_seconds(), 0.0)
    if running is None or (unseen is not None and unseen >= running):
        return StartUp(None, whole, at_once)
    requested = min(max((running - created).total_seconds(), 0.0), LONGEST_REQUEST_S)
    own = max((ready - running).total_seconds(), 0.0)
    return StartUp(requested + own, max(whole - requested - own, 0.0), at_once)


def learned(
    known: float | None, start_ups: Sequence[float], alone: Sequence[float], together: Sequence[float]
) -> tuple[float | None, tuple[float, ...]]:
    """What a start takes, and the newest starts that this rests on.

    Args:
        known: what it took so far; None before one was measured.
        start_ups: the newest starts that this rests on, the newest last; empty while it rests on others.
        alone: seconds of the starts of a look, of those of which few ran at once.
        together: the same of larger groups: they count only while no other is known.
    """
    kept = (*start_ups, *(min(max(it, 0.0), LONGEST_START_UP_S) for it in alone))[-MOST_START_UPS:]
    if kept:
        return median(kept), kept
    return (min(max(median(together), 0.0), LONGEST_START_UP_S) if together else known), ()


def deviation(known: float | None, start_up_s: float | None, newest: Sequence[float]) -> float | None:
    """The mean deviation of starts from what a start takes, seconds, after the newest ones.

    Args:
        known: so far; None before a start was measured.
        start_up_s: what a start took so far, seconds; None before one was measured.
        newest: seconds of the starts of a look.
    """
    for seconds in (min(max(it, 0.0), LONGEST_START_UP_S) for it in newest):
        if known is None or start_up_s is None:
            known, start_up_s = seconds * FIRST_DEVIATION, seconds
        else:
            known += NEWEST_DEVIATION * (abs(seconds - start_up_s) - known)
    return known

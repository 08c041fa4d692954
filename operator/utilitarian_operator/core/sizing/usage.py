"""What is learned of a pool's CPU and memory: cores of a busy slot, and the peak memory of a worker.

Both belong to a number of slots: with another `worker.concurrency` all is learned anew, or each advice would rest on
what was measured before the last one was followed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import median

from utilitarian_operator.core.observation.model.usage import PodUsage

MOST_MINUTES = 10
"""Readings that the median of the cores of a busy slot is taken of: each counts a tenth."""

ENOUGH_MINUTES = 5
"""Readings from which on it is shown and advised from."""

BUSY_ENOUGH = 0.5
"""Busy slots of a worker below which its CPU says little of its tasks: it also lives, and answers questions."""

STRETCH = timedelta(days=1)
MOST_STRETCHES = 7
"""Days, each with a reading, of which the peak memory is remembered: a month's run may be the only one that counts."""

MOST_CORES = 1024.0
MOST_BYTES = float(2**50)
"""No worker has more."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a pool's workers use, each with `slots` slots.

    Args:
        slots: `worker.concurrency` that it was measured with; 0 before anything was.
        cpu_per_slot: cores of a busy slot, of the newest minutes with work, the newest last.
        peak: bytes of the largest worker in this stretch.
        peaks_before: the same of the stretches before, the newest last.
        since: when this stretch began; None before anything was measured.
        killed_at: when a worker was last killed for its memory; None where none was.
    """

    slots: int = 0
    cpu_per_slot: tuple[float, ...] = ()
    peak: float = 0.0
    peaks_before: tuple[float, ...] = ()
    since: datetime | None = None
    killed_at: datetime | None = None

    @property
    def cores(self) -> float | None:
        """Cores that a busy slot uses; None before enough minutes were measured."""
        return median(self.cpu_per_slot) if len(self.cpu_per_slot) >= ENOUGH_MINUTES else None

    @property
    def peak_memory(self) -> float | None:
        """Bytes of the largest worker lately; None before one was measured."""
        return max(self.peak, *self.peaks_before, 0.0) or None


def learned(usage: Usage, slots: int, measured: Sequence[PodUsage], now: datetime) -> Usage:
    """What is known after a reading.

    Args:
        usage: as it was known.
        slots: `worker.concurrency` now.
        measured: of each worker that was read.
        now: the one clock.
    """
    if not measured:
        return usage
    usage = _of(usage, slots, now)
    busy = [(it.cpu, it.busy) for it in measured if it.busy is not None and it.busy >= BUSY_ENOUGH]
    minutes = usage.cpu_per_slot
    if busy:
        cores = sum(cpu for cpu, _ in busy) / sum(slots for _, slots in busy)
        minutes = (*minutes, round(_bounded(cores, MOST_CORES), 3))[-MOST_MINUTES:]
    peak = max(usage.peak, *(round(_bounded(it.memory, MOST_BYTES)) for it in measured))
    return replace(usage, cpu_per_slot=minutes, peak=peak)


def killed(usage: Usage, slots: int, memory: float, now: datetime) -> Usage:
    """What is known after a worker was killed for its memory.

    Args:
        usage: as it was known.
        slots: `worker.concurrency` now.
        memory: bytes that it was killed at.
        now: the one clock.
    """
    usage = _of(usage, slots, now)
    return replace(usage, peak=max(usage.peak, round(_bounded(memory, MOST_BYTES))), killed_at=now)


def _of(usage: Usage, slots: int, now: datetime) -> Usage:
    """The same in the stretch that is now, or nothing where it was measured with another number of slots."""
    if usage.slots != slots or usage.since is None:
        return Usage(slots, since=now)
    since = min(usage.since, now)  # the clock may have been set back
    killed_at = usage.killed_at
    if killed_at is not None and not timedelta() <= now - killed_at <= MOST_STRETCHES * STRETCH:
        killed_at = None
    usage = replace(usage, since=since, killed_at=killed_at)
    if now - since < STRETCH:
        return usage
    before = (*usage.peaks_before, usage.peak)[-(MOST_STRETCHES - 1) :]
    return replace(usage, since=now, peak=0.0, peaks_before=before)


def _bounded(value: float, most: float) -> float:
    return min(max(value, 0.0), most)

"""How many slots a worker should have, by what it was seen to use of CPU and memory."""

from dataclasses import dataclass
from math import floor

from utilitarian_operator.api.effective import Pool
from utilitarian_operator.api.units import parse_quantity
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.sizing.usage import Usage
from utilitarian_operator.core.wording import number, plural

TIGHT = 0.8
"""Part of its memory limit from which on a worker is near its end: one larger task more and it is killed."""

AIM = 0.7
"""Part of the memory limit that is aimed at."""

BOUND = 0.9
"""Part of the CPU that it can get, with all slots busy, from which on a worker is bound by it."""

WORTH_IT = 1.5
MOST_AT_A_TIME = 4
"""Times the present slots that are worth saying, and that are advised at once: what was not tried is not known."""

MOST_SLOTS = 100
_MANY = 1_000_000
"""Slots beyond which it makes no difference how many fit."""

_GIBIBYTE = 2**30


@dataclass(frozen=True, slots=True)
class Slots:
    """Another number of slots.

    Args:
        to: the number.
        because: what was measured.
        effect: what it brings.
    """

    to: int
    because: str
    effect: str


def slots(pool: Pool, usage: Usage, most_workers: int) -> Slots | None:
    """Fewer slots where memory is short, more where both are left over; None where it fits, or too little is known.

    Args:
        pool: the effective spec.
        usage: what was learned.
        most_workers: that the pool had lately: with one, more slots save nothing.
    """
    if usage.slots != pool.worker.concurrency or usage.peak_memory is None:
        return None
    if is_tight(pool, usage):
        return _fewer(pool, usage, usage.peak_memory)
    if usage.cores is None or most_workers <= 1 or is_bound(pool, usage):
        return None
    return _more(pool, usage.cores, usage.peak_memory)


def is_tight(pool: Pool, usage: Usage) -> bool:
    """Whether a worker came near its memory limit, or was killed at it."""
    limit = _quantity(pool, "limits", "memory")
    measured = usage.slots == pool.worker.concurrency and usage.peak_memory is not None
    return limit is not None and measured and (usage.peak_memory or 0.0) >= TIGHT * limit


def is_bound(pool: Pool, usage: Usage) -> bool:
    """Whether a worker with all its slots busy would need all of the CPU that it can get."""
    most = _most_cores(pool)
    if usage.slots != pool.worker.concurrency or usage.cores is None or most is None:
        return False
    return usage.cores * pool.worker.concurrency >= BOUND * most


def bound(pool: Pool, usage: Usage) -> str:
    """The figures of a worker that is bound by its CPU."""
    most = (
        "1 core, all that one process can use" if _single(pool) else f"its limit of {_written(pool, 'limits', 'cpu')}"
    )
    return f"{plural(pool.worker.concurrency, 'slot')} at {percent(usage.cores or 0.0)} of a core each use up {most}"


def memory_of(pool: Pool, usage: Usage) -> str:
    """The peak and what it is of: `1.7 of 2 GiB`."""
    limit, peak = _quantity(pool, "limits", "memory"), usage.peak_memory or 0.0
    return gibibytes(peak) if limit is None else f"{_rounded(peak)} of {gibibytes(limit)}"


def percent(part: float) -> str:
    """A part of one: `3 %`, `0.4 %`."""
    return f"{number(round(100 * part, 0 if part >= 0.01 else 1))} %"  # noqa: PLR2004 - one digit below one percent


def gibibytes(size: float) -> str:
    """Bytes for people: `1.7 GiB`."""
    return f"{_rounded(size)} GiB"


def _fewer(pool: Pool, usage: Usage, peak: float) -> Slots | None:
    limit = _quantity(pool, "limits", "memory") or 0.0
    to = max(_that_fit(pool, AIM * limit, peak), 1)
    if to >= pool.worker.concurrency:
        return None
    when = "" if usage.killed_at is None else f"; a worker was killed for its memory at {timestamp(usage.killed_at)}"
    prefork = pool.worker.execution == "prefork"
    other = ", or maxTasksPerChild, which gives the memory of a child back between two tasks" if prefork else ""
    fewer = f"fewer slots{other}, or a larger resources.limits.memory"
    return Slots(to, f"peak memory {memory_of(pool, usage)}{when}", f"{fewer}: no worker is killed in its tasks")


def _more(pool: Pool, cores: float, peak: float) -> Slots | None:
    if pool.worker.execution == "solo":
        return None
    c, requested, most = pool.worker.concurrency, _quantity(pool, "requests", "cpu"), _most_cores(pool)
    memory = _quantity(pool, "limits", "memory")
    room = _quantity(pool, "requests", "memory") if memory is None else AIM * memory
    if requested is None or room is None:
        return None
    by_cpu = floor(min(requested, requested if most is None else TIGHT * most) / max(cores, 0.001))
    to = min(by_cpu, _that_fit(pool, room, peak), MOST_AT_A_TIME * c, MOST_SLOTS)
    if to < WORTH_IT * c:
        return None
    request = _written(pool, "requests", "cpu")
    because = f"a task uses {percent(cores)} of a core: {plural(to, 'slot')} still fit into the {request} requested"
    return Slots(
        to,
        because,
        f"fewer workers for the same tasks; at its peak one takes about {gibibytes(_grown(pool, to, peak))}",
    )


def _that_fit(pool: Pool, room: float, peak: float) -> int:
    """Slots whose memory fits, if each child takes what one takes now; the parent takes as much as a child."""
    c, parent = pool.worker.concurrency, int(pool.worker.execution == "prefork")
    return floor(min((c + parent) * room / peak, _MANY)) - parent


def _grown(pool: Pool, slots: int, peak: float) -> float:
    parent = int(pool.worker.execution == "prefork")
    return peak * (slots + parent) / (pool.worker.concurrency + parent)


def _single(pool: Pool) -> bool:
    """Whether one process runs all tasks, and its own limit is not smaller than a core."""
    limit = _quantity(pool, "limits", "cpu")
    return pool.worker.execution != "prefork" and (limit is None or limit >= 1)


def _most_cores(pool: Pool) -> float | None:
    """Cores that a worker can get; None where only its node has a limit."""
    return 1.0 if _single(pool) else _quantity(pool, "limits", "cpu")


def _written(pool: Pool, kind: str, resource: str) -> str | None:
    written = pool.worker.resources.get(kind, {}).get(resource)
    return None if written is None else str(written)


def _quantity(pool: Pool, kind: str, resource: str) -> float | None:
    written = _written(pool, kind, resource)
    return None if written is None else float(parse_quantity(written))


def _rounded(size: float) -> str:
    return number(round(size / _GIBIBYTE, 1) or round(size / _GIBIBYTE, 2))

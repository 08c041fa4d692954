"""What is tried to lower the bill of one pool: fields with other values, and how such a change reads."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from math import ceil

from utilitarian_operator.api.effective import Pool
from utilitarian_operator.api.units import format_duration, parse_quantity
from utilitarian_operator.core.explain.usage_advice import slots as slots_by_usage
from utilitarian_operator.core.sizing.usage import Usage

IDLE_AFTER = tuple(timedelta(seconds=seconds) for seconds in (0, 5, 10, 15, 30, 60, 120, 300))
PROMISES = tuple(timedelta(seconds=seconds) for seconds in (30, 60, 120, 300, 600, 1800, 3600))
MOST_SLOTS = MOST_WORKERS = 1000
"""That `concurrency` and `max` may be."""

LONGER = 2
"""Times the promise at least of one that is asked about."""

Resources = dict[str, dict[str, str]]
Value = str | int | tuple[str, ...]
"""What stands in a field of a resource."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of a pool, as in YAML, with its value before and after."""

    field: str
    was: Value
    to: Value

    def __str__(self) -> str:
        """`scaling.wake AtOnce → WhenDue`."""
        return f"{self.field} {_shown(self.was)} → {_shown(self.to)}"


def wakes(pool: Pool) -> Iterator[Pool]:
    """The other way to wake; where a worker always stays there is none."""
    if not (pool.scaling.min or pool.is_catch_all):
        yield _scaled(pool, wake="AtOnce" if pool.scaling.wake == "WhenDue" else "WhenDue")


def shorter_idles(pool: Pool) -> Iterator[Pool]:
    """Ever shorter values of `idleAfter`; where a worker always stays there are none."""
    if not pool.scaling.min:
        yield from (_scaled(pool, idle_after=it) for it in reversed(IDLE_AFTER) if it < pool.scaling.idle_after)


def longer_idles(pool: Pool) -> Iterator[Pool]:
    """Ever longer values of `idleAfter`: where a start costs more than standing by."""
    if not pool.scaling.min:
        yield from (_scaled(pool, idle_after=it) for it in IDLE_AFTER if it > pool.scaling.idle_after)


def smaller(pool: Pool, peak: int) -> Iterator[Pool]:
    """Fewer workers at most than there were."""
    least = _least(pool)
    most = ceil(min(peak, pool.scaling.max) / 2)
    while least <= most < min(peak, pool.scaling.max):
        yield _scaled(pool, max=most)
        peak, most = most, ceil(most / 2)


def fewer_slots(pool: Pool) -> Iterator[Pool]:
    """Ever fewer tasks at a time, with as much CPU and memory for each as now, and as many slots in all."""
    slots = pool.worker.concurrency
    while slots := slots // 2:
        yield from _with_slots(pool, slots)


def more_slots(pool: Pool) -> Iterator[Pool]:
    """Twice the tasks at a time, and twice that, same."""
    for times in (2, 4):
        yield from _with_slots(pool, pool.worker.concurrency * times)


def measured_slots(pool: Pool, usage: Usage, peak: int) -> Iterator[Pool]:
    """More tasks at a time within what a worker requests already, where they fit by what they were seen to use.

    Args:
        pool: as it is.
        usage: what was learned of its workers.
        peak: workers that it had at most.
    """
    found = slots_by_usage(pool, usage, peak)
    if found is not None and found.to > pool.worker.concurrency:
        yield from _with_slots(pool, found.to, pool.worker.resources)


def _with_slots(pool: Pool, slots: int, resources: Resources | None = None) -> Iterator[Pool]:
    """A pool with other slots; none that a resource can't have, or that would ask for other devices than now."""
    c = pool.worker.concurrency
    most = max(ceil(pool.scaling.max * c / slots), _least(pool))
    if pool.worker.execution == "solo" or slots > MOST_SLOTS or most > MOST_WORKERS or _has_a_device(pool):
        return
    resources = _times(pool.worker.resources, Decimal(slots) / c) if resources is None else resources
    yield replace(_scaled(pool, max=most), worker=replace(pool.worker, concurrency=slots, resources=resources))


def _least(pool: Pool) -> int:
    """The least `max` that a pool can have."""
    return max(pool.scaling.min, 1, *(run.workers for run in pool.schedule))


def _has_a_device(pool: Pool) -> bool:
    """Whether a worker asks for what is no CPU, memory or disk: a GPU has no price here, and tasks share it or not."""
    return any({*amounts} - {*_SCALED, "ephemeral-storage"} for amounts in pool.worker.resources.values())


def longer_promises(pool: Pool) -> Iterator[Pool]:
    """The next longer promise that a person would write."""
    longer = next((it for it in PROMISES if it >= LONGER * pool.scaling.drain_within), None)
    if longer is not None:
        yield _scaled(pool, drain_within=longer)


def differences(was: Pool, to: Pool) -> tuple[FieldChange, ...]:
    """The fields that differ, in the order in which a resource has them."""
    pairs = ((field, of(was), of(to)) for field, of in _FIELDS.items())
    return tuple(FieldChange(field, before, after) for field, before, after in pairs if before != after)


def _scaled(pool: Pool, **fields: object) -> Pool:
    return replace(pool, scaling=replace(pool.scaling, **fields))  # type: ignore[arg-type]  # the callers name fields


_SCALED = ("cpu", "memory")


def _times(resources: Resources, part: Decimal) -> Resources:
    return {
        kind: {
            name: _quantity(name, parse_quantity(value) * part) if name in _SCALED else value
            for name, value in amounts.items()
        }
        for kind, amounts in resources.items()
    }


def _quantity(name: str, amount: Decimal) -> str:
    return f"{ceil(amount * 1000)}m" if name == "cpu" else f"{ceil(amount / 1024**2)}Mi"


def _shown(value: Value) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _resource(kind: str, name: str) -> Callable[[Pool], Value]:
    return lambda pool: str(pool.worker.resources.get(kind, {}).get(name, ""))


_FIELDS: dict[str, Callable[[Pool], Value]] = {
    "queues": lambda pool: pool.queues,
    "priority": lambda pool: pool.priority,
    "worker.concurrency": lambda pool: pool.worker.concurrency,
    **{
        f"worker.resources.{kind}.{name}": _resource(kind, name)
        for kind in ("requests", "limits")
        for name in ("cpu", "memory")
    },
    "scaling.max": lambda pool: pool.scaling.max,
    "scaling.drainWithin": lambda pool: format_duration(pool.scaling.drain_within),
    "scaling.idleAfter": lambda pool: format_duration(pool.scaling.idle_after),
    "scaling.wake": lambda pool: pool.scaling.wake,
}

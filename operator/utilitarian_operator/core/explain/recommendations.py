"""What to change in a pool and what the change would bring, from figures that were learned."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil

from pydantic import ValidationError

from utilitarian_operator.api.built_in_pools import POLLING
from utilitarian_operator.api.effective import Pool
from utilitarian_operator.api.resource import PoolSpec
from utilitarian_operator.api.units import format_duration, parse_quantity
from utilitarian_operator.core.explain import usage_advice
from utilitarian_operator.core.sizing.demand import demand, horizon
from utilitarian_operator.core.sizing.usage import Usage
from utilitarian_operator.core.wording import number, plural, seconds

ENOUGH = 20
"""Completions from which on the measured seconds per task are taken at their word."""

BURST = 1_000
"""Tasks of the burst by which two settings are compared."""

OFF_BY = 2.0
"""Times that a first guess may be off without mattering: the measured figure replaces it within a few tasks."""

LONGEST_H = 10_000
"""No task waits so long; the schema refuses more."""

LONGEST_GRACE_S = 168 * 3600.0
SHORTEST_GUESS_S = 0.001
"""What the schema takes for `drainTimeout` at most, for `taskDuration` at least."""

TASKS_PER_CHILD = 100
"""After so many a child is replaced: often enough to give memory back, and its start costs each of them little."""

_MEBIBYTE = 1024**2
_STEPS_S = tuple(step * unit for unit in (1, 60, 3600) for step in (1, 2, 5, 10, 15, 20, 30))


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of a pool; None, or 0 where that can't be a figure, is what is not known.

    Args:
        seconds_per_task: s, the mean.
        completions: tasks that s rests on.
        longest_s: seconds of the longest task.
        start_up_s: measured seconds from asking for a worker to its first task.
        work: tasks that wait or run.
        needed: workers that the rules asked for, before the pool's bounds.
        usage: of CPU and memory.
        most_workers: that the pool had lately.
    """

    seconds_per_task: float = 0.0
    completions: float = 0.0
    longest_s: float = 0.0
    start_up_s: float | None = None
    work: int | None = None
    needed: int | None = None
    usage: Usage = field(default_factory=Usage)
    most_workers: int = 0

    @property
    def measured(self) -> bool:
        """Whether s rests on enough tasks."""
        return self.completions >= ENOUGH and self.seconds_per_task > 0


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One change of the resource.

    Args:
        path: of the field, the pool by its name: `pools.amr-hourly.scaling.drainWithin`.
        was: the value that is in force, as in YAML; `none` where there is none.
        to: the value to write.
        because: what was seen.
        effect: what it saves or speeds up, and its price if it has one.
    """

    path: str
    was: str
    to: str
    because: str
    effect: str


def recommendations(pool: Pool, figures: Figures) -> tuple[Recommendation, ...]:
    """What should be changed in a pool; empty where everything fits, or too little is known.

    Nothing is said that the schema would refuse, or that changes nothing. What a change does to the bill only a
    simulation knows: no recommendation rests on it.
    """
    found = (rule(pool, figures) for rule in _RULES)
    return tuple(it for it in found if it is not None and it.was != it.to and can_be_written(it.path, it.to))


def can_be_written(path: str, value: str) -> bool:
    """Whether the schema takes a value for a field of a pool, `pools.NAME.scaling.max` and the like."""
    _, _, field = path.removeprefix("pools.").partition(".")
    section, _, leaf = field.rpartition(".")
    written = {leaf: int(value) if value.isdecimal() else value}
    pool = {"name": "pool", "queues": ["queue"], **({section: written} if section else written)}
    try:
        PoolSpec.model_validate(pool, by_alias=True, by_name=False)
    except ValidationError:
        return False
    return True


def round_up(value: float) -> timedelta:
    """The next duration that a person would write: `23.4` seconds are 30s, `130` are 5m."""
    step = next((step for step in _STEPS_S if step >= value), None)
    return timedelta(seconds=step) if step is not None else timedelta(hours=ceil(min(value / 3600, LONGEST_H)))


def _max(pool: Pool, figures: Figures) -> Recommendation | None:
    most, needed = pool.scaling.max, figures.needed
    if needed is None or needed <= most:
        return None
    if not figures.work or not figures.seconds_per_task:
        effect = "all of the work is started within its promise"
    else:
        whole = figures.work * figures.seconds_per_task / pool.worker.concurrency
        effect = f"the work that is there now takes about {_about(whole / needed)} instead of {_about(whole / most)}"
    because = f"{plural(needed, 'worker')} are needed now, {plural(most, 'worker')} are allowed"
    return _change(pool, "scaling.max", str(most), str(needed), because, effect)


def _concurrency(pool: Pool, figures: Figures) -> Recommendation | None:
    c = pool.worker.concurrency
    if figures.usage.slots:  # measured, perhaps with another number of slots until a moment ago
        found = usage_advice.slots(pool, figures.usage, figures.most_workers)
        if found is None:
            return None
        return _change(pool, "worker.concurrency", str(c), str(found.to), found.because, found.effect)
    if c <= POLLING or pool.worker.execution != "prefork":
        return None
    most = max(pool.scaling.max, figures.needed or 0)
    because = f"better to start more workers than keep increasing concurrency beyond {POLLING}"
    effect = (
        f"a worker that dies takes {number(POLLING)} tasks with it instead of {number(c)}; with scaling.max: "
        f"{ceil(most * c / POLLING)} there are as many slots as with {number(most)} now"
    )
    return _change(pool, "worker.concurrency", str(c), str(POLLING), because, effect)


def _prefetch(pool: Pool, figures: Figures) -> Recommendation | None:
    c, multiplier, s = pool.worker.concurrency, pool.worker.prefetch_multiplier, figures.seconds_per_task
    if multiplier == 1 or not figures.measured or s < 1:
        return None
    held = c * (multiplier - 1) if multiplier else None
    what = f"up to {plural(held, 'message')}" if held else "every message there is"
    because = f"a busy worker takes {what} more than it can run, and they wait behind tasks of {seconds(s)}"
    effect = "they go to the worker that is free first, and a new worker finds something to do at once"
    return _change(pool, "worker.prefetchMultiplier", str(multiplier), "1", because, effect)


def _drain_within(pool: Pool, figures: Figures) -> Recommendation | None:
    promise, s, u = pool.scaling.drain_within, figures.seconds_per_task, figures.start_up_s
    if u is None:
        return None
    was = format_duration(promise)
    if u >= promise.total_seconds():
        to = round_up(u + max(s, 1))
        because = f"a worker takes {seconds(u)} to start: what finds the pool asleep starts later than {was}"
        effect = "a promise that can be kept; scaling.min: 1 keeps the present one, for 24 worker-hours a day"
    elif figures.measured and horizon(promise.total_seconds(), u, s) <= s:
        to = round_up(u + 4 * s)
        now, then = (_burst(pool, s, u, within) for within in (promise, to))
        because = f"start-up ({seconds(u)}) leaves less than one task's time ({seconds(s)}): each task has its own slot"
        effect = f"{number(BURST)} tasks at once ask for {plural(then, 'worker')} instead of {number(now)}"
    else:
        return None
    return _change(pool, "scaling.drainWithin", was, format_duration(to), because, effect)


def _burst(pool: Pool, s: float, u: float, promise: timedelta) -> int:
    over, c = horizon(promise.total_seconds(), u, s), pool.worker.concurrency
    return demand(BURST, arrivals=0, concurrency=c, seconds_per_task=s, over=over).workers


def _tasks_per_child(pool: Pool, figures: Figures) -> Recommendation | None:
    """Where memory is short and one slot is left: a child that is replaced gives its memory back."""
    worker, usage = pool.worker, figures.usage
    if worker.concurrency > 1 or worker.execution != "prefork" or worker.max_tasks_per_child is not None:
        return None
    if not usage_advice.is_tight(pool, usage):
        return None
    because = f"peak memory {usage_advice.memory_of(pool, usage)}"
    effect = "a child's memory is given back between two tasks; if one task takes it all: a larger limit"
    return _change(pool, "worker.maxTasksPerChild", "none", str(TASKS_PER_CHILD), because, effect)


def _memory_per_child(pool: Pool, figures: Figures) -> Recommendation | None:
    del figures  # Celery doesn't report how much memory a child takes
    worker = pool.worker
    limit = worker.resources.get("limits", {}).get("memory")
    if limit is None or worker.execution != "prefork":
        return None
    processes, was = worker.concurrency + 1, worker.max_memory_per_child
    room = int(parse_quantity(limit) / processes / _MEBIBYTE)
    if room < 1 or (was is not None and parse_quantity(was) * processes <= parse_quantity(limit)):
        return None
    because = f"{number(processes)} processes share the container's {limit}; above it, the kernel ends one in its task"
    effect = "a child that has grown is replaced between two tasks instead of being killed in one"
    return _change(pool, "worker.maxMemoryPerChild", was or "none", f"{room}Mi", because, effect)


def _drain_timeout(pool: Pool, figures: Figures) -> Recommendation | None:
    if not pool.drain_timeout.total_seconds() < figures.longest_s <= LONGEST_GRACE_S:
        return None
    to = format_duration(timedelta(seconds=min(round_up(1.5 * figures.longest_s).total_seconds(), LONGEST_GRACE_S)))
    because = f"a task ran for {_about(figures.longest_s)}: longer than a worker may take to stop"
    effect = "a rollout or a node drain lets such a task end instead of killing it"
    return _change(pool, "drainTimeout", format_duration(pool.drain_timeout), to, because, effect)


def _task_duration(pool: Pool, figures: Figures) -> Recommendation | None:
    guess, s = pool.scaling.task_duration.total_seconds(), figures.seconds_per_task
    if not figures.measured or max(guess / s, s / guess) < OFF_BY:
        return None
    was = format_duration(pool.scaling.task_duration)
    s = min(s, LONGEST_H * 3600)
    rounded = round(s, 1 if s < 10 else 0) or round(s, 3)  # noqa: PLR2004 - two digits
    to = format_duration(timedelta(seconds=max(rounded, SHORTEST_GUESS_S)))
    because = f"{number(round(figures.completions))} tasks took {seconds(s)} on average, the first guess is {was}"
    effect = "a new installation, which has measured nothing yet, sizes its first burst right"
    return _change(pool, "scaling.taskDuration", was, to, because, effect)


def _change(pool: Pool, field: str, was: str, to: str, because: str, effect: str) -> Recommendation:
    return Recommendation(f"pools.{pool.name}.{field}", was, to, because, effect)


def _about(value: float) -> str:
    return format_duration(timedelta(seconds=max(round(min(value, LONGEST_H * 3600)), 1)))


_Rule = Callable[[Pool, Figures], Recommendation | None]
_RULES: tuple[_Rule, ...] = (
    _max,
    _concurrency,
    _prefetch,
    _drain_within,
    _tasks_per_child,
    _memory_per_child,
    _drain_timeout,
    _task_duration,
)

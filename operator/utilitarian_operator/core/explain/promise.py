"""Whether a pool keeps what was promised of it, by its status: a run's deadline, else that tasks start in time."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from math import ceil
from typing import Any

from utilitarian_operator.api.effective import Pool
from utilitarian_operator.core.explain.from_status import facts_from_status, trail_from_status
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.sizing.decision import Decision, Rule
from utilitarian_operator.core.sizing.eta_sleep import deferring
from utilitarian_operator.core.sizing.memory import seconds_per_task, start_up_s
from utilitarian_operator.core.sizing.memory_json import from_text
from utilitarian_operator.core.sizing.rule_input import FIRST_GUESS_START_UP


class Kept(StrEnum):
    """Whether a promise is kept, as a table says it."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "?"
    NONE = "-"
    """None is given: the work waits for the next run, or for one that is being prepared."""


def promise(pool: Pool, of_pool: Mapping[str, Any], now: datetime) -> Kept:
    """Whether a pool keeps its promise with the work and the workers that its status tells of.

    A run with a deadline is to be done by it; while it is being prepared nothing is promised. Else the work that is
    there now is to be started within `drainWithin` from now: in whole waves of as many tasks as the workers have
    slots, after a start where none is ready. Tasks that wait for their own time are no such work.

    Worked example: 20,000 tasks of 5 s, 9 workers of 20 slots, none ready, a start of 28 s: 112 waves, the last of
    which starts after 28 + 111 * 5 = 583 s; kept with `drainWithin: 10m`.

    Args:
        pool: the effective spec.
        of_pool: the pool's entry in the status.
        now: the one clock.
    """
    if (by_deadline := _of_run(of_pool.get("run") or {}, now)) is not None:
        return by_deadline
    memory, trail = from_text(of_pool.get("memory"), now), trail_from_status(of_pool)
    start_s = start_up_s(memory, FIRST_GUESS_START_UP)
    backlog = deferring(facts_from_status(of_pool, now), memory.eta_sleep, start_s, now).ready
    # The reason may be what is wrong with the pool.
    rule = Decision(of_pool.get("desired") or 0, trail).rule if trail else of_pool.get("reason")
    if isinstance(backlog, Unknown):
        return Kept.UNKNOWN
    if not backlog or rule == Rule.WAIT:
        return Kept.YES
    if rule == Rule.HOLD:
        return Kept.NONE
    slots = (of_pool.get("desired") or 0) * pool.worker.concurrency
    if not slots:
        return Kept.NO
    waves = ceil((backlog + (of_pool.get("busy") or 0)) / slots)
    last_s = (waves - 1) * seconds_per_task(pool, memory, now)
    if not of_pool.get("ready"):
        last_s += start_s
    return Kept.YES if last_s <= pool.scaling.drain_within.total_seconds() else Kept.NO


def _of_run(run: Mapping[str, Any], now: datetime) -> Kept | None:
    """The same of an open run, or one that is being prepared; None where it has no deadline or no forecast."""
    if run.get("deadline") and run.get("eta"):
        return Kept.YES if _moment(run["eta"]) <= _moment(run["deadline"]) else Kept.NO
    return Kept.NONE if run.get("deadline") and _moment(run.get("started")) > now else None


def _moment(text: object) -> datetime:
    """A moment of the status; the beginning of time where it is none."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return _NONE
    return moment if moment.tzinfo else _NONE


_NONE = datetime.fromisoformat("0001-01-01T00:00:00+00:00")

"""What a person asks of a fleet by an annotation: a pause with an end, and runs that are opened by hand."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.problem import Problem, shown
from utilitarian_operator.api.resource import Mode
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.spec.override import PREFIX as OVERRIDE
from utilitarian_operator.core.spec.override import moment
from utilitarian_operator.core.wording import named

PAUSED = "utilitarian.io/paused"
RUN_NOW = "utilitarian.io/run-now."
"""Before the name of a pool."""

_PAUSE = re.compile(r"^until (?P<until>\S{1,40})$")
_RUN = re.compile(r"^(?P<run>\S{1,63}) at (?P<start>\S{1,40})$")


@dataclass(frozen=True, slots=True)
class RunByHand:
    """A run that begins because a person says so.

    Args:
        name: of its schedule.
        start: when it begins.
    """

    name: str
    start: datetime


@dataclass(frozen=True, slots=True)
class ByHand:
    """What annotations ask for, beside numbers of workers.

    Args:
        paused_until: when a pause of the fleet ends; None: there is none.
        runs: that were opened by hand, by pool name; the last one of each pool.
    """

    paused_until: datetime | None = None
    runs: Mapping[str, RunByHand] = field(default_factory=dict)

    def pause(self, mode: Mode, now: datetime) -> datetime | None:
        """The end of the pause that is in force; None where none is, or where the spec's own mode is no Auto."""
        if mode != "Auto" or self.paused_until is None or now >= self.paused_until:
            return None
        return self.paused_until


def by_hand(annotations: Mapping[str, str]) -> tuple[ByHand, list[Problem]]:
    """What annotations ask for, and what is wrong with those that can't be read; a pause without an end is refused."""
    paused_until, runs, problems = None, {}, []
    for name, text in sorted(annotations.items()):
        if name == PAUSED:
            paused_until = _end(text)
            if paused_until is None:
                problems.append(_wrong(name, text, 'write it like "until 2026-11-24T12:00Z", in UTC and with an end'))
        elif name.startswith(RUN_NOW):
            run = _run(text)
            if run is None:
                problems.append(_wrong(name, text, 'write it like "RUN at 2026-11-24T12:00Z", with a run of the pool'))
            else:
                runs[name.removeprefix(RUN_NOW)] = run
    return ByHand(paused_until, runs), problems


def steers_none(fleet: Fleet, annotations: Mapping[str, str]) -> Iterator[Problem]:
    """What is asked of a pool or of a run that the fleet doesn't have: it does nothing."""
    schedules = {pool.name: [it.name for it in pool.schedule] for pool in fleet.pools}
    for name, text in sorted(annotations.items()):
        prefix = next((it for it in (OVERRIDE, RUN_NOW) if name.startswith(it)), None)
        if prefix is None:
            continue
        pool, run = name.removeprefix(prefix), _run(text) if prefix == RUN_NOW else None
        if pool not in schedules:
            yield Problem(
                f"metadata.annotations[{name}]", "", f"no pool has this name; the fleet has {named([*schedules])}"
            )
        elif run is not None and run.name not in schedules[pool]:
            has = f"it has {named(schedules[pool])}" if schedules[pool] else "it has none"
            yield _wrong(name, run.name, f"pool {pool} has no run of this name; {has}")


def is_by_hand(name: str) -> bool:
    """Whether an annotation is one by which a person steers a fleet."""
    return name == PAUSED or name.startswith((OVERRIDE, RUN_NOW))


def pause_written(until: datetime) -> str:
    """The value of the annotation of a pause."""
    return f"until {timestamp(until)}"


def run_written(run: str, start: datetime) -> str:
    """The value of the annotation of a run by hand."""
    return f"{run} at {timestamp(start)}"


def _wrong(name: str, text: str, remedy: str) -> Problem:
    return Problem(f"metadata.annotations[{name}]", shown("", text), remedy)


def _end(text: str) -> datetime | None:
    match = _PAUSE.match(text.strip())
    return moment(match["until"]) if match else None


def _run(text: str) -> RunByHand | None:
    match = _RUN.match(text.strip())
    start = moment(match["start"]) if match else None
    return RunByHand(match["run"], start) if match and start else None

"""The documented fleet's first of January in the sixtieth part of its time: what comes, and what its resource says.

One task in sixty comes, at sixty times the pace: as many a second as in the day, so workers are as busy as in the day.
An hour is a minute; so cron lines, times of day and `finishWithin` are a sixtieth. What is about seconds stays: how
long a task runs, `drainWithin`, `taskDuration`, `idleAfter`, polls and cooldowns, and what a worker's start takes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from pathlib import Path
from random import Random
from typing import Any

import yaml

from tests.support import pools as effective
from tests.support.controlplane import REPOSITORY
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.units import parse_duration
from utilitarian_operator.simulation.load.arrivals import tasks_of
from utilitarian_operator.simulation.load.workload import Load

TIMES = 60
MINUTES = 24
SEED = 11
LEAST_S = 60
"""The shortest `finishWithin` that a resource may have: an hourly run's half hour would be half a minute."""

SHORTER = {"cleanup": 10}
"""By how much tasks are shorter, and more: those of `cleanup` take minutes, which its deadline has in a compressed day.
"""

ASKED_BY_A_PERSON = "amr-on-demand"
WARM_UP = "5s"
"""About a worker's start. Two minutes of warm-up are nothing in a day and five parts of twenty-four in this one."""

HOURLY = {"idleAfter": "10s"}
"""A run an hour comes each minute here: with the usual two minutes its pool would never have a first and a last task.
"""


@dataclass(frozen=True, order=True)
class Task:
    """One task: when it comes (seconds from the day's start), to which pool and queue, and how long it runs."""

    at: float
    pool: str
    queue: str
    seconds: float


@dataclass(frozen=True)
class Became:
    """What became of a task: times in seconds from the day's start, None for what did not happen."""

    task: Task
    began: float | None
    ended: float | None

    @property
    def waited(self) -> float | None:
        """Seconds from when it came until it began."""
        return None if self.began is None else self.began - self.task.at


def fleet_spec(first_minute: int | None) -> dict[str, Any]:
    """What is compressed of examples/production.yaml: pools, their defaults and the ceiling of the fleet.

    Args:
        first_minute: of the hour at which the day starts, by the clock; None leaves all schedules away.
    """
    spec = yaml.safe_load((REPOSITORY / "examples/production.yaml").read_text())["spec"]
    pools = [_pool(pool, first_minute) for pool in spec["pools"]]
    return {"defaults": spec["defaults"], "maxWorkers": spec["maxWorkers"], "timeZone": "UTC", "pools": pools}


def _pool(pool: Mapping[str, Any], first_minute: int | None) -> dict[str, Any]:
    made = {key: value for key, value in pool.items() if key != "schedule"}
    made["scaling"] = {**pool["scaling"], **_scaling(pool)}
    if first_minute is not None and "schedule" in pool:
        made["schedule"] = [_schedule(line, first_minute) for line in pool["schedule"]]
    return made


def _scaling(pool: Mapping[str, Any]) -> dict[str, str]:
    """What is set in the place of what the example says."""
    hourly = any(line["start"].split()[1] == "*" for line in pool.get("schedule", ()))
    shorter = parse_duration(pool["scaling"]["taskDuration"]) / SHORTER.get(pool["name"], 1)
    return {"taskDuration": f"{round(shorter / timedelta(milliseconds=1))}ms", **(HOURLY if hourly else {})}


def _schedule(line: Mapping[str, Any], first_minute: int) -> dict[str, Any]:
    start, within_s = compressed_cron(line["start"], first_minute), compressed_s(line["finishWithin"])
    return {**line, "start": start, "finishWithin": f"{within_s}s", "warmUp": WARM_UP}


def compressed_s(duration: str) -> int:
    """Seconds that a run has in the compressed day: a sixtieth, and not less than a resource may say."""
    return max(ceil(parse_duration(duration) / TIMES / timedelta(seconds=1)), LEAST_S)


def whole_hour(cron: str) -> str:
    """A cron line of a run that starts at the next whole hour: a minute is the least that a cron line can say.

    Raises:
        ValueError: it has no plain minute and hour.
    """
    minute, hour, *days = cron.split()
    if int(minute) == 0:
        return cron
    return " ".join(("0", str(int(hour) + 1), *days))


def compressed_cron(cron: str, first_minute: int) -> str:
    """The line that comes at the minute of the compressed day which the hour is; its day is today.

    Args:
        cron: comes at one minute of each hour, or of one hour.
        first_minute: of the hour at which the day starts, by the clock.
    """
    hour = whole_hour(cron).split()[1]
    return "* * * * *" if hour == "*" else f"{(first_minute + int(hour)) % 60} * * * *"


def typical_load() -> Load:
    """examples/load-typical.yaml with all runs at whole hours."""
    body = yaml.safe_load((REPOSITORY / "examples/load-typical.yaml").read_text())
    for queue in body["queues"].values():
        for source in queue["arrivals"]:
            if "cron" in source:
                source["cron"] = whole_hour(source["cron"])
    return Load.model_validate(body)


def fleet() -> Fleet:
    """The fleet of the compressed day, as values."""
    spec = fleet_spec(first_minute=0)
    return effective.fleet(*spec.pop("pools"), **spec)


def coming(minutes: float, *, seed: int = SEED) -> list[Task]:
    """What comes in the first minutes of the compressed day, the first first; the same for the same seed."""
    ours, load, dice = fleet(), typical_load(), Random(seed)  # noqa: S311 - no secret
    found = []
    for pool in ours.pools:
        day = tasks_of(pool, ours, load, days=1, seed=seed, folder=Path())
        shorter = SHORTER.get(pool.name, 1)
        for at, seconds, queue in zip(day.at, day.seconds, day.queue, strict=True):
            if dice.random() < shorter / TIMES and at < minutes * 60 * TIMES:
                found.append(Task(at / TIMES, pool.name, day.queues[queue], seconds / shorter))
    return sorted(found)


def in_time(became: Sequence[Became], finish_within_s: Mapping[str, int]) -> list[bool]:
    """For each run with tasks whether all of them ended before its deadline.

    Args:
        became: all tasks.
        finish_within_s: of the pools with runs; all tasks of one moment are a run.
    """
    runs: dict[tuple[str, float], list[Became]] = {}
    for it in became:
        if it.task.pool in finish_within_s:
            runs.setdefault((it.task.pool, it.task.at), []).append(it)
    return [
        all(it.ended is not None and it.ended <= at + finish_within_s[pool] for it in tasks)
        for (pool, at), tasks in runs.items()
    ]


def figures(became: Sequence[Became]) -> dict[str, float | int | None]:
    """Waits, deadlines and promises of a day that was played; waits are those of tasks outside runs."""
    pools = fleet().pools
    runs = {it.name: round(it.schedule[0].finish_within.total_seconds()) for it in pools if it.schedule}
    promised = {it.name: it.scaling.drain_within.total_seconds() for it in pools if not it.schedule}
    outside = [it for it in became if it.task.pool in promised]
    met = in_time(became, runs)
    return {
        "tasks": len(became),
        **_waits("wait", outside),
        **_waits("person_wait", [it for it in outside if it.task.pool == ASKED_BY_A_PERSON]),
        "deadlines_met": sum(met),
        "deadlines": len(met),
        "outside_runs": len(outside),
        "started_in_time": sum(it.waited is not None and it.waited <= promised[it.task.pool] for it in outside),
    }


def _waits(name: str, became: Sequence[Became]) -> dict[str, float | None]:
    """Median, 95th percentile and longest wait of those that began, None where none did."""
    waits = sorted(it.waited for it in became if it.waited is not None)
    parts = {"p50": 0.5, "p95": 0.95, "max": 1.0}
    return {
        f"{name}_{part}_s": round(waits[ceil(len(waits) * share) - 1], 1) if waits else None
        for part, share in parts.items()
    }

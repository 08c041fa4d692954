"""Turns a load into the tasks of each pool, the same for the same seed.

Random draws come from stratified tables of the standard normal and exponential distributions, shuffled by the seed: a
month has five million tasks, a draw from a table costs a tenth of a fresh one, and the tables' means are exact.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import accumulate, islice, repeat
from math import ceil, exp, log
from pathlib import Path
from random import Random
from statistics import NormalDist
from zoneinfo import ZoneInfo

from cronsim import CronSim

from utilitarian_operator.api.effective import Fleet, Pool
from utilitarian_operator.simulation.load.prometheus_history import read_history
from utilitarian_operator.simulation.load.trace import read_trace
from utilitarian_operator.simulation.load.workload import MOST_TASKS, Load, Queue, Source, Spread

TABLE = 16_381
"""Draws in a table: a prime, so that no regular pattern of arrivals meets the same ones again and again."""

WHOLE = 1e-6
"""Part of a task by which a sum of floats may be off a whole one."""

Z95 = NormalDist().inv_cdf(0.95)


@dataclass(frozen=True, slots=True)
class Tasks:
    """All tasks of a pool, in the order of their arrival.

    Args:
        at: when each comes, seconds since the start of the load.
        seconds: how long each runs.
        queue: index into `queues`.
        queues: names.
        eta: for tasks with an ETA, by index: when they may start; seconds since the start of the load.
    """

    at: "array[float]"
    seconds: "array[float]"
    queue: Sequence[int]
    queues: tuple[str, ...]
    eta: dict[int, float]


def tasks_of(pool: Pool, fleet: Fleet, load: Load, *, days: float, seed: int, folder: Path) -> Tasks:
    """What comes to a pool within `days`.

    Args:
        pool: of the fleet.
        fleet: whose other pools take the queues that they name, a catch-all the rest.
        load: read and checked.
        days: simulated.
        seed: of all draws; each queue has its own stream, so a change of one leaves the others alone.
        folder: where the load file is; traces are beside it.
    """
    queues = tuple(name for name in load.queues if name in served_by(pool, fleet, load))
    streams = [_queue(name, load.queues[name], load, days * 86400, Random(f"{seed}/{name}"), folder) for name in queues]
    if len(streams) == 1:
        at, seconds, eta = streams[0]
        return Tasks(array("d", at), array("d", seconds), bytearray(len(at)), queues, eta)
    return _merged(streams, queues)


def served_by(pool: Pool, fleet: Fleet, load: Load) -> set[str]:
    """The load's queues that a pool consumes."""
    if not pool.is_catch_all:
        return set(pool.queues) & set(load.queues)
    return set(load.queues) - {queue for other in fleet.pools for queue in other.queues}


_Stream = tuple[list[float], list[float], dict[int, float]]


def _merged(streams: Sequence[_Stream], queues: tuple[str, ...]) -> Tasks:
    whose = array("I")
    times: list[float] = []
    seconds: list[float] = []
    etas: list[float] = []
    for index, (at, durations, eta) in enumerate(streams):
        whose += array("I", [index]) * len(at)
        etas += [eta.get(i, 0.0) for i in range(len(at))] if eta else [0.0] * len(at)
        times += at
        seconds += durations
    order = sorted(range(len(times)), key=times.__getitem__)
    due = {new: etas[old] for new, old in enumerate(order) if etas[old]} if any(etas) else {}
    return Tasks(
        array("d", [times[i] for i in order]),
        array("d", [seconds[i] for i in order]),
        array("I", [whose[i] for i in order]),
        queues,
        due,
    )


def joined(parts: Sequence[Tasks]) -> Tasks:
    """The tasks of several pools as those of one, in the order of their arrival."""
    if len(parts) == 1:
        return parts[0]
    streams, queues = [], []
    for tasks in parts:
        for index, queue in enumerate(tasks.queues):
            mine = [k for k, whose in enumerate(tasks.queue) if whose == index]
            eta = {new: tasks.eta[old] for new, old in enumerate(mine) if old in tasks.eta} if tasks.eta else {}
            streams.append(([tasks.at[k] for k in mine], [tasks.seconds[k] for k in mine], eta))
            queues.append(queue)
    return _merged(streams, tuple(queues))


def until(tasks: Tasks, end: float) -> Tasks:
    """The tasks that come before a moment, seconds since the start of the load."""
    count = bisect_left(tasks.at, end)
    eta = {k: due for k, due in tasks.eta.items() if k < count}
    return Tasks(tasks.at[:count], tasks.seconds[:count], tasks.queue[:count], tasks.queues, eta)


def _queue(name: str, queue: Queue, load: Load, until: float, random: Random, folder: Path) -> _Stream:
    came = (t for source in queue.arrivals for t in _source(name, source, load, until, random, folder))
    at = list(islice(came, MOST_TASKS + 1))
    if len(at) > MOST_TASKS:
        raise load.wrong(("queues", name, "arrivals"), f"more than {MOST_TASKS:,} tasks: play fewer days, or send less")
    at.sort()
    seconds = list(islice(cycled(duration_table(queue.seconds, random), random), len(at)))
    eta = {}
    if queue.eta is not None:
        after = queue.eta.after.total_seconds()
        eta = {i: at[i] + after for i in range(len(at)) if random.random() < queue.eta.share}
    return at, seconds, eta


def _source(name: str, source: Source, load: Load, until: float, random: Random, folder: Path) -> Iterator[float]:
    if source.cron is not None:
        for moment in cron_times(source.cron, load, until):
            yield from repeat(moment, source.tasks or 0)
    elif source.trace is not None:
        trace = read_trace(folder / source.trace, load.begins, ZoneInfo(load.time_zone))
        yield from (t for t in trace if 0 <= t < until)
    elif source.prometheus is not None:
        yield from read_history(source.prometheus, name, load.begins, until)
    else:
        flowed = 0.0
        for begin, end in windows(source, load, until):
            yield from _flow(source, flowed, begin, end, random)
            flowed += end - begin


def _flow(source: Source, flowed: float, begin: float, end: float, random: Random) -> Iterator[float]:
    """One window of a stream that flowed for so many seconds before it: a part of a task is carried into the next."""
    if source.rate:
        return _evenly(source.rate, flowed, begin, end)
    if not source.poisson:
        return iter(())
    gap = 1 / source.poisson
    draws = cycled([gap * draw for draw in _exponential()], random, shuffle=True)
    return _until(accumulate(draws, initial=begin + gap * random.expovariate(1)), end)


def _evenly(rate: float, flowed: float, begin: float, end: float) -> Iterator[float]:
    """One task each 1/rate seconds of flowing, the first with the first of them."""
    first, beyond = (ceil(at * rate - WHOLE) for at in (flowed, flowed + end - begin))
    start = begin + max(first / rate - flowed, 0.0)
    return (start + i / rate for i in range(beyond - first))


def _until(times: Iterator[float], end: float) -> Iterator[float]:
    for moment in times:
        if moment >= end:
            return
        yield moment


def cron_times(line: str, load: Load, until: float) -> Iterator[float]:
    """Seconds from the load's start to each time of a cron line, the start itself included."""
    zone = ZoneInfo(load.time_zone)
    before = (load.begins - timedelta(minutes=1)).astimezone(zone)
    for moment in CronSim(line, before):
        seconds = (moment.astimezone(UTC) - load.begins).total_seconds()
        if seconds >= until:
            return
        if seconds >= 0:
            yield seconds


def windows(source: Source, load: Load, until: float) -> Iterator[tuple[float, float]]:
    """The stretches of time in which a stream flows, by the wall clock of the file's zone."""
    if (source.since, source.to) == (0, 86400):
        yield 0.0, until
        return
    zone, day = ZoneInfo(load.time_zone), load.start
    while True:
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
        begin, end = (
            ((midnight + timedelta(seconds=clock)).astimezone(UTC) - load.begins).total_seconds()
            for clock in (source.since, source.to)
        )
        if begin >= until:
            return
        yield begin, max(min(end, until), begin)  # its end may lie before it where the clock is changed
        day += timedelta(days=1)


def duration_table(spread: Spread, random: Random) -> list[float]:
    """Lognormal draws in random order; the median and the 95th percentile are those given."""
    mu, sigma = log(spread.median), log(spread.p95 / spread.median) / Z95
    table = [exp(mu + sigma * z) for z in _normal()]
    random.shuffle(table)
    return table


def cycled(table: list[float], random: Random, *, shuffle: bool = False) -> Iterator[float]:
    """A table again and again, from a random place each time."""
    if shuffle:
        random.shuffle(table)
    while True:
        place = random.randrange(len(table))
        yield from table[place:]
        yield from table[:place]


@cache
def _normal() -> tuple[float, ...]:
    inverse = NormalDist().inv_cdf
    return tuple(inverse((i + 0.5) / TABLE) for i in range(TABLE))


@cache
def _exponential() -> tuple[float, ...]:
    return tuple(-log(1 - (i + 0.5) / TABLE) for i in range(TABLE))

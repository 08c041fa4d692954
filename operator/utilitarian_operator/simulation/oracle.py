"""What the work costs at least when the future is known: a schedule that keeps every promise, and a bound below it.

The schedule: workers become ready at the last moment at which the oldest waiting task can still start in time (at once
for a run), serve what has come and what comes, first in first out, and leave when their slots are empty; as few at a
time as keep every promise. The bound: no schedule can cost less (see `lower_bound`). docs/simulate.md has both.
"""

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from heapq import heappop, heappush, heapreplace
from itertools import pairwise
from math import inf
from statistics import fmean

from utilitarian_operator.api.effective import Pool
from utilitarian_operator.simulation.arrivals import Tasks
from utilitarian_operator.simulation.fleet import Workers
from utilitarian_operator.simulation.play import Played, Progress, Scene, kind, start_ups
from utilitarian_operator.simulation.promises import Run, latest_starts, runs_of

START_UPS = 100
"""Start-ups of which the mean is taken: the oracle knows only that."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one stay of some workers came to.

    Args:
        beyond: index after the last task that they served.
        cost: worker-seconds from ready to gone.
        ends: when the last one left.
    """

    beyond: int
    cost: float
    ends: float


@dataclass(frozen=True, slots=True)
class Problem:
    """A pool as the oracle sees it.

    Args:
        at: when each task can start first.
        seconds: how long each takes.
        latest: by when each must start.
        slots: of a worker.
        start_up: seconds.
        most: workers.
    """

    at: "array[float]"
    seconds: "array[float]"
    latest: "array[float]"
    slots: int
    start_up: float
    most: int


def play_oracle(stage: Scene, progress: Progress = lambda _: None) -> tuple[dict[str, Played], dict[str, float]]:
    """The schedule of each pool, and the bound below its worker-seconds, both by pool name."""
    played, bounds = {}, {}
    for index, pool in enumerate(stage.fleet.pools):
        tasks = stage.tasks[pool.name]
        start_up = fmean(seconds for seconds, _ in zip(start_ups(pool, stage), range(START_UPS), strict=False))
        runs = runs_of(pool, tasks, stage.load, stage.until)
        problem, order = _problem(pool, tasks, runs, start_up)
        bounds[pool.name] = max(lower_bound(problem), pool.scaling.min * stage.until)
        for run in runs:  # waiting brings a run nothing
            problem.latest[run.first] = tasks.at[run.first]
        workers = Workers(tasks, kind(pool, stage), start_ups(pool, stage))
        samples = _serve(problem, order, workers, pool.scaling.min, stage.until)
        played[pool.name] = Played(pool, workers, samples, {})
        progress((index + 1) / len(stage.fleet.pools))
    return played, bounds


def _problem(pool: Pool, tasks: Tasks, runs: list[Run], start_up: float) -> tuple[Problem, list[int] | range]:
    latest = latest_starts(pool, tasks, runs)
    order: list[int] | range = range(len(tasks.at))
    at, seconds = tasks.at, tasks.seconds
    if tasks.eta:
        due = array("d", [tasks.eta.get(k, tasks.at[k]) for k in order])
        order = sorted(order, key=due.__getitem__)
        at, seconds = array("d", [due[k] for k in order]), array("d", [tasks.seconds[k] for k in order])
        latest = array("d", [latest[k] for k in order])
    return Problem(at, seconds, latest, pool.worker.concurrency, start_up, max(pool.scaling.max, 1)), order


def _serve(
    problem: Problem, order: list[int] | range, workers: Workers, least: int, until: float
) -> list[tuple[float, int, int]]:
    account, began = workers.account, array("d", [-1.0]) * len(problem.at)
    i, left, samples = 0, -inf, []
    account.worker_seconds = least * until
    while i < len(problem.at):
        ready = max(problem.latest[i], left)
        stays = ready - left <= problem.start_up
        count, batch = _fewest(problem, i, ready, began)
        before = ready - left if stays else problem.start_up
        account.worker_seconds += (batch.cost + count * before) * max(count - least, 0) / count
        account.starts += max(count - least - stays, 0)
        account.peak = max(account.peak, count, least)
        waiting = bisect_right(problem.at, ready) - i
        samples += [(ready - before, waiting, max(count, least)), (batch.ends, 0, least)]
        i, left = batch.beyond, batch.ends
    account.changes = 2 * account.starts
    workers.completed = len(began)
    for place, k in enumerate(order):
        workers.began_at[k] = began[place]
    return samples


def _fewest(problem: Problem, first: int, ready: float, began: "array[float]") -> tuple[int, Batch]:
    """The fewest workers that keep the promises of a stay: doubled until they do, then halved back."""
    low, high = 0, 1
    while True:
        batch = _stay(problem, first, ready, high, began)
        if batch is not None or high >= problem.most:
            break
        low, high = high, min(high * 2, problem.most)
    if batch is None:
        batch = _stay(problem, first, ready, high, began, hopeless=True)
    while high - low > 1:
        middle = (low + high) // 2
        fewer = _stay(problem, first, ready, middle, began)
        low, high, batch = (low, middle, fewer) if fewer else (middle, high, batch)
    batch = _stay(problem, first, ready, high, began, hopeless=True)
    if batch is None:
        raise AssertionError("a stay that may break promises always ends")
    return high, batch


def _stay(
    problem: Problem, first: int, ready: float, count: int, began: "array[float]", *, hopeless: bool = False
) -> Batch | None:
    """Play one stay; None as soon as a promise is broken, unless that can't be helped."""
    at, seconds, latest, total = problem.at, problem.seconds, problem.latest, count * problem.slots
    heap: list[float] = []
    k, size, now, busy = first, len(problem.at), ready, 0.0
    while k < size:
        now = max(at[k], ready)
        while heap and heap[0] <= now:
            busy = heappop(heap)
        if not heap and k > first and at[k] > busy and at[k] > ready:
            break
        if len(heap) < total:
            heappush(heap, now + seconds[k])
        else:
            now = heap[0]
            heapreplace(heap, now + seconds[k])
        if now > latest[k] and k > first and not hopeless:
            return None
        began[k] = now
        k += 1
    return _left(heap, busy, k, ready, problem.slots, count)


def _left(heap: list[float], busy: float, beyond: int, ready: float, slots: int, count: int) -> Batch:
    """The workers leave one by one: the slots that end last are those of as few workers as can be."""
    ends = sorted(heap, reverse=True) or [busy]
    leaves = [ends[min(slots * worker, len(ends) - 1)] for worker in range(count)]
    return Batch(beyond, sum(max(leave, ready) - ready for leave in leaves), max(leaves))


def lower_bound(problem: Problem) -> float:
    """Worker-seconds below which no schedule that keeps the promises can come.

    All work needs slots: W / c. Take tasks whose windows (arrival to latest start) don't overlap: some worker serves in
    each. Between two of them it is either started anew, u, or stands through the gap with at most those tasks in its
    slots that can still run then. So: W / c + u + the sum over the gaps of min(u, gap - work that fits in it / c).
    """
    at, seconds, latest = problem.at, problem.seconds, problem.latest
    if not at:
        return 0.0
    longest, widest = max(seconds), max(end - begin for begin, end in zip(at, latest, strict=True))
    anchors = [0]
    while (following := bisect_right(at, latest[anchors[-1]])) < len(at):
        anchors.append(following)
    total = sum(seconds) / problem.slots + problem.start_up
    for this, following in pairwise(anchors):
        gap_from, gap = latest[this], at[following] - latest[this]
        begin = bisect_right(at, gap_from - longest - widest)
        fits = sum(
            min(seconds[k], gap, latest[k] + seconds[k] - gap_from)
            for k in range(begin, following)
            if latest[k] + seconds[k] > gap_from
        )
        total += min(problem.start_up, max(gap - fits / problem.slots, 0.0))
    return total

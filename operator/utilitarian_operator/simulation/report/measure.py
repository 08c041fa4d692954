"""What came of a play, in figures: waits, promises, runs, worker-hours."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from operator import add, sub

from utilitarian_operator.simulation.load.arrivals import Tasks
from utilitarian_operator.simulation.play import Played, Sample, Scene
from utilitarian_operator.simulation.pool_model import Workers
from utilitarian_operator.simulation.promises import Run, runs_of

HOUR = 3600.0
BINS = 480
SLACK = 1e-6
"""Seconds that a sum of floats may be off."""


@dataclass(frozen=True, slots=True)
class Waits:
    """How long tasks waited for their start, seconds; 0 where there were none."""

    tasks: int
    p50: float
    p95: float
    p99: float
    longest: float


@dataclass(frozen=True, slots=True)
class RunResult:
    """One run with a deadline; times are seconds since the load's start, `ended` None if it never did."""

    name: str
    start: float
    deadline: float
    ended: float | None
    tasks: int

    @property
    def met(self) -> bool:
        """Whether all of its tasks had ended by the deadline."""
        return self.ended is not None and self.ended <= self.deadline + SLACK


@dataclass(frozen=True, slots=True)
class Promises:
    """The starts that drainWithin promised: for every task that is in no run with a deadline.

    Args:
        within: seconds.
        given: tasks it was promised to.
        kept: of them, started in time.
        start_up: of those late, the ones that would not have been without the start-up of the worker they waited for.
    """

    within: float
    given: int
    kept: int
    start_up: int


@dataclass(frozen=True, slots=True)
class PoolResult:
    """What became of one pool; hours are worker-hours.

    Args:
        name: of the pool.
        waits: of all its tasks.
        queues: waits by queue.
        runs: with a deadline within the time that was played.
        promises: of drainWithin.
        hours: from the start of each worker's start-up until it is gone.
        idle: of them, ready without any task.
        starting: of them, starting up.
        starts: of workers.
        changes: of their number.
        interrupted: tasks.
        lost: of them, for good: acknowledged before they ran.
        unfinished: tasks that had not ended at the end, lost ones left out.
        peak: most workers at a time.
        backlog: most tasks to do in each of `BINS` parts of the time.
        workers: most workers in each of them.
        bound: hours below which no schedule can come; 0 where it was not computed.
        seconds_per_task: mean.
        longest_task: seconds.
        requests: of one worker, as Kubernetes quantities.
    """

    name: str
    waits: Waits
    queues: Mapping[str, Waits]
    runs: Sequence[RunResult]
    promises: Promises
    hours: float
    idle: float
    starting: float
    starts: int
    changes: int
    interrupted: int
    lost: int
    unfinished: int
    peak: int
    backlog: Sequence[int]
    workers: Sequence[int]
    bound: float
    seconds_per_task: float
    longest_task: float
    requests: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """What became of the whole fleet under one policy."""

    policy: str
    pools: Mapping[str, PoolResult]
    promised_wait_p50: float
    promised_wait_p95: float

    @property
    def hours(self) -> float:
        """Worker-hours."""
        return sum(pool.hours for pool in self.pools.values())

    @property
    def idle(self) -> float:
        """Worker-hours of workers that were ready and had no task."""
        return sum(pool.idle for pool in self.pools.values())

    @property
    def starting(self) -> float:
        """Worker-hours of workers that started up."""
        return sum(pool.starting for pool in self.pools.values())

    @property
    def working(self) -> float:
        """Worker-hours of workers that had a task."""
        return self.hours - self.idle - self.starting

    @property
    def deadlines(self) -> int:
        """Runs with a deadline."""
        return sum(len(pool.runs) for pool in self.pools.values())

    @property
    def deadlines_met(self) -> int:
        """Runs that were done in time."""
        return sum(run.met for pool in self.pools.values() for run in pool.runs)

    @property
    def interrupted(self) -> int:
        """Tasks that were interrupted."""
        return sum(pool.interrupted for pool in self.pools.values())

    @property
    def starts(self) -> int:
        """Workers started."""
        return sum(pool.starts for pool in self.pools.values())

    @property
    def promised(self) -> int:
        """Starts that drainWithin promised."""
        return sum(pool.promises.given for pool in self.pools.values())

    @property
    def kept(self) -> int:
        """Promised starts that came in time."""
        return sum(pool.promises.kept for pool in self.pools.values())

    @property
    def late_by_start_up(self) -> int:
        """Promised starts that were late by no more than a start-up."""
        return sum(pool.promises.start_up for pool in self.pools.values())


def measured(
    policy: str, played: Mapping[str, Played], stage: Scene, bounds: Mapping[str, float] | None = None
) -> PolicyResult:
    """The figures of a play.

    Args:
        policy: its name.
        played: by pool name.
        stage: that was played on.
        bounds: worker-seconds below which no schedule can come, by pool name.
    """
    results, promised = {}, []
    for name, one in played.items():
        runs = runs_of(one.pool, stage.tasks[name], stage.load, stage.until)
        waits = _waits(one.workers, stage.tasks[name], stage.until)
        ordered = sorted(waits)
        outside = sorted(_outside(waits, runs)) if runs else ordered
        promised += outside  # sorted stretches one behind the other are sorted fast, as what is sorted already
        given = _promises(one, stage, outside, runs)
        results[name] = _pool(one, (waits, ordered), runs, given, stage, (bounds or {}).get(name, 0.0))
    of_all = _quantiles(promised)
    return PolicyResult(policy, results, of_all.p50, of_all.p95)


def _pool(
    one: Played,
    both: tuple[list[float], list[float]],
    runs: list[Run],
    promises: Promises,
    stage: Scene,
    bound: float,
) -> PoolResult:
    """The figures of a pool; `both` are the waits of its tasks in their order, and sorted."""
    waits, ordered = both
    workers, tasks = one.workers, stage.tasks[one.pool.name]
    account = workers.account
    return PoolResult(
        name=one.pool.name,
        waits=(whole := _quantiles(ordered)),
        queues={tasks.queues[0]: whole} if len(tasks.queues) == 1 else _by_queue(waits, tasks),
        runs=[_run(run, workers, tasks, stage.until) for run in runs if run.deadline <= stage.until],
        promises=promises,
        hours=account.worker_seconds / HOUR,
        idle=account.idle / HOUR,
        starting=sum(workers.start_ups) / HOUR,
        starts=account.starts,
        changes=account.changes,
        interrupted=account.interrupted,
        lost=len(workers.lost),
        unfinished=len(tasks.at) - workers.completed - len(workers.lost),
        peak=account.peak,
        backlog=binned(one.samples, stage.until, 1),
        workers=binned(one.samples, stage.until, 2),
        bound=bound / HOUR,
        seconds_per_task=sum(tasks.seconds) / max(len(tasks.seconds), 1),
        longest_task=max(tasks.seconds, default=0.0),
        requests=one.pool.worker.resources.get("requests", {}),
    )


def _waits(workers: Workers, tasks: Tasks, until: float) -> list[float]:
    """Seconds that each task waited; those never started, until the end."""
    waits = list(map(sub, workers.began_at, tasks.at))
    for k, due in tasks.eta.items():
        waits[k] = workers.began_at[k] - due
    if min(workers.began_at, default=0.0) >= 0:
        return waits
    for k in range(len(waits)):
        if workers.began_at[k] < 0:
            waits[k] = max(until - tasks.eta.get(k, tasks.at[k]), 0.0)
    return waits


def _outside(waits: list[float], runs: list[Run]) -> list[float]:
    """The waits of the tasks that are in no run with a deadline."""
    found, after = [], 0
    for run in runs:
        found += waits[after : max(run.first, after)]
        after = max(after, run.beyond)
    return found + waits[after:]


def _promises(one: Played, stage: Scene, outside: list[float], runs: list[Run]) -> Promises:
    within = one.pool.scaling.drain_within.total_seconds()
    late = len(outside) - bisect_right(outside, within + SLACK)
    excused = 0
    if late:
        tasks, workers = stage.tasks[one.pool.name], one.workers
        in_run = bytearray(len(tasks.at))
        for run in runs:
            in_run[run.first : run.beyond] = b"\1" * (run.beyond - run.first)
        excused = sum(_by_start_up(workers, tasks, k, within) for k in range(len(tasks.at)) if not in_run[k])
    return Promises(within, len(outside), len(outside) - late, excused)


def _by_start_up(workers: Workers, tasks: Tasks, k: int, within: float) -> bool:
    """Whether a task started late only because the worker it waited for had to start up."""
    began, came = workers.began_at[k], tasks.eta.get(k, tasks.at[k])
    if began - came <= within + SLACK:
        return False
    place = bisect_right(workers.ready_at, began) - 1
    if place < 0 or workers.ready_at[place] < came:
        return False
    start_up = max(workers.start_ups[max(place - workers.account.peak, 0) : place + 1])
    return began - came - start_up <= within


def _run(run: Run, workers: Workers, tasks: Tasks, until: float) -> RunResult:
    mine = slice(run.first, run.beyond)
    begun = workers.began_at[mine]
    undone = min(begun) < 0 or any(run.first <= k < run.beyond for k in workers.lost)
    ended = inf if undone else max(map(add, begun, tasks.seconds[mine]))
    return RunResult(run.name, run.start, run.deadline, ended if ended <= until else None, run.beyond - run.first)


def _by_queue(waits: list[float], tasks: Tasks) -> dict[str, Waits]:
    by_queue: list[list[float]] = [[] for _ in tasks.queues]
    for wait, whose in zip(waits, tasks.queue, strict=True):
        by_queue[whose].append(wait)
    return {queue: _quantiles(mine) for queue, mine in zip(tasks.queues, by_queue, strict=True)}


def _quantiles(waits: Sequence[float]) -> Waits:
    ordered = sorted(waits)
    if not ordered:
        return Waits(0, 0.0, 0.0, 0.0, 0.0)
    last = len(ordered) - 1
    p50, p95, p99 = (ordered[min(int(len(ordered) * share), last)] for share in (0.5, 0.95, 0.99))
    return Waits(len(ordered), p50, p95, p99, ordered[-1])


def binned(samples: Sequence[Sample], until: float, column: int, bins: int = BINS) -> list[int]:
    """The largest value in each bin of the time; a value holds until the next sample."""
    highest, current, place = [0] * bins, 0, 0
    for sample in samples:
        now = max(min(int(sample[0] / until * bins), bins - 1), 0)  # a start-up may begin before the time
        for between in range(place + 1, now + 1):
            highest[between] = max(highest[between], current)
        place, current = now, int(sample[column])
        highest[now] = max(highest[now], current)
    for between in range(place, bins):
        highest[between] = max(highest[between], current)
    return highest

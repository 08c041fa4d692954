"""What the work costs at least when the future is known: a schedule that keeps every promise, and a bound below it.

The schedule is the cheaper of two. In `stays` workers come together, as late as the promises let them (at once for a
run), serve what has come and what comes, first in first out, and leave when the pool is empty; as few as keep every
promise. In `one_by_one` a worker comes when a task can wait no longer, and leaves when its own slots are empty. The
bound: no schedule can cost less (see `lower_bound`). docs/simulate.md has both.
"""

from array import array
from bisect import bisect_right
from dataclasses import dataclass, field
from heapq import heappop, heappush, heapreplace
from itertools import pairwise
from math import inf
from operator import add, gt, sub
from statistics import fmean

from utilitarian_operator.api.effective import Pool
from utilitarian_operator.simulation.load.arrivals import Tasks
from utilitarian_operator.simulation.play import Played, Progress, Sample, Scene, kind, start_ups
from utilitarian_operator.simulation.pool_model import Workers
from utilitarian_operator.simulation.promises import Run, latest_starts, runs_of

START_UPS = 100
"""Start-ups of which the mean is taken: the oracle knows only that."""

LATER = (1.0, 0.5, 0.25, 0.125)
"""Parts of the slack by which a stay is tried to begin later: the later, the more tasks share a start-up."""

WORTH_ANOTHER = 1.1
"""Times the bound from which on another schedule is tried."""

FEW, PAUSE = 10, 300.0
"""When nothing came for so many seconds and only one slot in so many is busy, workers end what they have and go."""

SLACK = 1e-6


@dataclass(frozen=True, slots=True)
class Batch:
    """What one stay of some workers came to.

    Args:
        beyond: index after the last task that they served.
        cost: worker-seconds from ready to gone.
        busy: of them, those with a task: of as few workers at a time as the running tasks fit in.
        ends: when the last one left; long ago if some still end their last tasks when others come.
    """

    beyond: int
    cost: float
    busy: float
    ends: float


@dataclass(slots=True)
class Plan:
    """A whole schedule: when each task starts, and its worker-seconds; `idle` are those ready, without a task."""

    began: "array[float]"
    cost: float = 0.0
    idle: float = 0.0
    starts: int = 0
    peak: int = 0
    late: int = 0
    samples: list[Sample] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Problem:
    """A pool as the oracle sees it.

    Args:
        at: when each task can start first.
        seconds: how long each takes.
        latest: by when each must start.
        slots: of a worker.
        start_up_s: of one start.
        most: workers.
    """

    at: "array[float]"
    seconds: "array[float]"
    latest: "array[float]"
    slots: int
    start_up_s: float
    most: int


def play_oracle(stage: Scene, progress: Progress = lambda _: None) -> tuple[dict[str, Played], dict[str, float]]:
    """The schedule of each pool, and the bound below its worker-seconds, both by pool name."""
    played, bounds = {}, {}
    for index, pool in enumerate(stage.fleet.pools):
        tasks = stage.tasks[pool.name]
        start_up_s = fmean(seconds for seconds, _ in zip(start_ups(pool, stage), range(START_UPS), strict=False))
        runs = runs_of(pool, tasks, stage.load, stage.until)
        problem, order = _problem(pool, tasks, runs, start_up_s)
        bound = lower_bound(problem)
        bounds[pool.name] = max(bound, pool.scaling.min * stage.until)
        if runs:
            _begin_runs_at_once(problem, order, runs)
            bound = lower_bound(problem)
        workers = Workers(tasks, kind(pool, stage), start_ups(pool, stage))
        samples = _serve(problem, order, workers, bound, pool.scaling.min, stage.until)
        played[pool.name] = Played(pool, workers, samples, {})
        progress((index + 1) / len(stage.fleet.pools))
    return played, bounds


def _problem(pool: Pool, tasks: Tasks, runs: list[Run], start_up_s: float) -> tuple[Problem, list[int] | range]:
    latest = latest_starts(pool, tasks, runs)
    order: list[int] | range = range(len(tasks.at))
    at, seconds = tasks.at, tasks.seconds
    if tasks.eta:
        due = array("d", [tasks.eta.get(k, tasks.at[k]) for k in order])
        order = sorted(order, key=due.__getitem__)
        at, seconds = array("d", [due[k] for k in order]), array("d", [tasks.seconds[k] for k in order])
        latest = array("d", [latest[k] for k in order])
    return Problem(at, seconds, latest, pool.worker.concurrency, start_up_s, max(pool.scaling.max, 1)), order


def _begin_runs_at_once(problem: Problem, order: list[int] | range, runs: list[Run]) -> None:
    """Let the first task of each run start as soon as it can: waiting brings a run nothing."""
    firsts = {run.first for run in runs}
    for place in firsts if isinstance(order, range) else [place for place, k in enumerate(order) if k in firsts]:
        problem.latest[place] = problem.at[place]


def _serve(
    problem: Problem, order: list[int] | range, workers: Workers, bound: float, least: int, until: float
) -> list[Sample]:
    """The cheaper of two ways to keep the promises; the second only where the first is far from the bound."""
    plan = stays(problem, least, until)
    if not least and plan.cost > WORTH_ANOTHER * bound:
        plan = min(plan, one_by_one(problem), key=lambda it: (it.late, it.cost))
    account = workers.account
    account.worker_seconds, account.idle = plan.cost, plan.idle
    account.starts, account.changes, account.peak = plan.starts, 2 * plan.starts, plan.peak
    workers.completed, workers.start_ups = len(plan.began), [problem.start_up_s] * plan.starts
    if isinstance(order, range):
        workers.began_at = plan.began
    else:
        for place, k in enumerate(order):
            workers.began_at[k] = plan.began[place]
    return plan.samples


def stays(problem: Problem, least: int, until: float) -> Plan:
    """Workers come together, as late as the promises let them, and go when the pool is empty."""
    plan = Plan(array("d", [-1.0]) * len(problem.at), cost=least * until)
    i, left, busy = 0, -inf, 0.0
    while i < len(problem.at):
        count, ready, batch = _fewest(problem, i, max(problem.at[i], left), plan.began)
        stay = ready - left <= problem.start_up_s
        before = ready - left if stay else problem.start_up_s
        plan.cost += (batch.cost + count * before) * max(count - least, 0) / count
        plan.starts += max(count - least, 0) if not stay else 0
        busy += batch.busy
        plan.peak = max(plan.peak, count, least)
        waiting = bisect_right(problem.at, ready) - i
        plan.samples += [(ready - before, waiting, max(count, least)), (max(batch.ends, ready), 0, least)]
        i, left = batch.beyond, batch.ends
    plan.idle = max(plan.cost - busy - plan.starts * problem.start_up_s, 0.0)
    plan.late = sum(map(gt, plan.began, map(SLACK.__add__, problem.latest)))
    return plan


def _fewest(problem: Problem, first: int, earliest: float, began: "array[float]") -> tuple[int, float, Batch]:
    """The fewest workers that keep the promises of a stay: doubled until they do, then halved back."""
    low, high = 0, 1
    while (found := _latest_ready(problem, first, earliest, high, began)) is None and high < problem.most:
        low, high = high, min(high * 2, problem.most)
    last = found  # of which `began` tells
    while high - low > 1:
        middle = (low + high) // 2
        last = _latest_ready(problem, first, earliest, middle, began)
        low, high, found = (low, middle, last) if last is not None else (middle, high, found)
    ready, beyond = (earliest, None) if found is None else found
    if beyond is None or last is None:
        beyond, _ = _stay(problem, first, ready, high, began)
    return high, ready, _left(problem, began, range(first, beyond), ready, high)


def _latest_ready(
    problem: Problem, first: int, earliest: float, count: int, began: "array[float]"
) -> tuple[float, int | None] | None:
    """How late so many workers may be ready and still keep the promises of a stay; None if they never can.

    With the index after the stay's last task, if `began` has what that schedule is.
    """
    beyond, slack = _stay(problem, first, earliest, count, began)
    if slack < -SLACK:
        return None
    later = [earliest + share * slack for share in LATER if share * slack > SLACK]
    for ready in later:
        beyond, left = _stay(problem, first, ready, count, began)
        if left >= -SLACK:
            return ready, beyond
    return earliest, None if later else beyond


def _stay(problem: Problem, first: int, ready: float, count: int, began: "array[float]") -> tuple[int, float]:
    """Play one stay: the index after its last task, and how much earlier than promised the tightest one began."""
    at, seconds, latest, total = problem.at, problem.seconds, problem.latest, count * problem.slots
    heap: list[float] = []
    k, size, slack = first, len(problem.at), inf
    while k < size:
        now = at[k]
        if now < ready:  # noqa: PLR1730 - calls of max and min would be a third of this loop
            now = ready
        while heap and heap[0] <= now:
            heappop(heap)
        if k > first and at[k] > ready and (not heap or (len(heap) * FEW <= total and at[k] - began[k - 1] > PAUSE)):
            break
        if len(heap) < total:
            heappush(heap, now + seconds[k])
        else:
            now = heapreplace(heap, heap[0] + seconds[k])
        spare = latest[k] - now
        if spare < slack:  # noqa: PLR1730 - same
            slack = spare
        began[k] = now
        k += 1
    return k, slack


def _left(problem: Problem, began: "array[float]", stay: range, ready: float, count: int) -> Batch:
    """The workers leave one by one: the tasks that end last are those of as few workers as can be."""
    last = began[stay[-1]]
    ends = sorted((end for k in stay if (end := began[k] + problem.seconds[k]) > last), reverse=True)
    leaves = [ends[problem.slots * worker] if problem.slots * worker < len(ends) else last for worker in range(count)]
    alone = stay.stop == len(problem.at) or problem.at[stay.stop] >= ends[0]
    busy = _busy(problem, began, stay)
    return Batch(stay.stop, sum(leave - ready for leave in leaves), busy, ends[0] if alone else -inf)


def _busy(problem: Problem, began: "array[float]", stay: range) -> float:
    """Worker-seconds with a task, if the tasks of a stay always run in as few workers as they fit in."""
    begins = array("d", [began[k] for k in stay])  # first in, first out: in their order
    ends = array("d", sorted(began[k] + problem.seconds[k] for k in stay))
    total, running, ended, before, slots = 0.0, 0, 0, begins[0], problem.slots
    for begin in begins:
        while ends[ended] <= begin:
            total += (ends[ended] - before) * -(-running // slots)
            before, running, ended = ends[ended], running - 1, ended + 1
        total += (begin - before) * -(-running // slots)
        before, running = begin, running + 1
    for end in ends[ended:]:
        total += (end - before) * -(-running // slots)
        before, running = end, running - 1
    return total


def one_by_one(problem: Problem) -> Plan:
    """A worker comes when the oldest task can wait no longer and no slot is free, and goes when its slots are empty."""
    at, latest, size = problem.at, problem.latest, len(problem.at)
    plan = Plan(array("d", [-1.0]) * size)
    heap: list[tuple[float, int]] = []
    running: dict[int, int] = {}
    k = worker = 0
    while k < size or heap:
        open_ones = [w for w, tasks in running.items() if tasks < problem.slots]
        forced = max(latest[k], at[k]) if k < size and len(running) < problem.most else inf
        begins = at[k] if k < size and open_ones else forced
        if heap and heap[0][0] <= begins:
            now, w = heappop(heap)
            running[w] -= 1
            if k < size and at[k] <= now:
                k = _begin(problem, plan, heap, running, k, (w, now))
            elif not running[w]:
                del running[w]
                plan.cost += now
                plan.samples.append((now, 0, len(running)))
            continue
        if not open_ones:
            worker += 1
            running[worker] = 0
            plan.cost -= begins - problem.start_up_s
            plan.starts, plan.peak = plan.starts + 1, max(plan.peak, len(running))
            plan.samples.append((begins, bisect_right(at, begins) - k, len(running)))
        fullest = max(open_ones, key=running.__getitem__) if open_ones else worker
        k = _begin(problem, plan, heap, running, k, (fullest, begins))
    return plan


def _begin(
    problem: Problem,
    plan: Plan,
    heap: list[tuple[float, int]],
    running: dict[int, int],
    k: int,
    where: tuple[int, float],
) -> int:
    """Start the oldest waiting task, and, in a worker that has just come, all that wait and find a slot."""
    w, now = where
    while True:
        plan.began[k] = now
        plan.late += now > problem.latest[k] + SLACK
        heappush(heap, (now + problem.seconds[k], w))
        running[w] += 1
        k += 1
        if k == len(problem.at) or problem.at[k] > now or running[w] == problem.slots:
            return k


def lower_bound(problem: Problem) -> float:
    """Worker-seconds below which no schedule that keeps the promises can come.

    All work needs slots: W / c. Take tasks whose windows (arrival to latest start) don't overlap: some worker serves in
    each. Between two of them it is either started anew, u, or stands through the gap with at most those tasks in its
    slots that can still run then. So: W / c + u + the sum over the gaps of min(u, gap - work that fits in it / c).
    """
    at, seconds, latest = problem.at, problem.seconds, problem.latest
    if not at:
        return 0.0
    longest, widest = max(seconds), max(map(sub, latest, at))
    anchors = [0]
    while (following := bisect_right(at, max(latest[anchors[-1]], at[anchors[-1]]))) < len(at):
        anchors.append(following)
    total = sum(seconds) / problem.slots + problem.start_up_s
    for this, following in pairwise(anchors):
        gap_from, gap = latest[this], at[following] - latest[this]
        begin = bisect_right(at, gap_from - longest - widest)
        runs = seconds[begin:following]
        ends = map(add, latest[begin:following], runs)
        fits = sum([min(took, gap, end - gap_from) for took, end in zip(runs, ends, strict=True) if end > gap_from])
        total += min(problem.start_up_s, max(gap - fits / problem.slots, 0.0))
    return total

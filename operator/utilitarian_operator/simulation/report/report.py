"""The figures of a simulation as rows and sentences, for text and page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from utilitarian_operator.core.explain.recommendations import Recommendation
from utilitarian_operator.core.wording import clock, number, plural
from utilitarian_operator.simulation.play import Scene
from utilitarian_operator.simulation.report.measure import PolicyResult, PoolResult, Waits

BARS = "▁▂▃▄▅▆▇█"
NOTHING = "-"
NO_ADVICE = (
    "nothing: no shorter idleAfter, smaller prefetchMultiplier or concurrency that was tried costs less and breaks no "
    "promise"
)


@dataclass(frozen=True, slots=True)
class Report:
    """A simulation, ready to be shown.

    Args:
        name: of the resource.
        stage: what was played on.
        results: by policy; the first is the one that is shown in detail.
        price: of a worker-hour; None if not given.
        advice: what to change, as it was tried.
    """

    name: str
    stage: Scene
    results: Sequence[PolicyResult]
    price: float | None
    advice: Sequence[Recommendation] = ()

    @property
    def first(self) -> PolicyResult:
        """The policy that is shown in detail."""
        return self.results[0]

    @property
    def title(self) -> str:
        """What was played."""
        tasks = sum(len(tasks.at) for tasks in self.stage.tasks.values())
        days, start = number(self.stage.days), self.stage.load.start.isoformat()
        span = f"{days} day" if self.stage.days == 1 else f"{days} days"
        return f"{self.name}: {span} from {start}, {number(tasks)} tasks, seed {self.stage.seed}"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def policies(report: Report) -> Table:
    """One row a policy."""
    cost = ["COST"] if report.price is not None else []
    head = ["POLICY", "WORKER-HOURS", "OF-THEM-WAITING", *cost, "DEADLINES", "STARTED-IN-TIME", "P95-WAIT"]
    rows = []
    for result in report.results:
        price = [f"{result.hours * report.price:,.2f}"] if report.price is not None else []
        rows.append(
            [
                result.policy,
                f"{result.hours:,.1f}",
                f"{result.idle:,.1f}",
                *price,
                f"{result.deadlines_met}/{result.deadlines}",
                share(result.kept, result.promised),
                clock(result.promised_wait_p95),
                number(result.starts),
                number(result.interrupted),
            ]
        )
    return Table([*head, "STARTS", "INTERRUPTED"], rows)


def pools(report: Report) -> Table:
    """One row a pool, of the policy that is shown in detail."""
    cost = ["COST"] if report.price is not None else []
    head = ["POOL", "TASKS", "HOURS", "WAITING", *cost, "DEADLINES", "IN-TIME", "P50", "P95", "P99", "LONGEST"]
    rows = []
    for pool in report.first.pools.values():
        price = [f"{pool.hours * report.price:,.2f}"] if report.price is not None else []
        rows.append(
            [
                pool.name,
                number(pool.waits.tasks),
                f"{pool.hours:,.1f}",
                f"{pool.idle:,.1f}",
                *price,
                f"{sum(run.met for run in pool.runs)}/{len(pool.runs)}" if pool.runs else NOTHING,
                share(pool.promises.kept, pool.promises.given),
                *quantiles(pool.waits),
                number(pool.starts),
                number(pool.changes),
                number(pool.interrupted),
                number(pool.peak),
            ]
        )
    return Table([*head, "STARTS", "CHANGES", "INTERRUPTED", "PEAK"], rows)


def queues(report: Report) -> Table:
    """One row a queue of the pools that have several."""
    several = [pool for pool in report.first.pools.values() if len(pool.queues) > 1]
    rows = [
        [queue, pool.name, number(waits.tasks), *quantiles(waits)]
        for pool in several
        for queue, waits in pool.queues.items()
    ]
    return Table(["QUEUE", "POOL", "TASKS", "P50", "P95", "P99", "LONGEST"], rows)


def remarks(report: Report) -> Iterator[str]:
    """What the figures mean, where they need a word."""
    ours, oracle = report.first, next((r for r in report.results if r.policy == "oracle"), None)
    yield (
        f"{number(round(ours.idle, 1))} of {number(round(ours.hours, 1))} worker-hours are of workers that were ready "
        "and had no task"
    )
    if oracle is not None and oracle.hours and ours is not oracle:
        bound = sum(pool.bound for pool in oracle.pools.values())
        yield (
            f"all worker-hours are {number(round(ours.hours / oracle.hours, 2))} times the oracle's, and "
            f"{number(round(ours.hours / bound, 2))} times the bound that no schedule can beat "
            f"({number(round(bound, 1))} h)"
        )
    yield from _of_sweep(report.results)
    for pool in ours.pools.values():
        yield from _of_pool(pool)


def sparkline(values: Sequence[int], width: int = 48) -> str:
    """Values as bars, the largest of each of `width` parts."""
    part = len(values) / width
    highest = [max(values[int(i * part) : int((i + 1) * part)], default=0) for i in range(width)]
    top = max(highest, default=0)
    return "".join(BARS[round(value / top * (len(BARS) - 1))] if top else BARS[0] for value in highest)


def quantiles(waits: Waits) -> list[str]:
    """Waits as they stand in a table."""
    return [clock(value) for value in (waits.p50, waits.p95, waits.p99, waits.longest)]


def share(part: int, whole: int) -> str:
    """`99.87%`, never rounded up to all of it."""
    if not whole:
        return NOTHING
    return "100%" if part == whole else f"{min(part / whole * 100, 99.99):.2f}%"


def _of_sweep(results: Sequence[PolicyResult]) -> Iterator[str]:
    """Values of a field that change nothing: this is said, since equal rows look like a mistake."""
    tried = [result for result in results if "=" in result.policy]
    if len(tried) > 1 and len({(result.hours, result.starts, result.deadlines_met) for result in tried}) == 1:
        field = tried[0].policy.partition("=")[0]
        why = "; a run with finishWithin is sized by its deadline instead" if field.endswith("drainWithin") else ""
        yield f"{field} makes no difference here: each value asks for the same workers{why}"


def _of_pool(pool: PoolResult) -> Iterator[str]:
    promises = pool.promises
    late = promises.given - promises.kept
    if late:
        rest = late - promises.start_up
        why = f"{number(promises.start_up)} of them by no more than the start-up of the worker they waited for"
        more = f", {number(rest)} because more was to do than workers were there" if rest else ""
        yield (
            f"{pool.name}: {plural(late, 'task')} of {number(promises.given)} started later than "
            f"{clock(promises.within)}: {why}{more}"
        )
    missed = [run for run in pool.runs if not run.met]
    if missed:
        yield f"{pool.name}: {plural(len(missed), 'run')} of {number(len(pool.runs))} ended after the deadline"
    if pool.lost:
        yield f"{pool.name}: {plural(pool.lost, 'task')} lost: interrupted after they were acknowledged"
    if pool.unfinished:
        yield f"{pool.name}: {plural(pool.unfinished, 'task')} not done at the end of the time that was played"

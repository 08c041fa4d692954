"""The figures of a simulation as rows and sentences, for text and page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from utilitarian_operator.api.price import Price
from utilitarian_operator.core.wording import clock, number, plural
from utilitarian_operator.simulation.play import Scene
from utilitarian_operator.simulation.report.advice import Advice, Change, Figures
from utilitarian_operator.simulation.report.measure import PolicyResult, PoolResult, Waits

NOTHING = "-"
NOT_TRIED = "not tried: --advise plays other settings, a few minutes for a month"
NO_ADVICE = (
    "nothing: no other wake, idleAfter or max that was tried, and no pools as one, costs less with every promise kept"
)
MOST_WAITS = 4
MOST_NAMES = 4
"""Pools that become one, beyond which their waits are not said one by one."""

AS_IT_IS, BEST = "as it is", "best"


@dataclass(frozen=True, slots=True)
class Report:
    """A simulation, ready to be shown.

    Args:
        name: of the resource.
        stage: what was played on.
        results: by policy; the first is the one that is shown in detail.
        price: of worker-hours; None if not given.
        advice: what to change, as it was tried; None where nothing was.
    """

    name: str
    stage: Scene
    results: Sequence[PolicyResult]
    price: Price | None
    advice: Advice | None = None

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

    @property
    def best(self) -> PolicyResult | None:
        """The cheapest value of a sweep that breaks no more promises than the resource as it is; None without one."""
        asis, *rest = self.results
        kept = [it for it in (asis, *filter(is_tried, rest)) if _breaks_no_more(it, asis)]
        return min(kept, key=self.cost) if any(map(is_tried, rest)) else None

    def cost(self, result: PolicyResult) -> float:
        """What a policy costs; its worker-hours where there is no price."""
        return sum(self.cost_of(pool) for pool in result.pools.values())

    def cost_of(self, pool: PoolResult) -> float:
        """What a pool costs; its worker-hours where there is no price."""
        return pool.hours * (self.price.of(pool.requests) if self.price else 1.0)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def is_tried(result: PolicyResult) -> bool:
    """Whether it is a value of a sweep."""
    return "=" in result.policy


def headline(report: Report) -> str:
    """What it costs and how long tasks wait, in one sentence."""
    ours = report.first
    cost = f" ({report.price.shown(report.cost(ours))})" if report.price else ""
    runs = f", {ours.deadlines_met} of {plural(ours.deadlines, 'deadline')} met" if ours.deadlines else ""
    waits = (
        f"; {share(ours.kept, ours.promised)} of the tasks outside runs started in time, 95% of all waited at most "
        f"{clock(ours.promised_wait_p95)}"
    )
    return f"{ours.hours:,.1f} worker-hours{cost}{runs}{waits if ours.promised else ''}"


def policies(report: Report) -> Table:
    """One row a policy."""
    head = ["POLICY", "WORKER-HOURS", "OF-THEM-WAITING", *_price_head(report), "DEADLINES", "STARTED-IN-TIME"]
    rows = []
    for result in report.results:
        price = [f"{report.cost(result):,.2f}"] if report.price else []
        rows.append(
            [
                _marked(report, result),
                f"{result.hours:,.1f}",
                f"{result.idle:,.1f}",
                *price,
                f"{result.deadlines_met}/{result.deadlines}",
                share(result.kept, result.promised),
                clock(result.promised_wait_p95),
                number(result.starts),
                f"{result.starts / report.stage.days / 24:,.1f}",
                number(result.interrupted),
            ]
        )
    return Table([*head, "P95-WAIT", "STARTS", "AN-HOUR", "INTERRUPTED"], rows)


def _marked(report: Report, result: PolicyResult) -> str:
    """The name of a policy; in a sweep with whether it is the resource as it is, and the best value."""
    if report.best is None or not (result is report.first or is_tried(result)):
        return result.policy
    marks = [AS_IT_IS] * (result is report.first) + [BEST] * (result is report.best)
    return f"{result.policy} ({', '.join(marks)})" if marks else result.policy


def _price_head(report: Report) -> list[str]:
    return [f"COST {report.price.currency}".rstrip().replace(" ", "-")] if report.price else []


def pools(report: Report) -> Table:
    """One row a pool, of the policy that is shown in detail."""
    head = ["POOL", "TASKS", "HOURS", "WAITING", *_price_head(report), "DEADLINES", "IN-TIME"]
    rows = []
    for pool in report.first.pools.values():
        price = [f"{report.cost_of(pool):,.2f}"] if report.price else []
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
    return Table([*head, "P50", "P95", "P99", "LONGEST", "STARTS", "CHANGES", "INTERRUPTED", "PEAK"], rows)


def advised(report: Report) -> tuple[Table, str]:
    """What to change, a row a pool and one for all of it, and how it was found out; no rows if there is nothing."""
    found = report.advice
    cost = [f"COST {report.price.currency}".rstrip()] if report.price else []
    head = ["CHANGE", "WORKER-HOURS", *cost, "STARTED IN TIME", "DEADLINES", "P50 WAIT", "P95 WAIT", "STARTS AN HOUR"]
    if found is None:
        return Table(head, []), NOT_TRIED
    untried = f"; no time was left for {_some(found.untried)}; --advise-within gives more" if found.untried else ""
    if not found.changes:
        return Table(head, []), NO_ADVICE + untried
    rows = [[_what(change), *_both(report, change.before, change.after)] for change in found.changes]
    if len(rows) > 1:
        rows.append(["the whole fleet, with all of it", *_both(report, found.before, found.after)])
    said = f"tried on {plural(round(found.days, 2), 'day')}, confirmed on {number(report.stage.days)}: before → after"
    return Table(head, rows), said + untried


def questions(report: Report) -> Iterator[str]:
    """What would cost less if tasks may wait longer."""
    for change in report.advice.questions if report.advice else ():
        longer = next(field for field in change.fields if field.field == "scaling.drainWithin")
        hours = f"{change.before.hours:,.1f} → {change.after.hours:,.1f} worker-hours"
        yield (
            f"may the tasks of {change.pools[0]} start within {longer.to} instead of {longer.was}? {hours} on the days "
            f"that were tried, p50 wait {_waits(change.before, 0)} → {_waits(change.after, 0)}, p95 wait "
            f"{_waits(change.before, 1)} → {_waits(change.after, 1)} ({_fields(change)})"
        )


def _some(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {plural(more, 'other pool')}" if more > 0 else "")


def _what(change: Change) -> str:
    if len(change.pools) == 1:
        return f"{change.pools[0]}: {_fields(change)}"
    return f"{' and '.join(change.pools)} as one pool, {change.pools[0]}: {_fields(change)}"


def _fields(change: Change) -> str:
    return ", ".join(str(field) for field in change.fields if field.field != "queues")


def _both(report: Report, before: Figures, after: Figures) -> list[str]:
    cost = [f"{before.cost:,.2f} → {after.cost:,.2f}"] if report.price else []
    several = len(before.waits) > MOST_WAITS
    return [
        f"{before.hours:,.1f} → {after.hours:,.1f}",
        *cost,
        f"{share(before.kept, before.promised)} → {share(after.kept, after.promised)}",
        f"{before.met}/{before.deadlines} → {after.met}/{after.deadlines}" if before.deadlines else NOTHING,
        *([NOTHING] * 2 if several else [f"{_waits(before, at)} → {_waits(after, at)}" for at in (0, 1)]),
        f"{before.starts_an_hour:,.1f} → {after.starts_an_hour:,.1f}",
    ]


def _waits(figures: Figures, at: int) -> str:
    return ", ".join(clock(waits[at]) for waits in figures.waits)


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
        f"{number(round(ours.idle, 1))} of {number(round(ours.hours, 1))} worker-hours are waiting: of workers that "
        f"were ready and had no task; {number(round(ours.starting, 1))} are start-ups"
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


def quantiles(waits: Waits) -> list[str]:
    """Waits as they stand in a table."""
    return [clock(value) for value in (waits.p50, waits.p95, waits.p99, waits.longest)]


def share(part: int, whole: int) -> str:
    """`99.87%`, never rounded up to all of it."""
    if not whole:
        return NOTHING
    return "100%" if part == whole else f"{min(part / whole * 100, 99.99):.2f}%"


def _breaks_no_more(result: PolicyResult, asis: PolicyResult) -> bool:
    """Whether no more deadlines are missed, promises broken and tasks interrupted than as it is, each by itself."""
    return all(now <= then for now, then in zip(_breaks(result), _breaks(asis), strict=True))


def _breaks(result: PolicyResult) -> tuple[int, int, int]:
    """Deadlines, promises and tasks that were broken."""
    return result.deadlines - result.deadlines_met, result.promised - result.kept, result.interrupted


def _of_sweep(results: Sequence[PolicyResult]) -> Iterator[str]:
    """Values of a field that change nothing: this is said, since equal rows look like a mistake."""
    tried = [result for result in results if is_tried(result)]
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

"""`utilitarian-operator simulate`: plays a resource over a load in virtual time."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table as RichTable

from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.price import InvalidPrice, read_price
from utilitarian_operator.api.units import parse_duration
from utilitarian_operator.cli.output import (
    MISSED,
    Format,
    Shape,
    WrongInput,
    coloured,
    document,
    emit,
    explained,
    remark,
    section,
)
from utilitarian_operator.cli.resources import fleet_of, from_file, the_one
from utilitarian_operator.cli.tables import columns
from utilitarian_operator.core.sizing.usage import Usage
from utilitarian_operator.core.status.recall import remembered
from utilitarian_operator.core.wording import plural, sparkline
from utilitarian_operator.simulation.load.sweep import InvalidSweep, variants
from utilitarian_operator.simulation.load.workload import InvalidLoad, read_load
from utilitarian_operator.simulation.oracle import play_oracle
from utilitarian_operator.simulation.play import Scene, UnknownPolicy, checked_policy, play, scene
from utilitarian_operator.simulation.report.advice import Advice, Search
from utilitarian_operator.simulation.report.document import as_json
from utilitarian_operator.simulation.report.measure import PolicyResult, measured
from utilitarian_operator.simulation.report.page import as_page
from utilitarian_operator.simulation.report.report import (
    Report,
    Table,
    advised,
    headline,
    policies,
    pools,
    questions,
    queues,
    remarks,
)
from utilitarian_operator.simulation.report.written import as_yaml, followed

OURS = "utilitarian"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked of a simulation beside the resource and its load.

    Args:
        days: to play; None: the file's.
        seed: of everything random.
        against: other policies, comma-separated.
        sweep: `FIELD=a,b,c`, or None.
        price: as `read_price` reads it, or None.
        currency: of the price.
        advise: whether to look for what lowers the bill.
        advise_within: for so long the search begins with one pool more, as a duration is written.
        write: where to write the resource with all that was found, or None.
    """

    days: float | None
    seed: int
    against: str
    sweep: str | None
    price: str | None
    currency: str
    advise: bool
    advise_within: str
    write: Path | None


def simulate(filename: Path, load: Path, fleet: str | None, output: Shape, wishes: Wishes) -> None:
    """Print the report of a simulation; `commands.simulate` says what each argument is."""
    with explained(Format.JSON if output is Shape.JSON else Format.TABLE), _as_wrong_input():
        resource = the_one(from_file(filename), fleet)
        report = _report(resource, load, wishes)
        emit(_printed(report, output))
        if wishes.write is not None and report.advice is not None:
            _write(wishes.write, resource, report.advice)
    if report.first.deadlines_met < report.first.deadlines:
        raise typer.Exit(MISSED)


def _report(resource: Object, load: Path, wishes: Wishes) -> Report:
    named = dict.fromkeys(name.strip() for name in wishes.against.split(","))
    others = [checked_policy(name) for name in named if name]
    price = None if wishes.price is None else read_price(wishes.price, wishes.currency)
    if wishes.currency and price is None:
        raise WrongInput(f"--currency {wishes.currency[:50]}: there is nothing to print in it without --price")
    if wishes.write is not None:
        _check_writable(wishes.write, advise=wishes.advise)
    patience = _patience(wishes.advise_within)
    wanted = [(OURS, resource), *(variants(resource, wishes.sweep) if wishes.sweep else ())]
    with _progress(len(wanted) + len(others) + wishes.advise) as tell:
        results, stage = _results(wanted, others, load, wishes, tell)
        until = monotonic() + patience.total_seconds()
        search = Search(stage, price, _usage(resource), lambda: monotonic() < until)
        found = search.advise(results[0], tell("what to change")) if wishes.advise else None
    return Report(str(resource["metadata"]["name"]), stage, results, price, found)


def _patience(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise WrongInput(f"--advise-within: {error}") from error


def _usage(resource: Object) -> dict[str, Usage]:
    """What an operator has learned of the workers' CPU and memory, where the resource comes from a cluster."""
    return {name: memory.usage for name, memory in remembered(resource.get("status"), datetime.now(UTC)).items()}


def _check_writable(path: Path, *, advise: bool) -> None:
    """Whether what is advised can be written: a month is played for minutes before it is."""
    if not advise:
        raise WrongInput("--write: there is nothing to write without --advise")
    if path.is_dir() or not path.parent.is_dir():
        raise WrongInput(f"--write {path}: {'Is a directory' if path.is_dir() else 'No such directory'}")
    there = path.exists()
    if there and not path.is_file():
        return  # a pipe's reader would see its end
    try:
        path.open("a").close()
    except OSError as error:
        raise WrongInput(f"--write {path}: {error.strerror or error}") from error
    if not there:
        path.unlink()


def _write(path: Path, resource: Object, found: Advice) -> None:
    """Write the resource with what was advised, and say so on stderr."""
    try:
        path.write_text(as_yaml(followed(resource, found.changes)), encoding="utf-8")
    except OSError as error:
        raise WrongInput(f"--write {path}: {error.strerror or error}") from error
    remark(f"wrote {path} with {plural(len(found.changes), 'change')}")


@contextmanager
def _as_wrong_input() -> Iterator[None]:
    try:
        yield
    except (InvalidLoad, InvalidPrice, InvalidSweep, UnknownPolicy) as error:
        raise WrongInput(str(error)) from error


def _results(
    wanted: list[tuple[str, Object]],
    others: list[str],
    path: Path,
    wishes: Wishes,
    tell: Callable[[str], Callable[[float], None]],
) -> tuple[list[PolicyResult], Scene]:
    stages = []
    for name, resource in wanted:
        fleet = fleet_of(resource)
        load = read_load(path, fleet)
        stages.append((name, scene(fleet, load, days=wishes.days, seed=wishes.seed, folder=path.parent)))
    results = [measured(name, play(OURS, stage, tell(name)), stage) for name, stage in stages]
    first = stages[0][1]
    for name in others:
        if name == "oracle":
            played, bounds = play_oracle(first, tell(name))
            results.append(measured(name, played, first, bounds))
        else:
            results.append(measured(name, play(name, first, tell(name)), first))
    return results, first


@contextmanager
def _progress(plays: int) -> Iterator[Callable[[str], Callable[[float], None]]]:
    """A bar on stderr, if that is a terminal."""
    console = Console(stderr=True)
    shown = [TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()]
    with Progress(*shown, console=console, transient=True, disable=not console.is_terminal) as bar:
        whole = bar.add_task("simulating", total=plays)
        done = 0

        def begin(name: str) -> Callable[[float], None]:
            nonlocal done
            before, done = done, done + 1
            return lambda part: bar.update(whole, completed=before + part, description=name)

        yield begin


def _printed(report: Report, output: Shape) -> str:
    match output:
        case Shape.JSON:
            return document(as_json(report), Format.JSON)
        case Shape.HTML:
            return as_page(report).rstrip()
        case Shape.TABLE:
            return "\n".join(_text(report))


def _text(report: Report) -> Iterator[str]:
    yield report.title
    yield headline(report)
    yield from section("What to change", _advice(report))
    yield from section("Policies", _table(policies(report)))
    yield from section(f"Pools under {report.first.policy}", _table(pools(report)))
    if queues(report).rows:
        yield from section("Queues that share a pool", _table(queues(report)))
    yield from section("Tasks to do, and workers, over time", _sparklines(report))
    yield from section("Remarks", "\n".join(remarks(report)))


def _advice(report: Report) -> str:
    table, said = advised(report)
    asked = "".join(f"\n{question}" for question in questions(report))
    return (f"{said}\n{_table(table)}" if table.rows else said) + asked


def _sparklines(report: Report) -> str:
    rows = (
        [pool.name, sparkline(pool.backlog), sparkline(pool.workers), f"at most {pool.peak}"]
        for pool in report.first.pools.values()
    )
    return columns(["POOL", "TASKS", "WORKERS", ""], rows)


def _table(table: Table) -> str:
    """A drawn table for a terminal, bare columns for a file or a pipe."""
    if not coloured():
        return columns(table.head, table.rows)
    drawn = RichTable(*table.head, box=None, header_style="bold", pad_edge=False)
    for column in drawn.columns[1:]:
        column.justify = "right"
    for row in table.rows:
        drawn.add_row(*row)
    console = Console(width=200, file=sys.stdout)
    with console.capture() as capture:
        console.print(drawn)
    return capture.get().rstrip()

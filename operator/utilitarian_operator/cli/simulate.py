"""`utilitarian-operator simulate`: plays a resource over a load in virtual time."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table as RichTable

from utilitarian_operator.api.objects import Object
from utilitarian_operator.cli.output import Format, Shape, WrongInput, columns, document, emit, explained, section
from utilitarian_operator.cli.resources import fleet_of, from_file, the_one
from utilitarian_operator.simulation.load.sweep import InvalidSweep, variants
from utilitarian_operator.simulation.load.workload import InvalidLoad, read_load
from utilitarian_operator.simulation.oracle import play_oracle
from utilitarian_operator.simulation.play import Scene, UnknownPolicy, checked_policy, play, scene
from utilitarian_operator.simulation.report.advice import advice
from utilitarian_operator.simulation.report.document import as_json
from utilitarian_operator.simulation.report.measure import PolicyResult, measured
from utilitarian_operator.simulation.report.page import as_page
from utilitarian_operator.simulation.report.report import (
    NO_ADVICE,
    Report,
    Table,
    policies,
    pools,
    queues,
    remarks,
    sparkline,
)

OURS = "utilitarian"


def simulate(  # noqa: PLR0913 - one parameter an option
    filename: Path,
    load: Path,
    fleet: str | None,
    output: Shape,
    *,
    days: float | None,
    seed: int,
    against: str,
    sweep: str | None,
    price: float | None,
) -> None:
    """Print the report of a simulation; `commands.simulate` says what each argument is."""
    with explained(Format.JSON if output is Shape.JSON else Format.TABLE), _as_wrong_input():
        resource = the_one(from_file(filename), fleet)
        others = [checked_policy(name.strip()) for name in against.split(",") if name.strip()]
        wanted = list(variants(resource, sweep)) if sweep else [(OURS, resource)]
        advised = output is not Shape.JSON
        with _progress(len(wanted) + len(others) + advised) as tell:
            results, stage = _results(wanted, others, load, days, seed, tell)
            found = advice(stage, results[0], tell("what to change")) if advised else ()
        emit(_printed(Report(str(resource["metadata"]["name"]), stage, results, price, found), output))


@contextmanager
def _as_wrong_input() -> Iterator[None]:
    try:
        yield
    except (InvalidLoad, InvalidSweep, UnknownPolicy) as error:
        raise WrongInput(str(error)) from error


def _results(
    wanted: list[tuple[str, Object]],
    others: list[str],
    path: Path,
    days: float | None,
    seed: int,
    tell: Callable[[str], Callable[[float], None]],
) -> tuple[list[PolicyResult], Scene]:
    stages = []
    for name, resource in wanted:
        fleet = fleet_of(resource)
        load = read_load(path, fleet)
        stages.append((name, scene(fleet, load, days=days, seed=seed, folder=path.parent)))
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
            return document(as_json(report.results, report.price), Format.JSON)
        case Shape.HTML:
            return as_page(report).rstrip()
        case Shape.TABLE:
            return "\n".join(_text(report))


def _text(report: Report) -> Iterator[str]:
    yield report.title
    yield ""
    yield _table(policies(report))
    yield from section(f"Pools under {report.first.policy}", _table(pools(report)))
    if queues(report).rows:
        yield from section("Queues that share a pool", _table(queues(report)))
    yield from section("Tasks to do, and workers, over time", _sparklines(report))
    yield from section("Remarks", "\n".join(remarks(report)))
    said = (f"{it.path}: {it.to} (is {it.was}): {it.because}; {it.effect}" for it in report.advice)
    yield from section("What to change", "\n".join(said) or NO_ADVICE)


def _sparklines(report: Report) -> str:
    rows = (
        [pool.name, sparkline(pool.backlog), sparkline(pool.workers), f"at most {pool.peak}"]
        for pool in report.first.pools.values()
    )
    return columns(["POOL", "TASKS", "WORKERS", ""], rows)


def _table(table: Table) -> str:
    """A drawn table for a terminal, bare columns for a file or a pipe."""
    if not sys.stdout.isatty():
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

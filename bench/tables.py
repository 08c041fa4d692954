"""The report's tables and plots, from what the measurements printed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.plots import Bar, Chart

Row = Mapping[str, Any]
Column = tuple[str, Callable[[Row], str]]
MINUTE_S = 60
MONTH = "month:1"


def shown(rows: Sequence[Row]) -> list[Row]:
    """The rows of a measurement that its table has: not the machine's; of simulations those of the month's policies."""
    return [
        row
        for row in rows
        if row["bench"] in COLUMNS and (row["bench"] != "simulate" or ("policy" in row and row["part"] == MONTH))
    ]


def table(columns: Sequence[Column], rows: Sequence[Row]) -> list[str]:
    """Lines of Markdown."""
    head, *cells = ([name for name, _ in columns], *([text(row) for _, text in columns] for row in rows))
    return [_line(head), "|" + " --- |" * len(columns), *map(_line, cells)]


def _line(cells: Sequence[str]) -> str:
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in cells)


def seconds(name: str, *, digits: int = 2) -> Callable[[Row], str]:
    """A column's text: seconds, minutes from two of them on; empty where there is no figure."""

    def text(row: Row) -> str:
        value = row.get(name)
        if value is None:
            return ""
        if value >= 2 * MINUTE_S:
            minutes, rest = divmod(round(value), MINUTE_S)
            return f"{minutes}m{rest:02}s"
        return f"{value:.{digits}f} s"

    return text


def figure(name: str, unit: str = "") -> Callable[[Row], str]:
    """A column's text: the number as it was printed, whole ones with separators; empty where there is none."""

    def text(row: Row) -> str:
        value = row.get(name)
        return "" if value is None else f"{value:,}{unit}"

    return text


def of(name: str, whole: str) -> Callable[[Row], str]:
    """A column's text: so many of so many."""
    return lambda row: f"{row[name]:,} of {row[whole]:,}"


def system(row: Row) -> str:
    """A column's text: which system, and what is particular about the row."""
    name = row["system"] if "system" in row else row["policy"]
    return f"`{name}`" + (f", {row['note']}" if "note" in row else "")


def _to_zero(row: Row) -> str:
    value = row["to_zero_s"]
    return f"{value:.1f} s" if value >= 0 else f"{-value:.1f} s before it"


LOAD: Column = ("load", lambda row: "" if row.get("load") is None else f"{row['load']:.1f}")
COLUMNS: Mapping[str, Sequence[Column]] = {
    "reaction": (
        ("step", lambda row: row["step"].replace("-", " to ")),
        ("system", system),
        ("n", figure("n")),
        ("p50", seconds("p50_s")),
        ("p99", seconds("p99_s")),
        ("first task, p50", seconds("first_task_p50_s", digits=1)),
        LOAD,
    ),
    "drain": (
        ("system", system),
        ("acknowledged", lambda row: str(row["acks"])),
        ("finished", of("finished", "sent")),
        ("never finished", figure("lost")),
        ("begun twice", figure("twice")),
        ("worker-seconds", figure("worker_seconds")),
        ("last task to zero", _to_zero),
        LOAD,
    ),
    "watching": (
        ("system", system),
        ("pools", figure("pools")),
        ("cores", lambda row: f"{row['operator_cores']:.3f}"),
        ("memory", figure("operator_mib", " MiB")),
        ("broker's cores", lambda row: f"{row['broker_cores']:.3f}"),
        ("requests/s", lambda row: f"{row['api_requests_s']:.2f}"),
        ("of them lists", lambda row: f"{row['lists_s']:.2f}"),
        ("all ready after", lambda row: f"{row['ready_s']:.1f} s"),
        ("wake p50", seconds("wake_p50_s")),
        ("wake p99", seconds("wake_p99_s")),
        LOAD,
    ),
    "day": (
        ("system", system),
        ("worker-seconds", figure("worker_seconds")),
        ("outside runs", figure("worker_seconds_outside_runs")),
        ("runs in time", of("deadlines_met", "deadlines")),
        ("started in time", of("started_in_time", "outside_runs")),
        ("wait p50", seconds("wait_p50_s", digits=1)),
        ("p95", seconds("wait_p95_s", digits=1)),
        ("a person's p50", seconds("person_wait_p50_s", digits=1)),
        ("longest", seconds("person_wait_max_s", digits=1)),
        ("never finished", figure("lost")),
        ("begun twice", figure("begun_twice")),
        ("changes", figure("replica_changes")),
        LOAD,
    ),
    "simulate": (
        ("policy", system),
        ("worker-hours", figure("worker_hours")),
        ("of them waiting", figure("idle_hours")),
        ("deadlines met", of("deadlines_met", "deadlines")),
        ("started in time", of("promises_kept", "promised")),
        ("p95 wait", seconds("wait_p95_s", digits=1)),
        ("starts", figure("starts")),
        ("interrupted", figure("interrupted")),
    ),
}
"""Of each measurement's table."""


def _reaction(rows: Sequence[Row]) -> Chart:
    bars = [
        Bar(
            f"{row['step'].replace('-', ' to ')}, {row['system']}",
            (row["p50_s"], row["p99_s"]),
            f"{row['p50_s']:g} s, {row['p99_s']:g} s",
        )
        for row in rows
    ]
    return Chart(
        "From a message to the workers asked for (logarithmic)", ("p50", "p99"), bars, nested=True, logarithmic_from=0.1
    )


def _drain(rows: Sequence[Row]) -> Chart:
    bars = [
        Bar(
            f"{row['system']}, {row['acks']}",
            (row["finished"] - row["twice"], row["twice"], row["lost"]),
            f"{row['worker_seconds']:,} worker-seconds",
        )
        for row in rows
    ]
    return Chart("What became of 40 tasks", ("finished", "begun twice", "never finished"), bars)


def _watching(rows: Sequence[Row]) -> Chart:
    """The newest row of each system and number of pools."""
    newest = {(row["pools"], row["system"]): row for row in rows}
    bars = [
        Bar(
            f"{row['system']}, {row['pools']:,} pools",
            (row["operator_cores"],),
            f"{row['operator_cores']:g} cores, {row['operator_mib']} MiB",
        )
        for _, row in sorted(newest.items())
    ]
    return Chart(
        "Cores of the system while all pools are at zero (logarithmic)", ("cores",), bars, logarithmic_from=0.001
    )


def _simulate(rows: Sequence[Row]) -> Chart:
    bars = []
    for row in rows:
        hours, waiting = row["worker_hours"], row["idle_hours"]
        bars.append(Bar(row["policy"], (hours - waiting, waiting), f"{hours:,.0f}, of them {waiting:,.0f} waiting"))
    return Chart("Worker-hours of a typical month", ("starting and working", "waiting"), bars)


def _day(rows: Sequence[Row]) -> Chart:
    bars = []
    for row in rows:
        outside = row["worker_seconds_outside_runs"]
        text = f"{row['worker_seconds']:,}, of them {outside:,}"
        bars.append(Bar(row["system"], (outside, row["worker_seconds"] - outside), text))
    return Chart("Worker-seconds of a compressed day", ("outside runs", "pools with runs"), bars)


CHARTS: Mapping[str, Callable[[Sequence[Row]], Chart]] = {
    "reaction": _reaction,
    "drain": _drain,
    "watching": _watching,
    "day": _day,
    "simulate": _simulate,
}

"""The five figures of the README, each with the command that reproduces it, from the rows that are kept."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.systems import SYSTEMS
from bench.tables import Row, seconds, table

NOT_MEASURED = "not measured"
POOLS = 14


def _month(row: Row) -> str:
    return f"{row['worker_hours']:,.0f} worker-hours"


def _wake(row: Row) -> str:
    return f"{seconds('p50_s')(row)}, {seconds('p99_s')(row)}"


def _drain(row: Row) -> str:
    return f"{row['lost']} of {row['sent']}"


def _rest(row: Row) -> str:
    return f"{row['operator_cores']:g} cores, {row['operator_mib']} MiB"


FIGURES: Sequence[tuple[str, str, Callable[[Row], str], Mapping[str, Any], str]] = (
    (
        "A typical month of this fleet, 4.8 million tasks, in virtual time (KEDA as a model)",
        "simulate",
        _month,
        {"part": "month:1"},
        "python -m bench.simulate month:1",
    ),
    (
        "From a message to the first worker asked for, p50 and p99",
        "reaction",
        _wake,
        {"step": "0-1"},
        "make bench BENCH=reaction",
    ),
    ("The same to twenty workers", "reaction", _wake, {"step": "0-20"}, "make bench BENCH=reaction"),
    (
        "Tasks of up to three minutes that never finish",
        "drain",
        _drain,
        {"acks": "early"},
        "python -m bench.drain --scale 1",
    ),
    (
        "Fourteen pools at zero",
        "watching",
        _rest,
        {"pools": POOLS},
        "python -m bench.watching --pools 14",
    ),
)
"""What it is, of which measurement, how a row says it, which rows it is of, and the command."""

HEADS = ("this operator", "KEDA, its defaults", "KEDA, an expert's")


def first_screen(measured: Mapping[str, Sequence[Row]]) -> str:
    """The table, by what is kept of each measurement; of several rows of a system the newest."""
    rows = [
        {"what": what, "command": f"`{command}`", **_of_systems(measured.get(name, ()), said, wanted)}
        for what, name, said, wanted, command in FIGURES
    ]
    columns = [("", "what"), *zip(HEADS, SYSTEMS, strict=True), ("reproduce it", "command")]
    return "\n".join(table([(head, lambda row, key=key: row[key]) for head, key in columns], rows))  # type: ignore[misc]


def _of_systems(rows: Sequence[Row], said: Callable[[Row], str], wanted: Mapping[str, Any]) -> dict[str, str]:
    found = dict.fromkeys(SYSTEMS, NOT_MEASURED)
    for row in rows:
        name = row.get("system", row.get("policy"))
        if name in found and all(row.get(key) == value for key, value in wanted.items()):
            found[name] = said(row)
    return found

"""Writes the report of what was measured: tables of docs/benchmarks.md and README.md, and docs/images/bench-*.svg.

`python -m bench.report FILE.jsonl …` keeps what each file has of a measurement in docs/benchmarks, in the place of what
was kept of it, and writes the page anew; without a file it writes the page of what is kept. Of a file the lines count
that are JSON objects; the line of the machine says when, by which command and where its measurement was made.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.first_screen import first_screen
from bench.plots import svg
from bench.tables import CHARTS, COLUMNS, Row, shown, table
from hack.places import ROOT, replace_file

PAGE, README = ROOT / "docs/benchmarks.md", ROOT / "README.md"
KEPT, IMAGES = ROOT / "docs/benchmarks", ROOT / "docs/images"
MACHINE, FIRST_SCREEN = "machine", "figures"
PLACE = re.compile(r"(?P<begin><!-- measured: (?P<name>\w+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)


class NoMeasurement(Exception):
    """A file without a row that the report knows."""


def rows_of(text: str) -> list[dict[str, Any]]:
    """The JSON objects among the lines of a text."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def by_bench(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The rows of each measurement, the machine's line first."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(str(row["of"] if row["bench"] == MACHINE else row["bench"]), []).append(row)
    return found


def keep(files: Sequence[Path]) -> None:
    """Put what the files have in the place of what was kept.

    Raises:
        NoMeasurement: a file has nothing of what the report shows.
    """
    for file in files:
        found = {name: rows for name, rows in by_bench(rows_of(file.read_text())).items() if name in COLUMNS}
        if not any(shown(rows) for rows in found.values()):
            raise NoMeasurement(f"{file}: no line of {', '.join(COLUMNS)}: give what `make bench BENCH=…` printed")
        for name, rows in found.items():
            replace_file(KEPT / f"{name}.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))


def kept() -> dict[str, list[Row]]:
    """What is kept of each measurement."""
    return by_bench(row for file in sorted(KEPT.glob("*.jsonl")) for row in rows_of(file.read_text()))


def section(name: str, rows: Sequence[Row]) -> str:
    """What the page says of a measurement."""
    measured = shown(rows)
    plot = f"![{CHARTS[name](measured).title}](images/bench-{name}.svg)"
    machines = said([row for row in rows if row["bench"] == MACHINE])
    return "\n".join((*machines, "", plot, "", *table(COLUMNS[name], measured), ""))


def said(machines: Sequence[Row]) -> list[str]:
    """On which machine a measurement was made, when, and by which command, in lines of Markdown."""
    lines: list[str] = []
    for number, it in enumerate(machines):
        if number == 0 or described(it) != described(machines[number - 1]):
            lines += ["", described(it), ""] if lines else [described(it), ""]
        load = f", load before it {it['load']:g}" if "load" in it else ""
        lines += [f"- {it['date']}{load}:", f"  `{it['command']}`"]
    return lines


def described(machine: Row) -> str:
    """A machine in a line."""
    speed = f"; ten million additions take {machine['loop_s']:g} s" if "loop_s" in machine else ""
    return (
        f"On {machine['cores']} cores ({machine['processor']}{speed}), {machine['memory_gib']} GiB,\n"
        f"{machine['system']}, Linux {machine['kernel']}:"
    )


def page(text: str, measured: Mapping[str, Sequence[Row]]) -> str:
    """The page with each place of a measurement filled; one that nothing is kept of says so.

    Args:
        text: of the page.
        measured: rows by measurement.
    """

    def filled(place: re.Match[str]) -> str:
        name = place["name"]
        inner = "Not measured yet."
        if name == FIRST_SCREEN:
            inner = first_screen(measured)
        elif name in measured:
            inner = section(name, measured[name])
        return f"{place['begin']}\n{inner.strip()}\n\n{place['end']}"

    return PLACE.sub(filled, text)


def files() -> dict[Path, str]:
    """All that is written, by its place."""
    measured = kept()
    charts = {name: CHARTS[name](shown(rows)) for name, rows in measured.items()}
    pictures = {IMAGES / f"bench-{name}.svg": svg(chart) for name, chart in charts.items()}
    return {**{place: page(place.read_text(), measured) for place in (PAGE, README)}, **pictures}


def main() -> None:
    """Keep what is given and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="*", type=Path, help="what `make bench BENCH=…` printed")
    try:
        keep(parser.parse_args().file)
    except (NoMeasurement, OSError) as error:
        sys.exit(f"error: {error}")
    for place, text in files().items():
        replace_file(place, text)
        print(f"wrote {place.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

"""Reads recorded arrivals from a CSV file of `time,count`: the tasks of a row come at its time."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from itertools import repeat
from pathlib import Path

from utilitarian_operator.simulation.load.workload import MOST_TASKS, InvalidLoad

COLUMNS = ["time", "count"]


def read_trace(path: Path, begins: datetime, zone: tzinfo = UTC) -> Iterator[float]:
    """Seconds from `begins` to each task of a trace.

    Args:
        path: of the file.
        begins: the load's start.
        zone: of times that name none.

    Raises:
        InvalidLoad: a row can't be read, goes back in time, or has a negative count; with its line.
    """
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, ValueError, csv.Error) as error:
        raise InvalidLoad(str(path), 1, f"can't be read: {error}: give a CSV file of time,count in UTF-8") from error
    if not rows or [column.strip() for column in rows[0]] != COLUMNS:
        raise InvalidLoad(str(path), 1, "the first line must be: time,count")
    before = None
    for line, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        moment, count = _row(path, line, row, zone)
        if before is not None and moment < before:
            raise InvalidLoad(str(path), line, f"{row[0]} is before {before.isoformat()} of the line above: sort it")
        before = moment
        yield from repeat((moment - begins).total_seconds(), count)


def _row(path: Path, line: int, row: list[str], zone: tzinfo) -> tuple[datetime, int]:
    if len(row) != len(COLUMNS):
        raise InvalidLoad(str(path), line, f"{len(row)} columns: write time,count")
    try:
        moment, count = datetime.fromisoformat(row[0].strip()), int(row[1])
    except ValueError as error:
        raise InvalidLoad(str(path), line, f"can't be read ({error}): write 2026-01-01T06:00:00Z,12") from error
    if count < 0:
        raise InvalidLoad(str(path), line, f"a count can't be negative (is: {count}): write how many tasks came")
    if count > MOST_TASKS:
        raise InvalidLoad(str(path), line, f"a count of {count:.3g} is more than {MOST_TASKS:,}: write how many came")
    return moment if moment.tzinfo else moment.replace(tzinfo=zone), count

"""Reads docs/metrics.md: the metrics that the operator promises, and the alerts; it looks at no code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TABLE = Path(__file__).resolve().parents[2] / "docs/metrics.md"
METRIC_TYPES = ("gauge", "counter", "histogram")

_SUFFIXES = {"histogram": ("_bucket", "_count", "_sum")}


@dataclass(frozen=True)
class Metric:
    """A row of the table."""

    name: str
    kind: str
    labels: frozenset[str]

    def series(self) -> tuple[str, ...]:
        """The names under which Prometheus stores it."""
        return tuple(self.name + suffix for suffix in _SUFFIXES.get(self.kind, ("",)))


@cache
def documented_metrics() -> tuple[Metric, ...]:
    """The metrics of the table, in its order."""
    return tuple(Metric(_words(row[0])[0], row[1], frozenset(_words(row[2]))) for row in _rows() if len(row) == 4)


def documented_alerts() -> dict[str, str]:
    """The severity of each alert, by its name."""
    return {_words(row[0])[0]: row[2] for row in _rows() if len(row) == 3}


def _rows() -> Iterator[list[str]]:
    for line in TABLE.read_text().splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def _words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)

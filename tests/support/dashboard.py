"""Reads the Grafana dashboards of the chart and hands out their queries as Prometheus understands them."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "charts/utilitarian-operator/dashboards"

_LABEL_VALUES = re.compile(r"label_values\((?P<series>.+), (?P<label>\w+)\)")
_VARIABLE = re.compile(r"\$(\w+)")


@dataclass(frozen=True)
class Variables:
    """What takes the place of a dashboard's variables: regular expressions, and Prometheus durations."""

    namespace: str = ".*"
    fleet: str = ".*"
    pool: str = ".*"
    window: str = "1m"
    whole: str = "1m"
    before: str = "1s"

    def filled_in(self, expression: str) -> str:
        """An expression without variables.

        Raises:
            KeyError: it has one that is not known here.
        """
        names = {"__rate_interval": self.window, "__range": self.whole}
        values = {"namespace": self.namespace, "fleet": self.fleet, "pool": self.pool, "before": self.before}
        values |= names
        return _VARIABLE.sub(lambda found: values[found[1]], expression)


ALL = Variables()
"""All of everything, over a minute."""


@cache
def dashboards() -> dict[str, dict[str, Any]]:
    """The dashboards as they are in the chart, by uid."""
    loaded = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
    return {board["uid"]: board for board in loaded}


def dashboard_queries(variables: Variables = ALL) -> list[tuple[str, str]]:
    """Every query of every dashboard, variables filled in: what asks (a panel, a variable), and what it asks."""
    found = ((f"{uid}: {what}", query) for uid, board in dashboards().items() for what, query in raw_queries(board))
    return [(what, variables.filled_in(query)) for what, query in found]


def panels(board: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The panels that show something: all but the row headings."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def raw_queries(board: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every query of one dashboard as it is written: what asks, and what it asks."""
    for variable in board["templating"]["list"]:
        found = _LABEL_VALUES.fullmatch(str(variable["query"]["query"])) if variable["type"] == "query" else None
        if found:
            # Grafana asks the series API; the same series, grouped, are an expression.
            yield f"variable {variable['name']}", f"group by ({found['label']}) ({found['series']})"
    for panel in panels(board):
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for annotation in board["annotations"]["list"]:
        yield f"annotation {annotation['name']}", annotation["expr"]

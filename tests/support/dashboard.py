"""Reads the Grafana dashboard of the chart and hands out its queries as Prometheus understands them; it runs none."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = ROOT / "charts/utilitarian-operator/dashboards/utilitarian.json"

_LABEL_VALUES = re.compile(r"label_values\((?P<series>.+), (?P<label>\w+)\)")


def dashboard() -> dict[str, Any]:
    """The dashboard as it is in the chart."""
    loaded: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return loaded


def dashboard_queries(
    *, namespace: str = ".*", fleet: str = ".*", pool: str = ".*", window: str = "1m"
) -> list[tuple[str, str]]:
    """Every query of the dashboard, variables filled in: (title of the panel or name of the variable, expression).

    Args:
        namespace: a regular expression, as are `fleet` and `pool`; the default is what "All" stands for.
        fleet: see `namespace`.
        pool: see `namespace`.
        window: takes the place of the windows that Grafana computes, as a Prometheus duration.
    """
    values = {
        "$namespace": namespace,
        "$fleet": fleet,
        "$pool": pool,
        "$__rate_interval": window,
        "$__range": window,
    }
    return [(title, _filled_in(expression, values)) for title, expression in _raw_queries(dashboard())]


def panels(board: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The panels that show something: all but the row headings."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def _raw_queries(board: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for variable in board["templating"]["list"]:
        found = _LABEL_VALUES.fullmatch(str(variable["query"]["query"])) if variable["type"] == "query" else None
        if found:
            # Grafana asks the series API; the same series, grouped, are an expression.
            yield f"variable {variable['name']}", f"group by ({found['label']}) ({found['series']})"
    for panel in panels(board):
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def _filled_in(expression: str, values: Mapping[str, str]) -> str:
    for variable, value in values.items():
        expression = expression.replace(variable, value)
    if "$" in expression:
        raise ValueError(f"the dashboard's query {expression!r} has a variable that is not known here")
    return expression

"""Draws a dashboard of the chart from a Prometheus, as a page of HTML and SVG.

It is not Grafana: it shows the same queries, units, colours and names at the same places, and nothing else.
"""

import html
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.dashboard import Variables, panels
from tests.support.prometheus import Prometheus, Series
from tests.support.svg import Line, Scale, axis_left, axis_right, marks, path, state_rows, time_axis

COLUMN, ROW, GAP = 60, 36, 8
NOT_GRAFANA = (
    "Drawn from the dashboard's JSON and a real Prometheus by the project's own renderer: this is not Grafana."
)
PALETTE = ("#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#b877d9", "#8ab8ff", "#f2495c", "#ffee52", "#37872d", "#c4162a")
COLORS = {
    "green": "#73bf69",
    "yellow": "#f2cc0c",
    "orange": "#ff9830",
    "red": "#f2495c",
    "blue": "#5794f2",
    "purple": "#b877d9",
}
STYLE = """
body{background:#111217;color:#ccccdc;font:13px Inter,Helvetica,Arial,sans-serif;margin:0;padding:12px 16px}
h1{font-size:20px;margin:2px 0}p{margin:2px 0 10px;color:#9a9aa8}
#board{position:relative}.panel{position:absolute;background:#181b1f;border:1px solid #2b2e36;border-radius:3px;
overflow:hidden}.row{position:absolute;font-size:16px;padding:6px 2px;font-weight:600}
.title{padding:6px 10px 0;font-weight:500;white-space:nowrap}.legend{padding:0 10px;font-size:11px;line-height:15px;
max-height:32px;overflow:hidden}.legend i{display:inline-block;width:14px;height:3px;margin:0 4px 3px 10px}
.stat{display:flex;flex-wrap:wrap;justify-content:center;align-items:center;gap:4px 18px;height:calc(100% - 30px)}
.stat div{text-align:center}.stat small{display:block;color:#9a9aa8}
table{border-collapse:collapse;margin:6px 10px;font-size:12px}td,th{padding:3px 14px 3px 0;text-align:left;
border-bottom:1px solid #24272e;white-space:nowrap}th{color:#6e9fff;font-weight:500}
.none{color:#77777f;text-align:center;padding-top:20px}text{fill:#9a9aa8;font-size:11px}
"""


@dataclass(frozen=True)
class Sight:
    """What a page is drawn from.

    Args:
        prometheus: that is asked.
        start, end: Unix seconds.
        variables: that take the place of the dashboard's.
        step: seconds between two moments.
        answers: by what was asked: the time is over, so that nothing is asked twice.
    """

    prometheus: Prometheus
    start: float
    end: float
    variables: Variables
    step: float = 1.0
    answers: dict[str, list[Series]] = field(default_factory=dict)

    def series(self, expression: str) -> list[Series]:
        """What a query answers over the whole time."""
        asked = self.variables.filled_in(expression)
        if asked not in self.answers:
            self.answers[asked] = self.prometheus.range(asked, self.start, self.end, self.step)
        return self.answers[asked]

    def last(self, target: Mapping[str, Any]) -> list[Series]:
        """What a query answers at the end; of one over time, the last value that there was."""
        found = self.series(target["expr"])
        if target.get("instant"):
            newest = self.start + (self.end - self.start) // self.step * self.step
            found = [it for it in found if it.points[-1][0] > newest - self.step / 2]
        return [Series(it.labels, it.points[-1:]) for it in found]


def size(board: Mapping[str, Any]) -> tuple[int, int]:
    """Width and height of a page, in pixels."""
    bottom = max(it["gridPos"]["y"] + it["gridPos"]["h"] for it in board["panels"])
    return 24 * COLUMN + 32, bottom * ROW + 90


def page(board: Mapping[str, Any], sight: Sight) -> str:
    """The page of one dashboard."""
    rows = "".join(
        f'<div class="row" style="{_place(it["gridPos"])}">{html.escape(it["title"])}</div>'
        for it in board["panels"]
        if it["type"] == "row"
    )
    drawn = "".join(_panel(it, board, sight) for it in panels(board))
    title, text = html.escape(board["title"]), html.escape(board["description"])
    height = size(board)[1]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f"<h1>{title}</h1><p>{text} <em>{NOT_GRAFANA}</em></p>"
        f'<div id="board" style="height:{height - 80}px">{rows}{drawn}</div></html>'
    )


def _place(at: Mapping[str, int]) -> str:
    x, y, w, h = at["x"] * COLUMN, at["y"] * ROW, at["w"] * COLUMN - GAP, at["h"] * ROW - GAP
    return f"left:{x}px;top:{y}px;width:{w}px;height:{h}px"


def _panel(panel: Mapping[str, Any], board: Mapping[str, Any], sight: Sight) -> str:
    width, height = panel["gridPos"]["w"] * COLUMN - GAP, panel["gridPos"]["h"] * ROW - GAP
    draw: Mapping[str, Callable[[], str]] = {
        "timeseries": lambda: _lines(panel, board, sight, width, height - 74),
        "stat": lambda: _figures(panel, sight),
        "table": lambda: _table(panel, sight),
        "state-timeline": lambda: _states(panel, sight, width, height - 30),
        "alertlist": lambda: _alerts(sight),
    }
    title, place = html.escape(panel["title"]), _place(panel["gridPos"])
    return f'<div class="panel" style="{place}"><div class="title">{title}</div>{draw[panel["type"]]()}</div>'


def legend(target: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """The name of a series as Grafana makes it."""
    written = target.get("legendFormat") or ""
    if not written:
        return ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), written)


def _looks(panel: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The properties of a series: the panel's, and those of the overrides that its name matches."""
    found: dict[str, Any] = {f"custom.{key}": it for key, it in panel["fieldConfig"]["defaults"]["custom"].items()}
    found["unit"] = panel["fieldConfig"]["defaults"]["unit"]
    for override in panel["fieldConfig"]["overrides"]:
        if re.search(override["matcher"]["options"].strip("/"), name):
            found |= {it["id"]: it["value"] for it in override["properties"]}
    return found


def _color(look: Mapping[str, Any], number: int) -> str:
    fixed = look.get("color", {}).get("fixedColor")
    return COLORS.get(fixed, fixed) if fixed else PALETTE[number % len(PALETTE)]


def _lines(panel: Mapping[str, Any], board: Mapping[str, Any], sight: Sight, width: int, height: int) -> str:
    found = [(legend(target, it.labels), it) for target in panel["targets"] for it in sight.series(target["expr"])]
    if not found:
        return '<div class="none">no data</div>'
    lines = []
    for number, (name, series) in enumerate(found):
        look = _looks(panel, name)
        lines.append(
            Line(
                name,
                series.points,
                _color(look, number),
                right=look.get("custom.axisPlacement") == "right",
                dashed=look.get("custom.lineStyle", {}).get("fill") == "dash",
                filled=look.get("custom.fillOpacity", 0) / 100,
                stacked=look.get("custom.stacking", {}).get("mode") == "normal",
                bars=look.get("custom.drawStyle") == "bars",
                unit=look["unit"],
            )
        )
    lines = _stacked(lines)
    right = [it for it in lines if it.right]
    left = [it for it in lines if not it.right] or lines
    box = (62, 6, width - 62 - (46 if right else 10), height - 26)
    scale = Scale.of(left, sight.start, sight.end, box)
    parts = [time_axis(scale), axis_left(scale, lambda it: shown(it, left[0].unit))]
    parts.append(marks(scale, _annotated(panel, board, sight)))
    parts += [path(it, scale) for it in left]
    if right:
        other = Scale.of(right, sight.start, sight.end, box)
        parts += [axis_right(other, lambda it: shown(it, "short")), *(path(it, other) for it in right)]
    names = "".join(f'<i style="background:{it.color}"></i>{html.escape(it.name)}' for it in lines)
    return f'<svg width="{width}" height="{height}">{"".join(parts)}</svg><div class="legend">{names}</div>'


def _stacked(lines: Sequence[Line]) -> list[Line]:
    """Each stacked line upon those before it."""
    below: dict[float, float] = {}
    found = []
    for line in lines:
        if line.stacked:
            points = [(at, value + below.get(at, 0.0)) for at, value in line.points]
            below |= dict(points)
            line = line.on(points)  # noqa: PLW2901 - the same line, higher
        found.append(line)
    return found[::-1] if any(it.stacked for it in found) else found


def _annotated(
    panel: Mapping[str, Any], board: Mapping[str, Any], sight: Sight
) -> list[tuple[str, str, list[tuple[float, float]]]]:
    """Colour, name and times of each annotation; those next to each other are one region."""
    found = []
    for it in (one for one in board["annotations"]["list"] if panel["id"] in one["filter"]["ids"]):
        for series in sight.series(it["expr"]):
            spans: list[tuple[float, float]] = []
            for at, _ in series.points:
                if spans and at - spans[-1][1] <= 2 * sight.step:
                    spans[-1] = (spans[-1][0], at)
                else:
                    spans.append((at, at))
            name = legend({"legendFormat": it["titleFormat"]}, series.labels)
            found.append((COLORS.get(it["iconColor"], it["iconColor"]), name, spans))
    return found


def _figures(panel: Mapping[str, Any], sight: Sight) -> str:
    found = [(legend(target, it.labels), it.points[-1][1]) for target in panel["targets"] for it in sight.last(target)]
    defaults = panel["fieldConfig"]["defaults"]
    if not found:
        return f'<div class="none">{html.escape(defaults.get("noValue") or "no data")}</div>'
    mode = panel["options"].get("textMode")
    by_name, named_too = mode == "name", len(found) > 1 or mode == "value_and_name"
    parts = []
    for name, value in found:
        text, color = named(value, defaults)
        small = f"<small>{html.escape(name)}</small>" if named_too and not by_name else ""
        points = 26 if len(found) < 4 and not by_name else 15
        said = html.escape(name if by_name else text)
        parts.append(f'<div style="color:{color};font-size:{points}px">{said}{small}</div>')
    return f'<div class="stat">{"".join(parts)}</div>'


def named(value: float, defaults: Mapping[str, Any]) -> tuple[str, str]:
    """How a value is called, and its colour."""
    for mapping in defaults.get("mappings") or []:
        result = mapping["options"].get(f"{value:g}")
        if result:
            return result["text"], COLORS.get(result["color"], result["color"])
    steps = defaults["thresholds"]["steps"]
    color = [it["color"] for it in steps if it.get("value") is None or value >= it["value"]][-1]
    return shown(value, defaults["unit"]), COLORS.get(color, color)


def _table(panel: Mapping[str, Any], sight: Sight) -> str:
    renamed = next(it["options"]["renameByName"] for it in panel["transformations"] if it["id"] == "organize")
    rows: list[dict[str, str]] = []
    columns: list[str] = []
    for target in panel["targets"]:
        column = renamed[f"Value #{target['refId']}"]
        look = _looks(panel, column)
        columns += [] if look.get("custom.hidden") else [column]
        for it in sight.last(target):
            cells = {**it.labels, column: shown(it.points[-1][1], look["unit"])}
            rows = _merged(rows, cells)
    labels = list(dict.fromkeys(key for row in rows for key in row if key not in renamed.values()))
    head = [*labels, *columns]
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(row.get(it, ''))}</td>" for it in head) + "</tr>" for row in rows
    )
    return f"<table><tr>{''.join(f'<th>{html.escape(it)}</th>' for it in head)}</tr>{body}</table>"


def _merged(rows: Iterable[dict[str, str]], cells: dict[str, str]) -> list[dict[str, str]]:
    """The rows with one more: into each that says the same of all that both say, as Grafana's `merge` does it."""
    found, taken = [], False
    for row in rows:
        fits = all(row[key] == value for key, value in cells.items() if key in row) and not taken
        taken |= fits
        found.append({**row, **cells} if fits else row)
    return found if taken else [*found, cells]


def _states(panel: Mapping[str, Any], sight: Sight, width: int, height: int) -> str:
    found = [(legend(target, it.labels), it) for target in panel["targets"] for it in sight.series(target["expr"])]
    if not found:
        return '<div class="none">no data</div>'
    defaults = panel["fieldConfig"]["defaults"]
    rows = [(name, [(at, *named(value, defaults)) for at, value in it.points]) for name, it in found]
    return state_rows(rows, sight.start, sight.end, sight.step, (width, height))


def _alerts(sight: Sight) -> str:
    found = sight.prometheus.alerts()
    if not found:
        return '<div class="none">no alert fires</div>'
    rows = "".join(f"<tr><td>{html.escape(name)}</td><td>{state}</td></tr>" for name, state in found)
    return f"<table>{rows}</table>"


def shown(value: float, unit: str) -> str:
    """A value in its unit, as short as Grafana writes it."""
    if math.isnan(value):
        return "no value"
    if unit == "s":
        for size_s, name in ((86400, "d"), (3600, "h"), (60, "min")):
            if abs(value) >= size_s:
                return f"{value / size_s:.3g} {name}"
        return f"{value:.3g} s" if abs(value) >= 1 or not value else f"{1000 * value:.3g} ms"
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    text = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return {"ops": f"{text}/s", "cpm": f"{text}/min", "bytes": f"{value / 2**20:.3g} MiB"}.get(unit, text)

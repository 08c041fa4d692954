"""The parts of our Grafana dashboards: panels with a unit and a description, variables and links, each said once."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from grafana_foundation_sdk.builders.dashboard import (
    CustomVariable,
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    FieldColor,
    Panel,
    QueryVariable,
    Row,
    ThresholdsConfig,
)
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard as grafana
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = grafana.DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "utilitarian"
TITLES = {
    "utilitarian-fleet": "Utilitarian / Fleet",
    "utilitarian-queue": "Utilitarian / Queue",
    "utilitarian-runs": "Utilitarian / Runs",
    "utilitarian-operator": "Utilitarian / Operator",
}
RUNBOOKS = "docs/runbooks/README.md"
"""The chart puts in its place where people read them (`metrics.prometheusRule.runbooks`)."""
OF_FLEET = 'namespace=~"$namespace", fleet=~"$fleet"'
OF_POOL = f'{OF_FLEET}, pool=~"$pool"'
POOL_NAME = "{{namespace}}/{{fleet}} {{pool}}"
FLEET_NAME = "{{namespace}}/{{fleet}}"
GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "green", "yellow", "orange", "red", "blue", "#808080"
_WIDTH = 24


@dataclass(frozen=True)
class Query:
    """What one panel asks of Prometheus.

    Args:
        expr: in PromQL, with Grafana's variables.
        legend: the name of each series; it names namespace and fleet where several can be there.
        instant: the present value alone, as tables and single figures need it.
    """

    expr: str
    legend: str = ""
    instant: bool = False


@dataclass(frozen=True)
class Look:
    """How a panel looks beside its queries.

    Args:
        width, height: in Grafana's grid of 24 columns.
        steps: colours from a value on; the first is the base.
        names: what a value is called, and its colour.
        options: of the kind of panel, as Grafana writes them.
        custom: of its fields.
        overrides: by the regular expression of a series' name, each with properties.
        transformations: of what was answered, each with its options.
        lines_of_steps: whether thresholds are drawn as lines.
        most: the largest value of the axis.
        no_value: what is shown where nothing is answered.
        links: data links, each a title and a URL.
    """

    width: int = 12
    height: int = 8
    steps: Sequence[tuple[float | None, str]] = ()
    names: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    custom: Mapping[str, Any] = field(default_factory=dict)
    overrides: Sequence[tuple[str, Mapping[str, Any]]] = ()
    transformations: Sequence[tuple[str, Mapping[str, Any]]] = ()
    most: float | None = None
    no_value: str | None = None
    links: Sequence[tuple[str, str]] = ()


LINES: Mapping[str, Any] = {
    "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
    "tooltip": {"mode": "multi", "sort": "desc"},
}
AREA: Mapping[str, Any] = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 12, "showPoints": "never"}
STEPS: Mapping[str, Any] = {**AREA, "lineInterpolation": "stepAfter"}
STATES: Mapping[str, Any] = {
    "mergeValues": True,
    "showValue": "auto",
    "rowHeight": 0.85,
    "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
    "tooltip": {"mode": "single", "sort": "none"},
}


def lines(title: str, text: str, unit: str, queries: Sequence[Query], look: Look | None = None) -> Panel:
    """Series over time."""
    look = look or Look()
    look = replace(look, options={**LINES, **look.options}, custom={**STEPS, **look.custom})
    return panel("timeseries", title, text, unit, queries, look)


def figure(title: str, text: str, unit: str, queries: Sequence[Query], look: Look | None = None) -> Panel:
    """One figure a series: the present one. What ended within the dashboard's range has none."""
    look = look or Look(4, 4)
    queries = [replace(it, instant=True) for it in queries]
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "none",
        "textMode": "auto",
        "justifyMode": "auto",
        "orientation": "auto",
        **look.options,
    }
    return panel("stat", title, text, unit, queries, replace(look, options=options))


def states(title: str, text: str, queries: Sequence[Query], look: Look) -> Panel:
    """A state over time, one row a series."""
    look = replace(look, options={**STATES, **look.options}, custom={"fillOpacity": 75, "lineWidth": 0, **look.custom})
    return panel("state-timeline", title, text, "short", queries, look)


def table(title: str, text: str, columns: Mapping[str, Query], look: Look) -> Panel:
    """A table with a column for each query, and one for each label."""
    queries = [replace(it, instant=True) for it in columns.values()]
    named = {f"Value #{ref(number)}": name for number, name in enumerate(columns)}
    order = {"Time": True}
    transformations = [
        ("merge", {}),
        ("organize", {"excludeByName": order, "renameByName": named, "indexByName": {}}),
        *look.transformations,
    ]
    options = {"showHeader": True, "cellHeight": "sm", **look.options}
    return panel(
        "table", title, text, "short", queries, replace(look, options=options, transformations=transformations)
    )


def panel(kind: str, title: str, text: str, unit: str, queries: Sequence[Query], look: Look) -> Panel:
    """A panel of any kind."""
    made = (
        Panel()
        .type(kind)
        .title(title)
        .description(text)
        .span(look.width)
        .height(look.height)
        .options(dict(look.options))
    )
    made = made.datasource(SOURCE).unit(unit).custom(dict(look.custom))
    steps = [grafana.Threshold(value, color) for value, color in look.steps or [(None, GREEN)]]
    made = made.thresholds(ThresholdsConfig().mode(grafana.ThresholdsMode.ABSOLUTE).steps(steps))
    coloured = bool(look.steps) or bool(look.names)
    mode = grafana.FieldColorModeId.THRESHOLDS if coloured else grafana.FieldColorModeId.PALETTE_CLASSIC
    made = made.color_scheme(FieldColor().mode(mode)).mappings(_mappings(look.names))
    for number, query in enumerate(queries):
        made = made.with_target(_target(query, ref(number), table=kind == "table"))
    for pattern, properties in look.overrides:
        values = [grafana.DynamicConfigValue(name, value) for name, value in properties.items()]
        made = made.override_by_regexp(pattern, values)
    for name, options in look.transformations:
        made = made.with_transformation(grafana.DataTransformerConfig(name, options=options))
    if look.most is not None:
        made = made.max(look.most)
    if unit not in {"short", "dateTimeAsIso"} or look.most is not None:
        made = made.min(0)
    if look.no_value is not None:
        made = made.no_value(look.no_value)
    return made.data_links([DashboardLink(name).url(url) for name, url in look.links]) if look.links else made


def _mappings(names: Mapping[int, tuple[str, str]]) -> list[grafana.ValueMapping]:
    results = {
        str(value): grafana.ValueMappingResult(text=text, color=color, index=number)
        for number, (value, (text, color)) in enumerate(names.items())
    }
    return [grafana.ValueMap(results)] if results else []


def _target(query: Query, ref_id: str, *, table: bool) -> Dataquery:
    made = Dataquery().expr(query.expr).legend_format(query.legend).ref_id(ref_id).datasource(SOURCE)
    made = made.instant() if query.instant else made.range()
    return made.format(PromQueryFormat.TABLE if table else PromQueryFormat.TIME_SERIES)


def ref(number: int) -> str:
    """Grafana's name of a panel's query."""
    return chr(ord("A") + number)


@dataclass(frozen=True)
class Variable:
    """A variable of a dashboard.

    Args:
        name: as queries have it.
        label: as people read it.
        query: of its values.
        many: whether several can be chosen, and all are at first.
    """

    name: str
    label: str
    query: str
    many: bool = True


NAMESPACE = Variable("namespace", "Namespace", "label_values(utilitarian_tick_age_seconds, namespace)")
FLEET = Variable("fleet", "Fleet", 'label_values(utilitarian_tick_age_seconds{namespace=~"$namespace"}, fleet)')
POOL = Variable("pool", "Pool", f"label_values(utilitarian_pool_workers{{{OF_FLEET}}}, pool)")


def variable(it: Variable) -> QueryVariable:
    """A variable whose values Prometheus knows."""
    made = QueryVariable(it.name).label(it.label).datasource(SOURCE)
    made = made.query({"query": it.query, "refId": f"variable-{it.name}"}).refresh(
        grafana.VariableRefresh.ON_TIME_RANGE_CHANGED
    )
    made = made.sort(grafana.VariableSort.ALPHABETICAL_ASC).multi(it.many).include_all(it.many)
    if not it.many:
        return made
    return made.all_value(".*").current(grafana.VariableOption(text=["All"], value=["$__all"], selected=True))


def choice(name: str, label: str, values: Sequence[str]) -> CustomVariable:
    """A variable with some values, of which the first is chosen at first."""
    options = [grafana.VariableOption(text=it, value=it, selected=it == values[0]) for it in values]
    return CustomVariable(name).label(label).values(",".join(values)).options(options).current(options[0])


Rows = Mapping[str, Sequence[Panel]]
"""Panels by the heading of their row."""


@dataclass(frozen=True)
class Board:
    """One dashboard.

    Args:
        uid: of it, for links.
        description: in a sentence.
        variables: in their order.
        rows: of panels.
        span: the time that it shows at first, as Grafana writes it.
        annotations: each on one of its panels.
        more: variables that no query fills.
    """

    uid: str
    description: str
    variables: Sequence[Variable]
    rows: Rows
    span: str = "now-6h"
    annotations: Sequence[Mapping[str, Any]] = ()
    more: Sequence[CustomVariable] = ()


def made(board: Board) -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    out = Dashboard(TITLES[board.uid]).uid(board.uid).description(board.description).tags([TAG]).refresh("30s")
    out = out.time(board.span, "now").timezone("browser").tooltip(grafana.DashboardCursorSync.CROSSHAIR).readonly()
    out = out.with_variable(DatasourceVariable("datasource").label("Data source").type("prometheus"))
    for chosen in (*map(variable, board.variables), *board.more):
        out = out.with_variable(chosen)
    for link in _links():
        out = out.link(link)
    for title, panels in board.rows.items():
        out = out.with_row(Row(title))
        for it in panels:
            out = out.with_panel(it)
    body = written(grafana.Dashboard.from_json(written(out.build())))
    for number, one in enumerate(body["panels"], 1):
        one["id"] = number
    # The library's annotations lack what Grafana's Prometheus source reads.
    named = {it["title"]: it["id"] for it in body["panels"]}
    shown_on = [{**it, "filter": {"exclude": False, "ids": [named[it["filter"]]]}} for it in board.annotations]
    body["annotations"] = {"list": shown_on}
    return body


def written(it: grafana.Dashboard) -> dict[str, Any]:
    """A dashboard as JSON.

    Read from it again by the library, a panel has all that Grafana itself writes: other programs don't read it without.
    """
    register_default_plugins()
    body: dict[str, Any] = json.loads(json.dumps(it, cls=JSONEncoder))
    return body


def annotation(name: str, color: str, query: Query, text: str, on: str) -> dict[str, Any]:
    """A mark wherever a query has a value above 0; marks next to each other are one region.

    Args:
        name: of all of them.
        color: theirs.
        query: its legend is the title of a mark.
        text: what a mark says.
        on: the title of the panel that has them.
    """
    source = {"type": "prometheus", "uid": "${datasource}"}
    said = {"titleFormat": query.legend, "textFormat": text, "useValueForTime": False, "filter": on}
    return {
        "name": name,
        "datasource": source,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "expr": query.expr,
        "step": "",
        **said,
    }


def _links() -> Iterable[DashboardLink]:
    yield _tagged("Utilitarian", TAG, ours=True)
    yield _tagged("Celery", "celery", ours=False)
    yield _tagged("RabbitMQ", "rabbitmq-prometheus", ours=False)
    runbooks = DashboardLink("Runbooks").type(grafana.DashboardLinkType.LINK).url(RUNBOOKS).icon("doc")
    yield runbooks.target_blank(target_blank=True)


def _tagged(title: str, tag: str, *, ours: bool) -> DashboardLink:
    """To all dashboards with a tag: ours side by side and with their variables, others in a list."""
    made = DashboardLink(title).type(grafana.DashboardLinkType.DASHBOARDS).tags([tag]).icon("external link")
    return made.as_dropdown(as_dropdown=not ours).include_vars(include_vars=ours).keep_time(keep_time=True)

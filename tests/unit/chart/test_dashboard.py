"""The dashboards and the alerts ask for metrics that exist, and the real Prometheus answers every query."""

import json
import math
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.models import dashboard as grafana
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from hack.observability.dashboards import files as dashboard_files
from hack.observability.panels import written
from tests.support.chart import CHART
from tests.support.dashboard import dashboard_queries, dashboards, panels
from tests.support.metrics_table import METRIC_TYPES, Metric, documented_metrics
from tests.support.ports import free_port
from tests.support.prometheus import Prometheus, promtool
from tests.support.waiting import wait_until
from tests.support.yaml_text import load

ALERTS = CHART / "files/alerts.yaml"

QUERIES = dashboard_queries()
QUERY_IDS = [f"{number}-{title}" for number, (title, _) in enumerate(QUERIES)]

# One value of each label; the states and directions are those that the metric can have.
VALUES = {
    "namespace": ["metering"],
    "fleet": ["utilitarian"],
    "pool": ["amr-hourly"],
    "queue": ["utilitarian.tasks.amr.scheduled.hourly"],
    "rule": ["demand"],
    "direction": ["up", "down"],
    "reason": [
        *("Stuck", "Starved", "RunMissed", "ForeignConsumers"),
        *("OOMKilled", "Crashed", "Evicted", "Preempted", "NodeLost"),
    ],
    "version": ["0.1.0"],
    "currency": ["EUR"],
    "kind": ["BrokerUnreachable"],
    "source": ["depths", "statistics", "workers"],
    "run": ["hourly-run"],
    "outcome": ["Done", "Late"],
    "mode": ["Auto", "Preview", "Paused"],
    "type": ["Ready", "Stalled"],
    "target": ["broker", "statistics", "remote_control", "api"],
}
STATES = {
    "utilitarian_queue_messages": ["ready", "unacked"],
    "utilitarian_pool_workers": ["wanted", "ready", "starting", "draining", "finishing", "min", "max"],
    "utilitarian_worker_seconds_total": ["busy", "idle"],
    "utilitarian_pool_tasks": ["active", "reserved", "scheduled"],
}


def rules() -> list[dict[str, Any]]:
    """The alerts, and the recording rules that they ask for."""
    found: list[dict[str, Any]] = load(ALERTS.read_text())["groups"][0]["rules"]
    return found


def rule_name(rule: dict[str, Any]) -> str:
    return str(rule.get("alert") or rule["record"])


EXPRESSIONS = [*QUERIES, *((rule_name(rule), rule["expr"]) for rule in rules())]


class Exposition:
    """Every documented metric, served as the operator serves it; `advance` moves the counters on."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._metrics = [(metric, self._made(metric)) for metric in documented_metrics()]
        started = Gauge("process_start_time_seconds", "As each process tells it", registry=self.registry)
        started.set_to_current_time()
        self.port = free_port()
        self._server, self._thread = start_http_server(self.port, addr="127.0.0.1", registry=self.registry)
        self.advance()

    def advance(self) -> None:
        for metric, made in self._metrics:
            for labels in label_sets(metric):
                child = made.labels(**labels) if labels else made
                if isinstance(made, Histogram):
                    child.observe(0.4)
                else:
                    child.inc()

    def _made(self, metric: Metric) -> Any:
        kinds: dict[str, Any] = {"gauge": Gauge, "counter": Counter, "histogram": Histogram}
        return kinds[metric.kind](metric.name, metric.name, sorted(metric.labels), registry=self.registry)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def label_sets(metric: Metric) -> list[dict[str, str]]:
    sets: list[dict[str, str]] = [{}]
    for label in sorted(metric.labels):
        values = STATES[metric.name] if label == "state" else VALUES[label]
        sets = [{**known, label: value} for known in sets for value in values]
    return sets


@pytest.fixture(scope="module")
def exposition() -> Iterator[Exposition]:
    served = Exposition()
    yield served
    served.close()


@pytest.fixture(scope="module")
def prometheus(exposition: Exposition, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    target = f"127.0.0.1:{exposition.port}"
    with Prometheus([target], folder=folder, scrape_every=timedelta(milliseconds=200)) as running:
        running.wait_scraped(times=2)
        exposition.advance()
        running.wait_scraped(times=5)
        yield running


@pytest.mark.parametrize("title, expression", QUERIES, ids=QUERY_IDS)
@pytest.mark.thorough
def test_every_query_of_the_dashboard_has_an_answer(prometheus: Prometheus, title: str, expression: str) -> None:
    def answered() -> bool:
        # NaN is what a rate of nothing answers.
        return any(not math.isnan(sample.value) for sample in prometheus.query(expression))

    wait_until(answered, within=timedelta(seconds=15), describe=lambda: (title, prometheus.query(expression)))


@pytest.mark.parametrize("rule", rules(), ids=rule_name)
@pytest.mark.thorough
def test_every_rule_can_be_asked(prometheus: Prometheus, rule: dict[str, Any]) -> None:
    assert prometheus.query(rule["expr"]) is not None


WORKLESS = {
    'utilitarian_queue_messages{namespace="m",fleet="f",pool="p",queue="q",state="ready"}': "5x5",
    'utilitarian_pool_workers{namespace="m",fleet="f",pool="p",state="ready"}': "0x5",
    'utilitarian_pool_held_tasks{namespace="m",fleet="f",pool="p"}': "0x5",
}
UNUSED = {
    'utilitarian_worker_seconds_total{namespace="m",fleet="f",pool="p",state="idle"}': "0x5",
    'utilitarian_always_on_worker_seconds_total{namespace="m",fleet="f",pool="p"}': "0x5",
}


@pytest.mark.parametrize(
    "title, series, mode, shown",
    [
        pytest.param("Waiting without a worker", WORKLESS, "Auto", 1, id="work and no worker"),
        pytest.param("Waiting without a worker", WORKLESS, "Preview", 0, id="workers run elsewhere"),
        pytest.param("Waiting without a worker", WORKLESS, "Paused", 0, id="a person keeps the numbers"),
        pytest.param("Saved", UNUSED, "Preview", None, id="saved of nothing"),
        pytest.param("Idle", UNUSED, "Auto", None, id="idle of nothing"),
    ],
)
def test_a_figure_of_the_fleet_shows_no_trouble_where_none_is(
    title: str, series: dict[str, str], mode: str, shown: int | None, tmp_path: Path
) -> None:
    expected = [] if shown is None else [{"labels": "{}", "value": shown}]
    assert of_the_fleet(title, {**series, **modes(mode)}, expected, tmp_path)


def modes(mode: str) -> dict[str, str]:
    """The series of a fleet's mode."""
    name = 'utilitarian_fleet_mode{{namespace="m",fleet="f",mode="{}"}}'
    return {name.format(it): f"{int(it == mode)}x5" for it in ("Auto", "Paused", "Preview")}


def of_the_fleet(title: str, series: dict[str, str], expected: list[dict[str, Any]], folder: Path) -> bool:
    """Whether a panel of the dashboard Fleet shows what is expected after a minute of these series."""
    ((_, expr),) = (it for it in dashboard_queries() if it[0] == f"utilitarian-fleet: {title}")
    test = {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": expr, "eval_time": "1m", "exp_samples": expected}],
    }
    (folder / "test.yaml").write_text(json.dumps({"tests": [test]}))  # JSON is YAML
    return "SUCCESS" in promtool("test", "rules", folder / "test.yaml")


@pytest.mark.parametrize(
    "workers, waiting, ailing, said",
    [
        pytest.param({}, 0, 0, "asleep", id="asleep"),
        pytest.param({"wanted": 2}, 5, 0, "waits for a worker", id="work waits"),
        pytest.param({"wanted": 2}, 0, 0, "starting", id="before a run"),
        pytest.param({"wanted": 2, "ready": 1}, 5, 0, "working", id="at work"),
        pytest.param({"draining": 1}, 0, 0, "draining", id="the last ones go"),
        pytest.param({"wanted": 1, "draining": 1}, 0, 0, "draining", id="another comes"),
        pytest.param({"wanted": 2, "ready": 2}, 0, 1, "ailing", id="ailing"),
    ],
)
def test_the_state_of_a_pool(workers: dict[str, int], waiting: int, ailing: int, said: str, tmp_path: Path) -> None:
    of_it = 'namespace="m",fleet="f",pool="p"'
    series = {
        f'utilitarian_queue_messages{{{of_it},queue="q",state="ready"}}': f"{waiting}x5",
        f"utilitarian_pool_held_tasks{{{of_it}}}": "0x5",
        f'utilitarian_pool_ailing{{{of_it},reason="Stuck"}}': f"{ailing}x5",
    } | {
        f'utilitarian_pool_workers{{{of_it},state="{it}"}}': f"{workers.get(it, 0)}x5"
        for it in ("wanted", "ready", "draining")
    }
    (panel,) = (it for it in panels(dashboards()["utilitarian-fleet"]) if it["title"] == "State of all pools")
    names = {it["text"]: float(key) for key, it in panel["fieldConfig"]["defaults"]["mappings"][0]["options"].items()}
    expected = [{"labels": f"{{{of_it}}}", "value": names[said]}]
    assert of_the_fleet("State of all pools", {**series, **modes("Auto")}, expected, tmp_path)


@pytest.mark.thorough
def test_a_wrong_query_says_what_is_wrong_with_it(prometheus: Prometheus) -> None:
    with pytest.raises(AssertionError, match="unclosed left parenthesis"):
        prometheus.query("sum(up")


@pytest.mark.parametrize("title, expression", EXPRESSIONS, ids=[f"{n}-{it[0]}" for n, it in enumerate(EXPRESSIONS)])
def test_a_query_names_only_documented_metrics_and_labels(title: str, expression: str) -> None:
    metrics = {series: metric for metric in documented_metrics() for series in metric.series()}
    asked = set(re.findall(r"utilitarian_\w+", expression))
    assert asked, f"{title}: {expression} asks for none of our metrics"
    assert asked <= set(metrics)
    for name, selector in re.findall(r"(utilitarian_\w+)\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+)=", selector)) <= metrics[name].labels, f"{title}: {expression}"


def test_every_documented_metric_is_shown_somewhere() -> None:
    shown = {name for _, expression in QUERIES for name in re.findall(r"utilitarian_\w+", expression)}
    missing = [metric.name for metric in documented_metrics() if not shown & set(metric.series())]
    assert missing == []


def test_the_table_of_metrics_can_be_read() -> None:
    metrics = documented_metrics()
    assert len(metrics) >= 15
    assert {metric.kind for metric in metrics} == set(METRIC_TYPES)
    assert all(metric.name.endswith("_total") == (metric.kind == "counter") for metric in metrics)


@pytest.mark.parametrize("path, text", dashboard_files().items(), ids=lambda it: getattr(it, "name", ""))
def test_the_files_are_what_the_code_makes(path: Path, text: str) -> None:
    assert path.read_text() == text, "run `make dashboards`"


def test_the_first_row_answers_the_three_first_questions() -> None:
    board = dashboards()["utilitarian-fleet"]
    first, *others = [panel for panel in board["panels"] if panel["type"] == "row"]
    assert first["title"] == "Is anything waiting, is anyone working, is the operator seeing"
    answers = [panel["title"] for panel in panels(board) if panel["gridPos"]["y"] < others[0]["gridPos"]["y"]]
    assert answers == [
        "Alerts",
        "Waiting",
        "Waiting without a worker",
        "Running",
        "Workers",
        "Broker",
        "Beat",
        "Operator's last look",
        "Mode",
    ]


PANELS = [(uid, panel) for uid, board in dashboards().items() for panel in panels(board)]
PANEL_IDS = [f"{uid}: {panel['title']}" for uid, panel in PANELS]


@pytest.mark.parametrize("uid, panel", PANELS, ids=PANEL_IDS)
def test_a_panel_explains_itself_and_has_a_unit_and_thresholds(uid: str, panel: dict[str, Any]) -> None:
    del uid
    defaults = panel["fieldConfig"]["defaults"]
    assert panel["description"].endswith(".")
    assert defaults["unit"]
    assert defaults["thresholds"]["steps"]


@pytest.mark.parametrize("uid, panel", PANELS, ids=PANEL_IDS)
def test_a_query_over_the_whole_range_is_asked_once_and_not_for_each_moment(uid: str, panel: dict[str, Any]) -> None:
    del uid
    whole = [target for target in panel.get("targets", []) if "$__range" in target["expr"]]
    assert all(target.get("instant") and not target.get("range") for target in whole)


@pytest.mark.parametrize("uid, panel", PANELS, ids=PANEL_IDS)
def test_a_legend_names_namespace_and_fleet_where_several_can_be_there(uid: str, panel: dict[str, Any]) -> None:
    if uid == "utilitarian-queue" or panel["type"] == "table":
        return  # of one fleet; a table has them as columns
    for target in panel.get("targets", []):
        by = re.match(r"[^(]*(?:time\(\) - )?\w+ by \(namespace, fleet", target["expr"].replace("clamp_max((", ""))
        if by and panel["title"] != "Mode":
            assert "{{namespace}}/{{fleet}}" in target["legendFormat"], target


@pytest.mark.parametrize("board", dashboards().values(), ids=lambda board: board["uid"])
def test_panels_have_all_that_grafana_itself_writes(board: dict[str, Any]) -> None:
    """Other programs that read Grafana's dashboards, such as Perses, refuse a panel that lacks a part of it."""
    assert written(grafana.Dashboard.from_json(board))["panels"] == board["panels"]


@pytest.mark.parametrize("board", dashboards().values(), ids=lambda board: board["uid"])
def test_panels_have_ids_of_their_own_and_do_not_overlap(board: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    cells = [cell for panel in board["panels"] for cell in _cells(panel["gridPos"])]
    assert len(cells) == len(set(cells))
    assert max(column for column, _ in cells) == 23


@pytest.mark.parametrize("board", dashboards().values(), ids=lambda board: board["uid"])
def test_no_data_source_is_written_into_a_dashboard(board: dict[str, Any]) -> None:
    asked = json.dumps([board["panels"], board["templating"], board["annotations"]])
    assert set(re.findall(r'"type": "prometheus", "uid": "([^"]+)"', asked)) == {"${datasource}"}
    assert [variable["name"] for variable in board["templating"]["list"]][:3] == ["datasource", "namespace", "fleet"]


@pytest.mark.parametrize("board", dashboards().values(), ids=lambda board: board["uid"])
def test_dashboards_lead_to_one_another_to_runbooks_and_to_those_that_people_have(board: dict[str, Any]) -> None:
    links = {link["title"]: link for link in board["links"]}
    assert links.keys() == {"Utilitarian", "Celery", "RabbitMQ", "Runbooks"}
    ours = links["Utilitarian"]
    assert (ours["tags"], ours["includeVars"], ours["keepTime"]) == (board["tags"], True, True)
    led_to = set(re.findall(r"/d/([\w-]+)/", json.dumps(board["panels"])))
    assert led_to <= dashboards().keys()


def _cells(at: dict[str, int]) -> list[tuple[int, int]]:
    return [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]

"""The dashboard and the alerts ask for metrics that exist, and the real Prometheus answers every query."""

import json
import math
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from tests.support.chart import CHART
from tests.support.dashboard import dashboard, dashboard_queries, panels
from tests.support.metrics_table import METRIC_TYPES, Metric, documented_alerts, documented_metrics
from tests.support.ports import free_port
from tests.support.prometheus import Prometheus, promtool
from tests.support.waiting import wait_until

ALERTS = CHART / "files/alerts.yaml"
ALERT_CASES = Path(__file__).parent / "chart_alert_cases.yaml"
ALERT_MONTH = Path(__file__).parent / "chart_alert_month.yaml"

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
    "utilitarian_pool_workers": ["wanted", "ready", "starting", "draining", "min", "max"],
    "utilitarian_worker_seconds_total": ["busy", "idle"],
    "utilitarian_pool_tasks": ["active", "reserved", "scheduled"],
}


def alert_rules() -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
    return rules


EXPRESSIONS = [*QUERIES, *((rule["alert"], rule["expr"]) for rule in alert_rules())]


class Exposition:
    """Every documented metric, served as the operator serves it; `advance` moves the counters on."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._metrics = [(metric, self._made(metric)) for metric in documented_metrics()]
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
def test_every_query_of_the_dashboard_has_an_answer(prometheus: Prometheus, title: str, expression: str) -> None:
    def answered() -> bool:
        # NaN is what a rate of nothing answers.
        return any(not math.isnan(sample.value) for sample in prometheus.query(expression))

    wait_until(answered, within=timedelta(seconds=15), describe=lambda: (title, prometheus.query(expression)))


@pytest.mark.parametrize("rule", alert_rules(), ids=lambda rule: rule["alert"])
def test_every_alert_can_be_asked(prometheus: Prometheus, rule: dict[str, Any]) -> None:
    assert prometheus.query(rule["expr"]) is not None


def test_a_wrong_query_says_what_is_wrong_with_it(prometheus: Prometheus) -> None:
    with pytest.raises(AssertionError, match="unclosed left parenthesis"):
        prometheus.query("sum(up")


@pytest.mark.parametrize("cases", [ALERT_CASES, ALERT_MONTH], ids=["cases", "an idle month"])
def test_alerts_fire_when_they_should_and_only_then(cases: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", cases)


@pytest.mark.parametrize("title, expression", EXPRESSIONS, ids=[f"{n}-{it[0]}" for n, it in enumerate(EXPRESSIONS)])
def test_a_query_names_only_documented_metrics_and_labels(title: str, expression: str) -> None:
    metrics = {series: metric for metric in documented_metrics() for series in metric.series()}
    asked = set(re.findall(r"utilitarian_\w+", expression))
    assert asked, f"{title}: {expression} asks for none of our metrics"
    assert asked <= set(metrics)
    for name, selector in re.findall(r"(utilitarian_\w+)\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+)=", selector)) <= metrics[name].labels, f"{title}: {expression}"


SHOWN_LATER = {
    "utilitarian_condition",
    "utilitarian_run_seconds",
    "utilitarian_fleet_max_workers",
    "utilitarian_pool_arrivals_per_second",
    "utilitarian_pool_completions_per_second",
    "utilitarian_pool_task_seconds",
    "utilitarian_pool_start_up_seconds",
    "utilitarian_pool_time_to_drain_seconds",
    "utilitarian_pool_drain_within_seconds",
    "utilitarian_pool_oldest_task_age_seconds",
    "utilitarian_worker_seconds_total",
    "utilitarian_always_on_worker_seconds_total",
    "utilitarian_drain_seconds",
    "utilitarian_drain_returned_tasks_total",
    "utilitarian_leader",
    "utilitarian_event_loop_lag_seconds",
    "utilitarian_request_seconds",
    "utilitarian_request_errors_total",
}
"""By the dashboards that take the place of this one."""


def test_every_documented_metric_is_shown_somewhere() -> None:
    shown = {name for _, expression in QUERIES for name in re.findall(r"utilitarian_\w+", expression)}
    missing = [metric.name for metric in documented_metrics() if not shown & set(metric.series())]
    assert set(missing) == SHOWN_LATER


def test_the_table_of_metrics_can_be_read() -> None:
    metrics = documented_metrics()
    assert len(metrics) >= 15
    assert {metric.kind for metric in metrics} == set(METRIC_TYPES)
    assert all(metric.name.endswith("_total") == (metric.kind == "counter") for metric in metrics)


def test_alerts_are_documented_with_their_severity() -> None:
    assert documented_alerts() == {rule["alert"]: rule["labels"]["severity"] for rule in alert_rules()}


def test_the_first_row_answers_the_three_first_questions() -> None:
    first, *others = [panel for panel in dashboard()["panels"] if panel["type"] == "row"]
    assert first["title"] == "Is anything waiting, is anyone working, is the operator seeing"
    answers = [panel["title"] for panel in panels(dashboard()) if panel["gridPos"]["y"] < others[0]["gridPos"]["y"]]
    assert answers == [
        "Waiting",
        "Waiting without a worker",
        "Running",
        "Workers",
        "Broker",
        "Operator's last look",
        "Beat",
    ]


@pytest.mark.parametrize("panel", panels(dashboard()), ids=lambda panel: panel["title"])
def test_a_panel_explains_itself_and_has_a_unit(panel: dict[str, Any]) -> None:
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    board = dashboard()
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    cells = [cell for panel in board["panels"] for cell in _cells(panel["gridPos"])]
    assert len(cells) == len(set(cells))
    assert max(column for column, _ in cells) == 23


def test_no_data_source_is_written_into_the_dashboard() -> None:
    sources = set(re.findall(r'"uid": "([^"]+)"', json.dumps(dashboard()["panels"])))
    assert sources == {"${datasource}"}
    assert [variable["name"] for variable in dashboard()["templating"]["list"]] == [
        "datasource",
        "namespace",
        "fleet",
        "pool",
    ]


def _cells(at: dict[str, int]) -> list[tuple[int, int]]:
    return [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]

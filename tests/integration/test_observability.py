"""Dashboards, rules and metrics against a real Prometheus that has scraped a real fleet from zero to zero.

With PICTURES=FOLDER the dashboards are drawn into it, too: `make test-observability` does so.
"""

import math
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.chart import CHART
from tests.support.controlplane import ControlPlane
from tests.support.dashboard import Variables, dashboards, panels, raw_queries
from tests.support.dashboard_page import Sight, page, size
from tests.support.fleet import Fleet
from tests.support.installation import CLEANUP, DEFAULT, DEFAULTS, QUICK, Installation
from tests.support.metrics_table import documented_metrics
from tests.support.operator import in_process
from tests.support.ports import LOOPBACK
from tests.support.process_node import ProcessNode
from tests.support.prometheus import Prometheus, Series
from tests.support.rabbitmq import RabbitMQ
from utilitarian import routing
from utilitarian_operator.api.price import Price
from utilitarian_operator.core.spec.by_hand import RUN_NOW, run_written

RULES = CHART / "files/alerts.yaml"
HOURLY = routing.period_queue("hourly")
RUN = {"name": "yearly", "start": "0 0 1 1 *", "finishWithin": "5m", "workers": 1}
"""It is opened by hand: a schedule knows minutes, and would let the test wait for the next one."""
FEW = {**DEFAULTS, "scaling": {**QUICK, "max": 3}}
"""Workers: each start takes seconds of a processor."""
LONGER = timedelta(seconds=90)
POOLS: list[dict[str, Any]] = [
    {"name": "work", "queues": [DEFAULT]},
    {"name": "cleanup", "queues": [CLEANUP]},
    {"name": "runs", "queues": [HOURLY], "schedule": [RUN]},
]
NOTHING_TO_SHOW = {
    "utilitarian_pool_slot_cpu_cores": "there is no metrics.k8s.io here",
    "utilitarian_pool_worker_memory_peak_bytes": "there is no metrics.k8s.io here",
    "utilitarian_pool_due_timestamp_seconds": "no pool lets its tasks wait",
}
"""Metrics that this run can't have, and why."""

NOTHING_WRONG = re.compile(r"utilitarian_pool_ailing\{[^}]*\}\) > 0$")
"""A query for what is wrong alone."""

BOUNDS: Mapping[str, tuple[float, float]] = {
    "s": (-120, 3600),
    "workers": (0, 40),
    "percentunit": (-1, 1),
    "ops": (0, 1000),
    "cpm": (0, 100_000),
    "bytes": (0, 2**40),
    "short": (0, 100_000),
}
"""What a figure of this run can be in each unit: a wrong one is off by a factor of 60 or more."""


@dataclass(frozen=True)
class Played:
    """A run that is over, as Prometheus has it."""

    prometheus: Prometheus
    start: float
    end: float
    namespace: str
    answers: dict[str, list[Series]] = field(default_factory=dict)

    def sight(self, pool: str = ".*") -> Sight:
        whole = f"{math.ceil(self.end - self.start)}s"
        variables = Variables(namespace=self.namespace, pool=pool, window="15s", whole=whole, before="5s")
        return Sight(self.prometheus, self.start, self.end, variables, answers=self.answers)


@pytest.fixture(scope="module")
def played(
    controlplane: ControlPlane, rabbitmq: RabbitMQ, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Played]:
    """A fleet that was asleep, woke, worked, had a run and went back to zero."""
    folder = tmp_path_factory.mktemp("played")
    with (
        controlplane.namespace() as namespace,
        rabbitmq.vhost() as vhost,
        ProcessNode(controlplane, namespace, folder / "node") as node,
        in_process(controlplane, namespace, price=Price(worker=0.05, currency="EUR")) as operator,
        Prometheus([f"{LOOPBACK}:{operator.metrics_port}"], folder=folder / "prometheus", rules=RULES) as prometheus,
    ):
        installation = Installation(Fleet(controlplane, namespace), rabbitmq, vhost, node, folder / "ledger")
        start = _play(installation, prometheus)
        prometheus.wait_scraped(times=3)
        yield Played(prometheus, start, time.time(), namespace)


def _play(it: Installation, prometheus: Prometheus) -> float:
    """Returns since when the fleet was seen at rest, Unix seconds."""
    fleet, names = it.fleet, [pool["name"] for pool in POOLS]
    it.declare()
    broker = it.with_statistics(it.rabbitmq.prometheus_url)
    it.create(pools=POOLS, defaults=FEW, broker=broker, beat={"storage": {"size": "10Mi"}}, maxWorkers=6)
    it.wait(lambda: fleet.condition("BeatReady")[0] == "True")
    # `rate` sees what comes after a counter's first scrape.
    it.wait(lambda: len(prometheus.query("count_over_time(utilitarian_wake_seconds_count[1m]) > 3")) == len(POOLS))
    at_rest = time.time() - 3
    sent = it.send(DEFAULT, 60, 1)
    sent += it.send(CLEANUP, 6, 0.2)
    fleet.annotate({f"{RUN_NOW}runs": run_written("yearly", datetime.now(UTC))})
    it.wait(lambda: fleet.pool("runs").get("run"))
    sent += it.send(HOURLY, 24, 0.5)
    it.wait(lambda: len(it.ledger.read().ids("end")) == len(sent))
    it.wait(lambda: fleet.pool("runs").get("history"))
    it.wait(lambda: [fleet.replicas(name) for name in names] == [0, 0, 0], LONGER)
    return at_rest


def test_every_query_of_every_dashboard_shows_the_run(played: Played) -> None:
    sight, silent = played.sight(), []
    for uid, board in dashboards().items():
        for what, query in raw_queries(board):
            found = [value for it in sight.series(query) for _, value in it.points if not math.isnan(value)]
            if not found and not NOTHING_WRONG.search(query) and not any(it in query for it in NOTHING_TO_SHOW):
                silent.append((uid, what, sight.variables.filled_in(query)))
    assert silent == []


def test_every_panel_has_the_unit_that_it_claims(played: Played) -> None:
    sight, wrong = played.sight(), []
    for uid, board in dashboards().items():
        for panel in panels(board):
            low, high = BOUNDS[panel["fieldConfig"]["defaults"]["unit"]]
            for target in panel.get("targets", []):
                values = [value for it in sight.series(target["expr"]) for _, value in it.points]
                off = [it for it in values if math.isfinite(it) and not low <= it <= high]
                wrong += [(uid, panel["title"], off[:3])] if off else []
    assert wrong == []


def test_what_is_exported_is_what_is_documented_with_the_same_labels(played: Played) -> None:
    documented = {name: it for it in documented_metrics() for name in it.series()}
    exported: dict[str, set[str]] = {}
    for series in played.prometheus.all_series("utilitarian_.+", played.start, played.end):
        labels = series.keys() - {"__name__", "instance", "job", "le"}
        exported.setdefault(series["__name__"], set()).update(labels)
    recorded = {rule["record"] for group in _groups() for rule in group["rules"] if "record" in rule}
    assert exported.keys() - recorded - documented.keys() == set()
    assert documented.keys() - exported.keys() == set(NOTHING_TO_SHOW)
    assert {name: it for name, it in exported.items() if name in documented and it != documented[name].labels} == {}


def test_no_alert_fires_and_every_rule_can_be_asked(played: Played) -> None:
    for group in _groups():
        for rule in group["rules"]:
            assert played.prometheus.query(rule["expr"]) is not None
    assert [name for name, state in played.prometheus.alerts() if state == "firing"] == []
    assert {it["health"] for it in played.prometheus.rules()} == {"ok"}


@pytest.mark.parametrize("uid", dashboards())
def test_a_dashboard_can_be_drawn(played: Played, uid: str, tmp_path: Path) -> None:
    board = dashboards()[uid]
    drawn = page(board, played.sight("work" if uid == "utilitarian-queue" else ".*"))
    titles = [panel["title"] for panel in panels(board)]
    assert [title for title in titles if f">{title.replace(chr(39), '&#x27;')}<" not in drawn] == []
    assert drawn.count("<svg") >= 3
    assert drawn.count(">no data<") <= 0.2 * len(titles)
    pictures = os.environ.get("PICTURES")
    if pictures:
        _photograph(drawn, size(board), tmp_path / f"{uid}.html", Path(pictures).resolve() / f"{uid}.png")


def test_each_pool_has_one_row_in_the_table_of_pools(played: Played) -> None:
    drawn = page(dashboards()["utilitarian-fleet"], played.sight())
    rows = re.findall(r"<tr><td>fleet</td><td>[^<]*</td><td>([^<]*)</td>", drawn)
    assert sorted(rows) == sorted(pool["name"] for pool in POOLS)


def _photograph(drawn: str, pixels: tuple[int, int], source: Path, into: Path) -> None:
    """What Chromium shows of a page."""
    source.write_text(drawn)
    into.parent.mkdir(parents=True, exist_ok=True)
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--screenshot={into}"]
    command = ["chromium", *options, f"--window-size={pixels[0]},{pixels[1]}", source.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)  # noqa: S603 - a program of this machine
    assert into.read_bytes().startswith(b"\x89PNG")


def _groups() -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
    return groups

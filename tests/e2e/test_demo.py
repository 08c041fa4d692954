"""The demonstration's own scenario, on a real cluster with real worker pods, seen by a real Prometheus."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from demo.bed import Bed
from demo.cluster import EVENTS
from demo.report import PROMISE, Report, scale_ups, wording
from demo.scenario import Scenario, quickstart
from demo.snapshot import Snapshot
from tests.support.bed import operator_metrics, recording_operator
from tests.support.dashboard import Variables, dashboard_queries
from tests.support.modelled import Run, modelled, observed
from tests.support.pace import paced
from tests.support.prometheus import Prometheus, Series
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.validation.resource_rules import accept
from utilitarian_operator.core.sizing.decision_record import Look
from utilitarian_operator.simulation.replay import disagreements, looks

pytestmark = pytest.mark.timeout(1800)  # the first test of a run waits for the cluster to be made

FOUR = {"amr", "amr-on-demand", "commits", "external"}
EACH_S = 5.0
# The quickstart names no statistics, no schedule and no maxWorkers, no price is set, its cluster has no metrics.k8s.io,
# and nothing goes wrong in it; tests/integration/test_observability.py asks these too.
NOTHING_TO_TELL = (
    'state="unacked"',
    "utilitarian_run_",
    "utilitarian_runs_",
    "utilitarian_queue_last_message_",
    "utilitarian_pool_arrivals_per_second",
    "utilitarian_fleet_max_workers",
    "utilitarian_worker_losses",
    "utilitarian_pool_ailing",
    "utilitarian_queue_foreign_consumers",
    "utilitarian_pool_slot_cpu_cores",
    "_worker_cost_total",
    "utilitarian_pool_worker_memory_peak_bytes",
)


@dataclass(frozen=True)
class Demonstration:
    """What was seen of one: report, history, each query of the dashboards with its answer, the operator's looks."""

    report: Report
    history: list[Snapshot]
    dashboards: list[tuple[str, str, list[Series]]]
    looks: list[Look]
    run: Run
    slowness: float

    def __str__(self) -> str:
        return "\n".join(wording(self.report))


@pytest.fixture(scope="module")
def demonstration(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    folder = tmp_path_factory.mktemp("demonstration")
    scenario = Scenario(bed, "e2e-demo", phase=print)
    try:
        with (
            recording_operator(bed) as log,
            operator_metrics(bed, folder) as (target, path),
            Prometheus([target], folder=folder, path=path) as prometheus,
        ):
            prometheus.wait_scraped()
            began = time.time()
            with paced() as pace:
                report = scenario.run()
            queries = dashboard_queries(Variables(namespace="e2e-demo", window="5m", whole="5m"))
            answers = [(title, it, prometheus.range(it, began, time.time(), EACH_S)) for title, it in queries]
            seen = list(looks(log(), f"e2e-demo/{scenario.watcher.name}"))
        run = Run(tuple(scenario.sent), scenario.watcher.ledger, scale_ups(scenario.cluster.items(EVENTS)))
        yield Demonstration(report, scenario.watcher.history, answers, seen, run, pace.worst)
    finally:
        scenario.clean_up()


def test_every_task_finishes_exactly_once(demonstration: Demonstration) -> None:
    assert demonstration.report.summary.each_finished_once, str(demonstration)
    assert len(demonstration.report.summary.sent) == 400


def test_the_fleet_goes_to_many_workers_and_back_to_zero(demonstration: Demonstration) -> None:
    most = {pool.name: pool.most for pool in demonstration.report.pools}
    assert all(most[pool] > 1 for pool in FOUR), str(demonstration)
    assert demonstration.history[-1].asleep, str(demonstration.history[-1])
    assert {pool.pods for pool in demonstration.history[-1].pools} == {0}


def test_each_pool_is_asked_for_workers_soon_after_its_first_message(demonstration: Demonstration) -> None:
    waits = {pool.name: pool.to_scale for pool in demonstration.report.pools if pool.sent}
    assert set(waits) == FOUR
    assert all(wait is not None and wait < PROMISE * demonstration.slowness for wait in waits.values()), str(
        demonstration
    )


def test_the_engine_decides_again_what_the_operator_decided(demonstration: Demonstration) -> None:
    fleet = effective_fleet(accept(quickstart()).spec)
    assert len(demonstration.looks) > 30
    assert disagreements(fleet, demonstration.looks) == []


def test_the_simulator_knows_what_the_workers_cost(demonstration: Demonstration) -> None:
    fleet = effective_fleet(accept(quickstart()).spec)
    real = observed(demonstration.run, demonstration.looks, FOUR)
    model = modelled(fleet, demonstration.run, demonstration.looks, FOUR)
    # The model's workers take as long to go as on a machine at rest.
    near = 0.1 * demonstration.slowness
    assert sum(model.values()) == pytest.approx(sum(real.values()), rel=near), (real, model)


def test_beat_sends_its_tasks_and_they_are_done(demonstration: Demonstration) -> None:
    assert demonstration.history[-1].beat_ready
    assert demonstration.report.beat_tasks > 0, str(demonstration)


def test_every_query_of_the_dashboards_has_an_answer(demonstration: Demonstration) -> None:
    silent = [
        f"{title}: {query}"
        for title, query, answer in demonstration.dashboards
        if not answer and not any(part in query for part in NOTHING_TO_TELL)
    ]
    assert len(demonstration.dashboards) > 100
    assert not silent, "\n".join(silent)

"""The metrics of the runs: there while a run is open, gone when it is over, each outcome counted once; and of beat."""

from dataclasses import replace
from datetime import timedelta

from prometheus_client import CollectorRegistry

from tests.support.pools import NOW, fleet
from utilitarian_operator.core.forecast.completion import Cause, Forecast, Risk
from utilitarian_operator.core.forecast.news import Watched
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Missing, Present
from utilitarian_operator.core.sizing.runs.run_state import OpenRun, Outcome, PastRun
from utilitarian_operator.metrics.runs import RunMetrics
from utilitarian_operator.metrics.series import Board

KEY = ("ns", "fleet")
FLEET = fleet({"name": "pool", "schedule": [{"name": "run", "start": "0 12 * * *"}]})
IT = Forecast(OpenRun("run", NOW), NOW + timedelta(hours=1), 9, NOW + timedelta(minutes=5), timedelta(minutes=1))
LABELS = {"namespace": "ns", "fleet": "fleet", "pool": "pool", "run": "run"}


def served(registry: CollectorRegistry) -> dict[str, float]:
    """What is served of the run, without the names' beginning."""
    samples = [sample for metric in registry.collect() for sample in metric.samples]
    found = {s.name: s.value for s in samples if s.labels == LABELS}
    return {name.removeprefix("utilitarian_run_"): value for name, value in found.items()}


def test_an_open_run_has_figures_and_one_that_is_over_has_none() -> None:
    registry = CollectorRegistry()
    metrics = RunMetrics(registry, Board(registry))
    metrics.watched(KEY, FLEET, Watched(forecasts={"pool": (IT,)}))
    assert served(registry) == {
        "remaining_tasks": 9,
        "eta_timestamp_seconds": NOW.timestamp() + 300,
        "deadline_timestamp_seconds": NOW.timestamp() + 3600,
        "at_risk": 0,
        "missed": 0,
    }
    worse = replace(IT, eta=None, risk=Risk(Cause.OVERDUE, "x"), run=replace(IT.run, missed=True))
    metrics.watched(KEY, FLEET, Watched(forecasts={"pool": (worse,)}))
    shown = served(registry)
    assert (shown["at_risk"], shown["missed"]) == (1, 1)
    assert "eta_timestamp_seconds" not in shown
    metrics.watched(KEY, FLEET, Watched())
    assert served(registry) == {}


def test_when_something_last_came_is_shown_as_long_as_a_schedule_feeds_the_queue() -> None:
    registry = CollectorRegistry()
    metrics = RunMetrics(registry, Board(registry))
    labels = {"namespace": "ns", "fleet": "fleet", "pool": "pool", "queue": "q"}
    snapshot = FleetSnapshot(NOW, {"pool": PoolSnapshot({"q": Present(0, 0), "other": Missing()}, 0)})
    shown = []
    for at in (None, NOW, NOW + timedelta(hours=1), None):
        metrics.came(KEY, replace(snapshot, last_messages={} if at is None else {"q": at}))
        shown.append(registry.get_sample_value("utilitarian_queue_last_message_timestamp_seconds", labels))
    assert shown == [None, NOW.timestamp(), NOW.timestamp() + 3600, None]


def test_outcomes_are_counted_from_nothing_and_go_with_the_fleet() -> None:
    registry = CollectorRegistry()
    metrics = RunMetrics(registry, Board(registry))
    past = PastRun("run", NOW, NOW, None, Outcome.LATE)
    counts = []
    for watched in (Watched(), Watched(ended=(("pool", past),)), Watched()):
        metrics.watched(KEY, FLEET, watched)
        counts.append(
            [registry.get_sample_value("utilitarian_runs_total", LABELS | {"outcome": o}) for o in ("Late", "Done")]
        )
    assert counts == [[0, 0], [1, 0], [1, 0]]
    metrics.forget(KEY)
    assert not [sample for metric in registry.collect() for sample in metric.samples]

"""docs/metrics.md and the operator agree: the dashboard and the alerts are checked against the former."""

import time
from typing import Any

from prometheus_client import CollectorRegistry

from tests.support.metrics_table import Metric, documented_metrics
from utilitarian_operator.metrics.fleet import Metrics


def registered_metrics() -> set[Metric]:
    registry = CollectorRegistry()
    Metrics(registry, time.monotonic)
    return {_as_documented(collector) for collector in registry._collector_to_names}


def _as_documented(collector: Any) -> Metric:
    name, kind, labels = collector._name, collector._type, collector._labelnames
    if kind == "info":
        # What an Info says becomes the labels of a gauge that is always 1.
        return Metric(f"{name}_info", "gauge", frozenset(collector._value))
    return Metric(f"{name}_total" if kind == "counter" else name, kind, frozenset(labels))


def test_the_table_is_what_the_operator_serves() -> None:
    assert registered_metrics() == set(documented_metrics())

"""The series of metrics: found again without making their labels anew, and removed when they are no longer set.

A look at a fleet sets two dozen series of each pool, and the library takes longer to find one than to set it.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

Metric = TypeVar("Metric", Gauge, Counter, Histogram)

FleetLabels = tuple[str, str]
"""Namespace and name."""


class Series(Generic[Metric]):
    """What one metric has shown, by the values of its labels.

    Args:
        metric: with labels, whose series are made and removed here alone.
    """

    def __init__(self, metric: Metric) -> None:
        self._metric: Metric = metric
        self._shown: dict[tuple[str, ...], Metric] = {}

    def labels(self, *values: str) -> Metric:
        """The series with these values, shown from now on."""
        found = self._shown.get(values)
        if found is None:
            found = self._shown[values] = self._metric.labels(*values)
        return found

    def remove(self, *values: str) -> None:
        """Show one no more; nothing where it was not shown."""
        if self._shown.pop(values, None) is not None:
            self._metric.remove(*values)

    def forget(self, *first: str) -> None:
        """Show none any more whose first labels have these values."""
        for values in [it for it in self._shown if it[: len(first)] == first]:
            self.remove(*values)


def gauge_of(registry: CollectorRegistry, name: str, text: str, labels: tuple[str, ...]) -> Series[Gauge]:
    """A gauge of the operator, registered."""
    return Series(Gauge(f"utilitarian_{name}", text, labels, registry=registry))


def counter_of(registry: CollectorRegistry, name: str, text: str, labels: tuple[str, ...]) -> Series[Counter]:
    """A counter of the operator, registered; `_total` is added to its name."""
    return Series(Counter(f"utilitarian_{name}", text, labels, registry=registry))


def histogram_of(
    registry: CollectorRegistry, name: str, text: str, labels: tuple[str, ...], buckets: tuple[float, ...]
) -> Series[Histogram]:
    """A histogram of the operator, registered."""
    return Series(Histogram(f"utilitarian_{name}", text, labels, registry=registry, buckets=buckets))


Figures = Mapping[tuple[Series[Gauge], tuple[str, ...]], float | None]
"""What gauges tell, by metric and labels; None where a figure is not known: it is not shown."""


class Board:
    """The gauges of all fleets: each part of a fleet shows what it said last, and nothing that it said before."""

    def __init__(self) -> None:
        self._told: dict[FleetLabels, dict[str, Figures]] = defaultdict(dict)

    def show(self, fleet: FleetLabels, part: str, figures: Figures) -> None:
        """Show what a part tells now, and nothing else of it any more.

        Args:
            fleet: whose part it is.
            part: whose figures no other part tells.
            figures: all of it.
        """
        before = self._told[fleet].get(part, {})
        for key, value in figures.items():
            if value is not None and before.get(key) != value:
                series, labels = key
                series.labels(*labels).set(value)
        for key, value in before.items():
            if value is not None and figures.get(key) is None:
                series, labels = key
                series.remove(*labels)
        self._told[fleet][part] = figures

    def keep_only(self, fleet: FleetLabels, parts: Collection[str]) -> None:
        """Show nothing of a fleet's other parts any more."""
        for part in self._told[fleet].keys() - parts:
            self.show(fleet, part, {})
            del self._told[fleet][part]

    def forget(self, fleet: FleetLabels) -> None:
        """Show nothing of a fleet any more."""
        self.keep_only(fleet, ())
        del self._told[fleet]

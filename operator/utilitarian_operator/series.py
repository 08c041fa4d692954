"""The series of one metric, found again without making their labels anew; it knows no figure.

A look at a fleet sets two dozen series of each pool, and the library takes longer to find one than to set it.
"""

from typing import Generic, TypeVar

from prometheus_client import Counter, Gauge, Histogram

Metric = TypeVar("Metric", Gauge, Counter, Histogram)


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

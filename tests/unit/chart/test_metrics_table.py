"""docs/metrics.md is made from the metrics that the operator registers; the dashboards and alerts are checked by it."""

from hack.observability import metrics_table
from tests.support.metrics_table import Metric, documented_metrics


def test_the_page_is_what_the_code_says() -> None:
    assert metrics_table.PAGE.read_text() == metrics_table.page(), "run `make dashboards`"


def test_the_table_is_read_as_it_was_written() -> None:
    served = [metrics_table.described(it) for it in metrics_table.registered()]
    assert [Metric(name, kind, frozenset(labels)) for name, kind, labels, _ in served] == list(documented_metrics())

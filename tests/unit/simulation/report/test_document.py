"""The report as JSON: figures are rounded, and a cost stands there only with a price."""

from utilitarian_operator.simulation.report.document import waits
from utilitarian_operator.simulation.report.measure import Waits


def test_waits_have_their_unit_in_their_names() -> None:
    assert waits(Waits(tasks=4, p50=0.12345, p95=1, p99=2, longest=3)) == {
        "wait_p50_s": 0.123,
        "wait_p95_s": 1,
        "wait_p99_s": 2,
        "wait_max_s": 3,
    }

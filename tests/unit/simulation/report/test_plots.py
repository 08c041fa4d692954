from datetime import UTC, datetime

import pytest

from utilitarian_operator.simulation.report.plots import ticks

BEGINS = datetime(2026, 1, 30, tzinfo=UTC)
DAY = 86_400.0


@pytest.mark.parametrize(
    "days, labels",
    [
        pytest.param(0.25, ["Jan 30 00:00", "Jan 30 01:00"], id="hours"),
        pytest.param(2, ["Jan 30 00:00", "Jan 30 06:00"], id="parts of a day"),
        pytest.param(3, ["Jan 30 00:00", "Jan 30 12:00"], id="half days"),
        pytest.param(31, ["Jan 30", "Feb 04"], id="days"),
        pytest.param(400, ["Jan 30", "Apr 30"], id="more than a year"),
    ],
)
def test_the_axis_has_a_few_dates_with_hours_where_they_matter(days: float, labels: list[str]) -> None:
    found = list(ticks(BEGINS, days * DAY))
    assert [label for _, label in found[:2]] == labels
    assert 4 <= len(found) <= 9
    assert all(seconds <= days * DAY for seconds, _ in found)

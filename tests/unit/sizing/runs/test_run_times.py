"""How long a run waits for its messages, and how late the first of them may be."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.pools import pool
from tests.support.run_looks import NOW
from utilitarian_operator.core.sizing.runs.run_times import tolerance, window

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
MONTHLY, DAILY, EACH_MINUTE = "0 12 1 * *", "0 12 * * *", "* * * * *"


@pytest.mark.parametrize(
    "start, more, late, waits",
    [
        pytest.param(MONTHLY, {}, 15 * MINUTE, 24 * HOUR, id="a month without a deadline: a day"),
        pytest.param(DAILY, {}, 15 * MINUTE, 12 * HOUR, id="a day without a deadline: half of it"),
        pytest.param(EACH_MINUTE, {}, MINUTE / 4, MINUTE / 2, id="a minute: a quarter, and half"),
        pytest.param(DAILY, {"finishWithin": "2h"}, 15 * MINUTE, 2 * HOUR, id="until its deadline"),
        pytest.param(DAILY, {"finishWithin": "10m"}, 5 * MINUTE, 10 * MINUTE, id="while half of its time is left"),
        pytest.param(
            DAILY, {"until": "Duration", "duration": "3h"}, 15 * MINUTE, 3 * HOUR, id="for as long as it was asked for"
        ),
    ],
)
def test_how_late_a_message_may_be(start: str, more: dict[str, Any], late: timedelta, waits: timedelta) -> None:
    (schedule,) = pool(schedule=[{"name": "run", "start": start, **more}]).schedule
    begins = NOW.replace(month=3, day=1, hour=12, minute=0)
    assert (tolerance(schedule, begins), window(schedule, begins)) == (late, waits)

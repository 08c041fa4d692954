from datetime import timedelta

from tests.support.pools import NOW, fleet
from utilitarian_operator.core.forecast.next_starts import upcoming

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
RUN = {"name": "run", "start": "0 12 * * *", "workers": 2, "finishWithin": "2h"}
HOURLY = {"name": "hourly", "start": "0 * * * *"}


def test_a_clock_that_was_put_back_names_the_run_that_is_next() -> None:
    asked = fleet({"name": "pool", "schedule": [RUN, HOURLY]}, {"name": "other"})
    assert upcoming(asked, NOW + 35 * 24 * HOUR) == {"pool": NOW + 35 * 24 * HOUR + HOUR}
    assert upcoming(asked, NOW + MINUTE) == {"pool": NOW + HOUR}

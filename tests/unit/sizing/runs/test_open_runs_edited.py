"""A schedule that is edited in each phase of a run: what was prepared by the old one, and what the new one begins."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.pools import NOW, pool
from tests.support.run_looks import HOUR, MINUTE, RUN, SECOND, Looks, missed
from utilitarian_operator.core.sizing.runs.run_state import Outcome

PREPARED = RUN | {"warmUp": "2h"}


def edited(looks: Looks, **fields: Any) -> Looks:
    """The same looks at a pool whose schedule is another from now on."""
    before = looks.pool.schedule[0]
    hold = looks.pool.scaling.outside_runs
    looks.pool = pool(schedule=[PREPARED | {"start": before.start} | fields], outsideRuns=hold)
    return looks


@pytest.mark.parametrize(
    "fields, start",
    [
        pytest.param({"start": "0 16 * * *"}, NOW + 4 * HOUR, id="later"),
        pytest.param({"start": "30 11 * * *"}, NOW - 30 * MINUTE, id="earlier"),
        pytest.param({"timeZone": "Europe/Stockholm"}, NOW - HOUR, id="in-another-zone"),
        pytest.param({"start": "30 12 * * *", "warmUp": "1m"}, NOW + 30 * MINUTE, id="later-with-a-shorter-warm-up"),
    ],
)
def test_a_run_that_was_prepared_begins_when_the_new_schedule_says(fields: dict[str, Any], start: datetime) -> None:
    looks = Looks(PREPARED, start=NOW - 25 * HOUR, outsideRuns="Hold").until(NOW - 23 * HOUR, work=40, every=MINUTE)
    looks.until(NOW - 90 * MINUTE, every=MINUTE)
    assert (looks.open, looks.workers) == ([("run", NOW)], 2)
    edited(looks, **fields).until(NOW - 89 * MINUTE)
    assert ("run", NOW) not in looks.open
    assert looks.until(start, every=MINUTE).open == [("run", start)]
    looks.until(start + MINUTE, work=40)
    assert looks.workers > 0
    looks.until(start + 15 * MINUTE)
    assert looks.past[0] == ("run", Outcome.DONE)
    assert looks.memory.history[0].start == start
    assert ("run", Outcome.MISSED) not in looks.past


@pytest.mark.parametrize("late", [SECOND, 10 * MINUTE], ids=["just-after", "later"])
@pytest.mark.parametrize("warm_up", ["0s", "2m"])
def test_a_run_that_had_begun_when_its_schedule_was_edited_is_open_and_not_missed(
    late: timedelta, warm_up: str
) -> None:
    looks = Looks(RUN | {"start": "0 2 * * *"}, start=NOW - 11 * HOUR).until(NOW - 9 * HOUR, work=40, every=MINUTE)
    looks.until(NOW + late, every=MINUTE)
    edited(looks, start="0 12 * * *", warmUp=warm_up).until(NOW + late + MINUTE)
    assert looks.open == [("run", NOW)]
    assert missed(looks.until(NOW + HOUR)) == [False]
    assert missed(looks.until(NOW + 25 * HOUR, every=MINUTE)) == [True]  # the next one, whose start was seen


@pytest.mark.parametrize("warm_up", ["0s", "2m"])
def test_of_a_schedule_that_is_no_more_nothing_is_kept(warm_up: str) -> None:
    looks = Looks(RUN | {"name": "of-0"}, start=NOW - HOUR)
    for number in range(5):
        looks.pool = pool(schedule=[RUN | {"name": f"of-{number}", "warmUp": warm_up}])
        looks.until(looks.now + 24 * HOUR, every=5 * MINUTE)
        assert [name for name, _ in looks.memory.opened] == [f"of-{number}"]
    looks.pool = pool()
    assert looks.until(looks.now + MINUTE).memory.opened == ()

import os
from datetime import UTC, datetime

import pytest

from tests.adversary.day import BEGINS, WORKERS, Day, played
from tests.adversary.growth import Held, grown
from tests.adversary.plan import FAMILIES

EVENING = datetime(2026, 3, 28, 22, 55, tzinfo=UTC)
"""Five minutes before midnight where the fleet's runs are meant."""


def test_a_run_of_the_night_finds_its_workers_after_midnight() -> None:
    world = played(21, 0.25, 0, (), EVENING)
    assert world.found == []
    assert world.opened == {"midnight": WORKERS}
    assert [it for it in world.events if it[1] == "RunMissed"] == []


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed, faults", [(21, 0), (22, 60)])
def test_a_day_with_its_night_leaves_nothing_behind(seed: int, faults: int) -> None:
    families = os.environ.get("FAMILIES", ",".join(FAMILIES)).split(",")
    world = played(seed, float(os.environ.get("HOURS", "24")), faults, families)
    assert (world.found, grown(world.samples)) == ([], [])
    if not faults:
        assert all(it >= WORKERS for it in world.opened.values()), world.opened
        assert [it for it in world.events if it[1] == "RunMissed"] == []


HOUR, MINUTE = 3600.0, 60.0


@pytest.mark.parametrize(
    "begins, midnight, morning",
    [
        pytest.param(BEGINS[0], 17 * HOUR, 19 * HOUR, id="an hour is left out"),
        pytest.param(BEGINS[1], 16 * HOUR, 20 * HOUR, id="an hour comes twice"),
        pytest.param(BEGINS[2], 17 * HOUR, 20 * HOUR, id="a year ends"),
    ],
)
def test_the_runs_of_a_night_are_due_by_its_own_clock(begins: datetime, midnight: float, morning: float) -> None:
    world = Day(20, (), 24.0, begins=begins)
    assert dict(world.nights()) == {"midnight": midnight + 2 * MINUTE, "morning": morning + 10 * MINUTE}
    world.loop.close()


@pytest.mark.parametrize(
    "objects, found",
    [
        pytest.param([1, 5, 9, 5, 6, 5, 9, 5], 0, id="it comes and goes"),
        pytest.param([1, 5, 9, 5, 9, 9, 9, 9], 1, id="it stays"),
        pytest.param([1, 5], 0, id="too short to be known"),
    ],
)
def test_what_stays_held_at_the_end_is_found(objects: list[int], found: int) -> None:
    samples = [Held(at * HOUR, it, 1, 1, 1) for at, it in enumerate(objects)]
    assert len(grown(samples)) == found

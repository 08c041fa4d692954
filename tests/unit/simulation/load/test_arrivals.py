from pathlib import Path
from statistics import median, quantiles
from typing import Any

import pytest

from tests.support.pools import fleet
from tests.support.simulated import load, stage
from utilitarian_operator.simulation.load.arrivals import cron_times
from utilitarian_operator.simulation.play import scene

HOUR, DAY = 3600, 86400


def tasks(queue: dict[str, Any], *, seed: int = 1, days: float = 1, **more: Any) -> Any:
    return stage({"work": queue}, seed=seed, days=days, **more).tasks["pool"]


def test_the_same_seed_brings_the_same_tasks_and_another_seed_others() -> None:
    queue = {"arrivals": [{"poisson": "60/h"}]}
    one, same, other = (tasks(queue, seed=seed) for seed in (1, 1, 2))
    assert (one.at, one.seconds) == (same.at, same.seconds)
    assert one.at != other.at
    assert one.seconds[:50] != other.seconds[:50]


def test_a_queue_draws_the_same_whatever_comes_to_others() -> None:
    work = {"arrivals": [{"poisson": "60/h"}]}
    alone = stage({"work": work}).tasks["pool"]
    beside = stage({"more": {"arrivals": [{"rate": "1/s"}]}, "work": work}).tasks["pool"]
    place = beside.queues.index("work")
    assert [at for at, whose in zip(beside.at, beside.queue, strict=True) if whose == place] == list(alone.at)


def test_a_pool_may_have_more_queues_than_a_byte_can_number() -> None:
    """As a catch-all has."""
    names = [f"queue-{number}" for number in range(257)]
    queues: dict[str, Any] = {name: {"arrivals": [{"rate": "1/d"}]} for name in names}
    catch_all = fleet({"name": "all", "queues": None}, {"name": "other"})
    (found, _) = scene(catch_all, load(queues), days=1, seed=1, folder=Path()).tasks.values()
    assert [found.queues[whose] for whose in found.queue] == names


def test_seconds_have_the_median_and_the_percentile_that_were_given() -> None:
    drawn = tasks({"arrivals": [{"cron": "0 1 * * *", "tasks": 50_000}], "seconds": {"median": 3, "p95": 10}}).seconds
    assert median(drawn) == pytest.approx(3, rel=0.02)
    assert quantiles(drawn, n=20)[-1] == pytest.approx(10, rel=0.02)


def test_poisson_arrivals_have_their_rate_and_keep_to_their_hours() -> None:
    came = tasks({"arrivals": [{"poisson": "600/h", "from": "06:00", "to": "20:00"}]}, days=10).at
    assert len(came) == pytest.approx(600 * 14 * 10, rel=0.02)
    assert all(6 * HOUR <= at % DAY < 20 * HOUR for at in came)


@pytest.mark.parametrize(
    "rate, hours, days, count",
    [
        pytest.param("1/h", ("06:00", "06:30"), 30, 15, id="half a task a day"),
        pytest.param("1/d", ("06:00", "07:00"), 48, 2, id="a task in two dozen windows"),
        pytest.param("90/h", ("00:00", "01:00"), 7, 630, id="whole tasks"),
        pytest.param("2/h", ("10:00", "10:45"), 8, 12, id="one and a half"),
        pytest.param("0.1/s", ("00:00", "24:00"), 0.5, 4320, id="all day"),
        pytest.param("7/d", ("00:00", "24:00"), 0.5, 4, id="the first comes at once"),
    ],
)
def test_a_part_of_a_task_is_carried_into_the_next_window(
    rate: str, hours: tuple[str, str], days: float, count: int
) -> None:
    came = tasks({"arrivals": [{"rate": rate, "from": hours[0], "to": hours[1]}]}, days=days).at
    assert len(came) == count
    begin, end = (int(clock[:2]) * HOUR + int(clock[3:]) * 60 for clock in hours)
    assert all(begin <= at % DAY < end for at in came)


@pytest.mark.parametrize("kind", ["rate", "poisson"])
def test_a_window_that_begins_in_the_hour_that_is_skipped_takes_nothing_from_the_next_day(kind: str) -> None:
    spring = {"start": "2026-03-29", "timeZone": "Europe/Stockholm"}
    came = tasks({"arrivals": [{kind: "1/s", "from": "02:30", "to": "03:15"}]}, days=2, **spring).at
    assert len(came) == pytest.approx(45 * 60, rel=0 if kind == "rate" else 0.1)
    assert min(came) >= DAY - HOUR


def test_hours_are_those_of_the_clock_also_on_the_day_it_is_changed() -> None:
    spring = {"start": "2026-03-29", "timeZone": "Europe/Stockholm"}  # from 02:00 the clock shows 03:00
    came = tasks({"arrivals": [{"rate": "1/s", "from": "01:00", "to": "04:00"}]}, **spring).at
    assert (came[0], len(came)) == (HOUR, 2 * HOUR)
    evening = tasks({"arrivals": [{"cron": "0 20 * * *", "tasks": 1}]}, **spring).at
    assert list(evening) == [19 * HOUR]


def test_cron_counts_the_first_moment_and_not_the_last() -> None:
    asked = load({"work": {"arrivals": [{"cron": "0 0 * * *", "tasks": 1}]}})
    assert list(cron_times("0 0 * * *", asked, 2 * DAY)) == [0, DAY]


def test_a_share_of_the_tasks_has_an_eta() -> None:
    drawn = tasks({"arrivals": [{"rate": "1/s"}], "eta": {"share": 0.25, "after": "30m"}})
    assert len(drawn.eta) == pytest.approx(DAY / 4, rel=0.05)
    assert all(due == drawn.at[k] + 1800 for k, due in drawn.eta.items())

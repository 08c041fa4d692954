"""The production fleet's runs through the whole year 2028 in Stockholm: 29 February, and both changes of the clock.

When each run must open is worked out here from the calendar alone, not from a cron line.
"""

from calendar import monthrange
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from tests.support.pools import facts, fleet
from utilitarian_operator.api.effective import Pool, effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.memory_json import from_text, past_from_text, past_to_text, to_text
from utilitarian_operator.core.sizing.pools import FleetContext, decide_pool
from utilitarian_operator.core.sizing.runs.run_state import Outcome

ROOT = Path(__file__).resolve().parents[4]
STOCKHOLM = ZoneInfo("Europe/Stockholm")
YEAR = 2028
DAYS = [date(YEAR, 1, 1) + timedelta(days=day) for day in range(366)]
TASK, SECOND = timedelta(seconds=30), timedelta(seconds=1)
AWAY = timedelta(minutes=10)

Starts = list[datetime]


def local(days: Iterable[date], hour: int, minute: int = 0) -> Starts:
    """A time of day on some days, in UTC; one that is missing on a day comes right after the change."""
    found = []
    for day in days:
        moment = datetime.combine(day, time(hour, minute), STOCKHOLM).astimezone(UTC)
        if moment.astimezone(STOCKHOLM).replace(tzinfo=None) != datetime.combine(day, time(hour, minute)):
            moment = datetime.combine(day, time(hour + 1), STOCKHOLM).astimezone(UTC)
        found.append(moment)
    return found


def hours() -> Starts:
    """Each hour that there is."""
    first = datetime(YEAR, 1, 1, tzinfo=STOCKHOLM).astimezone(UTC)
    return [first + timedelta(hours=hour) for hour in range(366 * 24)]


def of_months(months: Iterable[int], day: int = 1) -> list[date]:
    return [date(YEAR, month, day) for month in months]


def month_ends(*, weekday: bool = False) -> list[date]:
    ends = [date(YEAR, month, monthrange(YEAR, month)[1]) for month in range(1, 13)]
    return [end - timedelta(days=max(end.weekday() - 4, 0)) if weekday else end for end in ends]


def last_fridays() -> list[date]:
    return [max(day for day in DAYS if day.month == month and day.weekday() == 4) for month in range(1, 13)]


PRODUCTION: dict[str, Callable[[], Starts]] = {
    "amr-hourly": hours,
    "amr-daily": partial(local, DAYS, 1),
    "amr-monthly": partial(local, of_months(range(1, 13)), 0, 30),
    "amr-quarterly": partial(local, of_months((1, 4, 7, 10)), 3),
    "amr-yearly": partial(local, of_months((1,)), 4),
    "cleanup": partial(local, DAYS, 2),
}
LINES: dict[str, tuple[str, Callable[[], Starts]]] = {
    "in the hour that is missing and comes twice": ("30 2 * * *", partial(local, DAYS, 2, 30)),
    "last day of the month": ("0 6 L * *", partial(local, month_ends(), 6)),
    "last weekday of the month": ("0 6 LW * *", partial(local, month_ends(weekday=True), 6)),
    "last Friday of the month": ("0 6 * * 5L", partial(local, last_fridays(), 6)),
    "leap day": ("0 0 29 2 *", partial(local, of_months((2,), 29), 0)),
}
COUNTS = {"amr-hourly": 8784, "amr-daily": 366, "amr-monthly": 12, "amr-quarterly": 4, "amr-yearly": 1, "cleanup": 366}


def production(name: str) -> Pool:
    body = yaml.safe_load((ROOT / "examples/production.yaml").read_text())
    body["metadata"]["namespace"] = "test"
    body["spec"]["timeZone"] = "Europe/Stockholm"
    return next(pool for pool in effective_fleet(parse(body).spec).pools if pool.name == name)


def of_line(line: str) -> Pool:
    run: dict[str, Any] = {"name": "run", "start": line, "finishWithin": "2h"}
    return fleet({"name": "pool", "schedule": [run]}, timeZone="Europe/Stockholm").pools[0]


class Year:
    """One pool through its year, looked at whenever something happens.

    Args:
        pool: with one schedule.
        starts: of its runs.
        away: which of them (by number) the operator sleeps through.
    """

    def __init__(self, pool: Pool, starts: Starts, away: Callable[[int], bool] = lambda _: False) -> None:
        self.pool, self.memory, self.workers = pool, Memory(), 0
        self.opened: list[tuple[datetime, int]] = []
        self.ended: list[tuple[datetime, Outcome]] = []
        (schedule,) = pool.schedule
        for number, start in enumerate(starts):
            # Between two runs the pool is at zero, and nothing opens before its time.
            assert self._look(start - schedule.warm_up - SECOND) == 0, start
            if away(number):
                self._restart(start)
                assert self._look(start + AWAY, work=1) > 0, start
            else:
                assert self._look(start - schedule.warm_up) == schedule.workers, start
                assert self._look(start) == schedule.workers, start
                assert self._look(start + SECOND, work=1) > 0, start
            done = start + AWAY + TASK
            self._look(done, work=1)
            self._look(done + SECOND)
            assert self._look(done + SECOND + pool.scaling.idle_after) == 0, start

    def _look(self, now: datetime, work: int = 0) -> int:
        seen = facts(work, current=self.workers, serving=self.workers)
        before = self.memory
        decision, self.memory = decide_pool(self.pool, seen, before, FleetContext(now))
        self.workers = decision.replicas
        self.opened += [(run.start, self.workers) for run in self.memory.runs if run.start not in self._known(before)]
        self.ended += [(past.start, past.outcome) for past in self.memory.history if past not in before.history]
        return self.workers

    @staticmethod
    def _known(memory: Memory) -> set[datetime]:
        return {run.start for run in memory.runs}

    def _restart(self, now: datetime) -> None:
        """All that a new operator has is the status."""
        history = past_from_text([past_to_text(past) for past in self.memory.history], now)
        self.memory = replace(from_text(to_text(self.memory), now), history=history)


def check(pool: Pool, starts: Starts, away: Callable[[int], bool] = lambda _: False) -> None:
    year = Year(pool, starts, away)
    assert [start for start, _ in year.opened] == starts
    assert year.ended == [(start, Outcome.DONE) for start in starts]


@pytest.mark.parametrize("name", PRODUCTION)
def test_there_are_as_many_runs_as_the_calendar_has(name: str) -> None:
    assert len(PRODUCTION[name]()) == COUNTS[name]


@pytest.mark.parametrize("line, starts", LINES.values(), ids=LINES)
def test_a_year_of_runs_on_special_days(line: str, starts: Callable[[], Starts]) -> None:
    check(of_line(line), starts())


@pytest.mark.parametrize("name", [name for name in PRODUCTION if name != "amr-hourly"])
@pytest.mark.thorough
def test_a_year_of_the_production_fleet(name: str) -> None:
    check(production(name), PRODUCTION[name]())


CRITICAL = [(1, 1), (2, 28), (2, 29), (3, 1), (3, 25), (3, 26), (3, 27), (10, 28), (10, 29), (10, 30), (12, 31)]


def test_every_hour_of_the_days_on_which_a_clock_goes_wrong() -> None:
    critical = [date(YEAR, month, day) for month, day in CRITICAL]
    starts = [start for start in hours() if start.astimezone(STOCKHOLM).date() in critical]
    assert len(starts) == 24 * len(critical)
    for consecutive in _without_gaps(starts):
        check(production("amr-hourly"), consecutive)


def _without_gaps(starts: Starts) -> list[Starts]:
    found: list[Starts] = []
    for start in starts:
        if found and start - found[-1][-1] == timedelta(hours=1):
            found[-1].append(start)
        else:
            found.append([start])
    return found


def test_an_operator_that_sleeps_through_every_third_start_opens_it_when_it_is_back() -> None:
    check(production("cleanup"), PRODUCTION["cleanup"](), away=lambda number: number % 3 == 1)


@pytest.mark.soak
@pytest.mark.parametrize("step", [0, 2, 7])
@pytest.mark.parametrize("name", PRODUCTION)
@pytest.mark.thorough
def test_a_whole_year_with_an_operator_that_is_often_away(name: str, step: int) -> None:
    check(production(name), PRODUCTION[name](), away=lambda number: bool(step) and number % step == 1)

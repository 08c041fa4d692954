"""Starts on the nights on which clocks are set back and forward, in zones that do it in their own way."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from tests.support.pools import facts, pool
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.pools import FleetContext, decide_pool
from utilitarian_operator.core.sizing.runs.cron_starts import last_until, next_after
from utilitarian_operator.core.sizing.runs.run_times import last_start, next_start

MINUTE = timedelta(minutes=1)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}Z")


REPEATED = {
    # zone, line, a moment in the second pass, the start of that day, the start of the next
    "stockholm": ("Europe/Stockholm", "30 2 * * *", "2026-10-25T01:15", "2026-10-25T00:30", "2026-10-26T01:30"),
    "new-york": ("America/New_York", "30 1 * * *", "2026-11-01T06:10", "2026-11-01T05:30", "2026-11-02T06:30"),
    "havana": ("America/Havana", "30 0 * * *", "2026-11-01T05:20", "2026-11-01T04:30", "2026-11-02T05:30"),
    "casablanca": ("Africa/Casablanca", "30 2 * * *", "2026-02-15T02:15", "2026-02-15T01:30", "2026-02-16T02:30"),
    "lord-howe": ("Australia/Lord_Howe", "45 1 * * *", "2026-04-04T15:05", "2026-04-04T14:45", "2026-04-05T15:15"),
    "chatham": ("Pacific/Chatham", "0 3 * * *", "2026-04-04T14:05", "2026-04-04T13:15", "2026-04-05T14:15"),
}
"""Zones that repeat an hour, or half of one, when the clock is set back."""


@pytest.mark.parametrize("zone, line, now, last, following", REPEATED.values(), ids=REPEATED)
def test_in_the_second_pass_of_a_repeated_hour_the_days_start_is_known(
    zone: str, line: str, now: str, last: str, following: str
) -> None:
    assert last_until(line, zone, moment(now)) == moment(last)
    assert next_after(line, zone, moment(now)) == moment(following)


@pytest.mark.parametrize("zone, line, now, last, following", REPEATED.values(), ids=REPEATED)
def test_an_operator_that_comes_back_in_the_second_pass_opens_the_run_at_once(
    zone: str, line: str, now: str, last: str, following: str
) -> None:
    run = {"name": "run", "start": line, "timeZone": zone, "finishWithin": "6h", "warmUp": "0s"}
    seen = pool(schedule=[run])
    before = Memory(opened=(("run", moment(last) - timedelta(days=1)),))
    _, memory = decide_pool(seen, facts(40), before, FleetContext(moment(now)))
    assert [it.start for it in memory.runs] == [moment(last)]
    (schedule,) = seen.schedule
    assert last_start(schedule, moment(now)) == moment(last)
    assert next_start(schedule, moment(last)) == moment(following)


@pytest.mark.parametrize("zone, line, now, last, following", REPEATED.values(), ids=REPEATED)
def test_what_was_asked_before_changes_no_answer(zone: str, line: str, now: str, last: str, following: str) -> None:
    asked = [moment(following), moment(now), moment(last), moment(following) - MINUTE, moment(last) + MINUTE]
    expected = [moment(following), *[moment(last)] * 4]
    assert [last_until(line, zone, at) for at in asked] == expected
    assert [last_until(line, zone, at) for at in reversed(asked)] == expected[::-1]
    elsewhere = moment(now).astimezone(ZoneInfo(zone))
    assert last_until(line, zone, elsewhere).tzinfo is elsewhere.tzinfo


CHANGES = {
    # zone, line, from here on, the starts in turn
    "a-star-counts-both-passes": (
        "Europe/Stockholm",
        "0 * * * *",
        "2026-10-24T23:30",
        ["2026-10-25T00:00", "2026-10-25T01:00", "2026-10-25T02:00"],
    ),
    "a-star-counts-both-passes-of-half-an-hour": (
        "Australia/Lord_Howe",
        "*/30 * * * *",
        "2026-04-04T14:15",
        ["2026-04-04T14:30", "2026-04-04T15:00", "2026-04-04T15:30"],
    ),
    "every-second-hour-is-not-lost-to-half-an-hour": (
        "Australia/Lord_Howe",
        "0 */2 * * *",
        "2026-04-04T15:10",
        ["2026-04-04T15:30", "2026-04-04T17:30"],
    ),
    "what-is-left-out-comes-right-after-the-change": (
        "Europe/Stockholm",
        "30 2 * * *",
        "2026-03-28T12:00",
        ["2026-03-29T01:00", "2026-03-30T00:30"],
    ),
    "two-times-that-become-one-are-one-start": (
        "Europe/Stockholm",
        "0 2,3 * * *",
        "2026-03-28T12:00",
        ["2026-03-29T01:00", "2026-03-30T00:00"],
    ),
    "a-star-has-no-start-in-an-hour-that-is-left-out": (
        "Europe/Stockholm",
        "*/30 2 * * *",
        "2026-03-28T12:00",
        ["2026-03-30T00:00", "2026-03-30T00:30"],
    ),
    "a-day-that-is-left-out": (
        "Pacific/Apia",
        "0 12 * * *",
        "2011-12-29T12:00",
        ["2011-12-29T22:00", "2011-12-30T10:00", "2011-12-30T22:00"],
    ),
}


@pytest.mark.parametrize("zone, line, after, starts", CHANGES.values(), ids=CHANGES)
def test_starts_around_a_change_of_the_clock(zone: str, line: str, after: str, starts: list[str]) -> None:
    found = [moment(after)]
    while len(found) <= len(starts):
        found.append(next_after(line, zone, found[-1]))
    assert found[1:] == [moment(start) for start in starts]
    for earlier, later in pairwise(found[1:]):
        assert last_until(line, zone, later - MINUTE) == earlier


def test_a_start_is_given_in_the_zone_that_was_asked_in() -> None:
    assert next_after("0 12 * * *", "Europe/Stockholm", moment("2026-03-02T00:00")).tzinfo is UTC

"""A run from its warm-up to its record, as an operator looks: what is opened, missed, overtaken, forgotten."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.pools import NOW
from tests.support.run_looks import HOUR, MINUTE, RUN, SECOND, Looks, missed
from utilitarian_operator.core.sizing.runs.open_runs import MOST_OPEN
from utilitarian_operator.core.sizing.runs.run_state import Outcome
from utilitarian_operator.core.spec.by_hand import RunByHand

TWICE = {"name": "twice", "start": "0 12,13 * * *"}
HOURLY = {"name": "hourly", "start": "0 * * * *"}


def test_a_run_from_its_warm_up_to_its_record() -> None:
    looks = Looks(RUN).until(NOW - 3 * MINUTE)
    assert (looks.open, looks.workers) == ([], 0)
    looks.until(NOW - 2 * MINUTE)
    assert (looks.open, looks.workers) == ([("run", NOW)], 2)
    looks.until(NOW + HOUR, work=400, completed=1).until(NOW + HOUR + 5 * MINUTE)
    assert (looks.open, looks.workers) == ([], 0)
    (past,) = looks.memory.history
    assert (past.name, past.start, past.outcome, past.deadline) == ("run", NOW, Outcome.DONE, NOW + 2 * HOUR)
    assert past.finished == NOW + HOUR + 10 * SECOND
    assert past.tasks == 361
    assert past.most_workers == 2
    assert past.worker_seconds == pytest.approx(2 * 64 * 60, abs=60)  # two minutes before, two minutes after


@pytest.mark.parametrize(
    "ends, outcome",
    [
        pytest.param(NOW + HOUR, Outcome.DONE, id="in-time"),
        pytest.param(NOW + 2 * HOUR + MINUTE, Outcome.LATE, id="late"),
    ],
)
def test_it_is_done_or_late(ends: datetime, outcome: Outcome) -> None:
    assert Looks(RUN).until(ends, work=400).until(ends + 3 * MINUTE).past == [("run", outcome)]


def test_an_unseen_run_is_not_called_late() -> None:
    looks = Looks(RUN).until(NOW + HOUR, work=400).restarted()
    looks.now = NOW + 3 * HOUR
    assert looks.until(looks.now + 3 * MINUTE).past == [("run", Outcome.UNSEEN)]


def test_a_run_without_a_message_is_missed_sends_its_workers_home_and_still_does_what_comes() -> None:
    looks = Looks(RUN).until(NOW + 15 * MINUTE - SECOND)
    assert (missed(looks), looks.workers) == ([False], 2)
    looks.until(NOW + 20 * MINUTE)
    assert (missed(looks), looks.workers) == ([True], 0)
    looks.until(NOW + HOUR, work=40_000)
    assert missed(looks) == [False]
    assert looks.workers > 2  # by its deadline
    assert looks.until(NOW + HOUR + 5 * MINUTE).past == [("run", Outcome.DONE)]


def test_a_run_that_never_came_is_told_as_missed() -> None:
    assert Looks(RUN).until(NOW + 2 * HOUR).past == [("run", Outcome.MISSED)]


def test_the_tolerance_is_a_quarter_of_a_short_period() -> None:
    every_minute = {"name": "often", "start": "* * * * *", "warmUp": "0s"}
    looks = Looks(every_minute, start=NOW - 2 * SECOND).until(NOW + 14 * SECOND, every=SECOND)
    assert missed(looks) == [False]
    assert missed(looks.until(NOW + 15 * SECOND, every=SECOND)) == [True]


@pytest.mark.parametrize(
    "work", [pytest.param(None, id="its-queues-are-not-seen"), pytest.param(0, id="the-operator-was-away")]
)
def test_what_was_not_seen_is_not_called_missed(work: int | None) -> None:
    looks = Looks(RUN).until(NOW - MINUTE)
    if work == 0:
        looks.restarted().now = NOW + 20 * MINUTE
    assert missed(looks.until(NOW + HOUR, work=work)) == [False]
    assert looks.until(NOW + 2 * HOUR, work=work).past == [("run", Outcome.UNSEEN)]


def test_a_restart_in_the_middle_forgets_nothing() -> None:
    looks = Looks(RUN).until(NOW + HOUR, work=40, completed=1).restarted()
    assert looks.until(NOW + HOUR + 3 * MINUTE).past == [("run", Outcome.DONE)]
    assert looks.memory.history[0].tasks == 361


@pytest.mark.parametrize(
    "run, away, opened",
    [
        pytest.param(RUN, HOUR, True, id="within-its-deadline"),
        pytest.param(RUN, 2 * HOUR + MINUTE, False, id="after-its-deadline"),
        pytest.param({"name": "run", "start": "0 12 * * *"}, 11 * HOUR, True, id="without-a-deadline"),
    ],
)
def test_an_operator_that_was_away_over_the_start_catches_up(
    run: dict[str, Any], away: timedelta, *, opened: bool
) -> None:
    looks = Looks(run, start=NOW - 24 * HOUR - 5 * MINUTE, outsideRuns="Hold").until(NOW - 23 * HOUR, work=1)
    looks.until(NOW - 20 * HOUR).restarted().now = NOW + away
    looks.until(looks.now + MINUTE, work=4000)
    assert (looks.open == [("run", NOW)]) is opened
    assert (looks.workers > 0) is opened


def test_a_new_pool_has_missed_nothing() -> None:
    looks = Looks({"name": "run", "start": "0 12 * * *"}, start=NOW + HOUR, outsideRuns="Hold")
    assert looks.until(NOW + 2 * HOUR, work=10).open == []
    assert looks.workers == 0


@pytest.mark.parametrize("late", [timedelta(), 10 * SECOND, 10 * MINUTE], ids=["at-its-start", "just-after", "later"])
@pytest.mark.parametrize("restart", [False, True], ids=["", "restarted"])
def test_a_run_that_had_begun_when_its_schedule_came_is_open_and_not_missed(late: timedelta, *, restart: bool) -> None:
    """A new beat sends nothing that was due before it was there, and nobody is to be called for that."""
    looks = Looks(RUN, start=NOW + late - 10 * SECOND).until(NOW + late + MINUTE)
    assert looks.open == [("run", NOW)]
    looks = looks.restarted() if restart else looks
    assert missed(looks.until(NOW + HOUR)) == [False]
    assert looks.until(NOW + 2 * HOUR + MINUTE).past == [("run", Outcome.UNSEEN)]
    assert missed(looks.until(NOW + 25 * HOUR)) == [True]  # the next one, whose start was seen


def test_a_run_longer_than_its_period_stays_open_beside_the_next_until_its_own_deadline() -> None:
    looks = Looks(TWICE | {"finishWithin": "90m"}).until(NOW + HOUR + 10 * MINUTE, work=400, arrived=1)
    assert looks.open == [("twice", NOW), ("twice", NOW + HOUR)]
    first, second = looks.memory.runs
    assert (first.tasks, second.tasks) == (360, 61)
    assert looks.until(NOW + 90 * MINUTE, work=400).past == [("twice", Outcome.OVERTAKEN)]


def test_a_run_without_a_deadline_ends_where_the_next_begins() -> None:
    looks = Looks(HOURLY).until(NOW + 3 * HOUR, work=400)
    assert looks.past == [("hourly", Outcome.OVERTAKEN)] * 3
    assert looks.open == [("hourly", NOW + 3 * HOUR)]


def test_a_run_that_has_nothing_to_do_as_the_next_begins_was_done() -> None:
    """Where they begin more often than `idleAfter` each was called overtaken by the next one."""
    looks = Looks({"name": "often", "start": "*/5 * * * *"}, idleAfter="5m")
    for minutes in range(0, 20, 5):
        looks.until(NOW + minutes * MINUTE).until(NOW + minutes * MINUTE + 20 * SECOND, work=10, arrived=1)
    assert looks.past[:-1] == [("often", Outcome.DONE)] * 3
    assert looks.open == [("often", NOW + 15 * MINUTE)]


def test_a_run_that_was_done_less_than_idle_after_ago_is_not_late_by_another_ones_work() -> None:
    """Its deadline asked for all workers until that was done, and it was called late."""
    another = {"name": "another", "start": "5 12 * * *", "finishWithin": "6h"}
    looks = Looks(RUN | {"workers": 1, "finishWithin": "10m"}, another, max=30).until(NOW + 4 * MINUTE, work=40)
    looks.until(NOW + 5 * MINUTE).until(NOW + HOUR, work=2000)
    assert (looks.past, looks.open) == ([("run", Outcome.DONE)], [("another", NOW + 5 * MINUTE)])
    assert looks.workers == 1


def test_the_work_of_the_run_before_is_not_the_beginning_of_this_one() -> None:
    looks = Looks(TWICE | {"finishWithin": "2h"}).until(NOW + HOUR + 20 * MINUTE, work=400, arrived=0)
    assert missed(looks) == [False, True]


@pytest.mark.parametrize("ahead", ["90m", "3h", "24h"])
def test_a_warm_up_of_several_periods_skips_no_start(ahead: str) -> None:
    looks, seen = Looks(HOURLY | {"warmUp": ahead}, start=NOW - MINUTE), set()
    for step in range(12 * 12):
        looks.until(NOW + 5 * step * MINUTE, work=1, every=5 * MINUTE)
        assert len(looks.open) <= MOST_OPEN
        assert ("hourly", looks.now.replace(minute=0)) in looks.open
        seen |= {start for _, start in looks.open if start <= looks.now}
    assert seen == {NOW + hour * HOUR for hour in range(12)}


def test_starts_that_lie_close_together_are_all_prepared() -> None:
    close = {"name": "run", "start": "0,20,40 12 * * *", "warmUp": "3h"}
    looks = Looks(close, start=NOW - 4 * HOUR).until(NOW - 2 * HOUR)
    assert looks.open == [("run", NOW), ("run", NOW + 20 * MINUTE), ("run", NOW + 40 * MINUTE)]


@pytest.mark.parametrize("work", [0, 400])
def test_a_duration_of_many_periods_keeps_three_runs_open(work: int) -> None:
    piled = {"name": "run", "start": "*/5 * * * *", "until": "Duration", "duration": "72h"}
    looks = Looks(piled).until(NOW + 2 * HOUR, work=work, every=MINUTE)
    starts = [start for _, start in looks.open]
    assert starts == [NOW + 110 * MINUTE, NOW + 115 * MINUTE, NOW + 120 * MINUTE]
    assert looks.workers


def test_of_several_schedules_each_has_its_own_runs() -> None:
    looks = Looks(RUN, HOURLY | {"workers": 5}).until(NOW - MINUTE)
    assert (looks.open, looks.workers) == ([("run", NOW), ("hourly", NOW)], 5)


def test_a_duration_keeps_its_workers_whatever_comes() -> None:
    fixed = {"name": "run", "start": "0 12 * * *", "workers": 2, "until": "Duration", "duration": "1h"}
    looks = Looks(fixed).until(NOW + HOUR - SECOND)
    assert (looks.open, looks.workers) == ([("run", NOW)], 2)
    assert looks.until(NOW + HOUR + 5 * MINUTE).past == [("run", Outcome.MISSED)]
    assert looks.workers == 0
    assert Looks(fixed).until(NOW + HOUR + 5 * MINUTE, work=1).past == [("run", Outcome.ENDED)]


def test_work_that_is_left_when_a_duration_is_over_waits_for_the_next_run() -> None:
    fixed = {"name": "run", "start": "0 12 * * *", "workers": 5, "until": "Duration", "duration": "1h"}
    looks = Looks(fixed, outsideRuns="Hold", max=5).until(NOW + HOUR - SECOND, work=85_600, running=20)
    assert looks.workers == 5
    assert looks.until(NOW + HOUR, work=85_600, running=20).workers == 0
    for minute in range(1, 600):  # one task a minute keeps none awake
        assert looks.until(NOW + HOUR + minute * MINUTE, work=85_600 + minute, arrived=1, every=MINUTE).workers == 0
    assert looks.until(NOW + 24 * HOUR, work=90_000).workers == 5


def test_no_more_than_twelve_are_kept_the_newest_first() -> None:
    looks = Looks(HOURLY)
    for hour in range(20):
        looks.until(NOW + hour * HOUR + MINUTE, work=1).until(NOW + (hour + 1) * HOUR - 5 * MINUTE, every=MINUTE)
    starts = [past.start for past in looks.memory.history]
    assert starts == [NOW + hour * HOUR for hour in range(19, 7, -1)]


@pytest.mark.parametrize(
    "ahead", [pytest.param(35 * 24 * HOUR, id="a-month-ahead"), pytest.param(25 * HOUR, id="a-day-ahead")]
)
def test_a_clock_that_was_ahead_for_a_minute_and_is_put_right_costs_no_run(ahead: timedelta) -> None:
    looks = Looks(RUN, idleAfter="1m").until(NOW).until(NOW + MINUTE, work=4).until(NOW + 5 * MINUTE)
    assert looks.past == [("run", Outcome.DONE)]
    looks.now += ahead
    looks.until(looks.now + MINUTE)
    looks.now -= ahead
    looks.until(NOW + HOUR)
    assert looks.open == []  # that of today was done
    assert looks.workers == 0
    looks.until(NOW + 24 * HOUR + MINUTE, work=0, every=MINUTE)
    assert looks.open == [("run", NOW + 24 * HOUR)]
    assert looks.workers == 2


@pytest.mark.parametrize(
    "before, lasts",
    [
        pytest.param(50 * MINUTE, 15 * MINUTE, id="over-long-before-its-start"),
        pytest.param(2 * MINUTE, 70 * SECOND, id="over-in-its-warm-up"),
        pytest.param(90 * SECOND, 30 * SECOND, id="put-right-in-its-warm-up"),
    ],
)
def test_a_run_that_was_over_by_a_clock_that_was_ahead_opens_in_its_time(before: timedelta, lasts: timedelta) -> None:
    looks = Looks(RUN, start=NOW - HOUR, idleAfter="20s").until(NOW - before)
    looks.now += HOUR
    looks.until(looks.now + 20 * SECOND, work=3).until(looks.now + lasts)
    looks.now -= HOUR
    looks.until(NOW + MINUTE)
    assert (looks.open, looks.workers) == ([("run", NOW)], 2)
    assert looks.past == []
    assert looks.until(NOW + 2 * MINUTE, work=3).until(NOW + 5 * MINUTE).past == [("run", Outcome.DONE)]


@pytest.mark.parametrize(
    "schedule, scaling",
    [
        pytest.param({"until": "Duration", "duration": "8h"}, {}, id="for-its-duration"),
        pytest.param({"finishWithin": "8h"}, {}, id="with-a-deadline"),
        pytest.param({}, {"outsideRuns": "Hold"}, id="without-one"),
    ],
)
def test_a_run_whose_time_was_over_by_a_clock_that_was_ahead_goes_on(
    schedule: dict[str, str], scaling: dict[str, str]
) -> None:
    looks = Looks({"name": "run", "start": "0 12 * * *", **schedule}, **scaling).until(NOW + 30 * MINUTE, every=MINUTE)
    looks.now += 13 * HOUR
    assert looks.until(looks.now + MINUTE).open == []
    looks.now -= 13 * HOUR
    looks.until(looks.now + MINUTE, work=50)
    assert (looks.open, looks.past) == ([("run", NOW)], [])
    assert looks.workers >= 1


def test_a_clock_that_was_put_back_takes_no_run_of_another_schedule_that_is_prepared() -> None:
    prepared = {"name": "prepared", "start": "40 12 * * *", "workers": 3, "warmUp": "1h"}
    looks = Looks(RUN, prepared, start=NOW - 10 * MINUTE).until(NOW - 5 * MINUTE)
    assert looks.open == [("prepared", NOW + 40 * MINUTE)]
    looks.now += 10 * MINUTE
    looks.until(looks.now + 10 * SECOND)
    looks.now -= 10 * MINUTE
    looks.until(NOW - 4 * MINUTE)
    assert (looks.open, looks.workers) == ([("prepared", NOW + 40 * MINUTE)], 3)


def test_a_run_that_was_missed_by_a_clock_that_was_ahead_is_not_missed_when_it_begins() -> None:
    looks = Looks({**RUN, "warmUp": "1h"}, start=NOW - HOUR).until(NOW - 55 * MINUTE)
    looks.now += HOUR
    assert looks.until(looks.now + 16 * MINUTE).memory.runs[0].missed
    looks.now -= HOUR
    looks.until(NOW + MINUTE)
    assert (looks.open, looks.memory.runs[0].missed) == ([("run", NOW)], False)
    assert looks.until(NOW + 16 * MINUTE).memory.runs[0].missed


@pytest.mark.parametrize("before", [pytest.param(m * MINUTE, id=f"{m}-minutes") for m in (1, 10, 59)])
def test_a_restart_within_the_warm_up_makes_no_run_missed_before_its_messages_are_late(before: timedelta) -> None:
    looks = Looks({**RUN, "warmUp": "1h"}, start=NOW - HOUR).until(NOW - before).restarted()
    assert not looks.until(NOW + 15 * MINUTE - 10 * SECOND).memory.runs[0].missed
    assert looks.until(NOW + 15 * MINUTE).memory.runs[0].missed


def test_a_clock_that_was_put_back_lets_a_worker_sleep_all_the_same() -> None:
    looks = Looks(RUN, idleAfter="1m", start=NOW + 6 * HOUR).until(NOW + 7 * HOUR, work=4)
    looks.until(looks.now + 10 * SECOND)
    looks.now -= HOUR
    assert looks.until(looks.now + 5 * MINUTE).workers == 0


def by_hand(looks: Looks, run: str, start: datetime) -> Looks:
    """The same looks, with a run that a person opened."""
    looks.by_hand = {looks.pool.name: RunByHand(run, start)}
    return looks


@pytest.mark.parametrize("idle_after", ["0s", "2m"])
@pytest.mark.parametrize(
    "completed, workers",
    [
        pytest.param(5, 0, id="counted"),
        pytest.param(9, 0, id="with-some-of-before"),
        pytest.param(None, 2, id="not-counted"),
    ],
)
def test_a_run_is_not_over_with_what_waited_for_it(completed: int | None, workers: int, idle_after: str) -> None:
    """It is done as the run begins; the run's own messages come four minutes later, and not to the next day's run."""
    looks = Looks(RUN, outsideRuns="Hold", idleAfter=idle_after).until(NOW - 10 * SECOND, work=5)
    looks.until(NOW, completed=completed).until(NOW + 4 * MINUTE)
    assert (looks.open, looks.workers) == ([("run", NOW)], workers)
    assert looks.until(NOW + 5 * MINUTE, work=40).workers > 0
    assert looks.until(NOW + 15 * MINUTE).past == [("run", Outcome.DONE)]


def test_a_run_with_nothing_but_what_waited_for_it_is_done_when_its_own_messages_are_overdue() -> None:
    looks = Looks(RUN, outsideRuns="Hold").until(NOW + MINUTE, work=5).until(NOW + 15 * MINUTE - 10 * SECOND)
    assert looks.open == [("run", NOW)]
    assert looks.until(NOW + 15 * MINUTE).past == [("run", Outcome.DONE)]
    assert looks.memory.history[0].finished < NOW + 2 * MINUTE


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"work": 9}, id="more-than-waited"),
        pytest.param({"work": 2, "arrived": 1}, id="the-broker-counted-one"),
    ],
)
def test_a_run_that_got_messages_of_its_own_ends_when_they_are_done(more: dict[str, Any]) -> None:
    looks = Looks(RUN).until(NOW, work=5).until(NOW + 10 * SECOND, **more)
    assert looks.until(NOW + 3 * MINUTE).past == [("run", Outcome.DONE)]


def test_a_run_by_hand_begins_at_its_moment_and_ends_as_any_other() -> None:
    start = NOW - 10 * HOUR
    looks = by_hand(Looks(RUN, start=start - MINUTE), "run", start).until(start - 10 * SECOND)
    assert (looks.open, looks.workers) == ([], 0)
    looks.until(start)
    assert (looks.open, looks.workers) == ([("run", start)], 2)
    looks.until(start + HOUR, work=400, completed=1).until(start + HOUR + 5 * MINUTE)
    assert (looks.open, looks.past) == ([], [("run", Outcome.DONE)])
    assert looks.memory.history[0].deadline == start + 2 * HOUR


def test_what_an_old_annotation_says_opens_no_run_again() -> None:
    start = NOW - 10 * HOUR
    looks = by_hand(Looks(RUN, start=start), "run", start).until(start + 3 * HOUR)
    assert len(looks.past) == 1
    looks.restarted().until(NOW - 3 * MINUTE)
    assert (looks.open, len(looks.past)) == ([], 1)
    looks.until(NOW)
    assert looks.open == [("run", NOW)]  # the schedule's own


@pytest.mark.parametrize(
    "run,start",
    [
        pytest.param("other", NOW - 10 * HOUR, id="no run of the pool"),
        pytest.param("run", NOW - 35 * HOUR, id="over by now"),
        pytest.param("run", datetime.max.replace(tzinfo=UTC), id="at the end of time"),
        pytest.param("run", datetime.min.replace(tzinfo=UTC), id="at its beginning"),
    ],
)
@pytest.mark.parametrize("more", [{}, {"finishWithin": None}], ids=["with a deadline", "without"])
def test_a_run_by_hand_that_can_not_be_opened(run: str, start: datetime, more: dict[str, Any]) -> None:
    schedule = {name: value for name, value in (RUN | more).items() if value is not None}
    looks = by_hand(Looks(schedule, start=NOW - 10 * HOUR), run, start).until(NOW - 9 * HOUR)
    assert (looks.open, looks.past, looks.workers) == ([], [], 0)


def test_a_run_that_is_being_prepared_is_not_opened_beside_itself() -> None:
    looks = Looks(RUN).until(NOW - MINUTE)
    assert by_hand(looks, "run", NOW - MINUTE).until(NOW - 30 * SECOND).open == [("run", NOW)]


def test_a_pool_that_holds_its_work_does_it_in_a_run_by_hand() -> None:
    held = Looks(RUN, start=NOW - 10 * HOUR, outsideRuns="Hold").until(NOW - 9 * HOUR, work=40)
    assert held.workers == 0
    assert by_hand(held, "run", NOW - 9 * HOUR).until(NOW - 9 * HOUR + MINUTE, work=40).workers > 0

"""The end of a run whose pool holds its work: what comes a little later would wait for the next one."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.pools import NOW
from tests.support.run_looks import HOUR, MINUTE, RUN, SECOND, Looks, missed
from utilitarian_operator.core.sizing.memory_json import to_text
from utilitarian_operator.core.sizing.runs.run_state import Outcome
from utilitarian_operator.core.spec.by_hand import RunByHand
from utilitarian_operator.core.status.change import Written, worth_writing

WITHOUT_A_DEADLINE = {name: value for name, value in RUN.items() if name != "finishWithin"}


def held(schedule: dict[str, Any] = RUN, **scaling: Any) -> Looks:
    """A pool that holds its work, and five tasks that wait for the run."""
    return Looks(schedule, outsideRuns="Hold", **scaling).until(NOW - 3 * MINUTE, work=5)


def without_warm_up() -> Looks:
    return held(RUN | {"warmUp": "0s"}).until(NOW + 10 * SECOND, work=5)


def away_over_the_start() -> Looks:
    looks = held().restarted()
    looks.now = NOW
    return looks.until(NOW + 10 * SECOND, work=5)


def unseen_over_the_start() -> Looks:
    return held().until(NOW, work=None).until(NOW + 10 * SECOND, work=5)


def another_message_came() -> Looks:
    """As one of a person, or a task that waited and is tried again; or one of before, which is counted late."""
    return held().until(NOW, work=5).until(NOW + 10 * SECOND, work=6, arrived=1)


def by_hand() -> Looks:
    looks = held(RUN | {"start": "0 20 * * *"})
    looks.by_hand = {looks.pool.name: RunByHand("run", NOW)}
    return looks.until(NOW + 10 * SECOND, work=5)


@pytest.mark.parametrize(
    "begun", [without_warm_up, away_over_the_start, unseen_over_the_start, another_message_came, by_hand]
)
@pytest.mark.parametrize("restart", [False, True], ids=["", "restarted"])
def test_its_own_messages_find_it_open_until_they_are_overdue(begun: Any, *, restart: bool) -> None:
    looks = begun().until(NOW + MINUTE).until(NOW + 4 * MINUTE)
    assert (looks.open, looks.workers) == ([("run", NOW)], 0)
    looks = looks.restarted() if restart else looks
    assert looks.until(NOW + 14 * MINUTE).workers == 0
    assert looks.until(NOW + 15 * MINUTE - SECOND, work=40).workers > 0
    assert looks.until(NOW + 20 * MINUTE).past == [("run", Outcome.DONE)]


def test_one_that_was_done_once_gives_what_comes_no_more_workers_than_it_needs() -> None:
    looks = held(RUN | {"workers": 10}).until(NOW + MINUTE, work=5).until(NOW + 5 * MINUTE)
    assert looks.workers == 0
    assert looks.until(NOW + 6 * MINUTE, work=1).workers == 1


def test_work_of_later_waits_for_the_next_run() -> None:
    looks = held().until(NOW + MINUTE, work=5).until(NOW + 15 * MINUTE)
    assert (looks.open, looks.past) == ([], [("run", Outcome.DONE)])
    assert looks.until(NOW + HOUR, work=40).workers == 0


@pytest.mark.parametrize(
    "schedule, due, stays",
    [
        pytest.param(RUN, HOUR + 5 * MINUTE, True, id="before-its-deadline"),
        pytest.param(RUN, 2 * HOUR + MINUTE, False, id="after-its-deadline"),
        pytest.param(WITHOUT_A_DEADLINE, 11 * HOUR, True, id="before-half-of-the-time-to-the-next-start"),
        pytest.param(WITHOUT_A_DEADLINE, 13 * HOUR, False, id="after-that"),
        pytest.param(RUN, timedelta(days=7), False, id="next-week"),
        pytest.param(RUN, None, True, id="not-said-when"),
    ],
)
def test_a_task_that_is_tried_again_within_the_time_of_its_run_keeps_that_open(
    schedule: dict[str, Any], due: timedelta | None, *, stays: bool
) -> None:
    looks = held(schedule).until(NOW + HOUR, work=40, completed=1)
    first_due = None if due is None else NOW + due
    looks.until(NOW + HOUR + 4 * MINUTE, deferred=1, first_due=first_due)
    assert (looks.open == [("run", NOW)]) is stays
    assert looks.past == ([] if stays else [("run", Outcome.DONE)])


def test_a_task_that_is_tried_again_is_waited_for_without_a_worker_and_done_in_its_run() -> None:
    due = NOW + HOUR + 30 * MINUTE
    looks = held(idleAfter="30s").until(NOW + HOUR, work=40, completed=1)
    while looks.workers:
        looks.until(looks.now + 10 * SECOND, deferred=1, first_due=due)
    assert looks.open == [("run", NOW)]
    # A worker that leaves holds it for a while, and gives it back then.
    looks.until(NOW + HOUR + 2 * MINUTE, leaving=1, given_back=1, still_held=1)
    assert looks.open == [("run", NOW)]
    looks.restarted()
    assert looks.until(due - MINUTE, work=1).workers == 0
    assert looks.open == [("run", NOW)]
    assert looks.until(due + 30 * SECOND, work=1).workers == 1
    looks.until(due + 5 * MINUTE)
    assert (looks.past, looks.workers) == ([("run", Outcome.DONE)], 0)


def test_what_is_tried_again_for_ever_keeps_no_run_open_beyond_its_time() -> None:
    looks = held().until(NOW + HOUR, work=40, completed=1)
    for minute in range(60, 120, 3):
        looks.until(NOW + minute * MINUTE, deferred=1, first_due=NOW + (minute + 1) * MINUTE)
        assert looks.open == [("run", NOW)]
    assert looks.until(NOW + 2 * HOUR + MINUTE, deferred=1, first_due=NOW + 2 * HOUR + 3 * MINUTE).open == []
    assert looks.workers == 0


@pytest.mark.parametrize("comes", [HOUR, 0 * HOUR], ids=["the-next-run", "both"])
def test_a_run_beside_which_the_next_one_has_begun_is_over_when_its_work_is_done(comes: timedelta) -> None:
    """What is tried again is the next one's then."""
    looks = held(RUN | {"start": "0 12,13 * * *", "finishWithin": "3h"}).until(NOW + HOUR, work=40)
    looks.until(NOW + HOUR + 5 * MINUTE, deferred=1, first_due=NOW + 90 * MINUTE + comes)
    assert (looks.open, looks.past) == ([("run", NOW + HOUR)], [("run", Outcome.DONE)])


@pytest.mark.parametrize(
    "within, stays",
    [
        pytest.param("10m", True, id="over-before-it-is-due"),
        pytest.param("50m", True, id="over-later"),
        pytest.param("1h", False, id="not-over-before-the-first-run"),
    ],
)
def test_a_task_that_is_tried_again_is_of_the_run_whose_time_is_over_last(within: str, *, stays: bool) -> None:
    """A short run of another schedule had ended the long one: the task waited for the next day's."""
    due, short = NOW + HOUR + 30 * MINUTE, {"name": "short", "start": "0 13 * * *", "finishWithin": within}
    looks = Looks(RUN, short, outsideRuns="Hold").until(NOW + 50 * MINUTE, work=40)
    looks.until(NOW + HOUR + SECOND, deferred=1, first_due=due)
    assert (("run", NOW) in looks.open) is stays
    looks.until(NOW + HOUR + 5 * MINUTE, work=3, deferred=1, first_due=due)
    looks.until(due - SECOND, deferred=1, first_due=due)
    assert looks.until(due + 10 * SECOND, work=1).workers == 1
    assert looks.until(due + 5 * MINUTE).open == []
    assert sorted(looks.past) == [("run", Outcome.DONE), ("short", Outcome.DONE)]


@pytest.mark.parametrize("warm_up", ["0s", "2m"])
def test_its_own_messages_find_it_open_after_a_short_run_of_another_schedule(warm_up: str) -> None:
    short = {"name": "short", "start": "4 12 * * *", "finishWithin": "2m", "warmUp": warm_up}
    looks = Looks(RUN, short, outsideRuns="Hold").until(NOW + MINUTE, work=5).until(NOW + 4 * MINUTE)
    looks.until(NOW + 5 * MINUTE, work=3, arrived=1).until(NOW + 10 * MINUTE)
    assert (looks.open, looks.past) == ([("run", NOW)], [("short", Outcome.DONE)])
    assert looks.until(NOW + 11 * MINUTE, work=40).workers > 0


ANOTHER = {"name": "another", "start": "5 12 * * *", "finishWithin": "6h"}


@pytest.mark.parametrize("warm_up", ["0s", "2m"])
@pytest.mark.parametrize("restart", [False, True], ids=["", "restarted"])
@pytest.mark.parametrize(
    "begins, unseen",
    [
        pytest.param(5 * MINUTE + SECOND, 4 * MINUTE, id="at-its-start"),
        pytest.param(5 * MINUTE - SECOND, 4 * MINUTE, id="seen-a-moment-before"),
        pytest.param(6 * MINUTE, 3 * MINUTE, id="not-seen-meanwhile"),
    ],
)
def test_a_run_that_was_done_is_not_late_by_the_work_of_a_run_of_another_schedule(
    warm_up: str, begins: timedelta, unseen: timedelta, *, restart: bool
) -> None:
    """It was open for what might still come, and took all workers for work that has hours."""
    short = RUN | {"finishWithin": "20m", "warmUp": warm_up, "workers": 1}
    looks = Looks(short, ANOTHER | {"warmUp": warm_up}, outsideRuns="Hold", max=30)
    looks.until(NOW + MINUTE, work=40).until(NOW + 4 * MINUTE)
    assert ("run", NOW) in looks.open
    looks = looks.restarted() if restart else looks
    looks.until(NOW + unseen).until(NOW + begins - SECOND, work=None if unseen < 4 * MINUTE else 0)
    looks.until(NOW + begins, work=2000).until(NOW + HOUR, work=2000)
    assert (looks.open, looks.workers) == ([("another", NOW + 5 * MINUTE)], 1)
    (past,) = looks.memory.history
    assert (past.name, past.outcome, past.finished <= NOW + 90 * SECOND) == ("run", Outcome.DONE, True)


def test_a_run_that_works_as_another_one_begins_stays_open_beside_it() -> None:
    looks = Looks(RUN, ANOTHER, outsideRuns="Hold").until(NOW + MINUTE, work=40).until(NOW + 4 * MINUTE)
    looks.until(NOW + 6 * MINUTE, work=3)
    assert looks.open == [("run", NOW), ("another", NOW + 5 * MINUTE)]


@pytest.mark.parametrize(
    "schedule, overdue",
    [
        pytest.param({"finishWithin": "10m"}, 5 * MINUTE, id="a-deadline"),
        pytest.param({"finishWithin": "2h"}, 15 * MINUTE, id="a-long-deadline"),
        pytest.param({}, 15 * MINUTE, id="neither"),
    ],
)
@pytest.mark.parametrize("outside", ["React", "Hold"])
def test_a_run_is_missed_while_there_is_still_time(schedule: dict[str, Any], overdue: timedelta, outside: str) -> None:
    """One whose time was over sooner than its first message overdue was called unseen, and never missed."""
    looks = Looks(WITHOUT_A_DEADLINE | schedule, outsideRuns=outside).until(NOW + overdue - SECOND)
    assert missed(looks) == [False]
    assert missed(looks.until(NOW + overdue)) == [True]
    assert looks.until(NOW + 13 * HOUR, every=MINUTE).past == [("run", Outcome.MISSED)]


@pytest.mark.parametrize("before", [MINUTE, -MINUTE], ids=["prepared", "begun"])
def test_no_look_is_worth_a_write_for_how_much_of_what_was_held_is_left(before: timedelta) -> None:
    looks = held().until(NOW - before, work=500)
    first = {"pools": [{"name": "pool", "memory": to_text(looks.memory)}]}
    looks.until(looks.now + SECOND, work=490)
    second = {"pools": [{"name": "pool", "memory": to_text(looks.memory)}]}
    assert not worth_writing(second, first, Written(first, first, looks.now - SECOND), looks.now)

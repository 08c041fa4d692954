"""Which fleet asks next: at a bounded rate with any number of workers, and no worker is passed over."""

from collections import Counter

import pytest

from utilitarian_operator.adapters.broker.workers.poll_schedule import (
    LEARNING_A_SECOND,
    MOST_IN_A_ROUND,
    NEAR_A_SECOND,
    PollSchedule,
    Round,
)
from utilitarian_operator.adapters.intervals import (
    INTERVALS,
)
from utilitarian_operator.core.observation.broker import Questions

SPAN_S = 200


def names(count: int) -> list[str]:
    return [f"celery@worker-{number:05}" for number in range(count)]


def want(poll_schedule: PollSchedule, who: str, now: list[str], slowly: list[str], **more: bool) -> frozenset[str]:
    return poll_schedule.want(who, Questions(frozenset(now), frozenset(slowly), **more))


def rounds_within(poll_schedule: PollSchedule, seconds: int = SPAN_S) -> list[tuple[float, Round]]:
    """What is due over a time, looked at four times a second as the session does."""
    looks = [quarter / 4 for quarter in range(seconds * 4)]
    return [(at, due) for at in looks if (due := poll_schedule.due(at)) is not None]


@pytest.mark.parametrize("near", [1, 50, 100, 400, 1000, 3000])
def test_the_workers_that_questions_reach_a_second_are_bounded_and_none_is_passed_over(near: int) -> None:
    poll_schedule = PollSchedule()
    want(poll_schedule, "fleet", names(near), names(near), around=True)
    due = rounds_within(poll_schedule)
    slow, quick = [it for _, it in due if it.learning or it.around], [it for _, it in due if not it.learning]
    assert len(quick) * near <= (NEAR_A_SECOND + LEARNING_A_SECOND) * SPAN_S + near
    assert len(slow) * near <= 2 * LEARNING_A_SECOND * SPAN_S + 2 * near
    turns = Counter(node for it in quick for node in it.nodes)
    if sum(bool(it.nodes) for it in quick) * MOST_IN_A_ROUND >= near:
        assert set(turns) == set(names(near))
        assert max(turns.values()) - min(turns.values()) <= 1


def test_a_few_workers_are_asked_each_second_and_all_each_two() -> None:
    poll_schedule = PollSchedule()
    want(poll_schedule, "fleet", names(2), names(5), around=False)
    due = rounds_within(poll_schedule, seconds=20)
    assert [at for at, it in due if it.learning] == [number * INTERVALS.learn_s for number in range(10)]
    assert {it.nodes for _, it in due if it.learning} == {tuple(names(5))}
    assert [at for at, _ in due] == list(range(20))
    assert {it.nodes for _, it in due if not it.learning} == {tuple(names(2))}


def test_beats_are_asked_seldom_by_themselves_and_also_where_no_worker_is() -> None:
    poll_schedule = PollSchedule()
    want(poll_schedule, "asleep", [], [], around=False, beats=True)
    assert rounds_within(poll_schedule, seconds=241) == [
        (at, Round((), beats=True)) for at in (0, INTERVALS.beats_s, 240)
    ]
    want(poll_schedule, "asleep", names(1), [], around=False, beats=True)
    poll_schedule.failed()
    assert poll_schedule.due(250) == Round(tuple(names(1))), (
        "workers that could not be asked bring the beats no earlier turn"
    )
    assert poll_schedule.due(250.5) is None


def test_fleets_that_share_a_broker_share_its_pace() -> None:
    poll_schedule = PollSchedule()
    want(poll_schedule, "one", names(200), [], around=False)
    assert want(poll_schedule, "other", names(300)[200:], [], around=False) == set(names(300))
    due = rounds_within(poll_schedule, seconds=31)
    assert [at for at, _ in due] == list(range(0, 31, 3))
    assert {it.nodes for _, it in due} == {tuple(names(300))}


def test_who_is_not_named_any_more_is_not_asked() -> None:
    poll_schedule = PollSchedule()
    want(poll_schedule, "fleet", names(3), [], around=True)
    want(poll_schedule, "fleet", [], [], around=False)
    assert rounds_within(poll_schedule) == []


def test_no_worker_is_asked_for_a_fleet_that_is_gone() -> None:
    poll_schedule = PollSchedule()
    want(poll_schedule, "stays", names(1), [], around=False)
    want(poll_schedule, "goes", names(3), names(3), around=True)
    want(poll_schedule, "goes", [], [], around=False)
    assert {it for _, it in rounds_within(poll_schedule)} == {Round(tuple(names(1)))}


def test_what_came_to_nothing_is_due_again() -> None:
    poll_schedule = PollSchedule()
    want(poll_schedule, "fleet", names(1), names(1), around=False)
    first = poll_schedule.due(0)
    assert poll_schedule.due(0.5) is None
    poll_schedule.failed()
    assert poll_schedule.due(0.5) == first


def test_workers_that_come_and_go_shift_none_out_of_its_turn() -> None:
    poll_schedule = PollSchedule()
    all_of_them = names(2 * MOST_IN_A_ROUND)
    want(poll_schedule, "fleet", all_of_them, [], around=False)
    first = poll_schedule.due(0)
    want(poll_schedule, "fleet", all_of_them[1:], [], around=False)
    second = poll_schedule.due(1000)
    assert first is not None
    assert second is not None
    assert set(first.nodes) | set(second.nodes) == set(all_of_them)


def test_short_tasks_are_looked_at_four_times_a_second_between_the_other_rounds() -> None:
    poll_schedule = PollSchedule()
    want(poll_schedule, "fleet", names(2), names(2), around=False)
    due = [it for quarter in range(40) if (it := poll_schedule.due(quarter / 4, names(1))) is not None]
    assert len(due) == 40
    assert sum(it.closely for it in due) == 30
    assert {it.nodes for it in due if it.closely} == {tuple(names(1))}


@pytest.mark.parametrize("there", [12, 100, 1000])
def test_however_many_workers_there_are_a_closer_look_reaches_no_more_of_them_a_second(there: int) -> None:
    poll_schedule = PollSchedule()
    want(poll_schedule, "fleet", [], names(there), around=False)
    due = [it for quarter in range(SPAN_S * 4) if (it := poll_schedule.due(quarter / 4, names(there))) is not None]
    assert sum(it.closely for it in due) * there <= LEARNING_A_SECOND * SPAN_S + there

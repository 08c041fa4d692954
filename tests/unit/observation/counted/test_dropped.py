"""What is taken for dropped: messages that went while nothing consumed their queue, and did not come back."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utilitarian_operator.core.observation.counted.dropped import Dropped, Drops
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.queue import Missing, Present, QueueSnapshot

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


def after(looks: list[QueueSnapshot], each: timedelta = SECOND, quiet: int = 60) -> int:
    """What is known after these looks, and as many more at which all is as at the last."""
    drops, now = Drops(), NOW
    for queue in (*looks, *looks[-1:] * quiet):
        drops = drops.seen({"q": queue}, now, MINUTE)
        now += each
    return drops.known["q"].tasks if drops.known else 0


def alone(*ready: int) -> list[QueueSnapshot]:
    return [Present(it, 0) for it in ready]


@pytest.mark.parametrize(
    "looks, tasks",
    [
        pytest.param(alone(1, 1, 0), 1, id="it went"),
        pytest.param(alone(5, 3, 2, 0), 5, id="one after the other"),
        pytest.param([*alone(3, 1), Present(1, 1)], 2, id="a consumer came after them"),
        pytest.param(alone(0, 2, 2), 0, id="they wait"),
        pytest.param([*alone(3), Present(0, 1)], 0, id="a consumer came and took them"),
        pytest.param([*alone(3), Present(0, 1), Present(0, 0)], 0, id="a consumer took them and left"),
        pytest.param([Present(3, 1), *alone(0)], 0, id="the last consumer took them"),
        pytest.param(alone(50, 0, 0, 50), 0, id="a false zero"),
        pytest.param(alone(5, 4, 5), 0, id="someone looked at one, and gave it back"),
        pytest.param([*alone(3), Unknown("away", NOW), *alone(0)], 0, id="it was not seen meanwhile"),
        pytest.param([*alone(3), Missing(), *alone(0)], 0, id="it was deleted and made again"),
        pytest.param(
            [Present(0, 1), Present(2, 0, doubt=Unknown("is its leader away?", NOW)), *alone(0)],
            0,
            id="the statistics are older than the worker that took them and left",
        ),
        pytest.param(
            [*alone(2), Present(0, 0, doubt=Unknown("is its leader away?", NOW)), *alone(0)], 0, id="in doubt meanwhile"
        ),
    ],
)
def test_what_went_while_nothing_consumed_it_is_counted(looks: list[QueueSnapshot], tasks: int) -> None:
    assert after(looks) == tasks


@pytest.mark.parametrize("served, tasks", [((), 2), (("q",), 0), (("other",), 2)])
def test_what_a_worker_may_have_taken_between_two_looks_was_not_dropped(served: tuple[str, ...], tasks: int) -> None:
    """A container that is ended a second after it began, as in a rollout that another one follows."""
    drops = Drops()
    for second, ready in enumerate((2, 0, *(0,) * 60)):
        drops = drops.seen({"q": Present(ready, 0)}, NOW + second * SECOND, MINUTE, served if second < 5 else ())
    assert sum(it.tasks for it in drops.known.values()) == tasks


def test_what_may_come_back_is_not_told_yet() -> None:
    assert after(alone(3, 0), quiet=58) == 0


def test_a_time_without_a_look_says_nothing() -> None:
    assert after(alone(3, 0), each=MINUTE) == 0


def test_they_add_up_are_told_for_a_day_and_forgotten_with_their_queue() -> None:
    drops, now = Drops(), NOW
    for ready in (1, 0, 1, 0):
        for _ in range(62):
            drops = drops.seen({"q": Present(ready, 0)}, now, MINUTE)
            now += SECOND
    assert drops.known["q"].tasks == 2
    assert drops.seen({"q": Present(0, 0)}, now + timedelta(hours=23), MINUTE).known
    assert not drops.seen({"q": Present(0, 0)}, now + timedelta(hours=25), MINUTE).known
    assert not drops.seen({}, now, MINUTE).known


def test_a_clock_that_was_a_year_ahead_does_not_tell_of_them_for_a_year() -> None:
    drops = Drops({"q": Dropped(1, NOW + timedelta(days=365))}, at=NOW)
    assert not drops.seen({"q": Present(0, 0)}, NOW + SECOND, MINUTE).known


@given(looks=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1)), max_size=20))
def test_no_more_are_told_than_went_at_looks_without_a_consumer(looks: list[tuple[int, int]]) -> None:
    most = sum(max(one[0] - two[0], 0) for one, two in pairwise(looks) if not one[1] and not two[1])
    assert after([Present(*it) for it in looks] or alone(0)) <= most

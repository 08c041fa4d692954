"""What is counted of any worker that is asked at any pace, against what it really did."""

from itertools import chain, pairwise, repeat

from hypothesis import given
from hypothesis import strategies as st

from tests.support.answering import Asked, Task, played
from utilitarian_operator.core.observation.counted.worked import UNSEEN_S

PAUSE = st.floats(0.1, 5.0)
LENGTHS = st.lists(st.tuples(st.floats(0.0, 20.0), st.floats(0.01, 60.0)), max_size=30)


def tasks(drawn: list[tuple[float, float]], slots: int) -> list[Task]:
    at, arrivals = 0.0, []
    for gap, _ in drawn:
        at += gap
        arrivals.append(at)
    return played(arrivals, [length for _, length in drawn], slots)


@given(LENGTHS, st.integers(1, 8), st.lists(PAUSE, min_size=1, max_size=50))
def test_every_task_counts_once_and_none_by_more_than_one_pause_too_much_or_too_little(
    drawn: list[tuple[float, float]], slots: int, pauses: list[float]
) -> None:
    run = tasks(drawn, slots)
    worker = Asked(run)
    worker.ask_until_empty(chain(pauses, repeat(pauses[-1])))
    longest_pause = max(pauses) + 1.1  # and one question without an answer
    true = sum(task.seconds for task in run)
    assert worker.worked.ended == len(run)
    assert abs(worker.worked.slot_seconds - true) <= len(run) * longest_pause


@given(LENGTHS, st.integers(1, 8), st.lists(PAUSE, min_size=1, max_size=50))
def test_a_task_is_never_longer_than_the_longest(
    drawn: list[tuple[float, float]], slots: int, pauses: list[float]
) -> None:
    run = tasks(drawn, slots)
    worker = Asked(run)
    worker.ask_until_empty(chain(pauses, repeat(pauses[-1])))
    longest = max((task.seconds for task in run), default=0.0)
    assert worker.worked.slot_seconds <= worker.worked.ended * (longest + max(pauses) + 1.1)


@given(LENGTHS, st.lists(PAUSE, min_size=1, max_size=50))
def test_a_worker_of_one_slot_was_never_at_work_for_longer_than_it_was_there(
    drawn: list[tuple[float, float]], pauses: list[float]
) -> None:
    run = tasks(drawn, 1)
    worker = Asked(run, alone=True)
    worker.ask_until_empty(chain(pauses, repeat(pauses[-1])))
    last = worker.worked.last
    assert last is not None
    assert worker.worked.ended <= len(run)
    assert 0 <= worker.worked.slot_seconds <= last.asked + last.took_s + 1
    watched = all(later.begins - earlier.ends < UNSEEN_S for earlier, later in pairwise(run))
    assert worker.worked.ended == len(run) or not watched or not run

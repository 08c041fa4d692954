from array import array
from itertools import repeat
from math import inf

import pytest

from utilitarian_operator.simulation.load.arrivals import Tasks
from utilitarian_operator.simulation.pool_model import Workers
from utilitarian_operator.simulation.worker import Kind, State


def model(at: list[float], seconds: list[float], *, slots: int = 2) -> Workers:
    tasks = Tasks(array("d", at), array("d", seconds), bytearray(len(at)), ("work",), {})
    return Workers(tasks, Kind(slots, 0, acks_late=False), repeat(10.0))


@pytest.mark.parametrize(
    "now, arrived, ready, running, used, oldest",
    [
        pytest.param(5, 1, 1, 0, 0, 0, id="before-the-worker-is-ready"),
        pytest.param(12, 1, 0, 1, 2, 2, id="a-task-runs"),
        pytest.param(20, 3, 1, 2, 10, 10, id="both-slots-are-taken"),
        pytest.param(100, 3, 0, 0, 90, 0, id="all-is-done"),
    ],
)
def test_what_can_be_seen(now: float, arrived: int, ready: int, running: int, used: float, oldest: float) -> None:
    played = model([1, 20, 20], [30, 30, 30])
    played.start(1, 0)
    played.advance(now)
    assert (played.arrived, played.ready, played.running) == (arrived, ready, running)
    assert (played.used, played.oldest) == (used, oldest)
    assert (played.current, played.count(State.STARTING, State.SERVING)) == (1, 1)
    assert played.idle == (running == 0)


def test_arrivals_are_counted_anew_when_time_has_passed() -> None:
    played = model([1, 2, 3, 3, 9], [5] * 5)
    counts = []
    for now in (0.5, 2, 2, 3, 8.9, 9, 50):
        played.advance(now)
        counts.append((played.arrived, played.next_arrival))
    assert counts == [(0, 1), (2, 3), (2, 3), (4, 9), (4, 9), (5, inf), (5, inf)]


def test_when_something_ends() -> None:
    played = model([0, 0, 0], [5, 30, 1])
    played.start(1, 0)
    assert (played.next_event, played.last_end, played.busy_until) == (10, 0, 0)
    played.advance(12)
    assert (played.next_event, played.last_end, played.busy_until) == (inf, 40, 12)
    played.advance(60)
    assert (played.last_end, played.busy_until) == (60, 40)

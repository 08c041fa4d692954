"""Whatever is done to a fleet, no task appears or vanishes, and time is accounted for."""

from array import array
from itertools import repeat

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from utilitarian_operator.simulation.load.arrivals import Tasks
from utilitarian_operator.simulation.oracle import Problem, lower_bound
from utilitarian_operator.simulation.pool_model import Workers
from utilitarian_operator.simulation.worker import Kind, State

GAPS = st.lists(st.sampled_from([0.0, 0.0, 0.5, 3.0, 40.0, 400.0]), min_size=1, max_size=60)
ACTS = st.lists(
    st.tuples(st.sampled_from(["resize", "stop", "kill"]), st.integers(0, 5), st.sampled_from([1.0, 7.0, 60.0, 500.0])),
    max_size=25,
)


@settings(max_examples=examples(300), deadline=None)
@given(
    gaps=GAPS,
    seconds=st.lists(st.sampled_from([0.1, 2.0, 30.0, 700.0]), min_size=60, max_size=60),
    acts=ACTS,
    slots=st.integers(1, 4),
    ahead=st.integers(0, 4),
    late=st.booleans(),
    eta=st.sets(st.integers(0, 59), max_size=4),
)
def test_tasks_are_conserved(  # noqa: PLR0913 - what is drawn
    *,
    gaps: list[float],
    seconds: list[float],
    acts: list[tuple[str, int, float]],
    slots: int,
    ahead: int,
    late: bool,
    eta: set[int],
) -> None:
    at = [sum(gaps[: i + 1]) for i in range(len(gaps))]
    due = {k: at[k] + 100 for k in eta if k < len(at)}
    tasks = Tasks(array("d", at), array("d", seconds[: len(at)]), bytearray(len(at)), ("work",), due)
    played = Workers(tasks, Kind(slots, ahead, late), repeat(10.0))
    now = 0.0
    for what, count, later in acts:
        if what == "resize":
            played.resize(count, now)
        elif what == "stop":
            played.stop_newest(min(count, played.current), now, 30)
        elif played.alive:
            played.kill(min(played.alive), now)
        now += later
        played.advance(now)
        held = sum(len(played.workers[w].held) for w in played.alive)
        everywhere = played.completed + len(played.lost) + played.running + played.ready + held + len(played.deferred)
        assert everywhere == played.arrived
        assert all(0 <= played.workers[w].running <= slots for w in played.alive)
        assert late is False or not played.lost
    played.resize(max(played.current, 1), now)
    played.advance(now + 1_000_000)
    assert played.completed + len(played.lost) == len(at)
    assert played.count(State.DRAINING) == 0
    played.close()
    account = played.account
    assert 0 <= account.idle <= account.worker_seconds + 1e-5


@settings(max_examples=examples(200), deadline=None)
@given(gaps=GAPS, promise=st.sampled_from([1.0, 30.0, 600.0]), slots=st.integers(1, 4))
def test_no_schedule_that_keeps_the_promises_beats_the_bound(gaps: list[float], promise: float, slots: int) -> None:
    at = array("d", [100 + sum(gaps[: i + 1]) for i in range(len(gaps))])
    seconds = array("d", [2.0] * len(at))
    problem = Problem(at, seconds, array("d", [came + promise for came in at]), slots, 10.0, 50)
    tasks = Tasks(at, seconds, bytearray(len(at)), ("work",), {})
    always = Workers(tasks, Kind(slots, 0, acks_late=True), repeat(10.0))
    enough = next(n for n in range(1, 80) if _late(at, seconds, n * slots) <= promise)
    always.start(enough, at[0] - 10)
    always.advance(1e6)
    end = max(began + 2 for began in always.began_at)
    assert lower_bound(problem) <= enough * (end - at[0] + 10) + 1e-6


def _late(at: "array[float]", seconds: "array[float]", slots: int) -> float:
    free, worst = [0.0] * slots, 0.0
    for came, takes in zip(at, seconds, strict=True):
        free.sort()
        began = max(came, free[0])
        worst = max(worst, began - came)
        free[0] = began + takes
    return worst

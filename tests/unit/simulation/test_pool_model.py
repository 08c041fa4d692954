from array import array
from itertools import repeat
from math import factorial
from random import Random
from typing import Any

import pytest

from utilitarian_operator.simulation.load.arrivals import Tasks
from utilitarian_operator.simulation.pool_model import Workers
from utilitarian_operator.simulation.worker import Kind, State


def model(at: list[float], seconds: list[float], *, slots: int = 2, **more: Any) -> Workers:
    eta = more.pop("eta", {})
    tasks = Tasks(array("d", at), array("d", seconds), bytearray(len(at)), ("work",), eta)
    kind = Kind(slots, more.get("ahead", 0), more.get("late", False), more.get("departure", 0))
    return Workers(tasks, kind, repeat(10.0))


def erlang_c(load: float, servers: int) -> float:
    """Probability that a task of an M/M/c queue has to wait."""
    waits = load**servers / factorial(servers) * servers / (servers - load)
    return waits / (sum(load**k / factorial(k) for k in range(servers)) + waits)


@pytest.mark.parametrize("slots, workers, share", [(1, 1, 0.6), (4, 1, 0.8), (2, 3, 0.8)])
def test_waits_are_those_of_queueing_theory(slots: int, workers: int, share: float) -> None:
    random, servers, mean = Random(1), slots * workers, 3.0  # noqa: S311 - no secret
    rate, now, at = share * servers / mean, 100.0, []
    for _ in range(120_000):
        now += random.expovariate(rate)
        at.append(now)
    played = model(at, [random.expovariate(1 / mean) for _ in at], slots=slots)
    played.start(workers, 0)
    played.advance(now + 10_000)
    waits = [began - came for began, came in zip(played.began_at, at, strict=True)]
    expected = erlang_c(share * servers, servers) * mean / (servers - share * servers)
    assert played.completed == len(at)
    assert sum(waits) / len(waits) == pytest.approx(expected, rel=0.08)
    assert sum(wait > 0 for wait in waits) / len(waits) == pytest.approx(erlang_c(share * servers, servers), rel=0.05)


def test_coasting_comes_to_the_same_as_playing() -> None:
    random, now, at = Random(2), 20.0, []  # noqa: S311 - no secret
    for _ in range(3000):
        now += random.expovariate(0.5)
        at.append(now)
    seconds = [random.uniform(0.1, 9) for _ in at]
    played, coasted = (model(at, seconds, slots=20) for _ in range(2))
    for one in (played, coasted):
        one.start(1, 0)
        one.advance(15)
    played.advance(now + 100)
    while coasted.clock < now + 100 and coasted.next_arrival < 1e9:
        coasted.coast(now + 100, 20, 120)
    coasted.advance(now + 100)
    assert coasted.began_at == played.began_at
    assert coasted.completed == played.completed
    for one in (played, coasted):
        one.close()
    assert coasted.account.idle == pytest.approx(played.account.idle)
    assert coasted.account.worker_seconds == played.account.worker_seconds


def test_coasting_stops_before_a_task_too_many_and_in_a_long_pause() -> None:
    crowded = model([20, 21, 22, 23], [50] * 4, slots=2)
    crowded.start(1, 0)
    crowded.advance(15)
    crowded.coast(1000, 2, 120)
    assert (crowded.clock, crowded.head) == (22, 2)
    quiet = model([20, 400], [5, 5])
    quiet.start(1, 0)
    quiet.advance(21)
    quiet.coast(1000, 2, 120)
    assert (quiet.clock, quiet.completed) == (25, 1)


def test_a_worker_costs_from_the_start_of_its_start_up() -> None:
    played = model([0], [5])
    played.start(1, 0)
    played.advance(100)
    played.resize(0, 100)
    assert played.began_at[0] == 10
    assert played.account.worker_seconds == 100
    assert played.account.idle == 85


def test_a_worker_that_never_had_a_task_was_idle_since_it_was_ready() -> None:
    played = model([1000], [5])
    played.start(1, 0)
    played.advance(50)
    played.resize(0, 50)
    assert played.account.idle == 40


def test_workers_that_share_a_node_start_more_slowly_together() -> None:
    tasks = Tasks(array("d", [1000.0]), array("d", [5.0]), bytearray(1), ("work",), {})
    played = Workers(tasks, Kind(2, 0, acks_late=False, crowded=True), repeat(8.0))
    played.start(1, 0)
    played.advance(2)
    played.start(2, 2)  # the first goes on as it began
    played.advance(100)
    assert played.ready_at == [8, 26, 26]
    played.start(1, 100)
    played.advance(200)
    assert played.ready_at[-1] == 108


def test_a_worker_that_goes_costs_until_that_was_seen() -> None:
    played = model([0], [30], departure=3)
    played.start(2, 0)
    played.start(1, 15)  # one that runs, one that is idle and one that only starts
    played.advance(20)
    played.resize(0, 20)
    assert (played.current, played.idle, len(played.alive)) == (0, 0, 3)
    played.advance(23)
    assert len(played.alive) == 1
    played.advance(60)
    assert not played.alive
    assert played.account.worker_seconds == 23 + 8 + 43
    assert (played.account.interrupted, played.completed) == (0, 1)


def test_a_worker_that_goes_is_seen_to_go_though_no_look_is_made() -> None:
    played = model([0, 20], [5, 5], departure=3)
    played.start(1, 0)
    played.advance(15)
    played.resize(0, 15)
    played.advance(100)
    assert played.samples == [(18, 0, 0)]


def test_a_draining_worker_ends_its_tasks_and_takes_none() -> None:
    played = model([0] * 6, [30, 40, 30, 30, 30, 30])
    played.start(2, 0)
    played.advance(20)
    played.resize(1, 20)
    assert (played.current, played.count(State.DRAINING), played.held()) == (1, 1, 2)
    played.advance(500)
    assert played.completed == 6
    assert len(played.alive) == 1
    assert played.account.interrupted == 0


def test_a_draining_worker_is_taken_back_before_another_is_started() -> None:
    played = model([0] * 6, [300] * 6)
    played.start(2, 0)
    played.advance(20)
    played.resize(1, 20)
    played.resize(2, 21)
    assert (played.current, played.account.starts, len(played.alive)) == (2, 2, 2)


def test_the_idle_go_first() -> None:
    played = model([15] * 3, [300] * 3, slots=1)
    played.start(4, 0)
    played.advance(20)
    played.resize(2, 20)
    assert (played.current, played.held()) == (2, 2)
    assert played.count(State.DRAINING) == 1


@pytest.mark.parametrize("late, finished, lost", [(True, 4, 0), (False, 2, 2)])
def test_a_killed_worker_loses_what_was_acknowledged(*, late: bool, finished: int, lost: int) -> None:
    played = model([0] * 4, [30] * 4, late=late)
    played.start(1, 0)
    played.advance(20)
    played.kill(next(iter(played.alive)), 20)
    assert played.account.interrupted == 2
    played.start(1, 20)
    played.advance(500)
    assert (played.completed, len(played.lost)) == (finished, lost)


def test_a_stop_by_the_replica_set_kills_after_the_grace() -> None:
    played = model([0] * 4, [300, 300, 5, 5], late=True)
    played.start(1, 0)
    played.advance(20)
    played.stop_newest(1, 20, 30)
    assert played.account.interrupted == 0
    played.advance(50)
    assert played.account.interrupted == 2
    assert (played.ready, len(played.alive)) == (4, 0)


def test_messages_fetched_ahead_wait_behind_their_worker_s_own() -> None:
    played = model([0] * 4 + [50], [100, 100, 10, 10, 10], slots=1, ahead=1)
    played.start(2, 0)
    played.advance(109)
    assert played.completed == 0
    played.advance(112)
    assert played.held(fetched_only=True) == 1
    assert played.ready == 0
    played.advance(500)
    assert played.completed == 5


def test_a_task_with_an_eta_waits_in_its_worker() -> None:
    played = model([0, 1], [5, 5], eta={0: 200.0})
    played.start(1, 0)
    played.advance(100)
    assert (len(played.deferred), played.ready, played.completed) == (1, 0, 1)
    played.advance(300)
    assert played.began_at[0] == 200
    assert played.completed == 2


def test_without_a_worker_deferred_tasks_are_in_the_queue_again() -> None:
    played = model([0], [5], eta={0: 200.0})
    played.start(1, 0)
    played.advance(50)
    played.stop_newest(1, 50, 30)
    assert (len(played.deferred), played.ready) == (0, 1)

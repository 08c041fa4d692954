"""The drain, step by step: who is chosen, what happens to it next, and when the Deployment may shrink."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pools import NOW
from utilitarian_operator.core.draining.steps import (
    CancelConsumers,
    DrainStep,
    MarkDraining,
    PoolWorkers,
    Release,
    Resize,
    ResumeConsumers,
    Unmark,
    Worker,
    lifted,
    mute,
    slow,
    steps,
)
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.pod import WorkerLoad

SILENT = Unknown("does not answer", NOW)
MARKED = NOW - timedelta(seconds=5)


def worker(name: str, active: int | None = 0, *, reserved: int = 0, **more: Any) -> Worker:
    held = SILENT if active is None else WorkerLoad(active, active, reserved, 0)
    given = {"running": True, "ready": True, "leaving": False, "consuming": ("queue",), **more}
    return Worker(name=name, held=held, **given)


def waiting(name: str, tasks: int) -> Worker:
    return replace(worker(name), held=WorkerLoad(0, 0, 0, tasks), later=True)


def cancelled(name: str, active: int = 0) -> Worker:
    return worker(name, active, consuming=(), marked=MARKED)


def nothing(name: str) -> Worker:
    return worker(name, consuming=(), takes_nothing=True)


def released(name: str) -> Worker:
    return worker(name, consuming=(), marked=MARKED, ready=False, released=True)


CASES: dict[str, tuple[PoolWorkers, int, list[DrainStep]]] = {
    "enough workers: nothing": (PoolWorkers([worker("a"), worker("b")], 2), 2, []),
    "one that stays and consumes nothing is told to": (
        PoolWorkers([nothing("a"), worker("b")], 2, queues=("queue",)),
        2,
        [ResumeConsumers("a", ("queue",))],
    ),
    "also one that was never ready: it would not become so": (
        PoolWorkers([replace(nothing("a"), ready=False)], 1, queues=("queue",)),
        1,
        [ResumeConsumers("a", ("queue",))],
    ),
    "also one whose word is not believed of what it may do": (
        PoolWorkers([replace(nothing("a"), held=SILENT, consuming=None)], 1, queues=("queue",)),
        1,
        [ResumeConsumers("a", ("queue",))],
    ),
    "but not one that is chosen to leave": (
        PoolWorkers([nothing("a"), worker("b", 1)], 2, queues=("queue",)),
        1,
        [MarkDraining("a")],
    ),
    "nor one that was just told": (PoolWorkers([worker("a", consuming=())], 1, queues=("queue",)), 1, []),
    "nor one that is being deleted": (
        PoolWorkers([worker("a"), replace(nothing("b"), leaving=True)], 1, queues=("queue",)),
        1,
        [],
    ),
    "nor one that may have been released, by what the Deployment says": (
        PoolWorkers([nothing("a")], 1, queues=("queue",), agreed=False),
        1,
        [],
    ),
    "nor one of gevent": (PoolWorkers([nothing("a")], 1, queues=("queue",), may_return=False), 1, []),
    "more are wanted": (PoolWorkers([worker("a")], 1), 4, [Resize(4)]),
    "the idle one goes": (PoolWorkers([worker("a", 3), worker("b"), worker("c", 1)], 3), 2, [MarkDraining("b")]),
    "the one that is not ready goes first": (
        PoolWorkers([worker("a"), worker("b", ready=False, running=False)], 2),
        1,
        [MarkDraining("b")],
    ),
    "least work held": (PoolWorkers([worker("a", 3), worker("b", 1, reserved=1)], 2), 1, [MarkDraining("b")]),
    "of two that run nothing the one in which no task waits for its ETA": (
        PoolWorkers([waiting("a", 2), worker("b"), waiting("c", 1)], 3),
        2,
        [MarkDraining("b")],
    ),
    "of two in which tasks wait for their ETA the one with fewer": (
        PoolWorkers([waiting("a", 2), waiting("b", 1)], 2),
        1,
        [MarkDraining("b")],
    ),
    "one that doesn't answer goes last": (PoolWorkers([worker("a", None), worker("b", 9)], 2), 1, [MarkDraining("b")]),
    "a quarter at a time": (
        PoolWorkers([worker(f"w{i}") for i in range(8)], 8),
        0,
        [MarkDraining("w0"), MarkDraining("w1")],
    ),
    "one at a time while messages wait: one may be on its way to it, and comes back": (
        PoolWorkers([worker(f"w{i}") for i in range(8)], 8, waiting=True),
        0,
        [MarkDraining("w0")],
    ),
    "not during a rollout": (PoolWorkers([worker("a"), worker("b")], 2, rolling_out=True), 1, []),
    "a marked one is told to take nothing more": (
        PoolWorkers([worker("a", 1, marked=MARKED), worker("b", 1)], 2),
        1,
        [CancelConsumers("a", ("queue",))],
    ),
    "one that is silent about its queues is told again, of those of the pool": (
        PoolWorkers([worker("a", 1, marked=MARKED, consuming=None), worker("b", 1)], 2, queues=("q1", "q2")),
        1,
        [CancelConsumers("a", ("q1", "q2"))],
    ),
    "it finishes what it holds": (PoolWorkers([cancelled("a", 1), worker("b", 1)], 2), 1, []),
    "empty and idle is not enough while it consumes": (
        PoolWorkers([worker("a", marked=MARKED), worker("b", 1)], 2),
        1,
        [CancelConsumers("a", ("queue",))],
    ),
    "empty it is released": (PoolWorkers([cancelled("a"), worker("b", 1)], 2), 1, [Release("a")]),
    "one whose container doesn't run is released at once": (
        PoolWorkers([worker("a", None, running=False, ready=False, marked=MARKED), worker("b", 1)], 2),
        1,
        [Release("a")],
    ),
    "empty it is released, also if it never was ready": (
        PoolWorkers([replace(cancelled("a"), ready=False), worker("b", 1)], 2),
        1,
        [Release("a")],
    ),
    "not while another becomes ready": (PoolWorkers([cancelled("a"), worker("b", 1, ready=False)], 2), 1, []),
    "released, and called ready still: the controller may know nothing of it": (
        PoolWorkers(
            [worker("a", consuming=(), marked=MARKED, withdrawn=True, released=True), worker("b", 1)],
            2,
        ),
        1,
        [],
    ),
    "released it goes": (PoolWorkers([released("a"), worker("b", 1)], 2), 1, [Resize(1, ("a",))]),
    "one that was released before its container ran, and works now, is told to take nothing more": (
        PoolWorkers([replace(released("a"), held=WorkerLoad(1, 1, 0, 0), consuming=("queue",)), worker("b", 1)], 2),
        1,
        [CancelConsumers("a", ("queue",))],
    ),
    "it finishes what it holds, too": (
        PoolWorkers([replace(released("a"), held=WorkerLoad(1, 1, 0, 0)), worker("b", 1)], 2),
        1,
        [],
    ),
    "also the last one": (PoolWorkers([replace(released("a"), held=WorkerLoad(1, 1, 0, 0))], 1), 0, []),
    "a released one that says nothing is told again, and stays until it is known to be empty": (
        PoolWorkers([replace(released("a"), held=SILENT, consuming=None)], 1, queues=("queue",)),
        0,
        [CancelConsumers("a", ("queue",))],
    ),
    "not while another one is unready": (PoolWorkers([released("a"), worker("b", 1, ready=False)], 2), 1, []),
    "not while a pod too many is there": (PoolWorkers([released("a"), worker("b", 1), worker("c", 1)], 2), 2, []),
    "one that the controller has yet to delete is asked for no more": (
        PoolWorkers([released("a"), worker("b", 1)], 1),
        1,
        [],
    ),
    "nor is the last one": (PoolWorkers([released("a")], 0), 0, []),
    "a pod that was not made goes before any": (
        PoolWorkers([released("a"), worker("b", 1)], 5, refused=True),
        1,
        [Resize(2)],
    ),
    "a pod that is not seen may be there all the same": (PoolWorkers([released("a"), worker("b", 1)], 5), 1, []),
    "also where none is seen": (PoolWorkers([], 3), 0, []),
    "none goes while the Deployment says something else of its pods": (
        PoolWorkers([released("a"), worker("b", 1)], 2, agreed=False),
        1,
        [],
    ),
    "not all of them either": (PoolWorkers([released("a")], 1, agreed=False), 0, []),
    "nor is a worker called unready then": (PoolWorkers([cancelled("a"), worker("b", 1)], 2, agreed=False), 1, []),
    "one whose container didn't run before it was marked may run now": (
        PoolWorkers([worker("a", None, running=False, ready=False, marked=MARKED, stopped=False), worker("b", 1)], 2),
        1,
        [CancelConsumers("a", ("queue",))],
    ),
    "in a rollout one that leaves stays ready, or the rollout would never end": (
        PoolWorkers([cancelled("a"), worker("b", 1), worker("c", 0, ready=False, running=False)], 2, rolling_out=True),
        1,
        [],
    ),
    "of pods whose containers don't run any may go": (
        PoolWorkers(
            [
                worker("a", None, running=False, ready=False, marked=MARKED, released=True),
                worker("b", None, running=False, ready=False),
                worker("c", 1),
            ],
            3,
        ),
        2,
        [Resize(2, ("a",))],
    ),
    "pods that are being made stay": (PoolWorkers([worker("b", 1)], 3), 3, []),
    "none of those that wait for a quota is left": (PoolWorkers([], 3, refused=True), 0, [Resize(0)]),
    "none is chosen before all had the time to say what they hold": (
        PoolWorkers([worker("a", None), worker("b", 1)], 2, asked=False),
        1,
        [],
    ),
    "during a rollout all may go": (
        PoolWorkers([worker("a"), worker("b")], 2, rolling_out=True),
        0,
        [MarkDraining("a")],
    ),
    "during a rollout all may go, also one more than are asked for": (
        PoolWorkers([cancelled("a", 1), worker("b")], 1, rolling_out=True),
        0,
        [MarkDraining("b")],
    ),
    "during a rollout all go together": (
        PoolWorkers([released("a"), released("b")], 2, rolling_out=True),
        0,
        [Resize(0, ("a", "b"))],
    ),
    "during a rollout not one of them": (PoolWorkers([released("a"), worker("b", 1)], 2, rolling_out=True), 1, []),
    "during a rollout one too many leaves as well, and none is asked for in its place": (
        PoolWorkers([cancelled("a"), cancelled("b", 1)], 1, rolling_out=True),
        0,
        [Release("a")],
    ),
    "during a rollout load returns: none is released before its end, so an empty one is taken back": (
        PoolWorkers([cancelled("a"), cancelled("b")], 1, rolling_out=True, queues=("q",)),
        1,
        [ResumeConsumers("b", ("q",))],
    ),
    "during a rollout none is asked for beside two that are there": (
        PoolWorkers([cancelled("a"), worker("b", 1)], 1, rolling_out=True, queues=("q",)),
        1,
        [ResumeConsumers("a", ("q",))],
    ),
    "load returns while another becomes ready: an empty one that may not go yet is taken back": (
        PoolWorkers([cancelled("a"), worker("b", 0, ready=False)], 2, queues=("q",)),
        2,
        [ResumeConsumers("a", ("q",))],
    ),
    "the last one too": (PoolWorkers([released("a")], 1), 0, [Resize(0, ("a",))]),
    "load returns: one that is not empty is taken back": (
        PoolWorkers([cancelled("a", 2), worker("b", 1)], 2),
        2,
        [ResumeConsumers("a", ())],
    ),
    "load returns: one that consumes again is like any other": (
        PoolWorkers([worker("a", 2, marked=MARKED), worker("b", 1)], 2, queues=("queue",)),
        2,
        [Unmark("a", ("queue",))],
    ),
    "load returns: an empty one goes on, a new one comes": (
        PoolWorkers([cancelled("a"), worker("b", 1)], 2),
        2,
        [Resize(3), Release("a")],
    ),
    "gevent can't return: a new one comes": (
        PoolWorkers([cancelled("a", 2), worker("b", 1)], 2, may_return=False),
        2,
        [Resize(3)],
    ),
    "more than can be taken back: new ones first, they take longer": (
        PoolWorkers([cancelled("a", 2), worker("b", 1)], 2),
        4,
        [Resize(4), ResumeConsumers("a", ())],
    ),
    "one that is being deleted is none of them": (
        PoolWorkers([worker("a", leaving=True), worker("b", 1)], 1),
        1,
        [],
    ),
}


@pytest.mark.parametrize(
    "pool_workers, desired, expected", [pytest.param(*case, id=name) for name, case in CASES.items()]
)
def test_step(pool_workers: PoolWorkers, desired: int, expected: list[DrainStep]) -> None:
    assert steps(pool_workers, desired) == expected


@pytest.mark.parametrize(
    "pool_workers, expected",
    [
        pytest.param(PoolWorkers([worker("a", 1)], 1), [], id="none is on the way out"),
        pytest.param(
            PoolWorkers([cancelled("a", 1), released("b")], 2, queues=("q",)),
            [ResumeConsumers("a", ("q",)), ResumeConsumers("b", ("q",))],
            id="all are told to consume again",
        ),
        pytest.param(
            PoolWorkers([cancelled("a", 1), released("b"), worker("c")], 2, queues=("q",)),
            [ResumeConsumers("a", ("q",))],
            id="not the one that the ReplicaSet is about to delete",
        ),
        pytest.param(
            PoolWorkers([worker("a", marked=MARKED)], 1), [Unmark("a", ())], id="one that consumes is like any other"
        ),
        pytest.param(
            PoolWorkers([worker("a", None, running=False, marked=MARKED)], 1),
            [Unmark("a", ())],
            id="one that doesn't run, too",
        ),
        pytest.param(PoolWorkers([cancelled("a")], 1, may_return=False), [], id="gevent goes on"),
        pytest.param(PoolWorkers([nothing("a")], 1), [], id="what has no mark is left as it is"),
    ],
)
def test_leaving_auto_lifts_the_marks(pool_workers: PoolWorkers, expected: list[DrainStep]) -> None:
    assert lifted(pool_workers) == expected


@pytest.mark.parametrize(
    "workers, expected",
    [
        pytest.param([worker("a", None)], True, id="silent"),
        pytest.param([worker("a", None), worker("b")], False, id="one of them answers"),
        pytest.param([], False, id="none is left"),
    ],
)
def test_workers_that_say_nothing_can_not_be_led(workers: list[Worker], expected: bool) -> None:
    assert mute(PoolWorkers(workers, 2), timedelta(hours=1), NOW + timedelta(hours=1)) is expected
    assert not mute(PoolWorkers(workers, 2), timedelta(hours=1), NOW)


def test_a_slow_worker_is_named_and_stays() -> None:
    pool_workers = PoolWorkers([cancelled("a", 1), cancelled("b")], 2)
    assert slow(pool_workers, timedelta(seconds=5), NOW) == ["a"]
    assert slow(pool_workers, timedelta(seconds=6), NOW) == []


@st.composite
def pools(draw: st.DrawFn) -> PoolWorkers:
    count = draw(st.integers(0, 8))
    workers = []
    for i in range(count):
        running, marked = draw(st.booleans()), draw(st.booleans())
        one = worker(
            f"w{i}",
            draw(st.one_of(st.none(), st.integers(0, 3))),
            running=running,
            ready=running and draw(st.booleans()),
            marked=MARKED if marked else None,
            consuming=draw(st.sampled_from([None, (), ("queue",)])),
        )
        one = replace(one, takes_nothing=not one.consuming and draw(st.booleans()))
        gone = marked and draw(st.booleans())  # empty then, or its container did not run yet
        workers.append(replace(one, released=True, ready=False) if gone else one)
    return PoolWorkers(
        workers,
        count + draw(st.integers(0, 2)),
        rolling_out=draw(st.booleans()),
        may_return=draw(st.booleans()),
        agreed=draw(st.booleans()),
        refused=draw(st.booleans()),
    )


@given(pools(), st.integers(0, 10))
def test_the_deployment_shrinks_only_by_released_workers_and_pods_that_are_not_there(
    pool_workers: PoolWorkers, desired: int
) -> None:
    for step in steps(pool_workers, desired):
        if isinstance(step, Resize) and step.replicas < pool_workers.replicas:
            gone = {one.name for one in pool_workers.workers if one.released and one.empty}
            assert set(step.going) <= gone
            assert pool_workers.replicas - step.replicas <= len(step.going) + (
                pool_workers.absent if pool_workers.refused else 0
            )
            assert pool_workers.agreed
            # During a rollout the controller may choose any of them: then it is all or none.
            assert not pool_workers.rolling_out or len(step.going) == len(pool_workers.staying)


@given(pools(), st.integers(0, 10))
def test_a_busy_worker_is_never_chosen_while_an_idle_one_stays(pool_workers: PoolWorkers, desired: int) -> None:
    chosen = {step.pod for step in steps(pool_workers, desired) if isinstance(step, MarkDraining)}
    busy = [one.tasks for one in pool_workers.staying if one.name in chosen and one.ready]
    left = [one.tasks for one in pool_workers.staying if one.name not in chosen and one.marked is None]
    assert not busy or not left or max(busy) <= min(left, default=0)


@given(pools(), st.integers(0, 10))
def test_only_an_empty_worker_is_released(pool_workers: PoolWorkers, desired: int) -> None:
    empty = {one.name for one in pool_workers.workers if one.empty and one.marked is not None}
    assert {step.pod for step in steps(pool_workers, desired) if isinstance(step, Release)} <= empty


@given(pools(), st.integers(-3, 0))
def test_no_worker_is_asked_for_where_none_is_wanted(pool_workers: PoolWorkers, fewer: int) -> None:
    """Also where pods are there that are asked for no more: in a rollout one too many, which leaves as well."""
    seen = replace(pool_workers, replicas=max(pool_workers.replicas + fewer, 0))
    assert [it for it in steps(seen, 0) if isinstance(it, Resize) and it.replicas > seen.replicas] == []


@given(pools(), st.integers(1, 10))
def test_in_a_rollout_none_is_asked_for_beside_one_that_may_not_be_released(
    pool_workers: PoolWorkers, desired: int
) -> None:
    """Those that leave hold nothing; in a rollout none of them is released while any is wanted."""
    empty = {it.name for it in pool_workers.draining if it.running and not it.released}
    workers = [
        replace(it, held=WorkerLoad(0, 0, 0, 0), consuming=()) if it.name in empty else it
        for it in pool_workers.workers
    ]
    done = steps(replace(pool_workers, workers=workers, rolling_out=True, may_return=True), desired)
    if any(isinstance(it, Resize) and it.replicas > pool_workers.replicas for it in done):
        assert empty <= {it.pod for it in done if isinstance(it, ResumeConsumers)}


@given(pools(), st.integers(0, 10))
def test_capacity_never_falls_below_what_is_wanted(pool_workers: PoolWorkers, desired: int) -> None:
    taken = sum(isinstance(step, MarkDraining) for step in steps(pool_workers, desired))
    marked = {one.name for one in pool_workers.draining}
    back = sum(isinstance(it, ResumeConsumers) and it.pod in marked for it in steps(pool_workers, desired))
    grown = sum(
        step.replicas - pool_workers.replicas
        for step in steps(pool_workers, desired)
        if isinstance(step, Resize) and not step.going
    )
    assert max(pool_workers.capacity - taken, 0) + back + grown >= min(desired, pool_workers.capacity + back + grown)


@given(pools(), st.integers(0, 10))
def test_a_worker_that_is_told_to_consume_is_not_told_to_leave(pool_workers: PoolWorkers, desired: int) -> None:
    told = steps(pool_workers, desired)
    consume = {step.pod for step in told if isinstance(step, ResumeConsumers)}
    leave = {step.pod for step in told if isinstance(step, MarkDraining | CancelConsumers | Release)}
    assert not consume & leave
    assert not consume & {one.name for one in pool_workers.workers if one.consuming or one.leaving}

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
    Crew,
    DrainStep,
    Lift,
    Mark,
    Release,
    Resize,
    TakeBack,
    Worker,
    lifted,
    mute,
    slow,
    steps,
)
from utilitarian_operator.core.observation.model import Held, Unknown

SILENT = Unknown("does not answer", NOW)
MARKED = NOW - timedelta(seconds=5)


def worker(name: str, active: int | None = 0, *, reserved: int = 0, **more: Any) -> Worker:
    held = SILENT if active is None else Held(active, active, reserved, 0)
    given = {"running": True, "ready": True, "leaving": False, "consuming": ("queue",), **more}
    return Worker(name=name, held=held, **given)


def cancelled(name: str, active: int = 0) -> Worker:
    return worker(name, active, consuming=(), marked=MARKED)


def released(name: str) -> Worker:
    return worker(name, consuming=(), marked=MARKED, ready=False, released=True)


CASES: dict[str, tuple[Crew, int, list[DrainStep]]] = {
    "enough workers: nothing": (Crew([worker("a"), worker("b")], 2), 2, []),
    "more are wanted": (Crew([worker("a")], 1), 4, [Resize(4)]),
    "the idle one goes": (Crew([worker("a", 3), worker("b"), worker("c", 1)], 3), 2, [Mark("b")]),
    "the one that is not ready goes first": (
        Crew([worker("a"), worker("b", ready=False, running=False)], 2),
        1,
        [Mark("b")],
    ),
    "least work held": (Crew([worker("a", 3), worker("b", 1, reserved=1)], 2), 1, [Mark("b")]),
    "one that doesn't answer goes last": (Crew([worker("a", None), worker("b", 9)], 2), 1, [Mark("b")]),
    "a quarter at a time": (
        Crew([worker(f"w{i}") for i in range(8)], 8),
        0,
        [Mark("w0"), Mark("w1")],
    ),
    "one at a time while messages wait: one may be on its way to it, and comes back": (
        Crew([worker(f"w{i}") for i in range(8)], 8, waiting=True),
        0,
        [Mark("w0")],
    ),
    "not during a rollout": (Crew([worker("a"), worker("b")], 2, rolling_out=True), 1, []),
    "a marked one is told to take nothing more": (
        Crew([worker("a", 1, marked=MARKED), worker("b", 1)], 2),
        1,
        [CancelConsumers("a", ("queue",))],
    ),
    "one that is silent about its queues is told again, of those of the pool": (
        Crew([worker("a", 1, marked=MARKED, consuming=None), worker("b", 1)], 2, queues=("q1", "q2")),
        1,
        [CancelConsumers("a", ("q1", "q2"))],
    ),
    "it finishes what it holds": (Crew([cancelled("a", 1), worker("b", 1)], 2), 1, []),
    "empty and idle is not enough while it consumes": (
        Crew([worker("a", marked=MARKED), worker("b", 1)], 2),
        1,
        [CancelConsumers("a", ("queue",))],
    ),
    "empty it is released": (Crew([cancelled("a"), worker("b", 1)], 2), 1, [Release("a")]),
    "one whose container doesn't run is released at once": (
        Crew([worker("a", None, running=False, ready=False, marked=MARKED), worker("b", 1)], 2),
        1,
        [Release("a")],
    ),
    "empty it is released, also if it never was ready": (
        Crew([replace(cancelled("a"), ready=False), worker("b", 1)], 2),
        1,
        [Release("a")],
    ),
    "not while another becomes ready": (Crew([cancelled("a"), worker("b", 1, ready=False)], 2), 1, []),
    "released it goes": (Crew([released("a"), worker("b", 1)], 2), 1, [Resize(1, ("a",))]),
    "one that was released before its container ran, and works now, is told to take nothing more": (
        Crew([replace(released("a"), held=Held(1, 1, 0, 0), consuming=("queue",)), worker("b", 1)], 2),
        1,
        [CancelConsumers("a", ("queue",))],
    ),
    "it finishes what it holds, too": (
        Crew([replace(released("a"), held=Held(1, 1, 0, 0)), worker("b", 1)], 2),
        1,
        [],
    ),
    "also the last one": (Crew([replace(released("a"), held=Held(1, 1, 0, 0))], 1), 0, []),
    "a released one that says nothing is told again, and stays until it is known to be empty": (
        Crew([replace(released("a"), held=SILENT, consuming=None)], 1, queues=("queue",)),
        0,
        [CancelConsumers("a", ("queue",))],
    ),
    "not while another one is unready": (Crew([released("a"), worker("b", 1, ready=False)], 2), 1, []),
    "not while a pod too many is there": (Crew([released("a"), worker("b", 1), worker("c", 1)], 2), 2, []),
    "one that the controller has yet to delete is asked for no more": (
        Crew([released("a"), worker("b", 1)], 1),
        1,
        [],
    ),
    "nor is the last one": (Crew([released("a")], 0), 0, []),
    "a pod that was not made goes before any": (
        Crew([released("a"), worker("b", 1)], 5, refused=True),
        1,
        [Resize(2)],
    ),
    "a pod that is not seen may be there all the same": (Crew([released("a"), worker("b", 1)], 5), 1, []),
    "also where none is seen": (Crew([], 3), 0, []),
    "nobody goes while the Deployment says something else of its pods": (
        Crew([released("a"), worker("b", 1)], 2, agreed=False),
        1,
        [],
    ),
    "not all of them either": (Crew([released("a")], 1, agreed=False), 0, []),
    "nor is a worker called unready then": (Crew([cancelled("a"), worker("b", 1)], 2, agreed=False), 1, []),
    "one whose container didn't run before it was marked may run now": (
        Crew([worker("a", None, running=False, ready=False, marked=MARKED, told=False), worker("b", 1)], 2),
        1,
        [CancelConsumers("a", ("queue",))],
    ),
    "in a rollout one that leaves stays ready, or the rollout would never end": (
        Crew([cancelled("a"), worker("b", 1), worker("c", 0, ready=False, running=False)], 2, rolling_out=True),
        1,
        [],
    ),
    "of pods whose containers don't run any may go": (
        Crew(
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
    "pods that are being made stay": (Crew([worker("b", 1)], 3), 3, []),
    "none of those that wait for a quota is left": (Crew([], 3, refused=True), 0, [Resize(0)]),
    "nobody is chosen before all had the time to say what they hold": (
        Crew([worker("a", None), worker("b", 1)], 2, asked=False),
        1,
        [],
    ),
    "during a rollout all may go": (
        Crew([worker("a"), worker("b")], 2, rolling_out=True),
        0,
        [Mark("a")],
    ),
    "during a rollout all go together": (
        Crew([released("a"), released("b")], 2, rolling_out=True),
        0,
        [Resize(0, ("a", "b"))],
    ),
    "during a rollout not one of them": (Crew([released("a"), worker("b", 1)], 2, rolling_out=True), 1, []),
    "the last one too": (Crew([released("a")], 1), 0, [Resize(0, ("a",))]),
    "load returns: one that is not empty is taken back": (
        Crew([cancelled("a", 2), worker("b", 1)], 2),
        2,
        [TakeBack("a", ())],
    ),
    "load returns: one that consumes again is like any other": (
        Crew([worker("a", 2, marked=MARKED), worker("b", 1)], 2, queues=("queue",)),
        2,
        [Lift("a", ("queue",))],
    ),
    "load returns: an empty one goes on, a new one comes": (
        Crew([cancelled("a"), worker("b", 1)], 2),
        2,
        [Resize(3), Release("a")],
    ),
    "gevent can't return: a new one comes": (
        Crew([cancelled("a", 2), worker("b", 1)], 2, may_return=False),
        2,
        [Resize(3)],
    ),
    "more than can be taken back: new ones first, they take longer": (
        Crew([cancelled("a", 2), worker("b", 1)], 2),
        4,
        [Resize(4), TakeBack("a", ())],
    ),
    "one that is being deleted is none of them": (
        Crew([worker("a", leaving=True), worker("b", 1)], 1),
        1,
        [],
    ),
}


@pytest.mark.parametrize("crew, desired, expected", [pytest.param(*case, id=name) for name, case in CASES.items()])
def test_step(crew: Crew, desired: int, expected: list[DrainStep]) -> None:
    assert steps(crew, desired) == expected


@pytest.mark.parametrize(
    "crew, expected",
    [
        pytest.param(Crew([worker("a", 1)], 1), [], id="nobody is on the way out"),
        pytest.param(
            Crew([cancelled("a", 1), released("b")], 2, queues=("q",)),
            [TakeBack("a", ("q",)), TakeBack("b", ("q",))],
            id="all are told to consume again",
        ),
        pytest.param(Crew([worker("a", marked=MARKED)], 1), [Lift("a", ())], id="one that consumes is like any other"),
        pytest.param(
            Crew([worker("a", None, running=False, marked=MARKED)], 1), [Lift("a", ())], id="one that doesn't run, too"
        ),
        pytest.param(Crew([cancelled("a")], 1, may_return=False), [], id="gevent goes on"),
    ],
)
def test_leaving_auto_lifts_the_marks(crew: Crew, expected: list[DrainStep]) -> None:
    assert lifted(crew) == expected


@pytest.mark.parametrize(
    "workers, expected",
    [
        pytest.param([worker("a", None)], True, id="silent"),
        pytest.param([worker("a", None), worker("b")], False, id="one of them answers"),
        pytest.param([], False, id="nobody is left"),
    ],
)
def test_workers_that_say_nothing_can_not_be_led(workers: list[Worker], expected: bool) -> None:
    assert mute(Crew(workers, 2), timedelta(hours=1), NOW + timedelta(hours=1)) is expected
    assert not mute(Crew(workers, 2), timedelta(hours=1), NOW)


def test_a_slow_worker_is_named_and_stays() -> None:
    crew = Crew([cancelled("a", 1), cancelled("b")], 2)
    assert slow(crew, timedelta(seconds=5), NOW) == ["a"]
    assert slow(crew, timedelta(seconds=6), NOW) == []


@st.composite
def crews(draw: st.DrawFn) -> Crew:
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
        gone = marked and draw(st.booleans())  # empty then, or its container did not run yet
        workers.append(replace(one, released=True, ready=False) if gone else one)
    return Crew(
        workers,
        count + draw(st.integers(0, 2)),
        rolling_out=draw(st.booleans()),
        may_return=draw(st.booleans()),
        agreed=draw(st.booleans()),
        refused=draw(st.booleans()),
    )


@given(crews(), st.integers(0, 10))
def test_the_deployment_shrinks_only_by_released_workers_and_pods_that_are_not_there(crew: Crew, desired: int) -> None:
    for step in steps(crew, desired):
        if isinstance(step, Resize) and step.replicas < crew.replicas:
            gone = {one.name for one in crew.workers if one.released and one.empty}
            assert set(step.going) <= gone
            assert crew.replicas - step.replicas <= len(step.going) + (crew.absent if crew.refused else 0)
            assert crew.agreed
            # During a rollout the controller may choose any of them: then it is all or none.
            assert not crew.rolling_out or len(step.going) == len(crew.staying)


@given(crews(), st.integers(0, 10))
def test_a_busy_worker_is_never_chosen_while_an_idle_one_stays(crew: Crew, desired: int) -> None:
    chosen = {step.pod for step in steps(crew, desired) if isinstance(step, Mark)}
    busy = [one.tasks for one in crew.staying if one.name in chosen and one.ready]
    left = [one.tasks for one in crew.staying if one.name not in chosen and one.marked is None]
    assert not busy or not left or max(busy) <= min(left, default=0)


@given(crews(), st.integers(0, 10))
def test_only_an_empty_worker_is_released(crew: Crew, desired: int) -> None:
    empty = {one.name for one in crew.workers if one.empty and one.marked is not None}
    assert {step.pod for step in steps(crew, desired) if isinstance(step, Release)} <= empty


@given(crews(), st.integers(0, 10))
def test_capacity_never_falls_below_what_is_wanted(crew: Crew, desired: int) -> None:
    taken = sum(isinstance(step, Mark) for step in steps(crew, desired))
    back = sum(isinstance(step, TakeBack) for step in steps(crew, desired))
    grown = sum(
        step.replicas - crew.replicas for step in steps(crew, desired) if isinstance(step, Resize) and not step.going
    )
    assert crew.capacity - taken + back + grown >= min(desired, crew.capacity + back + grown)

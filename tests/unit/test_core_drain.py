"""The drain, step by step: who is chosen, what happens to it next, and when the Deployment may shrink."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pools import NOW
from utilitarian_operator.core.drain import (
    CancelConsumers,
    Crew,
    DrainStep,
    Mark,
    Release,
    Resize,
    TakeBack,
    Worker,
    slow,
    steps,
)
from utilitarian_operator.core.observation import Held, Unknown

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
    "not during a rollout": (Crew([worker("a"), worker("b")], 2, rolling_out=True), 1, []),
    "a marked one is told to take nothing more": (
        Crew([worker("a", 1, marked=MARKED), worker("b", 1)], 2),
        1,
        [CancelConsumers("a")],
    ),
    "one that is silent about its queues is told again": (
        Crew([worker("a", 1, marked=MARKED, consuming=None), worker("b", 1)], 2),
        1,
        [CancelConsumers("a")],
    ),
    "it finishes what it holds": (Crew([cancelled("a", 1), worker("b", 1)], 2), 1, []),
    "empty and idle is not enough while it consumes": (
        Crew([worker("a", marked=MARKED), worker("b", 1)], 2),
        1,
        [CancelConsumers("a")],
    ),
    "empty it is released": (Crew([cancelled("a"), worker("b", 1)], 2), 1, [Release("a")]),
    "one whose container doesn't run is released at once": (
        Crew([worker("a", None, running=False, ready=False, marked=MARKED), worker("b", 1)], 2),
        1,
        [Release("a")],
    ),
    "released it goes": (Crew([released("a"), worker("b", 1)], 2), 1, [Resize(1, ("a",))]),
    "not while another one is unready": (Crew([released("a"), worker("b", 1, ready=False)], 2), 1, []),
    "not while the Deployment is not complete": (Crew([released("a"), worker("b", 1)], 3), 2, []),
    "the last one too": (Crew([released("a")], 1), 0, [Resize(0, ("a",))]),
    "load returns: one that is not empty is taken back": (
        Crew([cancelled("a", 2), worker("b", 1)], 2),
        2,
        [TakeBack("a")],
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
    "more than can be taken back": (Crew([cancelled("a", 2), worker("b", 1)], 2), 4, [TakeBack("a"), Resize(4)]),
    "one that is being deleted is none of them": (
        Crew([worker("a", leaving=True), worker("b", 1)], 1),
        1,
        [],
    ),
}


@pytest.mark.parametrize("crew, desired, expected", [pytest.param(*case, id=name) for name, case in CASES.items()])
def test_step(crew: Crew, desired: int, expected: list[DrainStep]) -> None:
    assert steps(crew, desired) == expected


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
        gone = marked and one.empty and draw(st.booleans())
        workers.append(replace(one, released=True, ready=False) if gone else one)
    return Crew(workers, count, rolling_out=draw(st.booleans()), may_return=draw(st.booleans()))


@given(crews(), st.integers(0, 10))
def test_the_deployment_shrinks_only_by_released_workers(crew: Crew, desired: int) -> None:
    for step in steps(crew, desired):
        if isinstance(step, Resize) and step.replicas < crew.replicas:
            gone = {one.name for one in crew.workers if one.released}
            assert set(step.going) <= gone
            assert crew.replicas - step.replicas == len(step.going)


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

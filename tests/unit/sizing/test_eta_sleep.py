"""Sleeping with tasks that wait for their ETA: when a pool may, what wakes it, and how often they are given back."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.pools import NOW, pool
from utilitarian_operator.core.sizing.decision import Decision
from utilitarian_operator.core.sizing.eta_sleep import MOST_RETURNS, EtaSleep, followed
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.pools import FleetContext, decide_pool

HOUR = timedelta(hours=1)
TOMORROW = NOW + timedelta(days=1)
POOL = pool(idleAfter="2m", drainWithin="1m", stabilization="1m")
IDLE = Memory(idle_since=NOW - HOUR, looked_at=NOW - timedelta(seconds=1), start_up_s=10.0)
AWAKE = Facts(1, 0, 0, 0, 1, deferred=50, first_due=TOMORROW, serving=1)
ASLEEP = Facts(0, 50, 50, 50, 0)
SLEEP = EtaSleep(50, TOMORROW, 1, slept=True)


def decided(facts: Facts, memory: Memory, after: timedelta = timedelta()) -> tuple[Decision, Memory]:
    return decide_pool(POOL, facts, memory, FleetContext(NOW + after))


@pytest.mark.parametrize(
    "facts, sleep, replicas, why",
    [
        pytest.param(AWAKE, None, 0, "nothing to do", id="they are due tomorrow"),
        pytest.param(
            replace(AWAKE, first_due=NOW + timedelta(seconds=130)),
            None,
            1,
            "the first at",
            id="due before it would wake",
        ),
        pytest.param(
            replace(AWAKE, first_due=NOW + timedelta(seconds=131)), None, 0, "nothing to do", id="just after that"
        ),
        pytest.param(replace(AWAKE, first_due=None), None, 1, "no worker says when", id="an ETA that was not said"),
        pytest.param(replace(AWAKE, deferred=100), None, 0, "nothing to do", id="as many as are fetched in time"),
        pytest.param(replace(AWAKE, deferred=101), None, 1, "too many to be fetched anew", id="one too many"),
        pytest.param(
            AWAKE, EtaSleep(50, TOMORROW, MOST_RETURNS - 1, slept=True), 0, "nothing to do", id="given back twice"
        ),
        pytest.param(
            AWAKE, EtaSleep(50, TOMORROW, MOST_RETURNS, slept=True), 1, "given back 3 times", id="three times"
        ),
        pytest.param(AWAKE, EtaSleep(50, TOMORROW, MOST_RETURNS - 1), 0, "nothing to do", id="on its way to the third"),
    ],
)
def test_a_pool_sleeps_with_tasks_that_wait(facts: Facts, sleep: EtaSleep | None, replicas: int, why: str) -> None:
    decision, memory = decided(facts, replace(IDLE, eta_sleep=sleep))
    assert decision.replicas == replicas
    assert why in decision.message
    assert replicas or (
        memory.eta_sleep is not None and not memory.eta_sleep.slept and memory.eta_sleep.number == facts.deferred
    )


@pytest.mark.parametrize(
    "facts, after, awake",
    [
        pytest.param(ASLEEP, HOUR, False, id="what was given back is no work yet"),
        pytest.param(replace(ASLEEP, ready=51, work=51, at_least=51), HOUR, True, id="one message more wakes it"),
        pytest.param(
            replace(AWAKE, ready=9, work=9, at_least=9, deferred=41), HOUR, False, id="nor while they are fetched anew"
        ),
        pytest.param(
            Facts(0, 1, 1, 1, 0, leaving=1, given_back=50, still_held=50),
            HOUR,
            True,
            id="a message beside those that a marked worker still holds",
        ),
        pytest.param(
            replace(ASLEEP, ready=20, work=20, at_least=20, leaving=1, given_back=30, still_held=30),
            HOUR,
            False,
            id="of two marked workers one has given its part back",
        ),
        pytest.param(
            replace(ASLEEP, ready=21, work=21, at_least=21, leaving=1, given_back=30, still_held=30),
            HOUR,
            True,
            id="and one message more has come",
        ),
        pytest.param(
            replace(ASLEEP, leaving=1, given_back=50), HOUR, False, id="the last one ends, and they are back already"
        ),
        pytest.param(
            Facts(0, 1, 1, 1, 0, leaving=1, given_back=None, still_held=None),
            HOUR,
            True,
            id="a marked worker says nothing: what waits may be new",
        ),
        pytest.param(ASLEEP, timedelta(days=1, seconds=-11), False, id="not before a worker must start"),
        pytest.param(ASLEEP, timedelta(days=1, seconds=-10), True, id="a start-up before the first is due"),
    ],
)
def test_asleep_they_wake_no_worker_before_their_time(facts: Facts, after: timedelta, awake: bool) -> None:
    decision, _ = decided(facts, replace(IDLE, eta_sleep=SLEEP), after)
    assert bool(decision.replicas) is awake


@pytest.mark.parametrize(
    "sleep, facts, expected",
    [
        pytest.param(None, ASLEEP, None, id="none"),
        pytest.param(EtaSleep(50, TOMORROW), ASLEEP, SLEEP, id="the sleep begins"),
        pytest.param(EtaSleep(50, TOMORROW), AWAKE, EtaSleep(50, TOMORROW), id="it has not begun"),
        pytest.param(SLEEP, ASLEEP, SLEEP, id="asleep: all are on the queue"),
        pytest.param(SLEEP, replace(ASLEEP, ready=20), replace(SLEEP, number=20), id="another fleet took some"),
        pytest.param(SLEEP, replace(ASLEEP, ready=0), None, id="or all"),
        pytest.param(
            SLEEP, replace(ASLEEP, ready=0, leaving=1, given_back=50), SLEEP, id="the leaving worker still holds them"
        ),
        pytest.param(SLEEP, replace(ASLEEP, ready=0, leaving=1, given_back=0), None, id="it ran them itself"),
        pytest.param(SLEEP, replace(ASLEEP, ready=0, leaving=1, given_back=None), SLEEP, id="it says nothing any more"),
        pytest.param(SLEEP, replace(ASLEEP, current=1), SLEEP, id="awake again"),
        pytest.param(SLEEP, Facts(1, 0, 0, 0, 1, serving=1), None, id="awake, and none waits any more"),
    ],
)
def test_what_is_remembered_of_them(sleep: EtaSleep | None, facts: Facts, expected: EtaSleep | None) -> None:
    assert followed(sleep, facts, timedelta(seconds=10)) == expected


def test_a_worker_that_says_later_what_it_fetched_makes_no_return_forgotten() -> None:
    """Its answer is a few seconds old: the queue is empty, and it says that it holds nothing."""
    message = replace(ASLEEP, ready=51, work=51, at_least=51)
    looks = [
        message,
        replace(message, current=1, idle=0, serving=1),
        Facts(1, 0, 0, 0, 1, serving=1),
        Facts(1, 0, 0, 0, 1, serving=1),
        AWAKE,
    ]
    memory = replace(IDLE, eta_sleep=SLEEP)
    for second, seen in enumerate(looks):
        _, memory = decided(seen, memory, timedelta(seconds=second))
    assert memory.eta_sleep is not None
    assert memory.eta_sleep.returns == SLEEP.returns


def test_they_are_forgotten_when_none_has_been_there_for_a_while() -> None:
    memory = replace(IDLE, eta_sleep=SLEEP, idle_since=None)
    for second in range(12):
        _, memory = decided(Facts(1, 0, 0, 0, 1, serving=1), memory, timedelta(seconds=second))
    assert memory.eta_sleep is None


def test_each_sleep_counts_as_one_return_however_many_looks_it_takes() -> None:
    memory = IDLE
    for _ in range(3):
        decision, memory = decided(AWAKE, memory)
        assert decision.replicas == 0
    assert memory.eta_sleep == EtaSleep(50, TOMORROW)
    _, memory = decided(ASLEEP, memory)
    _, memory = decided(ASLEEP, memory)
    assert memory.eta_sleep == SLEEP

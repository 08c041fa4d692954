"""A worker that hangs while it starts is named, replaced in time, and keeps its pool from nothing meanwhile."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pools import NOW, fleet
from utilitarian_operator.core.diagnosis.finding_history import Health
from utilitarian_operator.core.diagnosis.findings import STUCK
from utilitarian_operator.core.draining.steps import MarkDraining, Release, Resize, steps
from utilitarian_operator.core.draining.workers import pool_workers
from utilitarian_operator.core.observation.blank_workers import (
    IN_DOUBT_FOR,
    STARTS_WITHIN,
    Beginnings,
    begun,
    consumers_by_answers,
    with_blank,
)
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Missing, Present, QueueSnapshot
from utilitarian_operator.core.observation.reported import Reported
from utilitarian_operator.core.sizing.facts import facts

FLEET = fleet({"name": "work", "queues": ["q"], "drainTimeout": "30m"})
SILENT = Unknown("does not answer", NOW)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
WELL = WorkerLoad(0, 0, 0, 0, begun=1, consuming=("q",))
BORN = NOW - MINUTE


def well(name: str) -> PodSnapshot:
    return PodSnapshot(name, ready=True, running=True, leaving=False, held=WELL, gated=True, gate=True)


def waiting(name: str = "hung") -> PodSnapshot:
    """Its container has yet to start."""
    return PodSnapshot(name, ready=False, running=False, leaving=False, held=SILENT, gated=True)


def hung(name: str = "hung", since: datetime = NOW) -> PodSnapshot:
    return replace(waiting(name), running=True, running_since=since)


def consumed_by(number: int) -> dict[str, QueueSnapshot]:
    return {"q": Present(0, number)}


Look = tuple[Sequence[PodSnapshot], dict[str, QueueSnapshot]]
FIRST: Look = ([well("a"), waiting()], consumed_by(1))
THEN: Look = ([well("a"), hung()], consumed_by(1))


def after(*looks: Look, span: timedelta = STARTS_WITHIN) -> Sequence[PodSnapshot]:
    """The pods as they are taken after looks that follow each other in a second each, the last also after a while."""
    known, now = Beginnings(), NOW - len(looks) * SECOND
    for pods, queues in (*looks, looks[-1]):
        now = now + SECOND
        known = begun(known, pods, queues, consumers_by_answers(pods), now)
    return with_blank(looks[-1][0], known, NOW + span)


def blank(pods: Sequence[PodSnapshot]) -> list[str]:
    return [pod.name for pod in pods if pod.blank]


AWAY: Look = (THEN[0], {"q": SILENT})
ANSWERED: Look = ([well("a"), replace(hung(), held=WELL)], consumed_by(2))
LONG = int(IN_DOUBT_FOR.total_seconds()) + 2


@pytest.mark.parametrize(
    "looks",
    [
        pytest.param((FIRST, THEN), id="seen before it ran"),
        pytest.param((FIRST, THEN, (THEN[0], consumed_by(2)), THEN), id="another one's consumer, told later"),
        pytest.param((FIRST, THEN, AWAY, THEN), id="the broker was away for a moment"),
        pytest.param(((FIRST[0], {"q": Missing()}), (THEN[0], {"q": Missing()})), id="its queue does not exist"),
        pytest.param((FIRST, ([well("a"), hung(since=BORN)], consumed_by(1)), THEN), id="its container began anew"),
    ],
)
def test_a_worker_that_surely_took_no_message_holds_nothing_after_ten_minutes(looks: tuple[Look, ...]) -> None:
    assert blank(after(*looks, span=STARTS_WITHIN - SECOND)) == []
    pods = after(*looks)
    assert blank(pods) == ["hung"]
    assert pods[-1].held == WorkerLoad(0, 0, 0, 0, consuming=())


@pytest.mark.parametrize(
    "looks",
    [
        pytest.param((THEN,), id="it ran already when it was first seen"),
        pytest.param((FIRST, *[(THEN[0], consumed_by(2))] * LONG, THEN), id="it may have consumed"),
        pytest.param((FIRST, *[AWAY] * LONG, THEN), id="the broker was away"),
        pytest.param((FIRST, ANSWERED, THEN), id="it has answered"),
        pytest.param(((FIRST[0], {}), (THEN[0], {})), id="its queues are not known"),
        pytest.param((FIRST, ([well("a"), replace(hung(), ready=True)], consumed_by(1))), id="it is ready"),
        pytest.param((FIRST, ([well("a"), replace(hung(), gate=True)], consumed_by(1))), id="believed to consume"),
        pytest.param(
            (FIRST, (THEN[0], {"q": Present(0, 1, single=True)})), id="the one consumer that is counted may be it"
        ),
    ],
)
def test_a_worker_that_may_have_taken_a_message_counts_as_busy(looks: tuple[Look, ...]) -> None:
    assert blank(after(*looks)) == []


@pytest.mark.parametrize(
    "ahead, step",
    [
        pytest.param(timedelta(), STARTS_WITHIN + MINUTE, id="this machine's clock is set forward"),
        pytest.param(timedelta(), -STARTS_WITHIN, id="this machine's clock is set back"),
        pytest.param(timedelta(), MINUTE, id="this machine stands still"),
        pytest.param(STARTS_WITHIN + MINUTE, SECOND, id="its node's clock is slow"),
    ],
)
def test_a_worker_that_has_just_begun_is_never_taken_to_hold_nothing_because_of_a_clock(
    ahead: timedelta, step: timedelta
) -> None:
    """It begins to consume, and is asked for the first time a moment later."""
    known = begun(Beginnings(), [waiting()], consumed_by(0), {}, NOW)
    one = [hung(since=NOW - ahead)]
    for now, consumers in ((NOW + SECOND, 0), (NOW + SECOND + step, 0), (NOW + 2 * SECOND + step, 1)):
        known = begun(known, one, consumed_by(consumers), {}, now)
        assert blank(with_blank(one, known, now)) == []


def test_a_hung_worker_keeps_its_pool_from_going_down_no_more() -> None:
    """It counted as busy for ever: it was chosen first, never empty, and no other worker could go."""
    pods = tuple(
        after((([*map(well, "abc"), waiting()]), consumed_by(3)), ([*map(well, "abc"), hung()], consumed_by(3)))
    )
    snapshot = PoolSnapshot(consumed_by(3), 0, pods, 4, reported=Reported(observed=True, pods=4, ready=3, updated=4))
    assert facts(snapshot).work == 0
    assert facts(snapshot).idle == 4
    assert steps(pool_workers(FLEET.pools[0], snapshot, NOW), 3) == [MarkDraining("hung")]
    marked = (*pods[:3], replace(pods[3], marked=NOW))
    assert steps(pool_workers(FLEET.pools[0], replace(snapshot, pods=marked), NOW), 3) == [Release("hung")]
    released = (*pods[:3], replace(pods[3], marked=NOW, cheapest=True, gate=False))
    assert steps(pool_workers(FLEET.pools[0], replace(snapshot, pods=released), NOW), 3) == [Resize(3, ("hung",))]


def test_one_of_two_that_hang_can_go() -> None:
    looks = [([well("a"), one("h"), one("i")], consumed_by(1)) for one in (waiting, hung)]
    pods = tuple(after(*looks))
    assert blank(pods) == ["h", "i"]
    marked = (pods[0], replace(pods[1], marked=NOW), pods[2])
    released = (pods[0], replace(pods[1], marked=NOW, cheapest=True, gate=False), pods[2])
    snapshot = PoolSnapshot(
        consumed_by(1), 0, released, 3, reported=Reported(observed=True, pods=3, ready=1, updated=3)
    )
    assert steps(pool_workers(FLEET.pools[0], replace(snapshot, pods=marked), NOW), 2) == [Release("h")]
    assert steps(pool_workers(FLEET.pools[0], snapshot, NOW), 2) == [Resize(2, ("h",))]


def lived(look: FleetSnapshot, minutes: int, health: Health) -> tuple[list[str], list[str]]:
    """What is said of the pool after so many minutes, and who was replaced within them."""
    gone = []
    for look_number in range(3 * minutes + 1):
        now = replace(look, at=NOW + look_number * 20 * SECOND)
        health = health.examined(FLEET, now)
        steps = list(health.replacements(FLEET, now))
        health = health.with_replaced(steps)
        gone += [it.pod for it in steps]
    return [it.message for it in health.findings["work"] if it.reason == STUCK], gone


def snapshot(*pods: PodSnapshot) -> FleetSnapshot:
    return FleetSnapshot(NOW, {"work": PoolSnapshot(consumed_by(len(pods) - 1), 0, pods, len(pods))})


NAMED = "pod hung runs and has neither answered nor been ready since 12:00:00Z"


@pytest.mark.parametrize("pod", [hung(), replace(hung(), blank=True, held=WorkerLoad(0, 0, 0, 0, consuming=()))])
def test_a_worker_that_never_comes_up_is_stuck_after_ten_minutes_and_replaced_after_a_drain(pod: PodSnapshot) -> None:
    look = snapshot(well("a"), pod)
    assert lived(look, 9, Health()) == ([], [])
    assert lived(look, 10, Health()) == ([NAMED], [])
    assert lived(look, 29, Health()) == ([NAMED], [])
    assert lived(look, 30, Health())[1] == ["hung"]


def test_alone_it_is_stuck_as_well() -> None:
    assert lived(snapshot(hung()), 10, Health()) == ([NAMED], [])


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(replace(hung(), ready=True), id="it was ready"),
        pytest.param(replace(hung(), gate=True), id="it consumes, and another container is not ready"),
        pytest.param(replace(hung(), running=False), id="it does not run"),
        pytest.param(replace(hung(), marked=NOW), id="it is on its way out"),
        pytest.param(replace(hung(), sample=WELL), id="it answers"),
    ],
)
def test_another_that_is_not_ready_is_not_stuck_for_that(pod: PodSnapshot) -> None:
    said, _ = lived(snapshot(well("a"), pod), 30, Health())
    assert NAMED not in said


def test_a_sign_must_last_anew_when_the_broker_was_away() -> None:
    look, health = snapshot(well("a"), hung()), Health()
    for number in range(59):
        broker = SILENT if number == 30 else None
        health = health.examined(FLEET, replace(look, at=NOW + number * 20 * SECOND, broker=broker))
        assert health.findings["work"] == ()


@pytest.mark.parametrize("step", [10 * MINUTE, -10 * MINUTE], ids=["set forward, or it stood still", "set back"])
def test_a_sign_must_last_anew_when_the_clock_was_set(step: timedelta) -> None:
    look, health = snapshot(well("a"), hung()), Health()
    for number in range(59):
        now = NOW + number * 20 * SECOND + (step if number >= 30 else timedelta())
        health = health.examined(FLEET, replace(look, at=now))
        assert health.findings["work"] == ()


LIVES = st.lists(
    st.tuples(
        st.sampled_from(("waits", "runs", "consumes", "answers")), st.integers(0, 3), st.integers(1, 40), st.booleans()
    ),
    min_size=1,
    max_size=12,
)


@given(LIVES)
def test_a_worker_that_consumed_in_this_life_of_its_container_is_never_taken_to_hold_nothing(
    life: list[tuple[str, int, int, bool]],
) -> None:
    known, now, since, lasts, longest = Beginnings(), NOW, NOW, 0, 0
    for state, others, seconds, seen in life:
        for _ in range(seconds):
            now += SECOND
            if state == "waits":
                since, longest = now + SECOND, 0
            lasts = lasts + 1 if state in {"consumes", "answers"} else 0
            longest = max(longest, lasts)
            one = {"waits": waiting(), "answers": replace(hung(since=since), held=WELL)}.get(state, hung(since=since))
            pods = [*(well(f"w{number}") for number in range(others)), one]
            there = consumed_by(others + (state in {"consumes", "answers"})) if seen else {"q": SILENT}
            known = begun(known, pods, there, consumers_by_answers(pods), now)
            taken = with_blank([hung(since=since)], known, now + STARTS_WITHIN)
            assert not (blank(taken) and longest > IN_DOUBT_FOR.total_seconds() + 1)

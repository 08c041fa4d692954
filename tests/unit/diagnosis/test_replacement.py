"""Which stuck worker is replaced: one at a time, when it holds nothing or has had its time, and not over and over."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.support.pools import NOW, fleet
from utilitarian_operator.core.diagnosis.finding_history import Health
from utilitarian_operator.core.diagnosis.findings import SymptomHistory
from utilitarian_operator.core.diagnosis.replacement import AGAIN_AFTER, SEEN_WITHIN, Replaced, replacement
from utilitarian_operator.core.mode import allowed
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present
from utilitarian_operator.core.plan import Plan

FLEET = fleet({"name": "work", "queues": ["q"]})
POOL = replace(FLEET.pools[0], drain_timeout=timedelta(minutes=10))
DEAF = WorkerLoad(0, 0, 0, 0, begun=7, consuming=())
LATELY = NOW - timedelta(minutes=1)
STUCK_SINCE = SymptomHistory({"a": NOW - timedelta(minutes=5), "b": LATELY})
SECOND = timedelta(seconds=1)


def pod(name: str, word: WorkerLoad | None = DEAF, **more: bool) -> PodSnapshot:
    fields = {"ready": True, "running": True, "leaving": False, **more}
    return PodSnapshot(name, **fields, held=Unknown("does not answer", NOW) if word is None else word, sample=word)


def silent(name: str, earlier: WorkerLoad, **more: bool) -> PodSnapshot:
    """What it says is not believed, or it says nothing."""
    return replace(pod(name, None, **more), sample=earlier)


def chosen(
    *pods: PodSnapshot,
    stuck: str = "ab",
    last: Replaced | None = None,
    replicas: int | None = None,
    now: datetime = NOW,
) -> str | None:
    seen = PoolSnapshot({"q": Present(0, 0)}, 0, pods, len(pods) if replicas is None else replicas)
    return replacement(POOL, seen, list(stuck), STUCK_SINCE, last, now)


WORKING = replace(DEAF, active=1)


@pytest.mark.parametrize(
    "pods, expected",
    [
        pytest.param(
            (silent("a", DEAF, deaf=True), pod("b")), "a", id="it was told to consume, and says that it does not"
        ),
        pytest.param((pod("a"), pod("b")), "a", id="the longest first"),
        pytest.param((pod("a", WORKING), pod("b")), "b", id="not while it works"),
        pytest.param((pod("a", replace(DEAF, reserved=1)), pod("b")), "b", id="not while it holds a message"),
        pytest.param((pod("a", replace(DEAF, scheduled=1)), pod("b")), "b", id="not while it holds a task for later"),
        pytest.param((pod("a", None), pod("b")), "b", id="not while it may work"),
        pytest.param((silent("a", DEAF), pod("b")), "b", id="not while it may work since it said that it did not"),
        pytest.param((pod("a"), pod("b", leaving=True)), None, id="one at a time: another goes"),
        pytest.param((pod("a"), pod("b", ready=False)), None, id="one at a time: another comes"),
    ],
)
def test_a_stuck_worker_is_replaced_alone_and_when_it_holds_nothing(
    pods: tuple[PodSnapshot, ...], expected: str | None
) -> None:
    assert chosen(*pods) == expected


def test_nothing_is_replaced_while_a_worker_is_still_to_come_or_none_is_stuck() -> None:
    assert chosen(pod("a"), pod("b"), replicas=3) is None
    assert chosen(pod("a"), pod("b"), stuck="") is None


@pytest.mark.parametrize("word", [None, WORKING], ids=["it says nothing", "it works on and on"])
def test_what_a_stuck_worker_may_still_run_has_as_long_as_a_drain(word: WorkerLoad | None) -> None:
    end = STUCK_SINCE.since["a"] + POOL.drain_timeout
    assert chosen(pod("a", word), stuck="a", now=end - SECOND) is None
    assert chosen(pod("a", word), stuck="a", now=end) == "a"


@pytest.mark.parametrize(
    "there, pause",
    [
        pytest.param("abc", SEEN_WITHIN, id="it was stuck before"),
        pytest.param("bc", AGAIN_AFTER, id="it came in the place of another"),
    ],
)
def test_the_next_one_waits_and_longer_if_replacing_was_no_cure(there: str, pause: timedelta) -> None:
    last = Replaced(NOW - pause + SECOND, frozenset(there))
    assert chosen(pod("a"), stuck="a", last=last) is None
    assert chosen(pod("a"), stuck="a", last=replace(last, at=NOW - pause)) == "a"


@pytest.mark.parametrize("mode, expected", [("Auto", [("work", "a")]), ("Paused", []), ("Preview", [])])
def test_it_is_named_once_and_only_where_the_operator_may_act(mode: str, expected: list[tuple[str, str]]) -> None:
    asked = fleet({"name": "work", "queues": ["q"]}, mode=mode)
    seen, health = PoolSnapshot({"q": Present(0, 0)}, 0, (pod("a"),), 1), Health()
    for seconds in (0, 30, 60):
        snapshot = FleetSnapshot(NOW + timedelta(seconds=seconds), {"work": seen})
        health = health.examined(asked, snapshot)
    found = allowed(Plan(replacements=tuple(health.replacements(asked, snapshot))), asked.mode).replacements
    assert [(it.pool, it.pod) for it in found] == expected
    assert list(health.with_replaced(health.replacements(asked, snapshot)).replacements(asked, snapshot)) == []

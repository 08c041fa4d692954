"""An event that is said again is counted in its series: when it is, what is written, and what is remembered."""

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from utilitarian_operator.adapters.cluster.cache import Key, Store
from utilitarian_operator.adapters.cluster.fake import FakeCluster, Request
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.reasons import Reason
from utilitarian_operator.errors import ClusterError
from utilitarian_operator.metrics.fleet import Metrics
from utilitarian_operator.reconcile.act.event_series import MOST, SAME_WITHIN, WRITTEN_EACH, EventSeries
from utilitarian_operator.reconcile.act.writer import ObjectWriter

NOW = datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=UTC)
SECOND = timedelta(seconds=1)
KEY = Key("ns", "fleet")
RESOURCE = {
    "apiVersion": "utilitarian.io/v1alpha1",
    "kind": "UtilitarianWorkerPool",
    "metadata": {"namespace": "ns", "name": "fleet", "uid": "u"},
}


class Recording:
    """A writer on an API server in memory, with a clock of its own."""

    def __init__(self) -> None:
        self.now, self.failure = NOW, None
        self.cluster = FakeCluster(lambda: self.now, fails=self._fails)
        metrics = Metrics(CollectorRegistry(), time.monotonic)
        self.writer = ObjectWriter(self.cluster, Store(), metrics, "operator-0", lambda: self.now, uuid.uuid4)

    failure: Exception | None

    def _fails(self, request: Request) -> Exception | None:
        return self.failure if request.verb == "patch" else None

    async def say(
        self, note: str = "as before", reason: Reason = Reason.BROKER_REACHABLE, *, after: timedelta = SECOND
    ) -> None:
        self.now += after
        await self.writer.record_event(RESOURCE, reason, note)

    async def look(self, *, after: timedelta = SECOND) -> None:
        self.now += after
        await self.writer.catch_up(KEY)

    def verbs(self) -> list[str]:
        return [it.verb for it in self.cluster.requests if it.kind == "Event"]

    async def events(self) -> list[Object]:
        return (await self.cluster.items("events", "ns"))[0]


@pytest.fixture
def recording() -> Recording:
    return Recording()


async def test_the_same_event_said_again_becomes_a_series(recording: Recording) -> None:
    for _ in range(3):
        await recording.say()
    await recording.look(after=WRITTEN_EACH)
    (event,) = await recording.events()
    assert event["series"] == {"count": 3, "lastObservedTime": "2026-11-23T12:00:03.250000Z"}
    assert event["eventTime"] == "2026-11-23T12:00:01.250000Z"
    assert recording.verbs() == ["create", "patch"]


async def test_a_series_is_written_no_more_often_than_its_pause_and_not_without_news(recording: Recording) -> None:
    for _ in range(100):
        await recording.say()
        await recording.look()
    assert recording.verbs() == ["create", *["patch"] * 6]  # of 200 s, one each 30 s
    await recording.look(after=WRITTEN_EACH)
    (event,) = await recording.events()
    assert event["series"]["count"] == 100
    before = len(recording.cluster.requests)
    await recording.look(after=WRITTEN_EACH)
    assert len(recording.cluster.requests) == before


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"note": "another"}, id="note"),
        pytest.param({"reason": Reason.RECOVERED}, id="reason"),
        pytest.param({"after": SAME_WITHIN + SECOND}, id="later"),
        pytest.param({"after": -SAME_WITHIN - SECOND}, id="the clock was set back"),
    ],
)
async def test_another_event_or_a_later_one_is_new(recording: Recording, other: Any) -> None:
    await recording.say()
    await recording.say(**other)
    assert recording.verbs() == ["create", "create"]


async def test_a_series_goes_on_for_as_long_as_it_is_said_again_in_time(recording: Recording) -> None:
    for _ in range(20):
        await recording.say(after=SAME_WITHIN)
        await recording.look(after=timedelta())
    (event,) = await recording.events()
    assert event["series"]["count"] == 20
    assert recording.verbs() == ["create", *["patch"] * 19]


@pytest.mark.parametrize("reason", [Reason.SCALED_UP, Reason.SCALED_DOWN])
async def test_each_step_of_a_pool_is_an_event_by_itself(recording: Recording, reason: Reason) -> None:
    for _ in range(3):
        await recording.say("pool work: 0 to 1: one task", reason)
    assert recording.verbs() == ["create"] * 3


async def test_a_count_that_was_not_written_is_written_later(recording: Recording) -> None:
    await recording.say()
    await recording.say()
    recording.failure = ClusterError("HTTP 500: etcd is away")
    await recording.look(after=WRITTEN_EACH)
    recording.failure = None
    await recording.look()
    await recording.look(after=WRITTEN_EACH)
    (event,) = await recording.events()
    assert (recording.verbs(), event["series"]["count"]) == (["create", "patch", "patch"], 2)


async def test_a_count_that_is_refused_is_not_written_for_ever(recording: Recording) -> None:
    """As where the right to patch events is missing: each count was sent, and a line logged, each 30 s for ever."""
    await recording.say()
    await recording.say()
    recording.failure = ClusterError("HTTP 403: events is forbidden")
    for _ in range(120):
        await recording.look(after=WRITTEN_EACH)
    assert recording.verbs().count("patch") <= SAME_WITHIN / WRITTEN_EACH + 1
    recording.failure = None
    await recording.say()
    assert recording.verbs()[-1] == "create"


async def test_an_event_that_kubernetes_has_no_more_is_new_when_it_is_said_again(recording: Recording) -> None:
    await recording.say()
    await recording.say()
    (event,) = await recording.events()
    await recording.cluster.delete(event)
    await recording.look(after=WRITTEN_EACH)
    await recording.say()
    assert [it.get("series") for it in await recording.events()] == [None]


async def test_an_event_that_was_not_recorded_is_tried_again_when_it_is_said_again(recording: Recording) -> None:
    recording.cluster.fails = lambda _: ClusterError("HTTP 503")
    await recording.say()
    recording.cluster.fails = lambda _: None
    await recording.say()
    assert recording.verbs() == ["create", "create"]


def said(note: str, name: str = "fleet") -> Object:
    regarding = {"namespace": "ns", "name": name, "uid": "u"}
    metadata = {"namespace": "ns", "name": note, "uid": note}
    return {"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": metadata, "regarding": regarding} | {
        "reason": "Recovered",
        "note": note,
    }


def test_what_is_remembered_has_a_bound_and_goes_with_time() -> None:
    series = EventSeries()
    for number in range(MOST + 10):
        series.recorded(said(str(number)), NOW)
    assert [series.again(said(str(number)), NOW) for number in (0, 9, 10, MOST + 9)] == [False, False, True, True]
    series.recorded(said("new"), NOW + SAME_WITHIN + SECOND)
    assert not series.again(said("11"), NOW)
    assert series.due("ns", "fleet", NOW + SAME_WITHIN + SECOND) == []


def test_a_fleet_writes_its_own_series_alone() -> None:
    series, later = EventSeries(), NOW + WRITTEN_EACH
    for name in ("fleet", "another"):
        series.recorded(said(name, name), NOW)
        assert series.again(said(name, name), NOW + SECOND)
    (due,) = series.due("ns", "another", later)
    assert due.live["metadata"]["name"] == "another"
    assert series.due("ns", "another", later) == []
    assert series.again(said("another", "another"), later)
    series.told(due, 2)  # it was said once more meanwhile
    assert [it.count for it in series.due("ns", "another", later + WRITTEN_EACH)] == [3]

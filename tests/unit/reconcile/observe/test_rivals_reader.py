"""Autoscalers and budgets are listed once a minute a namespace, aside; without the right all goes on without them."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from utilitarian_operator.adapters.cluster.fake import FakeCluster, Request
from utilitarian_operator.core.objects.rivals import MOST_READ, Rivals
from utilitarian_operator.errors import ClusterError, Rejected
from utilitarian_operator.reconcile.observe.rivals_reader import ABSENT_S, EVERY_S, RivalsReader


class Stage:
    """A reader on a cluster in memory, by a clock that a test sets."""

    def __init__(self, fails: Callable[[Request], Exception | None] = lambda _: None) -> None:
        self.now, self.fails = 1000.0, fails
        self.cluster = FakeCluster(lambda: datetime(2026, 1, 1, tzinfo=UTC), fails=self._fails)
        self.reader = RivalsReader(self.cluster, lambda: self.now)

    def _fails(self, request: Request) -> Exception | None:
        return self.fails(request)

    async def make(self) -> None:
        for kind, group, spec in (
            ("HorizontalPodAutoscaler", "autoscaling/v2", {"scaleTargetRef": {"kind": "Deployment", "name": "f-a"}}),
            ("PodDisruptionBudget", "policy/v1", {"selector": {}}),
        ):
            metadata = {"namespace": "ns", "name": "it"}
            await self.cluster.create({"apiVersion": group, "kind": kind, "metadata": metadata, "spec": spec})

    async def look(self, *, after: float = 0.0, namespace: str = "ns", wanted: bool = True) -> Rivals:
        """A look, and all that goes on aside until the next one."""
        self.now += after
        found = self.reader.newest(namespace, wanted=wanted)
        for _ in range(8):
            await asyncio.sleep(0)
        return found

    @property
    def asked(self) -> int:
        return sum(it.verb == "items" for it in self.cluster.requests)


async def test_all_fleets_of_a_namespace_have_what_is_read_once_a_minute() -> None:
    stage = Stage()
    await stage.make()
    assert await stage.look() == Rivals()
    found = await stage.look()
    assert [it.name for it in (*found.scalers, *found.budgets)] == ["it", "it"]
    for _ in range(int(EVERY_S) - 1):
        await stage.look(after=1)
    assert stage.asked == 2
    await stage.look(after=1)
    assert stage.asked == 4
    assert {it.body for it in stage.cluster.requests if it.verb == "items"} == {
        ("", MOST_READ, ""),
        ("app.kubernetes.io/managed-by!=utilitarian-operator", MOST_READ, ""),
    }


async def test_nothing_is_read_again_while_no_fleet_has_use_for_it() -> None:
    stage = Stage()
    await stage.make()
    await stage.look(wanted=False)
    found = await stage.look(wanted=False)
    assert found.scalers, "the first time it is read in any case"
    for _ in range(3):
        assert await stage.look(after=EVERY_S, wanted=False) is found
    assert stage.asked == 2
    await stage.look(wanted=True)
    assert stage.asked == 4


async def test_who_asks_before_it_is_time_has_it_when_it_is() -> None:
    stage = Stage()
    await stage.look()
    await stage.look(after=1)
    await stage.look(after=EVERY_S - 2, wanted=False)
    assert stage.asked == 2
    await stage.look(after=1, wanted=False)
    assert stage.asked == 4


async def test_each_namespace_is_read_for_itself_and_forgotten_with_its_last_fleet() -> None:
    stage = Stage()
    await stage.make()
    await stage.look()
    await stage.look(namespace="other")
    assert (await stage.look(namespace="other")) == Rivals()
    assert (await stage.look()).scalers
    stage.reader.forget("ns")
    stage.reader.forget("never-read")
    assert await stage.look() == Rivals()


def refused(request: Request) -> Exception | None:
    return Rejected("HTTP 403", "forbidden") if request.kind == "horizontalpodautoscalers" else None


async def test_what_may_not_be_read_is_said_once_asked_seldom_and_the_other_kind_is_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage(refused)
    stage.fails = lambda _: None
    await stage.make()
    stage.fails = refused
    with caplog.at_level(logging.INFO):
        for second in range(int(ABSENT_S) + 2):
            found = await stage.look(after=min(second, 1))
    assert len(caplog.records) == 1
    assert (found.scalers, len(found.budgets)) == ((), 1)
    assert stage.asked == 4


async def test_what_was_read_stays_while_the_api_server_is_away() -> None:
    stage = Stage()
    await stage.make()
    await stage.look()
    before = await stage.look()
    stage.fails = lambda _: ClusterError("no answer")
    await stage.look(after=EVERY_S)
    assert await stage.look(after=1) == before

"""Which fleet may have a queue, by what brokers say of themselves, and that no fleet waits for another's broker."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.pools import fleet
from utilitarian_operator.adapters.broker.session import Credentials
from utilitarian_operator.adapters.cluster.cache import Key, Store
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.observation.broker import BrokerSnapshot
from utilitarian_operator.errors import BrokerUnreachable
from utilitarian_operator.reconcile.claims import (
    ASK_AGAIN_S,
    AT_A_TIME,
    FIND_OUT_WITHIN_S,
    LONGEST_DOUBT_S,
    Claims,
    Lost,
    Version,
)

OLD, NEW = Key("shop", "old"), Key("test", "new")
SPEC = fleet({"name": "work", "queues": ["q"]})
BEFORE, AFTER = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"


@dataclass
class Session:
    """Of a broker that answers, refuses or is silent."""

    cluster: str | None
    answers: bool = True
    same: bool | None = True
    heard: str | None = None
    asked: int = 0

    async def look(self, queues: Sequence[str]) -> BrokerSnapshot:
        del queues
        try:
            await self._answer()
        except BrokerUnreachable as error:
            return BrokerSnapshot(at=0.0, failed=error)
        self.heard = self.cluster
        return BrokerSnapshot(at=0.0, cluster=self.heard)

    async def is_same(self, other: Any) -> bool | None:
        self.asked += 1
        await self._answer()
        await other._answer()
        return self.same

    async def _answer(self) -> None:
        if self.cluster is None:
            raise BrokerUnreachable("no answer")
        if not self.answers:
            await asyncio.Event().wait()


@dataclass
class Brokers:
    """The sessions, by the URL's host."""

    sessions: dict[str, Session]

    def session(self, credentials: Credentials) -> Session:
        return self.sessions[credentials.url]

    def cluster(self, credentials: Credentials) -> str | None:
        return self.sessions[credentials.url].heard


@dataclass
class World:
    """Two fleets, each with its own name of a broker, that look in turn."""

    old: Session
    new: Session
    now: float = 0.0
    claims: Claims = field(init=False)

    def __post_init__(self) -> None:
        brokers = Brokers({url(OLD): self.old, url(NEW): self.new})
        self.claims = Claims(Store(), brokers, lambda: self.now)

    async def look(self, key: Key, *, runs: bool, spec: Fleet = SPEC) -> Lost:
        await self.claims.note(key, BEFORE if key == OLD else AFTER, [Version(spec, Reader(key), runs)])
        found = self.claims.lost(key, spec if runs else None, spec)
        await pause()
        return found

    async def poll_schedule(self, number: int, *, new_runs: bool = False) -> list[Lost]:
        found = []
        for _ in range(number):
            await self.look(OLD, runs=True)
            found.append(await self.look(NEW, runs=new_runs))
            self.now += 1
        return found


async def pause() -> None:
    """What was begun beside the looks goes on as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


def url(key: Key) -> str:
    return f"amqp://user:secret@{key.name}:5672/vhost"


@dataclass(frozen=True)
class Reader:
    key: Key

    async def read(self, fleet: Fleet) -> Credentials:
        del fleet
        return CREDENTIALS[self.key]


@dataclass(frozen=True)
class Named:
    credentials: Credentials

    async def read(self, fleet: Fleet) -> Credentials:
        del fleet
        return self.credentials


CREDENTIALS = {key: Credentials(url(key)) for key in (OLD, NEW)}


async def test_a_new_fleet_waits_until_it_is_known_whose_its_queues_are_and_then_says_so() -> None:
    *before, last = await World(Session("one"), Session("one")).poll_schedule(4)
    assert before[0] == Lost(may_run=False, doubted=True)
    assert not last.may_run
    assert not last.doubted
    (said,) = last.blockers
    assert said.reason == "QueueTaken"
    assert "shop/old has the queue q" in said.message


@pytest.mark.parametrize(
    "old, new",
    [
        pytest.param(Session("one"), Session("two"), id="brokers of two names"),
        pytest.param(Session("one"), Session("one", same=False), id="brokers that only call themselves alike"),
        pytest.param(Session(None), Session("one"), id="the other's refuses"),
        pytest.param(Session("one"), Session(None), id="its own refuses"),
    ],
)
async def test_a_fleet_with_a_broker_of_its_own_runs(old: Session, new: Session) -> None:
    found = await World(old, new).poll_schedule(4)
    assert found[-1] == Lost()


async def test_a_fleet_does_not_wait_for_the_silent_broker_of_another() -> None:
    """Nothing in a look awaits a broker, so that a look ends; and a new one runs after a while all the same."""
    world = World(Session("one", answers=False), Session("one"))
    found = await world.poll_schedule(int(LONGEST_DOUBT_S) + 1)
    assert [it.doubted for it in found] == [True] * int(LONGEST_DOUBT_S) + [False]
    assert found[-1] == Lost()
    running = await world.poll_schedule(1, new_runs=True)
    assert running == [Lost()]


async def test_two_that_run_go_on_until_it_is_seen_that_their_broker_is_one() -> None:
    found = await World(Session("one"), Session("one")).poll_schedule(4, new_runs=True)
    assert found[0] == Lost()
    assert found[-1].pools == {"work": "queue q is left to UtilitarianWorkerPool shop/old"}


async def test_what_came_to_nothing_is_asked_again_and_not_at_each_look() -> None:
    world = World(Session("one"), Session("one"))
    await world.poll_schedule(1)
    world.old.cluster = world.new.cluster = None  # both go away before they could be compared
    found = await world.poll_schedule(4)
    assert found[-1] == Lost()
    asked = world.old.asked + world.new.asked
    await world.poll_schedule(5)
    assert world.old.asked + world.new.asked == asked
    world.old.cluster = world.new.cluster = "one"
    world.now += ASK_AGAIN_S
    assert not (await world.poll_schedule(3))[-1].may_run


async def test_brokers_that_are_all_called_alike_are_compared_few_at_a_time() -> None:
    keys = [Key("ns", f"fleet-{number}") for number in range(8)]
    sessions = {url(key): Session("one", same=False, heard="one") for key in keys}
    claims = Claims(Store(), Brokers(sessions), time.monotonic)
    asked = []
    for _ in range(10):
        for key in keys:
            await claims.note(key, BEFORE, [Version(SPEC, Named(Credentials(url(key))), runs=True)])
            claims.lost(key, SPEC, SPEC)
        before = sum(it.asked for it in sessions.values())
        await pause()
        asked.append(sum(it.asked for it in sessions.values()) - before)
    assert max(asked) <= AT_A_TIME
    assert sum(asked) == 28  # each pair once


def test_what_is_found_out_has_an_end() -> None:
    assert FIND_OUT_WITHIN_S < LONGEST_DOUBT_S < ASK_AGAIN_S


async def test_where_the_right_to_ask_is_missing_the_brokers_name_decides() -> None:
    world = World(Session("one", same=None), Session("one", same=None))
    assert not (await world.poll_schedule(4))[-1].may_run


async def test_the_newer_runs_when_the_older_is_forgotten() -> None:
    world = World(Session("one"), Session("one"))
    await world.poll_schedule(4)
    world.claims.forget(OLD)
    assert await world.look(NEW, runs=False) == Lost()


async def test_who_only_previews_takes_nothing_from_anybody_and_goes_on() -> None:
    previewing = fleet({"name": "work", "queues": ["q"]}, mode="Preview")
    world = World(Session("one"), Session("one"))
    await world.poll_schedule(4)
    seen = await world.look(NEW, runs=False, spec=previewing)
    assert seen.may_run
    assert [it.reason for it in seen.blockers] == ["QueueTaken"]
    await world.look(OLD, runs=True, spec=previewing)
    assert await world.look(NEW, runs=False) == Lost()

"""Which fleet may have a queue, by what brokers say of themselves, and that no fleet waits for another's broker."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from tests.support.pools import fleet
from utilitarian_operator.adapters.broker.bounded.brokers import Brokers
from utilitarian_operator.adapters.broker.fake import FakeBroker, FakeRabbitMQ
from utilitarian_operator.adapters.broker.seam import Broker
from utilitarian_operator.adapters.broker.session import Credentials
from utilitarian_operator.adapters.cluster.cache import Key, Store
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.observation.broker import BrokerSnapshot
from utilitarian_operator.core.observation.let_in import mark
from utilitarian_operator.errors import BrokerError, BrokerUnreachable, LoginRefused, SecretMissing
from utilitarian_operator.reconcile.asking import OF_A_PAIR
from utilitarian_operator.reconcile.claims import (
    ASK_AGAIN_S,
    FIND_OUT_WITHIN_S,
    LONGEST_DOUBT_S,
    NEVER_LET_IN_S,
    Claims,
    Version,
)
from utilitarian_operator.reconcile.lost_queues import Lost

OLD, NEW = Key("shop", "old"), Key("test", "new")
SPEC = fleet({"name": "work", "queues": ["q"]})
AWAY = BrokerUnreachable("no answer")
BEFORE, AFTER = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"


class Session(FakeBroker):
    """The shipped fake, with what only a real broker does: it keeps silent, or gives no right to ask who it is.

    Args:
        place: that it looks at.
        answers: whether it ever does.
        may_ask: whether its user may do what it takes to find out if two are one.
        sees_all: whether it is nothing but a program that says that it sees what it is asked for.
    """

    def __init__(
        self, place: FakeRabbitMQ, *, answers: bool = True, may_ask: bool = True, sees_all: bool = False
    ) -> None:
        super().__init__(place)
        self.compared, self._answers_at_all, self._may_ask = 0, answers, may_ask
        self._sees_all = sees_all

    async def look(self, queues: Sequence[str]) -> BrokerSnapshot:
        await self._answer()
        return await super().look(queues)

    async def is_same(self, other: Broker) -> bool | None:
        self.compared += 1
        assert isinstance(other, Session)
        await self._answer()
        await other._answer()
        if not self._may_ask or not other._may_ask:
            return None
        return other._sees_all or await super().is_same(other)

    async def _answer(self) -> None:
        if not self._answers_at_all:
            await asyncio.Event().wait()


@dataclass
class World:
    """Two fleets, each with its own name of a broker, that look in turn."""

    old: Session
    new: Session
    now: float = 0.0
    claims: Claims = field(init=False)
    address: str = ""
    recorded: dict[Key, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sessions = {self.credentials(OLD): self.old, self.credentials(NEW): self.new}
        self.claims = Claims(Store(), Brokers(sessions.__getitem__), lambda: self.now)

    def credentials(self, key: Key) -> Credentials:
        """Those of one URL each, with the same address in both where the world has one."""
        return Credentials(f"amqp://{key.name}:secret@{self.address}/vhost") if self.address else CREDENTIALS[key]

    async def look(self, key: Key, *, runs: bool, spec: Fleet = SPEC) -> Lost:
        versions = [Version(spec, Named(self.credentials(key)), runs)]
        await self.claims.note(key, BEFORE if key == OLD else AFTER, versions, self.recorded.get(key, ""))
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


def one_broker(**more: bool) -> World:
    """Both fleets' brokers are one."""
    place = FakeRabbitMQ("one")
    return World(Session(place, **more), Session(place, **more))


def two_brokers(old: str = "one", new: str = "one") -> World:
    """Each fleet has a broker of its own, which calls itself so."""
    return World(Session(FakeRabbitMQ(old)), Session(FakeRabbitMQ(new)))


def refuses(key: Key) -> World:
    world = two_brokers()
    (world.old if key == OLD else world.new).place.failure = AWAY
    return world


async def pause() -> None:
    """What was begun beside the looks goes on as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


def url(key: Key) -> str:
    return f"amqp://user:secret@{key.name}:5672/vhost"


@dataclass(frozen=True)
class Named:
    """In place of the reader of Secrets, which has a test of its own."""

    credentials: Credentials

    async def read(self, fleet: Fleet) -> Credentials:
        del fleet
        return self.credentials


CREDENTIALS = {key: Credentials(url(key)) for key in (OLD, NEW)}


async def test_a_new_fleet_waits_until_it_is_known_whose_its_queues_are_and_then_says_so() -> None:
    *before, last = await one_broker().poll_schedule(4)
    assert before[0] == Lost(may_run=False, doubted=True)
    assert not last.may_run
    assert not last.doubted
    (said,) = last.blockers
    assert said.reason == "QueueTaken"
    assert "shop/old has the queue q" in said.message


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(lambda: two_brokers("one", "two"), id="brokers of two names"),
        pytest.param(two_brokers, id="brokers that only call themselves alike"),
        pytest.param(lambda: refuses(OLD), id="the other's refuses"),
        pytest.param(lambda: refuses(NEW), id="its own refuses"),
    ],
)
async def test_a_fleet_with_a_broker_of_its_own_runs(world: Callable[[], World]) -> None:
    found = await world().poll_schedule(4)
    assert found[-1] == Lost()


async def test_a_fleet_does_not_wait_for_the_silent_broker_of_another() -> None:
    """Nothing in a look awaits a broker, so that a look ends; and a new one runs after a while all the same."""
    world = World(Session(FakeRabbitMQ(), answers=False), Session(FakeRabbitMQ()))
    found = await world.poll_schedule(int(LONGEST_DOUBT_S) + 1)
    assert [it.doubted for it in found] == [True] * int(LONGEST_DOUBT_S) + [False]
    assert found[-1] == Lost()
    running = await world.poll_schedule(1, new_runs=True)
    assert running == [Lost()]


@pytest.mark.parametrize("let_in", [True, False], ids=["was let in", "ran without a Secret, and has no worker"])
async def test_who_runs_goes_on_until_it_is_seen_that_two_brokers_are_one_unless_it_never_had_one(let_in: bool) -> None:
    world = one_broker()
    world.recorded[NEW] = mark(["new:5672"], "vhost") if let_in else ""
    await world.claims.note(NEW, AFTER, [Version(SPEC, Unreadable(), runs=True)], world.recorded[NEW])
    found = await world.poll_schedule(4, new_runs=True)
    doubt = "queue q may be on the same broker as that of UtilitarianWorkerPool shop/old, which is being found out"
    assert found[0] == (Lost() if let_in else Lost(pools={"work": doubt}))
    assert found[-1].pools == {"work": "queue q is left to UtilitarianWorkerPool shop/old"}


async def test_who_never_had_a_broker_waits_no_longer_than_a_new_one() -> None:
    world = World(Session(FakeRabbitMQ(), answers=False), Session(FakeRabbitMQ()))
    found = await world.poll_schedule(int(LONGEST_DOUBT_S) + 1, new_runs=True)
    assert [bool(it.pools) for it in found] == [True] * int(LONGEST_DOUBT_S) + [False]


async def test_what_came_to_nothing_is_asked_again_and_not_at_each_look() -> None:
    world = one_broker()
    await world.poll_schedule(1)
    world.old.place.failure = AWAY  # before they could be compared
    found = await world.poll_schedule(4)
    assert found[-1] == Lost()
    compared = world.old.compared + world.new.compared
    await world.poll_schedule(5)
    assert world.old.compared + world.new.compared == compared
    world.old.place.failure = None
    world.now += ASK_AGAIN_S
    assert not (await world.poll_schedule(3))[-1].may_run


@pytest.mark.parametrize("lies", [{"sees_all": True}, {"may_ask": False}], ids=["sees all", "refuses the question"])
@pytest.mark.parametrize("new_runs", [True, False], ids=["beside one that runs", "beside a new one"])
async def test_who_runs_what_only_calls_itself_like_anothers_broker_takes_no_queue_from_it(
    lies: dict[str, bool], new_runs: bool
) -> None:
    """Anybody may run a program that speaks AMQP, and have it say whatever helps."""
    world = World(Session(FakeRabbitMQ("one"), **lies), Session(FakeRabbitMQ("one")))
    assert (await world.poll_schedule(6, new_runs=new_runs))[-1] == Lost()


async def test_brokers_that_are_all_called_alike_are_compared_few_at_a_time() -> None:
    keys = [Key("ns", f"fleet-{number}") for number in range(8)]
    sessions = {Credentials(url(key)): Session(FakeRabbitMQ("one")) for key in keys}
    brokers = Brokers(sessions.__getitem__)
    for credentials in sessions:
        await brokers.session(credentials, "ns").look(())
    claims, compared = Claims(Store(), brokers, time.monotonic), []
    for _ in range(20):
        for key, credentials in zip(keys, sessions, strict=True):
            await claims.note(key, BEFORE, [Version(SPEC, Named(credentials), runs=True)])
            claims.lost(key, SPEC, SPEC)
        before = sum(it.compared for it in sessions.values())
        await pause()
        compared.append(sum(it.compared for it in sessions.values()) - before)
    assert max(compared) <= 2 * OF_A_PAIR
    assert sum(compared) == 2 * 28  # each pair once, from both sides


def test_what_is_found_out_has_an_end() -> None:
    assert FIND_OUT_WITHIN_S < LONGEST_DOUBT_S < ASK_AGAIN_S <= NEVER_LET_IN_S / 2


async def test_where_both_lack_the_right_to_ask_the_brokers_name_decides() -> None:
    world = one_broker(may_ask=False)
    assert not (await world.poll_schedule(4))[-1].may_run


async def test_the_newer_runs_when_the_older_is_forgotten() -> None:
    world = one_broker()
    await world.poll_schedule(4)
    world.claims.forget(OLD)
    assert await world.look(NEW, runs=False) == Lost()


async def test_who_only_previews_takes_nothing_from_anybody_and_goes_on() -> None:
    previewing = fleet({"name": "work", "queues": ["q"]}, mode="Preview")
    world = one_broker()
    await world.poll_schedule(4)
    seen = await world.look(NEW, runs=False, spec=previewing)
    assert seen.may_run
    assert [it.reason for it in seen.blockers] == ["QueueTaken"]
    await world.look(OLD, runs=True, spec=previewing)
    assert await world.look(NEW, runs=False) == Lost()


REFUSED = LoginRefused("the broker refuses user, password or virtual host of the URL")
ADDRESS = "rabbit:5672"


def squatted(why: BrokerError = REFUSED) -> World:
    """The older names the newer one's broker, which never lets it in."""
    world = World(Session(FakeRabbitMQ("one")), Session(FakeRabbitMQ("one")), address=ADDRESS)
    world.old.place.failure = why
    return world


@pytest.mark.parametrize("why", [REFUSED, AWAY, BrokerUnreachable("it speaks no TLS there")], ids=str)
async def test_who_was_never_let_in_holds_a_queue_for_a_minute_at_most(why: BrokerError) -> None:
    """Whatever it is that keeps its login from being let in: the same address lets in the other's."""
    world = squatted(why)
    found = await world.poll_schedule(int(NEVER_LET_IN_S) + 3)
    assert [it.may_run for it in found].index(True) in range(int(NEVER_LET_IN_S), int(NEVER_LET_IN_S) + 3)
    assert found[-1] == Lost()


async def test_it_holds_on_where_it_was_let_in_once_as_its_status_tells_after_a_restart() -> None:
    world = squatted()
    world.recorded[OLD] = mark([ADDRESS], "vhost")
    assert not any(it.may_run for it in await world.poll_schedule(3 * int(NEVER_LET_IN_S)))


@pytest.mark.parametrize(
    "by",
    [
        pytest.param(mark(["other:5672"], "vhost"), id="another broker"),
        pytest.param(mark([ADDRESS], "other"), id="another virtual host"),
        pytest.param(mark([ADDRESS, "other:5672"], "vhost"), id="one address more"),
        pytest.param("x" * 1000, id="no mark"),
    ],
)
async def test_who_was_let_in_elsewhere_has_shown_nothing(by: str) -> None:
    world = squatted()
    world.recorded[OLD] = by
    assert (await world.poll_schedule(int(NEVER_LET_IN_S) + 3))[-1] == Lost()


async def test_who_runs_and_was_let_in_goes_on_after_a_restart_beside_an_older_one_that_never_was() -> None:
    world = squatted()
    world.recorded[NEW] = mark([ADDRESS], "vhost")
    assert await world.poll_schedule(5, new_runs=True) == [Lost()] * 5
    old = await world.look(OLD, runs=True)
    assert old.pools == {"work": "queue q is left to UtilitarianWorkerPool test/new"}


async def test_one_that_does_not_run_is_asked_for_so_that_it_can_be_let_in() -> None:
    """As it waits for a Secret: nothing else looks at its broker."""
    world = World(Session(FakeRabbitMQ("one")), Session(FakeRabbitMQ("one")), address=ADDRESS)
    for _ in range(2 * int(NEVER_LET_IN_S)):
        await world.look(OLD, runs=False)
        assert not (await world.look(NEW, runs=False)).may_run
        world.now += 1


async def test_that_another_broker_lets_it_in_counts_for_nothing_at_this_one() -> None:
    """An edit that moves a fleet to the broker of another, which has yet to be let in there."""
    world = squatted(AWAY)
    world.new.place.failure = AWAY
    own = Credentials("amqp://new:secret@own:5672/vhost")
    sessions = {own: Session(FakeRabbitMQ("own")), world.credentials(OLD): world.old, world.credentials(NEW): world.new}
    world.claims = Claims(Store(), brokers := Brokers(sessions.__getitem__), lambda: world.now)
    await brokers.session(own, "test").look(())
    versions = [Version(SPEC, Named(own), runs=True), Version(SPEC, Named(world.credentials(NEW)), runs=False)]
    for _ in range(2 * int(NEVER_LET_IN_S)):
        await world.look(OLD, runs=True)
        await world.claims.note(NEW, AFTER, versions)
        assert not world.claims.lost(NEW, SPEC, SPEC).may_run
        await pause()
        world.now += 1


async def test_while_neither_is_let_in_the_urls_count() -> None:
    world = squatted(AWAY)
    world.new.place.failure = AWAY
    assert not any(it.may_run for it in await world.poll_schedule(3 * int(NEVER_LET_IN_S)))
    world.new.place.failure = None  # and from then on it is a minute, in which the other is asked again
    found = await world.poll_schedule(int(ASK_AGAIN_S) - 1)
    world.old.place.failure = None
    found += await world.poll_schedule(3 * int(NEVER_LET_IN_S))
    assert not any(it.may_run for it in found)


async def test_what_was_found_out_of_brokers_that_nobody_names_any_more_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A Secret may name another host each half minute, for ever; a comparison of brokers in use is kept."""
    monkeypatch.setattr("utilitarian_operator.reconcile.claims.MORE_KEPT", 10)
    places = [FakeRabbitMQ("one"), FakeRabbitMQ("one")]
    brokers = Brokers(lambda it: Session(places["old" in it.url]))
    claims = Claims(Store(), brokers, lambda: 0.0)
    compared = 0
    for number in range(60):
        named = [(OLD, "amqp://old/"), (NEW, f"amqp://h{number}/" if number < 50 else "amqp://last/")]
        for key, at in named:
            await claims.note(key, BEFORE, [Version(SPEC, Named(Credentials(at)), runs=True)])
            await brokers.keep_only(claims.in_use)
            claims.lost(key, SPEC, SPEC)
            await pause()
        compared += bool(claims._same)
        assert claims._kept() <= 40
    assert compared > 0


class Unreadable:
    """In place of a reader whose Secret can't be read: it was deleted, say, or the API server doesn't answer."""

    async def read(self, fleet: Fleet) -> Credentials:
        raise SecretMissing(f"spec.broker.urlFrom: no Secret for {fleet.broker}")


@pytest.mark.parametrize(
    "recorded, runs, kept",
    [
        pytest.param(mark([ADDRESS], "vhost"), True, True, id="where it was let in"),
        pytest.param(mark([ADDRESS], "other"), True, False, id="elsewhere"),
        pytest.param("", True, False, id="nowhere"),
        pytest.param(mark([ADDRESS], "vhost"), False, False, id="but it never ran"),
    ],
)
async def test_what_runs_keeps_its_queues_also_where_its_secret_can_not_be_read_after_a_restart(
    recorded: str, runs: bool, kept: bool
) -> None:
    world = World(Session(FakeRabbitMQ("one")), Session(FakeRabbitMQ("one")), address=ADDRESS)
    found = []
    for _ in range(2 * int(NEVER_LET_IN_S)):
        await world.claims.note(OLD, BEFORE, [Version(SPEC, Unreadable(), runs=runs)], recorded)
        found.append(await world.look(NEW, runs=False))
        world.now += 1
    assert {it.may_run for it in found} == {not kept}
    if kept:
        assert "shop/old has the queue q" in found[-1].blockers[0].message
    world.claims.forget(OLD)
    assert await world.look(NEW, runs=False) == Lost()


async def test_of_two_that_run_the_older_has_the_queue_also_where_its_secret_can_not_be_read() -> None:
    world = World(Session(FakeRabbitMQ("one")), Session(FakeRabbitMQ("one")), address=ADDRESS)
    await world.claims.note(OLD, BEFORE, [Version(SPEC, Unreadable(), runs=True)], mark([ADDRESS], "vhost"))
    found = await world.look(NEW, runs=True)
    assert found.pools == {"work": "queue q is left to UtilitarianWorkerPool shop/old"}

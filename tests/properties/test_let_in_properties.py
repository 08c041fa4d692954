"""Whoever names a broker without a login that it lets in takes no queue from others, whatever happens in what order.

Two resources name one queue at one address. What is kept over a restart is what stands in the cluster: which of them
runs, and by which address the operator was let in for it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.pools import fleet
from utilitarian_operator.adapters.broker.bounded.brokers import Brokers
from utilitarian_operator.adapters.broker.fake import FakeBroker, FakeRabbitMQ
from utilitarian_operator.adapters.broker.session import Credentials
from utilitarian_operator.adapters.cluster.cache import Key, Store
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.observation.broker import BrokerSnapshot
from utilitarian_operator.core.observation.let_in import mark
from utilitarian_operator.errors import BrokerError, BrokerUnreachable, LoginRefused, SecretMissing
from utilitarian_operator.reconcile.claims import ASK_AGAIN_S, NEVER_LET_IN_S, Claims, Version

SPEC = fleet({"name": "work", "queues": ["q"]})
OLD, NEW = Key("evil", "old"), Key("shop", "new")
CREATED = {OLD: "2026-01-01T00:00:00Z", NEW: "2026-02-01T00:00:00Z"}
CREDENTIALS = {key: Credentials(f"amqp://{key.name}:secret@rabbit:5672/v") for key in CREATED}
MARK = mark(["rabbit:5672"], "v")
STEP_S = 6
"""Between two looks at one resource: no more than is told apart."""


class Session(FakeBroker):
    """One login at the broker that both resources name.

    Args:
        world: that knows whether it is let in.
        key: whose login it is.
    """

    def __init__(self, world: "World", key: Key) -> None:
        super().__init__(world.place)
        self._world, self._key = world, key

    async def look(self, queues: Sequence[str]) -> BrokerSnapshot:
        failure = self._world.failures.get(self._key)
        return await super().look(queues) if failure is None else replace(self.known, failed=failure)


@dataclass(frozen=True)
class Named:
    """A reader of one login, which is kept once it was read, until the operator is restarted."""

    world: "World"
    key: Key

    async def read(self, fleet: Fleet) -> Credentials:
        if self.key in self.world.unreadable and self.key not in self.world.was_read:
            raise SecretMissing(f"no Secret for {fleet.broker}")
        self.world.was_read.add(self.key)
        return CREDENTIALS[self.key]


@dataclass
class World:
    """Both resources and their operator."""

    failures: dict[Key, BrokerError] = field(default_factory=dict)
    runs: set[Key] = field(default_factory=set)
    recorded: dict[Key, str] = field(default_factory=dict)
    led_to_zero: set[Key] = field(default_factory=set)
    unreadable: set[Key] = field(default_factory=set)
    was_read: set[Key] = field(default_factory=set)
    now: float = 0.0
    place: FakeRabbitMQ = field(default_factory=FakeRabbitMQ)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.was_read.clear()
        owners = {credentials: key for key, credentials in CREDENTIALS.items()}
        self.brokers = Brokers(lambda credentials: Session(self, owners[credentials]))
        self.claims = Claims(Store(), self.brokers, lambda: self.now)

    async def look(self, key: Key) -> None:
        """As the operator looks: it notes all claims, lets the spec run or not, looks at the broker, writes status."""
        for it, created in CREATED.items():
            version = Version(SPEC, Named(self, it), it in self.runs)
            await self.claims.note(it, created, [version], self.recorded.get(it, ""))
        found = self.claims.lost(key, SPEC if key in self.runs else None, SPEC)
        if found.may_run and key not in self.runs:
            self.check_alone(key)
            assert key in self.was_read or not self.runs, f"{key} is let run without a Secret beside another"
            self.runs.add(key)
        (self.led_to_zero.add if found.pools else self.led_to_zero.discard)(key)
        if key in self.runs and key in self.was_read:
            seen = await self.brokers.session(CREDENTIALS[key], key.namespace).look(())
            if seen.failed is None:
                self.recorded[key] = MARK
        for _ in range(6):  # what was begun beside the look goes on
            await asyncio.sleep(0)

    def check_alone(self, key: Key) -> None:
        """No resource is let run beside one that runs and was let in once."""
        (other,) = CREATED.keys() - {key}
        assert not (other in self.runs and other in self.recorded), f"{key} was let run beside {other}"

    async def happens(self, event: str) -> None:
        match event.split(" ", 1):
            case ["old" | "new" as who, "looks"]:
                await self.look(OLD if who == "old" else NEW)
            case ["old", fate]:
                self.befalls_old(fate)
            case ["new", "has no Secret"]:
                self.unreadable.add(NEW)
            case ["new", "has its Secret"]:
                self.unreadable.discard(NEW)
            case ["a", "minute"]:
                await self.both(int(NEVER_LET_IN_S))
            case ["a", "pause"]:
                self.now += 20
            case _:
                self.restart()
        if NEW in self.runs and NEW in self.recorded and OLD not in self.recorded:
            assert NEW not in self.led_to_zero, "one that was let in gives way to one that never was"

    def befalls_old(self, fate: str) -> None:
        match fate:
            case "is refused":
                self.failures[OLD] = LoginRefused("no")
            case "is not heard":
                self.failures[OLD] = BrokerUnreachable("no")
            case "is let in":
                self.failures.pop(OLD, None)
            case "has no Secret":
                self.unreadable.add(OLD)
            case "has its Secret":
                self.unreadable.discard(OLD)

    async def both(self, seconds: int) -> None:
        for _ in range(seconds // STEP_S + 1):
            await self.look(OLD)
            await self.look(NEW)
            self.now += STEP_S


EVENTS = [
    *("old looks", "new looks", "restart", "a minute", "a pause"),
    *("old is refused", "old is not heard", "old is let in"),
    *("old has no Secret", "old has its Secret", "new has no Secret", "new has its Secret"),
]


def lived(events: Sequence[str], *, refused: bool) -> World:
    """A world after these events, and a while after them in which no Secret is missing."""

    async def live() -> World:
        world = World({OLD: LoginRefused("no")} if refused else {})
        for event in events:
            await world.happens(event)
        world.unreadable.clear()
        await world.both(int(NEVER_LET_IN_S + ASK_AGAIN_S) + 2 * STEP_S)
        return world

    return asyncio.run(live())


@settings(max_examples=examples(30), deadline=None)
@given(events=st.lists(st.sampled_from(EVENTS), max_size=12), refused=st.booleans())
@example(events=["old looks", "new looks", "old is refused", "restart", "a minute"], refused=False)
@example(events=["old looks", "a minute", "restart", "new looks", "old looks"], refused=True)
@example(events=["old looks", "old has no Secret", "restart", "new looks", "old has its Secret"], refused=False)
@example(events=["old looks", "new has no Secret", "new looks", "new has its Secret", "new looks"], refused=False)
@example(events=["old has no Secret", "new looks", "old looks", "new looks", "old has its Secret"], refused=False)
def test_two_never_run_together_and_who_was_let_in_goes_on(events: list[str], *, refused: bool) -> None:
    world = lived(events, refused=refused)
    working = world.runs - world.led_to_zero
    assert working, "one of them runs"
    assert len(working & world.recorded.keys()) <= 1, "two run together"


@settings(max_examples=examples(20), deadline=None)
@given(st.lists(st.sampled_from([it for it in EVENTS if it != "old is let in"]), max_size=12))
def test_who_was_never_let_in_keeps_no_other_from_running(events: list[str]) -> None:
    world = lived(events, refused=True)
    assert NEW in world.runs - world.led_to_zero
    assert OLD not in world.recorded


@settings(max_examples=examples(20), deadline=None)
@given(st.lists(st.sampled_from(EVENTS), max_size=12))
def test_who_was_let_in_first_keeps_its_queue_also_while_its_login_is_refused(events: list[str]) -> None:
    world = lived(["old looks", *events], refused=False)
    assert world.runs == {OLD}
    assert not world.led_to_zero

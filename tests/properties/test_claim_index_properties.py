"""Whatever resources claim, and in whatever order it is learned: who loses what is as if all were compared with all."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.pools import fleet
from utilitarian_operator.adapters.broker.fake import FakeBroker, FakeRabbitMQ
from utilitarian_operator.adapters.broker.seam import Broker
from utilitarian_operator.adapters.broker.session import Credentials
from utilitarian_operator.adapters.cluster.cache import Key, Store
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.spec.queue_claims import may_clash
from utilitarian_operator.errors import SecretMissing
from utilitarian_operator.reconcile.claims import Claims, Version
from utilitarian_operator.reconcile.known_claims import KnownClaims, Noted

KEYS = [Key("ns", name) for name in "abcde"]
SPECS = [fleet({"name": "work", "queues": list(queues)}) for queues in ("q", "r", "qr", "qs")]
URLS = ["amqp://a/", "amqp://a/;amqp://b/", "amqp://b/", "amqp://c/v", "amqp://d/", "amqp://e/v"]
BROKERS = {"a": "one", "b": "one", "c": "two", "d": "two", "e": "one"}
"""What each host calls itself."""


class AllPairs(KnownClaims):
    """The same, as it was before claims were found by place: each is compared with all others."""

    def rivals(self, key: Key) -> list[tuple[Noted, Noted]]:
        return [
            (one, it)
            for one in self.noted(key)
            for other, _, it in sorted(self.every(), key=lambda entry: entry[:2])
            if other != key and it.holds and may_clash(one.claim, it.claim)
        ]


@dataclass
class Heard:
    """The brokers, of which those were heard that a test says."""

    heard: set[str] = field(default_factory=set)

    def session(self, credentials: Credentials, namespace: str) -> Broker:
        del namespace
        host = credentials.url.removeprefix("amqp://")[0]
        return FakeBroker(FakeRabbitMQ(BROKERS[host]))

    def cluster(self, credentials: Credentials) -> str | None:
        return BROKERS[credentials.url.removeprefix("amqp://")[0]] if credentials.url in self.heard else None


@dataclass(frozen=True)
class Named:
    """A reader of one login, or of a Secret that is not there."""

    url: str | None

    async def read(self, fleet: Fleet) -> Credentials:
        if self.url is None:
            raise SecretMissing(f"no Secret for {fleet.image}")
        return Credentials(self.url)


@dataclass(frozen=True)
class Told:
    """What is learned of one resource: its versions, and which of all brokers were heard by then."""

    key: Key
    versions: tuple[Version, ...]
    heard: frozenset[str]
    gone: bool


VERSIONS = st.builds(Version, st.sampled_from(SPECS), st.sampled_from([*URLS, None]).map(Named), st.booleans())
TOLD = st.builds(
    Told,
    st.sampled_from(KEYS),
    st.lists(VERSIONS, min_size=1, max_size=2).map(tuple),
    st.frozensets(st.sampled_from(URLS)),
    st.sampled_from([False, False, False, True]),
)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(TOLD, min_size=2, max_size=10))
def test_what_is_lost_is_what_all_pairs_say(told: Sequence[Told]) -> None:
    async def live() -> None:
        brokers, now = Heard(), 0.0
        sides = [Claims(Store(), brokers, lambda: now) for _ in range(2)]
        sides[1]._known = AllPairs()
        for number, it in enumerate(told):
            now += 7
            brokers.heard |= it.heard
            for claims in sides:
                if it.gone:
                    claims.forget(it.key)
                else:
                    versions = [replace(one, runs=one.runs and not n) for n, one in enumerate(it.versions)]
                    await claims.note(it.key, f"2026-01-0{number % 9 + 1}T00:00:00Z", versions)
            for key in KEYS:
                for newest in SPECS[:2]:
                    one, other = (claims.lost(key, SPECS[0], newest, all_known=number > 1) for claims in sides)
                    assert one == other
            for _ in range(8):  # what was begun beside the looks goes on
                await asyncio.sleep(0)

    asyncio.run(live())

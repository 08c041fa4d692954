"""What is known of the queues that resources claim, found by place: each claim is compared with its possible rivals.

Where no address is shared, and the brokers call themselves differently, two claims are none, however many queues have
the same name. So a look costs what its own queues cost, and not what all fleets do.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from utilitarian_operator.adapters.broker.session import Credentials
from utilitarian_operator.adapters.cluster.cache import Key
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.spec.queue_claims import Claim
from utilitarian_operator.errors import OperatorError, SecretMissing


@dataclass(frozen=True, slots=True)
class Noted:
    """A claim; `holds`: whether its resource can have consumers: one that was only ever previewed has none."""

    claim: Claim
    credentials: Credentials
    holds: bool


@dataclass(frozen=True, slots=True)
class Unread:
    """A claim whose broker can't be read now.

    Args:
        claim: at no place.
        fleet: the spec that makes it.
        why: it can't be read.
        at: the mark of the place where its resource was let in last; empty where it never was.
        adds: the queues that its resource doesn't have already at the same broker.
        holds: as of a claim that is noted.
    """

    claim: Claim
    fleet: Fleet
    why: OperatorError
    at: str
    adds: frozenset[str]
    holds: bool

    @property
    def person_must_act(self) -> bool:
        """Whether it stays so until a person acts; else the API server may answer next time."""
        return isinstance(self.why, SecretMissing)


_Entry: TypeAlias = tuple[Key, int]
"""One claim: of which resource, and the how manieth of it."""


class KnownClaims:
    """The claims of all resources that were looked at, or read because of another.

    `changes` counts how often one came, went or became another.
    """

    def __init__(self) -> None:
        self.changes = 0
        self._noted: dict[Key, tuple[Noted, ...]] = {}
        self._unread: dict[Key, tuple[Unread, ...]] = {}
        self._found_by: dict[Hashable, dict[_Entry, Noted]] = {}

    def __contains__(self, key: Key) -> bool:
        """Whether the claims of a resource are known."""
        return key in self._noted

    def __iter__(self) -> Iterator[Key]:
        """The resources whose claims are known."""
        return iter(self._noted)

    def noted(self, key: Key) -> tuple[Noted, ...]:
        """The claims of one resource whose brokers are known."""
        return self._noted.get(key, ())

    def unread(self, key: Key) -> tuple[Unread, ...]:
        """Those whose brokers can't be read."""
        return self._unread.get(key, ())

    def every(self) -> Iterator[tuple[Key, int, Noted]]:
        """All claims whose brokers are known: of which resource, the how manieth of it, and the claim."""
        return ((key, number, it) for key, each in self._noted.items() for number, it in enumerate(each))

    def put(self, key: Key, noted: Sequence[Noted], unread: Sequence[Unread] = ()) -> None:
        """Remember what a resource claims now."""
        before, now = self._noted.get(key), tuple(noted)
        if unread:
            self._unread[key] = tuple(unread)
        else:
            self._unread.pop(key, None)
        if before == now:
            return
        self._take_out(key)
        self._noted[key] = now
        for number, it in enumerate(now):
            for word in _words(it.claim) if it.holds else ():
                self._found_by.setdefault(word, {})[key, number] = it
        self.changes += 1

    def forget(self, key: Key) -> None:
        """A resource is gone."""
        self._unread.pop(key, None)
        if key in self._noted:
            self._take_out(key)
            self.changes += 1

    def _take_out(self, key: Key) -> None:
        for number, it in enumerate(self._noted.pop(key, ())):
            for word in _words(it.claim) if it.holds else ():
                there = self._found_by[word]
                del there[key, number]
                if not there:
                    del self._found_by[word]

    def rivals(self, key: Key) -> list[tuple[Noted, Noted]]:
        """Each claim of a resource with each of another's that names one of its queues and may be at its place."""
        found: list[tuple[Noted, Noted]] = []
        for one in self.noted(key):
            others: dict[_Entry, Noted] = {}
            for word in _asked_for(one.claim):
                others |= self._found_by.get(word, {})
            found += [(one, others[entry]) for entry in sorted(others) if entry[0] != key]
        return found

    def unread_that_run(self, key: Key) -> Iterator[Unread]:
        """What runs of other resources, and was let in somewhere, while its broker can't be read."""
        for other, each in self._unread.items():
            yield from (it for it in each if other != key and it.holds and it.claim.runs and it.at)

    def may_run_there(self, key: Key, queues: frozenset[str]) -> Claim | None:
        """The oldest claim of another resource that runs and names one of these queues, at whatever place."""
        noted = (it.claim for other, _, it in self.every() if other != key and it.holds)
        unread = (it.claim for other, each in self._unread.items() if other != key for it in each if it.holds)
        found = [it for claims in (noted, unread) for it in claims if it.runs and not it.queues.isdisjoint(queues)]
        return min(found, key=lambda it: (it.created, it.fleet), default=None)


def _words(claim: Claim) -> Iterator[Hashable]:
    """All by which a claim is found; a broker that was not heard yet may be any."""
    place = claim.place
    for queue in claim.queues:
        yield place.vhost, queue
        yield place.vhost, queue, "calls itself", place.cluster
        for address in place.addresses:
            yield place.vhost, queue, "is at", address


def _asked_for(claim: Claim) -> Iterator[Hashable]:
    """By what its rivals are found."""
    place = claim.place
    for queue in claim.queues:
        if place.cluster is None:
            yield place.vhost, queue
        else:
            yield place.vhost, queue, "calls itself", place.cluster
            yield place.vhost, queue, "calls itself", None
            for address in place.addresses:
                yield place.vhost, queue, "is at", address

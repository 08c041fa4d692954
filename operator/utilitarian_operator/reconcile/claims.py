"""Which queues of a fleet another resource on the same broker has; looks don't wait for the broker here.

What brokers say of themselves, and whether two of them are one, is found out by tasks beside the looks.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from utilitarian_operator.adapters.broker.address import addresses
from utilitarian_operator.adapters.broker.seam import Broker
from utilitarian_operator.adapters.broker.session import Credentials
from utilitarian_operator.adapters.cluster.cache import DEPLOYMENTS, Key, Store
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.blocker import QUEUE_TAKEN, Blocker
from utilitarian_operator.core.mode import makes_objects
from utilitarian_operator.core.observation.let_in import mark, recorded
from utilitarian_operator.core.spec.acceptance import Judgement
from utilitarian_operator.core.spec.queue_claims import (
    Claim,
    Pair,
    Place,
    given_up,
    is_one,
    lost,
    may_clash,
    only_asking_tells,
    why_stalled,
)
from utilitarian_operator.errors import BrokerError, OperatorError, TooManyBrokers
from utilitarian_operator.reconcile.asking import Asking
from utilitarian_operator.reconcile.fleet_state import FleetState

FIND_OUT_WITHIN_S = 10.0
"""After so long a broker has not said who it is, and a comparison came to nothing."""

ASK_AGAIN_S = 30.0
"""After a comparison that came to nothing."""

LONGEST_DOUBT_S = 15.0
"""A new spec waits no longer to know whose its queues are: then only what is known counts."""

NEVER_LET_IN_S = 60.0
"""A broker that has let in one resource for so long, and another one never, won't: who is not let in holds no queue
against who is, or any host could be claimed without a login. Each is asked again within half of this time."""

MORE_KEPT = 1_000
"""Answers that are kept beyond twice those that were still of use when they were last looked through."""

_NOTHING_RUNS = "; nothing of this resource runs until then"
_LAST_RUNS = "; until then, the last accepted spec keeps running"


class Brokers(Protocol):
    """The sessions in use."""

    def session(self, credentials: Credentials, namespace: str) -> Broker:
        """The session of these credentials, which a fleet of this namespace has; raises TooManyBrokers."""

    def cluster(self, credentials: Credentials) -> str | None:
        """What their broker calls itself, if it was heard."""


class Reader(Protocol):
    """Where credentials come from."""

    async def read(self, fleet: Fleet) -> Credentials:
        """Those that a fleet names; raises OperatorError."""


@dataclass(frozen=True, slots=True)
class Lost:
    """What one fleet doesn't get.

    Args:
        blockers: what to say of it.
        may_run: whether its newest spec may run.
        pools: of the spec that runs, those that are led to zero, each with why.
        doubted: whether it isn't known yet whose the queues of its newest spec are.
    """

    blockers: tuple[Blocker, ...] = ()
    may_run: bool = True
    pools: Mapping[str, str] = field(default_factory=dict)
    doubted: bool = False


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a resource.

    Args:
        fleet: what it asks for.
        reader: of its broker's credentials.
        runs: whether it runs.
    """

    fleet: Fleet
    reader: Reader
    runs: bool


@dataclass(frozen=True, slots=True)
class _Noted:
    """A claim; `holds`: whether its resource can have consumers: one that was only ever previewed has none."""

    claim: Claim
    credentials: Credentials
    holds: bool


@dataclass(frozen=True, slots=True)
class _Unread:
    """A claim of what runs whose broker can't be read now.

    Args:
        claim: at no place.
        at: the mark of the place where it was let in.
    """

    claim: Claim
    at: str


class Claims:
    """The queues that all resources name.

    Args:
        store: of the cluster's objects.
        brokers: the sessions in use.
        clock: monotonic seconds.
    """

    def __init__(self, store: Store, brokers: Brokers, clock: Callable[[], float]) -> None:
        self._store, self._brokers, self._clock = store, brokers, clock
        self._noted: dict[Key, tuple[_Noted, ...]] = {}
        self._unread: dict[Key, _Unread] = {}
        self._tried: set[Credentials] = set()
        self._asked: dict[Credentials, float] = {}
        self._let_in_since: dict[Credentials, float] = {}
        self._same: dict[Pair, bool] = {}
        self._failed: dict[Pair, float] = {}
        self._doubts: dict[Key, float] = {}
        self._asking = Asking()
        self._most_kept = MORE_KEPT

    def __contains__(self, key: Key) -> bool:
        """Whether the claims of a resource are known."""
        return key in self._noted

    def __iter__(self) -> Iterator[Key]:
        """The resources whose claims are known."""
        return iter(self._noted)

    @property
    def in_use(self) -> dict[tuple[Key, int], Credentials]:
        """The credentials that were noted, so that their sessions are kept open."""
        return {(key, number): it.credentials for key, each in self._noted.items() for number, it in enumerate(each)}

    def unseen(self, key: Key) -> None:
        """A resource can't be looked at yet: it claims nothing until it was."""
        self._noted.setdefault(key, ())

    def forget(self, key: Key) -> None:
        """A resource is gone: it claims nothing any more."""
        for kept in (self._noted, self._unread, self._doubts):
            kept.pop(key, None)
        self._keep_logins()

    async def note_versions(self, known: FleetState, newest: Judgement) -> None:
        """Remember what a resource claims now, by the spec that runs and by its newest one."""
        created, let_in = known.resource["metadata"]["creationTimestamp"], recorded(known.resource["status"])
        await self.note(known.key, created, _versions(known, newest), let_in)

    async def note(self, key: Key, created: str, versions: Sequence[Version], let_in: str = "") -> None:
        """Remember what a resource claims now.

        Args:
            key: of it.
            created: when it was made, as Kubernetes writes it.
            versions: the one that runs, and the newest where it is another.
            let_in: the mark of the addresses by which its broker last let the operator in, by its status.
        """
        noted = [await self._read(key, created, version, let_in) for version in versions]
        self._noted[key] = tuple(it for it in noted if it is not None)
        self._unread.pop(key, None)
        for version, it in zip(versions, noted, strict=True):
            if it is None and version.runs and let_in and self._may_consume(key, version.fleet):
                claim = Claim(str(key), created, True, Place(frozenset(), ""), _queues(version.fleet))  # noqa: FBT003
                self._unread[key] = _Unread(claim, let_in)
        if self._kept() > self._most_kept:
            self._keep_what_is_named()

    def _kept(self) -> int:
        of_pairs, of_logins = (self._same, self._failed), (self._tried, self._asked, self._let_in_since)
        return sum(len(it) for it in of_pairs) + sum(len(it) for it in of_logins)

    def _keep_what_is_named(self) -> None:
        """Forget what was found out of brokers that no resource names any more: a URL may change again and again."""
        places = {it.claim.place for each in self._noted.values() for it in each}
        self._same = {pair: it for pair, it in self._same.items() if pair <= places}
        self._failed = {pair: it for pair, it in self._failed.items() if pair <= places}
        self._keep_logins()
        self._most_kept = 2 * self._kept() + MORE_KEPT

    def _keep_logins(self) -> None:
        used = set(self.in_use.values())
        self._tried &= used
        self._asked = {it: at for it, at in self._asked.items() if it in used}
        self._let_in_since = {it: at for it, at in self._let_in_since.items() if it in used}

    async def _read(self, key: Key, created: str, version: Version, let_in: str) -> _Noted | None:
        """One claim; None where its broker is not known: it can't be a rival yet."""
        try:
            credentials = await version.reader.read(version.fleet)
        except OperatorError:  # said where the broker is looked at
            return None
        before = next((it for it in self._noted.get(key, ()) if it.credentials is credentials), None)
        place = before.claim.place if before else _place(credentials)
        cluster = self._brokers.cluster(credentials) or place.cluster
        if cluster is not None:
            self._let_in_since.setdefault(credentials, self._clock())
        proven = cluster is not None or mark(place.addresses, place.vhost) == let_in
        queues = _queues(version.fleet)
        claim = Claim(str(key), created, version.runs, replace(place, cluster=cluster), queues, proven)
        noted = _Noted(claim, credentials, self._may_consume(key, version.fleet))
        return before if noted == before else noted

    def _may_consume(self, key: Key, fleet: Fleet) -> bool:
        return makes_objects(fleet.mode) or bool(self._store.children(DEPLOYMENTS, key))

    def lost(self, key: Key, running: Fleet | None, newest: Fleet | None, *, all_known: bool = True) -> Lost:
        """What a resource doesn't get of the queues that it names, by what is known now.

        Args:
            key: of it.
            running: what runs of it.
            newest: its newest spec; None if that is wrong.
            all_known: whether the claims of all other resources were read; else a new spec is in doubt for a while.
        """
        mine = self._noted.get(key, ())
        rivals = [
            (one, it)
            for one in mine
            for other, each in self._noted.items()
            if other != key
            for it in each
            if it.holds and may_clash(one.claim, it.claim)
        ]
        doubtful = {one.claim.runs for one, other in rivals if self._find_out(one, other)}
        doubtful |= set() if all_known else {one.claim.runs for one in mine}
        unread = list(self._unread_beside([one.claim for one in mine]))
        if not rivals and not unread and False not in doubtful:
            self._doubts.pop(key, None)
            return Lost()
        doubted = False in doubtful and self._clock() - self._doubts.setdefault(key, self._clock()) < LONGEST_DOUBT_S
        if False not in doubtful:
            self._doubts.pop(key, None)
        same = {pair for pair, one in self._same.items() if one}
        clashes = [pair for pair in rivals if is_one(pair[0].claim.place, pair[1].claim.place, same)]
        places = {it.claim.place for pair in clashes for it in pair} | {it.place for it in unread}
        waited = any(self._let_in_for(one) >= NEVER_LET_IN_S for one, _ in clashes)
        missed = lost({*self._held_at(places, same, waited=waited), *unread, *(it.claim for it in mine)}, same)
        found = _said(running, newest, {it.claim.runs: missed[it.claim] for it in mine if it.claim in missed})
        return replace(found, may_run=False, doubted=True) if doubted and found.may_run else found

    def _held_at(self, places: Collection[Place], same: Collection[Pair], *, waited: bool) -> list[Claim]:
        """What is claimed at some places; `waited`: who was never let in there holds nothing."""
        held = [it.claim for each in self._noted.values() for it in each if it.holds]
        there = [it for it in held if any(is_one(it.place, place, same) for place in places)]
        return [it for it in there if it.let_in or not waited]

    def _unread_beside(self, mine: Sequence[Claim]) -> Iterator[Claim]:
        """What runs where its broker let it in, as its status tells, and can't be read now: a Secret is away, say."""
        for it in self._unread.values():
            for one in mine:
                claim = replace(it.claim, place=one.place)
                if may_clash(one, claim) and mark(one.place.addresses, one.place.vhost) == it.at:
                    yield claim

    def _let_in_for(self, noted: _Noted) -> float:
        """Seconds since its broker was first heard; none at all where it never was."""
        return self._clock() - self._let_in_since.get(noted.credentials, float("inf"))

    def _find_out(self, one: _Noted, other: _Noted) -> bool:
        """Whether it isn't known yet if two claims are at one place; if so, it is being found out."""
        place, another = one.claim.place, other.claim.place
        if place.cluster != another.cluster and None not in {place.cluster, another.cluster}:
            return False
        pair = frozenset({place, another})
        if place.addresses & another.addresses or pair in self._same:
            self._try_logins(one, other)
            return False
        unheard = [it for it in (one, other) if it.claim.place.cluster is None and it.credentials not in self._tried]
        for it in unheard:
            self._have_heard(it)
        if unheard or not only_asking_tells(place, another):
            return bool(unheard)
        if self._clock() - self._failed.get(pair, float("-inf")) >= ASK_AGAIN_S:
            namespaces = [_namespace(it.claim) for it in (one, other)]
            self._asking.begin(pair, namespaces, self._compare(one, other, pair))
        return pair not in self._failed

    def _try_logins(self, one: _Noted, other: _Noted) -> None:
        """Where one of two was never let in, have both asked for: nothing else looks at what doesn't run."""
        if one.claim.let_in and other.claim.let_in:
            return
        for it in (one, other):
            asked = self._clock() - self._asked.get(it.credentials, float("-inf")) < ASK_AGAIN_S
            if it.credentials not in self._let_in_since and not asked:
                self._have_heard(it)

    def _have_heard(self, noted: _Noted) -> None:
        self._asking.begin(noted.credentials, [_namespace(noted.claim)], self._hear(noted))

    async def _hear(self, noted: _Noted) -> None:
        """Have a broker say who it is; where it doesn't, the URLs alone are compared until it does."""
        try:
            async with asyncio.timeout(FIND_OUT_WITHIN_S):
                await self._session(noted).look(())
        except (TimeoutError, TooManyBrokers, RuntimeError):  # the last: its session was closed meanwhile
            pass
        finally:
            self._tried.add(noted.credentials)
            self._asked[noted.credentials] = self._clock()

    async def _compare(self, one: _Noted, other: _Noted, pair: Pair) -> None:
        """Find out whether two brokers that call themselves alike are one."""
        try:
            async with asyncio.timeout(FIND_OUT_WITHIN_S):
                self._same[pair] = await _are_one(self._session(one), self._session(other))
            self._failed.pop(pair, None)
        except (BrokerError, TimeoutError, TooManyBrokers, RuntimeError):
            self._failed[pair] = self._clock()

    def _session(self, noted: _Noted) -> Broker:
        return self._brokers.session(noted.credentials, _namespace(noted.claim))


async def _are_one(one: Broker, other: Broker) -> bool:
    """Whether each of two sees the other; where neither has the right to find out, what they call themselves decides.

    The word of one side proves nothing: anybody may run what calls itself like another's broker, and says that it sees
    whatever it is asked for, or refuses the question.
    """
    seen = [await one.is_same(other), await other.is_same(one)]
    if None not in seen or False in seen:
        return False not in seen
    return await one.is_same(one) is None and await other.is_same(other) is None


def _namespace(claim: Claim) -> str:
    return claim.fleet.partition("/")[0]


def _queues(fleet: Fleet) -> frozenset[str]:
    return frozenset(queue for pool in fleet.pools for queue in pool.queues)


def _versions(known: FleetState, newest: Judgement) -> list[Version]:
    """The versions of a resource that claim queues."""
    running, found = known.acceptance.running, []
    if running is not None and running.fleet is not None:
        found.append(Version(running.fleet, known.parts.credentials, runs=True))
    if newest.fleet is not None and newest is not running:
        moves = running is not None and running.fleet is not None and newest.fleet.broker != running.fleet.broker
        found.append(
            Version(newest.fleet, known.parts.edited_credentials if moves else known.parts.credentials, runs=False)
        )
    return found


def _place(credentials: Credentials) -> Place:
    found = addresses(credentials.url)
    return Place(frozenset(f"{it.host.lower().rstrip('.')}:{it.port}" for it in found), found[0].vhost)


def _said(running: Fleet | None, newest: Fleet | None, missed: Mapping[bool, Mapping[str, str]]) -> Lost:
    """What follows for a resource of which others have queues, by whether those are of the spec that runs."""
    meanwhile = _NOTHING_RUNS if running is None else _LAST_RUNS
    said = [
        Blocker(QUEUE_TAKEN, why)
        for runs, queues in sorted(missed.items())
        for why in why_stalled(queues, runs=runs, meanwhile=meanwhile)
    ]
    # A fleet that only looks takes no queue from another.
    may_run = False not in missed or (newest is not None and not makes_objects(newest.mode))
    return Lost(tuple(said), may_run, given_up(running.pools, missed.get(True, {})) if running is not None else {})

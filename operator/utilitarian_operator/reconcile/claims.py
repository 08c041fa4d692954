"""Which queues of a fleet another resource on the same broker has; looks don't wait for the broker here.

What brokers say of themselves, and whether two of them are one, is found out by tasks beside the looks.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from utilitarian_operator.adapters.broker.address import addresses
from utilitarian_operator.adapters.broker.seam import Broker
from utilitarian_operator.adapters.broker.session import Credentials
from utilitarian_operator.adapters.cluster.cache import DEPLOYMENTS, PODS, Key, Store
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.labels import POOL_LABEL
from utilitarian_operator.core.mode import makes_objects
from utilitarian_operator.core.observation.let_in import mark, recorded
from utilitarian_operator.core.spec.acceptance import Judgement
from utilitarian_operator.core.spec.queue_claims import (
    Claim,
    Pair,
    Place,
    held_back,
    is_one,
    lost,
    may_clash,
    only_asking_tells,
)
from utilitarian_operator.errors import BrokerError, OperatorError, TooManyBrokers
from utilitarian_operator.reconcile.asking import Asking
from utilitarian_operator.reconcile.fleet_state import FleetState
from utilitarian_operator.reconcile.known_claims import KnownClaims, Noted, Unread
from utilitarian_operator.reconcile.lost_queues import Lost, said, shared, waits

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

NOWHERE = Place(frozenset(), "")
"""Of a claim whose broker can't be read."""


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


class Claims:
    """The queues that all resources name.

    Args:
        store: of the cluster's objects.
        brokers: the sessions in use.
        clock: monotonic seconds.
    """

    def __init__(self, store: Store, brokers: Brokers, clock: Callable[[], float]) -> None:
        self._store, self._brokers, self._clock = store, brokers, clock
        self._known = KnownClaims()
        self._sighted: dict[Key, float] = {}
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
        return key in self._known

    def __iter__(self) -> Iterator[Key]:
        """The resources whose claims are known."""
        return iter(self._known)

    @property
    def changes(self) -> int:
        """How often a claim came, went or became another."""
        return self._known.changes

    @property
    def in_use(self) -> dict[tuple[Key, int], Credentials]:
        """The credentials that were noted, so that their sessions are kept open."""
        return {(key, number): it.credentials for key, number, it in self._known.every()}

    def unseen(self, key: Key) -> None:
        """A resource can't be looked at yet: it claims nothing until it was."""
        if key not in self._known:
            self._known.put(key, ())

    def forget(self, key: Key) -> None:
        """A resource is gone: it claims nothing any more."""
        self._known.forget(key)
        for kept in (self._sighted, self._doubts):
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
        had = {id(it.reader): _queues(it.fleet) for it in versions if it.runs}
        read = [await self._read(key, created, it, let_in, had) for it in versions]
        noted, unread = [it for it in read if isinstance(it, Noted)], [it for it in read if isinstance(it, Unread)]
        if self._is_first_sight(key, noted, let_in):
            self._sighted[key] = self._clock()
        self._known.put(key, noted, unread)
        if self._kept() > self._most_kept:
            self._keep_what_is_named()

    def _is_first_sight(self, key: Key, noted: Sequence[Noted], let_in: str) -> bool:
        """Whether the broker of what runs is read for the first time: none let it in before, and it has no worker."""
        was_unread = key not in self._known or any(it.claim.runs for it in self._known.unread(key))
        if let_in or not was_unread or not any(it.claim.runs for it in noted):
            return False
        pods = self._store.children(PODS, key).values()
        return not any(POOL_LABEL in (it["metadata"].get("labels") or {}) for it in pods)

    def _kept(self) -> int:
        of_pairs, of_logins = (self._same, self._failed), (self._tried, self._asked, self._let_in_since)
        return sum(len(it) for it in of_pairs) + sum(len(it) for it in of_logins)

    def _keep_what_is_named(self) -> None:
        """Forget what was found out of brokers that no resource names any more: a URL may change again and again."""
        places = {it.claim.place for _, _, it in self._known.every()}
        self._same = {pair: it for pair, it in self._same.items() if pair <= places}
        self._failed = {pair: it for pair, it in self._failed.items() if pair <= places}
        self._keep_logins()
        self._most_kept = 2 * self._kept() + MORE_KEPT

    def _keep_logins(self) -> None:
        used = set(self.in_use.values())
        self._tried &= used
        self._asked = {it: at for it, at in self._asked.items() if it in used}
        self._let_in_since = {it: at for it, at in self._let_in_since.items() if it in used}

    async def _read(
        self, key: Key, created: str, version: Version, let_in: str, had: Mapping[int, frozenset[str]]
    ) -> Noted | Unread:
        """One claim; `had`: the queues that the resource has already, by the reader of their broker's credentials."""
        queues, holds = _queues(version.fleet), self._may_consume(key, version.fleet)
        try:
            credentials = await version.reader.read(version.fleet)
        except OperatorError as error:  # said where the broker is looked at
            claim = Claim(str(key), created, version.runs, NOWHERE, queues)
            return Unread(claim, version.fleet, error, let_in, queues - had.get(id(version.reader), frozenset()), holds)
        before = next((it for it in self._known.noted(key) if it.credentials is credentials), None)
        place = before.claim.place if before else _place(credentials)
        cluster = self._brokers.cluster(credentials) or place.cluster
        if cluster is not None:
            self._let_in_since.setdefault(credentials, self._clock())
        proven = cluster is not None or mark(place.addresses, place.vhost) == let_in
        if before is not None and before.holds == holds and place.cluster == cluster:
            claim = before.claim
            if (claim.created, claim.runs, claim.queues, claim.let_in) == (created, version.runs, queues, proven):
                return before
        claim = Claim(str(key), created, version.runs, replace(place, cluster=cluster), queues, proven)
        return Noted(claim, credentials, holds)

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
        rivals, blind = self._known.rivals(key), self._blind(key, newest)
        doubts = [(one, other) for one, other in rivals if self._find_out(one, other)]
        rival = None if blind is None else self._known.may_run_there(key, blind.adds)
        unsure = blind is not None and rival is not None and not blind.person_must_act
        not_read = not all_known and (blind is not None or any(not it.claim.runs for it in self._known.noted(key)))
        in_doubt = any(not one.claim.runs for one, _ in doubts)
        doubted = self._is_in_doubt(key, doubtful=in_doubt or unsure or not_read)
        found = self._found(key, running, newest, rivals)
        if running is not None and self._clock() - self._sighted.get(key, float("-inf")) < LONGEST_DOUBT_S:
            may_have = shared((one.claim, other.claim) for one, other in doubts if one.claim.runs)
            found = replace(found, pools={**held_back(running.pools, may_have), **found.pools})
        if blind is not None and rival is not None and not (unsure and doubted):
            blocker = waits(blind.why, blind.adds, rival, running)
            found = replace(found, blockers=(*found.blockers, blocker), may_run=False)
        return replace(found, may_run=False, doubted=True) if doubted and found.may_run else found

    def is_undisputed(self, key: Key) -> bool:
        """Whether no other resource may name what this one does; so it stays until a claim changes."""
        unread = self._known.unread(key) or any(True for _ in self._known.unread_that_run(key))
        return not unread and key not in self._doubts and not self._known.rivals(key)

    def _blind(self, key: Key, newest: Fleet | None) -> Unread | None:
        """The newest spec, where it would run and its broker can't be read."""
        if newest is None or not makes_objects(newest.mode):
            return None
        return next((it for it in self._known.unread(key) if it.fleet is newest and not it.claim.runs), None)

    def why_unread(self, key: Key, fleet: Fleet) -> OperatorError | None:
        """Why the broker of a spec could not be read when its claim was noted; None where it could."""
        return next((it.why for it in self._known.unread(key) if it.fleet is fleet), None)

    def _is_in_doubt(self, key: Key, *, doubtful: bool) -> bool:
        """Whether a new spec waits to know whose its queues are, and has not done so for too long."""
        if not doubtful:
            self._doubts.pop(key, None)
            return False
        return self._clock() - self._doubts.setdefault(key, self._clock()) < LONGEST_DOUBT_S

    def _found(
        self, key: Key, running: Fleet | None, newest: Fleet | None, rivals: Sequence[tuple[Noted, Noted]]
    ) -> Lost:
        """What others have, of what is known of their places."""
        mine = [it.claim for it in self._known.noted(key)]
        unread = list(self._unread_beside(key, mine))
        if not rivals and not unread:
            return Lost()
        same = {pair for pair, one in self._same.items() if one}
        clashes = [pair for pair in rivals if is_one(pair[0].claim.place, pair[1].claim.place, same)]
        if not clashes and not unread:
            return Lost()
        places = {it.claim.place for pair in clashes for it in pair} | {it.place for it in unread}
        waited = any(self._let_in_for(one) >= NEVER_LET_IN_S for one, _ in clashes)
        missed = lost({*self._held_at(places, same, waited=waited), *unread, *mine}, same)
        return said(running, newest, {it.runs: missed[it] for it in mine if it in missed})

    def _held_at(self, places: Collection[Place], same: Collection[Pair], *, waited: bool) -> list[Claim]:
        """What is claimed at some places; `waited`: who was never let in there holds nothing."""
        held = [it.claim for _, _, it in self._known.every() if it.holds]
        there = [it for it in held if any(is_one(it.place, place, same) for place in places)]
        return [it for it in there if it.let_in or not waited]

    def _unread_beside(self, key: Key, mine: Sequence[Claim]) -> Iterator[Claim]:
        """What runs where its broker let it in, as its status tells, and can't be read now: a Secret is away, say."""
        for it in self._known.unread_that_run(key):
            for one in mine:
                claim = replace(it.claim, place=one.place)
                if may_clash(one, claim) and mark(one.place.addresses, one.place.vhost) == it.at:
                    yield claim

    def _let_in_for(self, noted: Noted) -> float:
        """Seconds since its broker was first heard; none at all where it never was."""
        return self._clock() - self._let_in_since.get(noted.credentials, float("inf"))

    def _find_out(self, one: Noted, other: Noted) -> bool:
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

    def _try_logins(self, one: Noted, other: Noted) -> None:
        """Where one of two was never let in, have both asked for: nothing else looks at what doesn't run."""
        if one.claim.let_in and other.claim.let_in:
            return
        for it in (one, other):
            asked = self._clock() - self._asked.get(it.credentials, float("-inf")) < ASK_AGAIN_S
            if it.credentials not in self._let_in_since and not asked:
                self._have_heard(it)

    def _have_heard(self, noted: Noted) -> None:
        self._asking.begin(noted.credentials, [_namespace(noted.claim)], self._hear(noted))

    async def _hear(self, noted: Noted) -> None:
        """Have a broker say who it is; where it doesn't, the URLs alone are compared until it does."""
        try:
            async with asyncio.timeout(FIND_OUT_WITHIN_S):
                await self._session(noted).look(())
        except (TimeoutError, TooManyBrokers, RuntimeError):  # the last: its session was closed meanwhile
            pass
        finally:
            self._tried.add(noted.credentials)
            self._asked[noted.credentials] = self._clock()

    async def _compare(self, one: Noted, other: Noted, pair: Pair) -> None:
        """Find out whether two brokers that call themselves alike are one."""
        try:
            async with asyncio.timeout(FIND_OUT_WITHIN_S):
                self._same[pair] = await _are_one(self._session(one), self._session(other))
            self._failed.pop(pair, None)
        except (BrokerError, TimeoutError, TooManyBrokers, RuntimeError):
            self._failed[pair] = self._clock()

    def _session(self, noted: Noted) -> Broker:
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

"""Which queues of a fleet another resource on the same broker has; asks brokers who they are, and stops nobody."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from utilitarian_operator.acceptance import Judgement
from utilitarian_operator.adapters.address import addresses
from utilitarian_operator.adapters.broker import Brokers, Credentials
from utilitarian_operator.adapters.store import DEPLOYMENTS, Key, Store
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.obstacle import QUEUE_TAKEN, Obstacle
from utilitarian_operator.core.queue_claims import Claim, Pair, Place, given_up, lost, only_asking_tells, why_stalled
from utilitarian_operator.credentials import BrokerCredentials
from utilitarian_operator.errors import BrokerError, OperatorError
from utilitarian_operator.known import Known

_NOTHING_RUNS = "; nothing of this resource runs until then"
_LAST_RUNS = "; until then, the last accepted spec keeps running"


@dataclass(frozen=True, slots=True)
class Lost:
    """What one fleet doesn't get.

    Args:
        obstacles: what to say of it.
        may_run: whether its newest spec may run.
        pools: of the spec that runs, those that are led to zero, each with why.
    """

    obstacles: tuple[Obstacle, ...] = ()
    may_run: bool = True
    pools: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Noted:
    """A claim; `holds`: whether its resource can have consumers: one that was only ever previewed has none."""

    claim: Claim
    credentials: Credentials
    holds: bool


class Claims:
    """The queues that all resources name.

    Args:
        store: of the cluster's objects.
        brokers: the sessions in use.
    """

    def __init__(self, store: Store, brokers: Brokers) -> None:
        self._store, self._brokers = store, brokers
        self._noted: dict[Key, tuple[_Noted, ...]] = {}
        self._apart: dict[Pair, bool] = {}
        self._version = 0
        """Moves with each change of what is known; what was worked out at the same one still holds."""
        self._heard: dict[Key, int] = {}
        self._missed: tuple[int, Mapping[Claim, Mapping[str, str]]] = (-1, {})

    def __contains__(self, key: Key) -> bool:
        """Whether the claims of a resource are known."""
        return key in self._noted

    @property
    def in_use(self) -> dict[tuple[Key, int], Credentials]:
        """The credentials that were noted, so that their sessions are kept open."""
        return {(key, number): it.credentials for key, each in self._noted.items() for number, it in enumerate(each)}

    def unseen(self, key: Key) -> None:
        """A resource can't be looked at yet: it claims nothing until it was."""
        self._noted.setdefault(key, ())

    def forget(self, key: Key) -> None:
        """A resource is gone: it claims nothing any more."""
        self._heard.pop(key, None)
        if self._noted.pop(key, ()):
            self._version += 1

    async def note(self, known: Known, newest: Judgement) -> None:
        """Remember what a resource claims now: by the spec that runs, and by the newest one."""
        running, versions = known.acceptance.running, []
        if running is not None and running.fleet is not None:
            versions.append((running.fleet, known.credentials, True))
        if newest.fleet is not None and newest is not running:
            moves = running is not None and running.fleet is not None and newest.fleet.broker != running.fleet.broker
            versions.append((newest.fleet, known.edited_credentials if moves else known.credentials, False))
        before = self._noted.get(known.key)
        noted = [await self._read(known, *it, before or ()) for it in versions]
        now = tuple(it for it in noted if it is not None)
        if now != before:
            self._noted[known.key] = now
            self._version += 1

    async def _read(
        self, known: Known, fleet: Fleet, reader: BrokerCredentials, runs: bool, before: tuple[_Noted, ...]
    ) -> _Noted | None:
        """One claim; None where nobody knows its broker: it can't be anybody's rival yet."""
        try:
            credentials = await reader.read(fleet)
        except OperatorError:  # said where the broker is looked at
            return None
        queues = frozenset(queue for pool in fleet.pools for queue in pool.queues)
        holds = fleet.mode != "Preview" or bool(self._store.children(DEPLOYMENTS, known.key))
        created = known.resource["metadata"]["creationTimestamp"]
        place = next((it.claim.place for it in before if it.credentials is credentials), None) or _place(credentials)
        place = replace(place, cluster=self._brokers.cluster(credentials) or place.cluster)
        return _Noted(Claim(str(known.key), created, runs, place, queues), credentials, holds)

    async def lost(self, known: Known, newest: Judgement) -> Lost:
        """What a resource doesn't get of the queues that it names."""
        key = known.key
        if self._heard.get(key) != self._version:
            await self._hear(key)
            self._heard[key] = self._version
        mine = self._noted.get(key, ())
        held = [it.claim for each in self._noted.values() for it in each if it.holds]
        apart = {pair for pair, two in self._apart.items() if two}
        if not all(it.holds for it in mine):
            missed: Mapping[Claim, Mapping[str, str]] = lost({*held, *(it.claim for it in mine)}, apart)
        else:
            if self._missed[0] != self._version:
                self._missed = self._version, lost(held, apart)
            missed = self._missed[1]
        return _said(known, newest, {it.claim.runs: missed[it.claim] for it in mine if it.claim in missed})

    async def _hear(self, key: Key) -> None:
        """Ask brokers who they are, and where two call themselves alike, whether they are one."""
        others = [other for each in self._noted if each != key for other in self._noted[each]]
        for mine in self._noted.get(key, ()):
            for other in others:
                if _overlap(mine.claim, other.claim):
                    await self._compare(mine, other)

    async def _compare(self, one: _Noted, other: _Noted) -> None:
        places = [await self._heard_of(it) for it in (one, other)]
        pair = frozenset(places)
        if pair not in self._apart and only_asking_tells(*places):
            same = await self._brokers.session(one.credentials).reaches(self._brokers.session(other.credentials))
            if same is not None:
                self._apart[pair] = not same
                self._version += 1

    async def _heard_of(self, noted: _Noted) -> Place:
        """The place of a claim with what its broker calls itself, where that can be had."""
        place = noted.claim.place
        if place.cluster is not None:
            return place
        if self._brokers.cluster(noted.credentials) is None:
            try:
                await self._brokers.session(noted.credentials).depths(())
            except BrokerError:
                return place  # then the URLs alone are compared
        heard = replace(place, cluster=self._brokers.cluster(noted.credentials))
        for key, each in self._noted.items():
            self._noted[key] = tuple(
                replace(it, claim=replace(it.claim, place=heard)) if it.credentials is noted.credentials else it
                for it in each
            )
        self._version += 1
        return heard


def _place(credentials: Credentials) -> Place:
    found = addresses(credentials.url)
    return Place(frozenset(f"{it.host.lower().rstrip('.')}:{it.port}" for it in found), found[0].vhost)


def _overlap(claim: Claim, other: Claim) -> bool:
    return claim.place.vhost == other.place.vhost and not claim.queues.isdisjoint(other.queues)


def _said(known: Known, newest: Judgement, missed: Mapping[bool, Mapping[str, str]]) -> Lost:
    """What follows for a resource.

    Args:
        known: of it.
        newest: its newest spec.
        missed: who has queues of it, by whether they are of the spec that runs.
    """
    if not missed:
        return Lost()
    running = known.acceptance.running
    fleet = running.fleet if running is not None else None
    meanwhile = _NOTHING_RUNS if fleet is None else _LAST_RUNS
    said = [
        Obstacle(QUEUE_TAKEN, why)
        for runs, queues in sorted(missed.items())
        for why in why_stalled(queues, runs=runs, meanwhile=meanwhile)
    ]
    # Who only looks takes nothing from anybody.
    may_run = False not in missed or (newest.fleet is not None and newest.fleet.mode == "Preview")
    return Lost(tuple(said), may_run, given_up(fleet.pools, missed.get(True, {})) if fleet is not None else {})

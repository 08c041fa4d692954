"""All fleets that are looked at: what is kept of each, which spec of it runs, and the broker to see it through."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from utilitarian_operator.adapters.broker.bounded.brokers import Brokers
from utilitarian_operator.adapters.broker.seam import Broker
from utilitarian_operator.adapters.broker.session import Credentials
from utilitarian_operator.adapters.broker.unreachable import UnreachableBroker
from utilitarian_operator.adapters.cluster.cache import Key, Store
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.patience import Patience
from utilitarian_operator.api.validation.pod_security import Allowances
from utilitarian_operator.core.blocker import SECRET_MISSING, Blocker
from utilitarian_operator.core.labels import owner_of
from utilitarian_operator.core.look import Spec, begun
from utilitarian_operator.core.mode import makes_objects
from utilitarian_operator.core.spec.acceptance import MEANWHILE, Acceptance, Judgement
from utilitarian_operator.core.spec.mounts import mounted_targets
from utilitarian_operator.core.spec.references import Content, Target, missing, targets
from utilitarian_operator.core.status.recall import recall, well_formed
from utilitarian_operator.errors import OperatorError, SecretMissing, TooManyBrokers
from utilitarian_operator.reconcile.act.accepted_specs import Revisions
from utilitarian_operator.reconcile.claims import Claims
from utilitarian_operator.reconcile.fleet_state import FleetParts, FleetState, Undisputed
from utilitarian_operator.reconcile.lost_queues import Lost
from utilitarian_operator.reconcile.observe.beat import AllBeats
from utilitarian_operator.reconcile.observe.credentials import BrokerCredentials
from utilitarian_operator.reconcile.observe.fleet_reader import FleetReader
from utilitarian_operator.reconcile.observe.reference_reader import ReferenceReader
from utilitarian_operator.reconcile.observe.rivals_reader import RivalsReader

logger = logging.getLogger(__name__)

LOOKS_AROUND_FOR_S = 2.0
"""A fleet's first look waits no longer for what is read of others: a spec that runs goes on with what is known by then,
and a new one waits as it does for brokers."""

READ_AGAIN_S = 30.0
"""After that, what another operator's fleet claims is read anew."""

TRIED_AGAIN_S = 5.0
"""After that, what a fleet claims is read anew where no answer came: until then a new spec may wait for it."""


class _AllKnown(NamedTuple):
    """When the claims of all resources were known: so each look need not go through all of them.

    Args:
        fleets: changes of resources until then.
        claims: changes of claims until then.
        until: when one of them is to be read again, in monotonic seconds.
    """

    fleets: int
    claims: int
    until: float


class Fleets:
    """All fleets of one operator.

    Args:
        cluster: the API server.
        store: what the watches said.
        brokers: the sessions in use.
        clock: the one clock, UTC.
        monotonic: seconds of a clock that never goes back.
        forgotten: called with what was kept of a resource that is gone.
        patience: how long symptoms must last.
        allowances: what pods may ask for.
    """

    def __init__(  # noqa: PLR0913 - the parts of an operator, how patient it is, and what it allows
        self,
        cluster: Cluster,
        store: Store,
        brokers: Brokers,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        forgotten: Callable[[FleetState], Awaitable[None]],
        patience: Patience,
        allowances: Allowances,
    ) -> None:
        self._patience, self._allowances = patience, allowances
        self._cluster, self._store, self._brokers = cluster, store, brokers
        self._clock, self._monotonic, self._forgotten = clock, monotonic, forgotten
        self._known: dict[Key, FleetState] = {}
        self._rivals, self._beats = RivalsReader(cluster, monotonic), AllBeats(store)
        self._formed: dict[Key, tuple[Object, Object]] = {}
        self._claims = Claims(store, brokers, monotonic)
        self._around: dict[str, asyncio.Task[None]] = {}
        self._looked_around: set[Key] = set()
        self._read_again: dict[Key, float] = {}
        self._all_known: _AllKnown | None = None

    def present(self, key: Key) -> Object | None:
        """The resource with a well-formed status, one object for each version; None if it is gone, or about to go."""
        resource = self._store.fleet(key)
        gone = resource is None or "deletionTimestamp" in resource["metadata"]
        if resource is None or gone:
            self._formed.pop(key, None)
            return None
        before = self._formed.get(key)
        if before is None or before[0] is not resource:
            before = self._formed[key] = resource, resource | {"status": well_formed(resource.get("status"))}
        return before[1]

    @property
    def kept(self) -> set[Key]:
        """Of which anything is kept: what a fleet claims is, also before it was looked at."""
        return {*self._known, *self._claims}

    async def known(self, key: Key, resource: Object) -> FleetState:
        """What is kept of one fleet; of one that was not looked at before, what its status and its revisions tell."""
        known = self._known.get(key)
        if known is not None and known.uid != resource["metadata"]["uid"]:
            await self.forget(key)  # another resource of the same name
            known = None
        if known is None:
            revisions = Revisions(self._cluster, owner_of(resource), self._monotonic)
            allowed = self._allowances.of(key.namespace)
            acceptance = Acceptance(resource, await revisions.newest(), self._patience, allowed)
            if key in self._known:  # looked at meanwhile, because of another fleet
                return self._known[key]
            known = self._known[key] = self._new(key, resource, revisions, acceptance)
        elif known.acceptance.running is None and (kept := await known.parts.revisions.again()) is not None:
            known.acceptance.recall(resource, kept)
        known.resource = resource
        return known

    def _new(self, key: Key, resource: Object, revisions: Revisions, acceptance: Acceptance) -> FleetState:
        now = self._clock()
        recalled = recall(resource["status"], now)
        references = ReferenceReader(self._cluster, key.namespace, self._monotonic)
        parts = FleetParts(
            reader=FleetReader(
                key, self._store, self._cluster, self._clock, self._monotonic, self._rivals, self._beats
            ),
            credentials=BrokerCredentials(self._cluster, key.namespace, self._monotonic, references.noted),
            edited_credentials=BrokerCredentials(self._cluster, key.namespace, self._monotonic, references.noted),
            references=references,
            revisions=revisions,
        )
        return FleetState(resource, parts, acceptance, begun(resource["status"], recalled, now))

    async def spec(self, known: FleetState) -> tuple[Spec, Mapping[Target, Content]]:
        """What is asked for, and the contents of what it names; the newest spec runs from now on if it may."""
        last = known.undisputed
        if last is not None and self._is_still(last, known):
            return last.spec, last.contents
        newest = known.acceptance.judge(known.resource)
        lost = await self._lost(known, newest)
        contents, lacking = await self._references(known, newest, lost)
        said = {it.about for it in lost.blockers if it.about}
        blockers = (*(it for it in lacking if it.about not in said), *lost.blockers)
        spec = Spec(known.acceptance.running, newest, blockers, lost.pools, lost.doubted)
        known.undisputed = self._undisputed(known, spec, contents)
        return spec, contents

    def _undisputed(self, known: FleetState, spec: Spec, contents: Mapping[Target, Content]) -> Undisputed | None:
        """What need not be found out at the next look; None where time, or another resource, may change it."""
        fleet, credentials = spec.newest.fleet, known.used
        in_doubt = spec.blockers or spec.doubted or spec.given_up or not self._claims.is_undisputed(known.key)
        if in_doubt or fleet is None or credentials is None or spec.running is not spec.newest:
            return None
        cluster = self._brokers.cluster(credentials) if makes_objects(fleet.mode) else None
        return None if cluster is None else Undisputed(known.resource, self._claims.changes, cluster, spec, contents)

    def _is_still(self, last: Undisputed, known: FleetState) -> bool:
        """Whether nothing has come since that would have it found out again: an edit, a claim, a Secret that is due."""
        same = last.resource is known.resource and last.changes == self._claims.changes and self._is_all_known()
        return same and self._monotonic() < min(known.parts.credentials.due, known.parts.references.due)

    async def broker(self, known: FleetState, fleet: Fleet, spec: Spec) -> tuple[Broker, Spec]:
        """The session to look through, or one that sees nothing and says why, as what is asked for then does."""
        try:
            if (why := self._claims.why_unread(known.key, fleet)) is not None:
                raise why  # it may be there since: but what its queues are to others is not known yet
            credentials = await known.parts.credentials.read(fleet)
        except SecretMissing as error:
            blocker = Blocker(SECRET_MISSING, str(error), error.about)
            said = blocker.about and any(it.about == blocker.about for it in spec.blockers)
            return UnreachableBroker(error), spec if said else replace(spec, blockers=(*spec.blockers, blocker))
        if credentials != known.used:
            known.used = credentials
            await self._keep_brokers()
        try:
            return self._brokers.session(credentials, known.key.namespace), spec
        except TooManyBrokers as error:
            known.used = None
            return UnreachableBroker(error), spec

    async def forget(self, key: Key) -> None:
        """A resource is gone."""
        self._claims.forget(key)
        known = await self.leave(key)
        self._read_again.pop(key, None)
        if known is not None:
            await self._forgotten(known)

    async def leave(self, key: Key) -> FleetState | None:
        """Keep nothing more of a fleet: it is gone, or another operator's. Returns what was kept."""
        known = self._known.pop(key, None)
        self._store.all_pods(key)  # what ended there is not this operator's to tell
        self._looked_around.discard(key)
        if self.present(key) is None:
            self._claims.forget(key)
            self._read_again.pop(key, None)
        elif known is not None:
            self._read_again[key] = self._monotonic() + READ_AGAIN_S
            self._all_known = None
        if known is not None:
            known.parts.reader.close()
            if all(it.namespace != key.namespace for it in self._known):
                self._rivals.forget(key.namespace)
            await self._keep_brokers()
        return known

    async def _lost(self, known: FleetState, newest: Judgement) -> Lost:
        """What other resources on the same broker have of this one's queues: who was never looked at may, too."""
        before = self._claims.changes
        await self._claims.note_versions(known, newest)
        all_known = await self._look_around(known.key)
        if self._claims.changes != before:
            await self._keep_brokers()
        running = known.acceptance.running
        fleet = running.fleet if running is not None else None
        return self._claims.lost(known.key, fleet, newest.fleet, all_known=all_known)

    async def _look_around(self, key: Key) -> bool:
        """Find out what other resources claim, one task a namespace: only a first look waits for them, and not long.

        Returns:
            Whether all is known.
        """
        if self._is_all_known():
            self._looked_around.add(key)
            return True
        for namespace in dict.fromkeys(it.namespace for it in self._store.fleets() if it != key and self._is_due(it)):
            if namespace not in self._around:
                self._around[namespace] = asyncio.create_task(self._find_out(namespace), name="look around")
        if self._around and key not in self._looked_around:
            await asyncio.wait(list(self._around.values()), timeout=LOOKS_AROUND_FOR_S)
        self._looked_around.add(key)
        all_known = all(it in self._claims or self.present(it) is None for it in self._store.fleets() if it != key)
        if all_known and not self._around and key in self._claims:
            due = min(self._read_again.values(), default=math.inf)
            self._all_known = _AllKnown(self._store.fleets_changed, self._claims.changes, due)
        return all_known

    def _is_all_known(self) -> bool:
        """Whether the last word on it holds: no resource or claim has changed since, and none is to be read again."""
        last = self._all_known
        now = (self._store.fleets_changed, self._claims.changes)
        return last is not None and (last.fleets, last.claims) == now and self._monotonic() < last.until

    def _is_due(self, key: Key) -> bool:
        """Whether it must be read what a resource claims, since no look at it does."""
        again = self._read_again.get(key)
        due = key not in self._claims if again is None else again <= self._monotonic()
        return due and self.present(key) is not None

    async def _find_out(self, namespace: str) -> None:
        try:
            for key in self._store.fleets():
                if key.namespace == namespace and self._is_due(key) and (resource := self.present(key)) is not None:
                    self._read_again.pop(key, None)
                    await self._look_up(key, resource)
        finally:
            del self._around[namespace]

    async def _look_up(self, key: Key, resource: Object) -> None:
        try:
            found = await self.known(key, resource)
            await self._claims.note_versions(found, found.acceptance.judge(found.resource))
        except OperatorError:  # it may have its queues, for all that is known
            self._read_again[key] = self._monotonic() + TRIED_AGAIN_S
        except Exception:  # whatever is wrong with it, no other fleet is held up by it
            logger.exception("another fleet's queues not known", extra={"fleet": str(key)})
            self._claims.unseen(key)
        if self.present(key) is None:  # it went meanwhile
            await self.leave(key)

    async def _references(
        self, known: FleetState, newest: Judgement, lost: Lost
    ) -> tuple[Mapping[Target, Content], list[Blocker]]:
        """Read what is referred to, and let the newest spec run unless that, or a queue of it, is not to be had."""
        running = known.acceptance.running
        contents = await known.parts.references.read(_named(known, newest, running))
        lacking = missing(newest.references, contents, known.key.namespace, MEANWHILE)
        may_run = newest.fleet is not None and newest is not running and lost.may_run
        if may_run and (not lacking or running is None):
            known.acceptance.let_run(newest)
        return contents, lacking

    async def _keep_brokers(self) -> None:
        used: dict[Hashable, Credentials] = {it: known.used for it, known in self._known.items() if known.used}
        await self._brokers.keep_only(used | self._claims.in_use)


def _named(known: FleetState, newest: Judgement, running: Judgement | None) -> frozenset[Target]:
    """All Secrets and ConfigMaps that two specs name; kept as long as they are the same."""
    before = known.named
    if before is None or before[0] is not newest or before[1] is not running:
        wanted = targets(newest.references, running.fleet if running else None) | mounted_targets(newest.mounts)
        wanted |= mounted_targets(running.mounts) if running else set()
        before = known.named = newest, running, frozenset(wanted)
    return before[2]

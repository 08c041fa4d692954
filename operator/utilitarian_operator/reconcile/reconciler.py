"""Observe, decide, act for one resource: level-based, read anew each time."""

import asyncio
import logging
import time
from collections.abc import Callable, Hashable, Mapping
from datetime import datetime, timedelta

from utilitarian_operator.adapters.broker.seam import Broker
from utilitarian_operator.adapters.broker.session import Brokers, Credentials
from utilitarian_operator.adapters.broker.unreachable import UnreachableBroker
from utilitarian_operator.adapters.cluster.cache import (
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    FLEETS,
    PODS,
    STATEFUL_SETS,
    Key,
    Store,
)
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.names import beat_object, pool_object
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.blocker import INVALID_SPEC, SECRET_MISSING, Blocker
from utilitarian_operator.core.draining.plan import DrainPlan, leads, shrinking, works_still
from utilitarian_operator.core.forecast.news import ailing, watch
from utilitarian_operator.core.forecast.next_starts import upcoming
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.moments import apart
from utilitarian_operator.core.objects import wanted as objects
from utilitarian_operator.core.objects.actions import controlled_by
from utilitarian_operator.core.objects.drift import applied, drifted
from utilitarian_operator.core.objects.refusals import taken
from utilitarian_operator.core.observation.model import FleetSnapshot
from utilitarian_operator.core.reasons import Reason
from utilitarian_operator.core.sizing import decision_record as record
from utilitarian_operator.core.sizing.decision import Decision
from utilitarian_operator.core.sizing.facts import facts
from utilitarian_operator.core.sizing.pools import FleetContext, decide_fleet, first_seen_work, looked_well
from utilitarian_operator.core.spec.acceptance import Acceptance, Judgement
from utilitarian_operator.core.spec.references import Content, Target, checksums, missing, targets
from utilitarian_operator.core.status.change import Written, patch, worth_writing
from utilitarian_operator.core.status.recall import recall, well_formed
from utilitarian_operator.core.status.report import StatusInput
from utilitarian_operator.core.status.status import fleet_status, refused_status
from utilitarian_operator.errors import Conflict, Gone, OperatorError, SecretMissing
from utilitarian_operator.metrics.fleet import Metrics
from utilitarian_operator.reconcile import beat_keeper
from utilitarian_operator.reconcile.act.accepted_specs import Revisions
from utilitarian_operator.reconcile.act.drains import Drains
from utilitarian_operator.reconcile.act.events import MOST_TOLD
from utilitarian_operator.reconcile.act.eviction_guard import eviction_guard
from utilitarian_operator.reconcile.act.pod_losses import PodLosses
from utilitarian_operator.reconcile.act.writer import CLAIM
from utilitarian_operator.reconcile.claims import Claims, Lost
from utilitarian_operator.reconcile.fleet_state import FleetState
from utilitarian_operator.reconcile.observe.credentials import BrokerCredentials
from utilitarian_operator.reconcile.observe.observer import Observer
from utilitarian_operator.reconcile.observe.pod_warnings import PodWarnings
from utilitarian_operator.reconcile.observe.reference_reader import ReferenceReader

logger = logging.getLogger(__name__)


_MEANWHILE = "; until it is corrected, the last accepted spec keeps running"
_BLIND = {SECRET_MISSING}  # says already why the broker can't be seen


class Reconciler:
    """One operator's work on all its fleets.

    Args:
        cluster: the API server.
        store: what the watches said.
        brokers: the sessions in use.
        drains: leads workers out, with the actor that carries out all the rest.
        metrics: the one writer.
        clock: the one clock, UTC.
    """

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        brokers: Brokers,
        drains: Drains,
        metrics: Metrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._cluster, self._store, self._brokers = cluster, store, brokers
        self._drains, self._actor, self._metrics, self._clock = drains, drains.writer, metrics, clock
        self._known: dict[Key, FleetState] = {}
        self._claims, self._looking_around = Claims(store, brokers), asyncio.Lock()

    async def reconcile(self, key: Key) -> bool:
        """Bring one fleet to what it should be; False asks to be called again after a pause."""
        resource = self._present(key)
        if resource is None:
            await self._forget(key)
            return True
        started = time.monotonic()
        try:
            with self._metrics.look(key):
                await self._reconcile(key, resource)
        except (Conflict, Gone) as error:
            logger.info("changed meanwhile", extra={"fleet": str(key), "because": str(error)})
        except OperatorError as error:
            self._metrics.failed(error)
            logger.warning("not reconciled", extra={"fleet": str(key), "because": str(error)})
            return False
        self._metrics.ticked(key, timedelta(seconds=time.monotonic() - started))
        return True

    async def _reconcile(self, key: Key, resource: Object) -> None:
        known = await self._known_of(key, resource)
        newest = known.acceptance.judge(resource)
        blockers = [Blocker(INVALID_SPEC, f"{it}{_MEANWHILE}") for it in newest.problems]
        lost = await self._lost(known, newest)
        contents, lacking = await self._references(key, known, newest, lost)
        blockers += [*lacking, *lost.blockers]
        running = known.acceptance.running
        if running is None or running.fleet is None:
            if blockers or not lost.doubted:  # else it is being found out whose its queues are: a look or two
                await self._refuse(known, resource, newest, blockers)
            return
        fleet = running.fleet
        broker, unknown_place = await self._broker(known, fleet)
        blockers += [it for it in unknown_place if not any(o.message.startswith(it.message) for o in blockers)]
        warnings = await known.warnings.look(list(self._store.children(PODS, key).values()), self._clock())
        beat = await known.beat.look(fleet, broker.known.beats, self._clock(), warnings)
        shrinks = known.drains.shrinking.keys()
        snapshot = await known.observer.look(fleet, broker, self._clock(), shrinks, beat, warnings)
        known.read_again_if_refused()
        snapshot = known.health.examined(fleet, snapshot)
        decisions = self._decide(known, newest, fleet, snapshot, lost)
        findings = ailing(known.health.findings, known.runs.forecasts)
        self._metrics.looked(key, snapshot, decisions, findings, fleet.mode)
        self._metrics.runs.watched(key, fleet, known.runs)
        leading = self._leads(key, known, fleet, snapshot, decisions)
        because = {name: decision.message for name, decision in decisions.items()}
        if fleet.mode != "Preview":
            resized = await self._drains.resize(resource, leading, because, known.drains)
            for pool in resized & known.waiting_since.keys():
                self._metrics.woke(key, pool, apart(self._clock(), known.waiting_since[pool]))
            await self._act(known, running, snapshot, decisions, contents)
            await eviction_guard(self._cluster, self._store, key, known.eviction_guards, fleet, snapshot)
            blockers += known.refusals.blockers
        await self._drains.carry_out(resource, leading, because, known.drains, broker)
        await self._drains.review(resource, snapshot, known.drains)
        await self._tell(known, resource, newest, blockers, snapshot)
        await known.beat.tell(resource, self._actor, fleet, snapshot.beat)
        await self._actor.replace(resource, known.health.replacements(fleet, snapshot))
        await known.revisions.keep(running.generation, running.written, makes_objects=fleet.mode != "Preview")
        starts = upcoming(fleet, snapshot.at)
        generation = running.generation if lost.doubted else newest.generation
        about = StatusInput(generation, blockers, newest.warnings, starts, findings, known.runs.forecasts)
        status = fleet_status(fleet, snapshot, decisions, known.memories, resource["status"], about)
        await self._write_status(known, resource, status)

    async def _refuse(self, known: FleetState, resource: Object, newest: Judgement, blockers: list[Blocker]) -> None:
        await self._tell_obstacles(known, resource, blockers)
        status = refused_status(blockers, resource["status"], newest.generation, self._clock())
        await self._write_status(known, resource, status)

    async def _known_of(self, key: Key, resource: Object) -> FleetState:
        known = self._known.get(key)
        if known is not None and known.uid != resource["metadata"]["uid"]:
            await self._forget(key)  # another resource of the same name
            known = None
        if known is None:
            revisions = Revisions(self._cluster, _owner(resource))
            acceptance = Acceptance(resource, await revisions.newest())
            if key in self._known:  # looked at meanwhile, because of another fleet
                return self._known[key]
            now = self._clock()
            recalled = recall(resource["status"], now)
            known = self._known[key] = FleetState(
                resource=resource,
                observer=Observer(key, self._store, recalled.last_messages, now),
                beat=beat_keeper.BeatKeeper(key, self._store, self._cluster, resource["status"]),
                credentials=BrokerCredentials(self._cluster, key.namespace),
                edited_credentials=BrokerCredentials(self._cluster, key.namespace),
                references=ReferenceReader(self._cluster, key.namespace),
                acceptance=acceptance,
                revisions=revisions,
                started=now,
                losses=PodLosses(now),
                warnings=PodWarnings(self._cluster),
                memories=dict(recalled.memories),
            )
            if recalled.note:
                await self._actor.tell(resource, Reason.MEMORY_UNREADABLE, recalled.note)
        known.resource = resource
        return known

    async def _lost(self, known: FleetState, newest: Judgement) -> Lost:
        """What other resources on the same broker have of this one's queues: who was never looked at may, too."""
        async with self._looking_around:
            for key in self._store.fleets():
                if key not in self._claims and key != known.key and (other := self._present(key)) is not None:
                    await self._look_up(key, other)
        before = self._claims.in_use
        await self._claims.note_versions(known, newest)
        if self._claims.in_use != before:
            await self._keep_brokers()
        running = known.acceptance.running
        return self._claims.lost(known.key, running.fleet if running is not None else None, newest.fleet)

    async def _look_up(self, key: Key, resource: Object) -> None:
        try:
            found = await self._known_of(key, resource)
            await self._claims.note_versions(found, found.acceptance.judge(resource))
        except OperatorError:
            self._claims.unseen(key)
        except Exception:  # whatever is wrong with it, no other fleet is held up by it
            logger.exception("another fleet's queues not known", extra={"fleet": str(key)})
            self._claims.unseen(key)

    def _present(self, key: Key) -> Object | None:
        resource = self._store.fleet(key)
        gone = resource is None or "deletionTimestamp" in resource["metadata"]
        return None if resource is None or gone else resource | {"status": well_formed(resource.get("status"))}

    async def _references(
        self, key: Key, known: FleetState, newest: Judgement, lost: Lost
    ) -> tuple[Mapping[Target, Content], list[Blocker]]:
        """Read what is referred to, and let the newest spec run unless that, or a queue of it, is not to be had."""
        running = known.acceptance.running
        wanted = targets(newest.references, running.fleet if running else None)
        contents = await known.references.read(wanted)
        lacking = missing(newest.references, contents, key.namespace, _MEANWHILE)
        may_run = newest.fleet is not None and newest is not running and lost.may_run
        if may_run and (not lacking or running is None):
            known.acceptance.let_run(newest)
        return contents, lacking

    async def _broker(self, known: FleetState, fleet: Fleet) -> tuple[Broker, list[Blocker]]:
        """The session to look through, or one that sees nothing and says why."""
        try:
            credentials = await known.credentials.read(fleet)
        except SecretMissing as error:
            return UnreachableBroker(error), [Blocker(SECRET_MISSING, str(error))]
        if credentials != known.used:
            known.used = credentials
            await self._keep_brokers()
        return self._brokers.session(credentials), []

    def _decide(
        self, known: FleetState, newest: Judgement, fleet: Fleet, snapshot: FleetSnapshot, lost: Lost
    ) -> dict[str, Decision]:
        known.good_looks = known.good_looks + 1 if looked_well(snapshot) else 0
        context = FleetContext(
            now=snapshot.at,
            running_for=abs(snapshot.at - known.started),  # the clock may have been set back
            good_looks=known.good_looks,
            overrides=newest.overrides,
            given_up=lost.pools,
        )
        seen = {name: facts(pool, known.health.starved(name)) for name, pool in snapshot.pools.items()}
        decisions, memories = decide_fleet(fleet, seen, known.memories, context)
        known.runs = watch(fleet, snapshot, seen, decisions, known.memories, memories)
        known.memories = known.runs.memories
        known.waiting_since = first_seen_work(known.waiting_since, snapshot, decisions)
        if logger.isEnabledFor(logging.DEBUG):
            # What `simulation.replay` reads: a record of what was seen and decided, to be played again.
            look = record.to_text(context, seen, decisions)
            logger.debug("decided", extra={"fleet": str(known.key), "look": look})
        return decisions

    def _leads(
        self, key: Key, known: FleetState, fleet: Fleet, snapshot: FleetSnapshot, decisions: Mapping[str, Decision]
    ) -> dict[str, DrainPlan]:
        """What the pools need whose Deployments are this resource's."""
        known.drains.shrinking = shrinking(snapshot, decisions, known.drains.shrinking)
        deployments = self._store.children(DEPLOYMENTS, key)
        found = leads(fleet, snapshot, decisions, known.drains.shrinking)
        ours = {name for name, live in deployments.items() if controlled_by(live, known.uid)}
        return {pool: lead for pool, lead in found.items() if pool_object(key.name, pool) in ours}

    async def _act(
        self,
        known: FleetState,
        running: Judgement,
        snapshot: FleetSnapshot,
        decisions: Mapping[str, Decision],
        contents: Mapping[Target, Content],
    ) -> None:
        key, resource, now = known.key, known.resource, self._clock()
        todo = _todo(known, running, self._live(key), decisions, contents, now)
        todos = known.beat.in_turn(todo.actions, running.fleet) if running.fleet else todo.actions
        actions = [*todos, *await known.beat.claim(_owner(resource), running.fleet, made=known.claimed)]
        await known.beat.act(resource, self._actor, now)
        known.refusals.keep_only([*(it for it, _ in actions), *todo.taken])
        due = [(it, action) for it, action in actions if known.refusals.due(it, now)]
        outcome = await self._actor.carry_out(resource, due)
        known.applied |= {(it["kind"], it["metadata"]["name"]): applied(it, now) for it in outcome.applied}
        known.refusals.note([*(it for it, _ in due), *todo.taken], [*outcome.refused, *map(taken, todo.taken)], now)
        failed = {id(it.wanted) for it in outcome.refused}
        known.claimed = known.claimed or any(it.kind == CLAIM and id(it) not in failed for it, _ in due)
        await self._actor.remove(resource, (it for it in todo.deletions if not works_still(it.live, snapshot)))

    def _live(self, key: Key) -> objects.Live:
        kinds = {
            objects.DEPLOYMENT: DEPLOYMENTS,
            objects.DISRUPTION_BUDGET: DISRUPTION_BUDGETS,
            objects.STATEFUL_SET: STATEFUL_SETS,
        }
        return {kind: self._store.children(plural, key) for kind, plural in kinds.items()}

    async def _tell(
        self, known: FleetState, resource: Object, newest: Judgement, blockers: list[Blocker], snapshot: FleetSnapshot
    ) -> None:
        await self._tell_obstacles(known, resource, blockers)
        await known.losses.tell(self._store.all_pods(known.key), resource, self._metrics, self._actor)
        if newest.warnings and known.told_warnings != newest.generation:
            known.told_warnings = newest.generation
            for warning in newest.warnings[:MOST_TOLD]:
                await self._actor.tell(resource, Reason.SPEC_WARNING, str(warning))
        news = [*known.health.news(), *((Reason(it.reason), it.note) for it in known.runs.news)]
        for reason, note in news[:MOST_TOLD]:
            await self._actor.tell(resource, reason, note)
        if snapshot.broker is None and known.told_broker:
            known.told_broker = False
            await self._actor.tell(resource, Reason.BROKER_REACHABLE, "the broker answers again")
        elif snapshot.broker is not None and not known.told_broker and not any(o.reason in _BLIND for o in blockers):
            known.told_broker = True
            note = f"{snapshot.broker.why}; no worker is added or taken away until it answers"
            await self._actor.tell(resource, Reason.BROKER_UNREACHABLE, note)

    async def _tell_obstacles(self, known: FleetState, resource: Object, blockers: list[Blocker]) -> None:
        for blocker in [it for it in blockers if it not in known.told_obstacles][:MOST_TOLD]:
            await self._actor.tell(resource, Reason(blocker.reason), blocker.message)
        if known.told_obstacles and not blockers:
            await self._actor.tell(resource, Reason.RECOVERED, "nothing is in the way any more: the newest spec runs")
        known.told_obstacles = tuple(blockers)

    async def _write_status(self, known: FleetState, resource: Object, status: Object) -> None:
        now, previous = self._clock(), resource["status"]
        if worth_writing(status, previous, known.status_written, now):
            stored = await self._cluster.patch(resource, {"status": patch(status, previous)}, "status")
            self._store.see(FLEETS, stored)
            known.status_written = Written(status, well_formed(stored.get("status")), now)

    async def _keep_brokers(self) -> None:
        used: dict[Hashable, Credentials] = {it: known.used for it, known in self._known.items() if known.used}
        await self._brokers.keep_only(used | self._claims.in_use)

    async def _forget(self, key: Key) -> None:
        known = self._known.pop(key, None)
        if known is None:
            return
        self._metrics.forget(key)
        known.warnings.close()
        self._claims.forget(key)
        await self._keep_brokers()
        if known.claimed:
            kept = f"PersistentVolumeClaim {beat_object(key.name)} is kept: it says when each task was last run"
            await self._actor.tell(known.resource, Reason.CLAIM_KEPT, f"{kept}; delete it by hand")


def _todo(
    known: FleetState,
    running: Judgement,
    live: objects.Live,
    decisions: Mapping[str, Decision],
    contents: Mapping[Target, Content],
    now: datetime,
) -> objects.Todo:
    if running.fleet is None or running.spec is None:
        return objects.Todo((), (), ())
    owner = _owner(known.resource)
    sums = checksums(running.fleet, contents, owner.uid)
    # The same objects as long as spec and checksums are the same; an unknown checksum is taken from what is there.
    if known.made is None or known.made[:2] != (running, sums) or None in sums.values():
        built_in = running.spec.pools is None
        wanted = tuple(objects.wanted_objects(owner, running.fleet, live, sums, built_in=built_in))
        known.made = running, sums, wanted
    return objects.todo(
        owner,
        known.made[2],
        live,
        {name: decision.replicas for name, decision in decisions.items()},
        lambda it, seen: drifted(seen, known.applied.get((it.kind, it.name)), now),
    )


def _owner(resource: Object) -> Owner:
    return Owner(*(resource["metadata"][name] for name in ("namespace", "name", "uid")))

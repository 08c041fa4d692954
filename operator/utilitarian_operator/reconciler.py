"""Observe, decide, act for one resource: level-based, read anew each time; holds no rules and makes no calls itself."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from utilitarian_operator.actor import Actor
from utilitarian_operator.adapters.broker import Brokers, Credentials
from utilitarian_operator.adapters.store import DEPLOYMENTS, FLEETS, STATEFUL_SETS, Key, Store
from utilitarian_operator.api.effective import Fleet, effective_fleet
from utilitarian_operator.api.invalid import InvalidSpec, Problem
from utilitarian_operator.api.names import beat_object, pool_object
from utilitarian_operator.api.validation import accept
from utilitarian_operator.core import manifests
from utilitarian_operator.core.decision import Decision
from utilitarian_operator.core.facts import facts
from utilitarian_operator.core.fleet import Circumstances, decide_fleet, first_seen_work, looked_well
from utilitarian_operator.core.memory import Memory
from utilitarian_operator.core.observation import FleetSight
from utilitarian_operator.core.override import overrides
from utilitarian_operator.core.plan import Action, ScaleTo, controlled_by, scale_action, superfluous, template_actions
from utilitarian_operator.core.status import fleet_status, refused_status, remembered, worth_writing
from utilitarian_operator.credentials import BrokerCredentials
from utilitarian_operator.errors import Conflict, Gone, OperatorError, SecretMissing
from utilitarian_operator.events import Reason
from utilitarian_operator.metrics import Metrics
from utilitarian_operator.observer import Blind, Broker, Observer

logger = logging.getLogger(__name__)

Object = dict[str, Any]


class Cluster(Protocol):
    """What reconciling needs of the API server beside acting; each raises ClusterError."""

    async def patch_status(self, namespace: str, name: str, status: Mapping[str, Any]) -> Object:
        """Write a resource's status."""

    async def secret(self, namespace: str, name: str) -> Mapping[str, str]:
        """The decoded values of a Secret."""


@dataclass
class Known:
    """What is kept of one fleet between two looks; a restart loses it, and nothing that matters with it."""

    observer: Observer
    credentials: BrokerCredentials
    started: datetime
    memories: dict[str, Memory]
    accepted: Fleet | None = None
    good_looks: int = 0
    waiting_since: dict[str, datetime] = field(default_factory=dict)
    used: Credentials | None = None
    taken: dict[str, str] = field(default_factory=dict)
    claimed: bool = False
    status_written: datetime | None = None
    told: dict[str, str] = field(default_factory=dict)


class Reconciler:
    """One operator's work on all its fleets.

    Args:
        cluster: the API server.
        store: what the watches said.
        brokers: the sessions in use.
        actor: carries out what was decided.
        metrics: the one writer.
        clock: the one clock, UTC.
    """

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        brokers: Brokers,
        actor: Actor,
        metrics: Metrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._cluster, self._store, self._brokers = cluster, store, brokers
        self._actor, self._metrics, self._clock = actor, metrics, clock
        self._known: dict[Key, Known] = {}

    async def reconcile(self, key: Key) -> bool:
        """Bring one fleet to what it should be; False asks to be called again after a pause."""
        resource = self._store.fleet(key)
        if resource is None or "deletionTimestamp" in resource["metadata"]:
            await self._forget(key)
            return True
        started = time.monotonic()
        try:
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
        known = self._known_of(key, resource)
        fleet, problems = _accept(known, resource)
        if fleet is None:
            status = refused_status(problems, resource.get("status", {}), _generation(resource), self._clock())
            await self._tell_once(known, resource, Reason.INVALID_SPEC, str(problems[0]))
            await self._write_status(key, known, resource, status)
            return
        sight = await known.observer.look(fleet, await self._broker(known, resource, fleet), self._clock())
        decisions = self._decide(known, resource, fleet, sight)
        self._metrics.looked(key, sight, decisions)
        if fleet.mode != "Preview":
            await self._act(key, known, resource, fleet, decisions)
        problems = [*problems, *(Problem("metadata.name", name, why) for name, why in known.taken.items())]
        await self._tell_troubles(known, resource, problems, sight)
        status = fleet_status(
            fleet, sight, decisions, known.memories, problems, resource.get("status", {}), _generation(resource)
        )
        await self._write_status(key, known, resource, status)

    def _known_of(self, key: Key, resource: Object) -> Known:
        if key not in self._known:
            self._known[key] = Known(
                observer=Observer(key, self._store),
                credentials=BrokerCredentials(self._cluster, key.namespace),
                started=self._clock(),
                memories=remembered(resource.get("status", {})),
            )
        return self._known[key]

    async def _broker(self, known: Known, resource: Object, fleet: Fleet) -> Broker:
        """The session to look through, or one that sees nothing and says why."""
        try:
            credentials = await known.credentials.read(fleet)
        except SecretMissing as error:
            await self._tell_once(known, resource, Reason.SECRET_MISSING, str(error))
            return Blind(error)
        known.told.pop(Reason.SECRET_MISSING, None)
        if credentials != known.used:
            known.used = credentials
            await self._brokers.keep_only({k.used for k in self._known.values() if k.used})
        return self._brokers.session(credentials)

    def _decide(self, known: Known, resource: Object, fleet: Fleet, sight: FleetSight) -> dict[str, Decision]:
        known.good_looks = known.good_looks + 1 if looked_well(sight) else 0
        circumstances = Circumstances(
            now=sight.at,
            running_for=sight.at - known.started,
            good_looks=known.good_looks,
            overrides=overrides(resource["metadata"].get("annotations", {}))[0],
            drains=False,
        )
        seen = {name: facts(pool) for name, pool in sight.pools.items()}
        decisions, known.memories = decide_fleet(fleet, seen, known.memories, circumstances)
        known.waiting_since = first_seen_work(known.waiting_since, sight)
        return decisions

    async def _act(
        self, key: Key, known: Known, resource: Object, fleet: Fleet, decisions: Mapping[str, Decision]
    ) -> None:
        uid = resource["metadata"]["uid"]
        live = {name: body for name, body in self._store.children(DEPLOYMENTS, key).items() if controlled_by(body, uid)}
        steps = _steps(key, live, decisions)
        await self._actor.scale(resource, steps)
        for pool in steps.keys() & known.waiting_since.keys():
            self._metrics.woke(key, pool, self._clock() - known.waiting_since[pool])
        actions = _templates(key, resource, fleet, decisions, self._store)
        taken = await self._actor.carry_out(resource, actions)
        known.taken = dict.fromkeys(taken, "an object of that name belongs to somebody else; rename one")
        await self._claim(known, resource, fleet)

    async def _claim(self, known: Known, resource: Object, fleet: Fleet) -> None:
        """Beat's volume claim is made once and then left alone: it outlives the resource."""
        claim = manifests.beat_claim(_owner(resource), fleet) if fleet.beat.enabled else None
        if claim is not None and not known.claimed:
            try:
                await self._actor.cluster.create(claim)
            except Conflict:
                logger.debug("claim kept", extra={"claim": claim["metadata"]["name"]})
            known.claimed = True

    async def _tell_troubles(self, known: Known, resource: Object, problems: list[Problem], sight: FleetSight) -> None:
        for problem in problems[:1]:
            reason = Reason.NAME_TAKEN if problem.path == "metadata.name" else Reason.INVALID_SPEC
            await self._tell_once(known, resource, reason, str(problem))
        if not problems:
            known.told.pop(Reason.INVALID_SPEC, None)
            known.told.pop(Reason.NAME_TAKEN, None)
        if sight.broker is not None and Reason.SECRET_MISSING not in known.told:
            if Reason.BROKER_UNREACHABLE not in known.told:
                known.told[Reason.BROKER_UNREACHABLE] = sight.broker.why
                note = f"{sight.broker.why}; no worker is added or taken away until it answers"
                await self._actor.tell(resource, Reason.BROKER_UNREACHABLE, note)
        elif sight.broker is None and known.told.pop(Reason.BROKER_UNREACHABLE, ""):
            await self._actor.tell(resource, Reason.BROKER_REACHABLE, "the broker answers again")

    async def _tell_once(self, known: Known, resource: Object, reason: Reason, note: str) -> None:
        if known.told.get(reason) != note:
            known.told[reason] = note
            await self._actor.tell(resource, reason, note)

    async def _write_status(self, key: Key, known: Known, resource: Object, status: Object) -> None:
        now = self._clock()
        if worth_writing(status, resource.get("status", {}), known.status_written, now):
            self._store.see(FLEETS, await self._cluster.patch_status(key.namespace, key.name, status))
            known.status_written = now

    async def _forget(self, key: Key) -> None:
        if self._known.pop(key, None) is not None:
            self._metrics.forget(key)
            await self._brokers.keep_only({k.used for k in self._known.values() if k.used})


def _accept(known: Known, resource: Object) -> tuple[Fleet | None, list[Problem]]:
    """The fleet to run, and what is wrong with the spec as it stands; a bad edit leaves the last accepted one."""
    problems = overrides(resource["metadata"].get("annotations", {}))[1]
    try:
        known.accepted = effective_fleet(accept(resource).spec)
    except InvalidSpec as error:
        problems = [*error.errors, *problems]
    return known.accepted, problems


def _steps(
    key: Key, live: Mapping[str, Object], decisions: Mapping[str, Decision]
) -> dict[str, tuple[ScaleTo, Decision]]:
    steps = {}
    for pool, decision in decisions.items():
        deployment = live.get(pool_object(key.name, pool))
        step = scale_action(deployment, decision.replicas) if deployment is not None else None
        if step is not None:
            steps[pool] = (step, decision)
    return steps


def _templates(
    key: Key, resource: Object, fleet: Fleet, decisions: Mapping[str, Decision], store: Store
) -> Iterable[Action]:
    owner, uid = _owner(resource), resource["metadata"]["uid"]
    deployments, statefulsets = store.children(DEPLOYMENTS, key), store.children(STATEFUL_SETS, key)
    for pool in fleet.pools:
        manifest = manifests.deployment(owner, fleet, pool)
        live = deployments.get(manifest["metadata"]["name"])
        if live is None or controlled_by(live, uid):
            yield from template_actions(manifest, live, replicas=decisions[pool.name].replicas)
    if fleet.beat.enabled:
        live = statefulsets.get(beat_object(key.name))
        yield from template_actions(manifests.beat_statefulset(owner, fleet), live)
    yield from superfluous([pool_object(key.name, pool.name) for pool in fleet.pools], deployments, uid)
    yield from superfluous([beat_object(key.name)] if fleet.beat.enabled else [], statefulsets, uid)


def _owner(resource: Object) -> manifests.Owner:
    metadata = resource["metadata"]
    return manifests.Owner(metadata["namespace"], metadata["name"], metadata["uid"])


def _generation(resource: Object) -> int:
    generation: int = resource["metadata"]["generation"]
    return generation

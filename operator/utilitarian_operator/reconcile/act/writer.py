"""Carries out actions, one request each, and records events of what was done."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from utilitarian_operator.adapters.cluster.cache import (
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    PODS,
    STATEFUL_SETS,
    Key,
    Store,
)
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.blocker import REFUSED, Blocker
from utilitarian_operator.core.diagnosis.finding_history import Replace
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.objects.actions import (
    Action,
    Adopt,
    Apply,
    Belongs,
    Create,
    Delete,
    Disown,
    HandAllOver,
    HandOver,
    ScaleTo,
    belongs,
    handed_over_fields,
    held_by_create,
    released_fields,
)
from utilitarian_operator.core.objects.refusals import Refusal, deletion, not_deleted, taken
from utilitarian_operator.core.objects.wanted import CLAIM, Wanted, field_path
from utilitarian_operator.core.reasons import Reason
from utilitarian_operator.core.wording import named
from utilitarian_operator.errors import ClusterError, Conflict, Gone, OperatorError, Rejected
from utilitarian_operator.metrics.fleet import Metrics
from utilitarian_operator.reconcile.act.event_series import EventSeries
from utilitarian_operator.reconcile.act.events import event
from utilitarian_operator.reconcile.act.one_write import look_at, refusal
from utilitarian_operator.reconcile.act.scale_requests import ScaleRequests

logger = logging.getLogger(__name__)


_KINDS = {
    "Deployment": DEPLOYMENTS,
    "StatefulSet": STATEFUL_SETS,
    "PodDisruptionBudget": DISRUPTION_BUDGETS,
}


@dataclass(frozen=True, slots=True)
class Answers:
    """What became of the actions that were to be carried out.

    Args:
        tried: the objects of those that were sent.
        refused: by the API server, or because the names belong to another owner.
        applied: the objects as the answers to their applies had them: what another client changed a moment later,
            and the watch has seen meanwhile, is not in them.
        missed: objects that were to be made, and could not be because something changed meanwhile.
    """

    tried: tuple[Wanted, ...]
    refused: tuple[Refusal, ...]
    applied: tuple[Object, ...]
    missed: tuple[Wanted, ...]


@dataclass(frozen=True)
class ObjectWriter:
    """Hands of the operator.

    Args:
        cluster: the API server.
        store: gets what a write came to at once, so that the next look doesn't wait for the watch.
        metrics: where scale requests are counted.
        instance: the operator's own name, for events.
        clock: the one clock.
        unique: gives a UUID, for the name of an event.
        series: the events of the last minutes.
    """

    cluster: Cluster
    store: Store
    metrics: Metrics
    instance: str
    clock: Callable[[], datetime]
    unique: Callable[[], object]
    series: EventSeries = field(default_factory=EventSeries)

    @cached_property
    def scaling(self) -> ScaleRequests:
        """Its scale requests."""
        return ScaleRequests(self.cluster, self.store, self.metrics)

    async def scale(
        self, resource: Object, pools: Mapping[str, tuple[ScaleTo, str]]
    ) -> tuple[list[str], list[Refusal]]:
        """Send the scale requests of a fleet.

        Args:
            resource: the fleet's.
            pools: the step and the sentence behind it, by pool name.

        Returns:
            The pools whose request was accepted, in the order given, and what was refused of the others, each of
            which is looked at again. None is sent as long as it is not known what came of one before.

        Raises:
            ClusterError: the API server is away; what it accepted before is recorded.
        """
        key = _key(resource)
        if key in self.scaling.in_doubt:  # what was decided rests on a number that may not be true
            logger.info("scale requests put off: what came of the last is not known", extra={"fleet": str(key)})
            return [], []
        # All at once, and recorded afterwards: no pool waits for another one's request or event.
        requests = (self.scaling.send(key, resource, pool, step) for pool, (step, _) in pools.items())
        sent = await asyncio.gather(*requests, return_exceptions=True)
        accepted = [pool for pool, went in zip(pools, sent, strict=True) if went is True]
        for pool in accepted:
            step, because = pools[pool]
            note = f"pool {pool}: {step.before} to {step.replicas}: {because}"
            reason = Reason.SCALED_UP if step.replicas > step.before else Reason.SCALED_DOWN
            await self.record_event(resource, reason, note)
        for failed in (it for it in sent if isinstance(it, BaseException)):
            raise failed
        return accepted, [it for it in sent if isinstance(it, Refusal)]

    async def carry_out(self, resource: Object, actions: Iterable[tuple[Wanted, Action]]) -> Answers:
        """Make and apply objects; one that is refused doesn't keep the others from being made.

        Args:
            resource: the fleet's.
            actions: in this order, each with the object that it is for.
        """
        every, made = tuple(actions), list[Wanted]()
        if any(isinstance(action, Create) for _, action in every):
            await look_at(self.cluster, self.store, resource)
        try:
            answers = await self._carry_out_all(resource, every, made)
        except OperatorError:
            await self._tell_of(resource, made)
            raise
        await self._tell_of(resource, made)
        return answers

    async def _carry_out_all(
        self, resource: Object, every: Iterable[tuple[Wanted, Action]], made: list[Wanted]
    ) -> Answers:
        tried, refused, applied, missed = [], list[Refusal](), [], []
        for wanted, action in every:
            # What is made for one that left would run until Kubernetes has found out that it belongs to nothing. And
            # each that gets no answer takes seconds: the look goes on, and the next one with the next object.
            if self.store.has_left(resource) or any(it.doubtful for it in refused):
                break
            tried.append(wanted)
            try:
                came_of_it = await self._carry_out(resource, wanted, action, made)
            except (Conflict, Gone) as error:
                logger.info("changed meanwhile", extra={**_about(resource, wanted), "because": str(error)})
                missed += [wanted] if isinstance(action, Create) else []
                continue
            except ClusterError as error:
                said, doubtful = await refusal(self.cluster, self.store, resource, error)
                message = f"{field_path(wanted, said)}: {said}; until it is corrected, what ran before goes on as it is"
                came_of_it = Refusal(wanted, Blocker(REFUSED, message), doubtful)
            if isinstance(came_of_it, Refusal):
                refused.append(came_of_it)
            elif came_of_it is not None:
                applied.append(came_of_it)
        return Answers(tuple(tried), tuple(refused), tuple(applied), tuple(missed))

    async def _tell_of(self, resource: Object, made: Sequence[Wanted]) -> None:
        """Record what was made, one event a kind: a new fleet has dozens of objects."""
        for kind in dict.fromkeys(it.kind for it in made):
            names = [it.name for it in made if it.kind == kind]
            what = f"{kind} {names[0]}" if len(names) == 1 else f"{len(names)} {kind}s ({named(names)})"
            await self.record_event(resource, Reason.CREATED, f"{what} created")

    async def remove(self, resource: Object, deletions: Iterable[Delete]) -> tuple[list[Wanted], list[Refusal]]:
        """Delete objects that are no longer asked for; their pods end in their own time.

        Returns:
            What was tried, and what was refused of it.
        """
        tried, refused = list[Wanted](), list[Refusal]()
        for it in deletions:
            tried.append(deletion(it))
            try:
                await self._delete(resource, it.live)
            except ClusterError as error:
                said, doubtful = await refusal(self.cluster, self.store, resource, error)
                refused.append(replace(not_deleted(it, said), doubtful=doubtful))
                if doubtful:
                    break
        return tried, refused

    async def replace(self, resource: Object, steps: Iterable[Replace]) -> None:
        """Delete pods, so that others come in their place; they end in order, by their preStop hook."""
        key = _key(resource)
        for pool, name in ((it.pool, it.pod) for it in steps):
            live = self.store.children(PODS, key).get(name)
            if live is None:
                continue
            try:
                await self.cluster.delete({"kind": "Pod", **live})
            except (Conflict, Gone):
                continue
            except Rejected as error:
                await self.not_replaced(resource, f"pool {pool}: stuck pod {name}", error)
                continue
            self.metrics.replaced(key, pool)
            await self.record_event(
                resource, Reason.WORKER_REPLACED, f"pool {pool}: pod {name} is replaced: it was stuck"
            )

    async def not_replaced(self, resource: Object, what: str, error: Rejected) -> None:
        """Record that a pod can't be deleted, so that no other comes in its place; it is tried again."""
        await self.record_event(resource, Reason.REFUSED, f"{what} can't be replaced: {error.said}")

    async def _carry_out(
        self, resource: Object, wanted: Wanted, action: Action, made: list[Wanted]
    ) -> Refusal | Object | None:
        match action:
            case Create(manifest):
                return await self._create(resource, wanted, manifest, made)
            case Apply(manifest):
                return await self._apply(manifest, force=True)
            case Adopt(_, live):
                return await self._adopt(resource, wanted, live)
            case HandOver(live, fields):
                return await self._held_by(live, fields)
            case HandAllOver(live):
                await self._held_by(live, handed_over_fields(live))
            case Disown(live):
                await self._held_by(live, released_fields(live))
        return None

    async def _held_by(self, live: Object, fields: Sequence[Object]) -> Object:
        """Write who holds which field of an object, if nothing else of it changed."""
        version = live["metadata"]["resourceVersion"]
        answer = await self.cluster.patch(live, {"metadata": {"managedFields": fields, "resourceVersion": version}})
        self._see(live["kind"], answer)
        return answer

    async def record_event(self, resource: Object, reason: Reason, note: str) -> bool:
        """Record an event and a log line; an event that can't be recorded stops nothing. Returns whether it could be.

        The same one, said again within minutes, is counted, and `catch_up` writes the count.
        """
        key, now = _key(resource), self.clock()
        logger.info("event", extra={"fleet": str(key), "reason": str(reason), "note": note})
        body = event(resource, reason, note, instance=self.instance, now=now, unique=self.unique())
        if self.series.again(body, now):
            return True
        try:
            self.series.recorded(await self.cluster.create(body), now)
        except ClusterError as error:
            logger.warning("event not recorded", extra={"fleet": str(key), "because": str(error)})
            return False
        return True

    async def catch_up(self, key: Key) -> None:
        """Write how often events about a fleet were said again."""
        for it in self.series.due(key.namespace, key.name, self.clock()):
            count = it.count
            try:
                await self.cluster.patch(it.live, it.change)
            except Gone:
                self.series.forget(it)
            except ClusterError as error:
                logger.warning("event not recorded", extra={"fleet": str(key), "because": str(error)})
            else:
                self.series.told(it, count)

    async def _apply(self, manifest: Object, *, force: bool) -> Object:
        answer = await self.cluster.apply(manifest, force=force)
        self._see(manifest["kind"], answer)
        return answer

    async def _create(
        self, resource: Object, wanted: Wanted, manifest: Object, made: list[Wanted]
    ) -> Refusal | Object | None:
        try:
            created = await self.cluster.create(manifest)
        except Conflict:
            return None if wanted.kind == CLAIM else await self._found(resource, wanted)
        self._see(wanted.kind, created)
        made.append(wanted)
        return None

    async def _found(self, resource: Object, wanted: Wanted) -> Refusal | Object | None:
        """There is one already, without the labels by which it would have been seen."""
        metadata = resource["metadata"]
        live = await self.cluster.read(wanted.kind, metadata["namespace"], wanted.name)
        match belongs(live, Owner(metadata["namespace"], metadata["name"], metadata["uid"])):
            case Belongs.OURS:
                return await self._apply(wanted.manifest, force=True)
            case Belongs.LEFT:
                return await self._adopt(resource, wanted, live)
            case Belongs.ANOTHERS:
                return taken(wanted)
        return None

    async def _adopt(self, resource: Object, wanted: Wanted, live: Object) -> Refusal | Object | None:
        metadata = resource["metadata"]
        fresh = await self.cluster.read(resource["kind"], metadata["namespace"], metadata["name"])
        if fresh["metadata"]["uid"] != metadata["uid"] or "deletionTimestamp" in fresh["metadata"]:
            return None  # it goes, and what it leaves behind on purpose must not go with it
        if held_by_create(live):
            await self._held_by(live, released_fields(live))
        try:
            adopted = await self._apply(wanted.manifest, force=False)
        except Conflict as error:
            logger.info("not adopted", extra={**_about(resource, wanted), "because": str(error)})
            return taken(wanted)
        await self.record_event(
            resource, Reason.ADOPTED, f"{wanted.kind} {wanted.name} was there already and is adopted"
        )
        return adopted

    async def _delete(self, resource: Object, live: Object) -> None:
        try:
            await self.cluster.delete(live)
        except (Conflict, Gone):
            return  # another client was faster, or it is another object by now: the next look sees
        self.store.see(_KINDS[live["kind"]], live, deleted=True)
        what = f"{live['kind']} {live['metadata']['name']}"
        await self.record_event(resource, Reason.DELETED, f"{what} deleted: no longer asked for{_farewell(live)}")

    def _see(self, kind: str, body: Object) -> None:
        if kind in _KINDS:
            self.store.see(_KINDS[kind], body)


def _farewell(live: Mapping[str, Any]) -> str:
    """What becomes of the workers of a Deployment that is deleted."""
    replicas = live["spec"].get("replicas", 1) if live["kind"] == "Deployment" else 0
    if not replicas:
        return ""
    grace = live["spec"]["template"]["spec"].get("terminationGracePeriodSeconds", 30)
    return f"; its {replicas} workers take no new task and have {grace} s to finish those that they run"


def _about(resource: Mapping[str, Any], wanted: Wanted) -> dict[str, str]:
    """What a line of the log is about."""
    key = _key(resource)
    return {"fleet": str(key), "kind": wanted.kind, "object": f"{key.namespace}/{wanted.name}"}


def _key(resource: Mapping[str, Any]) -> Key:
    return Key(resource["metadata"]["namespace"], resource["metadata"]["name"])

"""Carries out actions, each one request, and tells the resource what was done; decides nothing."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from utilitarian_operator.adapters.store import DEPLOYMENTS, STATEFUL_SETS, Key, Store
from utilitarian_operator.core.decision import Decision
from utilitarian_operator.core.plan import Action, Apply, Create, Delete, Disown, ScaleTo, released_fields
from utilitarian_operator.errors import ClusterError, Conflict, Gone
from utilitarian_operator.events import Reason, event
from utilitarian_operator.metrics import Metrics

logger = logging.getLogger(__name__)

Object = dict[str, Any]

_KINDS = {"Deployment": DEPLOYMENTS, "StatefulSet": STATEFUL_SETS}


class Cluster(Protocol):
    """What acting needs of the API server; each raises ClusterError."""

    async def create(self, manifest: Object) -> Object:
        """Make an object."""

    async def apply(self, manifest: Object) -> Object:
        """Server-side apply."""

    async def set_managed_fields(self, live: Object, fields: Sequence[Object]) -> Object:
        """Rewrite who holds which field."""

    async def scale(
        self, namespace: str, deployment: str, replicas: int, resource_version: str | None = None
    ) -> Object:
        """Set a Deployment's replicas."""

    async def delete(self, live: Object) -> None:
        """Delete exactly this object."""

    async def event(self, namespace: str, event: Object) -> None:
        """Record an event."""


@dataclass(frozen=True)
class Actor:
    """Hands of the operator.

    Args:
        cluster: the API server.
        store: told at once what a write came to, so that the next look doesn't wait for the watch.
        metrics: where scale requests are counted.
        instance: the operator's own name, for events.
        clock: the one clock.
    """

    cluster: Cluster
    store: Store
    metrics: Metrics
    instance: str
    clock: Callable[[], datetime]

    async def scale(self, resource: Object, pools: Mapping[str, tuple[ScaleTo, Decision]]) -> None:
        """Send the scale requests of a fleet.

        Args:
            resource: the fleet's.
            pools: the step and the decision behind it, by pool name.
        """
        key = _key(resource)
        for pool, (step, decision) in pools.items():
            up = step.replicas > step.before
            try:
                # A step up must not wait for anybody; a step down must not rest on a Deployment that has changed.
                await self.cluster.scale(key.namespace, step.name, step.replicas, None if up else step.resource_version)
            except Conflict as error:
                logger.info("scale down put off", extra={"fleet": str(key), "pool": pool, "because": str(error)})
                continue
            self._remember_replicas(key, step)
            self.metrics.scaled(key, pool, up=up)
            note = f"pool {pool}: {step.before} to {step.replicas}: {decision.message}"
            await self.tell(resource, Reason.SCALED_UP if up else Reason.SCALED_DOWN, note)

    async def carry_out(self, resource: Object, actions: Iterable[Action]) -> list[str]:
        """Make, apply and delete; returns the names of objects that somebody else has already.

        Args:
            resource: the fleet's.
            actions: in this order.
        """
        taken = []
        for action in actions:
            match action:
                case Create(manifest):
                    try:
                        await self._create(resource, manifest)
                    except Conflict:
                        taken.append(manifest["metadata"]["name"])
                case Apply(manifest):
                    self._see(manifest["kind"], await self.cluster.apply(manifest))
                case Disown(live):
                    self._see(live["kind"], await self.cluster.set_managed_fields(live, released_fields(live)))
                case Delete(live):
                    await self._delete(resource, live)
        return taken

    async def tell(self, resource: Object, reason: Reason, note: str) -> None:
        """Record an event and a log line; an event that can't be recorded stops nothing."""
        key = _key(resource)
        logger.info("event", extra={"fleet": str(key), "reason": str(reason), "note": note})
        try:
            body = event(resource, reason, note, instance=self.instance, now=self.clock())
            await self.cluster.event(key.namespace, body)
        except ClusterError as error:
            logger.warning("event not recorded", extra={"fleet": str(key), "because": str(error)})

    async def _create(self, resource: Object, manifest: Object) -> None:
        self._see(manifest["kind"], await self.cluster.create(manifest))
        await self.tell(resource, Reason.CREATED, f"{manifest['kind']} {manifest['metadata']['name']} created")

    async def _delete(self, resource: Object, live: Object) -> None:
        try:
            await self.cluster.delete(live)
        except (Conflict, Gone):
            return  # somebody was faster, or it is another object by now: the next look sees
        self.store.see(_KINDS[live["kind"]], live, deleted=True)
        await self.tell(
            resource, Reason.DELETED, f"{live['kind']} {live['metadata']['name']} deleted: no longer asked for"
        )

    def _see(self, kind: str, body: Object) -> None:
        if kind in _KINDS:
            self.store.see(_KINDS[kind], body)

    def _remember_replicas(self, key: Key, step: ScaleTo) -> None:
        live = self.store.children(DEPLOYMENTS, key).get(step.name)
        if live is not None:
            self.store.see(DEPLOYMENTS, {**live, "spec": {**live["spec"], "replicas": step.replicas}})


def _key(resource: Mapping[str, Any]) -> Key:
    return Key(resource["metadata"]["namespace"], resource["metadata"]["name"])

"""Watches over one fleet's beat: what the watches don't show, its events, and the pod that must be replaced."""

import logging
import time
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol

from utilitarian_operator.adapters.cluster.cache import PODS, STATEFUL_SETS, Key, Store
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.names import beat_object
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.beat import checks as rules
from utilitarian_operator.core.beat import duplicates as other_beats
from utilitarian_operator.core.containers import lost_on
from utilitarian_operator.core.labels import MANAGED_BY_LABEL, MANAGER, Owner
from utilitarian_operator.core.objects.actions import Action, Create, controlled_by
from utilitarian_operator.core.objects.manifests import READ_WRITE_ONCE, READ_WRITE_ONCE_POD, beat_claim
from utilitarian_operator.core.objects.wanted import STATEFUL_SET, Wanted
from utilitarian_operator.core.observation.beat import BeatSnapshot, Claim
from utilitarian_operator.core.observation.causes.pod_status import pod_hindrance
from utilitarian_operator.core.reasons import Reason
from utilitarian_operator.errors import ClusterError, Conflict, Gone

logger = logging.getLogger(__name__)


OTHERS_EVERY_S = 30.0
CLAIM_EVERY_S = 5.0
MOST_PODS = 500
"""Pods of others that are looked at, in one request."""

NOT_OURS = f"{MANAGED_BY_LABEL}!={MANAGER}"
_TOLD = {Reason.BEAT_DUPLICATE, Reason.BEAT_BLOCKED, Reason.VOLUME_PENDING}
"""Reasons of `BeatReady` that are events, too, when they begin."""


class Teller(Protocol):
    """Who records events."""

    async def tell(self, resource: Object, reason: Reason, note: str) -> None:
        """Record an event."""


class BeatKeeper:
    """Eyes and hands for the one beat of a fleet.

    Args:
        key: of the fleet.
        store: of the cluster's objects.
        cluster: for what no watch shows.
        status: of the resource as it was found: what it says already is not told again.
    """

    def __init__(self, key: Key, store: Store, cluster: Cluster, status: Mapping[str, Any]) -> None:
        self._key, self._store, self._cluster = key, store, cluster
        self._told: str | None = next((it["reason"] for it in status.get("conditions", []) if _is_beats(it)), None)
        self._told_scaled = ""
        self._others: tuple[str, ...] = ()
        self._claim: Claim | None = None
        self._due = {"others": 0.0, "claim": 0.0}
        self._claim_gone = False
        self._ahead: tuple[str, ...] = ()

    async def look(
        self,
        fleet: Fleet,
        answering: Collection[str],
        now: datetime,
        warnings: Mapping[str, str] = MappingProxyType({}),
    ) -> BeatSnapshot | None:
        """What is seen of beat; None where it is not asked for.

        Args:
            fleet: what runs.
            answering: node names of all beats that answered on its broker.
            now: the one clock.
            warnings: what is known of pods that don't run or become ready, by the pod's name.
        """
        if not fleet.beat.enabled:
            return None
        statefulset, pod = self._statefulset(), self._pod()
        ready = bool(statefulset.get("status", {}).get("readyReplicas"))
        lost = lost_on(pod, now) if pod else None
        if fleet.mode != "Preview" and self._is_due("others", OTHERS_EVERY_S):
            await self._see_others(fleet)
        if ready or fleet.beat.storage.ephemeral:
            self._claim, self._claim_gone = None, False
        elif fleet.mode != "Preview" and self._is_due("claim", CLAIM_EVERY_S):
            await self._see_claim(now)
        # While a fleet is only previewed, theirs is the one that runs.
        neighbours = () if self._ahead else self._neighbours(fleet, pod)
        others = (*self._others, *neighbours) if fleet.mode != "Preview" else ()
        return BeatSnapshot(
            ready=ready,
            trouble=pod_hindrance(pod, now, warnings) if pod else None,
            lost_on=lost,
            leaving=bool(pod) and "deletionTimestamp" in pod["metadata"],
            file=rules.file_of(pod) if ready else None,
            claim=self._claim,
            others=others,
            elsewhere=self._elsewhere(fleet, answering, others) if fleet.mode != "Preview" else (),
            ahead=self._ahead,
        )

    async def claim(self, owner: Owner, fleet: Fleet | None, *, made: bool) -> list[tuple[Wanted, Action]]:
        """The claim, where it must be made: once, and again if it is gone; it outlives the resource and is left alone.

        Args:
            owner: the resource.
            fleet: what runs.
            made: whether it was made, or found, since the operator began.
        """
        missing = not made or self._claim_gone
        if fleet is None or not missing or not fleet.beat.enabled or fleet.beat.storage.ephemeral:
            return []
        self._claim_gone = False  # until the next look
        manifest = beat_claim(owner, fleet, await self._access_mode(fleet))
        return [(Wanted(manifest, "spec.beat.storage"), Create(manifest))] if manifest else []

    def in_turn(self, actions: Iterable[tuple[Wanted, Action]], fleet: Fleet) -> list[tuple[Wanted, Action]]:
        """The actions, without the one that makes beat while the same beat of another resource has not ended.

        So it is when a resource is renamed: its old pod may need all of its grace.

        Args:
            actions: that are due.
            fleet: what runs.
        """
        self._ahead = ()
        found = []
        for wanted, action in actions:
            if isinstance(action, Create) and wanted.kind == STATEFUL_SET:
                self._ahead = self._still_there(fleet, wanted.manifest)
                if self._ahead:
                    continue
            found.append((wanted, action))
        return found

    def _still_there(self, fleet: Fleet, statefulset: Object) -> tuple[str, ...]:
        """The same beats of other resources in the namespace, also of those that are gone."""
        template = statefulset["spec"]["template"]
        beats = []
        for key in {*self._store.owners(STATEFUL_SETS), *self._store.owners(PODS)}:
            if key.namespace == self._key.namespace and key != self._key:
                live = self._store.children(STATEFUL_SETS, key).get(beat_object(key.name))
                made = {**live["spec"]["template"], "metadata": {"name": live["metadata"]["name"]}} if live else {}
                beats.append(self._pod_of(key) or made)
        return other_beats.same_beat([it for it in beats if it], template, fleet.app)

    async def _access_mode(self, fleet: Fleet) -> str:
        """Of a claim that is made: for one pod alone where a CSI driver serves the storage class, if one may see that.

        Kubernetes has ReadWriteOncePod for CSI drivers alone.
        """
        try:
            classes, _ = await self._cluster.items("storageclasses", None)
            drivers, _ = await self._cluster.items("csidrivers", None)
        except ClusterError as error:  # an operator of some namespaces may not see what belongs to the cluster
            logger.debug("storage classes not seen", extra={"fleet": str(self._key), "because": str(error)})
            return READ_WRITE_ONCE
        wanted = fleet.beat.storage.storage_class_name
        fits = [it for it in classes if (it["metadata"]["name"] == wanted if wanted else _is_default(it))]
        names = {it["metadata"]["name"] for it in drivers}
        return READ_WRITE_ONCE_POD if fits and all(it["provisioner"] in names for it in fits) else READ_WRITE_ONCE

    async def act(self, resource: Object, teller: Teller, now: datetime) -> None:
        """Replace a pod that never ran and keeps a new template from being tried; say that a wrong scale was undone."""
        statefulset, pod = self._statefulset(), self._pod()
        if not statefulset or not controlled_by(statefulset, resource["metadata"]["uid"]):
            return
        name = statefulset["metadata"]["name"]
        replicas, version = statefulset["spec"].get("replicas"), statefulset["metadata"]["resourceVersion"]
        if replicas != 1 and version != self._told_scaled:
            self._told_scaled = version
            note = f"StatefulSet {name} was scaled to {replicas} and is put back to 1: there is exactly one beat"
            await teller.tell(resource, Reason.BEAT_SCALED_BACK, note)
        if pod and rules.stuck(statefulset, pod):
            try:
                await self._cluster.delete(pod)
            except (Conflict, Gone):
                return
            self._store.see(PODS, pod, deleted=True)
            why = pod_hindrance(pod, now)
            note = f"pod {pod['metadata']['name']} of an earlier template never ran and is replaced: {why}"
            await teller.tell(resource, Reason.BEAT_REPLACED, note)

    async def tell(self, resource: Object, teller: Teller, fleet: Fleet, snapshot: BeatSnapshot | None) -> None:
        """Record what begins, ends or was lost."""
        lost = rules.loss(fleet, resource.get("status", {}).get("beat", {}), snapshot)
        if lost is not None:
            reason = Reason.SCHEDULE_MOVED_ASIDE if lost.aside else Reason.SCHEDULE_LOST
            await teller.tell(resource, reason, lost.message)
        condition = rules.beat_condition(fleet.beat, snapshot)
        if condition.reason == self._told:
            return
        if condition.reason in _TOLD:
            await teller.tell(resource, Reason(condition.reason), condition.message)
        elif self._told in _TOLD and condition.status == "True":
            await teller.tell(resource, Reason.BEAT_RECOVERED, condition.message)
        elif self._told in _TOLD:
            return
        self._told = condition.reason

    def _statefulset(self) -> Object:
        return self._store.children(STATEFUL_SETS, self._key).get(beat_object(self._key.name), {})

    def _pod(self) -> Object:
        return self._pod_of(self._key)

    def _pod_of(self, key: Key) -> Object:
        return self._store.children(PODS, key).get(_pod_name(key), {})

    def _neighbours(self, fleet: Fleet, pod: Object) -> tuple[str, ...]:
        """The same beat of other resources in the namespace, which the operator runs as well."""
        others = (key for key in self._store.fleets() if key.namespace == self._key.namespace and key != self._key)
        beats = [self._pod_of(key) for key in others]
        return other_beats.same_beat([it for it in beats if it], pod, fleet.app) if pod else ()

    def _elsewhere(self, fleet: Fleet, answering: Collection[str], others: Iterable[str]) -> tuple[str, ...]:
        """Beats on the broker that are not ours; one of another application, which the operator runs, is no rival."""
        if not answering:
            return ()
        beats = [it for key in self._store.fleets() if (it := self._pod_of(key))]
        strangers = [it["metadata"]["name"] for it in beats if not other_beats.also_beat([it], fleet.app)]
        ours = _pod_name(self._key)
        return other_beats.elsewhere(answering, ours, fleet.beat.extra_args, others, strangers)

    def _is_due(self, what: str, every: float) -> bool:
        now = time.monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + every
        return True

    async def _see_others(self, fleet: Fleet) -> None:
        try:
            pods, _ = await self._cluster.items("pods", self._key.namespace, NOT_OURS, MOST_PODS)
        except ClusterError as error:
            logger.info("pods of others not seen", extra={"fleet": str(self._key), "because": str(error)})
            return
        self._others = other_beats.also_beat(pods, fleet.app)

    async def _see_claim(self, now: datetime) -> None:
        try:
            live = await self._cluster.read("PersistentVolumeClaim", self._key.namespace, beat_object(self._key.name))
        except Gone:
            self._claim, self._claim_gone = None, True
        except ClusterError as error:
            logger.info("claim not seen", extra={"fleet": str(self._key), "because": str(error)})
        else:
            phase = live.get("status", {}).get("phase", "")
            made = datetime.fromisoformat(live["metadata"]["creationTimestamp"])
            waits = phase == "Pending" and "deletionTimestamp" not in live["metadata"]
            for_one_pod = READ_WRITE_ONCE_POD in live["spec"]["accessModes"]
            self._claim = Claim(phase, now - made, for_one_pod) if waits else Claim(phase)
            self._claim_gone = False


def _pod_name(key: Key) -> str:
    return f"{beat_object(key.name)}-0"


def _is_beats(condition: Mapping[str, Any]) -> bool:
    return condition.get("type") == "BeatReady"


def _is_default(storage_class: Mapping[str, Any]) -> bool:
    annotations = storage_class["metadata"].get("annotations") or {}
    return annotations.get("storageclass.kubernetes.io/is-default-class") == "true"

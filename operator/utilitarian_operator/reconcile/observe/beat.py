"""Reads what is there of one fleet's beat, also what no watch shows: other beats, and the claim for its volume."""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from utilitarian_operator.adapters.cluster.cache import PODS, STATEFUL_SETS, Key, Store
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.names import beat_object
from utilitarian_operator.api.objects import Object, ReadOnlyObject
from utilitarian_operator.core.beat import checks as rules
from utilitarian_operator.core.beat import duplicates as other_beats
from utilitarian_operator.core.beat.actions import claim_is_due
from utilitarian_operator.core.containers import lost_on
from utilitarian_operator.core.labels import MANAGED_BY_LABEL, MANAGER
from utilitarian_operator.core.mode import makes_objects
from utilitarian_operator.core.objects.manifests import READ_WRITE_ONCE, READ_WRITE_ONCE_POD
from utilitarian_operator.core.observation.beat import BeatObjects, BeatSnapshot, Claim
from utilitarian_operator.core.observation.causes.pod_status import pod_hindrance
from utilitarian_operator.errors import ClusterError, Gone

logger = logging.getLogger(__name__)

OTHERS_EVERY_S = 30.0
CLAIM_EVERY_S = 5.0
MOST_PODS = 500
"""Pods of others that are looked at, in one request."""

NOT_OURS = f"{MANAGED_BY_LABEL}!={MANAGER}"


class BeatReader:
    """What is seen of one fleet's beat; keeps what was read by a request until it is read again.

    Args:
        key: of the fleet.
        store: of the cluster's objects.
        cluster: for what no watch shows.
        monotonic: seconds of a clock that never goes back.
    """

    def __init__(self, key: Key, store: Store, cluster: Cluster, monotonic: Callable[[], float]) -> None:
        self._key, self._store, self._cluster, self._monotonic = key, store, cluster, monotonic
        self._others: tuple[str, ...] = ()
        self._claim: Claim | None = None
        self._due = {"others": 0.0, "claim": 0.0}
        self._claim_gone = False

    async def look(
        self,
        fleet: Fleet,
        answering: Collection[str],
        now: datetime,
        warnings: Mapping[str, str] = MappingProxyType({}),
        ahead: Sequence[str] = (),
    ) -> BeatSnapshot | None:
        """What is seen of beat; None where it is not asked for.

        Args:
            fleet: what runs.
            answering: node names of all beats that answered on its broker.
            now: the one clock.
            warnings: what is known of pods that don't run or become ready, by the pod's name.
            ahead: beats of other resources that must have ended before this one is made, by the look before.
        """
        if not fleet.beat.enabled:
            return None
        statefulset, pod = self._statefulset(), self._pod()
        ready = bool(statefulset.get("status", {}).get("readyReplicas"))
        lost = lost_on(pod, now) if pod else None
        acts = makes_objects(fleet.mode)
        if acts and self._is_due("others", OTHERS_EVERY_S):
            await self._see_others(fleet)
        if ready or fleet.beat.storage.ephemeral:
            self._claim, self._claim_gone = None, False
        elif acts and self._is_due("claim", CLAIM_EVERY_S):
            await self._see_claim(now)
        # While a fleet is only previewed, theirs is the one that runs.
        neighbours = () if ahead else self._neighbours(fleet, pod)
        others = (*self._others, *neighbours) if acts else ()
        return BeatSnapshot(
            ready=ready,
            trouble=pod_hindrance(pod, now, warnings) if pod else None,
            lost_on=lost,
            leaving=bool(pod) and "deletionTimestamp" in pod["metadata"],
            file=rules.file_of(pod) if ready else None,
            claim=self._claim,
            others=others,
            elsewhere=self._elsewhere(fleet, answering, others) if acts else (),
            ahead=tuple(ahead),
        )

    async def objects(self, fleet: Fleet, *, claimed: bool) -> BeatObjects:
        """The objects of beat, after a look; what can't be made while a fleet is only previewed is not asked for.

        Args:
            fleet: what runs.
            claimed: whether its claim was made, or found, since the operator began.
        """
        statefulset, makes = self._statefulset(), makes_objects(fleet.mode)
        gone, self._claim_gone = self._claim_gone, False  # as long as it was not read again
        due = makes and claim_is_due(fleet, made=claimed, gone=gone)
        return BeatObjects(
            statefulset,
            self._pod(),
            tuple(self._rivals()) if fleet.beat.enabled and not statefulset else (),
            claim_gone=gone,
            access_mode=await self._access_mode(fleet) if due else READ_WRITE_ONCE,
        )

    def _rivals(self) -> Iterable[ReadOnlyObject]:
        """Beats of other resources in the namespace, also of those that are gone."""
        for key in dict.fromkeys((*self._store.owners(STATEFUL_SETS), *self._store.owners(PODS))):
            if key.namespace == self._key.namespace and key != self._key:
                live = self._store.children(STATEFUL_SETS, key).get(beat_object(key.name))
                made = {**live["spec"]["template"], "metadata": {"name": live["metadata"]["name"]}} if live else {}
                if beat := self._pod_of(key) or made:
                    yield beat

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
        return other_beats.same_beat([it for it in beats if it], pod, fleet.beat.app) if pod else ()

    def _elsewhere(self, fleet: Fleet, answering: Collection[str], others: Iterable[str]) -> tuple[str, ...]:
        """Beats on the broker that are not ours; one of another application, which the operator runs, is no rival."""
        if not answering:
            return ()
        beats = [it for key in self._store.fleets() if (it := self._pod_of(key))]
        strangers = [it["metadata"]["name"] for it in beats if not other_beats.also_beat([it], fleet.beat.app)]
        ours = _pod_name(self._key)
        return other_beats.elsewhere(answering, ours, fleet.beat.extra_args, others, strangers)

    def _is_due(self, what: str, every_s: float) -> bool:
        now = self._monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + every_s
        return True

    async def _see_others(self, fleet: Fleet) -> None:
        try:
            pods, _ = await self._cluster.items("pods", self._key.namespace, NOT_OURS, MOST_PODS)
        except ClusterError as error:
            logger.info("pods of others not seen", extra={"fleet": str(self._key), "because": str(error)})
            return
        self._others = other_beats.also_beat(pods, fleet.beat.app)

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


def _is_default(storage_class: ReadOnlyObject) -> bool:
    annotations = storage_class["metadata"].get("annotations") or {}
    return annotations.get("storageclass.kubernetes.io/is-default-class") == "true"

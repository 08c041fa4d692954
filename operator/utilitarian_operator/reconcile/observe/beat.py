"""Reads what is there of one fleet's beat, also what no watch shows: others' pods, and the claim for its volume."""

import logging
from collections.abc import Callable, Iterable

from utilitarian_operator.adapters.cluster.cache import PODS, STATEFUL_SETS, Key, Store
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.names import beat_object
from utilitarian_operator.api.objects import Object, ReadOnlyObject
from utilitarian_operator.core.changed import changed
from utilitarian_operator.core.labels import MANAGED_BY_LABEL, MANAGER
from utilitarian_operator.core.mode import makes_objects
from utilitarian_operator.core.observation.beat import BeatReadings
from utilitarian_operator.errors import ClusterError, Gone

logger = logging.getLogger(__name__)

OTHERS_EVERY_S = 30.0
CLAIM_EVERY_S = 5.0
MOST_PODS = 500
"""Pods of others that are looked at, in one request."""

NOT_OURS = f"{MANAGED_BY_LABEL}!={MANAGER}"


class BeatReader:
    """What is read of one fleet's beat; of what a request reads it keeps nothing but when it is due again.

    Args:
        key: of the fleet.
        store: of the cluster's objects.
        cluster: for what no watch shows.
        monotonic: seconds of a clock that never goes back.
    """

    def __init__(self, key: Key, store: Store, cluster: Cluster, monotonic: Callable[[], float]) -> None:
        self._key, self._store, self._cluster, self._monotonic = key, store, cluster, monotonic
        self._due = {"others": 0.0, "claim": 0.0}

    async def look(self, fleet: Fleet, *, claimed: bool) -> BeatReadings:
        """What is there; where beat is not asked for, or the fleet only previewed, no request is sent for it.

        Args:
            fleet: what runs.
            claimed: whether its claim was made, or found, since the operator began.
        """
        found = self.newest(fleet, BeatReadings())
        if not fleet.beat.enabled or not makes_objects(fleet.mode):
            return found
        asked = await self._with_requests(fleet, found, claimed=claimed)
        return found if asked is found else self.newest(fleet, asked)

    def newest(self, fleet: Fleet, found: BeatReadings) -> BeatReadings:
        """The same with what the watches show at this moment.

        Args:
            fleet: what runs.
            found: by requests, some time ago.
        """
        statefulset, pod = self._statefulset(), self._pod_of(self._key)
        if not fleet.beat.enabled:
            return changed(found, statefulset=statefulset, pod=pod)
        return changed(
            found,
            statefulset=statefulset,
            pod=pod,
            rivals=() if statefulset else tuple(self._rivals()),
            beats=tuple(it for key in self._store.fleets() if (it := self._pod_of(key))),
        )

    async def _with_requests(self, fleet: Fleet, found: BeatReadings, *, claimed: bool) -> BeatReadings:
        if self._is_due("others", OTHERS_EVERY_S):
            found = changed(found, others=await self._others())
        if fleet.beat.storage.ephemeral:
            return found
        if not found.ready and self._is_due("claim", CLAIM_EVERY_S):
            found = changed(found, claim=await self._claim())
        return found if claimed and not found.claim_is_gone else await self._with_storage(found)

    def _rivals(self) -> Iterable[ReadOnlyObject]:
        """Beats of other resources in the namespace, also of those that are gone."""
        for key in dict.fromkeys((*self._store.owners(STATEFUL_SETS), *self._store.owners(PODS))):
            if key.namespace == self._key.namespace and key != self._key:
                live = self._store.children(STATEFUL_SETS, key).get(beat_object(key.name))
                made = {**live["spec"]["template"], "metadata": {"name": live["metadata"]["name"]}} if live else {}
                if beat := self._pod_of(key) or made:
                    yield beat

    async def _with_storage(self, found: BeatReadings) -> BeatReadings:
        try:
            classes, _ = await self._cluster.items("storageclasses", None)
            drivers, _ = await self._cluster.items("csidrivers", None)
        except ClusterError as error:  # an operator of some namespaces may not see what belongs to the cluster
            logger.debug("storage classes not seen", extra={"fleet": str(self._key), "because": str(error)})
            return found
        return changed(found, storage_classes=classes, csi_drivers=drivers)

    def _statefulset(self) -> Object:
        return self._store.children(STATEFUL_SETS, self._key).get(beat_object(self._key.name), {})

    def _pod_of(self, key: Key) -> Object:
        return self._store.children(PODS, key).get(f"{beat_object(key.name)}-0", {})

    def _is_due(self, what: str, every_s: float) -> bool:
        now = self._monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + every_s
        return True

    async def _others(self) -> list[Object] | None:
        try:
            pods, _ = await self._cluster.items("pods", self._key.namespace, NOT_OURS, MOST_PODS)
        except ClusterError as error:
            logger.info("pods of others not seen", extra={"fleet": str(self._key), "because": str(error)})
            return None
        return pods

    async def _claim(self) -> Object | None:
        try:
            return await self._cluster.read("PersistentVolumeClaim", self._key.namespace, beat_object(self._key.name))
        except Gone:
            return {}
        except ClusterError as error:
            logger.info("claim not seen", extra={"fleet": str(self._key), "because": str(error)})
        return None

"""Reads what is there of one fleet's beat, also what no watch shows: others' pods, and the claim for its volume."""

import asyncio
import logging
import zlib
from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from utilitarian_operator.adapters.cluster.cache import FLEETS, OTHERS_SELECTOR, PODS, STATEFUL_SETS, Key, Store
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.names import beat_object
from utilitarian_operator.api.objects import Object, ReadOnlyObject
from utilitarian_operator.core.changed import changed
from utilitarian_operator.core.containers import OVERDUE
from utilitarian_operator.core.mode import makes_objects
from utilitarian_operator.core.observation.beat import BeatReadings
from utilitarian_operator.errors import ClusterError, Gone

logger = logging.getLogger(__name__)

OTHERS_EVERY_S = 30.0
CLAIM_EVERY_S = 5.0
MOST_PODS = 500
"""Pods of others that are looked at, in one request."""

SAME_MOMENT_S = 5.0
"""For so long the other fleets of a namespace get what one has read of others' pods; then it is kept no longer."""


class _Reading(NamedTuple):
    """Pods of others in one namespace, as they are read; None where no answer came."""

    at_s: float
    pods: asyncio.Task[list[Object] | None]


class AllBeats:
    """The beats of all fleets, gone through once for all looks: each would else go through all other fleets.

    Args:
        store: of the cluster's objects.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._as_of: tuple[int, ...] = ()
        self._pods: tuple[Object, ...] = ()
        self._by_namespace: dict[str, list[tuple[Key, ReadOnlyObject]]] = {}
        self._others: dict[str, _Reading] = {}

    async def others(
        self, namespace: str, now_s: float, read: Callable[[], Coroutine[Any, Any, list[Object] | None]]
    ) -> list[Object] | None:
        """Pods of others in a namespace, read once for all of its fleets that ask in the same moment.

        Args:
            namespace: of them.
            now_s: seconds of a clock that never goes back.
            read: sends the request.
        """
        reading = self._others.get(namespace)
        if reading is None or now_s - reading.at_s >= SAME_MOMENT_S:
            reading = self._others[namespace] = _Reading(now_s, asyncio.create_task(read(), name="pods of others"))
        return await asyncio.shield(reading.pods)  # a look that is cut off takes it from no other

    def let_go(self, now_s: float) -> None:
        """Keep no longer what was read some time ago.

        Args:
            now_s: seconds of a clock that never goes back.
        """
        for namespace in [name for name, it in self._others.items() if now_s - it.at_s >= SAME_MOMENT_S]:
            del self._others[namespace]

    def pods(self) -> tuple[Object, ...]:
        """The pod of each fleet's beat that has one; the same tuple until one of them changes."""
        self._renew()
        return self._pods

    def rivals(self, of: Key) -> tuple[ReadOnlyObject, ...]:
        """Beats of other resources in the namespace of one, also of those that are gone."""
        self._renew()
        return tuple(it for key, it in self._by_namespace.get(of.namespace, ()) if key != of)

    def _renew(self) -> None:
        as_of = tuple(self._store.changes[kind] for kind in (FLEETS, STATEFUL_SETS, PODS))
        if as_of == self._as_of:
            return
        self._as_of, self._by_namespace = as_of, defaultdict(list)
        pods = tuple(it for key in self._store.fleets() if (it := _pod_of(self._store, key)))
        self._pods = self._pods if pods == self._pods else pods
        for key in dict.fromkeys((*self._store.owners(STATEFUL_SETS), *self._store.owners(PODS))):
            if beat := _pod_of(self._store, key) or _made_by(self._store, key):
                self._by_namespace[key.namespace].append((key, beat))


class BeatReader:
    """What is read of one fleet's beat; of what a request reads it keeps nothing but when it is due again.

    Args:
        key: of the fleet.
        store: of the cluster's objects.
        cluster: for what no watch shows.
        monotonic: seconds of a clock that never goes back.
        beats: of all fleets.
    """

    def __init__(
        self, key: Key, store: Store, cluster: Cluster, monotonic: Callable[[], float], beats: AllBeats
    ) -> None:
        self._key, self._store, self._cluster, self._monotonic, self._beats = key, store, cluster, monotonic, beats
        self._due = {"others": 0.0, "claim": 0.0}
        self._leaves: tuple[str, float] | None = None

    async def look(self, fleet: Fleet, *, claimed: bool) -> BeatReadings:
        """What is there; where beat is not asked for, or the fleet only previewed, no request is sent for it.

        Args:
            fleet: what runs.
            claimed: whether its claim was made, or found, since the operator began.
        """
        self._beats.let_go(self._monotonic())
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
        statefulset, pod = _statefulset(self._store, self._key), _pod_of(self._store, self._key)
        found = changed(found, statefulset=statefulset, pod=pod, overdue=self._is_overdue(pod))
        if not fleet.beat.enabled:
            return found
        return changed(
            found,
            rivals=() if statefulset else self._beats.rivals(self._key),
            beats=self._beats.pods(),
        )

    async def _with_requests(self, fleet: Fleet, found: BeatReadings, *, claimed: bool) -> BeatReadings:
        if self._is_due("others", OTHERS_EVERY_S, _moment_of(self._key.namespace)):
            others = await self._beats.others(self._key.namespace, self._monotonic(), self._others)
            found = changed(found, others=others)
        if fleet.beat.storage.ephemeral:
            return found
        if not found.ready and self._is_due("claim", CLAIM_EVERY_S):
            found = changed(found, claim=await self._claim())
        return found if claimed and not found.claim_is_gone else await self._with_storage(found)

    async def _with_storage(self, found: BeatReadings) -> BeatReadings:
        try:
            classes, _ = await self._cluster.items("storageclasses", None)
            drivers, _ = await self._cluster.items("csidrivers", None)
        except ClusterError as error:  # an operator of some namespaces may not see what belongs to the cluster
            logger.debug("storage classes not seen", extra={"fleet": str(self._key), "because": str(error)})
            return found
        return changed(found, storage_classes=classes, csi_drivers=drivers)

    def _is_overdue(self, pod: ReadOnlyObject) -> bool:
        metadata, now = pod.get("metadata", {}), self._monotonic()
        if "deletionTimestamp" not in metadata:
            self._leaves = None
            return False
        if self._leaves is None or self._leaves[0] != metadata["uid"]:
            self._leaves = metadata["uid"], now
        grace_s = max(metadata.get("deletionGracePeriodSeconds") or 0, 0)
        return now - self._leaves[1] > grace_s + OVERDUE.total_seconds()

    def _is_due(self, what: str, every_s: float, at_s: float | None = None) -> bool:
        """Whether it is time; `at_s`: the second of each span at which it is, else that of the last time."""
        now = self._monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + every_s - (0.0 if at_s is None else (now - at_s) % every_s)
        return True

    async def _others(self) -> list[Object] | None:
        try:
            pods, _ = await self._cluster.items("pods", self._key.namespace, OTHERS_SELECTOR, MOST_PODS)
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


def _moment_of(namespace: str) -> float:
    """The second of each span at which all fleets of a namespace read: not the same one for all namespaces."""
    return zlib.crc32(namespace.encode()) % OTHERS_EVERY_S


def _pod_of(store: Store, key: Key) -> Object:
    """The pod of a fleet's beat; empty where there is none."""
    return store.child(PODS, key, f"{beat_object(key.name)}-0") or {}


def _statefulset(store: Store, key: Key) -> Object:
    return store.child(STATEFUL_SETS, key, beat_object(key.name)) or {}


def _made_by(store: Store, key: Key) -> ReadOnlyObject:
    """The pod that a StatefulSet of beat makes, with its name; empty where there is no such StatefulSet."""
    live = _statefulset(store, key)
    return {**live["spec"]["template"], "metadata": {"name": live["metadata"]["name"]}} if live else {}

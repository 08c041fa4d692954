"""A modelled API server: objects with versions, told to who watches; every change is a new object."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from tests.adversary.crd import Crd
from tests.adversary.loop import VirtualLoop
from tests.adversary.machine import Machine

NAMESPACE = "ns"
KINDS = {
    "utilitarianworkerpools": ("UtilitarianWorkerPool", "utilitarian.io/v1alpha1"),
    "deployments": ("Deployment", "apps/v1"),
    "statefulsets": ("StatefulSet", "apps/v1"),
    "controllerrevisions": ("ControllerRevision", "apps/v1"),
    "poddisruptionbudgets": ("PodDisruptionBudget", "policy/v1"),
    "persistentvolumeclaims": ("PersistentVolumeClaim", "v1"),
    "secrets": ("Secret", "v1"),
    "configmaps": ("ConfigMap", "v1"),
    "pods": ("Pod", "v1"),
    "leases": ("Lease", "coordination.k8s.io/v1"),
    "storageclasses": ("StorageClass", "storage.k8s.io/v1"),
    "csidrivers": ("CSIDriver", "storage.k8s.io/v1"),
}
Object = dict[str, Any]
KEPT = 8


def merged(old: Any, patch: Any) -> Any:
    """A merge patch (RFC 7396); from what is in a list the API server takes each null as well."""
    if isinstance(patch, list):
        return [merged({}, it) if isinstance(it, Mapping) else it for it in patch]
    if not isinstance(patch, Mapping):
        return patch
    new = dict(old) if isinstance(old, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            new.pop(key, None)
        else:
            new[key] = merged(new.get(key), value)
    return new


_DIGESTS: dict[int, tuple[Any, str]] = {}
MOST_DIGESTS = 200


def digest(value: Any) -> str:
    """A short hash of a JSON value; of one and the same object it is made once, since no object here ever changes."""
    known = _DIGESTS.get(id(value))
    if known is not None and known[0] is value:
        return known[1]
    if len(_DIGESTS) >= MOST_DIGESTS:
        _DIGESTS.clear()
    made = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]
    _DIGESTS[id(value)] = value, made
    return made


def condition(body: Object, kind: str) -> Object | None:
    """One condition of an object."""
    return next((it for it in body.get("status", {}).get("conditions", []) if it["type"] == kind), None)


def with_condition(body: Object, entry: Object) -> Object:
    """The object with one condition more, or another one of its type."""
    status = body.get("status", {})
    others = [it for it in status.get("conditions", []) if it["type"] != entry["type"]]
    return {**body, "status": {**status, "conditions": [*others, entry]}}


def is_ready(pod: Object) -> bool:
    """Whether a pod is ready."""
    found = condition(pod, "Ready")
    return found is not None and found["status"] == "True"


def leaving(body: Object) -> bool:
    """Whether it is being deleted."""
    return "deletionTimestamp" in body["metadata"]


BEGINS_AT = 1_000_000_000
"""Version of the first object: high, so that one which went back is long below what was before."""


class ApiServer:
    """The objects of one namespace.

    Args:
        loop: of the world.
        machine: for times.
    """

    def __init__(self, loop: VirtualLoop, machine: Machine) -> None:
        self._loop, self._machine = loop, machine
        self.objects: dict[str, dict[str, Object]] = defaultdict(dict)
        self.crd = Crd()
        self.version, self._numbered = BEGINS_AT, 0
        self._past: dict[str, list[tuple[float, Object]]] = defaultdict(list)
        self.watchers: list[Callable[[str, str, Object], None]] = []

    def stamp(self, after: float = 0.0) -> str:
        """The time as an object has it, in so many seconds."""
        return (self._machine.true() + timedelta(seconds=after)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def get(self, plural: str, name: str) -> Object | None:
        """An object as it is now."""
        return self.objects[plural].get(name)

    def put(self, plural: str, body: Object) -> Object:
        """A new state of an object."""
        self.version += 1
        name = body["metadata"]["name"]
        body = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        kind = "MODIFIED" if name in self.objects[plural] else "ADDED"
        self.objects[plural][name] = body
        if plural == "pods":
            past = self._past[body["metadata"]["uid"]]
            past.append((self._loop.now, body))
            del past[:-KEPT]
        self._tell(kind, plural, body)
        return body

    def add(self, plural: str, body: Object) -> Object:
        """A new object; one that another world has keeps its uid."""
        self._numbered += 1
        kind, group = KINDS[plural]
        metadata = {
            "namespace": NAMESPACE,
            "uid": f"uid-{self._numbered}",
            **body["metadata"],
            "creationTimestamp": self.stamp(),
            "generation": 1,
        }
        return self.put(plural, {"apiVersion": group, "kind": kind, **body, "metadata": metadata})

    def change(self, plural: str, name: str, **fields: Any) -> Object | None:
        """Replace fields of an object; a new spec is a new generation."""
        live = self.get(plural, name)
        if live is None or all(live.get(key) == value for key, value in fields.items()):
            return live
        metadata = live["metadata"]
        if "spec" in fields:
            metadata = {**metadata, "generation": metadata["generation"] + 1}
        return self.put(plural, {**live, "metadata": metadata, **fields})

    def remove(self, plural: str, name: str) -> None:
        """An object is gone."""
        body = self.objects[plural].pop(name, None)
        if body is not None:
            self.version += 1
            metadata = {**body["metadata"], "resourceVersion": str(self.version)}
            self._tell("DELETED", plural, {**body, "metadata": metadata})

    def go_back(self) -> None:
        """All objects as they are, at earlier versions: etcd was restored from a snapshot of this moment."""
        there = [(plural, body) for plural, objects in self.objects.items() for body in objects.values()]
        self.version //= 2
        for plural, body in sorted(there, key=lambda it: int(it[1]["metadata"]["resourceVersion"])):
            self.version += 1
            earlier = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
            self.objects[plural][body["metadata"]["name"]] = earlier
            if plural == "pods":
                self._past[body["metadata"]["uid"]] = [(self._loop.now, earlier)]

    def as_of(self, pod: Object, at: float) -> Object:
        """A pod as it was at a moment, as far as that is kept."""
        past = self._past[pod["metadata"]["uid"]]
        return next((body for then, body in reversed(past) if then <= at), past[0][1])

    def _tell(self, kind: str, plural: str, body: Object) -> None:
        for watcher in list(self.watchers):
            watcher(kind, plural, body)

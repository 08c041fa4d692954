"""An API server in memory, for tests and for runs in virtual time.

It keeps objects of any kind with versions, generations and owners of fields. It has no schemas: it sets no defaults
and refuses no field. No controller works on its objects.
"""

import copy
import itertools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias

from utilitarian_operator.adapters.cluster.ownership import (
    Path,
    changed_fields,
    from_tree,
    merged,
    owned_fields,
    to_tree,
    value_at,
    without,
)
from utilitarian_operator.adapters.cluster.seam import Cluster, Each
from utilitarian_operator.api.objects import Object, ReadOnlyObject
from utilitarian_operator.core.labels import MANAGER
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.observation.model.usage import PodUsage
from utilitarian_operator.errors import Conflict, Gone, Rejected

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
OURS = "UtilitarianWorkerPool"
"""The one kind whose lists are not merged by a key: the API server knows no keys of custom resources."""

_Key: TypeAlias = tuple[str, str, str]
_LABEL = re.compile(r"([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
_NOTHING: Object = {"metadata": {}}


class Request(NamedTuple):
    """One request, as it was asked.

    Args:
        verb: the method of `Cluster`.
        kind: of the object; its plural where objects are listed.
        namespace: none where all are listed.
        name: none where objects are listed.
        body: of a write; the container of a log, the selectors of a list.
    """

    verb: str
    kind: str
    namespace: str
    name: str = ""
    body: object = None


@dataclass
class FakeCluster(Cluster):
    """An API server in memory.

    Args:
        clock: the one clock.
        manager: who writes, for the owners of fields.
        fails: asked before each request; what it returns is raised.
        requests: all that were asked, oldest first.
        logs: the text of each log, by namespace, pod, container and whether it is of the one before.
        usage: of each pod, by its name; None: there is no `metrics.k8s.io`.
    """

    clock: Callable[[], datetime] = lambda: EPOCH
    manager: str = MANAGER
    fails: Callable[[Request], Exception | None] = lambda _: None
    requests: list[Request] = field(default_factory=list)
    logs: dict[tuple[str, str, str, bool], str] = field(default_factory=dict)
    usage: dict[str, PodUsage] | None = None
    _objects: dict[_Key, Object] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def read(self, kind: str, namespace: str, name: str) -> Object:
        """One object as it is now."""
        self._asked(Request("read", kind, namespace, name))
        return copy.deepcopy(self._live(kind, namespace, name))

    async def items(
        self, plural: str, namespace: str | None, selector: str = "", limit: int | None = None, fields: str = ""
    ) -> tuple[list[Object], int]:
        """The objects of one kind."""
        self._asked(Request("items", plural, namespace or "", body=(selector, limit, fields)))
        of_kind = [
            _as_listed(it)
            for (kind, where, _), it in sorted(self._objects.items())
            if _plural(kind) == plural and namespace in {None, where}
        ]
        found = [it for it in of_kind if _has_labels(it, selector) and _has_fields(it, fields)]
        return copy.deepcopy(found[:limit]), next(self._numbers)

    async def kept_items(
        self, plural: str, namespace: str | None, selector: str, each: Each, fields: str = ""
    ) -> tuple[list[Object], int]:
        """What is kept of the objects of one kind."""
        found, at = await self.items(plural, namespace, selector, fields=fields)
        return [it for it in map(each, found) if it is not None], at

    async def serves(self, plural: str) -> bool:
        """Whether a kind is known: each is that the operator asks for."""
        self._asked(Request("serves", plural, ""))
        return True

    async def log_end(self, pod: ReadOnlyObject, container: str, *, previous: bool) -> str:
        """The text that was put into `logs`; else there is none."""
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        self._asked(Request("log_end", "Pod", namespace, name, (container, previous)))
        self._live("Pod", namespace, name)
        return self.logs.get((namespace, name, container, previous), "")

    async def pod_usage(self, namespace: str, selector: str) -> dict[str, PodUsage]:
        """What was put into `usage` of those pods that are there."""
        self._asked(Request("pod_usage", "pods", namespace, body=selector))
        if self.usage is None:
            raise Gone("HTTP 404: the server could not find the requested resource")
        there = [
            it["metadata"]["name"]
            for (kind, where, _), it in self._objects.items()
            if kind == "Pod" and where == namespace and _has_labels(it, selector)
        ]
        return {name: self.usage[name] for name in there if name in self.usage}

    async def create(self, manifest: Object) -> Object:
        """Make an object."""
        key = _key(manifest)
        self._asked(Request("create", *key, body=manifest))
        if key in self._objects:
            raise Conflict(f'HTTP 409: {key[0]} "{key[2]}" already exists')
        return self._store(key, _NOTHING, self._made(manifest), "Update")

    async def apply(self, manifest: Object, *, force: bool) -> Object:
        """Server-side apply."""
        key, wanted = _key(manifest), owned_fields(manifest)
        self._asked(Request("apply", *key, body=manifest))
        if key not in self._objects:
            return self._store(key, _NOTHING, self._made(manifest), "Apply", wanted=wanted)
        live = self._objects[key]
        live = {**live, "metadata": live["metadata"] | {"managedFields": self._settled(live, manifest, force=force)}}
        others = _owned(it for it in _fields(live) if not self._applies(it))
        ours = _owned(it for it in _fields(live) if self._applies(it))
        dropped = without(live, ours - wanted - others, wanted | others)
        return self._store(key, live, merged(dropped, manifest, by_key=True), "Apply", wanted=wanted)

    async def patch(self, live: ReadOnlyObject, change: ReadOnlyObject, subresource: str = "") -> Object:
        """Change some fields of exactly this object."""
        key = _key(live)
        self._asked(Request("patch", *key, body=change))
        before, metadata, by_key = self._live(*key), change.get("metadata", {}), key[0] != OURS
        if live["metadata"].get("uid") not in {None, _uid(before)} and (by_key or not subresource):
            raise Rejected(f"HTTP 422: {key[0]} {key[2]}: metadata.uid: field is immutable")
        _expect_version(before, metadata.get("resourceVersion"))
        allowed = {"status"} if subresource else change.keys() - {"status"}
        after = merged(before, {name: change[name] for name in allowed & change.keys()}, by_key=by_key)
        if "managedFields" in metadata and not subresource:
            return self._number(key, after)
        return self._store(key, before, after, "Update", subresource=subresource)

    async def scale(
        self, namespace: str, deployment: str, replicas: int, resource_version: str | None = None
    ) -> Object:
        """Set the replicas of a Deployment; returns the Scale."""
        key = ("Deployment", namespace, deployment)
        self._asked(Request("scale", *key, body=replicas))
        before = self._live(*key)
        _expect_version(before, resource_version)
        after = {**before, "spec": {**before["spec"], "replicas": replicas}}
        metadata = self._store(key, before, after, "Update", subresource="scale")["metadata"]
        seen = {name: metadata[name] for name in ("name", "namespace", "uid", "resourceVersion")}
        # The API server leaves zero out.
        spec = {"replicas": replicas} if replicas else {}
        return {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": seen, "spec": spec}

    async def delete(self, live: ReadOnlyObject) -> None:
        """Delete exactly this object, at once."""
        key, seen = _key(live), live["metadata"]
        self._asked(Request("delete", *key))
        there = self._live(*key)
        if seen["uid"] != _uid(there):
            raise Conflict(f"HTTP 409: {key[0]} {key[2]}: the uid in the precondition is another one's")
        if key[0] == "Deployment":
            _expect_version(there, seen["resourceVersion"])
        del self._objects[key]

    def by(self, manager: str) -> "FakeCluster":
        """The same objects, written by another client."""
        return FakeCluster(self.clock, manager, self.fails, [], self.logs, self.usage, self._objects, self._numbers)

    def _asked(self, request: Request) -> None:
        self.requests.append(request)
        error = self.fails(request)
        if error is not None:
            raise error

    def _live(self, kind: str, namespace: str, name: str) -> Object:
        try:
            return self._objects[kind, namespace, name]
        except KeyError:
            raise Gone(f'HTTP 404: {kind} "{name}" not found in {namespace}') from None

    def _applies(self, entry: ReadOnlyObject) -> bool:
        return bool(entry["manager"] == self.manager and entry["operation"] == "Apply")

    def _made(self, manifest: Object) -> Object:
        made = {name: value for name, value in copy.deepcopy(manifest).items() if name != "status"}
        stamped = timestamp(self.clock())
        made["metadata"] |= {"uid": f"uid-{next(self._numbers)}", "creationTimestamp": stamped}
        return made

    def _settled(self, live: Object, manifest: Object, *, force: bool) -> list[Object]:
        """The owners of fields, without those that an apply gives another value; raises Conflict unless it may."""
        differ = {it for it in owned_fields(manifest) if value_at(live, it) != value_at(manifest, it)}
        entries = []
        for entry in _fields(live):
            theirs = from_tree(entry["fieldsV1"])
            if theirs & differ and not force and entry["manager"] != self.manager:
                raise Conflict(f'HTTP 409: Apply failed: conflict with "{entry["manager"]}": {sorted(theirs & differ)}')
            entries.append(entry if self._applies(entry) else entry | {"fieldsV1": to_tree(theirs - differ)})
        return entries

    def _store(
        self,
        key: _Key,
        before: Object,
        after: Object,
        operation: str,
        subresource: str = "",
        wanted: set[Path] | None = None,
    ) -> Object:
        """Keep what a write made of an object, and who owns its fields now: of an apply all that it wants."""
        changed = changed_fields(before, after)
        owner = (self.manager, operation, subresource)
        mine, entries = wanted or changed, []
        for entry in _fields(before):
            theirs = from_tree(entry["fieldsV1"])
            if (entry["manager"], entry["operation"], entry.get("subresource", "")) != owner:
                entries.append(entry | {"fieldsV1": to_tree(theirs - changed)})
            elif wanted is None:
                mine = mine | {path for path in theirs if value_at(after, path) is not None}
        if mine:
            entries.append(_entry(after["apiVersion"], owner, mine))
        metadata = after["metadata"] | {"managedFields": [entry for entry in entries if entry["fieldsV1"]]}
        if before.get("spec") != after.get("spec"):
            metadata["generation"] = metadata.get("generation", 0) + 1
        return self._number(key, {**after, "metadata": metadata})

    def _number(self, key: _Key, body: Object) -> Object:
        """Keep an object under a new version, unless nothing changed."""
        if body != self._objects.get(key):
            version = str(next(self._numbers))
            self._objects[key] = {**body, "metadata": {**body["metadata"], "resourceVersion": version}}
        return copy.deepcopy(self._objects[key])


def _owned(entries: Iterable[Object]) -> set[Path]:
    return {path for entry in entries for path in from_tree(entry["fieldsV1"])}


def _entry(version: str, owner: tuple[str, str, str], paths: set[Path]) -> Object:
    manager, operation, subresource = owner
    entry = {"manager": manager, "operation": operation, "apiVersion": version, "fieldsType": "FieldsV1"}
    return entry | ({"subresource": subresource} if subresource else {}) | {"fieldsV1": to_tree(paths)}


def _key(body: ReadOnlyObject) -> _Key:
    return body["kind"], body["metadata"].get("namespace", ""), body["metadata"]["name"]


def _uid(body: ReadOnlyObject) -> str:
    return str(body["metadata"]["uid"])


def _fields(live: ReadOnlyObject) -> list[Object]:
    return list(live["metadata"].get("managedFields", []))


def _expect_version(live: ReadOnlyObject, version: str | None) -> None:
    if version is not None and version != live["metadata"]["resourceVersion"]:
        raise Conflict(f"HTTP 409: {live['kind']} {live['metadata']['name']}: the object has been modified")


def _plural(kind: str) -> str:
    return f"{kind.lower()}es" if kind.endswith("ss") else f"{kind.lower()}s"


def _as_listed(body: Object) -> Object:
    """An event is listed in the older of its two shapes."""
    if body["kind"] != "Event":
        return body
    return {**body, "apiVersion": "v1", "involvedObject": body.get("regarding"), "message": body.get("note")}


def _has_labels(body: ReadOnlyObject, selector: str) -> bool:
    labels = body["metadata"].get("labels") or {}
    return all(_meets(labels, term) for term in filter(None, selector.split(",")))


def _meets(labels: Object, term: str) -> bool:
    name, sign, value = term.replace("==", "=").partition("!=" if "!=" in term else "=")
    bare = name.removeprefix("!")
    if not _LABEL.fullmatch(bare):
        raise Rejected(f"HTTP 400: unable to parse requirement: {term}")
    return (labels.get(name) == value) is (sign == "=") if sign else (bare in labels) is (bare == name)


def _has_fields(body: ReadOnlyObject, selector: str) -> bool:
    for term in filter(None, selector.split(",")):
        path, _, value = term.partition("=")
        if str(value_at(body, tuple(f"f:{part}" for part in path.split("."))) or "") != value:
            return False
    return True

"""The Secrets and ConfigMaps that pods have beside their own environment: as files, and in other containers.

They are found in the pods as they will be, so that it does not matter by which field they came there. What a template
says is not checked by a schema: what has another shape than Kubernetes', or a name that no object can have, is left to
the API server to refuse.
"""

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeAlias

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core import wording
from utilitarian_operator.core.containers import BEAT, WORKER
from utilitarian_operator.core.objects.mounted import Contents
from utilitarian_operator.core.spec.references import (
    CONFIG_MAP,
    SECRET,
    Absent,
    Content,
    Reference,
    Target,
    contents_of,
)

MOST_MOUNTED = 100
"""Objects that are followed for one fleet: each is read twice a minute, with what all fleets may ask the API server."""

Mounts: TypeAlias = Mapping[str | None, tuple[Reference, ...] | None]
"""What the pods of each pool have, beat's under None; None for a pool with which there would be too many."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
"""Names of Secrets and ConfigMaps; no other one may come into the path of a request."""

_KEYS = {"secretRef": SECRET, "configMapRef": CONFIG_MAP, "secretKeyRef": SECRET, "configMapKeyRef": CONFIG_MAP}
_FILES = {"secret": SECRET, "configMap": CONFIG_MAP}


def mounts(pods: Mapping[str, Object], fleet: Fleet) -> Mounts:
    """What is followed of a fleet's pods.

    Args:
        pods: their templates, by the path of the part of the spec that asks for each.
        fleet: whose they are.
    """
    names: dict[str, str | None] = {f"spec.pools[{n}]": pool.name for n, pool in enumerate(fleet.pools)}
    names["spec.beat"] = None
    found: dict[str | None, tuple[Reference, ...] | None] = {}
    followed: set[Target] = set()
    for path, template in pods.items():
        name = names[path]
        of_pod = tuple(dict.fromkeys(mounted(_map(template.get("spec")), BEAT if name is None else WORKER)))
        more = followed | {it.target for it in of_pod}
        found[name] = of_pod if len(more) <= MOST_MOUNTED else None
        followed = followed if found[name] is None else more
    return found


def mounted_targets(found: Mounts) -> set[Target]:
    """All objects that must be read for it."""
    return {it.target for of_pod in found.values() for it in of_pod or ()}


def mounted_contents(found: Mounts, contents: Mapping[Target, Content], salt: str) -> dict[str | None, Contents | None]:
    """What is mounted, by pool name, beat's under None; None where too much is for it to be followed.

    An object that can't be read, or must be there and is not, is not known: so it keeps no other one from being
    followed.
    """
    return {name: None if of_pod is None else contents_of(of_pod, contents, salt) for name, of_pod in found.items()}


def not_followed(
    found: Mounts, named: Collection[Target], contents: Mapping[Target, Content], unread: Collection[Target]
) -> Iterator[str]:
    """What is said of objects that can't be followed, each a sentence.

    Args:
        found: what is mounted.
        named: what the environments name, without the broker's.
        contents: of all of them, as they were read last.
        unread: those that may not be read.
    """
    must = {it.target for of_pod in found.values() for it in of_pod or () if not it.optional}
    for target in sorted(must):
        if isinstance(contents.get(target), Absent):
            yield f"{target.kind} {target.name} is mounted and does not exist: no new pod starts without it; create it"
    forbidden = sorted({(it.kind, it.name) for it in unread if it in named or it in mounted_targets(found)})
    if forbidden:
        objects, them = (
            wording.named([f"{kind} {name}" for kind, name in forbidden], 3),
            "it" if len(forbidden) == 1 else "them",
        )
        why = f"the operator may not read {objects}, so no change of {them} rolls a pod"
        yield f"{why}: let it read {them} (rbac of its chart), or restart the workers after a change"


def mounted(pod: Object, own: str) -> Iterator[Reference]:
    """What one pod has beside the environment of its own container.

    Args:
        pod: its specification.
        own: the name of that container.
    """
    containers = [*_list(pod.get("initContainers")), *_list(pod.get("containers"))]
    for volume in _list(pod.get("volumes")):
        uses = [
            it for one in containers for it in _list(one.get("volumeMounts")) if it.get("name") == volume.get("name")
        ]
        if uses:
            sources = list(_sources(volume))
            for kind, source in sources:
                yield from _files(kind, source, _paths(uses) if len(sources) == 1 else None)
    for container in containers:
        if container.get("name") != own:
            for source in (*_list(container.get("envFrom")), *map(_value_from, _list(container.get("env")))):
                yield from _variables(source)


def _sources(volume: Object) -> Iterator[tuple[str, Object]]:
    """What a volume is made of: the kind of each object, and its source as Kubernetes has it in a projected volume."""
    for field, kind in _FILES.items():
        if field in volume:
            source = _map(volume[field])
            yield kind, {**source, "name": source.get("secretName" if kind == SECRET else "name")}
    for source in _list(_map(volume.get("projected")).get("sources")):
        for field, kind in _FILES.items():
            if field in source:
                yield kind, _map(source[field])


def _paths(uses: list[Object]) -> set[str] | None:
    """The paths within a volume that are seen; None where all of it is."""
    paths = {"." if "subPathExpr" in it else posixpath.normpath(str(it.get("subPath") or ".")) for it in uses}
    return None if "." in paths else paths


def _files(kind: str, source: Object, paths: set[str] | None) -> Iterator[Reference]:
    """The keys that become files, one by one where they are named."""
    name, optional = source.get("name"), source.get("optional") is True
    files = {posixpath.normpath(it["path"]): it["key"] for it in _list(source.get("items")) if _names_a_key(it)}
    if paths is not None:
        files = files or {path.partition("/")[0]: path.partition("/")[0] for path in paths}
        files = {at: key for at, key in files.items() if any(f"{at}/".startswith(f"{it}/") for it in paths)}
    for key in sorted(set(files.values())) or ([None] if paths is None else []):
        yield from _reference(kind, name, key, optional=optional)


def _variables(source: Object) -> Iterator[Reference]:
    for field, kind in _KEYS.items():
        if field in source:
            ref = _map(source[field])
            key = ref.get("key") if field.endswith("KeyRef") else None
            yield from _reference(kind, ref.get("name"), key, optional=ref.get("optional") is True)


def _reference(kind: str, name: object, key: object, *, optional: bool) -> Iterator[Reference]:
    if isinstance(name, str) and _NAME.fullmatch(name) and (key is None or isinstance(key, str)):
        yield Reference(Target(kind, name, digested=True), key, "", optional)


def _names_a_key(item: Object) -> bool:
    return isinstance(item.get("path"), str) and isinstance(item.get("key"), str)


def _value_from(variable: Object) -> Object:
    return _map(variable.get("valueFrom"))


def _map(value: Any) -> Object:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Object]:
    return [it for it in value if isinstance(it, dict)] if isinstance(value, list) else []

"""Who owns which field of an object, as server-side apply keeps it in `metadata.managedFields`.

Fields are paths as Kubernetes spells them: `f:spec`, `f:replicas`. An item of a list that is merged by a key is
`k:{"name":"worker"}`, and the item as such is the path that ends in `.` below it (Kubernetes' manual, "Server-Side
Apply", and the package structured-merge-diff).
"""

import copy
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from utilitarian_operator.api.objects import Object, ReadOnlyObject

Path: TypeAlias = tuple[str, ...]

KEYS = {
    "conditions": "type",
    "containers": "name",
    "env": "name",
    "initContainers": "name",
    "ownerReferences": "uid",
    "volumeMounts": "mountPath",
    "volumes": "name",
    "webhooks": "name",
}
"""Lists that are merged by a key; every other list is one value."""

_OF_THE_SERVER = ("creationTimestamp", "generation", "managedFields", "name", "namespace", "resourceVersion", "uid")


def owned_fields(manifest: ReadOnlyObject) -> set[Path]:
    """All fields that a manager owns who writes this; without the object's name and what the API server sets."""
    metadata = {key: value for key, value in manifest.get("metadata", {}).items() if key not in _OF_THE_SERVER}
    rest = {key: value for key, value in manifest.items() if key not in {"apiVersion", "kind", "metadata"}}
    return set(_leaves({**rest, "metadata": metadata} if metadata else rest)) - {()}


def changed_fields(before: ReadOnlyObject, after: ReadOnlyObject) -> set[Path]:
    """The fields that are there after a write with a value that they didn't have before."""
    return {path for path in owned_fields(after) if value_at(before, path) != value_at(after, path)}


def to_tree(paths: Iterable[Path]) -> Object:
    """Paths as `fieldsV1` has them."""
    tree: Object = {}
    for path in sorted(paths):
        at = tree
        for part in path:
            at = at.setdefault(part, {})
    return tree


def from_tree(tree: Mapping[str, Any], at: Path = ()) -> set[Path]:
    """The paths in a `fieldsV1`."""
    return {it for part, below in tree.items() for it in (from_tree(below, (*at, part)) if below else {(*at, part)})}


def value_at(body: Any, path: Path) -> Any:
    """The value of a field; None where there is none; True for an item of a list that is there."""
    for part in path:
        if part == ".":
            return body is not None
        body = _below(body, part)
    return body


def without(body: Object, paths: Iterable[Path], kept: Iterable[Path]) -> Object:
    """The object without some fields; an item of a list stays while a manager owns a field of it.

    Args:
        body: the object.
        paths: that no manager owns any more.
        kept: that a manager owns.
    """
    result, kept = copy.deepcopy(body), set(kept)
    for path in sorted(paths, key=lambda it: (-len(it), it)):  # what is below first, and an item before its key
        at = path[:-1]
        if path[-1] != ".":
            parent = value_at(result, at)
            if isinstance(parent, dict) and not _is_key(path):
                parent.pop(path[-1][2:], None)
        elif not any(it[: len(at)] == at for it in kept):
            items = value_at(result, at[:-1])
            item = _below(items, at[-1])
            if item is not None:
                items.remove(item)
    return result


def merged(live: Any, change: Any, *, by_key: bool, name: str = "") -> Any:
    """A value with a change: None takes a field away, and a list takes the place of the one that is there.

    Args:
        live: as it is.
        change: to it.
        by_key: whether lists that have a key are merged by it.
        name: of the field.
    """
    if isinstance(change, Mapping):
        result = dict(live) if isinstance(live, Mapping) else {}
        for key, value in change.items():
            if value is None:
                result.pop(key, None)
            else:
                result[key] = merged(result.get(key), value, by_key=by_key, name=key)
        return result
    if by_key and name in KEYS and isinstance(live, list):
        return _merged_lists(live, change, KEYS[name])
    return copy.deepcopy(change)


def _merged_lists(live: list[Any], change: list[Any], key: str) -> list[Any]:
    changes = {item[key]: item for item in change}
    there = {item[key] for item in live}
    merged_items = [merged(item, changes[item[key]], by_key=True) if item[key] in changes else item for item in live]
    return [*merged_items, *(item for item in change if item[key] not in there)]


def _leaves(value: Any, at: Path = (), name: str = "") -> Iterator[Path]:
    if isinstance(value, Mapping) and value:
        for key, below in value.items():
            yield from _leaves(below, (*at, f"f:{key}"), key)
    elif isinstance(value, list) and name in KEYS:
        for item in value:
            here = (*at, f"k:{json.dumps({KEYS[name]: item[KEYS[name]]}, separators=(',', ':'))}")
            yield (*here, ".")
            yield from _leaves(item, here)
    else:
        yield at


def _is_key(path: Path) -> bool:
    """Whether a field is the key by which an item of a list is found."""
    return len(path) > 1 and path[-2].startswith("k:") and path[-1][2:] in json.loads(path[-2][2:])


def _below(body: Any, part: str) -> Any:
    if part.startswith("f:"):
        return body.get(part[2:]) if isinstance(body, Mapping) else None
    wanted = json.loads(part[2:])
    return next((item for item in body or () if wanted.items() <= item.items()), None)

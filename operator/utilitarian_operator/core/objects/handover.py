"""What the operator's create of an object holds becomes its apply's, in one write where an apply would take two.

A create holds each field that it made: those of the manifest, the API server's defaults, and what a webhook put in. An
apply holds the manifest's alone, and later takes away what a newer manifest drops. So only the manifest's are handed
over, and nothing at all unless each of them is there as it was asked for: an apply puts right what is not.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from utilitarian_operator.api.objects import Object, ReadOnlyObject
from utilitarian_operator.core.labels import MANAGER

_REPLICAS: Object = {"f:spec": {"f:replicas": {}}}
_OF_THE_SERVER = frozenset({"name", "namespace"})
"""Parts of a manifest's metadata that name the object, and that no manager holds."""


def is_our_create(entry: ReadOnlyObject) -> bool:
    """Whether an entry of managedFields is of the operator's create."""
    return entry.get("manager") == MANAGER and entry.get("operation") == "Update" and not entry.get("subresource")


def handed_over(manifest: ReadOnlyObject, live: ReadOnlyObject) -> list[Object] | None:
    """The managedFields of an object that was created and never applied, as they are after its first apply.

    Args:
        manifest: as it was asked for, without the replicas of a Deployment: those stay the create's.
        live: as it is.

    Returns:
        None where the object is not as its manifest, or more than the create holds the manifest's fields.
    """
    entries = live["metadata"].get("managedFields", [])
    create = next((it for it in entries if is_our_create(it)), None)
    if create is None:
        return None
    held = _held(_asked_for(manifest), live, create.get("fieldsV1", {}))
    if held is None:
        return None
    ours = [{**create, "operation": "Apply", "fieldsV1": held}]
    if "f:replicas" in create["fieldsV1"].get("f:spec", {}) and "replicas" not in manifest["spec"]:
        ours.append({**create, "fieldsV1": _REPLICAS})
    return [*ours, *(it for it in entries if it is not create)]


def all_handed_over(live: ReadOnlyObject, *, replicas_stay: bool) -> list[Object]:
    """The managedFields of an object that was created and never applied, with what its create holds as an apply's.

    Also the API server's defaults, which it puts back when the next apply takes them away.

    Args:
        live: as it is.
        replicas_stay: whether the number of replicas stays the create's.
    """
    fields: list[Object] = []
    for entry in live["metadata"].get("managedFields", []):
        held = entry.get("fieldsV1", {})
        spec = held.get("f:spec", {})
        if not is_our_create(entry):
            fields.append(entry)
        elif replicas_stay and "f:replicas" in spec:
            others = {name: it for name, it in spec.items() if name != "f:replicas"}
            fields.append({**entry, "operation": "Apply", "fieldsV1": {**held, "f:spec": others}})
            fields.append({**entry, "fieldsV1": _REPLICAS})
        else:
            fields.append({**entry, "operation": "Apply"})
    return fields


def carries(manifest: ReadOnlyObject, live: ReadOnlyObject) -> bool:
    """Whether an apply of a manifest would change nothing: all of it is there as it was asked for, and held by us.

    What another client changes of it is that client's from then on; what a newer manifest drops is held until an apply.

    Args:
        manifest: as it is asked for.
        live: as it is.
    """
    applies = [it for it in live["metadata"].get("managedFields", []) if _is_our_apply(it)]
    fields = applies[0].get("fieldsV1", {}) if len(applies) == 1 else {}
    return bool(fields) and _held(_asked_for(manifest), live, fields) == fields


def _is_our_apply(entry: ReadOnlyObject) -> bool:
    return entry.get("manager") == MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource")


def _asked_for(manifest: ReadOnlyObject) -> Object:
    """The parts of a manifest that a manager holds."""
    metadata = {name: it for name, it in manifest["metadata"].items() if name not in _OF_THE_SERVER}
    return {"metadata": metadata, "spec": manifest["spec"]}


def _held(asked: Any, there: Any, fields: Mapping[str, Any]) -> Object | None:
    """The fields of a value as an apply of it holds them; None where not all of it is there and held by the create.

    Args:
        asked: a part of the manifest.
        there: the same part of the object.
        fields: those of it that the create (or the apply) holds, as `fieldsV1` has them; none below what is held as
            a whole.
    """
    if not fields:
        return {} if _within(asked, there) else None
    held: Object = {}
    for name, part, of_it in _items(asked, there, fields) if isinstance(asked, list) else _members(asked, there):
        below = fields.get(name)
        if not below and _is_empty(part) and of_it is None:
            held[name] = {}
            continue
        found = None if below is None else _held(part, of_it, below)
        if below is None or found is None:
            return None
        held[name] = {".": {}, **found} if below and name.startswith("k:") else found
    return held


_Part = tuple[str, Any, Any]
"""The name of a part in `fieldsV1`, the part as it was asked for, and as it is."""

_UNKNOWN: _Part = ("", None, None)
"""A part that no create holds."""


def _members(asked: Any, there: Any) -> Iterator[_Part]:
    """The fields of a mapping."""
    if not isinstance(asked, Mapping) or not isinstance(there, Mapping):
        yield _UNKNOWN
        return
    yield from ((f"f:{name}", it, there.get(name)) for name, it in asked.items())


def _is_empty(part: Any) -> bool:
    """Whether the API server leaves it out; an apply holds it all the same, and notices what another puts there."""
    return part in ("", [], {})


def _items(asked: list[Any], there: Any, fields: Mapping[str, Any]) -> Iterator[_Part]:
    """The items of a list that is merged by a key."""
    keys = [(name, json.loads(name[2:])) for name in fields if name.startswith("k:")]
    for item in asked:
        name, key = next((it for it in keys if _has(item, it[1])), ("", {}))
        yield name, item, next((it for it in there or () if _has(it, key)), None)


def _within(asked: Any, there: Any) -> bool:
    """Whether a value that is held as a whole is there as it was asked for; the API server adds defaults to it, too."""
    if isinstance(asked, Mapping) and isinstance(there, Mapping):
        return all(_within(it, there.get(name)) for name, it in asked.items())
    if isinstance(asked, list) and isinstance(there, list):
        return len(asked) == len(there) and all(map(_within, asked, there))
    return bool(asked == there)


def _has(item: Any, key: Mapping[str, Any]) -> bool:
    """Whether an item has this key; what it leaves out of it is a default, such as the protocol of a port."""
    return isinstance(item, Mapping) and all(item.get(name, value) == value for name, value in key.items())

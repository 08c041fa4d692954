"""What is kept of an object that a watch or a list shows: nothing that is never read, and nothing that is too large.

Who may write an object in a namespace decides how large it is, up to what etcd takes, 1.5 MiB; and as Python keeps it,
that is up to twenty times as much. The operator's memory is that of all namespaces.
"""

from typing import Any

from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.validation.size import TOO_LARGE, too_large, weight
from utilitarian_operator.core.draining.eviction_guard import GUARD
from utilitarian_operator.core.labels import DELETION_COST, INSTANCE_LABEL

FLEETS = "utilitarianworkerpools"
PODS = "pods"

MOST_OF_AN_OBJECT = 8 * 2**20
"""Bytes of memory for one object of a fleet: more than a Deployment takes that is made from the largest spec."""

_OF_THE_METADATA = frozenset(
    {"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "labels"}
)
_OF_A_CHILDS_METADATA = _OF_THE_METADATA | {"annotations", "ownerReferences", "managedFields"}
_OF_A_PODS_SPEC = frozenset(
    {"nodeName", "schedulerName", "schedulingGates", "readinessGates", "containers", "initContainers"}
)
_OURS = ("utilitarian.io/", DELETION_COST, *GUARD)
"""What the names of those annotations begin with that are read of fleets and pods."""

_AT_LEAST = ("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp")


def kept(kind: str, body: Object, known: Object | None = None) -> Object:
    """An object without what is never read; of one that is too large little more than its name, and why.

    Args:
        kind: its plural.
        body: as the API server sent it, or as it is kept.
        known: the same object as it is kept already, if it is: what is told again, as each write is, is not weighed.
    """
    if TOO_LARGE in body:
        return body
    if kind == FLEETS:
        return _fleet(body, known)
    cut = _pod(body) if kind == PODS else _with(body, metadata=_only(body["metadata"], _OF_A_CHILDS_METADATA))
    if known is not None and cut == known:
        return known
    if weight(cut) <= MOST_OF_AN_OBJECT:
        return cut
    why = f"{kind} {body['metadata']['name']} takes more than {MOST_OF_AN_OBJECT // 2**20} MiB of memory"
    return {"metadata": _least(body["metadata"]), TOO_LARGE: why}


def _fleet(body: Object, known: Object | None) -> Object:
    """A resource; its spec is left out where it is too large: then the one before goes on, and its status says why."""
    cut, spec = _with(body, metadata=metadata_of_a_fleet(body["metadata"])), body.get("spec")
    if known is not None and cut == known:
        return known
    if weight(body.get("status")) > MOST_OF_AN_OBJECT:
        cut = _with(cut, status={})
    problem = None if known is not None and spec == known.get("spec") else too_large(spec)
    return cut if problem is None else {**cut, "spec": {}, TOO_LARGE: list(problem)}


def metadata_of_a_fleet(metadata: Object) -> Object:
    """A resource's metadata as it is kept."""
    cut = _with_our_annotations(metadata)
    return cut if weight(cut) <= MOST_OF_AN_OBJECT else _least(metadata)


def _pod(body: Object) -> Object:
    cut = _with(body, metadata=_with_our_annotations(body["metadata"], "ownerReferences"))
    return _with(cut, spec=_only(body["spec"], _OF_A_PODS_SPEC)) if "spec" in body else cut


def _with_our_annotations(metadata: Object, *more: str) -> Object:
    cut = _only(metadata, {*_OF_THE_METADATA, "annotations", *more})
    there = metadata.get("annotations") or {}
    ours = {name: it for name, it in there.items() if name.startswith(_OURS)}
    return cut if len(ours) == len(there) else _with(cut, annotations=ours)


def _least(metadata: Object) -> Object:
    instance = (metadata.get("labels") or {}).get(INSTANCE_LABEL)
    return _only(metadata, frozenset(_AT_LEAST)) | ({"labels": {INSTANCE_LABEL: instance}} if instance else {})


def _only(value: Object, names: frozenset[str] | set[str]) -> Object:
    """The fields that are named; the same object where there are no others."""
    return value if value.keys() <= names else {name: it for name, it in value.items() if name in names}


def _with(value: Object, **fields: Any) -> Object:
    """A value with other fields; the same object where they are no others."""
    return value if all(value.get(name) is it for name, it in fields.items()) else {**value, **fields}

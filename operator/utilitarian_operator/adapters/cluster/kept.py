"""What is kept of an object that a watch or a list shows: nothing that is never read, and nothing that is too large.

Who may write an object in a namespace decides how large it is, up to what etcd takes, 1.5 MiB; and as Python keeps it,
that is up to twenty times as much. The operator's memory is that of all namespaces.
"""

from typing import Any

from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.validation.size import MOST_OF_A_SPEC, TOO_LARGE, too_large, weight
from utilitarian_operator.core.draining.eviction_guard import GUARD
from utilitarian_operator.core.labels import DELETION_COST, INSTANCE_LABEL

FLEETS = "utilitarianworkerpools"
PODS = "pods"

MOST_OF_AN_OBJECT = 8 * 2**20
"""Bytes of memory for one object of a fleet: more than a Deployment takes that is made from the largest spec."""

MOST_OF_A_DEPARTED_POD = 64 * 2**10
"""Bytes of memory: a larger one is not kept after its end."""

_OF_THE_METADATA = frozenset(
    {"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "labels"}
)
_OF_A_CHILDS_METADATA = _OF_THE_METADATA | {"annotations", "ownerReferences", "managedFields"}
_OF_A_PODS_SPEC = frozenset(
    {"nodeName", "schedulerName", "schedulingGates", "readinessGates", "containers", "initContainers"}
)
_OF_A_PODS_METADATA = _OF_THE_METADATA | {"annotations", "ownerReferences", "deletionGracePeriodSeconds"}
_OURS = ("utilitarian.io/", DELETION_COST, *GUARD)
"""What the names of those annotations begin with that are read of fleets and pods."""

_AT_LEAST = ("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp")


def kept(kind: str, body: Object) -> Object:
    """An object without what is never read; of one that is too large little more than its name, and why.

    Args:
        kind: its plural.
        body: as the API server sent it, or as it is kept.
    """
    return fitting(kind, cut(kind, body))[0]


def cut(kind: str, body: Object) -> Object:
    """An object without what is never read, however large."""
    if TOO_LARGE in body:
        return body
    if kind == FLEETS:
        return _with(body, metadata=metadata_of_a_fleet(body["metadata"]))
    return _pod(body) if kind == PODS else _with(body, metadata=_only(body["metadata"], _OF_A_CHILDS_METADATA))


def fitting(kind: str, body: Object) -> tuple[Object, int]:
    """What is kept of an object that was cut, and how much memory it takes: it is weighed once, as a whole."""
    bytes_ = weight(body)
    most = MOST_OF_A_SPEC if kind == FLEETS else MOST_OF_AN_OBJECT
    if bytes_ <= most or TOO_LARGE in body:
        return body, bytes_
    small = _small_fleet(body) if kind == FLEETS else _small(kind, body)
    return small, weight(small)


def is_small(pod: Object) -> bool:
    """Whether a pod is kept until the look after its end."""
    return weight(pod) <= MOST_OF_A_DEPARTED_POD


def is_too_large(kind: str, body: Object) -> str:
    """Why nothing can be decided where an object is; empty where it is not too large, or a fleet, which says it."""
    return "" if kind == FLEETS else str(body.get(TOO_LARGE, ""))


def _small(kind: str, body: Object) -> Object:
    why = f"{kind} {body['metadata']['name']} takes more than {MOST_OF_AN_OBJECT // 2**20} MiB of memory"
    return {"metadata": _least(body["metadata"]), TOO_LARGE: why}


def _small_fleet(body: Object) -> Object:
    """A resource; its spec is left out where it is too large: then the one before goes on, and its status says why."""
    if weight(body.get("status")) > MOST_OF_AN_OBJECT:
        body = _with(body, status={})
    problem = too_large(body.get("spec"))
    return body if problem is None else {**body, "spec": {}, TOO_LARGE: list(problem)}


def metadata_of_a_fleet(metadata: Object) -> Object:
    """A resource's metadata as it is kept."""
    ours = _with_our_annotations(metadata, _OF_THE_METADATA | {"annotations"})
    return ours if weight(ours) <= MOST_OF_AN_OBJECT else _least(metadata)


def _pod(body: Object) -> Object:
    pod = _with(body, metadata=_with_our_annotations(body["metadata"], _OF_A_PODS_METADATA))
    return _with(pod, spec=_only(body["spec"], _OF_A_PODS_SPEC)) if "spec" in body else pod


def _with_our_annotations(metadata: Object, names: frozenset[str]) -> Object:
    read = _only(metadata, names)
    there = metadata.get("annotations") or {}
    ours = {name: it for name, it in there.items() if name.startswith(_OURS)}
    return read if len(ours) == len(there) else _with(read, annotations=ours)


def _least(metadata: Object) -> Object:
    instance = (metadata.get("labels") or {}).get(INSTANCE_LABEL)
    return _only(metadata, frozenset(_AT_LEAST)) | ({"labels": {INSTANCE_LABEL: instance}} if instance else {})


def _only(value: Object, names: frozenset[str] | set[str]) -> Object:
    """The fields that are named; the same object where there are no others."""
    return value if value.keys() <= names else {name: it for name, it in value.items() if name in names}


def _with(value: Object, **fields: Any) -> Object:
    """A value with other fields; the same object where they are no others."""
    return value if all(value.get(name) is it for name, it in fields.items()) else {**value, **fields}

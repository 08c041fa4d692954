"""The accepted versions of a spec, as ControllerRevisions of Kubernetes.

The data of a ControllerRevision can't be changed once it is made. It goes with its resource, by the owner reference.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from utilitarian_operator.api.objects import Object, ReadOnlyObject
from utilitarian_operator.api.resource import API_VERSION, KIND
from utilitarian_operator.core.labels import INSTANCE_LABEL, MANAGED_BY_LABEL, MANAGER, Owner
from utilitarian_operator.core.objects.actions import controlled_by

KEPT = 3
"""Versions that are kept: the one that runs, and two to compare it with."""

_COMPONENT = "app.kubernetes.io/component"


def revision(owner: Owner, generation: int, spec: Mapping[str, Any]) -> Object:
    """The record of one accepted version.

    Args:
        owner: the resource.
        generation: of the resource, which is the revision's number too.
        spec: as it was written.
    """
    reference = {"apiVersion": API_VERSION, "kind": KIND, "name": owner.name, "uid": owner.uid, "controller": True}
    # Of the uid too: one that a deleted resource of the same name left behind for a moment is not in the way.
    digest = hashlib.sha256(f"{owner.uid} {generation}".encode()).hexdigest()[:10]
    labels = {INSTANCE_LABEL: owner.name, _COMPONENT: "spec", MANAGED_BY_LABEL: MANAGER}
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{owner.name}-spec-{digest}",
            "namespace": owner.namespace,
            "labels": labels,
            "ownerReferences": [reference],
        },
        "revision": generation,
        "data": {"spec": dict(spec)},
    }


def spec_of(record: ReadOnlyObject) -> Mapping[str, Any] | None:
    """The spec that a record holds; None where another client has written something else there."""
    data = record.get("data")
    spec = data.get("spec") if isinstance(data, Mapping) else None
    return spec if isinstance(spec, Mapping) else None


def selector(name: str) -> str:
    """The label selector of the records of a resource.

    Args:
        name: of the resource.
    """
    return f"{INSTANCE_LABEL}={name},{_COMPONENT}=spec,{MANAGED_BY_LABEL}={MANAGER}"


def in_order(live: Iterable[Object], owner_uid: str) -> list[Object]:
    """The resource's own records, the newest last; before them, to go first, what a resource of its name left behind.

    Those that another resource still controls are left out.
    """
    ours = [it for it in live if controlled_by(it, owner_uid) or not it["metadata"].get("ownerReferences")]
    return sorted(ours, key=lambda it: (controlled_by(it, owner_uid), int(it["revision"])))


def newest(ordered: Sequence[Object], owner_uid: str) -> Object | None:
    """The record of the version that was accepted last; None if none was."""
    return ordered[-1] if ordered and controlled_by(ordered[-1], owner_uid) else None

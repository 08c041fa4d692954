"""What an operator has made for a fleet, without what differs between two fleets of the same spec in two namespaces."""

import difflib
from collections.abc import Mapping
from typing import Any

import yaml

from tests.support.fleet import Fleet
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.labels import (
    CONFIG_CHECKSUM,
    ENVIRONMENT,
    MANAGER,
    MOUNTS,
    MOUNTS_CHECKSUM,
    TEMPLATE_HASH,
)

KINDS = ("apps/v1/deployments", "apps/v1/statefulsets", "policy/v1/poddisruptionbudgets")
ITS_OWN = {"uid", "resourceVersion", "creationTimestamp", "generation", "namespace", "managedFields"}
SALTED = {CONFIG_CHECKSUM, ENVIRONMENT, MOUNTS, MOUNTS_CHECKSUM, TEMPLATE_HASH}
"""Annotations whose values no two resources share; that they are there is compared."""

OF_CONTROLLERS = {"deployment.kubernetes.io/revision"}
SCALED_TO = "spec.replicas"


def children(fleet: Fleet, *, scaled: bool = True) -> dict[str, Object]:
    """Every object but beat's claim, by kind and name; the claim outlives what asked for it.

    Args:
        fleet: whose objects.
        scaled: whether the numbers of workers count.
    """
    found: dict[str, Object] = {}
    for kind in KINDS:
        group, _, plural = kind.rpartition("/")
        path = f"/apis/{group}/namespaces/{fleet.namespace}/{plural}"
        for item in fleet.controlplane.request("GET", path)["items"]:
            found[f"{plural}/{item['metadata']['name']}"] = _told(item, scaled=scaled or plural != "deployments")
    return found


def difference(walked: Mapping[str, Object], fresh: Mapping[str, Object]) -> str:
    """What is in the one and not in the other, as lines; empty where they are the same."""
    if walked == fresh:
        return ""
    one, other = (yaml.safe_dump(dict(it), sort_keys=True).splitlines() for it in (walked, fresh))
    return "\n".join(difflib.unified_diff(one, other, "walked", "fresh", lineterm="", n=6))


def _told(item: Object, *, scaled: bool) -> Object:
    metadata = {key: value for key, value in item["metadata"].items() if key not in ITS_OWN}
    owners = [{key: value for key, value in it.items() if key != "uid"} for it in metadata.get("ownerReferences", [])]
    metadata["ownerReferences"] = owners
    metadata["annotations"] = _annotations(metadata)
    spec = dict(item["spec"])
    if not scaled:
        spec.pop("replicas", None)
    template = spec.get("template")
    if template is not None:
        spec["template"] = template | {
            "metadata": template["metadata"] | {"annotations": _annotations(template["metadata"])}
        }
    return {"metadata": metadata, "spec": spec, "held": _held(item)}


def _annotations(metadata: Mapping[str, Any]) -> dict[str, str]:
    found = metadata.get("annotations") or {}
    return {
        name: "" if name in SALTED else value for name, value in sorted(found.items()) if name not in OF_CONTROLLERS
    }


def _held(item: Object) -> list[Object]:
    """The fields that the operator holds of it: one that was taken away must not stay."""
    entries = item["metadata"].get("managedFields", [])
    held = [it["fieldsV1"] for it in entries if (it["manager"], it["operation"]) == (MANAGER, "Apply")]
    return [_without_uids(it) for it in held]


def _without_uids(fields: Any) -> Any:
    if not isinstance(fields, dict):
        return fields
    return {"k:{uid}" if "uid" in key else key: _without_uids(value) for key, value in fields.items()}

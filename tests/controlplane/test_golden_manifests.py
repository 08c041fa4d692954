"""The objects of every example are taken by a real API server that is told to be strict, and mean the same to it."""

from typing import Any

import pytest

from tests.golden.manifests import examples, objects
from tests.support.controlplane import APPLY_PATCH, ControlPlane
from utilitarian_operator.adapters.cluster.ownership import Path, from_tree
from utilitarian_operator.core.labels import MANAGER
from utilitarian_operator.core.objects.handover import carries, handed_over

EXAMPLES = examples()
COLLECTIONS = {
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "PersistentVolumeClaim": "/api/v1/namespaces/{}/persistentvolumeclaims",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
}


def apply(controlplane: ControlPlane, manifest: dict[str, Any], query: str = "") -> dict[str, Any]:
    path = COLLECTIONS[manifest["kind"]].format(manifest["metadata"]["namespace"]) + "/" + manifest["metadata"]["name"]
    options = f"?fieldManager=tests&fieldValidation=Strict{query}"
    applied: dict[str, Any] = controlplane.request("PATCH", path + options, manifest, APPLY_PATCH)
    return applied


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_strict_api_server_takes_every_object(controlplane: ControlPlane, namespace: str, example: str) -> None:
    for manifest in objects(EXAMPLES[example], namespace):
        applied = apply(controlplane, manifest, "&dryRun=All")
        assert applied["metadata"]["name"] == manifest["metadata"]["name"]
        assert _within(manifest, applied), manifest["metadata"]["name"]


def test_applied_again_nothing_changes(controlplane: ControlPlane, namespace: str) -> None:
    for manifest in objects(EXAMPLES["minimal"], namespace):
        manifest["metadata"].pop("ownerReferences", None)  # of a resource that doesn't exist: it would be collected
        first, again = apply(controlplane, manifest), apply(controlplane, manifest)
        assert again["metadata"].get("generation") == first["metadata"].get("generation")


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_is_made_is_handed_to_the_apply_field_by_field(
    controlplane: ControlPlane, namespace: str, example: str
) -> None:
    """What the operator says of who holds what is what the API server says after an apply of the same."""
    kinds = {"Deployment", "PodDisruptionBudget"}
    for manifest in [it for it in objects(EXAMPLES[example], namespace) if it["kind"] in kinds]:
        path = COLLECTIONS[manifest["kind"]].format(namespace)
        options = f"?fieldManager={MANAGER}&fieldValidation=Strict"
        first = manifest | ({"spec": manifest["spec"] | {"replicas": 0}} if manifest["kind"] == "Deployment" else {})
        made = controlplane.request("POST", path + options, first)
        item = f"{path}/{manifest['metadata']['name']}{options}&force=true&dryRun=All"
        applied = controlplane.request("PATCH", item, manifest, APPLY_PATCH)
        fields = handed_over(manifest, made)
        assert fields is not None, manifest["metadata"]["name"]
        assert _applied(fields) == _applied(applied["metadata"]["managedFields"])
        assert carries(manifest, applied), "else each start of the operator applies it again"


def test_beat_is_not_applied_again_at_a_start(controlplane: ControlPlane, namespace: str) -> None:
    for resource in EXAMPLES.values():
        for manifest in [it for it in objects(resource, namespace) if it["kind"] == "StatefulSet"]:
            item = f"{COLLECTIONS['StatefulSet'].format(namespace)}/{manifest['metadata']['name']}"
            options = f"?fieldManager={MANAGER}&fieldValidation=Strict&dryRun=All"
            applied = controlplane.request("PATCH", item + options, manifest, APPLY_PATCH)
            assert carries(manifest, applied), manifest["metadata"]["name"]


def _applied(entries: list[dict[str, Any]]) -> set[Path]:
    (held,) = [it["fieldsV1"] for it in entries if it["operation"] == "Apply"]
    return from_tree(held)


def _within(wanted: Any, got: Any) -> bool:
    """Whether all that was said is there as it was said; the API server adds defaults and drops what is empty."""
    if isinstance(wanted, dict):
        return isinstance(got, dict) and all(_within(value, got.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        if not wanted:
            return not got
        return isinstance(got, list) and len(got) == len(wanted) and all(map(_within, wanted, got))
    return wanted == got or (wanted == "" and got is None)

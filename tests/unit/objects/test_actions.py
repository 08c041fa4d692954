"""What must be done to an object: make it, apply it, let go of what its create held, scale it, delete it, nothing."""

from collections.abc import Mapping
from typing import Any

import pytest

from utilitarian_operator.api.resource import KIND
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.objects.actions import (
    Action,
    Apply,
    Belongs,
    Create,
    Delete,
    Disown,
    HandAllOver,
    ScaleTo,
    belongs,
    controlled_by,
    held_by_create,
    released_fields,
    scale_action,
    superfluous,
    template_actions,
)

WANTED = {
    "kind": "Deployment",
    "metadata": {"name": "fleet-a", "annotations": {"utilitarian.io/applied": "new"}},
    "spec": {"template": {}},
}
CREATED = {"manager": "utilitarian-operator", "operation": "Update", "fieldsV1": {"f:metadata": {}, "f:spec": {}}}
TEMPLATE_HELD = {
    "manager": "utilitarian-operator",
    "operation": "Update",
    "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {}}},
}
RELEASED = {
    "manager": "utilitarian-operator",
    "operation": "Update",
    "fieldsV1": {"f:spec": {"f:replicas": {}}},
}
APPLIED = {"manager": "utilitarian-operator", "operation": "Apply", "fieldsV1": {"f:spec": {"f:template": {}}}}
SCALED = {
    "manager": "utilitarian-operator",
    "operation": "Update",
    "subresource": "scale",
    "fieldsV1": {"f:spec": {"f:replicas": {}}},
}
STATUS = {
    "manager": "kube-controller-manager",
    "operation": "Update",
    "subresource": "status",
    "fieldsV1": {"f:status": {}},
}
KUBECTL = {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {"f:paused": {}}}}


def live(
    *managed: Mapping[str, Any], applied: str | None = "new", name: str = "fleet-a", uid: str = "mine", **spec: Any
) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "resourceVersion": "7",
            "annotations": {"utilitarian.io/applied": applied} if applied else None,
            "managedFields": list(managed),
            "ownerReferences": [{"uid": uid, "controller": True}],
        },
        "spec": spec,
    }


@pytest.mark.parametrize(
    "seen,kinds",
    [
        pytest.param(None, [Create], id="there-is-none"),
        pytest.param(live(CREATED), [Apply], id="just-created-and-not-as-it-was-asked-for"),
        pytest.param(live(CREATED, applied="old"), [HandAllOver], id="just-created-and-another-by-now"),
        pytest.param(live(CREATED, APPLIED), [Disown], id="created-and-applied"),
        pytest.param(live(TEMPLATE_HELD, APPLIED), [Disown], id="create-holds-the-template"),
        pytest.param(live(RELEASED, APPLIED), [], id="as-it-should-be"),
        pytest.param(live(RELEASED, APPLIED, SCALED, STATUS), [], id="scaled-and-running"),
        pytest.param(live(RELEASED, APPLIED, KUBECTL), [], id="what-others-hold-is-theirs"),
        pytest.param(live(APPLIED), [], id="a-statefulset-released"),
        pytest.param(live(RELEASED, APPLIED, applied="old"), [Apply], id="another-template"),
        pytest.param(live(CREATED, APPLIED, applied="old"), [Disown], id="let-go-before-another-is-applied"),
        pytest.param(live(RELEASED, APPLIED, applied=None), [Apply], id="annotation-taken-away"),
        pytest.param(live(), [Apply], id="no-manager-holds-anything"),
    ],
)
def test_what_brings_an_object_to_its_manifest(seen: dict[str, Any] | None, kinds: list[type[Action]]) -> None:
    assert [type(action) for action in template_actions(WANTED, seen)] == kinds


@pytest.mark.parametrize("replicas", [0, 5])
def test_a_deployment_is_created_with_its_replicas(replicas: int) -> None:
    [create] = template_actions(WANTED, None, replicas=replicas)
    assert create == Create({**WANTED, "spec": {"template": {}, "replicas": replicas}})
    assert "replicas" not in WANTED["spec"]


def test_a_statefulset_is_created_as_it_is() -> None:
    assert list(template_actions(WANTED, None)) == [Create(WANTED)]


@pytest.mark.parametrize("replicas", [None, 0, 5])
def test_an_apply_says_nothing_of_replicas(replicas: int | None) -> None:
    assert list(template_actions(WANTED, live(CREATED), replicas=replicas)) == [Apply(WANTED)]


def test_only_the_operators_create_lets_go_and_of_all_but_the_replicas() -> None:
    seen = live(TEMPLATE_HELD, APPLIED, SCALED, STATUS, KUBECTL)
    assert released_fields(seen) == [RELEASED, APPLIED, SCALED, STATUS, KUBECTL]
    released = live(*released_fields(seen))
    assert not held_by_create(released)
    assert released_fields(released) == released_fields(seen)


@pytest.mark.parametrize(
    "asked,wanted,step",
    [
        pytest.param({"replicas": 2}, 5, ScaleTo("fleet-a", 2, 5, "7"), id="up"),
        pytest.param({"replicas": 2}, 0, ScaleTo("fleet-a", 2, 0, "7"), id="to-zero"),
        pytest.param({"replicas": 0}, 0, None, id="stays-at-zero"),
        pytest.param({"replicas": 5}, 5, None, id="stays"),
        pytest.param({}, 1, None, id="kubernetes-own-default"),
        pytest.param({}, 0, ScaleTo("fleet-a", 1, 0, "7"), id="from-kubernetes-own-default"),
    ],
)
def test_a_step_to_a_number_of_workers(asked: dict[str, Any], wanted: int, step: ScaleTo | None) -> None:
    assert scale_action(live(**asked), wanted) == step


@pytest.mark.parametrize(
    "references,ours",
    [
        pytest.param([{"uid": "mine", "controller": True}], True, id="ours"),
        pytest.param([{"uid": "other", "controller": True}], False, id="of-another"),
        pytest.param([{"uid": "mine"}], False, id="not-the-controller"),
        pytest.param([{"uid": "mine", "controller": False}], False, id="said-not-to-be"),
        pytest.param([], False, id="of-no-one"),
        pytest.param([{"uid": "other"}, {"uid": "mine", "controller": True}], True, id="one-of-two"),
    ],
)
def test_who_controls_an_object(references: list[dict[str, Any]], *, ours: bool) -> None:
    assert controlled_by({"metadata": {"ownerReferences": references}}, "mine") is ours


def test_an_object_without_references_is_not_ours() -> None:
    assert not controlled_by({"metadata": {}}, "mine")


def test_what_the_resource_no_longer_asks_for_is_deleted_if_it_is_its_own() -> None:
    seen = {name: live(name=name) for name in ("fleet-b", "fleet-a", "fleet-c")}
    seen["fleet-d"] = live(name="fleet-d", uid="other")
    assert list(superfluous(["fleet-b"], seen, "mine")) == [Delete(seen["fleet-a"]), Delete(seen["fleet-c"])]
    assert list(superfluous(seen, seen, "mine")) == []
    assert list(superfluous([], {}, "mine")) == []


OWNER = Owner("ns", "fleet", "mine")
OURS = {"app.kubernetes.io/managed-by": "utilitarian-operator"}
MANAGED = [{"manager": "utilitarian-operator", "operation": "Apply", "fieldsV1": {"f:spec": {}}}]
PERSON = [{"manager": "kubectl", "operation": "Update", "fieldsV1": {}}]


def controller(uid: str = "mine", kind: str = KIND, name: str = "fleet") -> list[dict[str, Any]]:
    return [{"kind": kind, "name": name, "uid": uid, "controller": True}]


@pytest.mark.parametrize(
    "metadata,whose",
    [
        pytest.param({"ownerReferences": controller()}, Belongs.OURS, id="controlled"),
        pytest.param({"ownerReferences": controller("old")}, Belongs.PREDECESSORS, id="of a deleted resource"),
        pytest.param({"ownerReferences": controller("x", name="other")}, Belongs.ANOTHERS, id="of another fleet"),
        pytest.param({"ownerReferences": controller("x", "Rollout")}, Belongs.ANOTHERS, id="of another kind"),
        pytest.param({"labels": OURS, "managedFields": MANAGED}, Belongs.LEFT, id="left behind"),
        pytest.param({"labels": OURS, "managedFields": PERSON}, Belongs.ANOTHERS, id="only labelled so"),
        pytest.param({"labels": {}, "managedFields": MANAGED}, Belongs.ANOTHERS, id="labels taken away"),
        pytest.param({}, Belongs.ANOTHERS, id="another's"),
    ],
)
def test_whose_an_object_is(metadata: dict[str, Any], whose: Belongs) -> None:
    assert belongs({"kind": "Deployment", "metadata": {"name": "fleet-a", **metadata}}, OWNER) is whose

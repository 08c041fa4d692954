"""What the create of an object holds goes to its apply: the manifest's fields alone, and only where all are there."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from utilitarian_operator.core.labels import MANAGER, TEMPLATE_HASH
from utilitarian_operator.core.objects.actions import (
    Apply,
    Disown,
    HandAllOver,
    HandOver,
    handed_over_fields,
    held_by_create,
    template_actions,
)
from utilitarian_operator.core.objects.handover import carries, handed_over

Body = dict[str, Any]

MANIFEST: Body = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "fleet-a",
        "namespace": "ns",
        "labels": {"app": "a"},
        "annotations": {TEMPLATE_HASH: "1"},
        "ownerReferences": [{"uid": "u", "kind": "UtilitarianWorkerPool", "controller": True}],
    },
    "spec": {
        "selector": {"matchLabels": {"app": "a"}},
        "template": {
            "spec": {
                "tolerations": [],
                "terminationGracePeriodSeconds": 0,
                "containers": [
                    {
                        "name": "worker",
                        "image": "i",
                        "command": ["celery", "worker"],
                        "env": [
                            {"name": "A", "value": "1"},
                            {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "p"}}},
                        ],
                        "envFrom": [],
                        "ports": [{"containerPort": 80}],
                    }
                ],
            }
        },
    },
}
"""As the operator asks for it."""

NAME, A, B = ('k:{"name":"worker"}', 'k:{"name":"A"}', 'k:{"name":"B"}')
PORT, OWNER = 'k:{"containerPort":80,"protocol":"TCP"}', 'k:{"uid":"u"}'
VARIABLES: Body = {
    A: {".": {}, "f:name": {}, "f:value": {}},
    B: {".": {}, "f:name": {}, "f:valueFrom": {".": {}, "f:fieldRef": {}}},
}
CONTAINER: Body = {
    ".": {},
    "f:command": {},
    "f:env": {".": {}, **VARIABLES},
    "f:image": {},
    "f:imagePullPolicy": {},
    "f:name": {},
    "f:ports": {".": {}, PORT: {".": {}, "f:containerPort": {}, "f:protocol": {}}},
}
METADATA: Body = {
    "f:annotations": {".": {}, f"f:{TEMPLATE_HASH}": {}},
    "f:labels": {".": {}, "f:app": {}, "f:injected": {}},
    "f:ownerReferences": {".": {}, OWNER: {}},
}
CREATED: Body = {
    "manager": MANAGER,
    "operation": "Update",
    "time": "then",
    "fieldsV1": {
        "f:metadata": METADATA,
        "f:spec": {
            "f:progressDeadlineSeconds": {},
            "f:replicas": {},
            "f:selector": {},
            "f:template": {
                "f:spec": {
                    "f:containers": {NAME: CONTAINER},
                    "f:dnsPolicy": {},
                    "f:terminationGracePeriodSeconds": {},
                }
            },
        },
    },
}
"""Of the create, as the API server tells it: with its defaults, and what a webhook put in."""

OTHER: Body = {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "fieldsV1": {}}

TAKEN: Body = {
    "f:metadata": {
        "f:annotations": {f"f:{TEMPLATE_HASH}": {}},
        "f:labels": {"f:app": {}},
        "f:ownerReferences": {OWNER: {}},
    },
    "f:spec": {
        "f:selector": {},
        "f:template": {
            "f:spec": {
                "f:containers": {
                    NAME: {
                        ".": {},
                        "f:command": {},
                        "f:env": {A: VARIABLES[A], B: {".": {}, "f:name": {}, "f:valueFrom": {"f:fieldRef": {}}}},
                        "f:envFrom": {},
                        "f:image": {},
                        "f:name": {},
                        "f:ports": {PORT: {".": {}, "f:containerPort": {}}},
                    }
                },
                "f:terminationGracePeriodSeconds": {},
                "f:tolerations": {},
            }
        },
    },
}
"""As an apply holds it: what is empty, too, which no create does; else what another puts there is not noticed."""


def live(*more: Body) -> Body:
    """The object as it was made of the manifest."""
    body = copy.deepcopy(MANIFEST)
    body["metadata"] |= {"resourceVersion": "7", "labels": {"app": "a", "injected": "yes"}}
    body["spec"] |= {"replicas": 3, "progressDeadlineSeconds": 600}
    pod = body["spec"]["template"]["spec"]
    pod["dnsPolicy"] = "ClusterFirst"
    del pod["tolerations"]
    (container,) = pod["containers"]
    container["imagePullPolicy"] = "Always"
    container["ports"][0]["protocol"] = "TCP"
    container["env"][1]["valueFrom"]["fieldRef"]["apiVersion"] = "v1"
    del container["envFrom"]
    body["metadata"]["managedFields"] = [copy.deepcopy(CREATED), *more]
    return body


def container(body: Body) -> Body:
    found: Body = body["spec"]["template"]["spec"]["containers"][0]
    return found


def test_the_manifests_fields_go_to_the_apply_and_the_replicas_stay() -> None:
    made = live(OTHER)
    assert handed_over(MANIFEST, made) == [
        {"manager": MANAGER, "operation": "Apply", "time": "then", "fieldsV1": TAKEN},
        {"manager": MANAGER, "operation": "Update", "time": "then", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        OTHER,
    ]


def test_what_has_no_replicas_leaves_its_create_nothing() -> None:
    made = live()
    del made["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:replicas"]
    fields = handed_over(MANIFEST, made)
    assert fields is not None
    assert [it["operation"] for it in fields] == ["Apply"]


def test_one_write_brings_what_was_created_to_its_rest() -> None:
    made = live(OTHER)
    (step,) = template_actions(MANIFEST, made)
    assert isinstance(step, HandOver)
    made["metadata"]["managedFields"] = list(step.fields)
    assert list(template_actions(MANIFEST, made)) == []
    assert not held_by_create(made)


def other_image(body: Body) -> None:
    container(body)["image"] = "another"


def without_a_variable(body: Body) -> None:
    del container(body)["env"][1]


def variable_of_another(body: Body) -> None:
    spec = body["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:template"]["f:spec"]
    del spec["f:containers"][NAME]["f:env"][B]


def label_of_another(body: Body) -> None:
    del body["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"]["f:labels"]["f:app"]


def no_create(body: Body) -> None:
    body["metadata"]["managedFields"] = [OTHER]


@pytest.mark.parametrize("change", [other_image, without_a_variable, variable_of_another, label_of_another, no_create])
def test_what_is_not_as_it_was_asked_for_is_applied(change: Callable[[Body], None]) -> None:
    """A webhook, or another client, was there in between: only an apply says which of them is to have its way."""
    made = live()
    change(made)
    assert handed_over(MANIFEST, made) is None
    assert list(template_actions(MANIFEST, made)) == [Apply(MANIFEST)]


def test_what_the_create_holds_goes_to_the_apply_before_another_manifest_is_applied() -> None:
    """Else what that drops would be the create's alone, and stay for ever."""
    newer = copy.deepcopy(MANIFEST)
    newer["metadata"]["annotations"][TEMPLATE_HASH] = "2"
    made = live(OTHER)
    assert [type(it) for it in template_actions(newer, made)] == [HandAllOver]
    fields = handed_over_fields(made)
    assert [(it["manager"], it["operation"]) for it in fields] == [
        (MANAGER, "Apply"),
        (MANAGER, "Update"),
        (OTHER["manager"], OTHER["operation"]),
    ]
    assert fields[1]["fieldsV1"] == {"f:spec": {"f:replicas": {}}}
    made["metadata"]["managedFields"] = fields
    assert list(template_actions(newer, made)) == [Apply(newer)]


def test_the_create_lets_go_of_what_was_applied() -> None:
    applied = live({"manager": MANAGER, "operation": "Apply", "fieldsV1": {}})
    assert [type(it) for it in template_actions(MANIFEST, applied)] == [Disown]


def applied_before() -> Body:
    """The object as an operator before this one has left it."""
    held = {"manager": MANAGER, "operation": "Apply", "fieldsV1": copy.deepcopy(TAKEN)}
    replicas = {"manager": MANAGER, "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    return {**live(), "metadata": live()["metadata"] | {"managedFields": [held, replicas, OTHER]}}


def image_taken_over(body: Body) -> None:
    """By an update or a forced apply, of whatever value."""
    spec = body["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:template"]["f:spec"]
    del spec["f:containers"][NAME]["f:image"]


def more_was_applied(body: Body) -> None:
    body["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:paused"] = {}


def annotation_lost(body: Body) -> None:
    body["metadata"]["annotations"] = {}


def no_fields_told(body: Body) -> None:
    del body["metadata"]["managedFields"]


def applied_by_two(body: Body) -> None:
    body["metadata"]["managedFields"].append(copy.deepcopy(body["metadata"]["managedFields"][0]))


def tolerations_of_another(body: Body) -> None:
    body["spec"]["template"]["spec"]["tolerations"] = [{"operator": "Exists"}]


def test_what_is_still_as_it_was_applied_needs_no_apply_after_a_restart() -> None:
    assert carries(MANIFEST, applied_before())


@pytest.mark.parametrize(
    "change",
    [
        other_image,
        without_a_variable,
        image_taken_over,
        more_was_applied,
        annotation_lost,
        no_fields_told,
        applied_by_two,
        tolerations_of_another,
    ],
)
def test_what_another_changed_while_no_operator_looked_is_applied_again(change: Callable[[Body], None]) -> None:
    there = applied_before()
    change(there)
    assert not carries(MANIFEST, there)


def test_what_was_only_created_is_not_taken_for_applied() -> None:
    assert not carries(MANIFEST, live(OTHER))

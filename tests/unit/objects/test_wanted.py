"""Which objects are made, adopted, left alone or deleted, and how often one that is refused is tried."""

from typing import Any

import pytest

from tests.support.resources import resource
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.resource import KIND, parse
from utilitarian_operator.core.labels import CONFIG_CHECKSUM, MOUNTS, MOUNTS_CHECKSUM, Owner
from utilitarian_operator.core.objects.actions import Adopt, Apply, Create
from utilitarian_operator.core.objects.mounted import Contents
from utilitarian_operator.core.objects.wanted import Wanted, carried, field_path, todo, wanted_objects

OWNER = Owner("ns", "fleet", "mine")
OURS = {"app.kubernetes.io/managed-by": "utilitarian-operator"}
MANAGED = [{"manager": "utilitarian-operator", "operation": "Apply", "fieldsV1": {"f:spec": {}}}]
NOTHING: dict[str, Any] = {"Deployment": {}, "StatefulSet": {}, "PodDisruptionBudget": {}}
SUMS: dict[str | None, str | None] = {"a": "1", "b": None, None: "3"}


def controller(uid: str = "mine", kind: str = KIND, name: str = "fleet") -> list[dict[str, Any]]:
    return [{"kind": kind, "name": name, "uid": uid, "controller": True}]


def live(name: str = "fleet-a", **metadata: Any) -> dict[str, Any]:
    return {"kind": "Deployment", "metadata": {"name": name, **metadata}, "spec": {"template": {"metadata": {}}}}


def wanted(seen: dict[str, Any] | None = None, *, built_in: bool = False) -> list[Wanted]:
    fleet = effective_fleet(parse(resource("pools: [{name: a, queues: [q]}, {name: b, queues: [r]}]")).spec)
    return list(wanted_objects(OWNER, fleet, seen or NOTHING, SUMS, built_in=built_in))


def checksum_of(it: Wanted) -> str | None:
    annotations = it.manifest["spec"]["template"]["metadata"].get("annotations", {})
    return None if CONFIG_CHECKSUM not in annotations else str(annotations[CONFIG_CHECKSUM])


def test_a_checksum_that_is_unknown_stays_as_it_is() -> None:
    there = live("fleet-b")
    there["spec"]["template"]["metadata"]["annotations"] = {CONFIG_CHECKSUM: "2"}
    found = wanted({**NOTHING, "Deployment": {"fleet-b": there}})
    assert [checksum_of(it) for it in found if it.kind != "PodDisruptionBudget"] == ["1", "2", "3"]
    assert [checksum_of(it) for it in wanted() if it.kind == "Deployment"] == ["1", None]


def test_pods_that_are_left_alone_keep_the_checksum_that_they_have() -> None:
    there = live("fleet-a")
    there["spec"]["template"]["metadata"]["annotations"] = {CONFIG_CHECKSUM: "0"}
    leave = "pools: [{name: a, queues: [q], rollout: {onSecretChange: Leave}}]"
    fleet = effective_fleet(parse(resource(leave)).spec)
    for seen, kept in ({**NOTHING, "Deployment": {"fleet-a": there}}, "0"), (NOTHING, "1"):
        found = list(wanted_objects(OWNER, fleet, seen, SUMS))
        assert [checksum_of(it) for it in found if it.kind != "PodDisruptionBudget"] == [kept, "3"]


@pytest.mark.parametrize(
    "rollout, rolls",
    [
        pytest.param("", True, id="unless told otherwise"),
        pytest.param("onMountChange: Leave", False, id="pods are left"),
        pytest.param("onSecretChange: Leave", False, id="unless given, it is as for Secrets"),
        pytest.param("onSecretChange: Leave, onMountChange: Roll", True, id="files alone"),
    ],
)
def test_what_is_mounted_rolls_pods_when_it_changes(rollout: str, rolls: bool) -> None:
    fleet = effective_fleet(parse(resource(f"pools: [{{name: a, queues: [q], rollout: {{{rollout}}}}}]")).spec)

    def made(text: str, seen: dict[str, Any]) -> dict[str, Any]:
        mounted = carried(OWNER, fleet, seen, {"a": Contents({"1" * 8: text * 16}, text)})
        return next(iter(wanted_objects(OWNER, fleet, seen, SUMS, mounted))).manifest

    first = made("1", NOTHING)
    assert first["spec"]["template"]["metadata"]["annotations"][MOUNTS_CHECKSUM] == "1"
    assert first["metadata"]["annotations"][MOUNTS] == f"{'1' * 8}:{'1' * 16}"
    seen = {**NOTHING, "Deployment": {"fleet-a": first}}
    assert made("1", seen) == first
    assert (made("2", seen)["spec"]["template"] != first["spec"]["template"]) == rolls


@pytest.mark.parametrize(
    "rollout, rolls",
    [
        pytest.param("", True, id="the old workers go on until new ones consume"),
        pytest.param("maxSurge: 0, maxUnavailable: 1", False, id="an old one goes first"),
        pytest.param("type: Recreate", False, id="all go first"),
    ],
)
def test_no_worker_goes_for_new_ones_that_can_not_start_because_something_mounted_is_missing(
    rollout: str, rolls: bool
) -> None:
    fleet = effective_fleet(parse(resource(f"pools: [{{name: a, queues: [q], rollout: {{{rollout}}}}}]")).spec)

    def made(now: Contents, seen: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The Deployment and beat's StatefulSet, whose one pod always goes first."""
        mounted = carried(OWNER, fleet, seen, {"a": now, None: now})
        found = {it.kind: it.manifest for it in wanted_objects(OWNER, fleet, seen, SUMS, mounted)}
        return found["Deployment"], found["StatefulSet"]

    file, key = "1" * 8, "2" * 8
    first, beat = made(Contents({file: "1" * 16, key: "1" * 16}, "1"), NOTHING)
    seen = {**NOTHING, "Deployment": {"fleet-a": first}, "StatefulSet": {"fleet-beat": beat}}
    missing = made(Contents({file: "2" * 16, key: None}, None, missing=True), seen)
    assert [a["spec"]["template"] != b["spec"]["template"] for a, b in zip(missing, (first, beat), strict=True)] == [
        rolls,
        False,
    ]
    seen = {**NOTHING, "Deployment": {"fleet-a": missing[0]}, "StatefulSet": {"fleet-beat": missing[1]}}
    back = made(Contents({file: "2" * 16, key: "1" * 16}, "2"), seen)
    assert [a["spec"]["template"] != b["spec"]["template"] for a, b in zip(back, missing, strict=True)] == [
        not rolls,
        True,
    ]


def test_a_pool_without_a_budget_has_its_old_one_deleted() -> None:
    spec = "pools: [{name: a, queues: [q], disruptionBudget: false}]"
    seen = {**NOTHING, "PodDisruptionBudget": {"fleet-a": live(ownerReferences=controller())}}
    asked = list(wanted_objects(OWNER, effective_fleet(parse(resource(spec)).spec), seen, SUMS))
    assert [it.live["metadata"]["name"] for it in todo(OWNER, asked, seen, {"a": 1}).deletions] == ["fleet-a"]


def test_what_is_to_be_done() -> None:
    seen = {
        **NOTHING,
        "Deployment": {
            "fleet-a": live(labels=OURS, managedFields=MANAGED),
            "fleet-old": live("fleet-old", ownerReferences=controller()),
        },
        "PodDisruptionBudget": {"fleet-a": live(labels=OURS), "fleet-b": live(ownerReferences=controller("old"))},
    }
    found = todo(OWNER, wanted(seen), seen, {"a": 1, "b": 2})
    assert [(it.kind, it.name, type(action)) for it, action in found.actions] == [
        ("Deployment", "fleet-a", Adopt),
        ("Deployment", "fleet-b", Create),
        ("StatefulSet", "fleet-beat", Create),
    ]
    assert [it.live["metadata"]["name"] for it in found.deletions] == ["fleet-old"]
    assert [(it.kind, it.name) for it in found.taken] == [("PodDisruptionBudget", "fleet-a")]
    creates = [action.manifest["spec"].get("replicas") for _, action in found.actions if isinstance(action, Create)]
    assert creates == [2, 1]


def test_a_changed_object_is_applied_again() -> None:
    first = wanted()[0]
    there = {**first.manifest, "metadata": {**first.manifest["metadata"], "managedFields": MANAGED}}
    seen = {**NOTHING, "Deployment": {"fleet-a": there}}
    assert todo(OWNER, [first], seen, {"a": 0}).actions == ()
    assert todo(OWNER, [first], seen, {"a": 0}, lambda _, __: True).actions == ((first, Apply(first.manifest)),)


@pytest.mark.parametrize(
    "at,said,path",
    [
        ("spec.pools[1]", "spec.template.spec.containers[0].env[2].name: Invalid value", "spec.pools[1].env"),
        ("spec.pools[1]", "spec.template.spec.containers[0].resources.limits: x", "spec.pools[1].worker.resources"),
        ("spec.pools[1]", "spec.template.spec.containers[0].image: Required", "spec.image"),
        ("spec.pools[1]", 'spec.template.spec.volumes[0].name: "x"', "spec.pools[1].pod.volumes"),
        ("spec.pools[1]", '.spec.template.spec.volumes[name="v"].x: not declared', "spec.pools[1].pod.volumes"),
        (
            "spec.pools[1]",
            "spec.template.spec.containers[0].securityContext: x",
            "spec.pools[1].pod.containerSecurityContext",
        ),
        ("spec.pools[1]", "spec.template.metadata.labels: x", "spec.pools[1].pod.labels"),
        ("spec.defaults", "spec.template.spec.tolerations[0]: x", "spec.defaults.pod.tolerations"),
        ("spec.beat", "spec.template.spec.containers[0].env[0]: x", "spec.env"),
        ("spec.beat", "spec.template.spec.containers[0].resources: x", "spec.beat.resources"),
        ("spec.beat", "exceeded quota: q", "spec.beat"),
        ("spec.beat", "spec.template.spec.containers[1].image: x", "spec.beat.pod.template.spec.containers"),
        ("spec.beat", "spec.template.spec.initContainers[1].image: x", "spec.beat.pod.template.spec.initContainers"),
        ("spec.pools[0]", "spec.template.spec.containers[0].ports[0]: x", "spec.pools[0].pod.template.spec.containers"),
        ("spec.pools[0]", "spec.template.spec.containers[0].command: x", "spec.pools[0].worker"),
    ],
)
def test_the_field_that_is_refused(at: str, said: str, path: str) -> None:
    assert field_path(Wanted(live(), at), said) == path

"""When the claim for beat's volume is made, and that it is for one pod alone where a CSI driver serves it."""

from typing import Any

import pytest

from tests.support.beats import fleet_with_beat
from utilitarian_operator.core.beat.volume_claim import access_mode, claims
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.observation.beat import BeatReadings

OWNER = Owner("ns", "fleet", "u")
DEFAULT = {"storageclass.kubernetes.io/is-default-class": "true"}
CSI = ({"metadata": {"name": "csi.example"}},)
NAMED = "beat: {storage: {storageClassName: fast}}"


def storage_class(name: str, provisioner: str, annotations: dict[str, str] | None = None) -> dict[str, Any]:
    return {"metadata": {"name": name, "annotations": annotations}, "provisioner": provisioner}


@pytest.mark.parametrize(
    "spec,classes,mode",
    [
        pytest.param(NAMED, [storage_class("fast", "csi.example")], "ReadWriteOncePod", id="by CSI"),
        pytest.param(NAMED, [storage_class("fast", "in-tree")], "ReadWriteOnce", id="in Kubernetes itself"),
        pytest.param(NAMED, [storage_class("slow", "csi.example", DEFAULT)], "ReadWriteOnce", id="another class"),
        pytest.param("", [storage_class("slow", "csi.example", DEFAULT)], "ReadWriteOncePod", id="the default class"),
        pytest.param("", [storage_class("slow", "csi.example")], "ReadWriteOnce", id="no default class"),
        pytest.param(
            "",
            [storage_class("a", "csi.example", DEFAULT), storage_class("b", "in-tree", DEFAULT)],
            "ReadWriteOnce",
            id="two default classes",
        ),
        pytest.param("", [], "ReadWriteOnce", id="they may not be seen"),
    ],
)
def test_a_claim_is_for_one_pod_where_a_csi_driver_serves_its_class(
    spec: str, classes: list[dict[str, Any]], mode: str
) -> None:
    assert access_mode(fleet_with_beat(spec or "maxWorkers: 9"), classes, CSI) == mode


@pytest.mark.parametrize(
    "spec,claim,made,due",
    [
        pytest.param("", None, False, True, id="the first look"),
        pytest.param("", None, True, False, id="made"),
        pytest.param("", {"metadata": {}}, True, False, id="there"),
        pytest.param("", {}, True, True, id="gone"),
        pytest.param("beat: {enabled: false}", {}, False, False, id="no beat"),
        pytest.param("beat: {storage: {ephemeral: true}}", {}, False, False, id="ephemeral"),
    ],
)
def test_the_claim_is_made_once_and_again_if_it_is_gone(
    spec: str, claim: dict[str, Any] | None, *, made: bool, due: bool
) -> None:
    found = claims(OWNER, fleet_with_beat(spec or "maxWorkers: 9"), BeatReadings(claim=claim), made=made)
    assert [(it.kind, it.name) for it, _ in found] == ([("PersistentVolumeClaim", "fleet-beat")] if due else [])

"""The CRD on a real API server: what it refuses and in which words, and what it lets through."""

import json

import pytest

from tests.support.controlplane import ControlPlane
from tests.support.http import HttpError
from tests.support.resources import INVALID, VALID, Refused, resource


def create(controlplane: ControlPlane, namespace: str, body: dict[str, object]) -> dict[str, object]:
    path = f"/apis/utilitarian.io/v1alpha1/namespaces/{namespace}/utilitarianworkerpools"
    created: dict[str, object] = controlplane.request("POST", f"{path}?dryRun=All&fieldValidation=Strict", body)
    return created


@pytest.mark.parametrize("case", [case for case in INVALID if case.says], ids=lambda case: case.id)
def test_the_api_server_refuses_and_says_why(controlplane: ControlPlane, case: Refused) -> None:
    with pytest.raises(HttpError) as refusal:
        create(controlplane, "default", case.body)
    assert case.says in json.loads(refusal.value.body)["message"]


@pytest.mark.parametrize("case", [case for case in INVALID if not case.says], ids=lambda case: case.id)
def test_only_the_operator_can_tell(controlplane: ControlPlane, case: Refused) -> None:
    assert create(controlplane, "default", case.body)["kind"] == "UtilitarianWorkerPool"


@pytest.mark.parametrize("spec", VALID.values(), ids=VALID.keys())
def test_the_api_server_accepts(controlplane: ControlPlane, spec: str) -> None:
    assert create(controlplane, "default", resource(spec))["kind"] == "UtilitarianWorkerPool"

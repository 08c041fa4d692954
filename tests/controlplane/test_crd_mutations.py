"""The API server and the operator judge alike: what the one lets in, the other can read."""

import json
from typing import Any

from hypothesis import HealthCheck, given, note, settings

from tests.support.controlplane import ControlPlane
from tests.support.http import HttpError
from tests.support.mutations import as_yaml, spoiled
from utilitarian_operator.api.resource import parse

PATH = "/apis/utilitarian.io/v1alpha1/namespaces/default/utilitarianworkerpools?dryRun=All&fieldValidation=Strict"


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(spoiled())
def test_what_the_api_server_accepts_the_operator_can_read(controlplane: ControlPlane, body: dict[str, Any]) -> None:
    note(as_yaml(body))
    stored = stored_or_refused(controlplane, body)
    assert stored is None or parse(stored).spec is not None


def stored_or_refused(controlplane: ControlPlane, body: dict[str, Any]) -> Any:
    """What the API server would store, or None where it refuses (and does not fail)."""
    try:
        return controlplane.request("POST", PATH, body)
    except HttpError as refusal:
        note(json.loads(refusal.body)["message"])
        if refusal.status not in {400, 422}:
            raise
        return None

"""A running fleet whose resource is spoiled at random: refused, stalled with a path, or run; and it recovers."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.support.authority import Authority
from tests.support.controlplane import ControlPlane
from tests.support.fleet import Fleet
from tests.support.http import HttpError
from tests.support.mutations import as_yaml, full, spoiled
from tests.support.operator import Operator, in_process
from tests.support.waiting import wait_until
from utilitarian_operator.api.objects import Object

SOON = timedelta(seconds=20)
NO_BROKER = "amqp://user:password@127.0.0.1:1/"
SECRETS = {"env": {"URL": NO_BROKER, "ca": Authority().certificate}, "e": {"k": "v"}}

ACCEPTED = {("False", "Accepted"), ("False", "AcceptedWithWarnings")}


@pytest.fixture(scope="module")
def running(controlplane: ControlPlane) -> Iterator[tuple[Fleet, Operator]]:
    """A fleet with every field set, as its operator has made it."""
    with controlplane.namespace("mutations") as namespace, in_process(controlplane, namespace) as operator:
        for name, values in SECRETS.items():
            body = {"metadata": {"name": name}, "stringData": values}
            controlplane.request("POST", f"/api/v1/namespaces/{namespace}/secrets", body)
        fleet = Fleet(controlplane, namespace)
        controlplane.request("POST", path(fleet), full())
        settled(fleet, 1)
        yield fleet, operator


def path(fleet: Fleet, name: str = "") -> str:
    return f"/apis/utilitarian.io/v1alpha1/namespaces/{fleet.namespace}/utilitarianworkerpools{name and f'/{name}'}"


def put(fleet: Fleet, spec: Object) -> int | None:
    """Replace the spec; returns its generation, or None where the API server refuses (and does not fail)."""
    patch: Any = [{"op": "replace", "path": "/spec", "value": spec}]
    address = f"{path(fleet, fleet.name)}?fieldValidation=Strict"
    try:
        stored = fleet.controlplane.request("PATCH", address, patch, "application/json-patch+json")
    except HttpError as refusal:
        if refusal.status not in {400, 422}:
            raise
        return None
    return int(stored["metadata"]["generation"])


def settled(fleet: Fleet, generation: int) -> tuple[str, str, str]:
    """Wait until a version was judged; returns the condition `Stalled`."""
    wait_until(
        lambda: fleet.status().get("observedGeneration", 0) >= generation,
        within=SOON,
        describe=lambda: f"{fleet.describe()}\n{as_yaml(fleet.read())}",
    )
    return fleet.condition("Stalled")


def uid_of_first(fleet: Fleet) -> str:
    live = wait_until(lambda: fleet.deployment("first"), within=SOON, describe=fleet.describe)
    return str(live["metadata"]["uid"]) if live else ""


@settings(
    max_examples=150,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(body=spoiled())
def test_a_spoiled_resource_takes_nothing_down_and_recovers(running: tuple[Fleet, Operator], body: Object) -> None:
    fleet, operator = running
    before = uid_of_first(fleet)
    generation = put(fleet, body["spec"])
    if generation is None:
        return
    status, reason, message = settled(fleet, generation)
    if status == "True":
        assert re.match(r"(spec|metadata)\.\S+: ", message), message
    else:
        assert (status, reason) in ACCEPTED
    kept = any(pool["name"] == "first" for pool in fleet.read()["spec"].get("pools") or [])
    assert not kept or uid_of_first(fleet) == before
    generation = put(fleet, full()["spec"])
    wait_until(lambda: settled(fleet, generation)[:2] in ACCEPTED, within=SOON, describe=fleet.describe)
    assert not kept or uid_of_first(fleet) == before
    assert operator.healthy()
    errors = {name: it for name, it in operator.metrics().items() if name.startswith("utilitarian_errors_total")}
    assert errors
    assert not any(errors.values()), errors

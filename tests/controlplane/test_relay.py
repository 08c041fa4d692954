"""The relay that tests crash the operator at: what passes passes whole, and a trap is sprung where it was set."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from tests.support.controlplane import ControlPlane
from tests.support.relay import Moment, Relay


@pytest.fixture
def relay(controlplane: ControlPlane, tmp_path: Path) -> Iterator[Relay]:
    with Relay(controlplane, tmp_path / "kubeconfig") as made:
        yield made


def make(relay: Relay, namespace: str, name: str) -> int:
    configuration = yaml.safe_load(relay.kubeconfig.read_text())
    address = urlsplit(configuration["clusters"][0]["cluster"]["server"])
    headers = {
        "Authorization": f"Bearer {configuration['users'][0]['user']['token']}",
        "Content-Type": "application/json",
    }
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
    body = json.dumps({"metadata": {"name": name}, "data": {"long": "x" * 200_000}})
    try:
        connection.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", body, headers)
        answer = connection.getresponse()
        length = len(answer.read())
        assert answer.status != 201 or length > 200_000
        return answer.status
    finally:
        connection.close()


def names(controlplane: ControlPlane, namespace: str) -> set[str]:
    found = controlplane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps")["items"]
    return {it["metadata"]["name"] for it in found} & {"a", "b"}


@pytest.mark.parametrize("moment, there", [("before", {"a"}), ("after", {"a", "b"})])
def test_a_trap_is_sprung_once_at_the_request_it_was_set_for(
    relay: Relay, controlplane: ControlPlane, namespace: str, moment: Moment, there: set[str]
) -> None:
    seen: list[set[str]] = []
    sprung = relay.at(
        moment, 'POST [^ ]*/configmaps .*"name": "b"', lambda: seen.append(names(controlplane, namespace))
    )
    assert make(relay, namespace, "a") == 201
    assert not sprung.is_set()
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        make(relay, namespace, "b")
    assert sprung.is_set()
    assert seen == [there]
    assert make(relay, namespace, "b") == (201 if moment == "before" else 409)

"""A real API server behind one that refuses, fails, cuts and errs: no process ends, and nothing is reset."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.api_proxy import ApiProxy
from tests.support.controlplane import ControlPlane
from tests.support.operator import in_process
from tests.support.waiting import wait_until

SOON = timedelta(seconds=120)
OFTEN = 8


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"status": 429}, id="429 with Retry-After"),
        pytest.param({"status": 429, "retry_after": "86400"}, id="429 for a day"),
        pytest.param({"status": 429, "retry_after": "Wed, 21 Oct 2099 07:28:00 GMT"}, id="429 until a date"),
        pytest.param({"status": 503}, id="503"),
        pytest.param({"status": 500}, id="500"),
        pytest.param({"status": 403}, id="403"),
        pytest.param({"event": 410}, id="410 in a watch"),
        pytest.param({"event": 500}, id="500 in a watch"),
        pytest.param({"cut": True}, id="cut watches"),
    ],
)
def test_no_process_ends_and_nothing_is_reset(
    controlplane: ControlPlane, namespace: str, tmp_path: Path, fault: dict[str, Any]
) -> None:
    fleet = {
        "apiVersion": "utilitarian.io/v1alpha1",
        "kind": "UtilitarianWorkerPool",
        "metadata": {"name": "u"},
        "spec": {"image": "u:1", "broker": {"urlFrom": {"secretKeyRef": {"name": "none", "key": "URL"}}}},
    }
    path = f"/apis/utilitarian.io/v1alpha1/namespaces/{namespace}/utilitarianworkerpools"

    def known(name: str) -> bool:
        return "conditions" in controlplane.request("GET", f"{path}/{name}").get("status", {})

    with ApiProxy(controlplane) as proxy:
        config = yaml.safe_load(controlplane.kubeconfig.read_text())
        config["clusters"][0]["cluster"] = {"server": proxy.url}
        (tmp_path / "config").write_text(yaml.safe_dump(config))
        options = {"lease_namespace": namespace, "kubeconfig": tmp_path / "config"}
        with in_process(controlplane, namespace, **options) as operator:
            controlplane.request("POST", path, fleet)
            wait_until(lambda: known("u"), within=SOON)
            lease = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/utilitarian-operator"
            before = controlplane.request("GET", lease)["spec"]
            for name, value in fault.items():
                setattr(proxy, name, value)
            wait_until(lambda: proxy.done >= OFTEN, within=SOON)
            proxy.heal()
            controlplane.request("POST", path, fleet | {"metadata": {"name": "later"}})
            wait_until(lambda: known("later"), within=SOON)
            assert operator.healthy()
            after = controlplane.request("GET", lease)["spec"]
            assert after["holderIdentity"] == before["holderIdentity"], "the same process leads still"
            assert after["leaseTransitions"] == before["leaseTransitions"]


def test_a_fleet_that_is_nested_too_deeply_is_refused_and_keeps_no_other_from_being_looked_at(
    controlplane: ControlPlane, namespace: str
) -> None:
    """The API server takes what Python can't read: it ended the lists and watches of all fleets."""
    broker = {"urlFrom": {"secretKeyRef": {"name": "none", "key": "URL"}}}
    deep: Any = "x"
    for _ in range(5_000):
        deep = {"a": deep}
    path = f"/apis/utilitarian.io/v1alpha1/namespaces/{namespace}/utilitarianworkerpools"

    def fleet(name: str, affinity: object) -> dict[str, Any]:
        pod = {"template": {"spec": {"affinity": affinity}}}
        kind = {"apiVersion": "utilitarian.io/v1alpha1", "kind": "UtilitarianWorkerPool"}
        return kind | {"metadata": {"name": name}, "spec": {"image": "u:1", "broker": broker, "pod": pod}}

    def said(name: str) -> str:
        return controlplane.kubectl("get", "uwp", name, "-n", namespace, "-o", "jsonpath={.status.conditions}")

    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)  # of this test, which writes and reads the whole of it
    try:
        controlplane.request("POST", path, fleet("deep", deep))
    finally:
        sys.setrecursionlimit(before)
    try:
        with in_process(controlplane, namespace) as operator:
            controlplane.request("POST", path, fleet("later", {}))
            wait_until(lambda: "SecretMissing" in said("later"), within=SOON)
            wait_until(lambda: "more than 100 parts within each other" in said("deep"), within=SOON)
            assert operator.healthy()
    finally:
        controlplane.kubectl("delete", "uwp", "deep", "-n", namespace)  # other tests could not read a list with it

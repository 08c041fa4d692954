"""The tests' node on the real API server keeps the contract by which the adversary's kubelet is held to it."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.controlplane import ControlPlane
from tests.support.kubelet_contract import GATE, HOOK, HOOK_OVER, TERM, KubeletContract, Pod, Shape
from tests.support.process_node import STRATEGIC_MERGE_PATCH, ProcessNode
from tests.support.times import ago
from tests.support.waiting import wait_until

SOON = timedelta(seconds=30)
NAME = "it"


class Real:
    """A namespace with a node that runs its pod as a process."""

    def __init__(self, controlplane: ControlPlane, namespace: str, node: ProcessNode, told: Path) -> None:
        self._api, self._namespace, self._node, self._told = controlplane, namespace, node, told
        self._pods = f"/api/v1/namespaces/{namespace}/pods"
        self._told.touch()

    def make(self, shape: Shape) -> None:
        out = shlex.quote(str(self._told))
        after = "" if shape.stays else "; exit 0"
        forever = f"trap 'echo {TERM} >> {out}{after}' TERM; while :; do read -t 0.1 nothing <> <(:); done"
        hook = f"echo {HOOK} >> {out}; read -t {shape.hook_s} nothing <> <(:); echo {HOOK_OVER} >> {out}"
        container = {
            "name": "it",
            "image": "any",
            "command": ["bash", "-c", forever],
            "lifecycle": {"preStop": {"exec": {"command": ["bash", "-c", hook]}}},
        }
        spec = {
            "containers": [container],
            "terminationGracePeriodSeconds": shape.grace_s,
            "readinessGates": [{"conditionType": GATE}],
        }
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": NAME}, "spec": spec}
        self._api.request("POST", self._pods, body)

    def pod(self) -> Pod | None:
        found = [it for it in self._api.pods(self._namespace) if it["metadata"]["name"] == NAME]
        if not found:
            return None
        pod, status = found[0], found[0]["status"]
        (container,) = status.get("containerStatuses") or ({"state": {}, "restartCount": 0},)
        told = {it["type"]: it["status"] == "True" for it in status.get("conditions", ())}
        leaving, running = "deletionTimestamp" in pod["metadata"], "running" in container["state"]
        ready = told.get("ContainersReady", False), told.get("Ready", False)
        why = next((it.get("reason", "") for it in status.get("conditions", ()) if it["type"] == "Ready"), "")
        return Pod(leaving, running, *ready, container["restartCount"], why)

    def gate(self, *, is_open: bool) -> None:
        written = {"type": GATE, "status": str(is_open), "lastTransitionTime": ago()}
        body = {"status": {"conditions": [written]}}
        self._api.request("PATCH", f"{self._pods}/{NAME}/status", body, STRATEGIC_MERGE_PATCH)

    def delete(self) -> None:
        self._api.request("DELETE", f"{self._pods}/{NAME}")

    def time_left(self) -> float:
        (pod,) = self._api.pods(self._namespace)
        by = datetime.fromisoformat(pod["metadata"]["deletionTimestamp"])
        return (by - datetime.now(UTC)).total_seconds()

    def out_of_memory(self) -> None:
        self._node.pod(NAME).out_of_memory()

    def told(self) -> Sequence[str]:
        return self._told.read_text().splitlines()

    def wait(self, condition: Callable[[], object]) -> None:
        wait_until(condition, within=SOON, describe=lambda: (self.pod(), self.told(), self._node.describe()))


@pytest.fixture
def scene(controlplane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[Real]:
    """A node of a real API server."""
    with ProcessNode(controlplane, namespace, tmp_path) as node:
        yield Real(controlplane, namespace, node, tmp_path / "told")


class TestNode(KubeletContract):
    """When a pod is ready, and in which order it is told to end."""

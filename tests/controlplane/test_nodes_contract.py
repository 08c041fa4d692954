"""The real controllers do with silent nodes what the adversary's model does: the same cases are played on both."""

import contextlib
import json
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import pytest

from tests.support.controlplane import APPLY_PATCH, ControlPlane
from tests.support.http import HttpError
from tests.support.nodes_contract import GRACE_S, NODES, NodesContract, Pod, RareNodesContract
from tests.support.process_node import STRATEGIC_MERGE_PATCH
from tests.support.times import ago
from tests.support.waiting import wait_until
from utilitarian_operator.api.objects import Object

SOON = timedelta(seconds=120)
APPS = "/apis/apps/v1/namespaces"
RENEWED_EVERY_S = 0.3
GRACE, TOLERATED_S = timedelta(seconds=2), 2


class Real:
    """A namespace of a control plane with three nodes, whose kubelets and scheduler the tests play."""

    def __init__(self, controlplane: ControlPlane, namespace: str) -> None:
        self._api, self._namespace = controlplane, namespace
        of = secrets.token_hex(3)
        self._names = {node: f"{node}-{of}" for node in NODES}
        self._silent: set[str] = set()
        self._only = NODES[0]
        listed = controlplane.request("GET", f"/api/v1/namespaces/{namespace}/pods")
        self._begun = listed["metadata"]["resourceVersion"]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> Self:
        for node in NODES:
            self._register(node)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for node in NODES:
            with contextlib.suppress(HttpError):
                self.remove(node)

    def only(self, node: str) -> None:
        self._only = node

    def deployment(self, replicas: int) -> None:
        self._apply("Deployment", {"replicas": replicas})

    def stateful_set(self) -> None:
        self._apply("StatefulSet", {"replicas": 1, "serviceName": "it"})

    def pods(self) -> Sequence[Pod]:
        short = {name: node for node, name in self._names.items()}
        return [
            _pod(it, short) for it in sorted(self._api.pods(self._namespace), key=lambda it: it["metadata"]["name"])
        ]

    def last(self, name: str) -> Pod:
        short = {name: node for node, name in self._names.items()}
        query = f"?watch=1&timeoutSeconds=1&resourceVersion={self._begun}"
        told = self._api.kubectl("get", "--raw", f"/api/v1/namespaces/{self._namespace}/pods{query}")
        events = [json.loads(line) for line in told.splitlines()]
        gone = [it["object"] for it in events if it["type"] == "DELETED" and it["object"]["metadata"]["name"] == name]
        return _pod(gone[-1], short)

    def delete(self, name: str) -> None:
        self._api.request("DELETE", self._path(name))

    def lose(self, node: str) -> None:
        self._silent.add(node)

    def come_back(self, node: str) -> None:
        self._silent.discard(node)

    def remove(self, node: str) -> None:
        self._api.request("DELETE", f"/api/v1/nodes/{self._names[node]}")

    def takes_pods(self, node: str) -> bool:
        return "NoSchedule" not in self._taints(node)

    def gives_up(self, node: str) -> bool:
        return "NoExecute" in self._taints(node)

    def _taints(self, node: str) -> set[str]:
        found = self._api.request("GET", f"/api/v1/nodes/{self._names[node]}")
        return {it["effect"] for it in found["spec"].get("taints", [])}

    def wait(self, condition: Callable[[], object]) -> None:
        def played() -> object:
            for pod in self._api.pods(self._namespace):
                with contextlib.suppress(HttpError):
                    self._play(pod)
            return condition()

        wait_until(played, within=SOON, describe=lambda: (self.pods(), [self._taints(it) for it in NODES]))

    def _play(self, pod: Object) -> None:
        """Scheduler and kubelet of a pod."""
        name, bound = pod["metadata"]["name"], pod["spec"].get("nodeName")
        if bound is None and "deletionTimestamp" not in pod["metadata"]:
            target = {"apiVersion": "v1", "kind": "Node", "name": self._names[self._only]}
            binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
            self._api.request("POST", f"{self._path(name)}/binding", binding)
        if bound is None or bound in {self._names[it] for it in self._silent}:
            return
        if "deletionTimestamp" in pod["metadata"]:
            self._api.request("DELETE", self._path(name), {"gracePeriodSeconds": 0})
        elif not _pod(pod, {}).ready:
            told = [
                {"type": kind, "status": "True", "lastTransitionTime": ago()} for kind in ("Ready", "ContainersReady")
            ]
            status = {"phase": "Running", "conditions": told}
            self._api.request("PATCH", f"{self._path(name)}/status", {"status": status}, STRATEGIC_MERGE_PATCH)

    def _path(self, name: str) -> str:
        return f"/api/v1/namespaces/{self._namespace}/pods/{name}"

    def _register(self, node: str) -> None:
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self._names[node]}}
        self._api.request("POST", "/api/v1/nodes", body)
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": ago(), "lastHeartbeatTime": ago()}
        path = f"/api/v1/nodes/{self._names[node]}/status"
        self._api.request("PATCH", path, {"status": {"conditions": [ready]}}, STRATEGIC_MERGE_PATCH)
        self._heartbeat(node)

    def _renew(self) -> None:
        while not self._over.wait(RENEWED_EVERY_S):
            for node in NODES:
                if node not in self._silent:
                    with contextlib.suppress(HttpError, OSError):
                        self._heartbeat(node)

    def _heartbeat(self, node: str) -> None:
        """A kubelet says that its node is well: its Lease, and its condition where that says another thing."""
        name = self._names[node]
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": moment}
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}, "spec": spec}
        path = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}"
        self._api.request("PATCH", f"{path}?fieldManager=node&force=true", lease, APPLY_PATCH)
        found = self._api.request("GET", f"/api/v1/nodes/{name}")
        if any(it["type"] == "Ready" and it["status"] != "True" for it in found["status"].get("conditions", [])):
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": ago(), "lastHeartbeatTime": ago()}
            body = {"status": {"conditions": [ready]}}
            self._api.request("PATCH", f"/api/v1/nodes/{name}/status", body, STRATEGIC_MERGE_PATCH)

    def _apply(self, kind: str, spec: dict[str, Any]) -> None:
        tolerations = [
            {
                "key": f"node.kubernetes.io/{what}",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": TOLERATED_S,
            }
            for what in ("unreachable", "not-ready")
        ]
        pod = {
            "containers": [{"name": "it", "image": "it"}],
            "terminationGracePeriodSeconds": GRACE_S,
            "tolerations": tolerations,
        }
        body = {
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": {"name": "it"},
            "spec": {
                **spec,
                "selector": {"matchLabels": {"app": "it"}},
                "template": {"metadata": {"labels": {"app": "it"}}, "spec": pod},
            },
        }
        path = f"{APPS}/{self._namespace}/{kind.lower()}s/it?fieldManager=tests&force=true"
        self._api.request("PATCH", path, body, APPLY_PATCH)


def _pod(body: Object, nodes: dict[str, str]) -> Pod:
    metadata = body["metadata"]
    told = {it["type"]: it["status"] == "True" for it in body["status"].get("conditions", [])}
    why = [it["reason"] for it in body["status"].get("conditions", []) if it["type"] == "DisruptionTarget"]
    bound = body["spec"].get("nodeName", "")
    return Pod(
        metadata["name"],
        metadata["uid"],
        nodes.get(bound, bound),
        told.get("Ready"),
        told.get("ContainersReady"),
        "deletionTimestamp" in metadata,
        metadata.get("deletionGracePeriodSeconds", 0),
        metadata.get("deletionTimestamp", ago()) < ago(),
        why[0] if why else "",
        body["status"].get("phase") == "Failed",
    )


@pytest.fixture(scope="module")
def watched(controlplane: ControlPlane) -> Iterator[ControlPlane]:
    """The control plane with what looks after nodes."""
    with controlplane.looking_after_nodes(GRACE):
        yield controlplane


@pytest.fixture
def scene(watched: ControlPlane, namespace: str) -> Iterator[Real]:
    """Three nodes of a real control plane."""
    with Real(watched, namespace) as real:
        yield real


class TestNodes(NodesContract):
    """Nodes that fall silent."""


@pytest.mark.soak
class TestRareNodes(RareNodesContract):
    """The same, for longer."""

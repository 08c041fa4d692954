"""The real controllers keep the contract by which those of the adversary's model are held to them."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from tests.support.budget_contract import BUDGET, BudgetContract
from tests.support.controllers_contract import COST, ONE_MORE, ControllersContract, Pod, Shape, Strategy
from tests.support.controlplane import APPLY_PATCH, MERGE_PATCH, ControlPlane
from tests.support.http import HttpError
from tests.support.waiting import wait_until

SOON = timedelta(seconds=30)
TOO_MANY, TWO_BUDGETS = 429, 500
"""The API server's answers to an eviction that it does not let through."""
APPS = "/apis/apps/v1/namespaces"


class Real:
    """A namespace of a control plane without nodes."""

    def __init__(self, controlplane: ControlPlane, namespace: str) -> None:
        self._api, self._namespace = controlplane, namespace
        self._kind = "deployments"

    def deployment(self, replicas: int, image: str, strategy: Strategy = ONE_MORE) -> None:
        self._apply("Deployment", {"replicas": replicas, "strategy": strategy}, image)

    def stateful_set(self, image: str) -> None:
        self._kind = "statefulsets"
        self._apply("StatefulSet", {"replicas": 1, "serviceName": "it"}, image)

    def pods(self) -> Sequence[Pod]:
        return [_pod(it) for it in self._api.pods(self._namespace)]

    def shape(self, name: str, shape: Shape) -> None:
        pod = f"/api/v1/namespaces/{self._namespace}/pods/{name}"
        if shape.node is not None:
            target = {"apiVersion": "v1", "kind": "Node", "name": shape.node}
            binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
            self._api.request("POST", f"{pod}/binding", binding)
        if shape.cost is not None:
            self._api.request("PATCH", pod, {"metadata": {"annotations": {COST: str(shape.cost)}}}, MERGE_PATCH)
        if shape.running:
            self._api.request("PATCH", f"{pod}/status", {"status": status(shape)}, MERGE_PATCH)

    def end(self, name: str) -> None:
        path = f"/api/v1/namespaces/{self._namespace}/pods/{name}"
        self._api.request("DELETE", path, {"gracePeriodSeconds": 0})

    def budget(self, name: str = "it") -> None:
        body = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": BUDGET}
        self._api.request("POST", f"/apis/policy/v1/namespaces/{self._namespace}/poddisruptionbudgets", body)

    def may_evict(self, name: str) -> bool:
        return self._evict(name, "?dryRun=All")

    def evict(self, name: str) -> None:
        assert self._evict(name, "")

    def _evict(self, name: str, query: str) -> bool:
        path = f"/api/v1/namespaces/{self._namespace}/pods/{name}/eviction{query}"
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        try:
            self._api.request("POST", path, body)
        except HttpError as error:
            if error.status not in {TOO_MANY, TWO_BUDGETS}:
                raise
            return False
        return True

    def disrupted(self, name: str) -> str:
        found = self._api.request("GET", f"/api/v1/namespaces/{self._namespace}/pods/{name}")
        told = found["status"].get("conditions", [])
        return "".join(it["reason"] for it in told if it["type"] == "DisruptionTarget")

    def seen(self) -> bool:
        live = self._api.request("GET", f"{APPS}/{self._namespace}/{self._kind}/it")
        return bool(live["status"].get("observedGeneration") == live["metadata"]["generation"])

    def wait(self, condition: Callable[[], object]) -> None:
        wait_until(condition, within=SOON, describe=self.pods)

    def _apply(self, kind: str, spec: dict[str, Any], image: str) -> None:
        labels = {"matchLabels": {"app": "it"}}
        pods = {
            "metadata": {"labels": {"app": "it"}},
            "spec": {"containers": [{"name": "it", "image": image}]},
        }
        body = {
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": {"name": "it"},
            "spec": {**spec, "selector": labels, "template": pods},
        }
        path = f"{APPS}/{self._namespace}/{self._kind}/it?fieldManager=tests&force=true"
        self._api.request("PATCH", path, body, APPLY_PATCH)


def status(shape: Shape) -> dict[str, Any]:
    """What a kubelet writes."""
    ready = {"type": "Ready", "status": str(shape.ready), "lastTransitionTime": shape.since}
    return {"phase": "Running", "conditions": [ready]}


def _pod(body: dict[str, Any]) -> Pod:
    conditions = {it["type"]: it["status"] for it in body["status"].get("conditions", [])}
    return Pod(
        body["metadata"]["name"],
        body["spec"]["containers"][0]["image"],
        "deletionTimestamp" in body["metadata"],
        conditions.get("Ready") == "True",
    )


@pytest.fixture
def scene(controlplane: ControlPlane, namespace: str) -> Real:
    """A namespace of a real control plane."""
    return Real(controlplane, namespace)


class TestControllers(ControllersContract):
    """Who goes first, and in which order."""


class TestBudgets(BudgetContract):
    """What may be evicted."""

"""The modelled controllers choose among pods as the real ones do: tests/controlplane plays the same cases on those."""

import random
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from tests.adversary.api_server import ApiServer, Object, condition, is_ready, leaving, with_condition
from tests.adversary.controllers import Deployments, controller
from tests.adversary.disruptions import CREATED, Evictions
from tests.adversary.loop import VirtualLoop
from tests.adversary.machine import Machine
from tests.adversary.stateful_set import StatefulSets
from tests.support.budget_contract import BUDGET, BudgetContract
from tests.support.controllers_contract import COST, ONE_MORE, ControllersContract, Pod, Shape, Strategy

SOON_S = 30.0


class Model:
    """The controllers of a world before its API server; the tests play scheduler and kubelet."""

    def __init__(self, seed: int) -> None:
        self.loop = VirtualLoop()
        self._server = ApiServer(self.loop, Machine(self.loop, seed))
        world = SimpleNamespace(
            kubelet=self,
            quota=None,
            replica_set_lag=lambda: 0.0,
            invariants=SimpleNamespace(victim=lambda *_, **__: None),
            log=lambda _: None,
        )
        rng = random.Random(seed)
        self._deployments = Deployments(self.loop, rng, self._server, world)
        self._stateful_sets = StatefulSets(self.loop, rng, self._server, world)
        self._evictions = Evictions(self._server, self.delete)
        self._server.watchers.append(self._changed)
        self._kind = "deployments"

    # what the controllers ask of a kubelet

    def new(self, _: Object) -> None:
        """A pod waits until the test plays its scheduler."""

    def delete(self, name: str, uid: str, _: str) -> None:
        """A pod without a node is gone at once; another is asked to end."""
        pod = self._server.get("pods", name)
        assert pod is not None
        assert pod["metadata"]["uid"] == uid
        if "nodeName" not in pod["spec"]:
            self._server.remove("pods", name)
        else:
            marks = {"deletionTimestamp": self._server.stamp()}
            self._server.put("pods", {**pod, "metadata": {**pod["metadata"], **marks}})

    # what the contract asks

    def deployment(self, replicas: int, image: str, strategy: Strategy = ONE_MORE) -> None:
        self._apply({"replicas": replicas, "strategy": strategy}, image)

    def stateful_set(self, image: str) -> None:
        self._kind = "statefulsets"
        self._apply({"replicas": 1}, image)

    def pods(self) -> Sequence[Pod]:
        return [
            Pod(name, pod["spec"]["containers"][0]["image"], leaving(pod), is_ready(pod))
            for name, pod in self._server.objects["pods"].items()
        ]

    def shape(self, name: str, shape: Shape) -> None:
        pod = self._server.objects["pods"][name]
        if shape.node is not None:
            pod = {**pod, "spec": {**pod["spec"], "nodeName": shape.node}}
        if shape.cost is not None:
            pod = {**pod, "metadata": {**pod["metadata"], "annotations": {COST: str(shape.cost)}}}
        if shape.running:
            ready = {"type": "Ready", "status": str(shape.ready), "lastTransitionTime": shape.since}
            pod = with_condition({**pod, "status": {**pod["status"], "phase": "Running"}}, ready)
        self._server.put("pods", pod)

    def end(self, name: str) -> None:
        self._server.remove("pods", name)

    def budget(self, name: str = "it") -> None:
        self._server.add("poddisruptionbudgets", {"metadata": {"name": name}, "spec": BUDGET})

    def may_evict(self, name: str) -> bool:
        return self._evictions.may(name)

    def evict(self, name: str) -> None:
        assert self._evictions.evict(name) == CREATED

    def disrupted(self, name: str) -> str:
        found = condition(self._server.objects["pods"][name], "DisruptionTarget")
        return "" if found is None else str(found["reason"])

    def seen(self) -> bool:
        live = self._server.objects[self._kind]["it"]
        return bool(live.get("status", {}).get("observedGeneration") == live["metadata"]["generation"])

    def wait(self, condition: Callable[[], object]) -> None:
        self.loop.run_until(condition, SOON_S, self.pods)

    def _apply(self, spec: dict[str, Any], image: str) -> None:
        pods = {"metadata": {"labels": {"app": "it"}}, "spec": {"containers": [{"name": "it", "image": image}]}}
        spec = {**spec, "template": pods}
        if self._server.get(self._kind, "it") is None:
            self._server.add(self._kind, {"metadata": {"name": "it"}, "spec": spec})
        else:
            self._server.change(self._kind, "it", spec=spec)

    def _changed(self, _: str, plural: str, body: Object) -> None:
        kind, owner = controller(body) if plural == "pods" else (plural, body["metadata"]["name"])
        of_deployments = kind in {"ReplicaSet", "deployments"}
        (self._deployments if of_deployments else self._stateful_sets).changed(owner)


@pytest.fixture(params=[1, 2, 3], ids="seed {}".format)
def scene(request: pytest.FixtureRequest) -> Iterator[Model]:
    """Controllers in virtual time."""
    model = Model(request.param)
    yield model
    model.loop.close()


class TestModelledControllers(ControllersContract):
    """Who goes first, and in which order."""


class TestModelledBudgets(BudgetContract):
    """What may be evicted."""

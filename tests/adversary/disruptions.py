"""Evictions: what a PodDisruptionBudget allows, and people or autoscalers that empty a node by them."""

from collections.abc import Callable
from typing import Any

from tests.adversary.api_server import ApiServer, Object, is_ready, leaving, with_condition
from tests.adversary.controllers import controller

CREATED, NOT_FOUND, TOO_MANY = 201, 404, 429
AGAIN_S = 5.0
"""`kubectl drain` asks again so long after a refusal."""


class Evictions:
    """The eviction API with the controller of budgets, which lags by nothing here.

    Args:
        server: of the world.
        delete: ends a pod: name, uid, and who asked for it.
    """

    def __init__(self, server: ApiServer, delete: Callable[[str, str, str], None]) -> None:
        self._server, self._delete = server, delete

    def may(self, name: str) -> bool:
        """Whether an eviction would be let through: registry/core/pod/rest/eviction.go of Kubernetes."""
        pod = self._server.objects["pods"][name]
        waits = pod["status"].get("phase", "Pending") == "Pending"
        if waits or leaving(pod):
            return True
        budgets = [it for it in self._server.objects["poddisruptionbudgets"].values() if _selects(it, pod)]
        if len(budgets) > 1:
            return False
        if not is_ready(pod) and all(it["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow" for it in budgets):
            return True
        return all(self._allowed(it) > 0 for it in budgets)

    def evict(self, name: str) -> int:
        """Evict a pod; the HTTP status says what became of it."""
        pod = self._server.get("pods", name)
        if pod is None:
            return NOT_FOUND
        if not self.may(name):
            return TOO_MANY
        words = {"reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting"}
        entry = {"type": "DisruptionTarget", "status": "True", "lastTransitionTime": self._server.stamp(), **words}
        self._server.put("pods", with_condition(pod, entry))
        if not leaving(pod):
            self._delete(name, pod["metadata"]["uid"], "eviction")
        return CREATED

    def _allowed(self, budget: Object) -> int:
        """Disruptions allowed: controller/disruption/disruption.go; `maxUnavailable` is a number here."""
        pods = [it for it in self._server.objects["pods"].values() if _selects(budget, it)]
        owners = {controller(it) for it in pods}
        live = [self._server.get(_OWNERS[kind], name) for kind, name in sorted(owners)]
        expected = sum(it["spec"].get("replicas", 1) for it in live if it is not None)
        healthy = sum(is_ready(it) and not leaving(it) for it in pods)
        return healthy - max(expected - int(budget["spec"]["maxUnavailable"]), 0) if expected else 0


_OWNERS = {"ReplicaSet": "deployments", "StatefulSet": "statefulsets"}


def _selects(budget: Object, pod: Object) -> bool:
    wanted = budget["spec"]["selector"]["matchLabels"]
    return bool(wanted.items() <= pod["metadata"]["labels"].items())


class Drains:
    """Nodes that are emptied: cordoned, evicted pod by pod, and brought back when they are empty.

    Args:
        world: they are in.
    """

    def __init__(self, world: Any) -> None:
        self._world = world
        self._evictions = Evictions(world.server, world.kubelet.delete)
        self.since: dict[str, float] = {}
        """When each node that is being emptied was begun."""

    def evict(self, name: str) -> None:
        """One eviction, as an autoscaler or a descheduler asks for it."""
        self._world.log(f"{name} is evicted: {self._evictions.evict(name)}")

    def begin(self, node: str) -> None:
        """`kubectl drain`."""
        if node not in self.since and node not in self._world.kubelet.lost:
            self.since[node] = self._world.loop.now
            self._world.kubelet.cordoned.add(node)
            self._go_on(node)

    def _go_on(self, node: str) -> None:
        if self._world.over:
            return
        there = self._world.kubelet.on(node)
        for pod in there:
            if not leaving(pod):
                self.evict(pod["metadata"]["name"])
        if there:
            self._world.loop.call_later(AGAIN_S, self._go_on, node)
        else:
            took = self._world.loop.now - self.since.pop(node)
            self._world.log(f"node {node} is empty after {took:.0f} s")
            self._world.kubelet.cordoned.discard(node)

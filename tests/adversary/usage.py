"""The metrics API of a world's cluster: what pods use, by a listing that may lie, stand still, or not come."""

import random
from typing import Any

from tests.adversary.api_server import Object
from tests.support import metrics_contract

LIES: tuple[Any, ...] = ("0", *metrics_contract.LIES)


class Usage:
    """The figures.

    Args:
        world: whose pods these are.
        there: whether the cluster has a metrics API at all.
    """

    def __init__(self, world: Any, *, there: bool) -> None:
        self._world, self.there = world, there
        self._rng = random.Random(world.seed + 17)
        self.lies_until = self.silent_until = self.stands_until = 0.0
        self._last: list[Object] = []

    @property
    def silent(self) -> bool:
        """Whether no answer comes."""
        return bool(self._world.loop.now < self.silent_until)

    def listing(self) -> Object:
        """All pods with what their containers use."""
        now = self._world.loop.now
        if now >= self.stands_until:
            self._last = [self._row(pod, lies=now < self.lies_until) for pod in self._pods()]
        return {"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": self._last}

    def _pods(self) -> list[Object]:
        pods = self._world.server.objects["pods"].values()
        return [it for it in pods if it["status"].get("containerStatuses")]

    def _row(self, pod: Object, *, lies: bool) -> Object:
        usage = self._used(pod, lies=lies)
        containers = [{"name": it["name"], "usage": usage} for it in pod["spec"]["containers"]]
        return {
            "metadata": {"name": pod["metadata"]["name"]},
            "timestamp": self._world.server.stamp(),
            "containers": containers,
        }

    def _used(self, pod: Object, *, lies: bool) -> Object:
        """By each container of a pod."""
        busy = getattr(self._world.kubelet.workers.get(pod["metadata"]["name"]), "running", ())
        usage: Object = {"cpu": f"{5_000_000 + 200_000_000 * len(busy)}n", "memory": f"{90_000 + 20_000 * len(busy)}Ki"}
        if lies:
            usage[self._rng.choice(["cpu", "memory"])] = self._rng.choice(LIES)
        return usage

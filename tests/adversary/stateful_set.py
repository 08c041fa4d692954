"""The controller of StatefulSets: pods by number, one after the other, replaced only when the old one is gone."""

import random
from typing import Any

from tests.adversary.api_server import ApiServer, digest, is_ready, leaving
from tests.adversary.loop import VirtualLoop

MOST = 3


class StatefulSets:
    """The controller.

    Args:
        loop, rng, server: of the world.
        world: asked for the kubelet.
    """

    def __init__(self, loop: VirtualLoop, rng: random.Random, server: ApiServer, world: Any) -> None:
        self._loop, self._rng, self._server, self._world = loop, rng, server, world
        self._pending: set[str] = set()

    def changed(self, name: str) -> None:
        """Look at it in a moment."""
        if name not in self._pending:
            self._pending.add(name)
            self._loop.call_later(self._rng.uniform(0.005, 0.5), self._act, name)

    def _act(self, name: str) -> None:
        self._pending.discard(name)
        live = self._server.get("statefulsets", name)
        if live is None:
            return
        template, want = live["spec"]["template"], live["spec"].get("replicas", 1)
        revision = digest(template)
        pods = [self._server.get("pods", f"{name}-{number}") for number in range(max(want, MOST))]
        there = [pod for pod in pods if pod is not None]
        mine = [pod for pod in there if pod["metadata"]["labels"]["controller-revision-hash"] == revision]
        for number, pod in enumerate(pods):
            if pod is None and number < want and all(map(is_ready, pods[:number])):  # type: ignore[arg-type]
                self._make(live, number, revision)
                break
            outdated = pod is not None and pod not in mine and is_ready(pod)
            if pod is not None and not leaving(pod) and (number >= want or outdated):
                self._world.kubelet.delete(pod["metadata"]["name"], pod["metadata"]["uid"], "rollout")
        status = {
            "observedGeneration": live["metadata"]["generation"],
            "replicas": len(there),
            "readyReplicas": sum(map(is_ready, there)),
            "updatedReplicas": len(mine),
            "updateRevision": revision,
        }
        self._server.change("statefulsets", name, status=status)

    def _make(self, live: Any, number: int, revision: str) -> None:
        name, template = live["metadata"]["name"], live["spec"]["template"]
        owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name, "controller": True}
        metadata = {
            "name": f"{name}-{number}",
            "labels": {**template["metadata"]["labels"], "controller-revision-hash": revision},
            "annotations": dict(template["metadata"].get("annotations") or {}),
            "ownerReferences": [{**owner, "uid": live["metadata"]["uid"]}],
        }
        status = {"phase": "Pending", "conditions": []}
        self._world.kubelet.new(
            self._server.add("pods", {"metadata": metadata, "spec": template["spec"], "status": status})
        )

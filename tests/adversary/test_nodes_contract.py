"""The modelled controllers do with silent nodes what the real ones do: tests/controlplane plays the same cases."""

import random
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from tests.adversary.api_server import ApiServer, Object, condition, leaving
from tests.adversary.controllers import Deployments, controller
from tests.adversary.kubelet import POOL, Kubelet
from tests.adversary.loop import VirtualLoop
from tests.adversary.machine import Machine
from tests.adversary.rabbitmq import RabbitMQ
from tests.adversary.stateful_set import StatefulSets
from tests.adversary.threads import Thread
from tests.support.nodes_contract import GRACE_S, NODES, NodesContract, Pod, RareNodesContract

SOON_S = 600.0
WORKER = ["celery", "worker", "-Q", "it", "--concurrency=1", "--prefetch-multiplier=1", "--pool=threads"]
HOOK = ["python3", "-c", "pass"]


def _nothing(*_: Any, **__: Any) -> None:
    return


class Model:
    """Nodes and controllers of a world before its API server."""

    def __init__(self, seed: int) -> None:
        self.loop = VirtualLoop()
        rng, machine = random.Random(seed), Machine(self.loop, seed)
        self._machine, self._server = machine, ApiServer(self.loop, machine)
        rabbit = RabbitMQ(self.loop, rng)
        world = SimpleNamespace(
            rabbit=rabbit,
            broker_of=lambda _: rabbit,
            machine=machine,
            late={"it": False},
            full=False,
            quota=None,
            replica_set_lag=lambda: 0.0,
            moments=SimpleNamespace(happens=_nothing),
            beat=SimpleNamespace(began=_nothing, killed=_nothing),
            invariants=SimpleNamespace(victim=_nothing, beats=_nothing),
            log=_nothing,
        )
        self._kubelet = world.kubelet = Kubelet(self.loop, rng, self._server, world)
        self._nodes = self._kubelet.nodes
        self._deployments = Deployments(self.loop, rng, self._server, world)
        self._stateful_sets = StatefulSets(self.loop, rng, self._server, world)
        self._gone: dict[str, Object] = {}
        self._server.watchers.append(self._changed)

    def only(self, node: str) -> None:
        self._kubelet.cordoned = set(NODES) - {node}

    def deployment(self, replicas: int) -> None:
        self._apply("deployments", {"replicas": replicas}, {POOL: "it"})

    def stateful_set(self) -> None:
        self._apply("statefulsets", {"replicas": 1}, {"app": "it"})

    def pods(self) -> Sequence[Pod]:
        return [self._pod(it) for _, it in sorted(self._server.objects["pods"].items())]

    def last(self, name: str) -> Pod:
        return self._pod(self._gone[name])

    def delete(self, name: str) -> None:
        self._kubelet.delete(name, self._server.objects["pods"][name]["metadata"]["uid"], "person")

    def lose(self, node: str) -> None:
        self._nodes.part(node)

    def come_back(self, node: str) -> None:
        self._nodes.come_back(node)

    def remove(self, node: str) -> None:
        self._nodes.replace(node)

    def takes_pods(self, node: str) -> bool:
        return self._nodes.takes_pods(node)

    def gives_up(self, node: str) -> bool:
        return self._nodes.gives_up(node)

    def wait(self, condition: Callable[[], object]) -> None:
        self.loop.run_until(condition, SOON_S, self.pods)

    def _pod(self, pod: Object) -> Pod:
        metadata, why = pod["metadata"], condition(pod, "DisruptionTarget")
        return Pod(
            metadata["name"],
            metadata["uid"],
            pod["spec"].get("nodeName", ""),
            _is(pod, "Ready"),
            _is(pod, "ContainersReady"),
            leaving(pod),
            metadata.get("deletionGracePeriodSeconds", 0),
            metadata.get("deletionTimestamp", self._server.stamp()) < self._server.stamp(),
            "" if why is None else why["reason"],
            pod["status"].get("phase") == "Failed",
        )

    def _apply(self, plural: str, spec: dict[str, Any], labels: dict[str, str]) -> None:
        container = {"name": "it", "image": "it", "command": WORKER}
        hook = {"preStop": {"exec": {"command": HOOK}}}
        pod = {"containers": [{**container, "lifecycle": hook}], "terminationGracePeriodSeconds": GRACE_S}
        spec = {**spec, "template": {"metadata": {"labels": labels}, "spec": pod}}
        if self._server.get(plural, "it") is None:
            self._server.add(plural, {"metadata": {"name": "it"}, "spec": spec})
        else:
            self._server.change(plural, "it", spec=spec)

    def _changed(self, kind: str, plural: str, body: Object) -> None:
        if kind == "DELETED":
            self._gone[body["metadata"]["name"]] = body
        if plural == "pods":
            self._kubelet.changed(body)
        kind, owner = controller(body) if plural == "pods" else (plural, body["metadata"]["name"])
        of_deployments = kind in {"ReplicaSet", "deployments"}
        (self._deployments if of_deployments else self._stateful_sets).changed(owner)


def _is(pod: Object, kind: str) -> bool | None:
    found = condition(pod, kind)
    return None if found is None else found["status"] == "True"


@pytest.fixture(params=[1, 2, 3], ids="seed {}".format)
def scene(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    """Nodes in virtual time."""
    threads: list[Thread] = []
    monkeypatch.setattr(Thread, "made", threads.append, raising=False)
    model = Model(request.param)
    yield model
    for thread in threads:
        thread.kill()
    model.loop.close()


class TestModelledNodes(NodesContract):
    """Nodes that fall silent."""


class TestModelledRareNodes(RareNodesContract):
    """More of them."""

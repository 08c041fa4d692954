"""The modelled kubelet ends pods and calls them ready as the tests' node on the real API server does."""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from tests.adversary import pre_stop
from tests.adversary.api_server import ApiServer, Object, condition, is_ready, leaving, with_condition
from tests.adversary.kubelet import POOL, Kubelet
from tests.adversary.loop import VirtualLoop
from tests.adversary.machine import Machine
from tests.adversary.rabbitmq import RabbitMQ
from tests.adversary.threads import Thread
from tests.adversary.workers import Worker
from tests.support.kubelet_contract import (
    GATE,
    HOOK,
    HOOK_OVER,
    LONG_S,
    TERM,
    KubeletContract,
    Pod,
    Shape,
)

SOON_S = 60.0
NAME, QUEUE = "it", "work"
WORKER = ["celery", "worker", "-Q", QUEUE, "--concurrency=1", "--prefetch-multiplier=1", "--pool=threads"]


class Model:
    """The kubelet of a world before its API server."""

    def __init__(self, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loop = VirtualLoop()
        rng, self._machine = random.Random(seed), Machine(self.loop, seed)
        self._server, self._rabbit = ApiServer(self.loop, self._machine), RabbitMQ(self.loop, rng)
        world = SimpleNamespace(
            rabbit=self._rabbit,
            broker_of=lambda _: self._rabbit,
            machine=self._machine,
            late={QUEUE: False},
            full=False,
            moments=SimpleNamespace(happens=lambda *_: None),
        )
        self._kubelet = Kubelet(self.loop, rng, self._server, world)
        self._server.watchers.append(self._changed)
        self._told: list[str] = []
        self._threads: list[Thread] = []
        self._hear(monkeypatch)

    def make(self, shape: Shape) -> None:
        hook = ["python3", "-c", f"import time\ntime.sleep({shape.hook_s})"]
        container = {
            "name": "it",
            "image": "it",
            "command": WORKER,
            "lifecycle": {"preStop": {"exec": {"command": hook}}},
        }
        spec = {
            "containers": [container],
            "terminationGracePeriodSeconds": shape.grace_s,
            "readinessGates": [{"conditionType": GATE}],
        }
        metadata = {"name": NAME, "labels": {POOL: QUEUE}}
        self._kubelet.new(
            self._server.add("pods", {"metadata": metadata, "spec": spec, "status": {"phase": "Pending"}})
        )
        if shape.stays:
            self._rabbit.send(QUEUE, LONG_S)

    def pod(self) -> Pod | None:
        pod = self._server.get("pods", NAME)
        if pod is None:
            return None
        container: Object = (pod["status"].get("containerStatuses") or [{"state": {}, "restartCount": 0}])[0]
        running = "running" in container["state"]
        ready, why = self._has(pod, "ContainersReady"), (condition(pod, "Ready") or {}).get("reason", "")
        return Pod(leaving(pod), running, ready, is_ready(pod), container["restartCount"], why)

    def gate(self, *, is_open: bool) -> None:
        written = {"type": GATE, "status": str(is_open), "lastTransitionTime": self._server.stamp()}
        self._server.put("pods", with_condition(self._server.objects["pods"][NAME], written))

    def delete(self) -> None:
        self._kubelet.delete(NAME, self._server.objects["pods"][NAME]["metadata"]["uid"], "person")

    def time_left(self) -> float:
        by = datetime.fromisoformat(self._server.objects["pods"][NAME]["metadata"]["deletionTimestamp"])
        return (by - self._machine.true()).total_seconds()

    def out_of_memory(self) -> None:
        self._kubelet.kill_container(NAME)

    def told(self) -> Sequence[str]:
        return self._told

    def wait(self, condition: Callable[[], object]) -> None:
        self.loop.run_until(condition, SOON_S, lambda: (self.pod(), self._told))

    def close(self) -> None:
        """No hook goes on."""
        for thread in self._threads:
            thread.kill()
        self.loop.close()

    @staticmethod
    def _has(pod: Object, kind: str) -> bool:
        found = condition(pod, kind)
        return found is not None and found["status"] == "True"

    def _changed(self, _: str, plural: str, body: Object) -> None:
        if plural == "pods":
            self._kubelet.changed(body)

    def _hear(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Write down what the container is told."""
        run, sigterm = pre_stop.run, Worker.sigterm

        def hook(*arguments: Any) -> Any:
            self._told.append(HOOK)
            begun = run(*arguments)
            begun.add_done_callback(lambda _: self._told.append(HOOK_OVER))
            return begun

        def term(worker: Worker, on_exit: Callable[[], None]) -> None:
            self._told.append(TERM)
            sigterm(worker, on_exit)

        monkeypatch.setattr(Thread, "made", self._threads.append, raising=False)
        monkeypatch.setattr(pre_stop, "run", hook)
        monkeypatch.setattr(Worker, "sigterm", term)


@pytest.fixture(params=[1, 2, 3], ids="seed {}".format)
def scene(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    """A kubelet in virtual time."""
    model = Model(request.param, monkeypatch)
    yield model
    model.close()


class TestModelledKubelet(KubeletContract):
    """When a pod is ready, and in which order it is told to end."""

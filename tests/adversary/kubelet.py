"""Scheduler and kubelet: nodes, start, readiness, preStop and grace, killed containers."""

import asyncio
import contextvars
import random
from functools import partial
from typing import Any

from tests.adversary import pre_stop
from tests.adversary.api_server import ApiServer, Object, condition, leaving, with_condition
from tests.adversary.fleet import CATCH_ALL, QUEUES_OF
from tests.adversary.loop import VirtualLoop
from tests.adversary.neighbour import is_of_neighbour
from tests.adversary.nodes import NODES, Nodes
from tests.adversary.rabbitmq import WORLD
from tests.adversary.threads import Thread
from tests.adversary.workers import Kind, Worker

POOL = "utilitarian.io/pool"
GATES_NOT_READY, CONTAINERS_NOT_READY = "ReadinessGatesNotReady", "ContainersNotReady"
"""Why a kubelet calls a pod not ready: where a node has fallen silent, no reason is given."""
BAD_IMAGE = "bad"
OURS = ("scale", "operator")
"""Ends of a pod that the operator asked for."""


def kind_of(container: Object, *, late: bool) -> Kind:
    """How Celery would read a worker's command, with an application that has these queues."""
    command = container["command"]
    options = dict(it.split("=", 1) for it in command if it.startswith("--") and "=" in it)
    return Kind(
        tuple(command[command.index("-Q") + 1].split(",")) if "-Q" in command else QUEUES_OF[CATCH_ALL],
        int(options["--concurrency"]),
        int(options["--prefetch-multiplier"]),
        options["--pool"],
        late,
    )


def _runs(pod: Object) -> bool:
    return any("running" in it["state"] for it in pod["status"].get("containerStatuses", []))


def _done(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


class Kubelet:
    """Scheduler and every node's kubelet.

    Args:
        loop, rng, server: of the world.
        world: asked for the broker, the machine and how tasks are acknowledged; told of beats.
    """

    def __init__(self, loop: VirtualLoop, rng: random.Random, server: ApiServer, world: Any) -> None:
        self._loop, self._rng, self._server, self._world = loop, rng, server, world
        self.workers: dict[str, Worker] = {}
        self.beats: dict[str, str] = {}
        self.nodes = Nodes(loop, server, self)
        self.lacks_secret = False
        """Whether the Secret is gone that the fleet's containers begin with."""
        self.cordoned: set[str] = set()
        """Nodes that take no more pods."""

    @property
    def lost(self) -> set[str]:
        """Nodes that are not heard."""
        return self.nodes.silent

    def _live(self, name: str, uid: str) -> Object | None:
        pod = self._server.get("pods", name)
        return pod if pod is not None and pod["metadata"]["uid"] == uid else None

    def with_status(self, pod: Object, kind: str, value: str, **more: str) -> Object:
        """The pod with a condition of this status; the same one where it has it."""
        before = condition(pod, kind)
        if before is not None and before["status"] == value and more.items() <= before.items():
            return pod
        entry = {"type": kind, "status": value, "lastTransitionTime": self._server.stamp(), **more}
        return with_condition(pod, entry)

    def new(self, pod: Object) -> None:
        """A pod was made: find it a node."""
        metadata = pod["metadata"]
        self._loop.call_later(self._rng.uniform(0.02, 0.5), self._schedule, metadata["name"], metadata["uid"])

    def _schedule(self, name: str, uid: str) -> None:
        pod = self._live(name, uid)
        if pod is None or leaving(pod):
            return
        nodes = [it for it in NODES if it not in self.cordoned and self.nodes.takes_pods(it)]
        if not nodes or self._world.full:
            if condition(pod, "PodScheduled") is None:
                words = {"reason": "Unschedulable", "message": "0/3 nodes are available"}
                self._server.put("pods", self.with_status(pod, "PodScheduled", "False", **words))
            self._loop.call_later(5.0, self._schedule, name, uid)
            return
        node = self._rng.choice(nodes)
        self._server.put(
            "pods", self.with_status({**pod, "spec": {**pod["spec"], "nodeName": node}}, "PodScheduled", "True")
        )
        self._loop.call_later(self._rng.uniform(0.3, 4.0), self._start, name, uid)

    def _start(self, name: str, uid: str) -> None:
        pod = self._live(name, uid)
        if pod is None or leaving(pod) or pod["spec"]["nodeName"] in self.lost:
            return
        cause = self._why_not(pod)
        if cause:
            state = {"waiting": {"reason": cause, "message": "it can't be started"}}
            statuses = [{"name": "worker", "state": state, "restartCount": 0}]
            self._server.change("pods", name, status={**pod["status"], "containerStatuses": statuses})
            self._loop.call_later(20.0, self._start, name, uid)
            return
        self._run(pod, {"restartCount": 0})

    def _why_not(self, pod: Object) -> str:
        """Why a container can't be started; empty where it can."""
        if BAD_IMAGE in pod["spec"]["containers"][0]["image"]:
            return "ImagePullBackOff"
        ours = not is_of_neighbour(pod["metadata"]["name"])
        return "CreateContainerConfigError" if ours and self.lacks_secret else ""

    def _run(self, pod: Object, more: Object) -> None:
        if _runs(pod):  # its node was silent for a moment, and has begun it since
            return
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        container = pod["spec"]["containers"][0]
        running = {"running": {"startedAt": self._server.stamp()}}
        state = {"name": container["name"], "state": running, **more}
        pod = {**pod, "status": {**pod["status"], "phase": "Running", "containerStatuses": [state]}}
        pod = self._with_readiness(self.with_status(pod, "ContainersReady", "True"))
        pool = pod["metadata"]["labels"].get(POOL)
        if pool is None:
            self.beats[name] = uid
            self._server.put("pods", pod)
            self._world.invariants.beats()
            self._world.beat.began(uid)
            return
        rabbit = self._world.broker_of(name)
        worker = Worker(rabbit, name, kind_of(container, late=self._world.late.get(pool, False)))
        self.workers[name] = rabbit.workers[worker.node] = worker
        self._server.put("pods", pod)
        self._loop.call_later(self._rng.uniform(0.8, 5.0), worker.connect)
        self._world.moments.happens("start", name)

    def _with_readiness(self, pod: Object) -> Object:
        gates = [it["conditionType"] for it in pod["spec"].get("readinessGates", [])]
        held = {it["type"] for it in pod["status"].get("conditions", []) if it["status"] == "True"}
        if _runs(pod) and held.issuperset(gates):
            return self.with_status(pod, "Ready", "True")
        reason = GATES_NOT_READY if _runs(pod) else CONTAINERS_NOT_READY
        return self.with_status(pod, "Ready", "False", reason=reason)

    def changed(self, pod: Object) -> None:
        """A client set a condition: readiness may follow, a moment later."""
        if pod["status"].get("containerStatuses") and self._with_readiness(pod) is not pod:
            metadata = pod["metadata"]
            self._loop.call_later(self._rng.uniform(0.02, 0.3), self._sync, metadata["name"], metadata["uid"])

    def _sync(self, name: str, uid: str) -> None:
        pod = self._live(name, uid)
        if pod is not None and pod["spec"].get("nodeName") not in self.lost:
            new = self._with_readiness(pod)
            if new is not pod:
                self._server.put("pods", new)

    def kill_container(self, name: str, reason: str = "OOMKilled") -> None:
        """The kernel, or the worker itself, ends the container; it is started again after a while."""
        worker, pod = self.workers.get(name), self._server.get("pods", name)
        if worker is None or not worker.alive or pod is None or leaving(pod):
            return
        if pod["spec"]["nodeName"] in self.lost:
            return
        worker.kill(f"world: {reason}")
        ended = {"exitCode": 137, "reason": reason, "finishedAt": self._server.stamp(), "containerID": f"c://{name}"}
        state = {"name": "worker", "state": {"terminated": ended}, "restartCount": 0}
        body = self.with_status(
            {**pod, "status": {**pod["status"], "containerStatuses": [state]}}, "ContainersReady", "False"
        )
        self._server.put("pods", self._with_readiness(body))
        uid = pod["metadata"]["uid"]

        def again() -> None:
            now = self._live(name, uid)
            if now is not None and not leaving(now) and now["spec"]["nodeName"] not in self.lost:
                self._run(now, {"restartCount": 1, "lastState": {"terminated": ended}})

        self._loop.call_later(self._rng.uniform(1.0, 12.0), again)

    def delete(self, name: str, uid: str, by: str) -> None:
        """A graceful deletion: preStop, SIGTERM, and SIGKILL when the grace is over."""
        pod = self._live(name, uid)
        if pod is None or leaving(pod):
            return
        pod = self._server.put("pods", self._marked(pod))
        if pod["spec"].get("nodeName") not in self.lost:
            self._end(pod, by)

    def _marked(self, pod: Object) -> Object:
        """A pod that is being deleted: its deletionTimestamp is when its grace is over."""
        grace = pod["spec"].get("terminationGracePeriodSeconds", 30)
        marks = {"deletionTimestamp": self._server.stamp(grace), "deletionGracePeriodSeconds": grace}
        return {**pod, "metadata": {**pod["metadata"], **marks}}

    def _end(self, pod: Object, by: str) -> None:
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        worker, grace = self.workers.get(name), pod["metadata"]["deletionGracePeriodSeconds"]
        if worker is not None and worker.alive:
            if worker.stop_begun is None:
                # Whoever asked for it: the end of a pod goes on without that process.
                contextvars.Context().run(self._loop.create_task, self._stop(worker, pod, grace, by))
        elif self.beats.get(name) == uid:
            self._loop.call_later(self._rng.uniform(0.2, 2.0), self.gone, name, uid)
        else:
            self._loop.call_later(self._rng.uniform(0.05, 1.0), self.gone, name, uid)

    async def _stop(self, worker: Worker, pod: Object, grace: float, by: str) -> None:
        worker.stop_begun = self._loop.now
        worker.ends_by = by if by in OURS else f"{WORLD}: {by}"
        end = self._loop.now + grace
        command = pod["spec"]["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
        await asyncio.sleep(self._rng.uniform(0.1, 0.6))
        thread = Thread()
        hook = pre_stop.run(command, worker.pod, self._world.broker_of(worker.pod), self._world.machine, thread)
        await asyncio.wait([hook], timeout=max(end - self._loop.now, 0.1))
        exited = self._loop.create_future()
        if worker.alive:
            worker.sigterm(partial(_done, exited))
            await asyncio.wait([exited], timeout=max(end - self._loop.now, 2.0))
            worker.kill("world: it could not be talked to" if self._helpless(worker) else f"{by}: SIGKILL, {grace:g} s")
        self._loop.call_soon(thread.kill)
        self.gone(worker.pod, pod["metadata"]["uid"])

    def _helpless(self, worker: Worker) -> bool:
        """Whether the hook had a time in which it could not do its work: the end is the world's, then."""
        since = worker.stop_begun or 0.0
        windows = [*worker.helpless, *self._world.broker_of(worker.pod).helpless]
        return any(begin <= self._loop.now and until >= since for begin, until in windows)

    def gone(self, name: str, uid: str) -> None:
        """A pod is there no more, as soon as its node can say so."""
        pod = self._live(name, uid)
        if pod is not None and pod["spec"].get("nodeName") not in self.lost:
            self.workers.pop(name, None)
            self.beats.pop(name, None)
            self._server.remove("pods", name)

    def died(self, node: str) -> None:
        """All that ran on a node runs no more; the broker notices in a while."""
        for pod in self.on(node):
            name = pod["metadata"]["name"]
            if (uid := self.beats.pop(name, None)) is not None:
                self._world.beat.killed(uid)
            if name in self.workers:
                self.workers[name].kill("world: the node was lost", after=self._rng.uniform(60, 120))

    def heard_again(self, node: str) -> None:
        """The kubelet of a node does what was asked for meanwhile, and says how its pods are."""
        for pod in self.on(node):
            metadata = pod["metadata"]
            if leaving(pod):
                self._end(pod, "node")
            else:
                goes_on = self._sync if _runs(pod) else self._start
                self._loop.call_later(self._rng.uniform(0.1, 2.0), goes_on, metadata["name"], metadata["uid"])

    def give_up(self, pod: Object) -> None:
        """A pod of a node that was silent for too long is deleted; its node does not hear of it."""
        words = {"reason": "DeletionByTaintManager", "message": "Taint manager: deleting due to NoExecute taint"}
        body = self.with_status(pod, "DisruptionTarget", "True", **words)
        self._server.put("pods", body if leaving(body) else self._marked(body))

    def collected(self, pod: Object) -> None:
        """A pod whose Node object is gone is called failed, and deleted in the same moment."""
        words = {"reason": "DeletionByPodGC", "message": "PodGC: node no longer exists"}
        body = self.with_status(pod, "DisruptionTarget", "True", **words)
        self._server.put("pods", {**body, "status": {**body["status"], "phase": "Failed"}})
        self.gone(pod["metadata"]["name"], pod["metadata"]["uid"])

    def on(self, node: str) -> list[Object]:
        """The pods of a node."""
        return [it for it in list(self._server.objects["pods"].values()) if it["spec"].get("nodeName") == node]

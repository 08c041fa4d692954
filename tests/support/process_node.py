"""A node whose containers are plain processes of this machine, so that real controllers run real Celery workers.

It is not a kubelet: no images, cgroups, namespaces, probes or limits, one container a pod, and the processes see this
machine's files and network. What it keeps of a kubelet is what controllers and workers notice: when a pod is called
running and ready, how it is told to stop and how long it is given, and when the pod is gone. A
PersistentVolumeClaim is a folder of the node, whatever the claim says.
"""

import contextlib
import secrets
import threading
import time
import urllib.error
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from tests.support.containers import decoded
from tests.support.controlplane import ControlPlane
from tests.support.http import HttpError
from tests.support.pod_process import PodProcess
from tests.support.times import ago
from utilitarian_operator.api.objects import Object

EVERY_S = 0.1
LEASE_EVERY_S = 10.0
STOP_WITHIN = timedelta(seconds=30)
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"


class ProcessNode:
    """Binds and runs the pods of one namespace, for the time of its `with` block.

    Args:
        controlplane: that it joins.
        namespace: whose pods it runs; it is their scheduler, too.
        directory: for logs and volumes.
    """

    def __init__(self, controlplane: ControlPlane, namespace: str, directory: Path) -> None:
        self.name = f"node-{secrets.token_hex(3)}"
        self._api, self._namespace, self._directory = controlplane, namespace, directory
        self._pods: dict[str, PodProcess] = {}
        self._written: dict[str, Object] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._renewed = 0.0
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._register()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(STOP_WITHIN.total_seconds())
        with contextlib.suppress(HttpError, OSError):
            self._api.request("DELETE", f"/api/v1/nodes/{self.name}")
        if self._failure is not None:
            raise RuntimeError(f"{self.name} failed: its pods were ended early") from self._failure

    def pod(self, name: str) -> PodProcess:
        """A pod that this node runs, by name.

        Raises:
            KeyError: it runs no such pod.
        """
        for pod in list(self._pods.values()):
            if pod.name == name:
                return pod
        raise KeyError(f"{self.name} runs no pod {name}, but {[pod.name for pod in list(self._pods.values())]}")

    def running(self, prefix: str) -> list[PodProcess]:
        """The pods with names that begin so whose containers run now, those that are being ended included."""
        return [pod for pod in list(self._pods.values()) if pod.name.startswith(prefix) and pod.running]

    def claim(self, name: str) -> Path:
        """The folder that stands for a PersistentVolumeClaim."""
        return self._directory / "claims" / name

    def describe(self) -> str:
        """The end of the log of each container: what a failing test wants to see."""
        return "\n".join(pod.log() for pod in list(self._pods.values()))

    def _register(self) -> None:
        labels = {"kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux"}
        self._api.request(
            "POST",
            "/api/v1/nodes",
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name, "labels": labels}},
        )
        ready = {"type": "Ready", "status": "True", "reason": "ProcessesRun", "lastTransitionTime": ago()}
        room = {"cpu": "64", "memory": "256Gi", "pods": "1000"}
        status = {"conditions": [ready], "capacity": room, "allocatable": room}
        self._api.request("PATCH", f"/api/v1/nodes/{self.name}/status", {"status": status}, STRATEGIC_MERGE_PATCH)

    def _run(self) -> None:
        try:
            while not self._stop.wait(EVERY_S):
                # The API server may be restarted by a test, and what is about to be written may be gone: next time.
                with contextlib.suppress(HttpError, urllib.error.URLError, OSError):
                    self._renew_lease()
                    self._look()
        except BaseException as error:  # noqa: BLE001 - told by __exit__, where the test sees it
            self._failure = error
        finally:
            for pod in self._pods.values():
                pod.kill()

    def _look(self) -> None:
        listed = self._api.request("GET", f"/api/v1/namespaces/{self._namespace}/pods?resourceVersion=0")
        pods = {pod["metadata"]["uid"]: pod for pod in listed["items"]}
        for uid in self._pods.keys() - pods.keys():
            self._pods.pop(uid).kill()
            self._written.pop(uid, None)
        for uid, pod in pods.items():
            with contextlib.suppress(HttpError):
                self._take(uid, pod)

    def _take(self, uid: str, pod: Object) -> None:
        """One pod's turn; an error with one keeps the others from nothing."""
        if uid not in self._pods:
            bound_to = pod["spec"].get("nodeName")
            if bound_to is None and "deletionTimestamp" not in pod["metadata"]:
                self._bind(pod)
            elif bound_to != self.name:
                return
            directory = self._directory / f"{pod['metadata']['name']}-{uid[:8]}"
            self._pods[uid] = PodProcess(pod, directory, self._read, self.claim)
        ours = self._pods[uid]
        ours.step(pod)
        self._write(uid, ours)
        if ours.gone:
            options = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
            self._api.request("DELETE", _path(pod), options)

    def _bind(self, pod: Object) -> None:
        metadata = {"name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
        target = {"apiVersion": "v1", "kind": "Node", "name": self.name}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target}
        self._api.request("POST", f"{_path(pod)}/binding", binding)

    def _write(self, uid: str, ours: PodProcess) -> None:
        """Writes the status if it changed; conditions of others, such as readiness gates, stay as they are."""
        status = ours.status()
        conditions = ours.pod.get("status", {}).get("conditions", [])
        there = {it["type"]: (it["status"], it.get("reason", "")) for it in conditions}
        stated = {kind: str(is_so) for kind, is_so in ours.conditions().items()}
        told = {kind: (state, _reason(kind, stated)) for kind, state in stated.items()}
        changed = {kind: it for kind, it in told.items() if there.get(kind) != it}
        if status == self._written.get(uid) and not changed:
            return
        moment = ago()
        written = [
            {"type": kind, "status": state, "reason": reason, "lastTransitionTime": moment}
            for kind, (state, reason) in changed.items()
        ]
        body = {"metadata": {"uid": uid}, "status": {**status, "conditions": written}}
        self._api.request("PATCH", f"{_path(ours.pod)}/status", body, STRATEGIC_MERGE_PATCH)
        self._written[uid] = status

    def _read(self, kind: str, name: str) -> Mapping[str, str] | None:
        try:
            return decoded(kind, self._api.request("GET", f"/api/v1/namespaces/{self._namespace}/{kind}/{name}"))
        except HttpError as error:
            if error.status == 404:
                return None
            raise

    def _renew_lease(self) -> None:
        if time.monotonic() - self._renewed < LEASE_EVERY_S:
            return
        path = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{self.name}"
        spec = {
            "holderIdentity": self.name,
            "leaseDurationSeconds": 40,
            "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": self.name}, "spec": spec}
        self._api.request("PATCH", f"{path}?fieldManager=node&force=true", lease, "application/apply-patch+yaml")
        self._renewed = time.monotonic()


def _reason(kind: str, stated: Mapping[str, str]) -> str:
    """Why a kubelet calls a pod not ready; who reads it tells by that from a node that has fallen silent."""
    if kind not in {"Ready", "ContainersReady"} or stated[kind] == "True":
        return ""
    return "ReadinessGatesNotReady" if stated["ContainersReady"] == "True" else "ContainersNotReady"


def _path(pod: Object) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"

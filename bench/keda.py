"""KEDA itself beside a control plane of the tests: its operator, its metrics adapter, and what it is told to scale.

Both run as processes, as this operator does in the measurements beside it, and the cluster's own controller manager
runs the autoscaler (HPA) that asks the adapter. The adapter is an aggregated API of the cluster: a Service of the type
ExternalName leads to it. Certificates are made here in the place of KEDA's own rotation, which writes Secrets for pods.
"""

import base64
import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from hack import tools
from hack.commands import run
from tests.support.authority import Authority
from tests.support.controlplane import ControlPlane
from tests.support.http import HttpError
from tests.support.ports import LOOPBACK, free_port
from tests.support.processes import Process
from tests.support.waiting import wait_until
from utilitarian_operator.api.objects import Object

GROUP_VERSION = "external.metrics.k8s.io/v1beta1"
SERVICE = "keda-metrics-apiserver"
START_WITHIN = timedelta(seconds=90)
SCALED_OBJECTS = "/apis/keda.sh/v1alpha1"
API_SERVICE = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.external.metrics.k8s.io"
UNLIMITED: Object = {
    "stabilizationWindowSeconds": 0,
    "policies": [{"type": "Pods", "value": 1000, "periodSeconds": 15}],
}
API_URL = "RABBITMQ_API_URL"
"""A container's variable with the management API's address, for the trigger that reads it."""


@dataclass(frozen=True)
class Settings:
    """How its user sets it: None leaves KEDA's documented default (poll 30 s, cooldown 300 s, the HPA's own pace)."""

    poll_s: int | None = None
    cooldown_s: int | None = None
    stabilization_s: int | None = None
    scale_up_at_once: bool = False
    protocol: str = "amqp"
    grace_s: int | None = 30
    """Of its pods: Kubernetes' default, or None for what this operator gives its own."""

    def scaled_object(self, name: str, queues: Sequence[str], most: int, messages_a_worker: int) -> Object:
        """The resource that has KEDA scale a Deployment of this name by the fullest of these queues."""
        times = {"pollingInterval": self.poll_s, "cooldownPeriod": self.cooldown_s}
        spec: Object = {
            "scaleTargetRef": {"name": name},
            "minReplicaCount": 0,
            "maxReplicaCount": most,
            "triggers": [{"type": "rabbitmq", "metadata": self._trigger(it, messages_a_worker)} for it in queues],
            **{key: value for key, value in times.items() if value is not None},
        }
        if behavior := self._behavior():
            spec["advanced"] = {"horizontalPodAutoscalerConfig": {"behavior": behavior}}
        return {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": name}, "spec": spec}

    def _trigger(self, queue: str, messages_a_worker: int) -> dict[str, str]:
        host = API_URL if self.protocol == "http" else "CELERY_BROKER_URL"
        trigger = {"protocol": self.protocol, "hostFromEnv": host, "queueName": queue}
        return {**trigger, "mode": "QueueLength", "value": str(messages_a_worker)}

    def _behavior(self) -> Object:
        up = {"scaleUp": UNLIMITED} if self.scale_up_at_once else {}
        calm = self.stabilization_s
        return {**up, **({} if calm is None else {"scaleDown": {"stabilizationWindowSeconds": calm}})}


def crds() -> list[Path]:
    """The files of its resources, from the Go module that its programs are built of."""
    downloaded = run(
        "go", "mod", "download", "-json", "github.com/kedacore/keda/v2", cwd=tools.group_of("keda-operator").folder
    )
    return sorted(Path(json.loads(downloaded)["Dir"], "config/crd/bases").glob("*.yaml"))


@dataclass
class Keda:
    """KEDA on one control plane, watching one namespace, for the time of its `with` block."""

    plane: ControlPlane
    namespace: str
    folder: Path
    operator: Process = field(init=False)
    adapter: Process = field(init=False)

    def __post_init__(self) -> None:
        self._grpc = f"{LOOPBACK}:{free_port()}"
        self._port = free_port()
        self._authority = Authority()
        self._certificates = self.folder / "certificates"
        env = {"KUBECONFIG": str(self.plane.kubeconfig), "WATCH_NAMESPACE": self.namespace, "POD_NAMESPACE": "default"}
        env["KEDA_CLUSTER_OBJECT_NAMESPACE"] = "default"
        programs = (("keda-operator", self._operator_flags()), ("keda-adapter", self._adapter_flags()))
        self.operator, self.adapter = (
            Process(name, [tools.program(name), *flags], log=self.folder / f"{name}.log", env=env)
            for name, flags in programs
        )

    def __enter__(self) -> Self:
        try:
            self._write_certificates()
            self.plane.apply_crds(*crds())
            self._aggregate()
            self.operator.start()
            self.adapter.start()
            self.adapter.wait_ready(self._answers, within=START_WITHIN, ignoring=(HttpError, OSError))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # A group that the API server can't reach would keep namespaces from going.
        with contextlib.suppress(HttpError, OSError):
            self.plane.request("DELETE", API_SERVICE)
            self.plane.request("DELETE", f"/api/v1/namespaces/default/services/{SERVICE}")
        for process in (self.adapter, self.operator):
            process.stop()

    def scale(self, scaled_object: Object) -> None:
        """Have a Deployment scaled."""
        self.plane.request("POST", f"{self._scaled_objects}?fieldValidation=Strict", scaled_object)

    def ready(self) -> bool:
        """Whether each of its ScaledObjects is ready, with an HPA."""
        return all(_is_ready(it) for it in self._items())

    def forget(self) -> bool:
        """Delete all ScaledObjects; True when they are gone, which takes a look of KEDA's own."""
        self.plane.request("DELETE", self._scaled_objects)
        return not self._items()

    @property
    def _scaled_objects(self) -> str:
        return f"{SCALED_OBJECTS}/namespaces/{self.namespace}/scaledobjects"

    def _items(self) -> list[Object]:
        found: list[Object] = self.plane.request("GET", self._scaled_objects)["items"]
        return found

    def _answers(self) -> bool:
        return bool(self.plane.request("GET", f"/apis/{GROUP_VERSION}")["resources"] is not None)

    def _operator_flags(self) -> list[str]:
        return [
            f"--metrics-bind-address={LOOPBACK}:{free_port()}",
            f"--health-probe-bind-address={LOOPBACK}:{free_port()}",
            f"--metrics-service-bind-address={self._grpc}",
            f"--cert-dir={self._certificates}",
            "--zap-log-level=info",
            "--zap-encoder=console",
        ]

    def _adapter_flags(self) -> list[str]:
        return [
            f"--bind-address={LOOPBACK}",
            f"--secure-port={self._port}",
            f"--port={free_port()}",
            f"--metrics-service-address={self._grpc}",
            f"--cert-dir={self._certificates}",
            f"--tls-cert-file={self._certificates / 'tls.crt'}",
            f"--tls-private-key-file={self._certificates / 'tls.key'}",
            f"--client-ca-file={self._certificates / 'ca.crt'}",
            f"--lister-kubeconfig={self.plane.kubeconfig}",
            f"--authentication-kubeconfig={self.plane.kubeconfig}",
            f"--authorization-kubeconfig={self.plane.kubeconfig}",
            "--authentication-skip-lookup",
            "--zap-log-level=error",
        ]

    def _write_certificates(self) -> None:
        self._certificates.mkdir(parents=True)
        pair = self._authority.issue("keda", LOOPBACK, "localhost", f"{SERVICE}.default.svc")
        texts = {"ca.crt": self._authority.certificate, "tls.crt": pair.certificate, "tls.key": pair.key}
        for name, text in texts.items():
            (self._certificates / name).write_text(text)

    def _aggregate(self) -> None:
        """Lead the group of external metrics to the adapter, and let the API server's requests in.

        This API server has no certificate for its own requests to aggregated APIs, so they come without a name.
        """
        service = {"metadata": {"name": SERVICE}, "spec": {"type": "ExternalName", "externalName": "localhost"}}
        self.plane.request("POST", "/api/v1/namespaces/default/services", service)
        group, version = GROUP_VERSION.split("/")
        spec = {
            "group": group,
            "version": version,
            "service": {"namespace": "default", "name": SERVICE, "port": self._port},
            "caBundle": base64.b64encode(self._authority.certificate.encode()).decode(),
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        }
        body = {"metadata": {"name": f"{version}.{group}"}, "spec": spec}
        self.plane.request("POST", API_SERVICE.rpartition("/")[0], body)
        rules = [
            {"apiGroups": [group], "resources": ["*"], "verbs": ["*"]},
            {"nonResourceURLs": ["*"], "verbs": ["get"]},
        ]
        self._apply("clusterroles", {"rules": rules})
        subjects = [{"kind": "User", "name": "system:anonymous", "apiGroup": _RBAC}]
        role = {"kind": "ClusterRole", "name": "external-metrics", "apiGroup": _RBAC}
        self._apply("clusterrolebindings", {"subjects": subjects, "roleRef": role})

    def _apply(self, resource: str, body: Mapping[str, Any]) -> None:
        kind = {"clusterroles": "ClusterRole", "clusterrolebindings": "ClusterRoleBinding"}[resource]
        whole = {"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": {"name": "external-metrics"}, **body}
        path = f"/apis/{_RBAC}/v1/{resource}/external-metrics?fieldManager=bench&force=true"
        self.plane.request("PATCH", path, whole, "application/apply-patch+yaml")


@contextlib.contextmanager
def keda(plane: ControlPlane, namespace: str, folder: Path) -> Iterator[Keda]:
    """KEDA for the time of the block; it ends after the last of its ScaledObjects."""
    with Keda(plane, namespace, folder) as running:
        yield running
        wait_until(running.forget, within=START_WITHIN)


def _is_ready(scaled_object: Object) -> bool:
    conditions = scaled_object.get("status", {}).get("conditions", [])
    return any(it["type"] == "Ready" and it["status"] == "True" for it in conditions)


_RBAC = "rbac.authorization.k8s.io"

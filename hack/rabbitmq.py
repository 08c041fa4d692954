"""Runs RabbitMQ in the test bed's cluster and says how it is reached; its messages live as long as its pod."""

import base64
import hashlib
import json
import secrets

from hack import base, node_image, registry
from hack.cluster import NODE_PORTS, Cluster
from hack.console import step
from hack.engine import Engine
from hack.failure import Failure

NAMESPACE = "rabbitmq"
USER = "utilitarian"
PORTS = {"amqp": 5672, "management": 15672, "prometheus": 15692}
LABELS = {"app.kubernetes.io/name": "rabbitmq"}
CONFIGURATION = """default_user = {user}
default_pass = {password}
default_user_tags.monitoring = true
default_permissions.configure = .*
default_permissions.read = .*
default_permissions.write = .*
loopback_users = none
log.console = true
log.console.level = info
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 500MB
"""


def image(engine: Engine) -> str:
    """The server's image: the published one where images can be pulled, else Debian's package on our base."""
    return registry.RABBITMQ if node_image.official(engine) else base.rabbitmq(engine)


def password(cluster: Cluster) -> str:
    """The password that is in the cluster already, else a new one."""
    found = cluster.kubectl("get", "secret", "rabbitmq", "-n", NAMESPACE, "--ignore-not-found", "-o", "json")
    kept = json.loads(found)["data"].get("password") if found else None
    return base64.b64decode(kept).decode() if kept else secrets.token_urlsafe(24)


def install(cluster: Cluster, server_image: str, secret: str) -> None:
    """Apply RabbitMQ's objects; `wait` waits for it."""
    cluster.kubectl(
        "apply",
        "--server-side",
        "--force-conflicts",
        "--filename",
        "-",
        feed=json.dumps(_objects(server_image, secret)),
    )


def wait(cluster: Cluster) -> None:
    """Wait until it takes connections.

    Raises:
        Failure: it does not within two minutes; carries the state of its pod.
    """
    with step("waiting for RabbitMQ"):
        try:
            cluster.kubectl("rollout", "status", "deployment/rabbitmq", "-n", NAMESPACE, "--timeout=120s", within=130)
        except Failure as late:
            state = cluster.kubectl("describe", "pods", "-n", NAMESPACE)
            raise Failure(f"RabbitMQ did not come up: {late}\n{state[-2000:]}") from None


def _objects(server_image: str, secret: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
            _secret(secret),
            _service("rabbitmq", {}),
            _service("rabbitmq-host", NODE_PORTS),
            _deployment(server_image, hashlib.sha256(secret.encode()).hexdigest()),
        ],
    }


def _metadata(name: str, **more: object) -> dict[str, object]:
    return {"name": name, "namespace": NAMESPACE, "labels": LABELS, **more}


def _secret(secret: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _metadata("rabbitmq"),
        "stringData": {
            "password": secret,
            "rabbitmq.conf": CONFIGURATION.format(user=USER, password=secret),
            "enabled_plugins": "[rabbitmq_management,rabbitmq_prometheus].\n",
        },
    }


def _service(name: str, node_ports: dict[str, int]) -> dict[str, object]:
    ports = [
        {"name": port, "port": number, **({"nodePort": node_ports[port]} if node_ports else {})}
        for port, number in PORTS.items()
    ]
    kind = "NodePort" if node_ports else "ClusterIP"
    spec = {"type": kind, "selector": LABELS, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _metadata(name), "spec": spec}


def _deployment(server_image: str, checksum: str) -> dict[str, object]:
    template = {
        "metadata": {"labels": LABELS, "annotations": {"utilitarian.io/password-checksum": checksum}},
        "spec": {
            "containers": [_container(server_image)],
            "securityContext": {"fsGroup": 999},
            "terminationGracePeriodSeconds": 10,
            "volumes": [
                {"name": "configuration", "secret": {"secretName": "rabbitmq"}},
                {"name": "data", "emptyDir": {}},
            ],
        },
    }
    spec = {"replicas": 1, "strategy": {"type": "Recreate"}, "selector": {"matchLabels": LABELS}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _metadata("rabbitmq"), "spec": spec}


def _container(server_image: str) -> dict[str, object]:
    mounts = [
        {"name": "configuration", "mountPath": f"/etc/rabbitmq/{file}", "subPath": file, "readOnly": True}
        for file in ("rabbitmq.conf", "enabled_plugins")
    ]
    return {
        "name": "rabbitmq",
        "image": server_image,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": name, "containerPort": number} for name, number in PORTS.items()],
        "volumeMounts": [*mounts, {"name": "data", "mountPath": "/var/lib/rabbitmq"}],
        "readinessProbe": {"tcpSocket": {"port": "amqp"}, "periodSeconds": 1, "failureThreshold": 120},
        "resources": {"requests": {"cpu": "200m", "memory": "256Mi"}},
    }

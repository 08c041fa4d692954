"""Serves `metrics.k8s.io` over HTTPS as metrics-server does, behind the aggregation of a real API server.

What stands behind is a test's own figures. It keeps what a client sees of metrics-server: the discovery of the group, a
listing of pods with each pod's labels, a label selector, and quantities in nanocores and kibibytes.
"""

import json
import ssl
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.support.authority import Authority
from tests.support.controlplane import ControlPlane
from tests.support.http import HttpError
from tests.support.ports import LOOPBACK
from tests.support.waiting import wait_until
from utilitarian_operator.api.objects import Object

GROUP_VERSION = "metrics.k8s.io/v1beta1"
_SERVICE = {"namespace": "default", "name": "metrics"}
_API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"


class MetricsApi:
    """The metrics API of one cluster, for the time of its `with` block.

    Args:
        controlplane: that it joins.
        directory: for its certificate.
        body: what it answers instead of a listing, where a test sets that.
    """

    def __init__(self, controlplane: ControlPlane, directory: Path) -> None:
        self._api, self._pods = controlplane, list[Object]()
        self.body: bytes | None = None
        handler = type("Handler", (_Handler,), {"metrics": self})
        self._server = ThreadingHTTPServer((LOOPBACK, 0), handler)
        self._server.socket = _tls(directory).wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        port = self._server.server_address[1]
        service = {
            "metadata": {"name": _SERVICE["name"]},
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        }
        self._api.request("POST", "/api/v1/namespaces/default/services", service)
        group, version = GROUP_VERSION.split("/")
        spec = {
            "group": group,
            "version": version,
            "service": {**_SERVICE, "port": port},
            "insecureSkipTLSVerify": True,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        }
        self._api.request("POST", _API_SERVICES, {"metadata": {"name": f"{version}.{group}"}, "spec": spec})
        wait_until(self._answers, within=timedelta(seconds=30))
        return self

    def __exit__(self, *_: object) -> None:
        group, version = GROUP_VERSION.split("/")
        self._api.request("DELETE", f"{_API_SERVICES}/{version}.{group}")
        self._api.request("DELETE", f"/api/v1/namespaces/default/services/{_SERVICE['name']}")
        self._server.shutdown()
        self._server.server_close()

    def use(self, namespace: str, pod: str, labels: dict[str, str], **containers: tuple[str, str]) -> None:
        """Has a pod use so much: CPU and memory of each container, as quantities."""
        usage = [{"name": name, "usage": {"cpu": cpu, "memory": memory}} for name, (cpu, memory) in containers.items()]
        metadata = {"namespace": namespace, "name": pod, "labels": labels}
        self._pods = [*(it for it in self._pods if it["metadata"]["name"] != pod)]
        self._pods.append({"metadata": metadata, "window": "15s", "containers": usage})

    def listing(self, namespace: str, selector: str) -> Object:
        """The pods of a namespace that have all labels of a selector."""
        wanted = dict(term.split("=", 1) for term in selector.split(",") if term)
        items = [
            it
            for it in self._pods
            if it["metadata"]["namespace"] == namespace and wanted.items() <= it["metadata"]["labels"].items()
        ]
        return {"kind": "PodMetricsList", "apiVersion": GROUP_VERSION, "metadata": {}, "items": items}

    def _answers(self) -> bool:
        try:
            self._api.request("GET", f"/apis/{GROUP_VERSION}/namespaces/default/pods")
        except (HttpError, OSError):
            return False
        return True


class _Handler(BaseHTTPRequestHandler):
    metrics: MetricsApi

    def do_GET(self) -> None:
        where = urlsplit(self.path)
        parts = where.path.removeprefix(f"/apis/{GROUP_VERSION}").strip("/").split("/")
        if parts[0] == "namespaces":
            selector = parse_qs(where.query).get("labelSelector", [""])[0]
            self._send(self.metrics.body or json.dumps(self.metrics.listing(parts[1], selector)).encode())
            return
        pods = {"name": "pods", "singularName": "", "namespaced": True, "kind": "PodMetrics", "verbs": ["get", "list"]}
        self._send(json.dumps({"kind": "APIResourceList", "groupVersion": GROUP_VERSION, "resources": [pods]}).encode())

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing: it is asked again and again."""


def _tls(directory: Path) -> ssl.SSLContext:
    pair = Authority().issue("metrics", "localhost", LOOPBACK)
    certificate, key = directory / "metrics.crt", directory / "metrics.key"
    certificate.write_text(pair.certificate)
    key.write_text(pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context

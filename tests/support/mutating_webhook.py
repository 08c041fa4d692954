"""A mutating webhook on a real API server: it changes each Deployment of a namespace and counts who writes them.

It stands for a registry mirror, a mesh's injector or a policy: each patches what any client sends.
"""

import base64
import json
import ssl
import threading
from collections import Counter
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self

from tests.support.authority import Authority
from tests.support.controlplane import ControlPlane
from tests.support.ports import LOOPBACK
from utilitarian_operator.api.objects import Object

_CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


class Patch(NamedTuple):
    """One operation of a JSON patch."""

    op: str
    path: str
    value: Any = None


class MutatingWebhook:
    """The webhook, for the time of its `with` block.

    Args:
        controlplane: that calls it.
        namespace: whose Deployments it changes.
        directory: for its certificate.
        patches: what it does to each; nothing is taken from where it is not, nor added to a list twice.
    """

    def __init__(self, controlplane: ControlPlane, namespace: str, directory: Path, patches: Sequence[Patch]) -> None:
        self._api, self._namespace, self._patches = controlplane, namespace, patches
        self._writes: Counter[str] = Counter()
        authority = Authority()
        pair = authority.issue("webhook", LOOPBACK, "localhost")
        self._bundle = base64.b64encode(authority.certificate.encode()).decode()
        certificate, key = directory / "webhook.crt", directory / "webhook.key"
        certificate.write_text(pair.certificate)
        key.write_text(pair.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server = ThreadingHTTPServer((LOOPBACK, 0), type("Handler", (_Handler,), {"webhook": self}))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}
        webhook = {
            "name": "deployments.tests.example",
            "clientConfig": {
                "url": f"https://{LOOPBACK}:{self._server.server_address[1]}/",
                "caBundle": self._bundle,
            },
            "rules": [{**rule, "operations": ["CREATE", "UPDATE"]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self._namespace}},
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        self._api.request("POST", _CONFIGURATIONS, {"metadata": {"name": self._namespace}, "webhooks": [webhook]})
        return self

    def __exit__(self, *_: object) -> None:
        self._api.request("DELETE", f"{_CONFIGURATIONS}/{self._namespace}")
        self._server.shutdown()
        self._server.server_close()

    def writes(self, manager: str) -> int:
        """How often a field manager has sent a Deployment; dry runs don't count."""
        return self._writes[manager]

    def review(self, request: Object) -> Object:
        """The answer to one request for admission."""
        if not request.get("dryRun"):
            self._writes[str(request.get("options", {}).get("fieldManager"))] += 1
        patch = [it._asdict() for it in self._patches if _is_due(it, request["object"])]
        encoded = base64.b64encode(json.dumps(patch).encode()).decode()
        return {"uid": request["uid"], "allowed": True, "patchType": "JSONPatch", "patch": encoded}


class _Handler(BaseHTTPRequestHandler):
    webhook: MutatingWebhook

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {"apiVersion": review["apiVersion"], "kind": review["kind"]}
        body = json.dumps({**answer, "response": self.webhook.review(review["request"])}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing: it is called again and again."""


def _is_due(patch: Patch, body: Object) -> bool:
    here: Any = body
    for name in patch.path.removesuffix("/-").strip("/").split("/"):
        here = here.get(name.replace("~1", "/")) if isinstance(here, dict) else None
    if patch.path.endswith("/-"):
        return all(it["name"] != patch.value["name"] for it in here)
    return patch.op != "remove" or here is not None

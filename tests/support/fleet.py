"""One UtilitarianWorkerPool under test: applies it and reads what became of it; it waits for nothing."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.support.controlplane import MERGE_PATCH, ControlPlane
from tests.support.http import HttpError
from utilitarian_operator.api.objects import Object

SECRET = "utilitarian-env"
URL_KEY = "CELERY_BROKER_URL"


@dataclass(frozen=True)
class Fleet:
    """A resource called NAME in a namespace."""

    controlplane: ControlPlane
    namespace: str
    name: str = "fleet"

    def create(self, broker_url: str | None, **spec: Any) -> Object:
        """Makes the resource and, with a URL, the Secret that it names; `spec` is over image and broker."""
        if broker_url is not None:
            self.create_secret(broker_url)
        reference = {"secretKeyRef": {"name": SECRET, "key": URL_KEY}}
        whole = {"image": "utilitarian:dev", "broker": {"urlFrom": reference}, **spec}
        body = {"apiVersion": _API, "kind": "UtilitarianWorkerPool", "metadata": {"name": self.name}, "spec": whole}
        return self._request("POST", f"/apis/{_API}", "utilitarianworkerpools", body)

    def create_secret(self, broker_url: str) -> None:
        """Makes the Secret with the broker's URL."""
        body = {"metadata": {"name": SECRET}, "stringData": {URL_KEY: broker_url}}
        self._request("POST", "/api/v1", "secrets", body)

    def edit_secret(self, broker_url: str) -> None:
        """Puts another URL into the Secret."""
        self._request("PATCH", "/api/v1", f"secrets/{SECRET}", {"stringData": {URL_KEY: broker_url}})

    def edit(self, **spec: Any) -> Object:
        """Merges into the spec: null takes a field away, lists are replaced."""
        return self._request("PATCH", f"/apis/{_API}", f"utilitarianworkerpools/{self.name}", {"spec": spec})

    def annotate(self, annotations: Mapping[str, str | None]) -> Object:
        """Sets annotations of the resource; None takes one away."""
        body = {"metadata": {"annotations": dict(annotations)}}
        return self._request("PATCH", f"/apis/{_API}", f"utilitarianworkerpools/{self.name}", body)

    def delete(self) -> None:
        """Deletes the resource."""
        self._request("DELETE", f"/apis/{_API}", f"utilitarianworkerpools/{self.name}")

    def read(self) -> Object:
        """The resource as it is."""
        return self._request("GET", f"/apis/{_API}", f"utilitarianworkerpools/{self.name}")

    def status(self) -> Object:
        """Its status, empty before the operator's first visit."""
        status: Object = self.read().get("status", {})
        return status

    def set_status(self, status: Mapping[str, Any]) -> None:
        """Merges into the status, as an operator does."""
        self._request("PATCH", f"/apis/{_API}", f"utilitarianworkerpools/{self.name}/status", {"status": status})

    def pool(self, name: str) -> Object:
        """What the status says of a pool, empty if nothing yet."""
        return next((pool for pool in self.status().get("pools", []) if pool["name"] == name), {})

    def condition(self, kind: str) -> tuple[str, str, str]:
        """Status, reason and message of a condition; empty words before it is set."""
        found: Object = next((it for it in self.status().get("conditions", []) if it["type"] == kind), {})
        return found.get("status", ""), found.get("reason", ""), found.get("message", "")

    def deployment(self, pool: str) -> Object | None:
        """A pool's Deployment, None if there is none."""
        return self._maybe("deployments", f"{self.name}-{pool}")

    def beat(self) -> Object | None:
        """Beat's StatefulSet, None if there is none."""
        return self._maybe("statefulsets", f"{self.name}-beat")

    def replicas(self, pool: str) -> int | None:
        """Workers that a pool's Deployment asks for, None if there is none."""
        found = self.deployment(pool)
        return None if found is None else int(found["spec"]["replicas"])

    def pods(self, pool: str) -> list[str]:
        """Names of a pool's pods."""
        selector = f"app.kubernetes.io/instance={self.name},utilitarian.io/pool={pool}"
        return [pod["metadata"]["name"] for pod in self.controlplane.pods(self.namespace, selector)]

    def events(self) -> list[tuple[str, str]]:
        """Reason and note of each event about the resource, the oldest first."""
        items = self._request("GET", "/apis/events.k8s.io/v1", "events")["items"]
        ours = [it for it in items if it.get("regarding", {}).get("name") == self.name]
        return [(it["reason"], it["note"]) for it in sorted(ours, key=lambda it: it["eventTime"])]

    def scalings(self, pool: str) -> list[tuple[float, int]]:
        """When (Unix seconds) the pool was asked to have how many workers, the oldest first."""
        items = self._request("GET", "/apis/events.k8s.io/v1", "events")["items"]
        found = []
        for event in items:
            said = _SCALING.fullmatch(event["note"])
            if event.get("regarding", {}).get("name") == self.name and said and said["pool"] == pool:
                found.append((datetime.fromisoformat(event["eventTime"]).timestamp(), int(said["to"])))
        return sorted(found)

    def describe(self) -> str:
        """What a failing test wants to see."""
        status = self.status()
        pools = {
            pool["name"]: (pool["replicas"], pool["ready"], pool["message"], pool["trail"])
            for pool in status.get("pools", [])
        }
        conditions = {it["type"]: (it["status"], it["message"]) for it in status.get("conditions", [])}
        return "\n".join(map(str, (pools, conditions, status.get("beat"), *self.events())))

    def _maybe(self, kind: str, name: str) -> Object | None:
        try:
            return self._request("GET", "/apis/apps/v1", f"{kind}/{name}")
        except HttpError as error:
            if error.status == 404:
                return None
            raise

    def _request(self, method: str, group: str, what: str, body: Mapping[str, Any] | None = None) -> Object:
        content_type = MERGE_PATCH if method == "PATCH" else "application/json"
        path = f"{group}/namespaces/{self.namespace}/{what}"
        answer: Object = self.controlplane.request(method, path, body, content_type)
        return answer


_API = "utilitarian.io/v1alpha1"
_SCALING = re.compile(r"pool (?P<pool>\S+): \d+ to (?P<to>\d+): .*")

"""Talks to the API server about one namespace, by the official client; objects are plain JSON and nothing is judged."""

import json
import time
from collections.abc import Mapping
from typing import Any

import urllib3
from kubernetes import config
from kubernetes.client.exceptions import ApiException

from demo.bed import Bed, DemoError

Object = dict[str, Any]

FLEETS = "apis/utilitarian.io/v1alpha1/namespaces/{}/utilitarianworkerpools"
DEPLOYMENTS = "apis/apps/v1/namespaces/{}/deployments"
STATEFUL_SETS = "apis/apps/v1/namespaces/{}/statefulsets"
PODS = "api/v1/namespaces/{}/pods"
CLAIMS = "api/v1/namespaces/{}/persistentvolumeclaims"
SECRETS = "api/v1/namespaces/{}/secrets"
EVENTS = "apis/events.k8s.io/v1/namespaces/{}/events"

WITHIN = 20.0  # seconds for one request
NOT_FOUND, CONFLICT = 404, 409


class Refused(DemoError):
    """The API server refused a request; `status` is HTTP's."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Cluster:
    """One namespace of a cluster; each method raises DemoError when the API server refuses or doesn't answer."""

    def __init__(self, kubeconfig: str, context: str | None, namespace: str) -> None:
        self.namespace = namespace
        try:
            self._client = config.new_client_from_config(kubeconfig, context, persist_config=False)
        except (OSError, config.ConfigException) as error:
            raise DemoError(f"the kubeconfig {kubeconfig} can't be used ({error}): run `make up`") from error

    @classmethod
    def of(cls, bed: Bed, namespace: str) -> "Cluster":
        """A namespace of the test bed."""
        return cls(bed.kubeconfig, bed.context, namespace)

    def make_namespace(self) -> None:
        """Make the namespace, which must not be there."""
        self.request("POST", "api/v1/namespaces", {"metadata": {"name": self.namespace}})

    def delete_namespace(self) -> None:
        """Ask for the deletion of the namespace, if it is there, and don't wait for it."""
        self._delete(f"api/v1/namespaces/{self.namespace}")

    def has_namespace(self) -> bool:
        """Whether the namespace is there, be it on its way out."""
        return self._find(f"api/v1/namespaces/{self.namespace}") is not None

    def wait_gone(self, within: float) -> None:
        """Wait until the namespace is gone.

        Raises:
            DemoError: it is still there after so many seconds.
        """
        deadline = time.monotonic() + within
        while (left := self._find(f"api/v1/namespaces/{self.namespace}")) is not None:
            if time.monotonic() > deadline:
                said = [condition["message"] for condition in left["status"].get("conditions", [])]
                raise DemoError(f"the namespace {self.namespace} is not gone after {within:.0f} s: {'; '.join(said)}")
            time.sleep(0.5)

    def make_secret(self, name: str, values: Mapping[str, str]) -> None:
        """Make a Secret."""
        self.request("POST", SECRETS.format(self.namespace), {"metadata": {"name": name}, "stringData": dict(values)})

    def make_fleet(self, resource: Mapping[str, Any]) -> None:
        """Make a UtilitarianWorkerPool; fields that mean nothing are refused, as by `kubectl apply`."""
        self.request("POST", FLEETS.format(self.namespace), resource, {"fieldValidation": "Strict"})

    def delete_fleet(self, name: str) -> None:
        """Ask for the deletion of a UtilitarianWorkerPool, if it is there; what it owns goes after it."""
        self._delete(f"{FLEETS.format(self.namespace)}/{name}")

    def wait_without_pods(self, within: float) -> None:
        """Wait until the namespace has no pods, at most so many seconds."""
        deadline = time.monotonic() + within
        while self.items(PODS) and time.monotonic() < deadline:
            time.sleep(0.5)

    def fleet(self, name: str) -> Object | None:
        """A UtilitarianWorkerPool, or None."""
        return self._find(f"{FLEETS.format(self.namespace)}/{name}")

    def items(self, kind: str, selector: str = "") -> list[Object]:
        """All objects of a kind (one of this module's paths) that match a label selector."""
        found: list[Object] = self.request("GET", kind.format(self.namespace), query={"labelSelector": selector})[
            "items"
        ]
        return found

    def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> Any:
        """Send one request and return the JSON answer.

        Raises:
            Refused: the API server said no.
            DemoError: it doesn't answer.
        """
        parameters = self._client.param_serialize(
            method,
            f"/{path}",
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json", "Content-Type": "application/json"},
            body=dict(body) if body is not None else None,
            auth_settings=["BearerToken"],
        )
        try:
            answer = self._client.call_api(*parameters, _request_timeout=WITHIN)
            content = answer.read()
        except (urllib3.exceptions.HTTPError, ApiException) as error:
            server = self._client.configuration.host
            raise DemoError(f"the API server {server} doesn't answer ({_brief(error)}): is it up? `make up`") from error
        if answer.status >= 300:  # noqa: PLR2004 - all that HTTP calls no success
            raise Refused(f"{method} {path} was refused ({answer.status}): {_reason(content)}", answer.status)
        return json.loads(content)

    def _delete(self, path: str) -> None:
        try:
            self.request("DELETE", path, {"propagationPolicy": "Background"})
        except Refused as error:
            if error.status not in {NOT_FOUND, CONFLICT}:  # 409: it is being deleted already
                raise

    def _find(self, path: str) -> Object | None:
        try:
            found: Object = self.request("GET", path)
        except Refused as error:
            if error.status == NOT_FOUND:
                return None
            raise
        return found


def _reason(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content.decode(errors="replace")[:200]


def _brief(error: Exception) -> str:
    return str(error).splitlines()[0][:200]

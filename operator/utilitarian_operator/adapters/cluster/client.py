"""Requests to the Kubernetes API server, one a call."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from aiohttp import ClientError
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.exceptions import ApiException

from utilitarian_operator.core.labels import MANAGER
from utilitarian_operator.errors import ClusterError, Conflict, Gone, Rejected

Object: TypeAlias = dict[str, Any]

TIMEOUT_S = 10.0
MOST_EVENTS = 100
LOG_LINES, LOG_BYTES = 100, 65_536
JSON = "application/json"
YAML = "application/yaml"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"

_PATHS = {
    "Deployment": "apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "apis/apps/v1/namespaces/{}/statefulsets",
    "PodDisruptionBudget": "apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "ControllerRevision": "apis/apps/v1/namespaces/{}/controllerrevisions",
    "PersistentVolumeClaim": "api/v1/namespaces/{}/persistentvolumeclaims",
    "UtilitarianWorkerPool": "apis/utilitarian.io/v1alpha1/namespaces/{}/utilitarianworkerpools",
    "Secret": "api/v1/namespaces/{}/secrets",
    "ConfigMap": "api/v1/namespaces/{}/configmaps",
    "Pod": "api/v1/namespaces/{}/pods",
    "Lease": "apis/coordination.k8s.io/v1/namespaces/{}/leases",
    "Event": "apis/events.k8s.io/v1/namespaces/{}/events",
}
_LISTS = {
    "utilitarianworkerpools": "apis/utilitarian.io/v1alpha1",
    "deployments": "apis/apps/v1",
    "statefulsets": "apis/apps/v1",
    "controllerrevisions": "apis/apps/v1",
    "poddisruptionbudgets": "apis/policy/v1",
    "pods": "api/v1",
    "leases": "apis/coordination.k8s.io/v1",
    "storageclasses": "apis/storage.k8s.io/v1",
    "csidrivers": "apis/storage.k8s.io/v1",
}
_ERRORS = {404: Gone, 409: Conflict, 400: Rejected, 403: Rejected, 422: Rejected}


class Cluster:
    """The API server, as the operator uses it.

    Every method raises ClusterError when the server can't be reached or fails, and its subclasses Conflict, Gone and
    Rejected when it refuses.

    Args:
        client: of the official library, which knows how to log in.
        may_write: called before each write; raises LeadershipLost to prevent it.
    """

    def __init__(self, client: ApiClient, may_write: Callable[[], None] = lambda: None) -> None:
        self._client, self._may_write = client, may_write

    async def create(self, manifest: Object) -> Object:
        """Make an object; returns it as it is now."""
        if manifest["kind"] != "ControllerRevision":
            return await self._write("POST", _collection(manifest), manifest, JSON)
        # Its data may never change, and as JSON they are kept byte by byte: any patch of its metadata, the garbage
        # collector's too, spells them anew and would be refused. As YAML they are spelt by the API server at once.
        return await self._write("POST", _collection(manifest), json.dumps(manifest, ensure_ascii=False), YAML)

    async def read(self, kind: str, namespace: str, name: str) -> Object:
        """One object as it is now."""
        return await self._request("GET", f"{_PATHS[kind].format(namespace)}/{name}")

    async def apply(self, manifest: Object, *, force: bool) -> Object:
        """Server-side apply.

        Args:
            manifest: what is applied.
            force: take over fields of others; only for objects that the resource controls. Else Conflict is raised.
        """
        query = [("force", "true")] if force else []
        return await self._write("PATCH", _item(manifest), manifest, APPLY_PATCH, query)

    async def set_managed_fields(self, live: Object, fields: Sequence[Object]) -> Object:
        """Rewrite who holds which field of an object, unless it changed since it was seen."""
        patch = [
            {"op": "replace", "path": "/metadata/managedFields", "value": list(fields)},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
        ]
        return await self._write("PATCH", _item(live), patch, JSON_PATCH)

    async def scale(
        self, namespace: str, deployment: str, replicas: int, resource_version: str | None = None
    ) -> Object:
        """Set the replicas of a Deployment through /scale; returns the Scale.

        Args:
            namespace: of the Deployment.
            deployment: its name.
            replicas: wanted.
            resource_version: refuse if the Deployment is not at this version any more; None asks for no such thing.
        """
        body: Object = {"spec": {"replicas": replicas}}
        if resource_version is not None:
            body["metadata"] = {"resourceVersion": resource_version}
        path = f"{_PATHS['Deployment'].format(namespace)}/{deployment}/scale"
        return await self._write("PATCH", path, body, MERGE_PATCH)

    async def delete(self, live: Object) -> None:
        """Delete exactly this object, not another of its name; its pods end in their own time.

        A Deployment goes only as it was seen: its status says that it has no pods any more.
        """
        sure = ("uid", "resourceVersion") if live["kind"] == "Deployment" else ("uid",)
        preconditions = {name: live["metadata"][name] for name in sure}
        options = {"preconditions": preconditions, "propagationPolicy": "Background"}
        await self._write("DELETE", _item(live), options, JSON)

    async def annotate(self, pod: Object, annotations: Mapping[str, str | None]) -> Object:
        """Set annotations of exactly this pod, None takes one away; returns it as it is now."""
        patch = {"metadata": {"uid": pod["metadata"]["uid"], "annotations": dict(annotations)}}
        return await self._write("PATCH", _pod(pod), patch, MERGE_PATCH)

    async def set_condition(self, pod: Object, condition: Object) -> Object:
        """Set one condition of exactly this pod, the others stay; returns it as it is now."""
        patch = {"metadata": {"uid": pod["metadata"]["uid"]}, "status": {"conditions": [condition]}}
        return await self._write("PATCH", f"{_pod(pod)}/status", patch, STRATEGIC_MERGE_PATCH)

    async def patch_status(self, namespace: str, name: str, status: Mapping[str, Any]) -> Object:
        """Write the status of a UtilitarianWorkerPool; fields that are not given stay."""
        path = f"{_PATHS['UtilitarianWorkerPool'].format(namespace)}/{name}/status"
        return await self._write("PATCH", path, {"status": dict(status)}, MERGE_PATCH)

    async def secret(self, namespace: str, name: str) -> dict[str, str]:
        """The decoded values of a Secret."""
        answer = await self.read("Secret", namespace, name)
        # A key that is no text is none that is asked for; it must not hide the others.
        encoded: dict[str, str] = answer.get("data") or {}
        return {key: base64.b64decode(value).decode(errors="replace") for key, value in encoded.items()}

    async def trust(self, configuration: str, authority: str) -> None:
        """Have the API server trust an authority (PEM) when it calls the webhooks of a ValidatingWebhookConfiguration.

        Nothing is written if it does already.
        """
        path = f"apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{configuration}"
        webhooks = (await self._request("GET", path)).get("webhooks", [])
        bundle = base64.b64encode(authority.encode()).decode()
        patch = [
            {"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": bundle}
            for index, webhook in enumerate(webhooks)
            if webhook["clientConfig"].get("caBundle") != bundle
        ]
        if patch:
            await self._write("PATCH", path, patch, JSON_PATCH)

    async def event(self, namespace: str, event: Object) -> None:
        """Record an event."""
        await self._write("POST", _PATHS["Event"].format(namespace), event, JSON)

    async def warnings(self, namespace: str, uid: str) -> list[Object]:
        """The events of type Warning about one object."""
        about = [("fieldSelector", f"involvedObject.uid={uid},type=Warning"), ("limit", str(MOST_EVENTS))]
        answer = await self._request("GET", f"api/v1/namespaces/{namespace}/events", query=about)
        return list(answer["items"])

    async def log_end(self, pod: Object, container: str, *, previous: bool) -> str:
        """The last lines of a container's log, as its node has them.

        Args:
            pod: as it was seen.
            container: its name.
            previous: of the one that ran before the present one.
        """
        which = [("container", container), ("previous", str(previous).lower())]
        bounds = [("tailLines", str(LOG_LINES)), ("limitBytes", str(LOG_BYTES))]
        return (await self._answer("GET", f"{_pod(pod)}/log", query=[*which, *bounds])).decode(errors="replace")

    async def items(
        self, plural: str, namespace: str | None, selector: str = "", limit: int | None = None, name: str = ""
    ) -> tuple[list[Object], int]:
        """All objects of one kind, of a namespace or of all (None), and the version of the list; the first `limit`."""
        scope = f"namespaces/{namespace}/" if namespace else ""
        asked = {"labelSelector": selector, "limit": limit, "fieldSelector": name and f"metadata.name={name}"}
        query = [(name, str(value)) for name, value in asked.items() if value]
        answer = await self._request("GET", f"{_LISTS[plural]}/{scope}{plural}", query=query)
        kind = {"apiVersion": answer["apiVersion"], "kind": answer["kind"].removesuffix("List")}
        return [kind | item for item in answer["items"]], int(answer["metadata"]["resourceVersion"])

    async def _write(
        self, method: str, path: str, body: Any, content_type: str, query: Sequence[tuple[str, str]] = ()
    ) -> Object:
        self._may_write()
        # Strict: a typing error in a part that the CRD passes through must not be dropped in silence.
        manager = [] if method == "DELETE" else [("fieldManager", MANAGER), ("fieldValidation", "Strict")]
        return await self._request(method, path, body, content_type, [*manager, *query])

    async def _request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = JSON,
        query: Sequence[tuple[str, str]] = (),
    ) -> Object:
        text = await self._answer(method, path, body, content_type, query)
        try:
            result: Object = json.loads(text) if text else {}
        except ValueError as error:
            raise ClusterError(f"{method} {path}: no JSON in the answer: {error}") from error
        return result

    async def _answer(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = JSON,
        query: Sequence[tuple[str, str]] = (),
    ) -> bytes:
        headers = {"Accept": f"{JSON}, */*", "Content-Type": content_type}
        try:
            request = await self._client.param_serialize(
                method,
                f"/{path}",
                query_params=list(query),
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
            )
            answer = await self._client.call_api(*request, _request_timeout=TIMEOUT_S)
            text: bytes = await answer.read()
        except ApiException as error:
            raise _error(error.status or 0, str(error.body or error.reason), f"{method} {path}") from error
        except (ClientError, TimeoutError, OSError) as error:
            raise ClusterError(f"{method} {path}: {error or type(error).__name__}") from error
        if answer.status >= 300:  # noqa: PLR2004 - HTTP's own number
            raise _error(answer.status, text.decode(errors="replace"), f"{method} {path}")
        return text


def _collection(manifest: Object) -> str:
    return _PATHS[manifest["kind"]].format(manifest["metadata"]["namespace"])


def _item(manifest: Object) -> str:
    return f"{_collection(manifest)}/{manifest['metadata']['name']}"


def _pod(live: Object) -> str:
    return f"{_PATHS['Pod'].format(live['metadata']['namespace'])}/{live['metadata']['name']}"


def _error(status: int, text: str, what: str) -> ClusterError:
    try:
        said = json.loads(text).get("message", text)
    except (ValueError, AttributeError):  # a page of a proxy, not the API server's own Status
        said = text
    message, kind = f"{what}: HTTP {status}: {said}", _ERRORS.get(status, ClusterError)
    if status == 500 and "failed to create typed patch object" in said:  # noqa: PLR2004 - HTTP's own number
        kind = Rejected  # a field that Kubernetes doesn't know, as server-side apply says it
    return Rejected(message, said) if kind is Rejected else kind(message)

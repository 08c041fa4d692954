"""Requests to the Kubernetes API server, one a call."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from aiohttp import ClientError
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.exceptions import ApiException

from utilitarian_operator.adapters.cluster import nested_json, pod_metrics
from utilitarian_operator.adapters.cluster.pages import Pages, PageTooLong, bounded, listed
from utilitarian_operator.adapters.cluster.request_rate import RequestRate
from utilitarian_operator.adapters.cluster.seam import Cluster, Each
from utilitarian_operator.adapters.cluster.yaml_body import as_yaml
from utilitarian_operator.adapters.requests import UNTOLD, Requests, Target
from utilitarian_operator.api.objects import Object, ReadOnlyObject
from utilitarian_operator.core.labels import MANAGER
from utilitarian_operator.core.observation.model.usage import PodUsage
from utilitarian_operator.errors import ClusterError, Conflict, Gone, Rejected

TIMEOUT_S = 10.0
LOG_LINES, LOG_BYTES = 100, 65_536
MOST_LISTED_BYTES = 4 * 2**20
"""Of a list with a limit: of objects that others made."""

JSON = "application/json"
YAML = "application/yaml"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml; charset=utf-8"
"""With the charset, so that the library sends our text as it is; without, it would make JSON of it."""

STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"

_PATHS = {
    "CSIDriver": ("apis/storage.k8s.io/v1", "csidrivers"),
    "ConfigMap": ("api/v1", "configmaps"),
    "ControllerRevision": ("apis/apps/v1", "controllerrevisions"),
    "Deployment": ("apis/apps/v1", "deployments"),
    "HorizontalPodAutoscaler": ("apis/autoscaling/v2", "horizontalpodautoscalers"),
    "Event": ("apis/events.k8s.io/v1", "events"),
    "Lease": ("apis/coordination.k8s.io/v1", "leases"),
    "Namespace": ("api/v1", "namespaces"),
    "PersistentVolumeClaim": ("api/v1", "persistentvolumeclaims"),
    "Pod": ("api/v1", "pods"),
    "PodDisruptionBudget": ("apis/policy/v1", "poddisruptionbudgets"),
    "Secret": ("api/v1", "secrets"),
    "SelfSubjectAccessReview": ("apis/authorization.k8s.io/v1", "selfsubjectaccessreviews"),
    "StatefulSet": ("apis/apps/v1", "statefulsets"),
    "StorageClass": ("apis/storage.k8s.io/v1", "storageclasses"),
    "UtilitarianWorkerPool": ("apis/utilitarian.io/v1alpha1", "utilitarianworkerpools"),
    "ValidatingWebhookConfiguration": ("apis/admissionregistration.k8s.io/v1", "validatingwebhookconfigurations"),
}
"""Group and plural of each kind."""

_LISTS = {plural: group for group, plural in _PATHS.values()} | {"events": "api/v1"}
"""Group of each list; events are read in the shape that the kubelet writes them in."""

_OURS = "UtilitarianWorkerPool"
_NO_FAILURE = ("failed to create typed patch object", "failed calling webhook", "request is too large")
"""Said with HTTP 500 all the same: of a field that Kubernetes doesn't know, of a webhook that is away, and by etcd."""
_DENIED = re.compile(r"denied (?:the )?request")
"""Said by a webhook and by a policy of the cluster, with whatever number it likes: 401, 404, 409, 429, 500."""
_ERRORS = {404: Gone, 409: Conflict, 400: Rejected, 403: Rejected, 413: Rejected, 422: Rejected}


class ClusterClient(Cluster):
    """The API server itself.

    Args:
        client: of the official library, which knows how to log in.
        may_write: called before each write with the object's namespace, or "" where it has none; returns within how
            many seconds the write must be over, and raises LeadershipLost or LeaseUnsure to prevent it.
        rate: of all requests; None for one that never waits, as the Lease must not.
        requests: where each is told of.
    """

    _with_each_write: Sequence[tuple[str, str]] = ()
    """Parameters of the query of each write."""
    _manager: ClassVar[str] = MANAGER
    """In whose name fields are written."""

    def __init__(
        self,
        client: ApiClient,
        may_write: Callable[[str], float] = lambda _: TIMEOUT_S,
        rate: RequestRate | None = None,
        requests: Requests = UNTOLD,
    ) -> None:
        self._client, self._may_write, self._rate, self._requests = client, may_write, rate, requests

    async def create(self, manifest: Object) -> Object:
        """Make an object; returns it as it is now."""
        if manifest["kind"] != "ControllerRevision":
            return await self._write("POST", _collection(manifest), manifest, JSON)
        # Its data may never change, and as JSON they are kept byte by byte: any patch of its metadata, the garbage
        # collector's too, spells them anew and would be refused. As YAML they are spelt by the API server at once.
        return await self._write("POST", _collection(manifest), as_yaml(manifest), YAML)

    async def read(self, kind: str, namespace: str, name: str) -> Object:
        """One object as it is now."""
        return await self._request("GET", _path(kind, namespace, name))

    async def apply(self, manifest: Object, *, force: bool) -> Object:
        """Server-side apply.

        Args:
            manifest: what is applied.
            force: take over fields of others; only for objects that the resource controls. Else Conflict is raised.
        """
        query = [("force", "true")] if force else []
        return await self._write("PATCH", _item(manifest), as_yaml(manifest), APPLY_PATCH, query)

    async def patch(self, live: ReadOnlyObject, change: ReadOnlyObject, subresource: str = "") -> Object:
        """Change some fields of exactly this object; None takes one away."""
        only = {"uid": live["metadata"]["uid"]} if "uid" in live["metadata"] else {}
        body = {**change, "metadata": {**change.get("metadata", {}), **only}}
        path = f"{_item(live)}/{subresource}" if subresource else _item(live)
        # The API server merges lists by their key for its own kinds alone.
        content_type = MERGE_PATCH if live["kind"] == _OURS else STRATEGIC_MERGE_PATCH
        # An older CRD doesn't know each field of the status: what it knows is written all the same.
        unknown = "Ignore" if subresource == "status" else "Strict"
        return await self._write("PATCH", path, body, content_type, unknown=unknown)

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
        path = f"{_path('Deployment', namespace, deployment)}/scale"
        return await self._write("PATCH", path, body, MERGE_PATCH)

    async def delete(self, live: ReadOnlyObject) -> None:
        """Delete exactly this object, not another of its name; its pods end in their own time.

        A Deployment goes only as it was seen: its status says that it has no pods any more.
        """
        sure = ("uid", "resourceVersion") if live["kind"] == "Deployment" else ("uid",)
        preconditions = {name: live["metadata"][name] for name in sure}
        options = {"preconditions": preconditions, "propagationPolicy": "Background"}
        await self._write("DELETE", _item(live), options, JSON)

    async def serves(self, plural: str) -> bool:
        """Whether the API server knows a kind, by the list of its version's kinds.

        Args:
            plural: the kind, as its path has it.
        """
        try:
            version = await self._request("GET", _LISTS[plural])
        except Gone:
            return False
        try:
            return any(it["name"] == plural for it in version["resources"])
        except (KeyError, TypeError) as error:
            raise ClusterError(f"GET {_LISTS[plural]}: the answer is no list of kinds") from error

    async def log_end(self, pod: ReadOnlyObject, container: str, *, previous: bool) -> str:
        """The last lines of a container's log, as its node has them.

        Args:
            pod: as it was seen.
            container: its name.
            previous: of the one that ran before the present one.
        """
        which = [("container", container), ("previous", str(previous).lower())]
        bounds = [("tailLines", str(LOG_LINES)), ("limitBytes", str(LOG_BYTES))]
        return (
            await self._answer(
                "GET",
                f"{_path('Pod', pod['metadata']['namespace'], pod['metadata']['name'])}/log",
                query=[*which, *bounds],
            )
        ).decode(errors="replace")

    async def pod_usage(self, namespace: str, selector: str) -> Mapping[str, PodUsage]:
        """What the workers' containers of some pods use, by the pod's name.

        Args:
            namespace: that they are in.
            selector: of labels.
        """
        path, query = f"{pod_metrics.PATH}/namespaces/{namespace}/pods", [("labelSelector", selector)]
        body = await self._answer("GET", path, query=query, most=pod_metrics.MOST_BYTES)
        try:
            return pod_metrics.from_listing(body)
        except ValueError as error:
            raise ClusterError(f"GET {path}: {error}") from error

    async def items(
        self, plural: str, namespace: str | None, selector: str = "", limit: int | None = None, fields: str = ""
    ) -> tuple[list[Object], int]:
        """All objects of one kind, of a namespace or of all (None), and the version of the list; the first `limit`.

        With a limit no more than `MOST_LISTED_BYTES` are read: the first of them, where all are more than that.
        """
        if limit is None:
            return await self.kept_items(plural, namespace, selector, lambda it: it, fields)
        found: list[Object] = []
        pages, after, left, at = Pages(limit), "", MOST_LISTED_BYTES, 0
        while True:

            async def ask(
                number: int, most: int, after: str = after, left: int = left, wanted: int = limit - len(found)
            ) -> bytes:
                path, query = _list_of(plural, namespace, selector, min(number, wanted), fields, after)
                return await self._answer("GET", path, query=query, most=min(most, left))

            try:
                items, metadata = _objects_of(text := await pages.read(ask), plural, lambda it: it)
            except PageTooLong:
                if not found:
                    raise
                return found, at
            found, at, left = found + items, int(metadata["resourceVersion"]), left - len(text)
            after = metadata.get("continue") or ""
            if not after or len(found) >= limit or left < MOST_LISTED_BYTES // 4:
                return found, at

    async def kept_items(
        self, plural: str, namespace: str | None, selector: str, each: Each, fields: str = ""
    ) -> tuple[list[Object], int]:
        """What is kept of all objects of one kind, and the version of the list; read in pages."""
        found: list[Object] = []
        pages, after = Pages(), ""
        while True:

            async def ask(limit: int, most: int, after: str = after) -> bytes:
                path, query = _list_of(plural, namespace, selector, limit, fields, after)
                return await self._answer("GET", path, query=query, most=most)

            items, metadata = _objects_of(await pages.read(ask), plural, each)
            found += items
            after = metadata.get("continue") or ""
            if not after:
                return found, int(metadata["resourceVersion"])

    async def _listed(
        self, plural: str, namespace: str | None, selector: str, limit: int, fields: str = "", after: str = ""
    ) -> tuple[list[Object], Object]:
        """A page of objects of one kind, of as many as may be read at once, and what the list says of itself."""

        async def ask(number: int, most: int) -> bytes:
            path, query = _list_of(plural, namespace, selector, number, fields, after)
            return await self._answer("GET", path, query=query, most=most)

        return _objects_of(await Pages(limit).read(ask), plural, lambda it: it)

    async def _write(
        self,
        method: str,
        path: str,
        body: Any,
        content_type: str,
        query: Sequence[tuple[str, str]] = (),
        unknown: str = "Strict",
    ) -> Object:
        await self._turn()  # before the Lease is asked how long it lasts
        within_s = min(self._may_write(_namespace(path)), TIMEOUT_S)
        # Strict: a typing error in a part that the CRD passes through must not be dropped in silence.
        manager = [] if method == "DELETE" else [("fieldManager", self._manager), ("fieldValidation", unknown)]
        more = [*manager, *query, *self._with_each_write]
        return await self._request(method, path, body, content_type, more, within_s=within_s)

    async def _turn(self) -> None:
        if self._rate is not None:
            await self._rate.turn()

    async def _request(self, method: str, path: str, *more: Any, **options: Any) -> Object:
        text = await self._answer(method, path, *more, **options)
        try:
            result: Object = nested_json.load(text) if text else {}
        except ValueError as error:
            raise ClusterError(f"{method} {path}: no JSON in the answer: {error}") from error
        return result

    async def _answer(  # noqa: PLR0913 - what a request consists of
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = JSON,
        query: Sequence[tuple[str, str]] = (),
        most: int | None = None,
        within_s: float = TIMEOUT_S,
    ) -> bytes:
        if method == "GET":
            await self._turn()
        headers = {"Accept": f"{JSON}, */*", "Content-Type": content_type}
        with self._requests.to(Target.API, _is_answer, {"http.request.method": method, "url.path": f"/{path}"}):
            try:
                request = await self._client.param_serialize(
                    method,
                    f"/{path}",
                    query_params=list(query),
                    header_params=headers,
                    body=body,
                    auth_settings=["BearerToken"],
                )
                async with asyncio.timeout(within_s):
                    answer = await self._client.call_api(*request, _request_timeout=TIMEOUT_S)
                    self._came(answer.response.headers)
                    text: bytes = await (answer.read() if most is None else bounded(answer.response, most))
            except ApiException as error:
                raise self._error(error.status or 0, str(error.body or error.reason), f"{method} {path}") from error
            except (ClientError, TimeoutError, OSError) as error:
                raise self._no_answer(error, f"{method} {path}") from error
            if answer.status >= 300:  # noqa: PLR2004 - HTTP's own number
                raise self._error(answer.status, text.decode(errors="replace"), f"{method} {path}")
        return text

    def _no_answer(self, error: Exception, what: str) -> ClusterError:
        """What it means that no answer to a request came."""
        silent = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
        return ClusterError(f"{what}: {str(error) or silent}")

    def _came(self, headers: Mapping[str, str]) -> None:
        """An answer has come, with these headers."""

    def _error(self, status: int, text: str, what: str) -> ClusterError:
        """What an answer of this status means, which says this to that request."""
        try:
            said = str(json.loads(text).get("message") or text)
        except (ValueError, AttributeError):  # a page of a proxy, not the API server's own Status
            said = text
        message, kind = f"{what}: HTTP {status}: {said}", _ERRORS.get(status, ClusterError)
        no_failure = status == 500 and any(it in said for it in _NO_FAILURE)  # noqa: PLR2004 - HTTP's own number
        if no_failure or _DENIED.search(said):
            kind = Rejected
        return Rejected(message, said) if kind is Rejected else kind(message)


def _kind(kind: str, plural: str) -> Object:
    """What an item of a list doesn't say of itself."""
    return {"apiVersion": _LISTS[plural].partition("/")[2], "kind": kind}


_KINDS = {plural: _kind(kind, plural) for kind, (_, plural) in _PATHS.items()}


def _list_of(
    plural: str, namespace: str | None, selector: str, limit: int | None, fields: str, after: str
) -> tuple[str, list[tuple[str, str]]]:
    """Path and query of a list."""
    asked = {"labelSelector": selector, "limit": limit, "fieldSelector": fields, "continue": after}
    path = f"{_LISTS[plural]}/{f'namespaces/{namespace}/' if namespace else ''}{plural}"
    return path, [(option, str(value)) for option, value in asked.items() if value]


def _objects_of(text: bytes, plural: str, each: Each) -> tuple[list[Object], Object]:
    """What is kept of the objects of a page, and what the list says of itself."""
    try:
        answer = listed(text, lambda it: each(_KINDS[plural] | it))
        return list(answer["items"] or ()), dict(answer["metadata"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ClusterError(f"GET {plural}: the answer is no list of an API server") from error


def _is_answer(error: Exception) -> bool:
    """Whether the API server has answered, though not as hoped for."""
    return isinstance(error, Conflict | Gone | Rejected)


def _path(kind: str, namespace: str | None, name: str = "") -> str:
    group, plural = _PATHS[kind]
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"{group}{scope}/{plural}" + (f"/{name}" if name else "")


def _namespace(path: str) -> str:
    """The namespace that a path is in; "" where there is none."""
    _, _, rest = path.partition("/namespaces/")
    return rest.partition("/")[0]


def _collection(manifest: ReadOnlyObject) -> str:
    return _path(manifest["kind"], manifest["metadata"].get("namespace"))


def _item(live: ReadOnlyObject) -> str:
    return _path(live["kind"], live["metadata"].get("namespace"), live["metadata"]["name"])

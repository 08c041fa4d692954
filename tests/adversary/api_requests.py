"""The API server over HTTP, as one process reaches it, and what goes wrong on the way."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.adversary.api_server import KINDS, ApiServer, Object, condition, merged, with_condition
from tests.adversary.crd import PLURAL, Invalid

_PATH = re.compile(
    r"^/apis?/(?:(?P<group>[\w.]+)/)?v\w+/(?:namespaces/(?P<ns>[^/]+)/)?(?P<plural>\w+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>\w+))?$"
)
_REASONS = {403: "forbidden: injected", 409: "injected conflict", 429: "too many requests", 500: "internal error"}
TIMEOUT_S = 10.0


class Refused(Exception):
    """An answer with a status that is no success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Weather:
    """What goes wrong between the operator and the API server, and until when.

    Args:
        until: moment of the loop.
        rate: share of the requests.
        kinds: of what goes wrong: a status, `timeout`, `lost-answer` or `slow`.
    """

    until: float = 0.0
    rate: float = 0.0
    kinds: tuple[str, ...] = ()
    unheard: int = 0
    """Writes to come that have their effect, and whose answer is lost."""


@dataclass
class Answer:
    """A response of the official client."""

    status: int
    body: bytes

    async def read(self) -> bytes:
        """The body."""
        return self.body

    @property
    def response(self) -> "Answer":
        """The same of a client that reads a body in parts."""
        return self

    @property
    def headers(self) -> Mapping[str, str]:
        """None: no time that a header tells is that of the world."""
        return {}

    @property
    def content(self) -> "Answer":
        """The same."""
        return self

    async def iter_any(self) -> AsyncIterator[bytes]:
        """All of it in one part."""
        yield self.body


@dataclass
class Client:
    """Stands for the official library's ApiClient of one process.

    Args:
        server: the API server.
        world: told of each write, before and after.
        process: whose requests these are.
        events: recorded.
    """

    server: ApiServer
    world: Any
    process: Any
    events: list[tuple[float, str, str]] = field(default_factory=list)

    async def param_serialize(
        self, method: str, path: str, *, query_params: Any, header_params: Any, body: Any, auth_settings: Any
    ) -> tuple[Any, ...]:
        """A request as it goes over the wire."""
        del auth_settings
        text = body if isinstance(body, str) else json.dumps(body, allow_nan=False)
        return method, path, dict(query_params), header_params["Content-Type"], json.loads(text)

    async def call_api(self, method: str, path: str, query: Any, kind: str, body: Any, **_: Any) -> Answer:
        """Send a request: latency, what goes wrong, the effect, and the answer; a dead process gets none."""
        write, rng = method != "GET", self.world.rng
        wrong = "timeout" if "metrics.k8s.io" in path and self.world.usage.silent else self._wrong(write)
        await asyncio.sleep(rng.uniform(0.5, 4.0) if wrong == "slow" else rng.uniform(0.001, 0.006))
        await self.process.alive()
        await self.process.writes_now(write, "before")
        if wrong is not None and wrong.isdigit():
            return _failure(int(wrong), _REASONS[int(wrong)])
        if wrong == "timeout":
            await asyncio.sleep(TIMEOUT_S)
            raise TimeoutError
        self.world.moments.asked(method, path, body)
        if write and self.world.weather.unheard:
            self.world.weather.unheard, wrong = self.world.weather.unheard - 1, "lost-answer"
        try:
            result = self._do(method, _PATH.match(path), query, kind, body)
        except Refused as error:
            return _failure(error.status, str(error))
        if write and "/leases" not in path:
            self.world.invariants.wrote(method, path, body)
            self.world.invariants.wrote_as(self.process.lead)
        await self.process.writes_now(write, "after")
        await asyncio.sleep(rng.uniform(0.001, 0.004))
        await self.process.alive()
        if wrong == "lost-answer":
            raise ConnectionResetError("connection reset after the effect")
        if method == "PATCH" and result.get("kind") == "Deployment":
            self.world.saw("deployments", result)  # an apply's answer has also what others set
        return Answer(200, json.dumps(result).encode())

    def _wrong(self, write: bool) -> str | None:
        weather: Weather = self.world.weather
        if self.world.loop.now >= weather.until or self.world.rng.random() >= weather.rate:
            return None
        kind = self.world.rng.choice(weather.kinds)
        return None if kind == "409" and not write else str(kind)

    def _do(self, method: str, at: Any, query: Any, kind: str, body: Any) -> Any:
        if at is not None and at["group"] == "metrics.k8s.io" and self.world.usage.there:
            return self.world.usage.listing()
        if at is None or at["group"] in {"metrics.k8s.io", "autoscaling"}:
            raise Refused(404, "the server could not find the requested resource")
        plural, name, sub = at["plural"], at["name"], at["sub"]
        if plural == "events":
            return self._event(method, body)
        if sub == "log":
            return {}
        if name is None:
            return self._list(plural, query) if method == "GET" else self._create(plural, body, query)
        live = self.server.get(plural, name)
        if live is None:
            raise Refused(404, f"{plural} {name!r} not found")
        if method == "GET":
            self.world.reads(plural, live)
            return live
        if method == "DELETE":
            return self._delete(plural, live, body.get("preconditions", {}))
        if plural == PLURAL:
            self._known(body, query, 422)
        return self._patch(plural, live, sub, kind, body)

    def _known(self, body: Object, query: Any, status: int) -> None:
        """Refuse a request with unknown fields, where it asks for that."""
        unknown = self.server.crd.unknown(body) if query.get("fieldValidation") == "Strict" else []
        if unknown:
            why = "strict decoding error: " + ", ".join(f'unknown field "{it}"' for it in unknown)
            self.world.invariants.breach("refused-write", why)
            raise Refused(status, why)

    def _event(self, method: str, body: Any) -> Any:
        if method == "GET":
            metadata = {"resourceVersion": str(self.server.version)}
            return {"kind": "EventList", "apiVersion": "v1", "metadata": metadata, "items": []}
        if method == "PATCH":
            self.events.append((self.world.loop.at, "again", str(body["series"]["count"])))
            return body
        self.events.append((self.world.loop.at, body["reason"], body["note"]))
        return {**body, "metadata": {**body["metadata"], "uid": body["metadata"]["name"]}}

    def _list(self, plural: str, query: Any) -> Any:
        matches = _selector(query.get("labelSelector", ""))
        found = [it for it in self.server.objects[plural].values() if matches(it["metadata"].get("labels") or {})]
        if named := query.get("fieldSelector", "").removeprefix("metadata.name="):
            found = [it for it in found if it["metadata"]["name"] == named]
        found = found[: int(query.get("limit") or len(found))]
        for it in found:
            self.world.saw(plural, it)  # an operator that begins is shown so what a person did meanwhile
        kind, group = KINDS[plural]
        metadata = {"resourceVersion": str(self.server.version)}
        return {"kind": f"{kind}List", "apiVersion": group, "metadata": metadata, "items": found}

    def _create(self, plural: str, body: Object, query: Any) -> Object:
        name = body["metadata"]["name"]
        if self.server.get(plural, name) is not None:
            raise Refused(409, f"{plural} {name!r} already exists")
        if plural == "deployments":
            self.world.invariants.scales(name, 0, body["spec"].get("replicas", 1), by="operator")
        if plural == PLURAL:
            self._known(body, query, 400)
            body = self._stored({part: it for part, it in body.items() if part != "status"}, {})
        metadata = {**body["metadata"], "managedFields": [_fields(body, "Update")]}
        return self.server.add(plural, {**body, "metadata": metadata})

    def _delete(self, plural: str, live: Object, sure: dict[str, str]) -> Object:
        if any(live["metadata"][name] != value for name, value in sure.items()):
            raise Refused(409, "the precondition does not hold")
        if plural == "pods":
            self.world.invariants.deletes(live)
            self.world.kubelet.delete(live["metadata"]["name"], live["metadata"]["uid"], "operator")
        else:
            if plural == "deployments":
                self.world.invariants.removes(live["metadata"]["name"])
            self.world.remove(plural, live["metadata"]["name"])
        return {}

    def _patch(self, plural: str, live: Object, sub: str | None, kind: str, body: Any) -> Object:
        if sub == "scale":
            return self._scale(live, body)
        if "apply" in kind:
            return self._apply(plural, live, body)
        given = body.get("metadata") or {}
        name, seen = live["metadata"]["name"], live["metadata"]
        if given.get("uid", seen["uid"]) != seen["uid"]:
            raise Refused(422, f"{name} is invalid: metadata.uid: field is immutable")
        if given.get("resourceVersion", seen["resourceVersion"]) != seen["resourceVersion"]:
            raise Refused(409, f"{name} was changed")
        if sub == "status":
            changed = self._with_status(live, body["status"], by_key="strategic" in kind)
        else:
            parts = {"metadata": {**given, "resourceVersion": live["metadata"]["resourceVersion"]}}
            parts |= {part: body[part] for part in ("spec", "data") if part in body}
            changed = merged(live, parts)
        if plural == PLURAL:
            changed = self._stored(changed, live)
            self.world.invariants.status(live.get("status", {}), changed.get("status", {}))
            if sub == "status" and name == self.world.name:
                self.world.invariants.told(live["metadata"]["generation"], changed.get("status", {}))
        return live if changed == live else self.server.put(plural, changed)

    def _stored(self, body: Object, before: Object) -> Object:
        """A resource as its schema lets it in; what the operator writes is never refused for that."""
        try:
            return self.server.crd.stored(body, before)
        except Invalid as error:
            self.world.invariants.breach("refused-write", str(error))
            raise Refused(422, str(error)) from error

    def _with_status(self, live: Object, status: Object, *, by_key: bool) -> Object:
        """A merge patch of the status; a strategic one merges the conditions by their type."""
        if by_key:
            changed = live
            for entry in status["conditions"]:
                changed = with_condition(changed, {**(condition(live, entry["type"]) or {}), **entry})
            return changed
        return {**live, "status": merged(live.get("status", {}), status)}

    def _scale(self, live: Object, body: Any) -> Object:
        wanted = body.get("metadata", {}).get("resourceVersion")
        if wanted is not None and wanted != live["metadata"]["resourceVersion"]:
            raise Refused(409, f"{live['metadata']['name']} was changed")
        scaled = self.world.scale(live["metadata"]["name"], body["spec"]["replicas"], by="operator")
        replicas = scaled["spec"]["replicas"]  # of none nothing is said
        return {"kind": "Scale", "metadata": scaled["metadata"], "spec": {"replicas": replicas} if replicas else {}}

    def _apply(self, plural: str, live: Object, body: Object) -> Object:
        spec = dict(body["spec"])
        if plural == "deployments" and "replicas" not in spec:
            spec["replicas"] = live["spec"].get("replicas", 1)
        kept = [it for it in live["metadata"].get("managedFields", []) if it["operation"] != "Apply"]
        metadata = {**live["metadata"], "managedFields": [*kept, _fields(body, "Apply")]}
        for part in ("labels", "annotations"):
            metadata[part] = {**(live["metadata"].get(part) or {}), **body["metadata"].get(part, {})}
        if "ownerReferences" in body["metadata"]:
            metadata["ownerReferences"] = body["metadata"]["ownerReferences"]
        if metadata == live["metadata"] and spec == live["spec"]:
            return live
        if spec != live["spec"]:
            metadata["generation"] = live["metadata"]["generation"] + 1
        if spec.get("template") != live["spec"].get("template"):
            self.world.rolled = True
            self.world.log(f"rollout of {live['metadata']['name']}")
        return self.server.put(plural, {**live, "metadata": metadata, "spec": spec})


def _fields(body: Object, operation: str) -> Object:
    held: Object = {f"f:{name}": {} for name in body.get("spec", {})}
    return {"manager": "utilitarian-operator", "operation": operation, "fieldsV1": {"f:spec": held}}


def _failure(status: int, message: str) -> Answer:
    return Answer(status, json.dumps({"kind": "Status", "message": message}).encode())


def _selector(text: str) -> Callable[[dict[str, str]], bool]:
    """What a label selector asks for; only equality is known."""
    equal, other = dict[str, str](), dict[str, str]()
    for term in filter(None, text.split(",")):
        name, _, value = term.partition("!=" if "!=" in term else "=")
        (other if "!=" in term else equal)[name] = value
    return lambda labels: (
        all(labels.get(name) == value for name, value in equal.items())
        and all(labels.get(name) != value for name, value in other.items())
    )

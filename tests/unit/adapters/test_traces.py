"""Traces: what a look is made of, as the library's own exporter in memory has it, and over HTTP as a collector does."""

import asyncio
import base64
import contextlib
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from tests.support.ports import free_port
from tests.support.resources import resource
from utilitarian_operator.adapters.broker.bounded.brokers import Brokers
from utilitarian_operator.adapters.broker.fake import FakeBroker
from utilitarian_operator.adapters.cluster.cache import FLEETS, Key, Store
from utilitarian_operator.adapters.cluster.fake import FakeCluster
from utilitarian_operator.adapters.requests import Requests, Target
from utilitarian_operator.adapters.spans import UNTRACED, Spans
from utilitarian_operator.adapters.traces import Untraceable, announced, checked, provider_to, spans_of, traced
from utilitarian_operator.errors import ClusterError, Gone
from utilitarian_operator.metrics.fleet import Metrics
from utilitarian_operator.reconcile.act.drains import Drains
from utilitarian_operator.reconcile.act.writer import ObjectWriter
from utilitarian_operator.reconcile.reconciler import Reconciler

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KEY = Key("ns", "fleet")


class Traced:
    """Spans that are kept in memory."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._provider = provider_to(self._exporter, "operator-0")
        self.spans = spans_of(self._provider)

    def ended(self) -> list[ReadableSpan]:
        self._provider.force_flush()
        return list(self._exporter.get_finished_spans())

    def parents(self) -> dict[str, str | None]:
        """The name of each span's parent, by its own."""
        ended = self.ended()
        names = {it.context.span_id: it.name for it in ended}
        return {it.name: names[it.parent.span_id] if it.parent else None for it in ended}

    def named(self, name: str) -> ReadableSpan:
        (found,) = [it for it in self.ended() if it.name == name]
        return found

    def close(self) -> None:
        self._provider.shutdown()


@pytest.fixture
def kept() -> Iterator[Traced]:
    with contextlib.closing(Traced()) as made:
        yield made


class Asking(FakeCluster):
    """An API server in memory, each request of which is told of."""

    requests_told: Requests

    def _asked(self, request: Any) -> None:
        with self.requests_told.to(Target.API):
            super()._asked(request)


async def looked(spans: Spans, fails: Exception | None = None) -> None:
    """One look at a fleet of one pool."""
    cluster, store = Asking(lambda: NOW), Store()
    cluster.requests_told = Requests(lambda *_: None, time.monotonic, spans)
    body = resource("pools: [{name: work, queues: [q]}]")
    body["metadata"]["namespace"] = KEY.namespace
    store.see(FLEETS, await cluster.create(body))
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "ns", "name": "env"}}
    await cluster.create({**secret, "data": {"URL": base64.b64encode(b"amqp://broker/").decode()}})
    cluster.fails = lambda asked: fails if asked.kind in {"Deployment", "UtilitarianWorkerPool"} else None
    metrics = Metrics(CollectorRegistry(), time.monotonic)
    writer = ObjectWriter(cluster, store, metrics, "operator-0", lambda: NOW, uuid.uuid4)
    drains = Drains(cluster, store, writer, lambda: NOW, asyncio.sleep)
    brokers = Brokers(lambda _: FakeBroker())
    reconciler = Reconciler(cluster, store, brokers, drains, metrics, lambda: NOW, time.monotonic, spans=spans)
    await reconciler.reconcile(KEY)
    await brokers.close()


async def test_a_look_is_traced_with_its_parts_and_their_requests(kept: Traced) -> None:
    await looked(kept.spans)
    spans = kept.ended()
    (look,) = [it for it in spans if it.name == "look"]
    within = {it.context.span_id: it for it in spans}
    parts = [it.name for it in spans if it.parent and it.parent.span_id == look.context.span_id]
    assert parts == ["observe", "decide", "act"]
    asked = {within[it.parent.span_id].name for it in spans if it.name == "request api" and it.parent}
    assert asked == {"observe", "act"}
    assert dict(look.attributes or {}) == {
        "k8s.namespace.name": "ns",
        "utilitarian.fleet": "fleet",
        "utilitarian.pools": 1,
        "utilitarian.awake": 1,
        "utilitarian.scaled": 0,
        "utilitarian.drained": 0,
        "utilitarian.objects": 4,
        "utilitarian.same": False,
    }
    named = {f"service.{it}" for it in ("name", "version", "instance.id")}
    assert named <= look.resource.attributes.keys()


async def test_a_look_that_fails_says_the_kind_of_error_and_no_words_of_it(kept: Traced) -> None:
    await looked(kept.spans, ClusterError("POST /apis/apps/v1/namespaces/ns/deployments: a secret"))
    look = kept.named("look")
    assert (look.status.is_ok, look.status.description) == (False, "ClusterError")
    assert "a secret" not in str([it.to_json() for it in kept.ended()])


def test_brokers_are_read_for_no_single_look(kept: Traced) -> None:
    requests = Requests(lambda *_: None, time.monotonic, kept.spans)
    with kept.spans("look"):
        for target in Target:
            with requests.to(target):
                pass
    alone = {name for name, parent in kept.parents().items() if parent is None}
    assert alone == {"look", "request broker", "request statistics", "request remote_control"}


@pytest.mark.parametrize(
    "error, fails",
    [
        pytest.param(Gone("none such"), False, id="an answer"),
        pytest.param(ClusterError("away"), True, id="none"),
    ],
)
def test_an_answer_is_no_error(kept: Traced, error: Exception, fails: bool) -> None:
    requests = Requests(lambda *_: None, time.monotonic, kept.spans)
    what = {"http.request.method": "GET", "url.path": "/api"}
    with contextlib.suppress(ClusterError), requests.to(Target.API, lambda it: isinstance(it, Gone), what):
        raise error
    request = kept.named("request api")
    assert request.status.is_ok is not fails
    assert dict(request.attributes or {}) == what


@contextlib.contextmanager
def collector(status: int = 200) -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A collector, and what it got."""
    got: list[tuple[str, bytes]] = []

    class Takes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with serving(Takes) as url:
        yield url, got


@contextlib.contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The URL of a server."""
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def test_a_collector_gets_the_last_spans_when_the_process_ends() -> None:
    with collector() as (url, got):
        async with traced(checked(url), "operator-0") as spans:
            with spans("look", {"utilitarian.fleet": "fleet"}):
                pass
    ((path, body),) = got
    sent = ExportTraceServiceRequest.FromString(body)
    assert path == "/v1/traces"
    assert [it.name for of in sent.resource_spans for scope in of.scope_spans for it in scope.spans] == ["look"]


class Taking(SpanExporter):
    """What sends spans, with these results in turn."""

    def __init__(self, *results: SpanExportResult) -> None:
        self._results = iter(results)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        del spans
        return next(self._results)

    def shutdown(self) -> None:
        return


def test_that_a_collector_takes_nothing_is_said_once_and_that_it_takes_spans_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The library says it once or twice for each batch, two dozen times a minute."""
    caplog.set_level("INFO")
    well, ill = SpanExportResult.SUCCESS, SpanExportResult.FAILURE
    exporter = announced(Taking(well, ill, ill, well, well), "http://c/v1/traces")
    for _ in range(5):
        exporter.export([])
    said = [(it.levelname, it.message, vars(it)["collector"]) for it in caplog.records]
    assert said == [
        ("WARNING", "traces can't be sent, and are dropped", "http://c/v1/traces"),
        ("INFO", "traces are sent again", "http://c/v1/traces"),
    ]


async def test_a_collector_that_is_not_there_is_said_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}/v1/traces"
    async with traced(nowhere, "operator-0") as spans:
        with spans("look"):
            pass
    assert [it.message for it in caplog.records] == ["traces can't be sent, and are dropped"]


async def test_an_answer_without_end_is_read_no_further() -> None:
    """The library kept it all: whoever answers there could have filled the operator's memory."""
    part, said = b" " * 2**20, []

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(500)
            self.end_headers()
            with contextlib.suppress(OSError):
                for _ in range(64):
                    self.wfile.write(part)
                    said.append(part)

        def log_message(self, *_: object) -> None:
            return

    with serving(Answers) as url:
        async with traced(checked(url), "operator-0") as spans:
            with spans("look"):
                pass
    assert len(said) < 32


@pytest.mark.parametrize(
    "endpoint, sent_to",
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("https://traces.example.com/otlp/v1/traces", "https://traces.example.com/otlp/v1/traces"),
        ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
    ],
)
def test_where_traces_go(endpoint: str, sent_to: str) -> None:
    assert checked(endpoint) == sent_to


@pytest.mark.parametrize(
    "endpoint", ["collector:4318", "grpc://collector", "http://me:secret@collector", "http://a b", "http://c/?k=v"]
)
def test_what_is_no_collector_is_refused(endpoint: str) -> None:
    with pytest.raises(Untraceable, match="write the URL of a collector"):
        checked(endpoint)


async def test_without_an_endpoint_nothing_is_made() -> None:
    async with traced(None, "operator-0") as spans:
        assert spans is UNTRACED


async def test_without_the_packages_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, OTLPSpanExporter.__module__, None)
    with pytest.raises(Untraceable, match=r"install utilitarian-operator\[tracing\]"):
        async with traced("http://collector:4318/v1/traces", "operator-0"):
            pass

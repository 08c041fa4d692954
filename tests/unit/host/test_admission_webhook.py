"""What the admission webhook answers, and when its certificate is made anew."""

import asyncio
import base64
import contextlib
import gzip
import io
import json
import logging
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.support.authority import Authority
from tests.support.hellos import client_hello
from tests.support.pace import Pace
from tests.support.ports import LOOPBACK, free_port
from tests.support.resources import resource
from tests.support.taken import taken
from utilitarian_operator.adapters.broker.tls import load_key_pair
from utilitarian_operator.adapters.cluster.fake import FakeCluster
from utilitarian_operator.adapters.cluster.seam import secret_values
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.validation.pod_security import BASELINE
from utilitarian_operator.host import admission_webhook
from utilitarian_operator.host.admission_webhook import (
    CLIENT_CA,
    FIRST_LOOKS_EVERY_S,
    LONGEST_BODY,
    LOOK_EVERY_S,
    MOST_WAITING,
    PATH,
    AdmissionWebhook,
    Reviews,
    renew,
    review,
)
from utilitarian_operator.host.certificates import belong_together, make
from utilitarian_operator.host.serving.http import listen
from utilitarian_operator.host.settings import Admission

BAD = resource("timeZone: Mars")
TIGHT = resource(
    "pools: [{name: a, queues: [q],"
    " worker: {concurrency: 9, maxMemoryPerChild: 1Gi, resources: {limits: {memory: 2Gi}}}}]"
)


def answer(operation: str, new: Any = None, old: Any = None) -> dict[str, Any]:
    request = {"uid": "u", "operation": operation, "object": new, "oldObject": old}
    body = review({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
    assert (body["apiVersion"], body["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    response: dict[str, Any] = body["response"]
    assert response.pop("uid") == "u"
    return response


@pytest.mark.parametrize(
    "operation,new,old",
    [
        pytest.param("CREATE", resource(), None, id="right"),
        pytest.param("UPDATE", resource(), BAD, id="mended"),
        pytest.param("UPDATE", BAD | {"metadata": {"name": "fleet", "labels": {"a": "b"}}}, BAD, id="only-labelled"),
        pytest.param("DELETE", None, BAD, id="deleted"),
    ],
)
def test_what_may_run_or_does_not_change_is_let_through(operation: str, new: Any, old: Any) -> None:
    assert answer(operation, new, old) == {"allowed": True}


@pytest.mark.parametrize("operation,old", [("CREATE", None), ("UPDATE", resource())])
def test_what_can_not_run_is_refused_with_path_and_remedy(operation: str, old: Any) -> None:
    response = answer(operation, BAD, old)
    assert not response["allowed"]
    assert response["status"]["code"] == 422
    assert response["status"]["message"].startswith("spec.timeZone: no such time zone: write one of")


def test_what_will_probably_not_work_is_warned_of() -> None:
    response = answer("CREATE", TIGHT)
    assert response["allowed"]
    [warning] = response["warnings"]
    assert warning.startswith("spec.pools[0].worker.maxMemoryPerChild: 10 processes of 1Gi may take more")
    assert len(warning) <= 256


@pytest.mark.parametrize("body", [{}, [], None, {"request": None}, {"request": {"operation": "CREATE"}}, "x"])
def test_what_is_no_review_is_an_error(body: Any) -> None:
    with pytest.raises((KeyError, TypeError, AttributeError)):
        review(body)


TOO_LARGE = "spec: has most of a spec that takes more than 4 MiB of the operator's memory"


def with_unknown_fields(count: int) -> dict[str, Any]:
    body = resource()
    return body | {"spec": body["spec"] | {f"x{it}": 1 for it in range(count)}}


@pytest.mark.thorough
def test_a_text_that_is_wrong_throughout_is_told_of_in_twenty_sentences() -> None:
    begun = time.process_time()
    message = answer("CREATE", with_unknown_fields(20_000))["status"]["message"]
    took_s = time.process_time() - begun
    assert Pace().allows(took_s, 1), "ten times as many took 19.7 s of CPU once"
    assert message.count("is no field here") == 20
    assert message.endswith("spec: has 19980 more mistakes")
    assert len(message) < 20_000


def test_one_that_is_too_large_is_told_in_one_sentence() -> None:
    message = answer("CREATE", with_unknown_fields(200_000))["status"]["message"]
    assert TOO_LARGE in message
    assert len(message) < 1_000


@pytest.mark.parametrize("at", [("metadata", "name"), ("spec", "image"), ("spec", "pools"), ("spec", "x" * 300_000)])
def test_a_text_without_an_end_is_not_given_back(at: tuple[str, str]) -> None:
    """The name stood in the answer once for each pool: 3.9 MB for one of 300 KB."""
    body = resource()
    section, field = at
    told = answer("CREATE", body | {section: body[section] | {field: "x" * 300_000}})
    assert len(json.dumps(told)) < 20_000


async def ask_for_a_review(text: str) -> str:
    """As an API server, or whoever reaches the port, may."""
    body = io.BytesIO(await asyncio.to_thread(Path(text).read_bytes))
    async with reviews() as (_, url), aiohttp.ClientSession() as session, session.post(url, data=body) as answered:
        return f"{answered.status}: {await answered.text()}"


@pytest.mark.thorough
async def test_such_a_text_takes_little_memory_and_leaves_the_event_loop_to_others(tmp_path: Path) -> None:
    review = {"request": {"uid": "u", "operation": "CREATE", "object": with_unknown_fields(200_000)}}
    (tmp_path / "review").write_text(json.dumps(review))
    found = await asyncio.to_thread(taken, f"{__name__}:ask_for_a_review", str(tmp_path / "review"))
    logging.getLogger(__name__).warning("a review of 200,000 unknown fields: %s", found)
    assert TOO_LARGE in found.said
    assert len(found.said) < 1_000
    assert Pace().allows(found.cpu_s, 1), "the API server waits 3 s"
    assert found.grown_mib < 256, "one is checked at a time, and the chart's limit is 512Mi"
    assert Pace().allows(found.stall_s, 2)


@contextlib.asynccontextmanager
async def reviews() -> AsyncIterator[tuple[Reviews, str]]:
    found = Reviews(BASELINE)
    application, port = web.Application(client_max_size=LONGEST_BODY), free_port()
    application.router.add_post(PATH, found.answer)
    async with listen(application, LOOPBACK, port, PATH):
        yield found, f"http://{LOOPBACK}:{port}{PATH}"
    found.close()


@pytest.mark.thorough
async def test_the_event_loop_goes_on_while_a_review_is_checked() -> None:
    review = {"request": {"uid": "u", "operation": "CREATE", "object": with_unknown_fields(100_000)}}
    text, longest = json.dumps(review), 0.0
    async with reviews() as (_, url), aiohttp.ClientSession() as session:
        asked = asyncio.create_task(session.post(url, data=io.BytesIO(text.encode())))
        while not asked.done():
            before = time.monotonic()
            await asyncio.wait([asked], timeout=0.01)
            longest = max(longest, time.monotonic() - before)
        assert TOO_LARGE in (await (await asked).json())["response"]["status"]["message"]
    assert Pace().allows(longest, 2)


@pytest.mark.parametrize(
    "body, headers, status",
    [
        (lambda: b"[" * 200_000, {}, 400),
        (lambda: b" " * (LONGEST_BODY + 1), {}, 413),
        (lambda: gzip.compress(b" " * 64 * 1024 * 1024, compresslevel=1), {"Content-Encoding": "gzip"}, 415),
        (lambda: b"{}", {}, 400),
    ],
    ids=["deep", "long", "packed", "no review"],
)
async def test_what_is_no_review_is_refused_and_ends_nothing(
    body: Callable[[], bytes], headers: dict[str, str], status: int
) -> None:
    async with reviews() as (_, url), aiohttp.ClientSession() as session:
        async with session.post(url, data=io.BytesIO(body()), headers=headers) as answered:
            assert answered.status == status
        right = {"request": {"uid": "u", "operation": "CREATE", "object": resource()}}
        async with session.post(url, json=right) as answered:
            assert (await answered.json())["response"] == {"uid": "u", "allowed": True}


def of_length(bytes_: int) -> bytes:
    """A review as the API server writes it, of a resource that is right but for its length."""
    head = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}
    text = json.dumps(head | {"request": {"uid": "f00-1", "operation": "CREATE", "object": resource()}})
    return text.encode() + b" " * (bytes_ - len(text))


def unchecked(why: str) -> dict[str, Any]:
    """The answer that lets a review through with a warning."""
    warning = f"not checked by the operator's webhook: the review {why}; see whether its condition Stalled is True"
    assert len(warning) <= 256, "the API server cuts off what is longer"
    return {"uid": "f00-1", "allowed": True, "warnings": [warning]}


@pytest.mark.parametrize("longer", [0, 1, 4 * LONGEST_BODY], ids=["as long as may be", "longer", "much longer"])
async def test_one_that_is_too_long_is_let_through_with_a_warning(longer: int) -> None:
    body = io.BytesIO(of_length(LONGEST_BODY + longer))
    async with reviews() as (_, url), aiohttp.ClientSession() as session, session.post(url, data=body) as answered:
        response = (await answered.json())["response"]
    assert response == (unchecked("is longer than 3 MiB") if longer else {"uid": "f00-1", "allowed": True})


@pytest.mark.parametrize(
    "body, status",
    [(of_length(1_000), 200), (b"x" * 1_000, 503), (b"", 503)],
    ids=["of the API server", "no review", "that has not begun"],
)
@pytest.mark.parametrize("comes", [True, False], ids=["checked for too long", "comes too slowly"])
async def test_one_that_takes_too_long_is_let_through_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, body: bytes, status: int, comes: bool
) -> None:
    over = threading.Event()

    async def sent() -> AsyncIterator[bytes]:
        yield body
        if not comes:
            await asyncio.to_thread(over.wait)

    monkeypatch.setattr(admission_webhook, "_reviewed", lambda *_: over.wait())
    monkeypatch.setattr(admission_webhook, "WITHIN_S", 0.1)
    async with reviews() as (_, url), aiohttp.ClientSession() as session:
        async with session.post(url, data=sent()) as answered:
            text = await answered.text()
            assert answered.status == status
        over.set()
    assert status != 200 or json.loads(text)["response"] == unchecked("took too long")


async def test_one_that_comes_while_many_wait_is_sent_away() -> None:
    async with reviews() as (found, url), aiohttp.ClientSession() as session:
        found._waiting = MOST_WAITING
        async with session.post(url, json={}) as answered:
            assert answered.status == 503


@pytest.mark.parametrize("shown", [True, False], ids=["with a certificate", "without one"])
async def test_the_api_server_can_be_asked_for_its_certificate(shown: bool) -> None:
    served, authority = make([LOOPBACK], datetime.now(UTC)), Authority()
    client = authority.issue("kube-apiserver")
    values = {"tls.crt": served.certificate, "tls.key": served.key, CLIENT_CA: authority.certificate}
    webhook = AdmissionWebhook(Admission("ns", "tls", (LOOPBACK,), port=0), FakeCluster(), asyncio.sleep)
    webhook._load(values)
    assert webhook._tls.verify_mode is ssl.CERT_REQUIRED
    context = ssl.create_default_context(cadata=served.authority)
    if shown:
        load_key_pair(context, client.certificate, client.key)
    async with webhook.serve(LOOPBACK) as port, aiohttp.ClientSession() as session:
        try:
            async with session.post(f"https://{LOOPBACK}:{port}{PATH}", json={}, ssl=context) as answered:
                said = answered.status
        except aiohttp.ClientError:
            said = 0
    assert said == (400 if shown else 0)


async def test_who_reaches_the_port_has_nothing_reckoned_that_takes_long() -> None:
    """A group of 8,192 bits cost the event loop a tenth of a second for each such greeting, and its sender nothing."""
    served = make([LOOPBACK], datetime.now(UTC))
    webhook = AdmissionWebhook(Admission("ns", "tls", (LOOPBACK,), port=0), FakeCluster(), asyncio.sleep)
    webhook._load({"tls.crt": served.certificate, "tls.key": served.key})
    async with webhook.serve(LOOPBACK) as port:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(client_hello())
        said = await reader.read()
        writer.close()
    assert said[:1] in {b"", b"\x15"}, "nothing, or an alert, and no share of that group"


async def test_an_authority_that_is_taken_away_is_trusted_no_longer() -> None:
    served, (first, second) = make([LOOPBACK], datetime.now(UTC)), (Authority(), Authority())
    values = {"tls.crt": served.certificate, "tls.key": served.key}
    webhook = AdmissionWebhook(Admission("ns", "tls", (LOOPBACK,), port=0), FakeCluster(), asyncio.sleep)
    webhook._load(values | {CLIENT_CA: first.certificate})
    webhook._load(values | {CLIENT_CA: second.certificate})
    assert webhook._tls.cert_store_stats()["x509_ca"] == 1
    webhook._load(values)
    assert webhook._tls.verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize(
    "authority", ["", "none", "\xe9", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
async def test_an_authority_that_is_none_leaves_what_was_served(authority: str) -> None:
    cluster, made = FakeCluster(), make([LOOPBACK], datetime.now(UTC))
    values = {"tls.crt": made.certificate, "tls.key": made.key, CLIENT_CA: authority}
    await cluster.create(as_secret(values))
    webhook = AdmissionWebhook(Admission("ns", "tls", (LOOPBACK,), port=0), cluster, Pauses())
    before = webhook._tls
    with pytest.raises(asyncio.CancelledError):
        await webhook._follow()
    assert webhook._tls is before


class Pauses:
    """Counts pauses instead of waiting, and does something in each; after the last one it is told to end."""

    def __init__(self, *meanwhile: Callable[[], Awaitable[object]]) -> None:
        self.slept: list[float] = []
        self._meanwhile = list(meanwhile)

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        if not self._meanwhile:
            raise asyncio.CancelledError
        await self._meanwhile.pop(0)()


async def test_a_certificate_is_made_as_soon_as_the_configuration_can_be_had() -> None:
    cluster, settings = FakeCluster(), Admission("ns", "tls", (LOOPBACK,), "fleets", 0)
    pauses = Pauses(lambda: cluster.create(CONFIGURATION), lambda: cluster.read("Secret", "ns", "tls"))
    with pytest.raises(asyncio.CancelledError):
        await renew(settings, cluster, lambda: datetime(2026, 1, 1, tzinfo=UTC), pauses)
    assert pauses.slept == [FIRST_LOOKS_EVERY_S, LOOK_EVERY_S, LOOK_EVERY_S]


PARTS = {"tls.crt": "certificate", "tls.key": "key", "ca.crt": "authority"}
CONFIGURATION: Object = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingWebhookConfiguration",
    "metadata": {"name": "fleets"},
    "webhooks": [{"name": "one", "clientConfig": {}}],
}


def as_secret(values: Mapping[str, str]) -> Object:
    data = {name: base64.b64encode(text.encode()).decode() for name, text in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tls", "namespace": "ns"}, "data": data}


@pytest.mark.parametrize("name", ["tls.crt", "tls.key", "ca.crt"])
@pytest.mark.parametrize("found", ["", "none", "another's"])
async def test_a_secret_that_someone_has_edited_is_made_anew(name: str, found: str) -> None:
    """A key that was none or another's stayed, and after a restart no review was answered."""
    now, cluster = datetime.now(UTC), FakeCluster()
    edited, other = (
        {it: getattr(made, at) for it, at in PARTS.items()} for made in (make([LOOPBACK], now) for _ in "ab")
    )
    edited[name] = other[name] if found == "another's" else found
    await cluster.create(CONFIGURATION)
    await cluster.create(as_secret(edited))
    with pytest.raises(asyncio.CancelledError):
        await renew(Admission("ns", "tls", (LOOPBACK,), "fleets", 0), cluster, lambda: now, Pauses())
    values = secret_values(await cluster.read("Secret", "ns", "tls"))
    assert belong_together(values["tls.crt"], values["tls.key"], values["ca.crt"])
    webhook = AdmissionWebhook(Admission("ns", "tls", (LOOPBACK,), port=0), cluster, Pauses())
    webhook._load(values)
    [trusted] = (await cluster.read("ValidatingWebhookConfiguration", "", "fleets"))["webhooks"]
    assert base64.b64decode(trusted["clientConfig"]["caBundle"]).decode() == values["ca.crt"]


async def test_a_replica_looks_for_its_first_certificate_more_often() -> None:
    cluster, made = FakeCluster(), make([LOOPBACK], datetime.now(UTC))
    secret = as_secret({"tls.crt": made.certificate, "tls.key": made.key})
    pauses = Pauses(lambda: cluster.create(secret))
    webhook = AdmissionWebhook(Admission("ns", "tls", (LOOPBACK,), port=0), cluster, pauses)
    with pytest.raises(asyncio.CancelledError):
        await webhook._follow()
    assert pauses.slept == [FIRST_LOOKS_EVERY_S, LOOK_EVERY_S]

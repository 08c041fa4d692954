"""The validating admission webhook: refuses at apply what would keep the fleet from running.

It is served by every replica, also by one that waits for the Lease, so kopf's own server, which starts with kopf, is
not used. The API server goes on without it while no replica answers: the same is checked again when the fleet is run.
"""

import asyncio
import base64
import contextlib
import json
import logging
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web

from utilitarian_operator.adapters.broker.tls import load_key_pair
from utilitarian_operator.adapters.cluster.seam import Cluster, secret_values
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.problem import InvalidSpec
from utilitarian_operator.api.validation.pod_security import BASELINE, Allowances
from utilitarian_operator.api.validation.resource_rules import accept, warnings
from utilitarian_operator.core.spec.references import too_many_named
from utilitarian_operator.errors import ClusterError, Gone
from utilitarian_operator.host.certificates import Certificate, belong_together, due, make
from utilitarian_operator.host.serving.http import listen
from utilitarian_operator.host.settings import Admission

logger = logging.getLogger(__name__)

PATH, REVIEWS = "/validate", "admission.k8s.io/v1"
LOOK_EVERY_S = 30.0
FIRST_LOOKS_EVERY_S = 1.0
LONGEST_BODY = 3 * 1024 * 1024
"""Bytes; the API server itself takes no larger object. A review has the one before as well, and who owns each field."""

HEAD = 1024
"""Bytes at the beginning of a review, where the API server writes what an answer must repeat."""

MOST_WAITING = 8
"""Reviews that are read or checked at a time."""

WITHIN_S = 2.0
"""A second less than the API server waits (`timeoutSeconds` of the chart): a busy process notices it late."""

_UID = re.compile(rb'"request"\s*:\s*\{\s*"uid"\s*:\s*"([0-9A-Za-z-]+)"')

CLIENT_CA = "client-ca.crt"
"""The key of the Secret that has the authority of the API server's client certificate."""


@dataclass
class AdmissionWebhook:
    """Serves the webhook with the certificate of a Secret, and follows it when it is renewed.

    Args:
        settings: where the certificate is.
        cluster: where it is read.
        sleep: waits for so many seconds.
        allowances: what pods of fleets may ask for.
    """

    settings: Admission
    cluster: Cluster
    sleep: Callable[[float], Awaitable[None]]
    allowances: Allowances = BASELINE

    def __post_init__(self) -> None:
        self._tls = _server()
        self._served = ""

    @contextlib.asynccontextmanager
    async def serve(self, host: str) -> AsyncIterator[int]:
        """Answer the API server while the context lasts; yields the port.

        Raises:
            CannotListen: the port can't be had.
        """
        application = web.Application(client_max_size=LONGEST_BODY)
        reviews = Reviews(self.allowances)
        application.router.add_post(PATH, reviews.answer)
        async with listen(application, host, self.settings.port, PATH, tls=lambda: self._tls) as port:
            follower = asyncio.create_task(self._follow(), name="admission-certificate")
            try:
                yield port
            finally:
                follower.cancel()
                await asyncio.gather(follower, return_exceptions=True)
                reviews.close()

    async def _follow(self) -> None:
        where = f"{self.settings.namespace}/{self.settings.secret}"
        while True:
            try:
                values = secret_values(await self.cluster.read("Secret", self.settings.namespace, self.settings.secret))
                self._load(values)
            except ClusterError as error:
                logger.debug("no certificate yet", extra={"secret": where, "because": str(error)})
            except (KeyError, OSError, ValueError, TypeError) as error:
                # Of a file, ssl says no more than that something is wrong with it.
                logger.warning("certificate unusable", extra={"secret": where, "because": type(error).__name__})
            await self.sleep(LOOK_EVERY_S if self._served else FIRST_LOOKS_EVERY_S)

    def _load(self, values: Mapping[str, str]) -> None:
        served = values["tls.crt"] + values.get(CLIENT_CA, "")
        if served == self._served:
            return
        # A new one each time: an authority that was taken away again must not be trusted any longer.
        tls = _server()
        if CLIENT_CA in values:
            tls.load_verify_locations(cadata=values[CLIENT_CA])
            tls.verify_mode = ssl.CERT_REQUIRED
        load_key_pair(tls, values["tls.crt"], values["tls.key"])
        self._served, self._tls = served, tls
        logger.info("admission is served", extra={"path": PATH})


def _server() -> ssl.SSLContext:
    """A context without a certificate; what is reckoned for a client takes a millisecond, whatever it asks for.

    With the groups that OpenSSL has by itself a client could ask for one of 8,192 bits, which takes the event loop a
    tenth of a second, and the client nothing. The curve is one that each client of TLS 1.3 must know (RFC 8446, 9.1).
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.set_ecdh_curve("prime256v1")
    return made


async def renew(
    settings: Admission,
    cluster: Cluster,
    clock: Callable[[], datetime],
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    """Make the certificate and renew it in time, for ever; the leader's task.

    Args:
        settings: with the names of the Secret and of the configuration.
        cluster: where both are written.
        clock: the one clock, UTC.
        sleep: waits for so many seconds.
    """
    while True:
        pause = LOOK_EVERY_S
        try:
            await _renew_once(settings, cluster, clock())
        except ClusterError as error:
            where = f"{settings.namespace}/{settings.secret}"
            logger.warning("certificate not renewed", extra={"secret": where, "because": str(error)})
            pause = FIRST_LOOKS_EVERY_S
        await sleep(pause)


async def _renew_once(settings: Admission, cluster: Cluster, now: datetime) -> None:
    if settings.configuration is None:
        return  # another client's: cert-manager's
    try:
        values = secret_values(await cluster.read("Secret", settings.namespace, settings.secret))
    except Gone:
        values = {}
    certificate, key, authority = (values.get(name, "") for name in ("tls.crt", "tls.key", "ca.crt"))
    if due(certificate, settings.names, now) or not belong_together(certificate, key, authority):
        made = make(settings.names, now, authority)
        # Trusted first: a replica may serve the new certificate as soon as it is written.
        await _trust(cluster, settings.configuration, made.authority)
        await cluster.apply(_secret(settings, made), force=True)
        return
    await _trust(cluster, settings.configuration, authority)


async def _trust(cluster: Cluster, configuration: str, authority: str) -> None:
    """Have the API server trust an authority (PEM) when it calls the webhooks of a ValidatingWebhookConfiguration."""
    live = await cluster.read("ValidatingWebhookConfiguration", "", configuration)
    bundle = base64.b64encode(authority.encode()).decode()
    changed = [
        {"name": webhook["name"], "clientConfig": {"caBundle": bundle}}
        for webhook in live.get("webhooks", [])
        if webhook["clientConfig"].get("caBundle") != bundle
    ]
    if changed:
        await cluster.patch(live, {"webhooks": changed})


def _secret(settings: Admission, made: Certificate) -> Object:
    values = {"tls.crt": made.certificate, "tls.key": made.key, "ca.crt": made.authority}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": settings.secret, "namespace": settings.namespace},
        "type": "kubernetes.io/tls",
        "data": {name: base64.b64encode(value.encode()).decode() for name, value in values.items()},
    }


class Reviews:
    """Answers reviews one after the other in a thread, so that the event loop goes on meanwhile.

    All who reach the port may send them. So one that is too long, or takes too long to come or to be checked, is let
    through with a warning, and one that comes while many wait is not answered: the API server goes on without it. The
    operator checks the resource itself.

    Args:
        allowances: what pods of fleets may ask for.
    """

    def __init__(self, allowances: Allowances) -> None:
        self._allowances = allowances
        self._thread = ThreadPoolExecutor(1, "admission")
        self._waiting = 0

    async def answer(self, request: web.Request) -> web.Response:
        """The answer to one request."""
        if request.headers.get("Content-Encoding", "identity") != "identity":
            return web.Response(status=415, text="write the AdmissionReview as it is, not packed\n")
        if self._waiting >= MOST_WAITING:
            return web.Response(status=503, text="too many reviews at once\n")
        self._waiting += 1
        head = bytearray()
        try:
            async with asyncio.timeout(WITHIN_S):
                body = await _read(request, head)
                if body is None:
                    return _unchecked(bytes(head), 413, f"is longer than {LONGEST_BODY // 2**20} MiB")
                loop = asyncio.get_running_loop()
                text = await loop.run_in_executor(self._thread, _reviewed, body, self._allowances)
        except TimeoutError:
            return _unchecked(bytes(head), 503, "took too long")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return web.Response(status=400, text=f"write an AdmissionReview of {REVIEWS}\n")
        finally:
            self._waiting -= 1
        return web.Response(text=text, content_type="application/json")

    def close(self) -> None:
        """Answer nothing more."""
        self._thread.shutdown(wait=False, cancel_futures=True)


async def _read(request: web.Request, head: bytearray) -> bytes | None:
    """The body of a request; None where it is too long: then it is read to its end, as its sender expects.

    Args:
        request: whose body.
        head: gets the beginning of it, also where no end comes in time.
    """
    body, length = bytearray(), 0
    async for part in request.content.iter_any():
        length += len(part)
        head += part[: HEAD - len(head)]
        if length > LONGEST_BODY:
            body.clear()
        else:
            body += part
    return bytes(body) if length <= LONGEST_BODY else None


def _unchecked(head: bytes, status: int, why: str) -> web.Response:
    """Let through what was not checked, with a warning that the user of the API server reads.

    Args:
        head: of the request: without the uid in it there is no answer to a review.
        status: of the answer where it isn't there.
        why: it was not checked, to be read after "the review".
    """
    uid = _UID.search(head)
    if uid is None:
        return web.Response(status=status, text=f"the review {why}\n")
    warning = f"not checked by the operator's webhook: the review {why}; see whether its condition Stalled is True"
    response = {"uid": uid[1].decode(), "allowed": True, "warnings": [warning]}
    return web.json_response({"apiVersion": REVIEWS, "kind": "AdmissionReview", "response": response})


def _reviewed(body: bytes, allowances: Allowances) -> str:
    return json.dumps(review(json.loads(body), allowances))


def review(body: Mapping[str, Any], allowances: Allowances = BASELINE) -> Object:
    """The answer to an AdmissionReview: allowed, or every problem with its field path and remedy.

    A resource whose spec doesn't change is let through whatever it holds, so that one that was accepted by an older
    version can still be labelled, and deleted.

    Args:
        body: of the AdmissionReview.
        allowances: what pods of fleets may ask for.

    Raises:
        KeyError, TypeError, AttributeError: it is no AdmissionReview.
    """
    request = body["request"]
    new, old = request.get("object") or {}, request.get("oldObject") or {}
    response: Object = {"uid": request["uid"], "allowed": True}
    if request.get("operation") in {"CREATE", "UPDATE"} and new.get("spec") != old.get("spec"):
        allowed = allowances.of(str(request.get("namespace", "")))
        try:
            spec = accept(new, allowed).spec
            found = [str(warning)[:256] for warning in (*warnings(spec), *too_many_named(spec))]
            response |= {"warnings": found} if found else {}
        except InvalidSpec as error:
            message = "; ".join(str(problem) for problem in error.errors)
            response |= {"allowed": False, "status": {"code": 422, "reason": "Invalid", "message": message}}
    return {"apiVersion": REVIEWS, "kind": "AdmissionReview", "response": response}

"""What is said of a broker that fails: the kind of failure, its remedy, and nothing that the other side has said."""

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from collections.abc import AsyncIterator

import aiohttp
import pytest
from amqp.exceptions import (
    AccessRefused,
    ConnectionForced,
    NotAllowed,
    NotFound,
    PreconditionFailed,
    ResourceError,
    UnexpectedFrame,
)
from kombu.exceptions import OperationalError

from tests.support.ports import LOOPBACK, free_port
from utilitarian_operator.adapters.broker.address import EXAMPLE
from utilitarian_operator.adapters.broker.bounded.failures import away, broker_errors, kind, right
from utilitarian_operator.adapters.broker.bounded.refused import Ours, TooSlow
from utilitarian_operator.adapters.broker.session import BrokerSession, Credentials
from utilitarian_operator.adapters.broker.statistics import Statistics
from utilitarian_operator.core.observation.broker import Questions
from utilitarian_operator.errors import BrokerError, BrokerUnreachable, LoginRefused, RightMissing

WORD = "geheim"
"""Stands in all that the other side says."""


@pytest.mark.parametrize(
    "said,kind,remedy",
    [
        pytest.param("vhost geheim not found", LoginRefused, "rabbitmqctl add_vhost", id="no vhost"),
        pytest.param("access to vhost 'geheim' refused for user 'geheim'", LoginRefused, "set_permissions", id="right"),
        pytest.param(
            "access to vhost 'geheim' refused for user 'geheim': connection limit (1) is reached",
            BrokerUnreachable,
            "the limit of the vhost is reached",
            id="the vhost's limit",
        ),
        pytest.param(
            "connection refused for user 'geheim': user connection limit (1) is reached",
            BrokerUnreachable,
            "the limit of its user is reached; raise it (rabbitmqctl set_vhost_limits or set_user_limits",
            id="the user's limit",
        ),
        pytest.param(
            "connection refused: node connection limit (1) is reached geheim",
            BrokerUnreachable,
            "the limit of a node is reached",
            id="the node's limit",
        ),
        pytest.param(
            "access to vhost 'geheim' refused for user 'geheim': vhost 'geheim' is down",
            BrokerUnreachable,
            "restart_vhost",
            id="the vhost is down",
        ),
        pytest.param(
            "number of channels opened for user 'geheim' has reached the maximum allowed user limit of (1)",
            BrokerUnreachable,
            "opens no more channels: the limit of its user is reached",
            id="the user's limit of channels",
        ),
        pytest.param(
            "number of channels opened on node 'geheim' has reached the maximum allowed limit of (1)",
            BrokerUnreachable,
            "opens no more channels: the limit of a node is reached",
            id="the node's limit of channels",
        ),
        pytest.param("something new geheim", LoginRefused, "NOT_ALLOWED; its log has why", id="what is not known yet"),
    ],
)
def test_a_connection_that_is_not_opened_is_said_with_its_own_remedy(
    said: str, kind: type[BrokerError], remedy: str
) -> None:
    with pytest.raises(BrokerError) as refused, broker_errors(place="amqp://broker:5672"):
        raise NotAllowed(f"NOT_ALLOWED - {said}", (10, 40), "Connection.open")
    assert type(refused.value) is kind
    assert WORD not in str(refused.value)
    assert remedy in str(refused.value)
    assert EXAMPLE not in str(refused.value), "the URL is written as it should be"


ERRORS: dict[str, tuple[BaseException, type[BrokerError], str]] = {
    "a right on an exchange": (
        AccessRefused(
            f"ACCESS_REFUSED - write access to exchange '{WORD}' in vhost '{WORD}' refused for user '{WORD}'",
            (60, 40),
            "Basic.publish",
        ),
        RightMissing,
        "refuses the right `write` on an exchange; docs/install.md",
    ),
    "a right on a queue": (
        AccessRefused(f"ACCESS_REFUSED - access to queue '{WORD}' in vhost", (50, 10), "Queue.declare"),
        RightMissing,
        "refuses access to a queue; docs/install.md",
    ),
    "a right on what is not known": (
        AccessRefused(f"ACCESS_REFUSED - {WORD}", (50, 10), "Queue.declare"),
        RightMissing,
        "refuses what was asked",
    ),
    "a login": (
        AccessRefused(f"ACCESS_REFUSED - Login was refused using {WORD}", (0, 0), ""),
        LoginRefused,
        "refuses user, password or virtual host",
    ),
    "an ended call": (
        PreconditionFailed(f"PRECONDITION_FAILED - inequivalent arg '{WORD}'", (50, 10), "Queue.declare"),
        BrokerUnreachable,
        "ended the call: PRECONDITION_FAILED; its log has why",
    ),
    "the limit of queues of a vhost": (
        PreconditionFailed(
            f"PRECONDITION_FAILED - cannot declare queue '{WORD}': queue limit in vhost '{WORD}' (2) is reached",
            (50, 10),
            "Queue.declare",
        ),
        BrokerUnreachable,
        "makes no more queues: the limit of the vhost is reached; raise it (rabbitmqctl set_vhost_limits",
    ),
    "the limit of queues of a broker": (
        PreconditionFailed(
            f"PRECONDITION_FAILED - cannot declare queue '{WORD}': queue limit in cluster (2) is reached",
            (50, 10),
            "Queue.declare",
        ),
        BrokerUnreachable,
        "makes no more queues: the limit of the broker is reached",
    ),
    "a broker that ends": (
        ConnectionForced(f"broker forced connection closure with reason '{WORD}'"),
        BrokerUnreachable,
        "no answer from the broker: ConnectionForced (320)",
    ),
    "a resource error": (ResourceError(WORD), BrokerUnreachable, "ResourceError (506)"),
    "another protocol": (
        UnexpectedFrame(f"Received frame {WORD}"),
        BrokerUnreachable,
        "no answer from the broker: its answer is no AMQP",
    ),
    "an end without a word": (OSError(WORD), BrokerUnreachable, "it ended the connection"),
    "what kombu says": (OperationalError(WORD), BrokerUnreachable, "OperationalError"),
    "a refused connection": (ConnectionRefusedError(errno.ECONNREFUSED, WORD), BrokerUnreachable, "Connection refused"),
    "a name without an address": (
        socket.gaierror(socket.EAI_NONAME, WORD),
        BrokerUnreachable,
        "its name has no address",
    ),
    "silence": (TimeoutError(WORD), BrokerUnreachable, "timed out"),
    "a refusal of ours": (TooSlow("it answers too slowly"), BrokerUnreachable, "it answers too slowly"),
    "TLS": (ssl.SSLError(1, WORD), BrokerUnreachable, "TLS failed: SSLError"),
}


@pytest.mark.parametrize("error, expected, says", ERRORS.values(), ids=ERRORS)
def test_an_error_of_the_connection_is_said_by_its_kind(
    error: BaseException, expected: type[BrokerError], says: str
) -> None:
    with pytest.raises(BrokerError) as raised, broker_errors():
        raise error
    assert type(raised.value) is expected
    assert says in str(raised.value)
    assert WORD not in str(raised.value)


@pytest.mark.parametrize(
    "error, says",
    [
        pytest.param(aiohttp.ServerDisconnectedError(WORD), "it ended the connection", id="it goes"),
        pytest.param(aiohttp.ClientPayloadError(WORD), "its answer broke off", id="it breaks off"),
        pytest.param(UnicodeDecodeError("utf-8", WORD.encode(), 0, 1, WORD), "its answer is no text", id="no text"),
        pytest.param(
            aiohttp.ClientConnectorDNSError(None, OSError(None, WORD)),  # type: ignore[arg-type]
            "it ended the connection",
            id="its name",
        ),
        pytest.param(
            aiohttp.ClientConnectorDNSError(None, Ours("it is refused")),  # type: ignore[arg-type]
            "it is refused",
            id="ours within theirs",
        ),
        pytest.param(ValueError(WORD), "ValueError", id="anything"),
    ],
)
def test_what_kind_an_error_is(error: BaseException, says: str) -> None:
    assert kind(error) == says


def test_a_queue_that_is_away_or_refused() -> None:
    error = NotFound(f"NOT_FOUND - home node 'rabbit@{WORD}' of durable queue '{WORD}' is down or inaccessible")
    assert away(str(error.reply_text)) == "its node is down"
    assert away(f"NOT_FOUND - {WORD}") == "the broker can't reach it now"
    assert right(f"read access to queue '{WORD}' in vhost") == "the right `read` on a queue"


@contextlib.asynccontextmanager
async def saying(answer: bytes, *, at_once: bool) -> AsyncIterator[int]:
    """A server that says this to whoever comes, at once or after it heard something, and goes."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            if not at_once:
                await reader.read(4096)
            writer.write(answer)
            await writer.drain()
            writer.close()

    server = await asyncio.start_server(client, LOOPBACK, port := free_port())
    async with server:
        yield port


ANSWERS = {
    "another protocol's banner": f"SSH-2.0-{WORD}\r\n".encode(),
    "a page": f"HTTP/1.1 200 OK\r\nContent-Length: {len(WORD)}\r\n\r\n{WORD}".encode(),
    "a refusal": f"HTTP/1.1 500 {WORD}\r\nContent-Length: {len(WORD)}\r\n\r\n{WORD}".encode(),
    "a redirect": f"HTTP/1.1 302 {WORD}\r\nLocation: http://{WORD}/\r\nContent-Length: 0\r\n\r\n".encode(),
    "a page that breaks off": f"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{WORD}".encode(),
    "a page that is no text": b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n\xff\xfe" + WORD.encode(),
    "a page of JSON": f'HTTP/1.1 200 OK\r\nContent-Length: {len(WORD) + 4}\r\n\r\n["{WORD}"]'.encode(),
    "a wrong header": f"HTTP/1.1 200 OK\r\n{WORD}\r\n\r\n".encode(),
    "a wrong status": f"HTTP/1.1 {WORD} {WORD}\r\n\r\n".encode(),
    "a frame": b"\x01\x00\x00\x00\x00\x00\x10\x00\x0a\x00\x0a" + WORD.encode() * 2,
    "another version of AMQP": b"AMQP\x00\x01\x00\x00" + WORD.encode(),
}


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "when asked"])
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_whatever_a_server_answers_nothing_of_it_is_said(
    caplog: pytest.LogCaptureFixture, answer: bytes, *, at_once: bool
) -> None:
    """It is taken for a broker, for its statistics and for what its workers say."""
    caplog.set_level(logging.INFO)
    async with saying(answer, at_once=at_once) as port:
        place = f"{LOOPBACK}:{port}"
        session = BrokerSession(Credentials(f"amqp://u:p@{place}/v", (f"http://u:p@{place}",)))
        session.start()
        session.ask("fleet", Questions(around=True))
        try:
            seen = await session.look(["q"])
            with pytest.raises(BrokerError) as statistics:
                await Statistics([f"http://u:p@{place}"], "/v").read()
            with pytest.raises(BrokerError) as told:
                await session.cancel_consumers("celery@a", ["q"])
        finally:
            await session.close()
    assert isinstance(seen.failed, BrokerUnreachable)
    said = [str(seen.failed), str(statistics.value), str(told.value), str(session.known), caplog.text]
    assert [text for text in said if WORD in text] == []
    assert place in said[0]
    assert place in said[1]

"""The HTTP session that kopf watches through: its TLS and login, and bounds on what an answer may hold.

Those are how long kopf is asked to wait, how deep the parts of an object lie within each other, and errors of a watch.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from math import isfinite
from typing import Any, Self

import kopf
from aiohttp import ClientResponse, ClientSession, StreamReader, TCPConnector, TraceConfig, TraceRequestEndParams
from multidict import CIMultiDict, CIMultiDictProxy

from utilitarian_operator.adapters.cluster import nested_json

logger = logging.getLogger(__name__)

RETRY_AFTER = "Retry-After"

LIST_ANEW = json.dumps({"type": "ERROR", "object": {"kind": "Status", "code": HTTPStatus.GONE}}).encode() + b"\n"
"""What a watch says when it can't go on from where it was: kopf lists everything, and watches from there."""

USUAL = tuple(b'{"type":"%s","object":{' % it for it in (b"ADDED", b"MODIFIED", b"DELETED", b"BOOKMARK"))
"""How the API server begins an event."""

MOST_TOLD = 300
"""Characters of an error that stand in the log."""

LONGEST_S = 30
"""kopf sleeps for as long as a 429 asks for, a day too, and its process ends where that is no number: a date, say. So a
longer time is cut to this, and what is no time counts as none: then kopf's own pauses go on."""


class Events:
    """The lines of a watch, an event each, without what Python could not read of it.

    An error, or what is no event, asks kopf to list everything anew. It ends for good at any error but 410, which an
    API server that is overloaded or restarted sends, and now and then it does not come to its end: its watches then
    wait for a login that no one gives any more.

    Args:
        stream: as it comes.
    """

    def __init__(self, stream: StreamReader) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        """All else is the stream's own."""
        return getattr(self._stream, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """The lines; the end of a line that never ended is left out.

        Args:
            size: bytes that are waited for at most.
        """
        begun: list[bytes] = []
        async for data in self._stream.iter_chunked(size):
            whole, end, rest = data.rpartition(b"\n")
            if end:
                lines = b"".join((*begun, whole)).split(b"\n")
                begun = []
                for line in filter(None, lines):
                    readable = await _readable(line)
                    if not _goes_on(readable):
                        yield LIST_ANEW
                        return
                    yield readable + b"\n"
            begun.append(rest)


class BoundedAnswer(ClientResponse):
    """An answer whose `Retry-After` is a number of seconds that is not too long, and whose objects can be read."""

    async def __aenter__(self) -> Self:
        """As kopf begins to read a watch; a list is read by `json`."""
        self.content = Events(self.content)  # type: ignore[assignment] # the same to who reads it
        await super().__aenter__()
        return self

    async def json(self, *, content_type: str | None = "application/json", **_: object) -> Any:
        """The value of the body.

        Args:
            content_type: that it must have, if any.
        """
        return await super().json(loads=_load, content_type=content_type)

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """As they were sent, but for `Retry-After` of a 429, which is always there: else kopf looks into the body."""
        sent: CIMultiDictProxy[str] = super().headers
        if self.status != HTTPStatus.TOO_MANY_REQUESTS:
            return sent
        bounded = CIMultiDict(sent)
        asked = bounded.popall(RETRY_AFTER, [""])[0]
        bounded[RETRY_AFTER] = str(pause_s(asked))
        return CIMultiDictProxy(bounded)


async def _readable(line: bytes) -> bytes:
    """The same, or what of it can be read: in a thread, since its author may have made it long, too."""
    return line if nested_json.is_shallow(line) else await asyncio.to_thread(nested_json.cut, line)


def _goes_on(line: bytes) -> bool:
    """Whether a line of a watch is an event that kopf takes; its object is not looked into, since it may be large."""
    if line.startswith(USUAL):
        return True
    said: object = "it is no event"
    try:
        event = json.loads(line)
        if event["type"] != "ERROR" and isinstance(event["object"], dict):
            return True
        said = event["object"]
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    logger.info("a watch says an error, so all is listed anew", extra={"because": str(said)[:MOST_TOLD]})
    return False


def _telling(listed: Callable[[], object]) -> TraceConfig:
    async def ended(_session: ClientSession, _context: object, request: TraceRequestEndParams) -> None:
        if request.method == "GET" and "watch" not in request.url.query and request.response.ok:
            listed()

    config = TraceConfig()
    config.on_request_end.append(ended)
    return config


def _load(text: str) -> Any:
    return nested_json.load(text.encode())


def pause_s(asked: str) -> int:
    """For how many seconds a client waits that was asked to retry after some time."""
    try:
        seconds = float(asked)
    except ValueError:
        return 0
    return int(min(max(seconds, 0), LONGEST_S)) if isfinite(seconds) else 0


@dataclass(frozen=True, kw_only=True)
class Session(kopf.AiohttpSession):
    """A session; two with the same login are equal, so that kopf knows one again that was refused.

    Args:
        login: its address and credentials.
    """

    login: kopf.ConnectionInfo
    aiohttp_session: ClientSession = field(compare=False)


def session(login: kopf.ConnectionInfo, listed: Callable[[], object] = lambda: None) -> Session:
    """Open a session; kopf closes it.

    Args:
        login: its address and credentials.
        listed: called with each answer to a list, by which a watch begins: also where there is nothing in it.
    """
    opened = ClientSession(
        trace_configs=[_telling(listed)],
        connector=TCPConnector(limit=0, ssl=login.as_ssl_context()),
        headers=login.as_http_headers(),
        proxy=login.proxy_url,
        response_class=BoundedAnswer,
    )
    return Session(server=login.server, login=login, aiohttp_session=opened)

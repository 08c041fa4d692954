"""The HTTP session that kopf watches through: its TLS and login, and bounds on what an answer may hold.

Those are how long kopf is asked to wait, how deep the parts of an object lie within each other, how large it is, and
errors of a watch.
"""

import asyncio
import json
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from math import isfinite
from typing import Any, Self

import kopf
from aiohttp import (
    ClientPayloadError,
    ClientResponse,
    ClientSession,
    StreamReader,
    TCPConnector,
    TraceConfig,
    TraceRequestEndParams,
)
from kubernetes.aio.client.configuration import Configuration
from multidict import CIMultiDict, CIMultiDictProxy

from utilitarian_operator.adapters.broker.timing import CLOCK
from utilitarian_operator.adapters.cluster import nested_json
from utilitarian_operator.adapters.cluster.kept import kept
from utilitarian_operator.adapters.cluster.pages import PAGE, Pages, bounded, listed

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


LONG_LINE = 2**16
"""Bytes of an event: of the object in a longer one, kopf is told only what is kept of it. It holds more than one."""


class Events:
    """The lines of a watch, an event each, without what Python could not read of it.

    An error, or what is no event, asks kopf to list everything anew. It ends for good at any error but 410, which an
    API server that is overloaded or restarted sends, and now and then it does not come to its end: its watches then
    wait for a login that no one gives any more.

    Args:
        stream: as it comes.
        plural: of the objects.
    """

    def __init__(self, stream: StreamReader, plural: str = "") -> None:
        self._stream, self._plural = stream, plural

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
                    readable = await self._readable(line)
                    if not _goes_on(readable):
                        yield LIST_ANEW
                        return
                    yield readable + b"\n"
            begun.append(rest)

    async def _readable(self, line: bytes) -> bytes:
        """The same, or what of it can be read and is kept; no more than half of the time is spent on long lines."""
        if len(line) <= LONG_LINE:
            return line if nested_json.is_shallow(line) else nested_json.cut(line)
        began = CLOCK.monotonic()
        try:
            return await asyncio.to_thread(_cut, line, self._plural)
        finally:
            await CLOCK.sleep(CLOCK.monotonic() - began)


class Lists:
    """The lists that are asked for through one session.

    Args:
        session: gives it: an answer that was closed has none any more.
    """

    def __init__(self, session: Callable[[], ClientSession]) -> None:
        self.session, self.pages = session, defaultdict[str, Pages](Pages)


class BoundedAnswer(ClientResponse):
    """An answer whose `Retry-After` is a number of seconds that is not too long, and whose objects can be read."""

    def __init__(self, *parts: Any, lists: Lists, **more: Any) -> None:
        """One answer; `lists` are those of its session."""
        super().__init__(*parts, **more)
        self._lists = lists

    async def __aenter__(self) -> Self:
        """As kopf begins to read a watch; a list is read by `json`."""
        self.content = Events(self.content, self._plural)  # type: ignore[assignment] # the same to who reads it
        await super().__aenter__()
        return self

    @property
    def _plural(self) -> str:
        return self.url.path.rpartition("/")[2]

    async def json(self, *, content_type: str | None = "application/json", **_: object) -> Any:
        """The value of the body; of the objects of a list what is kept of them.

        Args:
            content_type: that it must have, if any.
        """
        if "limit" not in self.url.query:
            return await super().json(loads=_load, content_type=content_type)
        text = await self._lists.pages[self.url.path].read(self._page)
        return listed(text, partial(kept, self._plural))

    async def _page(self, limit: int, most: int) -> bytes:
        """The page that kopf asked for, or one with fewer objects."""
        if limit == PAGE:
            return await bounded(self, most)
        async with self._lists.session().get(self.url.update_query(limit=limit)) as fewer:
            if fewer.status != HTTPStatus.OK:
                raise ClientPayloadError(f"a page of a list: HTTP {fewer.status}")
            return await bounded(fewer, most)

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


def _cut(line: bytes, plural: str) -> bytes:
    """A line with what is kept of its object; the same where it is no event."""
    try:
        event = nested_json.load(line)
        if event["type"] != "ERROR" and "metadata" in event["object"]:
            return json.dumps({**event, "object": kept(plural, event["object"])}, separators=(",", ":")).encode()
    except (ValueError, TypeError, KeyError):
        pass
    return line


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
    lists = Lists(lambda: opened)
    opened = ClientSession(
        trace_configs=[_telling(listed)],
        connector=TCPConnector(limit=0, ssl=login.as_ssl_context()),
        headers=login.as_http_headers(),
        proxy=login.proxy_url,
        response_class=partial(BoundedAnswer, lists=lists),  # type: ignore[arg-type] # only called
    )
    return Session(server=login.server, login=login, aiohttp_session=opened)


async def connection(configuration: Configuration) -> kopf.ConnectionInfo:
    """The official client's way to log in, as kopf wants it."""
    header = await configuration.get_api_key_with_prefix("BearerToken") or ""
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        token=header.rpartition(" ")[2] or None,
        proxy_url=configuration.proxy,
    )

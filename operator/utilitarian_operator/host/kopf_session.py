"""The HTTP session that kopf watches through: its TLS and login, and bounds on what an answer may hold.

Those are how long kopf is asked to wait, and how deep the parts of an object lie within each other.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from http import HTTPStatus
from math import isfinite
from typing import Any, Self

import kopf
from aiohttp import ClientResponse, ClientSession, StreamReader, TCPConnector
from multidict import CIMultiDict, CIMultiDictProxy

from utilitarian_operator.adapters.cluster import nested_json

RETRY_AFTER = "Retry-After"

LONGEST_S = 30
"""kopf sleeps for as long as a 429 asks for, a day too, and its process ends where that is no number: a date, say. So a
longer time is cut to this, and what is no time counts as none: then kopf's own pauses go on."""


class ShallowLines:
    """The body of a watch, a line an object, without what Python could not read of it.

    Args:
        stream: as it comes.
    """

    def __init__(self, stream: StreamReader) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        """All else is the stream's own."""
        return getattr(self._stream, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """The lines, and at the end what is no whole line.

        Args:
            size: bytes that are waited for at most.
        """
        begun: list[bytes] = []
        async for data in self._stream.iter_chunked(size):
            whole, end, rest = data.rpartition(b"\n")
            if end:
                lines = b"".join((*begun, whole)).split(b"\n")
                begun = []
                for line in lines:
                    yield await _readable(line) + b"\n"
            begun.append(rest)
        yield await _readable(b"".join(begun))


class BoundedAnswer(ClientResponse):
    """An answer whose `Retry-After` is a number of seconds that is not too long, and whose objects can be read."""

    async def __aenter__(self) -> Self:
        """As kopf begins to read a watch; a list is read by `json`."""
        self.content = ShallowLines(self.content)  # type: ignore[assignment] # the same to who reads it
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


def session(login: kopf.ConnectionInfo) -> Session:
    """Open a session; kopf closes it."""
    opened = ClientSession(
        connector=TCPConnector(limit=0, ssl=login.as_ssl_context()),
        headers=login.as_http_headers(),
        proxy=login.proxy_url,
        response_class=BoundedAnswer,
    )
    return Session(server=login.server, login=login, aiohttp_session=opened)

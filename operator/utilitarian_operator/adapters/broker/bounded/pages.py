"""Reads pages of a broker over HTTP, bounded in bytes and time, from the address that was asked and no other."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import aiohttp
from aiohttp.client_proto import ResponseHandler

from utilitarian_operator.adapters.broker.bounded import calls as bounds
from utilitarian_operator.adapters.broker.bounded import greetings
from utilitarian_operator.adapters.broker.bounded.names import Names
from utilitarian_operator.adapters.broker.bounded.refused import Ours
from utilitarian_operator.adapters.broker.bounded.room import ALL, Share
from utilitarian_operator.adapters.broker.tls import Tls

T = TypeVar("T")


_SHARE: ContextVar[Share] = ContextVar("share")
"""Of the session that reads a page, with those of its tasks."""

PART = 256 * 1024
"""Bytes of a page for which room is taken at once."""


MOST_AROUND = 256 * 1024
"""Bytes of an answer that are no part of its page: headers, the lengths of chunks, answers that only say to wait."""


class TooLong(Ours):
    """A page has more than may be read."""


@asynccontextmanager
async def session(tls: Tls, within_s: float, names: Names) -> AsyncIterator[aiohttp.ClientSession]:
    """A session whose requests take so many seconds at most; nothing that comes is unpacked.

    What its pages take in memory is given back at its end: by then they were read.

    Args:
        tls: certificates for https://.
        within_s: of one request, with its answer.
        names: finds the addresses, of which only some may be spoken to.
    """
    share = Share(ALL)
    token, greeted = _SHARE.set(share), greetings.OF_THIS.set(greetings.Greetings())
    try:
        async with _opened(tls, within_s, names) as opened:
            yield opened
    finally:
        greetings.OF_THIS.reset(greeted)
        _SHARE.reset(token)
        share.end()


def _opened(tls: Tls, within_s: float, names: Names) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=within_s),
        connector=_Connector(ssl=tls.context, resolver=names),
        headers={"Accept-Encoding": "identity"},  # a small page may be packed so that it fills the memory
        auto_decompress=False,
    )


class _Answer(ResponseHandler):
    """The library's reading of an answer, which bounds a header, and not what else stands around the page."""

    _came = 0

    def set_response_params(self, **options: Any) -> None:
        """A request begins, maybe another one on the same connection."""
        self._came = 0
        super().set_response_params(**options)

    def data_received(self, data: bytes) -> None:
        """Read what came; where too little of all that came is a page, nothing more is read."""
        if self._around > MOST_AROUND:
            return
        self._came += len(data)
        super().data_received(data)
        if self._around > MOST_AROUND:
            error = TooLong(f"it says more than {MOST_AROUND // 1024} KiB around its page")
            self.set_exception(error)
            if self._payload is not None:
                self._payload.set_exception(error)

    @property
    def _around(self) -> int:
        return self._came - (0 if self._payload is None else self._payload.total_bytes)


class _Connector(aiohttp.TCPConnector):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        answer: Callable[..., ResponseHandler] = _Answer
        self._factory = functools.partial(answer, loop=self._loop)


async def text(answer: aiohttp.ClientResponse) -> str:
    """The body, which is UTF-8 whatever its header says.

    Raises:
        TooLong: it has more bytes than a page may have, or than there is room for beside what others say.
    """
    share = _SHARE.get()
    body, held = bytearray(), 0
    async for part in answer.content.iter_any():
        body += part
        if len(body) > bounds.MOST_BYTES:
            raise TooLong(f"its page has more than {bounds.MOST_BYTES // 1024**2} MiB")
        while held < len(body):
            _take(share, PART)
            held += PART
    _take(share, len(body) * (1 if body.isascii() else 4))  # each character of a text takes as much as the largest
    text = body.decode()
    del body
    share.give_back(held)
    return text


def _take(share: Share, size: int) -> None:
    if not share.take(size):
        raise TooLong("its page is too large to be read beside those of others; it is asked again")


async def in_slices(steps: Generator[None, None, T]) -> T:
    """What steps come to, with the event loop at work between them."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        await asyncio.sleep(0)  # noqa: TID251 - gives way; no time passes

"""Reads pages of a broker over HTTP, bounded in bytes and time, from the address that was asked and no other."""

import asyncio
from collections.abc import Generator
from typing import TypeVar

import aiohttp

from utilitarian_operator.adapters.broker.bounded import calls as bounds
from utilitarian_operator.adapters.broker.bounded.names import Names
from utilitarian_operator.adapters.broker.bounded.refused import Ours
from utilitarian_operator.adapters.broker.tls import Tls

T = TypeVar("T")


class TooLong(Ours):
    """A page has more than may be read."""


def session(tls: Tls, within_s: float, names: Names) -> aiohttp.ClientSession:
    """A session whose requests take so many seconds at most; nothing that comes is unpacked.

    Args:
        tls: certificates for https://.
        within_s: of one request, with its answer.
        names: finds the addresses, of which only some may be spoken to.
    """
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=within_s),
        connector=aiohttp.TCPConnector(ssl=tls.context, resolver=names),
        headers={"Accept-Encoding": "identity"},  # a small page may be packed so that it fills the memory
        auto_decompress=False,
    )


async def text(answer: aiohttp.ClientResponse) -> str:
    """The body, which is UTF-8 whatever its header says.

    Raises:
        TooLong: it has more bytes than a page may have.
    """
    body = bytearray()
    async for part in answer.content.iter_any():
        body += part
        if len(body) > bounds.MOST_BYTES:
            raise TooLong(f"its page has more than {bounds.MOST_BYTES // 1024**2} MiB")
    return body.decode()


async def in_slices(steps: Generator[None, None, T]) -> T:
    """What steps come to, with the event loop at work between them."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        await asyncio.sleep(0)  # noqa: TID251 - gives way; no time passes

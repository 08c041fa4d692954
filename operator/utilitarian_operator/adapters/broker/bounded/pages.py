"""Reads pages of a broker over HTTP, bounded in bytes and time, from the address that was asked and no other."""

import asyncio
from collections.abc import Generator
from typing import Any, TypeVar

import aiohttp
from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver

from utilitarian_operator.adapters.broker.bounded import calls as bounds
from utilitarian_operator.adapters.broker.bounded.calls import MOST_ADDRESSES
from utilitarian_operator.adapters.broker.bounded.reach import Reach
from utilitarian_operator.adapters.broker.bounded.refused import Ours
from utilitarian_operator.adapters.broker.tls import Tls

T = TypeVar("T")


class TooLong(Ours):
    """A page has more than may be read."""


class _Resolver(ThreadedResolver):
    """The addresses of a name, as many as are tried, and only such as may be spoken to."""

    def __init__(self, reach: Reach) -> None:
        super().__init__()
        self._reach = reach

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        found = (await super().resolve(host, port, family))[:MOST_ADDRESSES]
        for it in found:
            self._reach.check(it["host"])
        return found


def session(tls: Tls, within_s: float, reach: Reach) -> aiohttp.ClientSession:
    """A session whose requests take so many seconds at most; nothing that comes is unpacked.

    Args:
        tls: certificates for https://.
        within_s: of one request, with its answer.
        reach: which addresses may be spoken to.
    """
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=within_s),
        connector=aiohttp.TCPConnector(ssl=tls.context, resolver=_Resolver(reach)),
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

"""Finds the addresses behind names, in a thread of one broker's own: a slow name server holds up no other broker."""

import asyncio
import functools
import socket
from concurrent.futures import ThreadPoolExecutor
from socket import getaddrinfo
from typing import Any, TypeAlias

from aiohttp.abc import AbstractResolver, ResolveResult

from utilitarian_operator.adapters.broker.bounded.calls import MOST_ADDRESSES
from utilitarian_operator.adapters.broker.bounded.reach import ROUTED, Reach

Found: TypeAlias = tuple[Any, Any, int, str, tuple[Any, ...]]
"""As `socket.getaddrinfo` gives it: family, kind, protocol, name, and the address with its port."""


def found_addresses(host: str, port: int, family: int = socket.AF_UNSPEC) -> list[Found]:
    """Every address behind a name.

    Args:
        host: name or address.
        port: that goes with each address.
        family: of the addresses that are wanted.

    Raises:
        socket.gaierror: it has none, or is none: `a..b`.
    """
    try:
        return getaddrinfo(host, port, family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, "no name") from error


class Names(AbstractResolver):
    """The names of one broker's statistics; the event loop's own threads, which all share, are left alone.

    One name is looked up at a time: a name server that doesn't answer holds this broker's thread, and what is asked
    meanwhile waits as long as its caller does.

    Args:
        reach: which addresses may be spoken to.
    """

    def __init__(self, reach: Reach = ROUTED) -> None:
        self.reach = reach
        self._thread: ThreadPoolExecutor | None = None

    @property
    def threads(self) -> tuple[ThreadPoolExecutor, ...]:
        """The thread, if a name was ever looked up."""
        return () if self._thread is None else (self._thread,)

    async def find(self, host: str, port: int, family: int = socket.AF_UNSPEC) -> list[Found]:
        """Every address behind a name, all of which may be spoken to.

        Args:
            host: name or address.
            port: that goes with each address.
            family: of the addresses that are wanted.

        Raises:
            OSError: it has none (`socket.gaierror`), or one that may not be spoken to (AddressRefused).
        """
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "names")
        look_up = functools.partial(found_addresses, host, port, family)
        found: list[Found] = await asyncio.get_running_loop().run_in_executor(self._thread, look_up)
        for *_, at in found:
            self.reach.check(str(at[0]))
        return found

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name for aiohttp, as many as are tried."""
        found = (await self.find(host, port, family))[:MOST_ADDRESSES]
        numbers = int(socket.AI_NUMERICHOST | socket.AI_NUMERICSERV)
        return [
            ResolveResult(hostname=host, host=_written(at), port=port, family=of, proto=protocol, flags=numbers)
            for of, _, protocol, _, at in found
        ]

    async def close(self) -> None:
        """The thread is its owner's, which asks for more than one page."""


def _written(at: tuple[Any, ...]) -> str:
    """An address, with the interface where it is of one link alone."""
    _, _, *more = at
    scope = more[1] if len(more) > 1 else 0
    return f"{at[0]}%{scope}" if scope else str(at[0])

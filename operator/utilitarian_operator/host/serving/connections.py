"""The connections to a server of this process, bounded in number: all who reach a port of the pod may open them."""

import asyncio
import errno
import logging
import os
import socket
import ssl
from collections.abc import Awaitable, Callable

from utilitarian_operator.adapters.broker.timing import CLOCK

logger = logging.getLogger(__name__)

ANY = ""
"""Every address of the pod, of both families: some clusters have IPv6 alone."""

MOST_OPEN = 100
"""To one port; the kubelet and API servers have a few. Each takes a file, and memory, of the process."""

HANDSHAKE_WITHIN_S = 5.0
RETRY_S = 0.5
_NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


def listener(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Args:
        host: an address of this machine, or ANY.
        port: 0 for a free one.

    Raises:
        OSError: the system refuses it.
    """
    if host != ANY:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        made = socket.create_server((host, port), family=family, backlog=MOST_OPEN)
    elif socket.has_dualstack_ipv6():
        made = socket.create_server((ANY, port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=MOST_OPEN)
    else:
        made = socket.create_server((ANY, port), backlog=MOST_OPEN)
    made.settimeout(0)
    return made


class Connections:
    """Accepts connections; where as many are open as may be, the oldest is ended for the new one.

    The oldest, not the new one: who opens many and says nothing would else keep the kubelet out, which then restarts
    the process.

    Args:
        listening: what they come to.
        protocol: makes what answers one of them.
        tls: what it is served with, as it is when the connection comes; None for plain HTTP.
        most: that are open at a time.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        listening: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
        tls: Callable[[], ssl.SSLContext] | None = None,
        most: int = MOST_OPEN,
        sleep: Callable[[float], Awaitable[None]] = CLOCK.sleep,
    ) -> None:
        self._listening, self._protocol, self._tls, self._sleep = listening, protocol, tls, sleep
        self._most = most
        self._all: dict[socket.socket, None] = {}  # the oldest first
        self._beginning: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> int:
        """How many are open now."""
        self._all = {it: None for it in self._all if it.fileno() >= 0}
        return len(self._all)

    async def accept(self) -> None:
        """Accept them for ever."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._listening)
            except OSError as error:
                if error.errno in _NO_ROOM:  # else it was gone before it could be accepted
                    logger.warning("no connection accepted", extra={"because": os.strerror(error.errno)})
                    self._end_oldest()
                    await self._sleep(RETRY_S)
                continue
            while self.open >= self._most:
                self._end_oldest()
            self._all[connection] = None
            beginning = asyncio.create_task(self._begin(connection), name="connection")
            self._beginning.add(beginning)
            beginning.add_done_callback(self._beginning.discard)

    async def close(self) -> None:
        """Accept no more; those that are open are their protocols'."""
        self._listening.close()
        for beginning in self._beginning:
            beginning.cancel()
        await asyncio.gather(*self._beginning, return_exceptions=True)

    async def _begin(self, connection: socket.socket) -> None:
        tls = self._tls() if self._tls else None
        within_s = None if tls is None else HANDSHAKE_WITHIN_S
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(self._protocol, connection, ssl=tls, ssl_handshake_timeout=within_s)
        except OSError as error:  # no TLS came, or too late
            logger.debug("no connection", extra={"because": type(error).__name__})

    def _end_oldest(self) -> None:
        oldest = next(iter(self._all), None)
        if oldest is None:
            return
        del self._all[oldest]
        try:
            oldest.shutdown(socket.SHUT_RDWR)  # its transport sees the end, and closes it
        except OSError:
            logger.debug("a connection has ended by itself")

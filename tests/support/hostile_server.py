"""Servers that say nothing, a byte now and then, or something else than was asked for."""

import contextlib
import socket
import threading
from collections.abc import Iterator

from tests.support.ports import LOOPBACK

DRIP = b"\x01\x00\x00\x00\x00\x10\x00" + b"x" * 60
"""The beginning of a frame of AMQP that has no end."""


@contextlib.contextmanager
def serving(says: bytes, each_s: float) -> Iterator[int]:
    """A server that says this to every client: at once, or a byte after each pause, and then nothing."""
    over = threading.Event()
    server = socket.create_server((LOOPBACK, 0), backlog=200)
    server.settimeout(0.2)

    def client(of: socket.socket) -> None:
        with of, contextlib.suppress(OSError):
            if not each_s:
                of.sendall(says)
            position = 0
            while not over.wait(each_s or 1.0):
                if each_s and says:
                    of.sendall(says[position % len(says) : position % len(says) + 1])
                    position += 1

    def serve() -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                threading.Thread(target=client, args=(server.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(server.getsockname()[1])
    finally:
        over.set()
        thread.join()
        server.close()

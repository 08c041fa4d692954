"""Picks free TCP ports of the loopback address; it holds none of them open."""

import random
import socket

LOOPBACK = "127.0.0.1"

# Below Linux's ephemeral range (32768 and up), so that no outgoing connection takes a port before its server does.
_LOWEST, _HIGHEST = 20_000, 31_999
_ATTEMPTS = 200

_given: set[int] = set()


def free_port() -> int:
    """A port without a listener, never the same one twice in a process.

    Raises:
        RuntimeError: no free port was found.
    """
    # Seeded by the system on purpose: test runs side by side must not draw the same numbers.
    draw = random.SystemRandom()
    for _ in range(_ATTEMPTS):
        port = draw.randint(_LOWEST, _HIGHEST)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise RuntimeError(f"no free port between {_LOWEST} and {_HIGHEST} on {LOOPBACK} in {_ATTEMPTS} attempts")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do; without it a port whose last connection is in TIME_WAIT would count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def accepts_connections(port: int) -> bool:
    """Whether a process listens on this port of the loopback address."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True

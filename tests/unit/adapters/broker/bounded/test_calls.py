"""Calls to brokers that drip, fall silent or say too much, on real sockets."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from greenlet import getcurrent, greenlet  # type: ignore[import-untyped] # it has no types

from tests.support.ports import LOOPBACK
from utilitarian_operator.adapters.broker.bounded import calls
from utilitarian_operator.adapters.broker.bounded.calls import bounded, count, has_room, in_thread, throw_away
from utilitarian_operator.adapters.broker.depths import DepthReader
from utilitarian_operator.adapters.broker.statistics import Statistics
from utilitarian_operator.errors import BrokerError, BrokerUnreachable

START = b"\x01\x00\x00\x00\x00\x10\x00"
"""How the frame begins with which a broker greets: its head says that it is very long."""


@contextlib.contextmanager
def broker(drips: bytes, each_s: float) -> Iterator[int]:
    """A server that greets one client with these bytes, one at a time, again and again."""
    done = threading.Event()
    server = socket.create_server((LOOPBACK, 0))
    server.settimeout(0.1)

    def serve() -> None:
        client = None
        position = 0
        while not done.wait(each_s):
            with contextlib.suppress(OSError):
                client = client or server.accept()[0]
                client.sendall(drips[position : position + 1])
                position = min(position + 1, len(drips) - 1)
        if client is not None:
            client.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(server.getsockname()[1])
    finally:
        done.set()
        thread.join()
        server.close()


def test_a_broker_that_drips_is_left_when_its_time_is_over() -> None:
    with broker(START + b"x", 0.02) as port:
        begun = time.monotonic()
        with bounded(0.5), pytest.raises(BrokerUnreachable, match="too slowly"):
            DepthReader(f"amqp://u:p@{LOOPBACK}:{port}").read(["q"])
        assert time.monotonic() - begun < 10


def test_one_that_says_too_much_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MOST_BYTES", 10)
    with bounded(60):
        assert count(b"12345") == b"12345"
        with pytest.raises(OSError, match="says more than"):
            count(b"123456")


def test_a_message_is_kept_that_leaves_room_for_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = {"MOST_BYTES": 100, "RESERVED": 40, "PART": 4, "AHEAD": 8, "MOST_THROWN_AWAY": 150}
    for name, value in bounds.items():
        monkeypatch.setattr(calls, name, value)
    assert has_room(10**18), "no call, no bound"
    with bounded(60):
        assert [has_room(size) for size in (9, 60, 61, 10**18)] == [True, True, False, False]
        count(b"x" * 56)
        assert [has_room(size) for size in (9, 10)] == [True, False], "a part of what is left"
        count(b"x" * 35)
        assert [has_room(size) for size in (0, 1)] == [True, False], "so much may be read already"
        throw_away(86)
        assert has_room(55), "what was thrown away takes none"
        throw_away(64)
        with pytest.raises(OSError, match="says more than"):
            throw_away(1)


def test_metadata_services_are_not_spoken_to() -> None:
    with pytest.raises(BrokerUnreachable, match="link-local"):
        DepthReader("amqp://u:p@169.254.169.254:80").read(["q"])


async def test_a_thread_that_hangs_holds_nobody_up() -> None:
    held, thread = threading.Event(), ThreadPoolExecutor(1)
    with pytest.raises(BrokerUnreachable, match="no answer from the broker within"):
        await in_thread(thread, held.wait, -0.9)
    held.set()
    thread.shutdown()


def test_what_a_broker_says_is_cut() -> None:
    assert len(str(BrokerError("x" * 100_000))) == 1000


@pytest.mark.parametrize("endpoint", ["http://169.254.169.254", "http://[fe80::1]:15672", "http://100.100.100.200:80"])
async def test_statistics_are_not_read_from_metadata_services(endpoint: str) -> None:
    async with asyncio.timeout(20):
        with pytest.raises(BrokerUnreachable, match="link-local"):
            await Statistics([endpoint], "/").read()


def test_calls_that_take_turns_in_one_thread_leave_no_bound_behind() -> None:
    """As those of greenlets do, where an application or a test plays threads with them."""

    def call() -> None:
        with bounded(0.0):
            getcurrent().parent.switch()

    first, second = greenlet(call), greenlet(call)
    for it in (first, second, first, second):
        it.switch()
    assert len(count(b"x" * (calls.MOST_BYTES + 1))) > calls.MOST_BYTES, "none is bounded any more"

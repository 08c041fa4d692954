"""Frames of AMQP are read ahead and none is lost, however they come; a thread pays for few reads only."""

import gc
import socket
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from utilitarian_operator.adapters.broker import connection
from utilitarian_operator.adapters.broker.connection import AHEAD, _PlainSocket, connect
from utilitarian_operator.adapters.broker.tls import Tls
from utilitarian_operator.errors import BrokerError

LOOPBACK = "127.0.0.1"
HELLO = len(b"AMQP\x00\x00\x09\x01")
PAYLOADS = [bytes([number % 256]) * (number % 90) for number in range(500)]
FRAMES = b"".join(struct.pack(">BHI", 1, 1, len(payload)) + payload + b"\xce" for payload in PAYLOADS)


@contextmanager
def broker(*chunks: bytes) -> Iterator[_PlainSocket]:
    """Our end of a connection to one who says these, each on its own, and nothing more."""
    with socket.create_server((LOOPBACK, 0)) as listening:

        def serve() -> None:
            client, _ = listening.accept()
            with client:
                client.recv(HELLO)
                for chunk in chunks:
                    client.sendall(chunk)
                client.recv(1)  # until the other end closes

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        ours = _PlainSocket(f"{LOOPBACK}:{listening.getsockname()[1]}", 5.0, 0.2, 5.0, ssl=False)
        ours.connect()
        try:
            yield ours
        finally:
            ours.close()
            thread.join(60.0)


@pytest.mark.parametrize("size", [1, 7, 8, 61, AHEAD - 1, len(FRAMES)])
def test_every_frame_is_read_however_they_are_cut(size: int) -> None:
    chunks = [FRAMES[start : start + size] for start in range(0, len(FRAMES), size)]
    with broker(*chunks) as ours:
        assert [ours.read_frame()[2] for _ in PAYLOADS] == PAYLOADS


def test_a_frame_that_is_cut_by_a_silence_is_told_as_one_and_kept() -> None:
    with broker(FRAMES[:-3]) as ours:
        assert [ours.read_frame()[2] for _ in PAYLOADS[:-1]] == PAYLOADS[:-1]
        with ours.having_timeout(0.05), pytest.raises(TimeoutError):
            ours.read_frame()
        assert ours.connected
        assert ours._read_buffer == FRAMES[-len(PAYLOADS[-1]) - 8 : -3]


def test_five_hundred_answers_take_a_few_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    def reads() -> int:
        with broker(FRAMES) as ours:
            calls, read = [], ours._quick_recv
            ours._quick_recv = lambda wanted: calls.append(wanted) or read(wanted)  # type: ignore[func-returns-value]
            for _ in PAYLOADS:
                ours.read_frame()
            return len(calls)

    assert reads() < len(PAYLOADS) / 5
    monkeypatch.setattr(connection, "AHEAD", 1)
    assert reads() > 2 * len(PAYLOADS)


START = bytes([0, 10, 0, 10])  # connection.start
NO_BROKER = {
    "hangs up": b"",
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "a frame that has no end": struct.pack(">BHL", 1, 0, 4) + START + b"x",
    "a greeting that breaks off": struct.pack(">BHL", 1, 0, 6) + START + b"\x00\x09" + b"\xce",
    "an answer to nothing": struct.pack(">BHL", 1, 0, 4) + bytes([0, 50, 0, 11]) + b"\xce",
    "a channel that is not open": struct.pack(">BHL", 1, 7, 4) + bytes([0, 50, 0, 11]) + b"\xce",
}


@pytest.mark.parametrize("said", NO_BROKER.values(), ids=NO_BROKER)
def test_no_socket_is_left_of_what_is_no_broker(said: bytes) -> None:
    with socket.create_server((LOOPBACK, 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.recv(8)
                client.sendall(said)

        thread = threading.Thread(target=serve)
        thread.start()
        with warnings.catch_warnings(record=True) as left:
            warnings.simplefilter("always", ResourceWarning)
            with pytest.raises(BrokerError):
                connect(f"amqp://u:p@{LOOPBACK}:{server.getsockname()[1]}/", Tls(), "test")
            gc.collect()
        thread.join()
    assert [str(it.message) for it in left] == []

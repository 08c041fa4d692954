"""Frames of AMQP are read ahead and none is lost, however they come; a thread pays for few reads only."""

import gc
import socket
import struct
import threading
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from amqp import spec
from amqp.serialization import dumps

from tests.support.scripted_broker import Peer, greeting, method, scripted_broker
from utilitarian_operator.adapters.broker import connection
from utilitarian_operator.adapters.broker.bounded.calls import bounded
from utilitarian_operator.adapters.broker.bounded.failures import GONE
from utilitarian_operator.adapters.broker.connection import AHEAD, _PlainSocket, connect, release
from utilitarian_operator.adapters.broker.tls import Tls
from utilitarian_operator.errors import BrokerError, BrokerUnreachable

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


def table(item: bytes, key: bytes = b"capabilities") -> bytes:
    """A table of AMQP with one item."""
    body = bytes([len(key)]) + key + item
    return struct.pack(">I", len(body)) + body


def nested(deep: int) -> bytes:
    """A list in a list, and so on."""
    inner = b"V"
    for _ in range(deep):
        inner = b"A" + struct.pack(">I", len(inner)) + inner
    return inner


START = bytes([0, 10, 0, 10])  # connection.start
NO_BROKER = {
    "lists without end": greeting(table(nested(3000))),
    "a text instead of what it is able to": greeting(table(b"S\x00\x00\x00\x01x")),
    "a moment that no clock shows": greeting(table(b"T" + b"\xff" * 8)),
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
        with no_socket_left(), pytest.raises(BrokerError):
            connect(f"amqp://u:p@{LOOPBACK}:{server.getsockname()[1]}/", Tls(), "test")
        thread.join()


@contextmanager
def no_socket_left() -> Iterator[None]:
    """Python tells of a socket that nobody closed when its object is gone."""
    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always", ResourceWarning)
        yield
        gc.collect()
    assert [str(it.message) for it in left] == []


@pytest.mark.parametrize("host", ["a..b", ".b", "a" * 64], ids=["dots", "a dot first", "long"])
@pytest.mark.parametrize("scheme", ["amqp", "amqps"])
def test_what_is_no_name_is_said_to_have_no_address(scheme: str, host: str) -> None:
    with pytest.raises(BrokerUnreachable, match="its name has no address"):
        connect(f"{scheme}://u:p@{host}/", Tls(), "test")


NO_ANSWER = struct.pack(">BHI", 1, 0, 4) + b"abcdx"
WITHIN_A_FRAME = struct.pack(">BHI", 1, 0, 32) + b"abc"
FAREWELLS: dict[str, Callable[[Peer, int], None]] = {
    "what is no AMQP": lambda peer, _: peer.say(NO_ANSWER),
    "nothing more": lambda *_: None,
    "half a frame": lambda peer, _: peer.say(WITHIN_A_FRAME),
    "no more, and reads on": lambda peer, _: peer.hang_up(),
    "a reset": lambda peer, _: peer.reset(),
}


@pytest.mark.parametrize("at", ["channel_close", "connection_close"])
@pytest.mark.parametrize("answers", FAREWELLS.values(), ids=FAREWELLS)
def test_no_socket_is_left_whatever_is_answered_to_the_farewell(
    monkeypatch: pytest.MonkeyPatch, answers: Callable[[Peer, int], None], at: str
) -> None:
    monkeypatch.setattr(connection, "TIMEOUT_S", 0.2)
    with scripted_broker(**{at: answers}) as broker, no_socket_left():
        opened = connect(broker.url, Tls(), "test")
        opened.default_channel  # noqa: B018 - opens it
        with bounded(60.0):
            release(opened, farewell=True)
        del opened
        assert broker.left() == 0


def test_a_connection_that_broke_is_not_opened_anew_behind_our_back() -> None:
    """Of the library's own, that would be one more: the socket of the one that broke was left, and it never blocked."""
    with scripted_broker(channel_open=lambda peer, _: peer.reset()) as broker, no_socket_left():
        opened = connect(broker.url, Tls(), "test")
        for _ in range(2):
            with pytest.raises(GONE):
                opened.channel()
        with pytest.raises(GONE):
            opened.default_channel  # noqa: B018 - opens it
        release(opened, farewell=False)
        with pytest.raises(GONE):
            opened.default_channel  # noqa: B018
        assert broker.connections == 1


def test_half_a_frame_and_no_more_is_a_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library waited for the rest for ever, and with it the thread of the broker."""
    monkeypatch.setattr(connection, "TIMEOUT_S", 0.2)
    with scripted_broker(channel_open=lambda peer, _: peer.say(WITHIN_A_FRAME)) as broker:
        opened = connect(broker.url, Tls(), "test")
        with pytest.raises(TimeoutError):
            opened.channel()
        release(opened, farewell=False)


def test_memory_is_not_taken_for_what_a_frame_only_announces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "TIMEOUT_S", 0.2)
    with scripted_broker(struct.pack(">BHI", 1, 0, 2**31 - 1)) as broker:
        tracemalloc.start()
        try:
            with pytest.raises(BrokerUnreachable, match="more than 128 KiB in a frame"):
                connect(broker.url, Tls(), "test")
            assert tracemalloc.get_traced_memory()[1] < 16 * 1024**2
        finally:
            tracemalloc.stop()


def table(entries: int) -> bytes:
    """What a broker may say of itself: names of four characters, without a value. It takes 30 times its length."""
    said = b"".join(b"\x04%04x" % number + b"V" for number in range(entries))
    return struct.pack(">I", len(said)) + said


def test_a_greeting_is_no_longer_than_a_frame() -> None:
    """One of 15 MiB took 217 MiB for as long as the connection was open, and 8 s of a core."""
    with scripted_broker(greeting(table(65_000))) as broker, pytest.raises(BrokerUnreachable, match="128 KiB"):
        connect(broker.url, Tls(), "test")


def test_of_what_a_broker_says_of_itself_its_name_and_version_are_kept() -> None:
    said = {"product": "RabbitMQ", "version": "4.0.5", "cluster_name": "a" * 255, "platform": "Erlang", "more": {}}
    with scripted_broker(greeting(dumps("F", [said]))) as broker:
        opened = connect(broker.url, Tls(), "test")
        assert opened.connection.server_properties == {it: said[it] for it in ("product", "version", "cluster_name")}
        release(opened, farewell=True)
    with scripted_broker(greeting(dumps("F", [{"product": {"a": {}}, "version": "4" * 256}]))) as broker:
        opened = connect(broker.url, Tls(), "test")
        assert opened.connection.server_properties == {}
        release(opened, farewell=True)


def tuned(frame: int) -> Callable[[Peer, int], None]:
    """A broker that would take frames of so many bytes."""
    return lambda peer, _: peer.say(method(0, spec.Connection.Tune, struct.pack(">HIH", 0, frame, 10)))


@pytest.mark.parametrize("frame, agreed", [(0, 131_072), (4096, 4096), (131_072, 131_072), (2**32 - 1, 131_072)])
def test_frames_are_no_longer_than_asked_for(frame: int, agreed: int) -> None:
    """The library makes room for a whole one before it writes: of 4 GiB, which ended the operator."""
    with scripted_broker(connection_startok=tuned(frame)) as broker:
        opened = connect(broker.url, Tls(), "test")
        assert opened.connection.frame_max == agreed
        release(opened, farewell=True)


@pytest.mark.parametrize("frame", [1, 8, 4095])
def test_a_broker_takes_frames_that_are_as_long_as_amqp_has_them(frame: int) -> None:
    """Of 8 bytes, nothing could be said in any number of them; that was no failure of a broker."""
    with scripted_broker(connection_startok=tuned(frame)) as broker, pytest.raises(BrokerUnreachable, match="no AMQP"):
        connect(broker.url, Tls(), "test")

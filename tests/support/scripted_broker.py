"""A program that lets one log in as RabbitMQ does, and then does what a test says, where a real broker would not."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from amqp import spec
from amqp.serialization import dumps

from tests.support.ports import LOOPBACK

Method = tuple[int, int]
Reaction = Callable[["Peer", int], None]
"""What is done at a method that came on a channel."""

OPENED = b"\x00\x00\x00\x00"
VERSION = {"product": "RabbitMQ", "version": "4.0.5", "cluster_name": "rabbit@test"}


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """A frame of a method (1), of a message's header (2) or of its body (3)."""
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def method(channel: int, name: Method, arguments: bytes = b"") -> bytes:
    """A frame with one method."""
    return frame(1, channel, struct.pack(">HH", *name) + arguments)


def greeting(properties: bytes | None = None) -> bytes:
    """Connection.Start.

    Args:
        properties: what it says of itself, as a table of AMQP; those of RabbitMQ unless given.
    """
    table = dumps("F", [VERSION]) if properties is None else properties
    return method(0, spec.Connection.Start, b"\x00\x09" + table + dumps("SS", ["PLAIN", "en_US"]))


class Peer:
    """The broker's end of one connection."""

    def __init__(self, sock: socket.socket, reactions: Mapping[Method, Reaction], hello: bytes) -> None:
        self._socket, self._reactions, self._hello, self._buffer = sock, reactions, hello, b""

    def say(self, frame: bytes) -> None:
        """Send this."""
        self._socket.sendall(frame)

    def hang_up(self) -> None:
        """Say nothing more, and read on."""
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """End the connection as one that breaks."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def deliver(
        self,
        channel: int,
        body: bytes,
        headers: Mapping[str, Any],
        content: tuple[str, str] = ("application/json", "utf-8"),
    ) -> None:
        """Say a message, of JSON as an answer to remote control is one, to the consumer `1`."""
        deliver = struct.pack(">HH", *spec.Basic.Deliver) + dumps("sLbss", ["1", 1, False, "", "r"])
        kinds = struct.pack(">H", 0b111 << 13) + dumps("ssF", [*content, dict(headers)])
        header = struct.pack(">HHQ", 60, 0, len(body)) + kinds
        self.say(b"".join(frame(kind, channel, it) for kind, it in enumerate((deliver, header, body), start=1)))

    def serve(self) -> None:
        """Answer until the other end is closed."""
        with self._socket:
            try:
                self._read(8)
                self.say(self._hello)
                while True:
                    kind, channel, size = struct.unpack(">BHI", self._read(7))
                    payload = self._read(size + 1)
                    if kind == 1:
                        self._answer(channel, struct.unpack(">HH", payload[:4]))
            except OSError:
                return

    def _answer(self, channel: int, name: Any) -> None:
        if name in self._reactions:
            self._reactions[name](self, channel)
        elif name in _ANSWERS:
            self.say(method(channel, *_ANSWERS[name]))

    def _read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            more = self._socket.recv(65536)
            if not more:
                raise ConnectionError("the other end is closed")
            self._buffer += more
        read, self._buffer = self._buffer[:size], self._buffer[size:]
        return read


_ANSWERS: dict[Method, tuple[Method, bytes]] = {
    spec.Connection.StartOk: (spec.Connection.Tune, struct.pack(">HIH", 10, 131072, 60)),
    spec.Connection.Open: (spec.Connection.OpenOk, b"\x00"),
    spec.Connection.Close: (spec.Connection.CloseOk, b""),
    spec.Channel.Open: (spec.Channel.OpenOk, OPENED),
    spec.Channel.Close: (spec.Channel.CloseOk, b""),
    spec.Queue.Declare: (spec.Queue.DeclareOk, b"\x01q" + struct.pack(">II", 3, 1)),
    spec.Queue.Delete: (spec.Queue.DeleteOk, OPENED),
    spec.Exchange.Declare: (spec.Exchange.DeclareOk, b""),
    spec.Queue.Bind: (spec.Queue.BindOk, b""),
    spec.Basic.Consume: (spec.Basic.ConsumeOk, b"\x011"),
    spec.Basic.Cancel: (spec.Basic.CancelOk, b"\x011"),
}


class ScriptedBroker:
    """Where one may connect to, any number of times.

    Args:
        hello: said first.
    """

    def __init__(self, hello: bytes) -> None:
        self.reactions: dict[Method, Reaction] = {}
        """To methods, that stand for the usual answers."""
        self.connections = 0
        self._hello = hello
        self._threads: list[threading.Thread] = []
        self._listening = socket.create_server((LOOPBACK, 0))
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    @property
    def url(self) -> str:
        """With user and password."""
        return f"amqp://u:p@{LOOPBACK}:{self._listening.getsockname()[1]}/"

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            peer = Peer(client, self.reactions, self._hello)
            self._threads.append(threading.Thread(target=peer.serve))
            self._threads[-1].start()

    def react(self, **named: Reaction) -> None:
        """Do this from now on, and nothing else that is unusual: `queue_declare` for Queue.Declare."""
        reactions = {_method(name): reaction for name, reaction in named.items()}
        self.reactions.clear()
        self.reactions.update(reactions)

    def left(self) -> int:
        """Connections that the other end has not closed, also after a while."""
        for thread in self._threads:
            thread.join(5.0)
        return sum(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """Take no more connections, and wait for those that there are."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listening.close()
        self.left()


@contextmanager
def scripted_broker(hello: bytes | None = None, **named: Reaction) -> Iterator[ScriptedBroker]:
    """One that is gone after the block.

    Args:
        hello: said first; `greeting` unless given.
        named: reactions by method, as of `react`.
    """
    broker = ScriptedBroker(greeting() if hello is None else hello)
    broker.react(**named)
    try:
        yield broker
    finally:
        broker.close()


def _method(name: str) -> Method:
    kind, _, rest = name.partition("_")
    of = vars(getattr(spec, kind.title()))
    found: Method = next(value for it, value in of.items() if it.lower() == rest)
    return found

"""Opens and closes AMQP connections."""

import contextlib
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from amqp.exceptions import RecoverableConnectionError, UnexpectedFrame
from amqp.transport import SSLTransport, TCPTransport
from kombu import Connection
from kombu.transport import pyamqp

from utilitarian_operator.adapters.broker.address import Address, addresses
from utilitarian_operator.adapters.broker.bounded import calls as bounds
from utilitarian_operator.adapters.broker.bounded.failures import GONE, broker_errors
from utilitarian_operator.adapters.broker.bounded.messages import (
    LEAST_OF_A_FRAME,
    MOST_OF_A_FRAME,
    only_with_room,
    unpacked,
)
from utilitarian_operator.adapters.broker.bounded.names import found_addresses
from utilitarian_operator.adapters.broker.bounded.refused import Ours
from utilitarian_operator.adapters.broker.tls import Tls
from utilitarian_operator.adapters.intervals import (
    HEARTBEAT_S,
)
from utilitarian_operator.errors import BrokerError, BrokerUnreachable

TIMEOUT_S = 3.0
"""Longest wait for one answer of the broker; a healthy one answers in a millisecond."""

AHEAD = 4096
"""Bytes that are read at once: sixty answers about queues."""

KEPT, LONGEST_WORD = ("product", "version", "cluster_name"), 255
"""Of what a broker says of itself, as texts of so many characters at most: it may be any table, of any depth."""


def connect(url: str, tls: Tls, name: str, **callbacks: Callable[..., None]) -> Connection:
    """A connection that is open, to the first address of the URL that lets us in; each is tried once.

    Args:
        url: with user and password.
        tls: certificates for amqps://.
        name: shown in the broker's list of connections.
        callbacks: py-amqp's on_blocked, with the reason, and on_unblocked: when the broker takes no messages any more.

    Raises:
        BrokerError: none does. A refusal goes before silence, and the message has what came of each.
    """
    failures: list[BrokerError] = []
    for address in addresses(url):
        try:
            with broker_errors(place=address.place):
                return _open(address, tls, {"client_properties": {"connection_name": name}, **callbacks})
        except BrokerError as error:
            failures.append(error)
    worst = next((error for error in failures if not isinstance(error, BrokerUnreachable)), failures[0])
    if len(failures) == 1:
        raise worst
    raise type(worst)("; ".join(map(str, failures))) from worst


def _open(address: Address, tls: Tls, options: dict[str, Any]) -> Connection:
    # A client certificate is there to log in with, where the URL has no other login.
    by_certificate = address.by_certificate or (address.secure and address.user is None and bool(tls.certificate))
    connection = _Once(
        address.host,
        address.user,
        address.password,
        address.vhost,
        address.port,
        ssl={"context": tls.context, "server_hostname": address.host} if address.secure else False,
        transport=_SecureTransport if address.secure else _PlainTransport,
        login_method="EXTERNAL" if by_certificate else None,
        connect_timeout=TIMEOUT_S,
        heartbeat=HEARTBEAT_S,
        transport_options={"read_timeout": TIMEOUT_S, "write_timeout": TIMEOUT_S, **options},
    )
    connection.ensure_connection(max_retries=0, reraise_as_library_errors=False)
    return connection


def release(connection: Connection, *, farewell: bool) -> None:
    """Close a connection.

    Args:
        connection: of `connect`.
        farewell: whether to tell the broker and wait for its answer; one that fell silent would only be waited for.
    """
    with contextlib.suppress(*GONE):
        if not farewell:
            connection.collect()
        connection.release()


class _Once(Connection):  # type: ignore[misc]
    """The library's connection, which would open another in place of one that broke, and leave the socket of that."""

    _opened = False

    def _ensure_connection(self, *arguments: Any, **options: Any) -> Any:
        if self._opened and not self.connected:
            raise RecoverableConnectionError("it ended the connection")
        self._opened = True
        return super()._ensure_connection(*arguments, **options)


def _connected(host: str, port: int, timeout: float) -> socket.socket:
    """A socket that is connected to the first address of a name that answers, of those that may be spoken to."""
    failure: OSError = Ours("the name has no address")
    for family, kind, protocol, _, address in found_addresses(host, port)[: bounds.MOST_ADDRESSES]:
        bounds.check_time()
        found = socket.socket(family, kind, protocol)
        try:
            bounds.check_address(str(address[0]))
            found.settimeout(timeout)
            found.connect(address)
        except OSError as error:
            found.close()
            failure = error
        else:
            return found
    raise failure


class _PlainSocket(TCPTransport):  # type: ignore[misc]
    """The library's socket, which would read each frame in three: at each a thread gives up the interpreter."""

    def _connect(self, host: str, port: int, timeout: float) -> None:
        self.sock: Any = _connected(host, port, timeout)

    def _setup_transport(self) -> None:
        super()._setup_transport()
        # A time-out of the system would be no end: within a frame the library goes on to read after it.
        self.sock.settimeout(self.read_timeout)
        self._quick_recv = lambda wanted: bounds.count(self.sock.recv(_at_once(wanted)))


class _SecureSocket(SSLTransport):  # type: ignore[misc]
    """The same over TLS, with a context that was made from texts instead of one that it makes of files."""

    def _connect(self, host: str, port: int, timeout: float) -> None:
        self.sock: Any = _connected(host, port, timeout)

    def _setup_transport(self) -> None:
        super()._setup_transport()
        self._quick_recv = lambda wanted: bounds.count(self.sock.read(_at_once(wanted)))

    def _wrap_socket(self, sock: Any, context: ssl.SSLContext, server_hostname: str) -> ssl.SSLSocket:
        # The handshake is the library's next step, under a timeout.
        return context.wrap_socket(sock, do_handshake_on_connect=False, server_hostname=server_hostname)

    def _shutdown_transport(self) -> None:
        """AMQP has its own farewell; TLS would wait for an answer of a broker that fell silent."""


def _at_once(wanted: int) -> int:
    """How much is read; of a frame, whose parts the library copies at each reading, no more than may be in one."""
    if wanted > MOST_OF_A_FRAME:
        raise Ours(f"it sends more than {MOST_OF_A_FRAME // 1024} KiB in a frame of AMQP")
    return max(wanted, AHEAD)


class _Message(pyamqp.Message):  # type: ignore[misc]
    """A message that is never unpacked: a small one may fill the memory then, and no worker packs its answers.

    Nor is it read where that would take much memory: it arrives without its body then.
    """

    def __init__(self, raw: Any, channel: Any = None, **options: Any) -> None:
        raw.properties.get("application_headers", {}).pop("compression", None)
        raw.properties["content_encoding"] = "utf-8"
        if not bounds.may_unpack(unpacked(bytes(raw.body or b""))):
            raw.body = b""
        super().__init__(raw, channel=channel, **options)


class _Channel(pyamqp.Channel):  # type: ignore[misc]
    """A channel that reads nothing by the codec that a message names, be it one of Python's that unpack or are slow."""

    Message = _Message

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.auto_decode = False


class _Connection(pyamqp.Connection):  # type: ignore[misc]
    """The library's connection, for whatever a program says that is no broker."""

    Channel = _Channel

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, frame_handler=only_with_room, **options)

    def connect(self, callback: Callable[[], None] | None = None) -> Any:
        """Log in; where that fails no socket is left, whatever it was: the library closes it after an OSError alone."""
        try:
            return super().connect(callback)
        except BaseException:
            self.collect()
            raise

    def _on_start(self, major: int, minor: int, said: Mapping[str, Any], mechanisms: str, locales: str) -> None:
        super()._on_start(major, minor, said, mechanisms, locales)
        texts = {it: said.get(it) for it in KEPT}
        self.server_properties = {it: t for it, t in texts.items() if isinstance(t, str) and len(t) <= LONGEST_WORD}
        self.mechanisms: list[bytes] = []
        self.locales: list[str] = []

    def _on_tune(self, channels: int, frame: int, heartbeat: int) -> None:
        """Agree on no more than the library asked for: it makes room for a whole frame, and a broker may say 4 GiB."""
        if 0 < frame < LEAST_OF_A_FRAME:
            raise UnexpectedFrame("it takes no frames that are as long as AMQP has them")
        super()._on_tune(channels, min(frame, MOST_OF_A_FRAME), heartbeat)

    def close(self, *arguments: Any, **options: Any) -> Any:
        """Say farewell; no socket is left then, whatever is answered: the library closes it after an OSError alone."""
        try:
            return super().close(*arguments, **options)
        finally:
            self.collect()

    def drain_events(self, timeout: float | None = None) -> Any:
        """Read a frame; what the library can't read, in whatever way it fails at it, is no AMQP."""
        try:
            return super().drain_events(timeout)
        except GONE:
            raise
        except Exception as error:
            raise UnexpectedFrame(type(error).__name__) from error


class _PlainConnection(_Connection):
    def Transport(self, host: str, timeout: float, security: Any, *timeouts: float, **options: Any) -> Any:  # noqa: N802
        return _PlainSocket(host, timeout, *timeouts, ssl=security, **options)


class _PlainTransport(pyamqp.Transport):  # type: ignore[misc]
    Connection = _PlainConnection


class _SecureConnection(_Connection):
    def Transport(self, host: str, timeout: float, security: Any, read_timeout: float, *_: Any, **options: Any) -> Any:  # noqa: N802
        return _SecureSocket(host, connect_timeout=timeout, ssl=security, read_timeout=read_timeout, **options)


class _SecureTransport(pyamqp.Transport):  # type: ignore[misc]
    Connection = _SecureConnection

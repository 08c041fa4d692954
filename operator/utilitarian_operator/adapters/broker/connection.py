"""Opens and closes AMQP connections, and says in our words what goes wrong with them."""

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

from amqp.exceptions import AccessRefused, AMQPError, NotAllowed, PreconditionFailed
from amqp.transport import SSLTransport, TCPTransport
from kombu import Connection
from kombu.exceptions import KombuError
from kombu.transport import pyamqp

from utilitarian_operator.adapters.broker.address import Address, addresses
from utilitarian_operator.adapters.broker.bounded import calls as bounds
from utilitarian_operator.adapters.broker.tls import Tls
from utilitarian_operator.adapters.intervals import (
    HEARTBEAT_S,
)
from utilitarian_operator.errors import (
    BrokerError,
    BrokerUnreachable,
    CertificateRefused,
    LoginRefused,
    RightMissing,
)

TIMEOUT_S = 3.0
"""Longest wait for one answer of the broker; a healthy one answers in a millisecond."""

AHEAD = 4096
"""Bytes that are read at once: sixty answers about queues."""

_GONE = (OSError, AMQPError, KombuError)


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
    connection = Connection(
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
    with contextlib.suppress(*_GONE):
        if not farewell and connection.connected:
            connection.connection.collect()
        connection.release()


@contextlib.contextmanager
def broker_errors(
    remedy: str = "docs/install.md has the rights that it needs", place: str = "the broker"
) -> Iterator[None]:
    """Translate py-amqp's errors at the edge; none of the messages holds the URL's password.

    Args:
        remedy: what to do where a right is missing.
        place: who was asked.
    """
    try:
        yield
    except AccessRefused as error:
        if error.method_name or "queue" in str(error.reply_text):
            raise RightMissing(f"{place} refuses: {error.reply_text}; {remedy}") from error
        raise LoginRefused(f"{place} refuses user, password or virtual host of the URL") from error
    except NotAllowed as error:
        raise not_allowed(str(error.reply_text), place) from error
    except PreconditionFailed as error:  # it did answer
        raise BrokerUnreachable(f"{place} ended the call: {error.reply_text}") from error
    except ssl.SSLError as error:
        raise untrusted(error, place) from error
    except _GONE as error:
        raise BrokerUnreachable(f"no answer from {place}: {str(error) or type(error).__name__}") from error


def not_allowed(said: str, place: str) -> BrokerError:
    """Why RabbitMQ opens no connection although the login is right, and what to do.

    Args:
        said: RabbitMQ's own words (NOT_ALLOWED).
        place: who was asked.
    """
    if "connection limit" in said:
        return BrokerUnreachable(
            f"{place} takes no more connections: {said}; raise that limit (rabbitmqctl set_vhost_limits or "
            "set_user_limits, or rabbitmq.conf), or close connections"
        )
    if "is down" in said:
        return BrokerUnreachable(f"{place} has no virtual host that works: {said}; rabbitmqctl restart_vhost")
    if "not found" in said:
        return LoginRefused(
            f"{place} lacks the virtual host: {said}; make it (rabbitmqctl add_vhost), or correct the URL's last part"
        )
    if "refused for user" in said:
        return LoginRefused(f"{place} says: {said}; give the user rights in it (rabbitmqctl set_permissions)")
    return LoginRefused(f"{place} says: {said}")


def untrusted(error: ssl.SSLError, place: str) -> BrokerError:
    """What went wrong with TLS, and what to do.

    Args:
        error: of Python's ssl.
        place: who was asked.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return CertificateRefused(
            f"the certificate of {place} is not trusted: {error.verify_message}; spec.broker.tls.caFrom must hold the "
            "certificate of its authority, and the URL the name that it was made for"
        )
    reason = error.reason or str(error)
    if "CERTIFICATE" in reason or "UNKNOWN_CA" in reason:
        return CertificateRefused(
            f"{place} asks for another client certificate ({reason}); see spec.broker.tls.certFrom and keyFrom"
        )
    if reason == "WRONG_VERSION_NUMBER":
        return BrokerUnreachable(f"{place} speaks no TLS there; write its TLS port, or a URL without the s")
    return BrokerUnreachable(f"no answer from {place}: TLS failed: {reason}; see spec.broker.tls")


def _connected(host: str, port: int, timeout: float) -> socket.socket:
    """A socket that is connected to the first address of a name that answers, of those that may be spoken to."""
    failure = OSError("the name has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
    )[: bounds.MOST_ADDRESSES]:
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
        self._quick_recv = lambda wanted: bounds.count(self.sock.recv(max(wanted, AHEAD)))


class _SecureSocket(SSLTransport):  # type: ignore[misc]
    """The same over TLS, with a context that was made from texts instead of one that it makes of files."""

    def _connect(self, host: str, port: int, timeout: float) -> None:
        self.sock: Any = _connected(host, port, timeout)

    def _setup_transport(self) -> None:
        super()._setup_transport()
        self._quick_recv = lambda wanted: bounds.count(self.sock.read(max(wanted, AHEAD)))

    def _wrap_socket(self, sock: Any, context: ssl.SSLContext, server_hostname: str) -> ssl.SSLSocket:
        # The handshake is the library's next step, under a timeout.
        return context.wrap_socket(sock, do_handshake_on_connect=False, server_hostname=server_hostname)

    def _shutdown_transport(self) -> None:
        """AMQP has its own farewell; TLS would wait for an answer of a broker that fell silent."""


class _PlainConnection(pyamqp.Connection):  # type: ignore[misc]
    def Transport(self, host: str, timeout: float, security: Any, *timeouts: float, **options: Any) -> Any:  # noqa: N802
        return _PlainSocket(host, timeout, *timeouts, ssl=security, **options)


class _PlainTransport(pyamqp.Transport):  # type: ignore[misc]
    Connection = _PlainConnection


class _SecureConnection(pyamqp.Connection):  # type: ignore[misc]
    def Transport(self, host: str, timeout: float, security: Any, read_timeout: float, *_: Any, **options: Any) -> Any:  # noqa: N802
        return _SecureSocket(host, connect_timeout=timeout, ssl=security, read_timeout=read_timeout, **options)


class _SecureTransport(pyamqp.Transport):  # type: ignore[misc]
    Connection = _SecureConnection

"""Depths and consumers of queues over AMQP, by pipelined passive declares; declares and changes nothing."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from amqp import spec
from amqp.exceptions import AccessRefused, AMQPError, NotAllowed, NotFound
from kombu import Connection
from kombu.exceptions import KombuError

from utilitarian_operator.errors import BrokerError, BrokerUnreachable, LoginRefused, RightMissing

TIMEOUT_S = 3.0
"""Longest wait for one answer of the broker; a healthy one answers in a millisecond."""

BATCH = 500
"""Questions sent before the first answer is read: the answers (60 bytes each) must fit in the socket's buffers."""

MISSING_ASKED_AT_A_TIME = 50
"""Queues that were missing, asked again each tick: each costs a channel of its own, because a 404 closes it."""

_DECLARE_SIGNATURE = "BsbbbbbF"  # py-amqp's for Queue.Declare
_GONE = (OSError, AMQPError, KombuError)


@dataclass(frozen=True, slots=True)
class Depth:
    """What a passive declare says: messages ready and consumers, both of this moment."""

    ready: int
    consumers: int


class DepthReader:
    """One AMQP connection that reads depths; not thread-safe, to be used from one thread.

    Args:
        url: of the broker with user and password; several addresses separated by semicolons, as Celery takes them.
        ssl: options for the TLS connection, or False.
    """

    def __init__(self, url: str, *, ssl: dict[str, Any] | bool = False) -> None:
        self._url, self._ssl = url, ssl
        self._connection: Connection | None = None
        self._channel: Any = None
        self._missing: list[str] = []

    def read(self, queues: Sequence[str]) -> dict[str, Depth | None]:
        """The depth of each queue; None for one that doesn't exist.

        Queues that were missing are asked after the others and in turn, so that a 404 costs the batch nothing; one
        whose turn has not come is still reported as missing.

        Raises:
            BrokerUnreachable: no connection, or it broke or fell silent.
            LoginRefused: user, password or virtual host are wrong.
            RightMissing: the user may not read one of the queues.
        """
        try:
            with broker_errors():
                return self._read(queues)
        except BrokerError as error:
            self._close(farewell=not isinstance(error, BrokerUnreachable))
            raise

    def close(self) -> None:
        """Close the connection; the next read opens a new one."""
        self._close(farewell=True)

    def _close(self, *, farewell: bool) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            release(connection, farewell=farewell)

    def _read(self, queues: Sequence[str]) -> dict[str, Depth | None]:
        channel = self._open()
        wanted = set(queues)
        self._missing = [name for name in self._missing if name in wanted]
        known = [name for name in queues if name not in set(self._missing)]
        answers: dict[str, Depth | None] = dict.fromkeys(queues)
        answers.update(_depths(channel, known))
        again, rest = self._missing[:MISSING_ASKED_AT_A_TIME], self._missing[MISSING_ASKED_AT_A_TIME:]
        for name in again:
            answers.update(_depths(channel, [name]))
        self._missing = rest + [name for name in [*again, *known] if answers[name] is None]
        return answers

    def _open(self) -> Any:
        if self._connection is None:
            self._connection = connect(self._url, self._ssl, "utilitarian-operator depths")
            self._channel = self._connection.default_channel
        return self._channel


def connect(url: str, ssl: dict[str, Any] | bool, name: str) -> Connection:
    """A connection that is open; each address of the URL is tried once, and given up after `TIMEOUT_S`.

    Args:
        url: with user and password.
        ssl: options for TLS, or False.
        name: shown in the broker's list of connections.
    """
    options = {"read_timeout": TIMEOUT_S, "write_timeout": TIMEOUT_S, "client_properties": {"connection_name": name}}
    connection = Connection(url, ssl=ssl, connect_timeout=TIMEOUT_S, transport_options=options)
    connection.ensure_connection(max_retries=url.count(";"), interval_start=0, interval_step=0)
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


def _depths(channel: Any, queues: Sequence[str]) -> Iterator[tuple[str, Depth | None]]:
    """The depth of each queue, in order; after a 404 the rest is asked again, forgotten as it is with the channel."""
    position = 0
    while position < len(queues):
        batch = queues[position : position + BATCH]
        for name in batch:
            channel.send_method(spec.Queue.Declare, _DECLARE_SIGNATURE, (0, name, True, False, False, False, False, {}))
        try:
            for name in batch:
                _, ready, consumers = channel.wait(spec.Queue.DeclareOk, returns_tuple=True, timeout=TIMEOUT_S)
                position += 1
                yield name, Depth(ready, consumers)
        except NotFound:
            yield queues[position], None
            position += 1


@contextlib.contextmanager
def broker_errors(remedy: str = "give the user `read` on the queues") -> Iterator[None]:
    """Translate py-amqp's errors at the edge; none of the messages holds the URL's password.

    Args:
        remedy: what to do where a right is missing.
    """
    try:
        yield
    except AccessRefused as error:
        if error.method_name or "queue" in str(error.reply_text):
            raise RightMissing(f"the broker refuses: {error.reply_text}; {remedy}") from error
        raise LoginRefused("the broker refuses user, password or virtual host of the URL") from error
    except NotAllowed as error:  # the virtual host doesn't exist, or the user has no right in it
        raise LoginRefused(f"the broker says: {error.reply_text}") from error
    except _GONE as error:
        raise BrokerUnreachable(f"no answer from the broker: {_said(error)}") from error


def _said(error: Exception) -> str:
    """What an error says, or its name where it says nothing."""
    return str(error) or type(error).__name__

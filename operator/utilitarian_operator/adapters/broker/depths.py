"""Depths and consumers of queues over AMQP, by pipelined passive declares."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, zip_longest
from struct import pack
from typing import Any

from amqp import spec
from amqp.exceptions import AccessRefused, ChannelError, NotFound, RecoverableConnectionError, ResourceLocked
from amqp.serialization import dumps
from kombu import Connection

from utilitarian_operator.adapters.broker.bounded.failures import away, broker_errors, kind, right
from utilitarian_operator.adapters.broker.connection import TIMEOUT_S, connect, release
from utilitarian_operator.adapters.broker.timing import (
    CLOCK,
    Clock,
)
from utilitarian_operator.adapters.broker.tls import SYSTEM, Tls
from utilitarian_operator.core.observation.broker import Depth, Unread
from utilitarian_operator.errors import RightMissing

BATCH = 500
"""Questions sent before the first answer is read: the answers (60 bytes each) must fit in the socket's buffers."""

MISSING_ASKED_AT_A_TIME = 50
"""Queues that were missing or refused, asked again for each look: each costs a channel of its own, which it closes."""

MISSING_ASKED_FOR_S = 0.5
"""Of one reading, in which those of all looks are asked again: the looks at all that is there wait for it."""

MOST_MISSING = 10_000
"""Names of such queues that are remembered: one that is forgotten costs the rest of its batch."""

DELAYED = tuple(f"celery_delayed_{level}" for level in range(28))
"""Where tasks wait for their time with Celery's native delayed delivery (kombu's module of that name declares them)."""

LONGEST_NAME = 255
"""Characters of what a broker calls itself."""

MOST_KEPT = 4096
"""Questions that are kept: of more queues they are made anew."""

_DECLARE_SIGNATURE = "BsbbbbbF"  # py-amqp's for Queue.Declare
_METHOD, _END = 1, b"\xce"  # of a frame


class DepthReader:
    """One AMQP connection that reads depths; not thread-safe, to be used from one thread.

    Args:
        url: of the broker with user and password; several addresses separated by semicolons, as Celery takes them.
        tls: certificates for amqps://.
        clock: what is unique.
    """

    def __init__(self, url: str, tls: Tls = SYSTEM, clock: Clock = CLOCK) -> None:
        self._url, self._tls, self._clock = url, tls, clock
        self._connection: Connection | None = None
        self._channel: Any = None
        self._apart: dict[str, Unread | None] = {}
        self.version: str | None = None
        """Of the broker, as it said when it was connected to."""
        self.cluster: str | None = None
        """What the broker calls itself, as it said then."""

    def read(self, *each: Sequence[str]) -> dict[str, Depth | Unread | None]:
        """The depth of each queue; None for one that doesn't exist.

        Queues that were missing or unread are asked after the others and in turn, for half a second, so that they cost
        what is there little; one whose turn has not come is still reported as it was.

        Args:
            each: the queues of each look that waits for them.

        Raises:
            BrokerUnreachable: no connection, or it broke or fell silent.
            LoginRefused: user, password or virtual host are wrong.
        """
        with self._talking() as channel:
            return self._read(channel, each)

    @contextlib.contextmanager
    def _talking(self) -> Iterator[Any]:
        """The channel; whatever fails on its connection closes that, but for a right that is missing on another one."""
        try:
            with broker_errors():
                yield self._open()
        except Exception as error:
            if not isinstance(error, RightMissing) or not self._is_open:
                self._close(farewell=False)
            raise

    def delayed(self) -> int | None:
        """Messages that wait in the broker for their time, of the whole virtual host; None where none can wait there.

        On a channel of its own, because a 404 closes it; None also while there is no connection.

        Raises:
            BrokerError: it could not be read.
        """
        if self._connection is None:
            return None
        with self._talking() as talking, talking.connection.channel() as channel:
            if not isinstance(dict(_depths(channel, DELAYED[-1:]))[DELAYED[-1]], Depth):
                return None
            return sum(depth.ready for _, depth in _depths(channel, DELAYED) if isinstance(depth, Depth))

    @contextlib.contextmanager
    def mark(self, control_exchange: str = "celery") -> Iterator[str]:
        """A queue of this connection alone, for the time of the block: who sees it is on the same broker.

        Yields its name, which is one of those that remote control has the rights for.

        Args:
            control_exchange: of remote control.

        Raises:
            BrokerError: it could not be made.
        """
        name = f"{self._clock.unique()}.reply.{control_exchange}.pidbox"
        with self._talking() as talking, talking.connection.channel() as channel:
            channel.queue_declare(name, exclusive=True, auto_delete=True)
            yield name
            channel.queue_delete(name)

    def sees(self, mark: str) -> bool:
        """Whether a mark of another connection is on this one's broker, in the same virtual host.

        Raises:
            BrokerError: it could not be asked.
        """
        with self._talking() as talking, talking.connection.channel() as channel:
            try:
                channel.queue_declare(mark, passive=True)
            except ResourceLocked:
                return True
            except NotFound:
                return False
            return True

    def close(self) -> None:
        """Close the connection; the next read opens a new one."""
        self._close(farewell=True)

    def _close(self, *, farewell: bool) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            release(connection, farewell=farewell)

    @property
    def _is_open(self) -> bool:
        return self._connection is not None and bool(self._connection.connected)

    def _read(self, channel: Any, each: Sequence[Sequence[str]]) -> dict[str, Depth | Unread | None]:
        queues = list(dict.fromkeys(chain(*each)))
        if not queues:
            channel.connection.send_heartbeat()  # or the broker would take the connection for a dead one
        answers: dict[str, Depth | Unread | None] = {name: self._apart.get(name) for name in queues}
        asked: dict[str, Depth | Unread | None] = {}
        again, known = self._whose_turn_it_is(each), [name for name in queues if name not in self._apart]
        try:
            for name, answer in chain(_depths(channel, known), self._asked_again(channel, again)):
                asked[name] = answers[name] = answer
        finally:  # a reading that came to no end has found some of them, and the next one gets further
            self._set_apart(asked)
        return answers

    def _whose_turn_it_is(self, each: Sequence[Sequence[str]]) -> list[str]:
        """Those that were missing or unread and are asked again: one of each look, another of each, and so on.

        The look comes first that had its turn longest ago, and of each the one that was not asked for longest.
        """
        place = {name: number for number, name in enumerate(self._apart)}
        turns = [sorted((it for it in look if it in place), key=place.__getitem__) for look in each if place]
        in_order = sorted(filter(None, turns), key=lambda turn: place[turn[-1]])
        rounds = zip_longest(*(turn[:MISSING_ASKED_AT_A_TIME] for turn in in_order))
        return list(dict.fromkeys(it for names in rounds for it in names if it is not None))

    def _asked_again(self, channel: Any, queues: Sequence[str]) -> Iterator[tuple[str, Depth | Unread | None]]:
        """The depths of these, one by one, until they have taken their time: the first of them in any case."""
        until = self._clock.monotonic() + MISSING_ASKED_FOR_S
        for name in queues:
            yield from _depths(channel, [name])
            if self._clock.monotonic() >= until:
                return

    def _set_apart(self, asked: Mapping[str, Depth | Unread | None]) -> None:
        """Remember those that were missing or unread, behind those whose turn has yet to come."""
        for name, answer in asked.items():
            self._apart.pop(name, None)
            if not isinstance(answer, Depth):
                self._apart[name] = answer
        for name in list(self._apart)[: max(len(self._apart) - MOST_MISSING, 0)]:
            del self._apart[name]

    def _open(self) -> Any:
        if self._connection is None:
            self._connection = connect(self._url, self._tls, "utilitarian-operator depths")
            self._channel = self._connection.default_channel
            properties = self._connection.connection.server_properties
            self.version, self.cluster = (name(properties.get(it)) for it in ("version", "cluster_name"))
        return self._channel


def name(said: object) -> str | None:
    """What a broker calls itself, or its version; None where that is no text: AMQP lets it be a table, too.

    The claims of all fleets are compared by it, and none of them may be held up by what one broker says.
    """
    return said if isinstance(said, str) and 0 < len(said) <= LONGEST_NAME else None


def _depths(channel: Any, queues: Sequence[str]) -> Iterator[tuple[str, Depth | Unread | None]]:
    """The depth of each queue, in order; after a refusal the rest is asked again: the channel forgot it.

    So the batches get smaller with each refusal, and larger again where there is none. Else, where a broker has none of
    a thousand queues, each of them would be asked hundreds of times.
    """
    position, size = 0, BATCH
    while position < len(queues):
        batch = queues[position : position + size]
        size = min(2 * size, BATCH)
        _send(channel, [_question(channel.channel_id, name) for name in batch])
        try:
            for name in batch:
                _, ready, consumers = channel.wait(spec.Queue.DeclareOk, returns_tuple=True, timeout=TIMEOUT_S)
                position += 1
                yield name, Depth(ready, consumers)
        except ChannelError as error:  # whatever it says of one queue costs no other one
            yield queues[position], _refused(error)
            position, size = position + 1, max(len(batch) // 2, 1)


def _refused(error: ChannelError) -> Unread | None:
    """What a refusal says of a queue; None where there is none."""
    said = str(error.reply_text)
    if isinstance(error, NotFound):
        return None if "no queue" in said else Unread(f"is away: {away(said)}")
    if isinstance(error, AccessRefused):
        return Unread(f"is refused: {right(said)}; give the user `read` on it")
    if isinstance(error, ResourceLocked):
        return Unread("is another connection's alone: no worker can consume it; name a queue that is not exclusive")
    return Unread(f"can't be read: {kind(error)}; the broker's log has why")


def _send(channel: Any, frames: Sequence[bytes]) -> None:
    """Send frames of a channel in one call of the system: py-amqp needs one for each."""
    connection = channel.connection
    if connection is None:
        raise RecoverableConnectionError("connection already closed")
    connection.transport.write(b"".join(frames))
    connection.bytes_sent += len(frames)  # or it would take itself for silent, and send a heartbeat


@lru_cache(maxsize=MOST_KEPT)
def _question(channel: int, name: str) -> bytes:
    """The frame of a passive declare (AMQP 0-9-1, 4.2.3); made once, since each queue is asked for each second."""
    arguments: bytes = dumps(_DECLARE_SIGNATURE, (0, name, True, False, False, False, False, {}))
    method = pack(">HH", *spec.Queue.Declare) + arguments
    return pack(">BHI", _METHOD, channel, len(method)) + method + _END

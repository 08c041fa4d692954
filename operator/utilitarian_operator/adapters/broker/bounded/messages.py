"""Messages for which a call has no room: they are read past and thrown away, and what comes after them is heard.

A worker that holds ten thousands of tasks with a later time says more of them than is read in a call. Its answer is
silence then; that of the others must not be.

What no broker sends is not read at all: on a channel that is not open, or a message to where no consumer is. The
library keeps what it has of each message until the rest comes, and that of 65,535 channels has no end.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any

from amqp import spec
from amqp.exceptions import UnexpectedFrame
from amqp.method_framing import frame_handler

from utilitarian_operator.adapters.broker.bounded import calls as bounds

METHOD, HEADER, BODY = 1, 2, 3
"""Kinds of frames of AMQP 0-9-1: a word, what a message is and how long, and a part of it."""

MOST_OF_A_FRAME = 128 * 1024
"""Bytes: as many as the library asks for, and RabbitMQ's own limit. A table of AMQP takes thirty times its length."""

LEAST_OF_A_FRAME = 4096
"""Bytes that each side may send in a frame, whatever the other one says (AMQP 0-9-1: frame-min-size)."""

_WITH_MESSAGE = {struct.pack(">HH", *it) for it in (spec.Basic.Return, spec.Basic.Deliver, spec.Basic.GetOk)}

_LENGTH = struct.Struct(">HxxQ")
"""How a header begins: the class, and the length of the body."""

Frame = tuple[int, int, Any]


_MEMORY = {b"{": 160, b"[": 72, b",": 36, b'"': 24}
"""Bytes that Python takes at most for what a character of JSON begins or parts."""


def unpacked(text: bytes) -> int:
    """Bytes of memory that a text in JSON takes, about, when it is read: empty lists take twenty times its length."""
    return len(text) * (1 if text.isascii() else 4) + sum(text.count(it) * each for it, each in _MEMORY.items())


def only_with_room(connection: Any, callback: Callable[..., Any]) -> Callable[[Frame], Any]:
    """The library's reading of frames, by which a message that is too large arrives with its headers and no body.

    Raises, while it reads:
        Ours: more frames than are read in a call.
        UnexpectedFrame: on a channel that is not open, or a message where no consumer is.
    """
    handle, left = frame_handler(connection, callback), dict[int, int]()

    def on_frame(frame: Frame) -> Any:
        kind, channel, payload = frame
        bounds.count_frame()
        _check_place(connection.channels, kind, channel, payload)
        if kind == BODY and channel in left:
            bounds.throw_away(len(payload))
            left[channel] -= len(payload)
            if left[channel] > 0:
                return False
            return bool(left.pop(channel) <= 0)
        if kind == HEADER:
            left.pop(channel, None)  # the message before it may have been shorter than its header said
            _, length = _LENGTH.unpack_from(payload)
            if not bounds.has_room(length):
                left[channel] = length
                return handle((kind, channel, payload[:4] + bytes(8) + payload[12:]))
        return handle(frame)

    return on_frame


def _check_place(channels: Mapping[int, Any], kind: int, channel: int, payload: Any) -> None:
    if channel not in channels:
        raise UnexpectedFrame("of a channel that is not open")
    if kind == METHOD and bytes(payload[:4]) in _WITH_MESSAGE and not getattr(channels[channel], "callbacks", None):
        raise UnexpectedFrame("a message where no consumer is")

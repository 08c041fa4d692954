"""A message for which there is no room arrives with its headers alone, however its frames come; others arrive whole."""

import json
import struct
import tracemalloc
from typing import Any

import pytest
from amqp import spec
from amqp.exceptions import UnexpectedFrame
from amqp.serialization import dumps
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils.json import loads

from utilitarian_operator.adapters.broker.bounded import calls
from utilitarian_operator.adapters.broker.bounded.calls import bounded
from utilitarian_operator.adapters.broker.bounded.messages import BODY, HEADER, Frame, only_with_room, unpacked
from utilitarian_operator.adapters.broker.bounded.refused import Ours

METHOD, FRAME = 1, 7
"""Kinds of frames; and bytes of a body in one, a few so that a body has some."""

SMALLEST, ROOM = 20, 30


class Channel:
    """One that is open."""

    def __init__(self, *consumers: str) -> None:
        self.callbacks = dict.fromkeys(consumers)


class Opened:
    """A connection, where the library counts frames."""

    def __init__(self) -> None:
        self.bytes_recv, self.channels = 0, {0: object(), 1: Channel("1"), 2: Channel("1"), 3: Channel()}


def frames(channel: int, body: bytes, ticket: str) -> list[Frame]:
    """A message as a broker sends it."""
    deliver = struct.pack(">HH", *spec.Basic.Deliver) + dumps("sLbss", ["1", 1, False, "", "r"])
    kinds = struct.pack(">H", 0b111 << 13) + dumps("ssF", ["application/json", "utf-8", {"ticket": ticket}])
    header = struct.pack(">HHQ", 60, 0, len(body)) + kinds
    parts = [(BODY, channel, body[at : at + FRAME]) for at in range(0, len(body), FRAME)]
    return [(METHOD, channel, deliver), (HEADER, channel, header), *parts]


class Reader:
    """What a connection makes of frames."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, bytes, str]] = []
        self.read = only_with_room(Opened(), self._came)

    def _came(self, channel: int, _name: Any, _arguments: bytes, message: Any) -> None:
        self.heard.append((channel, bytes(message.body or b""), message.properties["application_headers"]["ticket"]))


@given(st.lists(st.tuples(st.integers(1, 2), st.integers(0, 60)), max_size=8), st.randoms())
def test_each_message_arrives_once_and_one_without_room_without_its_body(
    sizes: list[tuple[int, int]], chance: Any
) -> None:
    """Messages of two channels, whose frames come in between each other."""
    queues: dict[int, list[Frame]] = {1: [], 2: []}
    for number, (channel, size) in enumerate(sizes):
        queues[channel] += frames(channel, b"x" * size, str(number))
    reader = Reader()
    with pytest.MonkeyPatch.context() as patch, bounded(60):
        patch.setattr(calls, "RESERVED", calls.MOST_BYTES - ROOM)
        patch.setattr(calls, "PART", calls.MOST_BYTES // SMALLEST)
        while any(queues.values()):
            frame = queues[chance.choice([it for it, left in queues.items() if left])].pop(0)
            calls.count(frame[2] if frame[0] == BODY else b"")
            reader.read(frame)
    for channel in (1, 2):
        sent = [(str(number), size) for number, (its, size) in enumerate(sizes) if its == channel]
        came = [(ticket, body) for its, body, ticket in reader.heard if its == channel]
        assert [ticket for ticket, _ in came] == [ticket for ticket, _ in sent]
        for (_, size), (_, body) in zip(sent, came, strict=True):
            assert body == b"x" * size or (body == b"" and size >= SMALLEST)
            assert body == b"" or size <= ROOM


def test_a_header_that_lies_costs_no_later_message_its_body() -> None:
    """The length of a body that never comes to its end, and then another message."""
    deliver, header, part = frames(1, b"x" * FRAME, "long")
    lying = header[2][:4] + struct.pack(">Q", 2**63) + header[2][12:]
    reader = Reader()
    with bounded(60):
        for frame in (deliver, (HEADER, 1, lying), part, *frames(1, b"short", "short")):
            reader.read(frame)
    assert reader.heard == [(1, b"", "long"), (1, b"short", "short")]


SHAPES = {
    "tasks": {
        "celery@a": [{"id": str(it), "args": [it], "kwargs": {"a": None}, "time_start": 1.5} for it in range(9999)]
    },
    "empty lists": [[]] * 99_999,
    "lists": [[257]] * 99_999,
    "empty mappings": [{}] * 99_999,
    "mappings": [{str(it): it} for it in range(99_999)],
    "names": {str(it): it for it in range(99_999)},
    "strings": [str(it) for it in range(99_999)],
    "figures": [float(it) for it in range(99_999)],
    "characters of four bytes": ["\U0001f600" + "a" * 999_999],
}


@pytest.mark.parametrize("what", SHAPES.values(), ids=SHAPES)
def test_what_a_text_takes_in_memory_is_known_before_it_is_read(what: object) -> None:
    """No shape takes more than twice as much; what workers say takes half of it."""
    text = json.dumps(what, separators=(",", ":"), ensure_ascii=False).encode()
    tracemalloc.start()
    try:
        read = loads(text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert read == what
    assert peak <= 2.1 * unpacked(text)


def test_a_message_is_read_that_leaves_memory_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MOST_UNPACKED", 100)
    assert calls.may_unpack(10**18), "no call, no bound"
    with bounded(60):
        assert [calls.may_unpack(size) for size in (76, 75, 19, 18)] == [False, True, False, True]
        assert [calls.may_unpack(size) for size in (6, 5, 1, 1)] == [False, True, True, False]


def test_a_body_of_no_message_is_no_amqp() -> None:
    with bounded(60), pytest.raises(UnexpectedFrame):
        Reader().read((BODY, 1, b"x"))


@pytest.mark.parametrize("channel", [3, 4, 65_535])
def test_of_a_message_without_a_consumer_nothing_is_kept(channel: int) -> None:
    """The library keeps what it has of it until the rest comes: ten MiB of each channel, of which there are 65,535."""
    deliver, *_ = frames(channel, b"x" * FRAME, "kept")
    with bounded(60), pytest.raises(UnexpectedFrame):
        Reader().read(deliver)


def test_a_call_ends_after_so_many_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen MiB of empty ones took all of a core for the ten seconds of a call."""
    monkeypatch.setattr(calls, "MOST_FRAMES", 10)
    reader, heartbeat = Reader(), (8, 0, b"")
    for _ in range(2):
        with bounded(60):
            assert not any(reader.read(heartbeat) for _ in range(10))
            with pytest.raises(Ours, match="more than 10 frames"):
                reader.read(heartbeat)

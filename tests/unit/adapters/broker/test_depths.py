"""What a broker says of itself, and that no failure of a connection outlives it."""

import contextlib
import gc
import struct
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count, takewhile

import pytest
from amqp import spec
from amqp.serialization import dumps
from hypothesis import given
from hypothesis import strategies as st

from tests.support.scripted_broker import OPENED, Peer, Reaction, method, scripted_broker
from utilitarian_operator.adapters.broker.bounded.calls import bounded
from utilitarian_operator.adapters.broker.depths import (
    BATCH,
    LONGEST_NAME,
    MISSING_ASKED_AT_A_TIME,
    MISSING_ASKED_FOR_S,
    DepthReader,
    name,
)
from utilitarian_operator.adapters.broker.timing import CLOCK, Clock
from utilitarian_operator.core.observation.broker import Depth, Unread
from utilitarian_operator.errors import BrokerError


@pytest.mark.parametrize(
    "said, kept",
    [
        ("rabbit@a", "rabbit@a"),
        ("", None),
        (None, None),
        ({"a": 1}, None),
        ([], None),
        (b"rabbit", None),
        (7, None),
        ("x" * (LONGEST_NAME + 1), None),
    ],
    ids=["a name", "nothing", "none", "a table", "a list", "bytes", "a number", "too long"],
)
def test_only_a_name_is_one(said: object, kept: str | None) -> None:
    """A table can't be looked up: a single broker that said one ended every look at the others that name its queues."""
    assert name(said) == kept


class Emptied:
    """A broker that has no queue, and how often it was asked for one.

    Args:
        code, said: by which it refuses one.
    """

    def __init__(self, code: int = 404, said: str = "NOT_FOUND - no queue 'q' in vhost '/'") -> None:
        self.asked, self.closed = 0, False
        self._refusal = [code, said, *spec.Queue.Declare]

    def refuse(self, peer: Peer, channel: int) -> None:
        """Close the channel; what came for it by then is thrown away."""
        self.asked += 1
        if not self.closed:
            peer.say(method(channel, spec.Channel.Close, dumps("BsBB", self._refusal)))
        self.closed = True

    def open(self, peer: Peer, channel: int) -> None:
        """Open the channel, again."""
        self.closed = False
        peer.say(method(channel, spec.Channel.OpenOk, OPENED))

    @contextlib.contextmanager
    def read(self, clock: Clock = CLOCK) -> Iterator[DepthReader]:
        """Who reads it.

        Args:
            clock: of the reader.
        """
        with (
            scripted_broker(queue_declare=self.refuse, channel_open=self.open) as broker,
            contextlib.closing(DepthReader(broker.url, clock=clock)) as reader,
        ):
            yield reader


@pytest.mark.parametrize("queues", [10, 1000])
def test_a_broker_that_has_none_of_the_queues_is_asked_a_few_times_for_each(queues: int) -> None:
    """Each refusal had up to 500 questions sent again: eighty fleets at a broker that was emptied saw nothing more."""
    emptied, names = Emptied(), [f"q-{number}" for number in range(queues)]
    with emptied.read() as reader:
        assert reader.read(names) == dict.fromkeys(names)
    assert emptied.asked <= queues + 2 * BATCH


def test_a_reading_that_comes_to_no_end_lets_the_next_one_get_further() -> None:
    emptied, names, seconds = Emptied(), [f"q-{number}" for number in range(300)], count()
    slow = replace(CLOCK, monotonic=lambda: next(seconds))
    with emptied.read() as reader:
        failed = list(takewhile(bool, (_failure(reader, names, slow) for _ in range(30))))
    assert 1 < len(failed) < 30


def _failure(reader: DepthReader, names: list[str], clock: Clock) -> BrokerError | None:
    try:
        with bounded(200.0, clock=clock):
            assert reader.read(names) == dict.fromkeys(names)
    except BrokerError as error:
        return error
    return None


def test_of_each_look_some_that_were_missing_are_asked_again_whatever_others_have() -> None:
    """Of a resource with thousands of them as many were asked again as of all looks together."""
    many, few = [f"many-{number}" for number in range(4 * MISSING_ASKED_AT_A_TIME)], ["few-1", "few-2"]
    emptied, still = Emptied(), replace(CLOCK, monotonic=lambda: 0.0)
    with emptied.read(still) as reader:
        reader.read(many, few)
        for _ in range(3):
            emptied.asked = 0
            reader.read(many, few, [])
            assert emptied.asked == MISSING_ASKED_AT_A_TIME + len(few)


def test_those_that_were_missing_take_no_longer_than_their_time_and_each_look_has_its_turn() -> None:
    emptied, steps = Emptied(), count()
    looks = [[f"{look}-{number}" for number in range(often)] for look, often in (("a", 20), ("b", 4), ("c", 20))]
    clock = replace(CLOCK, monotonic=lambda: next(steps) * MISSING_ASKED_FOR_S / 2)
    with emptied.read(clock) as reader:
        reader.read(*looks)
        for _ in range(6):
            emptied.asked = 0
            reader.read(*looks)
            assert emptied.asked == 2
        of_whom = [name.partition("-")[0] for name in reader._apart][-12:]
    assert of_whom == ["a", "b", "c"] * 4


@pytest.mark.parametrize("code", [311, 403, 404, 405, 406, 499])
def test_whatever_a_broker_says_of_one_queue_costs_no_other_one(code: int) -> None:
    """What was none of two codes failed the reading of all fleets of the broker."""
    asked, closed = count(), Emptied(code, "SOMETHING - hunter2")

    def second_is_refused(peer: Peer, channel: int) -> None:
        if next(asked) == 1:
            closed.refuse(peer, channel)
        elif not closed.closed:
            peer.say(method(channel, spec.Queue.DeclareOk, b"\x01q" + struct.pack(">II", 3, 1)))

    with (
        scripted_broker(queue_declare=second_is_refused, channel_open=closed.open) as broker,
        contextlib.closing(DepthReader(broker.url)) as reader,
    ):
        found = reader.read(["a", "b"], ["c"])
    assert (found["a"], found["c"]) == (Depth(3, 1), Depth(3, 1))
    assert isinstance(refused := found["b"], Unread)
    assert "hunter2" not in refused.why


QUEUE = {"q": Depth(3, 1)}
ENDED = method(0, spec.Connection.Close, dumps("BsBB", [530, "NOT_ALLOWED - number of channels", 20, 10]))


def marks(reader: DepthReader) -> None:
    with reader.mark():
        pass


ASKED: dict[str, Callable[[DepthReader], object]] = {
    "depths": lambda reader: reader.read(["q"]),
    "nothing": lambda reader: reader.read([]),
    "delayed": lambda reader: reader.delayed(),
    "a mark": marks,
    "another's mark": lambda reader: reader.sees("q"),
}
DOES: dict[str, Reaction] = {
    "resets": lambda peer, _: peer.reset(),
    "hangs up": lambda peer, _: peer.hang_up(),
    "ends the connection": lambda peer, _: peer.say(ENDED),
    "says what is no AMQP": lambda peer, _: peer.say(b"\x01\x00\x00\x00\x00\x00\x01xx"),
    "says what no channel asked for": lambda peer, _: peer.say(method(9, spec.Queue.DeclareOk)),
}
AT = ["connection_startok", "connection_open", "channel_open", "channel_close", "queue_declare", "queue_delete"]


@pytest.mark.parametrize("first", ["delayed", "a mark", "another's mark"])
def test_a_channel_that_is_not_had_ends_the_connection_and_the_next_reading_has_another(first: str) -> None:
    """The next reading went on with a channel that never was, and failed with an AttributeError for ever."""
    with scripted_broker() as broker, contextlib.closing(DepthReader(broker.url)) as reader:
        if first == "delayed":  # else it has no connection
            reader.read(["q"])
        broker.reactions[spec.Channel.Open] = DOES["ends the connection"]
        with pytest.raises(BrokerError):
            ASKED[first](reader)
        broker.reactions.clear()
        assert reader.read([]) == {}
        assert reader.read(["q"]) == QUEUE
        assert broker.connections == 2


def test_whatever_a_broker_does_at_whatever_is_asked_it_is_read_again_and_no_socket_is_left() -> None:
    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always", ResourceWarning)
        _asked_of_one_that_fails()
        gc.collect()
    assert [str(it.message) for it in left if it.category is ResourceWarning] == []


@given(
    turns=st.lists(
        st.tuples(st.sampled_from(sorted(ASKED)), st.sampled_from(AT), st.sampled_from([None, *sorted(DOES)])),
        max_size=6,
    )
)
def _asked_of_one_that_fails(turns: list[tuple[str, str, str | None]]) -> None:
    with scripted_broker() as broker, contextlib.closing(DepthReader(broker.url)) as reader:
        for asked, at, does in turns:
            broker.react(**({at: DOES[does]} if does else {}))
            with contextlib.suppress(BrokerError), bounded(60.0):
                ASKED[asked](reader)
        broker.react()
        with contextlib.suppress(BrokerError):  # what broke meanwhile is found out
            reader.read(["q"])
        assert reader.read(["q"]) == QUEUE
        reader.close()
        assert broker.left() == 0

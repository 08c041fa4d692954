"""What a broker says of itself, and that no failure of a connection outlives it."""

import contextlib
import gc
import warnings
from collections.abc import Callable

import pytest
from amqp import spec
from amqp.serialization import dumps
from hypothesis import given
from hypothesis import strategies as st

from tests.support.scripted_broker import Reaction, method, scripted_broker
from utilitarian_operator.adapters.broker.bounded.calls import bounded
from utilitarian_operator.adapters.broker.depths import LONGEST_NAME, DepthReader, name
from utilitarian_operator.core.observation.broker import Depth
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

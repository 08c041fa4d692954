"""Asks workers through a broker that does what a real one would not."""

import tracemalloc
import zlib
from collections.abc import Sequence
from contextlib import closing
from typing import cast

import pytest
from amqp import spec
from kombu import pidbox

from tests.support.scripted_broker import Peer, method, scripted_broker
from utilitarian_operator.adapters.broker.workers import mailbox
from utilitarian_operator.adapters.broker.workers.mailbox import AnswersBox
from utilitarian_operator.adapters.broker.workers.remote_control import GLANCES, LEARNING, QUEUES, RemoteControl
from utilitarian_operator.errors import BrokerBlocked, BrokerUnreachable

ANSWER = b'{"celery@a": []}'
TICKET = "1"
PACKED = {"compression": "application/x-gzip"}


@pytest.mark.parametrize(
    "body, headers, heard",
    [(ANSWER, {}, {"celery@a": ()}), (zlib.compress(ANSWER), PACKED, {}), (zlib.compress(ANSWER), {}, {})],
    ids=["as it is", "packed", "packed and not said"],
)
def test_what_is_packed_is_never_unpacked(
    monkeypatch: pytest.MonkeyPatch, body: bytes, headers: dict[str, str], heard: object
) -> None:
    """A few KiB that a worker of one namespace packs could fill the memory of the operator of all."""
    monkeypatch.setattr(mailbox, "ANSWER_WITHIN_S", 0.3)
    monkeypatch.setattr(pidbox, "uuid", lambda: TICKET)

    def consume(peer: Peer, channel: int) -> None:
        peer.say(method(channel, spec.Basic.ConsumeOk, b"\x011"))
        peer.deliver(channel, body, {"ticket": TICKET, **headers})

    with scripted_broker(basic_consume=consume) as broker, closing(RemoteControl(broker.url)) as control:
        assert control.consuming() == heard


class InPart:
    """A mailbox of workers that say their queues, of which some can't say what waits in them."""

    def __init__(self, *silent: str) -> None:
        self.silent, self.unreadable = silent, set[str]()
        self.asked: list[tuple[str, dict[str, object]]] = []

    def ask(self, question: str, nodes: Sequence[str], _: object = None, **how: object) -> dict[str, list[object]]:
        self.asked.append((question, how))
        heard = [it for it in nodes if question == QUEUES or it not in self.silent]
        return {} if question == LEARNING else {it: [] for it in heard}


def test_a_worker_is_known_that_says_its_queues_and_not_what_it_holds() -> None:
    """Celery sends no answer where an argument of a task that waits is no JSON."""
    with closing(RemoteControl("amqp://nowhere")) as control:

        def partly(asked: Sequence[str], *silent: str, all_workers: bool = False) -> set[str]:
            control._mailbox = cast("AnswersBox", InPart(*silent))
            control.holdings(asked, queues=True, all_workers=all_workers)
            return set(control.partly)

        assert partly(["a", "b", "c"], "a", "b") == {"a", "b"}
        assert partly(["b"]) == {"a"}, "who was not asked has not answered since"
        assert partly(["b", "c"], "c", all_workers=True) == {"c"}, "of one that has gone nothing is kept"


def test_of_a_task_that_runs_the_arguments_are_asked_for_as_text_alone() -> None:
    """A pickled one made its worker silent while it ran, and one of a MiB came with each answer."""
    box = InPart()
    with closing(RemoteControl("amqp://nowhere")) as control:
        control._mailbox = cast("AnswersBox", box)
        control.holdings(["a"])
        control.words(["a"])
    assert [how for question, how in box.asked if question == "active"] == [{"safe": True}] * (1 + GLANCES)


BOMB = zlib.compress(bytes(64 * 2**20))
"""64 KiB that are a thousand times as much when they are unpacked."""


@pytest.mark.parametrize("kind", ["application/json", "application/data", "application/text"])
@pytest.mark.parametrize("codec", ["zlib_codec", "ZLIB", "utf-8", "binary"])
def test_no_codec_that_a_reply_names_unpacks_it(monkeypatch: pytest.MonkeyPatch, kind: str, codec: str) -> None:
    """The library reads two kinds of content by whatever codec of Python they name, and trusts both."""
    monkeypatch.setattr(mailbox, "ANSWER_WITHIN_S", 0.3)
    monkeypatch.setattr(pidbox, "uuid", lambda: TICKET)

    def consume(peer: Peer, channel: int) -> None:
        peer.say(method(channel, spec.Basic.ConsumeOk, b"\x011"))
        peer.deliver(channel, BOMB, {"ticket": TICKET}, (kind, codec))

    tracemalloc.start()
    try:
        with scripted_broker(basic_consume=consume) as broker, closing(RemoteControl(broker.url)) as control:
            assert control.consuming() == {}
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("codec", ["utf-8", "utf-16", "punycode", "zlib_codec", "none"])
def test_a_reply_is_read_by_no_codec_that_it_names(monkeypatch: pytest.MonkeyPatch, codec: str) -> None:
    """One of them takes hours for what fits into a message (punycode: 0.4 s for 40 KiB, and four times that for 80)."""
    monkeypatch.setattr(mailbox, "ANSWER_WITHIN_S", 0.3)
    monkeypatch.setattr(pidbox, "uuid", lambda: TICKET)

    def consume(peer: Peer, channel: int) -> None:
        peer.say(method(channel, spec.Basic.ConsumeOk, b"\x011"))
        peer.deliver(channel, ANSWER, {"ticket": TICKET}, ("application/json", codec))

    with scripted_broker(basic_consume=consume) as broker, closing(RemoteControl(broker.url)) as control:
        assert control.consuming() == {"celery@a": ()}


def test_workers_are_asked_again_after_a_broker_that_took_no_messages_broke(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library had connected again by itself, and nobody says on a new connection that it is no more blocked."""
    monkeypatch.setattr(mailbox, "ANSWER_WITHIN_S", 0.3)

    def block(peer: Peer, _: int) -> None:
        peer.say(method(0, spec.Connection.Blocked, b"\x03mem"))
        peer.reset()

    with scripted_broker(exchange_declare=block) as broker, closing(RemoteControl(broker.url)) as control:
        with pytest.raises(BrokerBlocked):
            control.consuming()
        broker.react()
        with pytest.raises(BrokerUnreachable):  # it finds out that it broke
            control.consuming()
        assert control.consuming() == {}

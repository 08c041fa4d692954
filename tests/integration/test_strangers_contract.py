"""Others that reply beside the workers on a real broker: the same cases are played on the adversary's model."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from kombu import Connection, Consumer, Producer
from kombu.pidbox import Mailbox

from tests.support.rabbitmq import RabbitMQ
from tests.support.strangers_contract import (
    ALONE,
    ANOTHER,
    OURS,
    SLOW,
    WITHIN_S,
    A,
    B,
    Reply,
    Speaker,
    StrangersContract,
)
from tests.support.waiting import wait_until
from utilitarian_operator.adapters.broker.bounded.calls import bounded
from utilitarian_operator.adapters.broker.workers.remote_control import RemoteControl
from utilitarian_operator.core.observation.broker_settings import TOO_LARGE

SOON, CALL_S = timedelta(seconds=30), 20.0
GLANCE_S = 0.01
LISTS: list[list[object]] = [[]] * 1_000_000
"""Four bytes each, and eighty in memory."""


class _Mailbox:
    """Hears each question of a virtual host, and has the speakers reply.

    Args:
        connection: of this thread alone.
    """

    def __init__(self, connection: Connection) -> None:
        self.speakers: tuple[Speaker, ...] = ()
        self._connection = connection
        self._producer = Producer(connection.default_channel, auto_declare=False)
        self._due: list[tuple[float, Reply, Mapping[str, Any]]] = []

    def hear(self, over: threading.Event, ready: threading.Event) -> None:
        """Until it is over."""
        channel = self._connection.default_channel
        queue = Mailbox("celery", type="fanout").get_queue("speakers")
        with Consumer(channel, [queue(channel)], callbacks=[self._asked], accept=["json"], no_ack=True):
            ready.set()
            while not over.is_set():
                try:
                    self._connection.drain_events(timeout=GLANCE_S)
                except TimeoutError:
                    self._reply()

    def _asked(self, body: dict[str, Any], _: object) -> None:
        now = time.monotonic()
        for speaker in self.speakers if "ticket" in body else ():
            for reply in speaker.replies(body["method"], body["destination"]):
                self._due.append((now + reply.after_s, reply, body))
        self._reply()

    def _reply(self) -> None:
        now = time.monotonic()
        due, self._due = [it for it in self._due if it[0] <= now], [it for it in self._due if it[0] > now]
        for _, reply, question in due:
            tickets = {OURS: {"ticket": question["ticket"]}, ANOTHER: {"ticket": "another"}}
            binary = {"content_type": reply.content_type, "content_encoding": "binary"}
            how = binary if reply.content_type else {"serializer": "json"}
            to = question["reply_to"]
            self._producer.publish(reply.body, **to, headers=tickets.get(reply.ticket, {}), retry=False, **how)


class Real:
    """A virtual host with something at its mailbox that does what the tests say."""

    def __init__(self, url: str, control: RemoteControl, mailbox: _Mailbox) -> None:
        self._url, self._control, self._mailbox = url, control, mailbox

    def speakers(self, *speakers: Speaker) -> None:
        self._mailbox.speakers = speakers

    def active(self, *nodes: str) -> Mapping[str, int]:
        with bounded(CALL_S):
            return {node: held.active for node, held in self._control.holdings(nodes, queues=True).items()}

    def consuming(self) -> Mapping[str, Sequence[str]]:
        return self._control.consuming()

    def begun(self, *nodes: str) -> Mapping[str, int]:
        return {node: word.begun for node, word in self._control.words(nodes).items()}

    def beats(self) -> Sequence[str]:
        return self._control.beats()

    def celery(self, node: str) -> str | None:
        return self._control.celery(node)

    def hook(self, node: str) -> Sequence[object]:
        with Connection(self._url) as connection:
            box = Mailbox("celery", type="fanout", accept=["json"], serializer="json")(connection)
            found: Sequence[object] = box.call([node], "active", {}, timeout=WITHIN_S)
            return found

    def unreadable(self) -> frozenset[str]:
        return self._control.unreadable

    def wait(self, condition: Callable[[], object]) -> None:
        wait_until(condition, within=SOON, describe=lambda: (self.active(A, B), self.consuming()))


@contextmanager
def hearing(url: str) -> Iterator[_Mailbox]:
    """Something at the mailbox of a broker."""
    over, ready = threading.Event(), threading.Event()
    with Connection(url) as connection:
        mailbox = _Mailbox(connection)
        thread = threading.Thread(target=mailbox.hear, args=(over, ready), daemon=True)
        thread.start()
        try:
            assert ready.wait(SOON.total_seconds())
            yield mailbox
        finally:
            over.set()
            thread.join()


@pytest.fixture
def scene(rabbitmq: RabbitMQ, vhost: str) -> Iterator[Real]:
    """A virtual host of a real broker."""
    url = rabbitmq.amqp_url(vhost)
    with hearing(url) as mailbox, closing(RemoteControl(url)) as control:
        yield Real(url, control, mailbox)


class TestStrangers(StrangersContract):
    """Who is heard."""

    def test_one_whose_answer_takes_too_much_memory_is_silent_alone(self, scene: Real) -> None:
        scene.speakers(Speaker(lambda _: [Reply({A: LISTS})], A), SLOW)
        scene.wait(lambda: (scene.active(A, B), scene.unreadable()) == (ALONE, frozenset({TOO_LARGE})))

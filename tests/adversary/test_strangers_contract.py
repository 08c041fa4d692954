"""Others reply beside the modelled workers as they do beside real ones: tests/integration plays the same cases."""

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import pytest

from tests.adversary.broker_connection import Client, Connection, HooksMailbox, Mailbox
from tests.adversary.loop import VirtualLoop
from tests.adversary.machine import Machine, replaced
from tests.adversary.rabbitmq import RabbitMQ
from tests.adversary.threads import Thread
from tests.support.strangers_contract import WITHIN_S, Speaker, StrangersContract
from utilitarian_operator.adapters.broker import connection
from utilitarian_operator.adapters.broker.bounded.calls import bounded
from utilitarian_operator.adapters.broker.timing import CLOCK
from utilitarian_operator.adapters.broker.workers import mailbox
from utilitarian_operator.adapters.broker.workers.remote_control import RemoteControl

T = TypeVar("T")
SOON_S, EVERY_S = 30.0, 0.05
CALL_S = 20.0


class Model:
    """The broker of a world, asked by the operator's own code."""

    def __init__(self, thread: Thread, rabbit: RabbitMQ, control: RemoteControl) -> None:
        self._thread, self._rabbit, self._control = thread, rabbit, control

    def speakers(self, *speakers: Speaker) -> None:
        self._rabbit.speakers = speakers

    def active(self, *nodes: str) -> Mapping[str, int]:
        held = self._asked(lambda: self._control.holdings(nodes, queues=True))
        return {node: it.active for node, it in held.items()}

    def consuming(self) -> Mapping[str, Sequence[str]]:
        return self._asked(self._control.consuming)

    def begun(self, *nodes: str) -> Mapping[str, int]:
        return {node: word.begun for node, word in self._asked(lambda: self._control.words(nodes)).items()}

    def beats(self) -> Sequence[str]:
        return self._asked(self._control.beats)

    def celery(self, node: str) -> str | None:
        return self._asked(lambda: self._control.celery(node))

    def hook(self, node: str) -> Sequence[object]:
        client = Client(self._rabbit, lambda: False, node="celery@hook")
        box = HooksMailbox()(Connection(client))
        return self._asked(lambda: box.call([node], "active", {}, timeout=WITHIN_S))

    def unreadable(self) -> frozenset[str]:
        return self._control.unreadable

    def wait(self, condition: Callable[[], object]) -> None:
        loop = self._rabbit.loop
        end = loop.now + SOON_S
        while not condition():
            assert loop.now < end, f"{loop.now}"
            loop.run_until_complete(asyncio.sleep(EVERY_S))

    def _asked(self, question: Callable[[], T]) -> T:
        """Ask in the broker's thread, as a session does."""

        def call() -> T:
            with bounded(CALL_S):
                return question()

        found: T = self._rabbit.loop.run_until_complete(self._thread.submit(self._rabbit.loop, call))
        return found


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    """A broker in virtual time."""
    loop = VirtualLoop()
    rabbit, machine = RabbitMQ(loop, random.Random(1)), Machine(loop, 1)
    monkeypatch.setattr(Thread, "made", lambda _: None, raising=False)
    instead: Mapping[Any, Any] = {
        **machine.put_in(),
        connection.connect: Client(rabbit, lambda: False).connect,
        mailbox.AnswersBox: Mailbox,
    }
    with replaced(instead):
        thread = Thread()
        yield Model(thread, rabbit, RemoteControl("amqp://rabbit", clock=instead[CLOCK]))
        thread.kill()
    loop.close()


class TestModelledStrangers(StrangersContract):
    """Who is heard."""

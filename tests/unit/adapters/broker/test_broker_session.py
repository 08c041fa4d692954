"""A session that ends while its threads are at work leaves nothing open, and opens nothing more."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from amqp import spec

from tests.support.scripted_broker import OPENED, Peer, ScriptedBroker, method, scripted_broker
from utilitarian_operator.adapters.broker import session
from utilitarian_operator.adapters.broker.bounded import calls
from utilitarian_operator.adapters.broker.session import BrokerSession, Credentials
from utilitarian_operator.errors import BrokerUnreachable


class Gate:
    """Where a broker's answer waits."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def open_connection(self, peer: Peer, _: int) -> None:
        self.wait()
        peer.say(method(0, spec.Connection.OpenOk, b"\x00"))

    def open_channel(self, peer: Peer, channel: int) -> None:
        self.wait()
        peer.say(method(channel, spec.Channel.OpenOk, OPENED))

    def wait(self) -> None:
        self.reached.set()
        self.opened.wait(60.0)


@contextmanager
def patient_broker(gate: Gate) -> Iterator[ScriptedBroker]:
    with scripted_broker() as broker:
        try:
            yield broker
        finally:
            gate.opened.set()


async def test_what_a_thread_was_about_to_open_is_closed_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """To close it waited behind that, and was given up: the connection was made later, and stayed."""
    monkeypatch.setattr(session, "CLOSED_WITHIN_S", 0.0)
    monkeypatch.setattr(calls, "GRACE_S", 0.0)
    gate = Gate()
    with patient_broker(gate) as broker:
        broker.react(connection_open=gate.open_connection)
        made = BrokerSession(Credentials(broker.url))
        looking = asyncio.create_task(made.look(["q"]))
        await asyncio.to_thread(gate.reached.wait, 60.0)
        looking.cancel()
        await made.close()
        gate.opened.set()
        await made.ended()
        assert await asyncio.to_thread(broker.left) == 0


async def test_looks_that_waited_for_a_reading_that_fails_fail_with_it() -> None:
    """Each waited for a reading of its own, which failed as slowly: a look at a silent broker took twice its time."""
    gate = Gate()

    def fall_silent(peer: Peer, _: int) -> None:
        gate.wait()
        peer.reset()

    with patient_broker(gate) as broker:
        broker.react(queue_declare=fall_silent)
        made = BrokerSession(Credentials(broker.url))
        first = asyncio.create_task(made.look(["q"]))
        await asyncio.to_thread(gate.reached.wait, 60.0)
        others = [asyncio.create_task(made.look([name])) for name in "ab"]
        await asyncio.sleep(0)
        gate.opened.set()
        failed = {(await it).failed for it in (first, *others)}
        assert [type(it) for it in failed] == [BrokerUnreachable]
        assert broker.connections == 1
        await made.close()
        await made.ended()


async def test_one_that_was_closed_opens_nothing_more() -> None:
    with scripted_broker() as broker:
        made, other = (BrokerSession(Credentials(broker.url)) for _ in range(2))
        assert (await made.look(["q"])).failed is None
        await made.close()
        assert isinstance((await made.look(["q"])).failed, BrokerUnreachable)
        for one, another in ((made, other), (other, made)):
            with pytest.raises(BrokerUnreachable):
                await one.is_same(another)
        await made.ended()
        await other.close()
        await other.ended()
        assert await asyncio.to_thread(broker.left) == 0


async def test_a_mark_that_came_too_late_is_taken_away_in_its_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, deleted = Gate(), threading.Event()

    def delete(peer: Peer, channel: int) -> None:
        deleted.set()
        peer.say(method(channel, spec.Queue.DeleteOk, OPENED))

    with patient_broker(gate) as broker:
        broker.react(queue_delete=delete)
        made, other = (BrokerSession(Credentials(broker.url)) for _ in range(2))
        await made.look(["q"])
        broker.reactions[spec.Channel.Open] = gate.open_channel
        monkeypatch.setattr(calls, "GRACE_S", 0.3 - session.WITHIN_S)  # it is waited for less long than it may take
        with pytest.raises(BrokerUnreachable):
            await made.is_same(other)
        monkeypatch.undo()
        gate.opened.set()
        assert await asyncio.to_thread(deleted.wait, 60.0)
        for it in (made, other):
            await it.close()
            await it.ended()

"""How many sessions there are at most, and with them threads: of a namespace, of all, and of those that won't end."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.support.ports import LOOPBACK
from utilitarian_operator.adapters.broker.bounded.brokers import FEW, MOST, MOST_OF_A_NAMESPACE, RESERVED, Brokers
from utilitarian_operator.adapters.broker.fake import FakeBroker
from utilitarian_operator.adapters.broker.session import BrokerSession, Credentials
from utilitarian_operator.core.observation.broker import Questions
from utilitarian_operator.errors import TooManyBrokers

FLEETS, ADDRESSES = 60, 3


def credentials(number: int, port: int = 1) -> Credentials:
    """Of one broker with three addresses."""
    return Credentials(";".join(f"amqp://u{number}:p@{LOOPBACK}:{port}/v" for _ in range(ADDRESSES)))


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """A server that takes every connection and says nothing."""
    server, over, open_ones = socket.create_server((LOOPBACK, 0), backlog=500), threading.Event(), []
    server.settimeout(0.1)

    def serve() -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                open_ones.append(server.accept()[0])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(server.getsockname()[1])
    finally:
        over.set()
        thread.join()
        for it in [server, *open_ones]:
            it.close()


def threads() -> int:
    return sum(it.name.startswith(("depths", "remote-control")) for it in threading.enumerate())


@pytest.mark.thorough
async def test_silent_brokers_of_a_namespace_have_a_bounded_number_of_threads() -> None:
    """Sixty fleets with three addresses each, and each of them names another broker as soon as it may."""
    with silent() as port:
        brokers, before, most, refused = Brokers(), threads(), 0, 0
        for turn in range(3):
            named = {it: credentials(turn * FLEETS + it, port) for it in range(FLEETS)}
            for who, of in named.items():
                try:
                    session = brokers.session(of, "hostile")
                except TooManyBrokers:
                    refused += 1
                    continue
                assert isinstance(session, BrokerSession)
                session.ask(who, Questions(around=True))
                look = asyncio.create_task(session.look(["q"]))
                await asyncio.sleep(0)
                del look
            await asyncio.sleep(0.5)
            most = max(most, threads() - before)
            await brokers.keep_only({})
        assert isinstance(brokers.session(credentials(-1, port), "healthy"), BrokerSession)
        await brokers.close()
    assert refused == 3 * FLEETS - MOST_OF_A_NAMESPACE, "the first are silent still, and count"
    assert MOST_OF_A_NAMESPACE <= most <= 2 * MOST_OF_A_NAMESPACE


async def test_a_namespace_with_few_has_places_that_the_others_cant_use_up() -> None:
    brokers, opened = Brokers(lambda _: FakeBroker()), 0
    for number in range(2 * MOST):
        with contextlib.suppress(TooManyBrokers):
            brokers.session(credentials(number), f"ns-{number % 10}")
            opened += 1
    assert opened == MOST - RESERVED
    for number in range(FEW):
        brokers.session(credentials(10_000 + number), "small")
    with pytest.raises(TooManyBrokers, match="of all namespaces name 205 brokers or logins: this one is not looked at"):
        brokers.session(credentials(20_000), "small")
    for number in range(2 * MOST):
        with contextlib.suppress(TooManyBrokers):
            brokers.session(credentials(30_000 + number), f"one-{number}")
            opened += 1
    assert opened == MOST - FEW
    with pytest.raises(TooManyBrokers, match="of all namespaces name 300 brokers"):
        brokers.session(credentials(40_000), "new")
    brokers.session(credentials(10_000), "new")  # one that is there needs no place


async def test_a_namespaces_own_places_are_free_again_when_their_sessions_have_ended() -> None:
    brokers = Brokers(lambda _: FakeBroker())
    named = [credentials(number) for number in range(MOST_OF_A_NAMESPACE)]
    for it in named:
        brokers.session(it, "ns")
    with pytest.raises(TooManyBrokers, match="the fleets of namespace ns name more than 50 brokers or logins"):
        brokers.session(credentials(-1), "ns")
    await brokers.keep_only(dict(enumerate(named[1:])))
    brokers.session(credentials(-1), "ns")

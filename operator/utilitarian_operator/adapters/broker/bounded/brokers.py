"""The sessions in use, one for each broker and login: bounded in number, for each has two threads and connections."""

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable, Mapping

from utilitarian_operator.adapters.broker.seam import Broker
from utilitarian_operator.adapters.broker.session import BrokerSession, Credentials, opened
from utilitarian_operator.core.observation.broker import NO_QUESTIONS
from utilitarian_operator.errors import TooManyBrokers

MOST_OF_A_NAMESPACE = 50
"""Brokers or logins that the fleets of one namespace may have."""

MOST = 300
"""Of all namespaces together."""

FEW, RESERVED = 5, 100
"""So many of all are kept for namespaces that have few: the others can't use up their places."""

BRIEFLY_S, AT_THE_END_S = 1.0, 5.0
"""What is closed is waited for so long: at a look, and when the process ends."""


class Brokers:
    """The sessions in use.

    One that is closed counts until its threads have ended: those of a silent broker go on for a while, and who names
    another broker each second must not have more and more of them.

    Args:
        opened: makes a session.
    """

    def __init__(self, opened: Callable[[Credentials], Broker] = opened) -> None:
        self._opened = opened
        self._sessions: dict[Credentials, Broker] = {}
        self._namespaces: dict[Credentials, str] = {}
        self._closing: dict[asyncio.Task[None], str] = {}
        self._used: Mapping[Hashable, Credentials] = {}

    def session(self, credentials: Credentials, namespace: str) -> Broker:
        """The session of these credentials, opened if need be.

        Args:
            credentials: of the broker.
            namespace: whose fleet asks for it.

        Raises:
            TooManyBrokers: there is no place for another one.
        """
        if credentials not in self._sessions:
            self._check_room(namespace)
            self._sessions[credentials] = self._opened(credentials)
            self._namespaces[credentials] = namespace
        return self._sessions[credentials]

    def _check_room(self, namespace: str) -> None:
        each = Counter([*self._namespaces.values(), *self._closing.values()])
        if each[namespace] >= MOST_OF_A_NAMESPACE:
            raise TooManyBrokers(
                f"the fleets of namespace {namespace} name more than {MOST_OF_A_NAMESPACE} brokers or logins"
            )
        if each.total() >= (MOST if each[namespace] < FEW else MOST - RESERVED):
            raise TooManyBrokers(f"the fleets of all namespaces name {each.total()} brokers or logins")

    def cluster(self, credentials: Credentials) -> str | None:
        """What the broker of these credentials calls itself, if a session has heard it."""
        session = self._sessions.get(credentials)
        return None if session is None else session.known.cluster

    async def keep_only(self, used: Mapping[Hashable, Credentials]) -> None:
        """Close the sessions that no fleet uses any more, and ask nothing more for fleets that left one.

        Args:
            used: the credentials of each that uses some.
        """
        before, self._used = self._used, dict(used)
        kept = set(used.values())
        closing = [self._close(it) for it in list(self._sessions) if it not in kept]
        for who, credentials in before.items():
            if credentials in self._sessions and used.get(who) != credentials:
                self._sessions[credentials].ask(who, NO_QUESTIONS)
        if closing:
            await asyncio.wait(closing, timeout=BRIEFLY_S)

    async def close(self) -> None:
        """Close all of them; a silent broker is left to its threads."""
        await self.keep_only({})
        if self._closing:
            await asyncio.wait(list(self._closing), timeout=AT_THE_END_S)

    def _close(self, credentials: Credentials) -> asyncio.Task[None]:
        closing = asyncio.create_task(_ended(self._sessions.pop(credentials)), name="close a broker")
        self._closing[closing] = self._namespaces.pop(credentials)
        closing.add_done_callback(self._closing.pop)
        return closing


async def _ended(session: Broker) -> None:
    await session.close()
    if isinstance(session, BrokerSession):
        await session.ended()

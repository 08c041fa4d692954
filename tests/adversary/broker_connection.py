"""The broker as its clients see it: AMQP connections, the mailbox of remote control, and the pages over HTTP."""

import json
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from struct import unpack
from typing import Any, Self

import aiohttp
from amqp.exceptions import AccessRefused, NotFound
from amqp.serialization import loads
from kombu.exceptions import ContentDisallowed

from tests.adversary import threads
from tests.adversary.rabbitmq import RabbitMQ
from tests.support.strangers_contract import NONE, OURS, Reply
from utilitarian_operator.adapters.broker.workers.mailbox import AnswersBox, Replies

SILENT_FOR_S = 3.0
HEAD, METHOD = 7, 4
"""Bytes of a frame before its method, and of that before its arguments (AMQP 0-9-1, 4.2.3)."""


def login_refused() -> AccessRefused:
    """As RabbitMQ ends a connection whose password is wrong: by no method that was called."""
    return AccessRefused("ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN", (0, 0), "")


class Client:
    """What one process has of the broker; what a process that was killed says is never heard.

    Args:
        rabbit: the broker.
        dead: whether the process was killed.
        node: of the worker whose preStop hook it is; empty for the operator, whose questions are counted.
        suspended: whether the process is; what it asks here all the same is not counted.
    """

    def __init__(
        self,
        rabbit: RabbitMQ,
        dead: Callable[[], bool],
        *,
        node: str = "",
        suspended: Callable[[], bool] = lambda: False,
    ) -> None:
        self.rabbit, self.dead, self.node, self.suspended = rabbit, dead, node, suspended
        self.hook = bool(node)

    def connect(self, *_: Any, **__: Any) -> "Connection":
        """Stands for the operator's own `connect`."""
        self.check()
        return Connection(self)

    def check(self) -> None:
        """Wait as long as the broker takes; fails as py-amqp does where it is away."""
        rabbit = self.rabbit
        slow = rabbit.loop.now < rabbit.slow_until
        threads.wait(rabbit.rng.uniform(0.5, 2.9) if slow else rabbit.rng.uniform(0.001, 0.004))
        if self.dead():
            raise threads.Ended
        if rabbit.away:
            threads.wait(rabbit.rng.choice([0.01, SILENT_FOR_S]))
            raise TimeoutError("timed out")


class Connection:
    """An open AMQP connection, with the one channel that is used on it."""

    def __init__(self, client: Client) -> None:
        self.client, self.connected = client, True
        self.server_properties = {"version": "4.0.5", "cluster_name": client.rabbit.name}
        self.channel_id, self.bytes_sent = 1, 0
        self._asked: list[str] = []

    @property
    def connection(self) -> "Connection":
        return self

    @property
    def transport(self) -> "Connection":
        return self

    @property
    def default_channel(self) -> "Connection":
        return self

    @contextmanager
    def channel(self) -> Iterator["Connection"]:
        """A channel for a moment."""
        yield self

    def send_heartbeat(self) -> None:
        self.client.check()

    def collect(self) -> None:
        self.connected = False

    def release(self) -> None:
        self.connected = False

    def ensure_connection(self, **_: Any) -> None:
        """Of the preStop hook, which has the login that its container began with."""
        self.client.check()
        rabbit = self.client.rabbit
        worker = rabbit.workers.get(self.client.node)
        if worker is not None and worker.born < rabbit.password_since:
            raise login_refused()

    def queue_declare(self, queue: str, *, passive: bool = False, **_: Any) -> None:
        """Of the preStop hook: whether a worker's mailbox is there."""
        self.client.check()
        node = queue.removesuffix(".celery.pidbox")
        worker = self.client.rabbit.workers.get(node)
        if passive and (worker is None or not worker.connected):
            raise NotFound("no queue", (50, 10), "queue.declare")

    def queue_delete(self, queue: str) -> None:
        """Of the operator's own short mark."""

    def write(self, frames: bytes) -> None:
        """Passive declares, sent together before the first answer is read."""
        while frames:
            length = HEAD + unpack(">BHI", frames[:HEAD])[2]
            self._asked.append(loads("Bs", frames[HEAD + METHOD : length], 0)[0][1])
            frames = frames[length + 1 :]

    def wait(self, *_: Any, **__: Any) -> tuple[str, int, int]:
        """The next answer about a queue."""
        if len(self._asked) and not getattr(self, "_warm", False):
            self.client.check()
        name, rabbit = self._asked.pop(0), self.client.rabbit
        self._warm = bool(self._asked)
        queue = rabbit.queues.get(name)
        if queue is None or not queue.exists:
            self._asked, self._warm = [], False
            raise NotFound(f"NOT_FOUND - no queue '{name}' in vhost '/'", (50, 10), "Queue.declare")
        if rabbit.loop.now < rabbit.zero_until:
            return name, 0, 0
        return name, len(queue.ready), rabbit.consumers_of(queue)


class Mailbox:
    """kombu's mailbox as the operator has it: questions to workers by name or to all, and orders."""

    ask, ping = AnswersBox.ask, AnswersBox.ping
    replies: Callable[..., Replies] = Replies

    def __init__(self, *_: Any, seconds: Callable[[], float] = lambda: 0.0, **__: Any) -> None:
        self.unreadable: set[str] = set()
        self.seconds = seconds

    def __call__(self, connection: Connection) -> "Mailbox":
        """Bound to a connection."""
        self._client = connection.client
        return self

    def call(
        self,
        nodes: Sequence[str],
        question: str,
        _arguments: object = None,
        timeout: float = 1.0,
        callback: Callable[[Any], None] | None = None,
    ) -> list[dict[str, Any]]:
        """The answers of those who hear it, until all have answered or none does for a while."""
        replies = self.replies(OURS, nodes, callback)
        self._collect(replies, self._ask(nodes, question), self._client.rabbit.said(question, nodes), timeout)
        if not replies.complete and self._client.rabbit.away:
            raise TimeoutError("connection lost")
        return replies.bodies

    def multi_call(self, question: str, _arguments: object = None, timeout: float = 1.0) -> list[dict[str, Any]]:
        """The answer of each worker."""
        replies, rabbit = self.replies(OURS), self._client.rabbit
        self._collect(replies, self._ask(sorted(rabbit.workers), question), rabbit.said(question, None), timeout)
        return replies.bodies

    def _broadcast(self, question: str, *, timeout: float, **_: Any) -> list[dict[str, Any]]:
        """To beats, of which none of a world's has remote control."""
        self._client.check()
        replies = self.replies(OURS)
        self._collect(replies, [], self._client.rabbit.said(question, None), timeout)
        return replies.bodies

    def _collect(
        self, replies: Replies, workers: Iterable[dict[str, Any]], others: Sequence[Reply], timeout: float
    ) -> None:
        """What workers say at once, and others sooner or later: until a while after the last."""
        said, passed = [*map(Reply, workers), *others], 0.0
        for reply in sorted(said, key=lambda it: it.after_s):
            if replies.complete or reply.after_s - passed > timeout:
                break
            if reply.after_s > passed:
                threads.wait(reply.after_s - passed)
                passed = reply.after_s
            self._take(replies, reply)
        if not replies.complete:
            threads.wait(timeout)
        self.unreadable.update(replies.strange)

    def _take(self, replies: Replies, reply: Reply) -> None:
        headers = {} if reply.ticket == NONE else {"ticket": reply.ticket}
        if reply.content_type:
            replies.pass_over(reply.content_type, headers)
        else:
            replies.take(reply.body, headers)

    def cast(self, nodes: Sequence[str], command: str, arguments: Mapping[str, str]) -> None:
        """An order, which is heard a moment later, or when a mute worker hears again."""
        self._may()
        for node in nodes:
            self._client.rabbit.order(node, command, arguments["queue"])

    def _ask(self, nodes: Iterable[str], question: str) -> list[dict[str, Any]]:
        self._may()
        rabbit = self._client.rabbit
        slow = rabbit.loop.now < rabbit.slow_until
        threads.wait(rabbit.rng.uniform(0.1, 0.9) if slow else rabbit.rng.uniform(0.004, 0.02))
        there = [worker for node in nodes if (worker := rabbit.workers.get(node)) is not None and worker.hears]
        return [{worker.node: worker.answer(question)} for worker in there]

    def _may(self) -> None:
        rabbit = self._client.rabbit
        rabbit.questions += not (self._client.hook or self._client.suspended())
        if self._client.dead():
            raise threads.Ended
        if rabbit.away:
            threads.wait(rabbit.rng.choice([0.01, SILENT_FOR_S]))
            raise TimeoutError("timed out")
        if rabbit.loop.now < rabbit.refused_until:
            raise AccessRefused(
                "ACCESS_REFUSED - access to exchange 'celery.pidbox' refused", (60, 40), "Basic.publish"
            )


class _Counted(Replies):
    """As kombu itself reads: until so many have come as were asked, whoever sent them and to which question."""

    def __init__(self, ticket: str, asked: Sequence[str] = (), callback: Callable[[Any], None] | None = None) -> None:
        super().__init__(ticket, asked, callback)
        self._left = len(asked)

    @property
    def complete(self) -> bool:
        return self._left <= 0

    def take(self, body: Any, headers: Mapping[str, Any]) -> None:
        self._left -= 1
        super().take(body, headers)

    def pass_over(self, content_type: object, headers: Mapping[str, Any]) -> None:
        del headers
        raise ContentDisallowed(f"Refusing to deserialize disabled content of type {content_type}")


class HooksMailbox(Mailbox):
    """kombu's own, which a preStop hook has."""

    replies = _Counted


class _Page:
    """An answer over HTTP."""

    def __init__(self, status: int, body: str) -> None:
        self.status, self._body = status, body
        self.content = self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def iter_any(self) -> Any:
        yield self._body.encode()

    async def json(self) -> Any:
        return json.loads(self._body)


class _Browser:
    """An HTTP session with the management API."""

    def __init__(self, rabbit: RabbitMQ) -> None:
        self._rabbit = rabbit

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    def get(self, url: Any, **_: Any) -> _Page:
        """One page, with the statistics as they were collected last."""
        rabbit = self._rabbit
        if rabbit.away or rabbit.loop.now < rabbit.no_statistics_until:
            raise aiohttp.ClientConnectionError("connection refused")
        if "/api/queues/" not in str(url):
            return _Page(200, "[]") if "/api/" in str(url) else _Page(404, "")
        rows = [
            {
                "name": name,
                "messages_ready": ready,
                "messages_unacknowledged": unacked,
                "messages_details": {"rate": 0.0},
                "message_stats": {"ack": left},
                **rabbit.declared_as(name),
            }
            for name, (ready, unacked, left) in rabbit.statistics.items()
        ]
        return _Page(200, json.dumps(rows))


def http(rabbit: RabbitMQ) -> Any:
    """Stands for aiohttp in the modules that read the broker's pages."""
    return types.SimpleNamespace(
        ClientTimeout=lambda **_: None,
        TCPConnector=lambda **_: None,
        ClientSession=lambda **_: _Browser(rabbit),
        ClientError=aiohttp.ClientError,
        ClientResponse=aiohttp.ClientResponse,
    )

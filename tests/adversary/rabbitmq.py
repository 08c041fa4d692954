"""A modelled RabbitMQ: queues, deliveries, redelivery, statistics, and what became of each task."""

import json
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.adversary.loop import VirtualLoop
from tests.support.strangers_contract import Reply, Speaker
from utilitarian_operator.adapters.broker.bounded.calls import count, has_room, may_unpack, throw_away
from utilitarian_operator.adapters.broker.bounded.messages import MOST_OF_A_FRAME, unpacked

STATISTICS_EVERY_S = 5.0
HEARS_EACH_S = 0.5
"""How often a worker that is silent sees whether it may hear again."""
WORLD = "world"
"""Begins each cause that is not the operator's doing."""


@dataclass(eq=False)
class Task:
    """One task and what became of it.

    Args:
        number: of the task.
        queue: it was sent to.
        seconds: it takes.
        eta: not to be begun before; None has none.
    """

    number: int
    queue: str
    seconds: float
    eta: float | None = None
    starts: list[str] = field(default_factory=list)
    ended: int = 0
    lost_by: str | None = None
    again_by: str | None = None
    ready_at: float = 0.0
    returns: list[str] = field(default_factory=list)
    """Why it was given back to a queue that counts that."""

    def waits_since(self, now: float) -> float | None:
        """Since when it may be begun; None before its ETA."""
        since = max(self.ready_at, self.eta or 0.0)
        return None if since > now else since


class Queue:
    """Messages that are ready, in order, and who consumes them in turn.

    Args:
        name: of the queue.
        limit: returns of a message that it bears; None for a classic queue, which counts none.
    """

    def __init__(self, name: str, limit: int | None = None) -> None:
        self.name, self.limit, self.exists = name, limit, False
        self.ready: deque[Task] = deque()
        self.consumers: list[Any] = []
        self.turn = self.left = 0


class RabbitMQ:
    """The broker.

    Args:
        loop: of the world.
        rng: of the world.
        name: of its cluster.
    """

    def __init__(self, loop: VirtualLoop, rng: random.Random, name: str = "rabbit@model") -> None:
        self.loop, self.rng, self.name = loop, rng, name
        self.queues: dict[str, Queue] = {}
        self.limits: dict[str, int] = {}
        """Of the quorum queues."""
        self.workers: dict[str, Any] = {}
        self.tasks: list[Task] = []
        self.away = False
        self.slow_until = self.zero_until = self.refused_until = self.no_statistics_until = self.stale_until = 0.0
        self.statistics: dict[str, tuple[int, int, int]] = {}
        self.questions = 0
        self.knows: Callable[[], bool] = lambda: True
        """Whether a client that begins now has the password."""
        self.password_since = -1.0
        self.speakers: tuple[Speaker, ...] = ()
        """Others that reply to questions of remote control."""
        self.ended_at = 0.0
        """When the last task ended."""
        self.heard_at: dict[str, float] = {}
        """When the last order that was sent comes to each worker."""
        self._orders: dict[str, list[tuple[str, str]]] = {}
        """Those that a worker has yet to hear, by its node."""
        self.helpless: list[tuple[float, float]] = []
        """Times in which no client could talk to a worker, a preStop hook neither."""

    @property
    def worked_at(self) -> float:
        """When a task ran for the last time."""
        return self.loop.now if any(it.running for it in self.workers.values()) else self.ended_at

    def declare(self, name: str) -> Queue:
        """The queue of this name, made if need be."""
        queue = self.queues.get(name)
        if queue is None:
            queue = self.queues[name] = Queue(name, self.limits.get(name))
        queue.exists = True
        return queue

    def consumers_of(self, queue: Queue) -> int:
        """As the broker counts them: of a quorum queue also who has cancelled and holds messages of it."""
        if queue.limit is None:
            return len(queue.consumers)
        held = [it for it in self.workers.values() if it.connected and it.unacked_of(queue.name)]
        return len({*queue.consumers, *held})

    def delete(self, name: str) -> None:
        """A person deletes a queue that is empty and unused: who sends to it next makes it again."""
        queue = self.queues.get(name)
        if queue is not None and not queue.ready and not queue.consumers:
            queue.exists = False

    def purge(self, name: str) -> None:
        """A person empties a queue: what waits there is gone."""
        queue = self.queues.get(name)
        for task in queue.ready if queue is not None else ():
            task.lost_by = f"{WORLD}: a person purged the queue"
        if queue is not None:
            queue.ready.clear()

    def declared_as(self, name: str) -> dict[str, Any]:
        """What the management API says of how a queue was declared."""
        limit = self.limits.get(name)
        if limit is None:
            return {"type": "classic", "arguments": {}}
        return {"type": "quorum", "arguments": {"x-queue-type": "quorum", "x-delivery-limit": limit}}

    def send(self, name: str, seconds: float, eta: float | None = None) -> None:
        """A producer sends a task."""
        queue = self.declare(name)
        task = Task(len(self.tasks), name, seconds, eta, ready_at=self.loop.now)
        self.tasks.append(task)
        queue.ready.append(task)
        self.deliver(queue)

    def give_back(self, tasks: Iterable[Task], why: str) -> None:
        """Messages whose consumer went away without acknowledging them: first in their queue again.

        Args:
            tasks: in their order.
            why: what took the consumer away; `world: …` where that is not the operator's doing.
        """
        tasks = [it for it in tasks if not self._dropped(it, why)]
        for task in reversed(tasks):
            task.ready_at = self.loop.now
            self.queues[task.queue].ready.appendleft(task)
        for name in dict.fromkeys(task.queue for task in tasks):
            self.deliver(self.queues[name])

    def _dropped(self, task: Task, why: str) -> bool:
        """Whether a quorum queue gives a message up: rabbit_fifo.erl counts returns and compares with the limit."""
        limit = self.queues[task.queue].limit
        if limit is None:
            return False
        task.returns.append(why)
        if len(task.returns) <= limit:
            return False
        by_the_world = sum(it.startswith(WORLD) for it in task.returns)
        task.lost_by = f"{WORLD}: its returns" if by_the_world > limit else f"delivery limit {limit}: {task.returns}"
        return True

    def deliver(self, queue: Queue) -> None:
        """Hand out what is ready, in turn, to consumers with room."""
        while queue.ready and not self.away:
            free = [worker for worker in queue.consumers if worker.room > 0]
            if not free:
                return
            queue.turn += 1
            free[queue.turn % len(free)].receive(queue.ready.popleft())

    def go_away(self, seconds: float) -> None:
        """All connections break; what was not acknowledged will be delivered again."""
        self.away = True
        self.helpless.append((self.loop.now, self.loop.now + seconds))
        for worker in list(self.workers.values()):
            worker.disconnect()
        self.loop.call_later(seconds, self._come_back)

    def _come_back(self) -> None:
        self.away = False
        for worker in list(self.workers.values()):
            self.loop.call_later(self.rng.uniform(0.5, 4.0), worker.connect)

    def said(self, question: str, asked: Sequence[str] | None) -> list[Reply]:
        """What others reply to a question; it is counted as all that is read of a broker."""
        return [_read(reply) for speaker in self.speakers for reply in speaker.replies(question, asked)]

    def order(self, node: str, command: str, queue: str) -> None:
        """An order comes to a worker a moment later, and is heard when the worker hears.

        Those that it hears at once it does in any order: kombu's event loop keeps in a set what it is to do next.
        """
        # A channel and a mailbox's queue keep the order of what is sent.
        at = max(self.loop.now + self.rng.uniform(0.01, 0.2), self.heard_at.get(node, 0.0) + 1e-6)
        self.heard_at[node] = at
        self.loop.call_at(at, self._ordered, node, command, queue)

    def _ordered(self, node: str, command: str, queue: str) -> None:
        waiting = self._orders.setdefault(node, [])
        waiting.append((command, queue))
        if len(waiting) == 1:
            self._hear(node)

    def has_time(self, node: str) -> None:
        """A worker has ended a task: before the next one it does what it was told meanwhile."""
        worker = self.workers.get(node)
        if node in self._orders and worker is not None and worker.hears:
            self._do(node)

    def _hear(self, node: str) -> None:
        if node not in self._orders:
            return
        worker = self.workers.get(node)
        if worker is not None and worker.connected and not worker.stopping and not worker.hears:
            self.loop.call_later(HEARS_EACH_S, self._hear, node)
            return
        self._do(node)

    def _do(self, node: str) -> None:
        worker = self.workers.get(node)
        orders = self._orders.pop(node)
        if len(orders) > 1:
            self.rng.shuffle(orders)
        for command, queue in orders:
            if worker is not None and worker.hears:  # the mailbox of one that has left is gone
                (worker.cancel if command == "cancel_consumer" else worker.add)(queue)

    def refuse_control(self, seconds: float) -> None:
        """The rights of remote control are taken away for a while."""
        self.refused_until = self.loop.now + seconds
        self.helpless.append((self.loop.now, self.refused_until))

    def collect_statistics(self) -> None:
        """What the broker does by itself each five seconds."""
        if self.loop.now < self.stale_until:
            return
        for name, queue in self.queues.items():
            if queue.exists:
                unacked = sum(worker.unacked_of(name) for worker in self.workers.values())
                self.statistics[name] = len(queue.ready), unacked, queue.left

    def every(self, seconds: float, call: Callable[[], None]) -> None:
        """Do something again and again."""

        def again() -> None:
            call()
            self.loop.call_later(seconds, again)

        self.loop.call_later(seconds, again)


def _read(reply: Reply) -> Reply:
    """A reply as the operator's own code takes it from the connection: without its body where there is no room."""
    body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
    keeps = has_room(len(body))
    for at in range(0, len(body), MOST_OF_A_FRAME):
        part = count(body[at : at + MOST_OF_A_FRAME])
        if not keeps:
            throw_away(len(part))
    return reply if keeps and may_unpack(unpacked(body)) else replace(reply, body=b"")

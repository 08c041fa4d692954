"""Modelled Celery workers: prefetch, early and late acknowledgement, ETAs, remote control, warm and cold ends."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.adversary.rabbitmq import WORLD, RabbitMQ, Task

TASK = "tasks.work"
EXIT = "exit"
GEVENT, GEVENT_CONSUMES_S = "gevent", 4.0
"""It consumes for so long after SIGTERM (Celery 5.7.0, measured)."""
ON_ITS_WAY_S = 0.02
"""What a message takes from the broker to a worker; measured are some milliseconds (docs/drain.md)."""
SLOW_CHILD_S = 6.0
"""What it takes to replace a process that has done its number of tasks (maxTasksPerChild), where that is slow."""
_POOLS = {"prefork": "prefork", "threads": "thread", "gevent": "gevent", "solo": "solo"}


@dataclass(frozen=True)
class Kind:
    """How a worker was started, by the command of its container.

    Args:
        queues: -Q.
        concurrency, multiplier, execution: the options of these names.
        late: whether its tasks are acknowledged at their end.
    """

    queues: tuple[str, ...]
    concurrency: int
    multiplier: int
    execution: str = "prefork"
    late: bool = False


class Worker:
    """One worker process.

    Args:
        rabbit: its broker.
        pod: it runs in.
        kind: how it was started.
    """

    def __init__(self, rabbit: RabbitMQ, pod: str, kind: Kind) -> None:
        self._rabbit, self.pod, self.kind = rabbit, pod, kind
        self.node = f"celery@{pod}"
        self.alive, self.connected, self.stopping = True, False, False
        self.consuming: set[str] = set()
        self._cancelled: set[str] = set()
        self.reserved: deque[Task] = deque()
        self.running: dict[int, tuple[Task, float, asyncio.TimerHandle]] = {}
        self.scheduled: dict[int, Task] = {}
        self._redelivered: set[int] = set()
        """Of what runs here, by its begin, what the broker has given to somebody else since."""
        self.begun, self.born = 0, rabbit.loop.now
        self.begun_at = self.idle_since = rabbit.loop.now
        self.mute_until = self.hung_until = self.slow_until = 0.0
        self._finishing = False
        self._closed = 0
        """Slots whose process is being replaced."""
        self.helpless: list[tuple[float, float]] = []
        self.stop_begun: float | None = None
        self._refused = False
        """Whether its login was: it ends, and a container of a pod that is being deleted is not started again."""
        self.ends_by = f"{WORLD}: it ended by itself"
        self._static = bool(rabbit.limits.keys() & set(kind.queues))
        """Whether its prefetch can't be raised: one for the whole channel is not to be had beside a quorum queue."""
        self._received: dict[int, float] = {}
        """When it got each message of a quorum queue that is reserved."""
        self._on_exit: Callable[[], None] = lambda: None
        self._unnoticed = ""
        """Why it ended, while the broker has not noticed that."""

    @property
    def holds(self) -> int:
        """Tasks that it has, of any kind."""
        return len(self.reserved) + len(self.running) + len(self.scheduled)

    @property
    def hears(self) -> bool:
        """Whether remote control reaches it now."""
        solo = self.kind.execution == "solo" and bool(self.running)
        quiet = solo or self._rabbit.loop.now < self.mute_until
        return self.alive and self.connected and not self.stopping and not self._finishing and not quiet

    @property
    def room(self) -> int:
        """Messages that the broker may still give it; an ETA raises the limit by one, but not of quorum queues."""
        late = len(self.running) if self.kind.late else 0
        raised = 0 if self._static else len(self.scheduled)
        limit = self.kind.concurrency * self.kind.multiplier + raised
        return limit - late - len(self.reserved) - len(self.scheduled)

    @property
    def _unsaid(self) -> int:
        """Messages in no answer: gevent waits with one for a slot, and has yet to read the others (5.7.0, measured)."""
        full = len(self.running) >= self.kind.concurrency
        return max(len(self.reserved) - 1, 0) if full and self.kind.execution == GEVENT else 0

    def unacked_of(self, queue: str) -> int:
        """Messages of one queue that it has not acknowledged."""
        held = [*self.reserved, *self.scheduled.values()]
        if self.kind.late:
            held += [task for begin, (task, _, _) in self.running.items() if begin not in self._redelivered]
        return sum(task.queue == queue for task in held)

    def connect(self) -> None:
        """Come up, or come back: declare the queues and consume them."""
        if not self.alive or self.stopping or self.connected or (self._refused and self.stop_begun is not None):
            return
        self._refused = not self._rabbit.knows()
        if self._rabbit.away or self._refused:
            self._rabbit.loop.call_later(2.0, self.connect)
            return
        self.connected = True
        for queue in self.kind.queues:
            self._rabbit.declare(queue)
            if queue not in self._cancelled:
                self._consume(queue)

    def disconnect(self) -> None:
        """The connection breaks: what was not acknowledged is delivered again, what runs with late ack as well."""
        if not self.connected:
            self._noticed()
            return
        self.connected = False
        self._leave_all()
        back = [*self.scheduled.values(), *self.reserved]
        self.scheduled.clear()
        self.reserved.clear()
        if self.kind.late:
            for begin, (task, _, _) in self.running.items():
                if begin not in self._redelivered:
                    self._redelivered.add(begin)
                    task.again_by = "world: the broker went away"
                    back.append(task)
        self._rabbit.give_back(back, f"{WORLD}: the broker went away")

    def cancel(self, queue: str) -> None:
        """cancel_consumer."""
        self._cancelled.add(queue)
        if queue in self.consuming:
            self.consuming.discard(queue)
            self._rabbit.queues[queue].consumers.remove(self)
            if self._static:
                self._give_back_what_was_on_its_way(queue)

    def _give_back_what_was_on_its_way(self, queue: str) -> None:
        """Of a quorum queue what a consumer has not got yet when it is cancelled is delivered again, and counts."""
        late = self._rabbit.loop.now - ON_ITS_WAY_S
        back = [it for it in self.reserved if it.queue == queue and self._received.get(it.number, 0.0) > late]
        for task in back:
            self.reserved.remove(task)
        self._rabbit.give_back(back, "cancel")

    def add(self, queue: str) -> None:
        """add_consumer."""
        self._cancelled.discard(queue)
        if self.connected and not self.stopping and not self._finishing:
            self._consume(queue)

    def receive(self, task: Task) -> None:
        """A message of the broker's."""
        loop = self._rabbit.loop
        if self.alive and task.eta is not None and task.eta > loop.now:
            self.scheduled[task.number] = task
            loop.call_at(task.eta, self._due, task)
            return
        self.reserved.append(task)
        if self._static:
            self._received[task.number] = loop.now
        self._begin()

    def sigterm(self, on_exit: Callable[[], None]) -> None:
        """Warm stop: what runs ends, the rest goes back at the exit; gevent takes more, and runs all that it has."""
        self._on_exit = on_exit
        if self.kind.execution == GEVENT:
            self._rabbit.loop.call_later(GEVENT_CONSUMES_S, self._finish)
            return
        self.stopping = True
        self._leave_all()
        if not self.running:
            self._rabbit.loop.call_later(1.5, self._exit)

    def _finish(self) -> None:
        """Gevent after its warm stop has begun: it takes nothing more, and hears nothing."""
        self._finishing = True
        self._leave_all()
        if not self.running and not self.reserved:
            self._rabbit.loop.call_later(1.5, self._joined)

    def _joined(self) -> None:
        """Gevent waits for what has begun meanwhile, as its time had come."""
        if not self.running:
            self._exit()

    def kill(self, cause: str, after: float = 0.0) -> None:
        """It ends at once; the broker gives back what it had not acknowledged, when it notices.

        Until then it is a consumer as before, and is given messages.
        """
        if not self.alive:
            return
        self.alive = self.connected = False
        back = [*self.scheduled.values(), *self.reserved]
        for begin, (task, _, timer) in self.running.items():
            timer.cancel()
            if not self.kind.late:
                task.lost_by = cause
            elif begin not in self._redelivered:
                task.again_by = cause
                back.append(task)
        self.scheduled.clear()
        self.running.clear()
        self.reserved = deque(back)
        self._unnoticed = self.ends_by if cause == EXIT else cause
        if after:
            self._rabbit.loop.call_later(after, self._noticed)
        else:
            self._noticed()

    def _noticed(self) -> None:
        """The broker knows that it is gone."""
        if self._unnoticed:
            why, self._unnoticed = self._unnoticed, ""
            self._leave_all()
            self._rabbit.workers.pop(self.node, None)
            back = list(self.reserved)
            self.reserved.clear()
            if back:
                self._rabbit.loop.call_later(0.0, self._rabbit.give_back, back, why)

    def answer(self, question: str) -> Any:
        """What it says over remote control, as Celery spells it."""
        match question:
            case "active_queues":
                return [{"name": it, "exchange": {"name": it, "type": "direct"}} for it in sorted(self.consuming)]
            case "scheduled":
                etas = (self._rabbit.loop.moment(task.eta or 0.0) for task in self.scheduled.values())
                return [{"eta": it.isoformat(), "request": {}} for it in etas]
            case "reserved":
                return [{"name": TASK, "time_start": None} for _ in list(self.reserved)[self._unsaid :]]
            case "active":
                early = not self.kind.late
                return [
                    {"name": TASK, "time_start": self._rabbit.loop.moment(begun).timestamp(), "acknowledged": early}
                    for _, begun, _ in self.running.values()
                ]
            case "stats":
                pool = {"implementation": f"celery.concurrency.{_POOLS[self.kind.execution]}:TaskPool"}
                return {"total": {TASK: self.begun}, "pool": pool, "uptime": int(self._rabbit.loop.now - self.born)}
            case "registered":
                return [f"{TASK} [acks_late={self.kind.late}]"]
            case _:
                return {"ok": "software -> celery:5.6.3 (immunity) kombu:5.6.0 py:3.11.7"}

    def _consume(self, queue: str) -> None:
        found = self._rabbit.queues[queue]
        if self.alive and queue not in self.consuming:
            self.consuming.add(queue)
            found.consumers.append(self)
            self._rabbit.deliver(found)

    def _leave_all(self) -> None:
        for queue in sorted(self.consuming):
            self._rabbit.queues[queue].consumers.remove(self)
        self.consuming.clear()

    def _due(self, task: Task) -> None:
        if self.alive and self.scheduled.get(task.number) is task:
            del self.scheduled[task.number]
            self.reserved.append(task)
            self._begin()

    def _begin(self) -> None:
        loop = self._rabbit.loop
        while (
            self.alive
            and not self.stopping
            and self.reserved
            and len(self.running) + self._closed < self.kind.concurrency
        ):
            task = self.reserved.popleft()
            task.starts.append(self.pod)
            self.begun += 1
            if not self.running:
                self.begun_at = loop.now
            # A task that was delivered again may run here twice at once.
            self.running[self.begun] = task, loop.now, loop.call_later(task.seconds, self._end, self.begun)
            if not self.kind.late:
                self._rabbit.queues[task.queue].left += 1
                loop.call_soon(self._more)

    def _more(self) -> None:
        if self.connected and not self.stopping and not self._finishing:
            for queue in sorted(self.consuming):
                self._rabbit.deliver(self._rabbit.queues[queue])

    def _end(self, begin: int) -> None:
        loop = self._rabbit.loop
        if not self.alive:
            return
        task, at, _ = self.running[begin]
        if loop.now < self.hung_until:
            self.running[begin] = task, at, loop.call_at(self.hung_until + 0.01, self._end, begin)
            return
        del self.running[begin]
        task.ended, self._rabbit.ended_at = task.ended + 1, loop.now
        if self.kind.late and begin not in self._redelivered:
            self._rabbit.queues[task.queue].left += 1
        self._redelivered.discard(begin)
        self.idle_since = loop.now
        self._rabbit.has_time(self.node)
        if loop.now < self.slow_until:
            self._closed += 1
            loop.call_later(SLOW_CHILD_S, self._open)
        self._begin()
        self._more()
        if not self.running and (self.stopping or (self._finishing and not self.reserved)):
            self._exit()

    def _open(self) -> None:
        self._closed -= 1
        self._begin()

    def _exit(self) -> None:
        if self.alive:
            self.kill(EXIT)
            self._on_exit()

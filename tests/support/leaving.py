"""Lets one worker leave in each of the ways there are, and says what became of all it was sent; asserts nothing."""

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.support.celery_workers import Application, running, send
from tests.support.ledger import FileLedgerReader
from tests.support.processes import Process
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from utilitarian import routing
from utilitarian_operator.adapters.broker.workers.remote_control import RemoteControl
from utilitarian_operator.core.never_started import AFTER
from utilitarian_operator.core.objects import pre_stop_hook as pre_stop

QUEUE = routing.DEFAULT_QUEUE
POD = "leaving"
NODE = f"celery@{POD}"
GRACE = timedelta(minutes=2)
SOON = timedelta(seconds=60)


@dataclass(frozen=True)
class Kind:
    """Which worker: its Celery, and how it runs and acknowledges tasks.

    Attributes:
        version: of Celery, for the record; `python` has it.
        execution: prefork, threads, gevent or solo.
        late: whether it acknowledges a task after it ran.
        multiplier: messages it fetches ahead, for each slot.
        settings: of Celery, over the application's own, such as "broker.heartbeat=2".
        module: of the application.
    """

    version: str
    python: str | Path
    execution: str
    late: bool = False
    multiplier: int = 1
    settings: tuple[str, ...] = ()
    module: str = "utilitarian"

    @property
    def concurrency(self) -> int:
        """Slots: two, where the execution has more than one."""
        return 1 if self.execution == "solo" else 2

    def held(self, sent: int) -> tuple[int, int]:
        """Tasks that run, and messages unacknowledged, when it was sent so many and is as full as it gets."""
        running = min(sent, self.concurrency)
        return running, min(sent - (0 if self.late else running), self.concurrency * self.multiplier)


@dataclass(frozen=True)
class Outcome:
    """What became of the tasks of a worker that has left.

    Attributes:
        seconds: from the first word to its end.
        ran: tasks it finished.
        twice: tasks it began more than once.
        cut: tasks it began and did not finish.
        vanished: tasks it never began that are in the queue no more.
        returned: messages in the queue that it had held, or holds them twice: each has been delivered once for nothing.
        overlap: tasks that ran and are in the queue all the same, so that another worker runs them again.
    """

    seconds: float
    ran: int
    twice: int
    cut: int
    vanished: int
    returned: int
    overlap: int

    @property
    def harmless(self) -> bool:
        """Whether each task ran once, or waits to run once."""
        return not (self.twice or self.cut or self.vanished or self.overlap)


@dataclass
class Stand:
    """A worker alone on a virtual host, and what it was sent."""

    kind: Kind
    rabbitmq: RabbitMQ
    vhost: str
    queue_type: str
    worker: Process
    ledger: FileLedgerReader
    sent: list[str] = field(default_factory=list)

    @property
    def broker_url(self) -> str:
        """With user and password."""
        return self.rabbitmq.amqp_url(self.vhost)

    def fill(self, seconds: Sequence[float]) -> None:
        """Sends tasks of these durations, and waits until each slot runs one and as much as allowed is fetched ahead.

        Raises:
            NotInTimeError: it does not fill.
        """
        self.sent += send(self.broker_url, QUEUE, seconds, queue_type=self.queue_type)
        wait_until(self._full, within=SOON, describe=lambda: (self.rabbitmq.totals(self.vhost), self.worker.tail()))

    def _full(self) -> bool:
        totals = self.rabbitmq.totals(self.vhost).get(QUEUE)
        running = len(self.ledger.read().running())
        return totals is not None and (running, totals.unacked) == self.kind.held(len(self.sent))

    @property
    def waiting(self) -> int:
        """Messages in the queue that no worker has."""
        return self.rabbitmq.depth(self.vhost, QUEUE).ready

    def leave(self, way: "Way") -> Outcome:
        """Lets the worker leave, looks into queue and ledger, and empties the queue."""
        begun = time.monotonic()
        way(self)
        seconds = time.monotonic() - begun
        left, returned = self._queue()
        ledger = self.ledger.read()
        summary = ledger.summary(self.sent)
        return Outcome(
            seconds=round(seconds, 1),
            ran=len(summary.finished),
            twice=len(summary.run_twice),
            cut=len(summary.unfinished),
            vanished=len(summary.never_started - left),
            returned=returned,
            overlap=len(ledger.ids("start") & left),
        )

    def _queue(self) -> tuple[set[str], int]:
        # Another channel's messages come back a moment after its connection is closed.
        wait_until(lambda: self.rabbitmq.totals(self.vhost)[QUEUE].unacked == 0, within=SOON)
        messages = self.rabbitmq.take(self.vhost, QUEUE)
        ids = {str(message.headers["id"]) for message in messages}
        return ids, sum(bool(message.delivery_info["redelivered"]) for message in messages)


Way = Callable[[Stand], None]


@contextmanager
def started(
    kind: Kind,
    rabbitmq: RabbitMQ,
    directory: Path,
    *,
    queue_type: str = "classic",
    policy: Mapping[str, object] | None = None,
    through: Callable[[str], str] = str,
) -> Iterator[Stand]:
    """A worker that consumes and has been sent nothing yet.

    Args:
        kind: of the worker.
        rabbitmq: its broker, on which it has a virtual host of its own.
        directory: for its log and its ledger.
        queue_type: "classic" or "quorum".
        policy: for the queue, such as {"delivery-limit": 2}.
        through: makes of the broker's URL the one by which the worker reaches it.
    """
    settings = ["--", *kind.settings] if kind.settings else []
    env = {"UTILITARIAN_ACKS_LATE": str(kind.late).lower(), "UTILITARIAN_QUEUE_TYPE": queue_type}
    with rabbitmq.vhost() as vhost:
        if policy:
            rabbitmq.set_policy(vhost, QUEUE, policy)
        ledger = FileLedgerReader(directory / "ledger")
        url = through(rabbitmq.amqp_url(vhost))
        application = Application(url, directory, ledger.directory, env, kind.python, kind.module)
        flags = (f"--prefetch-multiplier={kind.multiplier}", *settings)
        worker = application.worker(POD, *flags, queues=[QUEUE], concurrency=kind.concurrency, execution=kind.execution)
        with running(worker):
            yield Stand(kind, rabbitmq, vhost, queue_type, worker, ledger)
            worker.kill()


@contextmanager
def standing(
    kind: Kind, rabbitmq: RabbitMQ, directory: Path, seconds: Sequence[float], **options: Any
) -> Iterator[Stand]:
    """A worker that has been sent tasks of these durations and is full of them; `options` as for `started`.

    Raises:
        NotInTimeError: it does not fill.
    """
    with started(kind, rabbitmq, directory, **options) as stand:
        stand.fill(seconds)
        yield stand


def led(stand: Stand) -> None:
    """As the operator does: cancel its consumers, wait until it consumes and holds nothing; then a kubelet ends it."""
    with closing(RemoteControl(stand.broker_url)) as control:

        def empty() -> bool:
            held = control.holdings([NODE], queues=True, learning=True).get(NODE)
            if held is None or held.consuming != ():
                control.cancel_consumers(NODE, [QUEUE])
            return held is not None and held.consuming == () and held.nothing

        wait_until(empty, within=GRACE, every=timedelta(seconds=0.5), describe=stand.worker.tail)
    by_hook(stand)


def by_hook(stand: Stand, never_begun: timedelta = AFTER) -> None:
    """As a kubelet does when the pod is ended from outside: the preStop hook, then SIGTERM."""
    hook(stand, never_begun=never_begun).wait(within=GRACE)
    plain(stand)


def plain(stand: Stand) -> None:
    """SIGTERM and nothing else, which is what a worker gets from a process manager that doesn't know Celery."""
    stand.worker.signal(signal.SIGTERM)
    stand.worker.wait(within=GRACE)


def hook(
    stand: Stand,
    *,
    grace: timedelta = GRACE,
    silence: timedelta = pre_stop.SILENCE,
    first_answer: timedelta = pre_stop.FIRST_ANSWER,
    never_begun: timedelta = AFTER,
    url: str = "",
    **env: str,
) -> Process:
    """The preStop hook, started; it takes the worker's process for number 1, as it is in a container."""
    _, *words = pre_stop.command(grace, stand.kind.execution, silence, first_answer, never_begun)
    command = [word.replace("/proc/1/", f"/proc/{stand.worker.pid}/") for word in words]
    variables = {"POD_NAME": POD, "CELERY_BROKER_URL": url or stand.broker_url, **env}
    log = stand.worker.log.with_name("pre-stop.log")
    return Process("pre-stop", [stand.kind.python, *command], log=log, env=variables).start()

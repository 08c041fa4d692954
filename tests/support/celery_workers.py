"""Runs the reference application's workers and beat as plain processes, and sends them tasks; it watches no queue."""

import contextlib
import re
import signal
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from tests.support.controlplane import REPOSITORY
from tests.support.processes import Process
from utilitarian import routing
from utilitarian.celery import build
from utilitarian.settings import Settings

START_WITHIN = timedelta(seconds=60)
# As the operator runs them. Without mingle a worker starts a second sooner; without heartbeats one of threads or solo
# takes up to ten seconds to stop, since its timer sleeps that long when nothing else is due.
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")


@dataclass
class Application:
    """One installation of the reference application: its broker, its ledger, and a folder for logs and beat's file.

    `ledger` is "amqp", a directory or None; `env` is added to the environment of each process; `python` is an
    interpreter that has Celery; `module` is the reference application or one that is made of it.
    """

    broker_url: str
    directory: Path
    ledger: str | Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    python: str | Path = sys.executable
    module: str = "utilitarian"

    def worker(
        self,
        name: str,
        *flags: str,
        queues: Sequence[str] = (),
        concurrency: int = 2,
        execution: str = "prefork",
        quiet: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> Process:
        """A worker called `celery@NAME`, not started yet; without `queues` it consumes all 14.

        `quiet` runs it as the operator does, without the chatter between workers; else as the vendor documents it.

        `running` starts it, waits until it consumes, and stops it as a kubelet does (SIGTERM).
        """
        chosen = ["-Q", ",".join(queues)] if queues else []
        command = ["worker", "--loglevel=INFO", "-n", f"celery@{name}", *chosen]
        size = [f"--concurrency={concurrency}", f"--pool={execution}"]
        return self._process(name, [*command, *size, *(QUIET if quiet else ()), *flags], env)

    def beat(self, *flags: str, name: str = "beat", env: Mapping[str, str] | None = None) -> Process:
        """A beat, not started yet, that keeps its schedule file in the application's folder."""
        self.directory.mkdir(parents=True, exist_ok=True)
        schedule = self.directory / f"{name}-schedule"
        return self._process(name, ["beat", "--loglevel=INFO", "-s", str(schedule), *flags], env)

    def _process(self, name: str, words: Sequence[str], env: Mapping[str, str] | None) -> Process:
        variables = {
            "CELERY_BROKER_URL": self.broker_url,
            "PYTHONPATH": f"{REPOSITORY / 'worker'}:{REPOSITORY}",
            "PYTHONUNBUFFERED": "1",
            "UTILITARIAN_LEDGER": str(self.ledger or ""),
            **self.env,
            **(env or {}),
        }
        command = [str(self.python), "-m", "celery", "-A", self.module, *words]
        return Process(name, command, log=self.directory / f"{name}.log", env=variables)


def send(
    broker_url: str,
    queue: str,
    seconds: Sequence[float],
    *,
    queue_type: str = "classic",
    exchange_type: str = "direct",
    eta: datetime | None = None,
) -> list[str]:
    """Puts a task of each duration into a queue, all at once: a look sees none of them or (nearly) all.

    Returns their ids. A queue that is not there yet is made with these types, "classic" or "quorum" and "direct" or
    "topic"; tasks with an `eta` are not run before it.
    """
    app = build(Settings(queue_type=queue_type, exchange_type=exchange_type))
    app.conf.broker_transport_options = {}  # a channel has either confirms or transactions
    ids = [str(uuid.uuid4()) for _ in seconds]
    with app.connection_for_write(broker_url) as connection, connection.channel() as channel:
        channel.tx_select()
        producer = app.amqp.Producer(channel)
        for task_id, duration in zip(ids, seconds, strict=True):
            work = {"duration": {"distribution": "fixed", "seconds": duration}}
            app.send_task(routing.WORK_TASKS[queue], kwargs=work, task_id=task_id, eta=eta, producer=producer)
        channel.tx_commit()
    return ids


@contextlib.contextmanager
def sender(broker_url: str) -> Iterator[Callable[[str, float], str]]:
    """Publishes single tasks through one connection, by queue and seconds, and says their ids.

    To open a connection for each would take what the workers need.
    """
    app = build(Settings(queue_type="classic"))
    with app.connection_for_write(broker_url) as connection, connection.channel() as channel:
        producer = app.amqp.Producer(channel)

        def send(queue: str, seconds: float) -> str:
            work = {"duration": {"distribution": "fixed", "seconds": round(seconds, 3)}}
            return str(app.send_task(routing.WORK_TASKS[queue], kwargs=work, producer=producer).id)

        yield send


@contextlib.contextmanager
def running(*workers: Process, within: timedelta = START_WITHIN) -> Iterator[tuple[Process, ...]]:
    """Workers for the time of the block: started side by side, all of them consuming when it begins.

    Raises:
        ProcessEndedError: a worker ended.
        NotInTimeError: a worker is not ready; the message ends with its log.
    """
    with contextlib.ExitStack() as stack:
        for worker in workers:
            stack.enter_context(worker)
        for worker in workers:
            wait_worker_ready(worker, within=within)
        yield workers
        # Told together, so that they also stop side by side.
        for worker in workers:
            worker.signal(signal.SIGTERM)


def wait_worker_ready(worker: Process, *, within: timedelta = START_WITHIN) -> None:
    """Waits until a worker that was started says that it is ready.

    Raises:
        ProcessEndedError: it ended.
        NotInTimeError: it is not ready; the message ends with its log.
    """
    worker.wait_ready(lambda: re.search(r"celery@\S+ ready\.", worker.log_text()), within=within)

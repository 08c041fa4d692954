"""A real beat keeps the contract by which that of the adversary's model is held to it."""

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from celery.beat import PersistentScheduler

from tests.support.beat_contract import BeatContract
from tests.support.celery_workers import Application
from tests.support.processes import Process
from tests.support.rabbitmq import RabbitMQ
from tests.support.tcp_link import TcpLink
from tests.support.waiting import wait_until
from utilitarian import routing
from utilitarian.celery import build
from utilitarian.settings import Settings

SOON = timedelta(seconds=60)
EVERY, A_WHILE = timedelta(hours=1), timedelta(seconds=5)
BEGUN = timedelta(seconds=12)
"""By then a beat has begun, and has sent what was due."""
ENTRY, QUEUE = "cleanup", routing.CLEANUP_QUEUE
LOOKED = "beat: Waking up"
"""What it says, among what is for debugging, when all that was due has been sent."""
REFUSED, LOST = "beat: Connection error", "Message Error: Couldn't apply scheduled task"
"""What it says where it waits for its broker, and where it gives an entry up."""
AS_THE_OPERATOR_RUNS_IT = ("--loglevel=DEBUG", "beat.sync_every=1")


class Real:
    """A virtual host of RabbitMQ and beats of the reference application."""

    def __init__(self, rabbitmq: RabbitMQ, vhost: str, directory: Path, stack: ExitStack) -> None:
        self._rabbitmq, self._vhost, self._directory, self._stack = rabbitmq, vhost, directory, stack
        often = {"UTILITARIAN_BEAT_COMPRESSED": str(EVERY.total_seconds())}
        self._link = stack.enter_context(TcpLink(rabbitmq.amqp_url(vhost)))
        self._application = Application(self._link.url, directory, env=often)
        self._beats: dict[str, Process] = {}
        self._begun = 0

    def missed(self, name: str, times: int) -> None:
        self._write(name, times * EVERY + A_WHILE, others=timedelta(0))

    def soon(self, *names: str) -> None:
        for name in names:
            self._write(name, EVERY - A_WHILE, others=timedelta(0))

    def later(self, name: str) -> None:
        self._write(name, EVERY - BEGUN, others=EVERY + A_WHILE)

    def away(self) -> AbstractContextManager[None]:
        return self._link.refusing()

    def lost(self, name: str) -> bool:
        return LOST in self._beats[name].log_text()

    def begin(self, name: str) -> None:
        self._begun += 1
        flags = ("-s", str(self._file(name)), *AS_THE_OPERATOR_RUNS_IT)
        beat = self._beats[name] = self._application.beat(*flags, name=f"{name}-{self._begun}")
        self._stack.enter_context(beat)
        beat.wait_ready(lambda: any(it in beat.log_text() for it in (LOOKED, REFUSED)), within=SOON)

    def terminate(self, name: str) -> None:
        self._beats[name].signal(signal.SIGTERM)
        self._beats[name].wait(within=SOON)

    def kill(self, name: str) -> None:
        self._beats[name].kill()

    def lose_volume(self, name: str) -> None:
        for file in self._directory.glob(f"{self._file(name).name}*"):
            file.unlink()

    def sent(self) -> int:
        return self._rabbitmq.totals(self._vhost).get(QUEUE, (0, 0))[0]

    def wait(self, condition: Callable[[], object]) -> None:
        wait_until(condition, within=SOON, describe=lambda: "\n".join([f"{self.sent()} sent", *map(str, self._logs())]))

    def _logs(self) -> Iterator[str]:
        return (beat.tail() for beat in self._beats.values())

    def _file(self, name: str) -> Path:
        return self._directory / f"{name}.schedule"

    def _write(self, name: str, since: timedelta, *, others: timedelta) -> None:
        """The file that Celery's own scheduler writes, of a beat that last sent the entry, and others, so long ago."""
        self._directory.mkdir(parents=True, exist_ok=True)
        app = build(Settings(beat_compressed=EVERY))
        scheduler = PersistentScheduler(app=app, schedule_filename=str(self._file(name)))
        for entry in scheduler.schedule.values():
            entry.last_run_at -= since if entry.name == ENTRY else others
        scheduler.close()


@pytest.fixture
def scene(rabbitmq: RabbitMQ, vhost: str, tmp_path: Path) -> Iterator[Real]:
    """A virtual host of a real broker."""
    with ExitStack() as stack:
        yield Real(rabbitmq, vhost, tmp_path / "beats", stack)


class TestBeat(BeatContract):
    """As the operator runs it."""

"""Records the start and end of every task, so that others can count them; it decides nothing and counts nothing.

A record is written before the task goes on: when it can't be written, the task fails. After a lost connection a record
may stand twice, equal to the last digit of its time; readers drop the copy.
"""

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from amqp.exceptions import MessageNacked
from kombu import Connection

Event = Literal["start", "end", "fail"]

LEDGER_QUEUE = "utilitarian.ledger"
ATTEMPTS = 6
FIRST_PAUSE = 0.2  # seconds; doubled after each attempt: 6 s in all
CONFIRM_WITHIN = 5.0  # seconds


class LedgerUnavailableError(Exception):
    """A record could not be written."""


@dataclass(frozen=True)
class Record:
    """One event of a task; `at` is seconds since the epoch, `hostname` the worker's node name."""

    task_id: str
    event: Event
    at: float
    queue: str
    hostname: str
    pid: int

    def to_json(self) -> str:
        """The record as one line without a line end."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            ValueError: it is no record.
        """
        try:
            return cls(**json.loads(line))
        except TypeError as error:
            raise ValueError(f"{line!r} is no ledger record: {error}") from error


class Ledger(Protocol):
    """Where records go."""

    def write(self, record: Record) -> None:
        """Writes a record and returns when it is safe from the end of this process.

        Raises:
            LedgerUnavailableError: it could not be written.
        """
        ...


class FileLedger:
    """One append-only file for each process in a directory that exists or can be made."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._owner: int | None = None
        self._file = -1

    def write(self, record: Record) -> None:
        """Appends one line in one system call, so that a killed process leaves no half line between others.

        Raises:
            LedgerUnavailableError: the file can't be made, or the disk is full.
        """
        line = f"{record.to_json()}\n".encode()
        with self._lock:
            try:
                written = os.write(self._descriptor(record.hostname), line)
            except OSError as error:
                raise LedgerUnavailableError(f"can't write the ledger in {self._directory}: {error}") from error
        if written != len(line):
            raise LedgerUnavailableError(f"the disk of the ledger in {self._directory} is full")

    def _descriptor(self, hostname: str) -> int:
        # A child must not share its parent's file: the name says which process wrote it.
        if self._owner != os.getpid():
            self._directory.mkdir(parents=True, exist_ok=True)
            path = self._directory / f"{hostname}-{os.getpid()}.jsonl"
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._owner = os.getpid()
        return self._file


class BrokerLedger:
    """A durable queue on the application's own broker, written with publisher confirms.

    `connect` makes a new connection, not opened yet; each process opens its own, when it writes its first record.
    """

    def __init__(self, connect: Callable[[], Connection], *, attempts: int = ATTEMPTS) -> None:
        self._connect = connect
        self._attempts = attempts
        self._lock = threading.Lock()
        self._owner: int | None = None
        self._connection: Connection | None = None
        self._channel: Any = None

    def write(self, record: Record) -> None:
        """Publishes a record and waits for the broker's confirmation; reconnects as often as `attempts` allows.

        Raises:
            LedgerUnavailableError: the broker confirmed it in none of the attempts.
        """
        pause = FIRST_PAUSE
        with self._lock:
            for attempt in range(1, self._attempts + 1):
                try:
                    self._publish(record)
                except _broker_errors(self._connection) as error:
                    self._drop()
                    if attempt == self._attempts:
                        raise LedgerUnavailableError(
                            f"the broker took no ledger record in {attempt} attempts: {error!r}"
                        ) from error
                    time.sleep(pause)
                    pause *= 2
                else:
                    return

    def close(self) -> None:
        """Closes this process's connection, if there is one; the next record opens another."""
        with self._lock:
            if self._owner == os.getpid():
                self._drop()

    def _publish(self, record: Record) -> None:
        if self._owner != os.getpid():
            # What a parent left here is the parent's: using or closing it would mix two processes on one socket.
            self._connection = self._channel = None
            self._owner = os.getpid()
        if self._channel is None:
            self._open()
        message = self._channel.prepare_message(
            record.to_json(),
            content_type="application/json",
            content_encoding="utf-8",
            properties={"delivery_mode": 2},
        )
        self._channel.basic_publish(
            message, exchange="", routing_key=LEDGER_QUEUE, confirm_timeout=CONFIRM_WITHIN, timeout=CONFIRM_WITHIN
        )

    def _open(self) -> None:
        self._connection = self._connect()
        channel = self._connection.channel()
        channel.queue_declare(LEDGER_QUEUE, durable=True, auto_delete=False)
        self._channel = channel

    def _drop(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(*_broker_errors(connection)):
                connection.collect(socket_timeout=1)


def _broker_errors(connection: Connection | None) -> tuple[type[Exception], ...]:
    if connection is None:
        return (OSError, MessageNacked)
    return (OSError, MessageNacked, *connection.connection_errors, *connection.channel_errors)


def open_ledger(setting: str | None, connect: Callable[[], Connection]) -> Ledger | None:
    """The ledger that UTILITARIAN_LEDGER names: "amqp", a directory, or none."""
    if setting is None:
        return None
    return BrokerLedger(connect) if setting == "amqp" else FileLedger(Path(setting))


@contextlib.contextmanager
def recorded(ledger: Ledger | None, task_id: str, queue: str, hostname: str) -> Iterator[None]:
    """Records the start of the block and its end, or its failure, whatever that is.

    Raises:
        LedgerUnavailableError: one of the records could not be written.
    """

    def write(event: Event) -> None:
        if ledger is not None:
            ledger.write(Record(task_id, event, time.time(), queue, hostname, os.getpid()))

    write("start")
    try:
        yield
    except BaseException:
        write("fail")
        raise
    write("end")

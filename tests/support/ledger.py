"""Reads the ledgers of the reference application and counts what happened to which task; it changes no record."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import amqp

from tests.support.rabbitmq import RabbitMQ
from utilitarian.ledger import LEDGER_QUEUE, Record


@dataclass(frozen=True)
class Summary:
    """What became of the tasks that were sent; every field holds task ids.

    Attributes:
        sent: all that were asked about.
        finished: ended without failing at least once.
        failed: failed, and never ended otherwise.
        unfinished: started, and neither ended nor failed yet (lost, unless they still run).
        never_started: no record at all (lost, unless they still wait).
        run_twice: started more than once.
        unknown: in the ledger, though not sent.
    """

    sent: frozenset[str]
    finished: frozenset[str]
    failed: frozenset[str]
    unfinished: frozenset[str]
    never_started: frozenset[str]
    run_twice: frozenset[str]
    unknown: frozenset[str]

    @property
    def lost(self) -> frozenset[str]:
        """What neither finished nor failed."""
        return self.unfinished | self.never_started

    @property
    def each_finished_once(self) -> bool:
        """Whether every task that was sent finished, and none was started twice."""
        return self.finished == self.sent and not self.run_twice

    def __str__(self) -> str:
        return (
            f"{len(self.sent)} sent, {len(self.finished)} finished, {len(self.failed)} failed, "
            f"{len(self.lost)} lost (of them {len(self.unfinished)} started), {len(self.run_twice)} run twice"
        )


@dataclass(frozen=True)
class Ledger:
    """The records of a run in the order of their time, each once."""

    records: Sequence[Record]

    @classmethod
    def of(cls, records: Iterable[Record]) -> "Ledger":
        """Orders records and drops copies (the application repeats a record whose confirmation it did not get)."""
        return cls(sorted(set(records), key=lambda record: record.at))

    def ids(self, event: str) -> frozenset[str]:
        """The tasks that have a record of this event: "start", "end" or "fail"."""
        return frozenset(record.task_id for record in self.records if record.event == event)

    def of_queue(self, queue: str) -> "Ledger":
        """The part of one queue."""
        return Ledger([record for record in self.records if record.queue == queue])

    def summary(self, sent: Iterable[str]) -> Summary:
        """Counts what became of the tasks with these ids; records of other tasks are named `unknown`."""
        asked = frozenset(sent)
        starts = Counter(record.task_id for record in self.records if record.event == "start")
        finished = self.ids("end") & asked
        failed = (self.ids("fail") & asked) - finished
        started = frozenset(starts) & asked
        return Summary(
            sent=asked,
            finished=finished,
            failed=failed,
            unfinished=started - finished - failed,
            never_started=asked - started,
            run_twice=frozenset(task for task, times in starts.items() if times > 1) & asked,
            unknown=frozenset(starts) - asked,
        )

    def running(self) -> frozenset[str]:
        """The tasks that were started more often than they ended."""
        balance = Counter[str]()
        for record in self.records:
            balance[record.task_id] += 1 if record.event == "start" else -1
        return frozenset(task for task, open_runs in balance.items() if open_runs > 0)


class LedgerReader(Protocol):
    """Reads a ledger that is still being written."""

    def read(self) -> Ledger:
        """All records so far."""
        ...


@dataclass(frozen=True)
class FileLedgerReader:
    """Reads the files of a directory; the last line of a file may be half written and is left for the next time."""

    directory: Path

    def read(self) -> Ledger:
        """All records so far; none if the directory does not exist yet.

        Raises:
            ValueError: a whole line is no record.
        """
        lines: list[str] = []
        for file in self.directory.glob("*.jsonl"):
            whole, _, _ = file.read_text().rpartition("\n")
            lines += whole.splitlines()
        return Ledger.of(map(Record.from_json, lines))


class BrokerLedgerReader:
    """Takes the records out of the ledger's queue and keeps them; there may be one reader of a queue only."""

    def __init__(self, rabbitmq: RabbitMQ, vhost: str) -> None:
        self._rabbitmq = rabbitmq
        self._vhost = vhost
        self._records: list[Record] = []

    def read(self) -> Ledger:
        """All records so far; none if no task has started yet.

        Raises:
            ValueError: a message is no record.
            OSError: the broker does not answer; what was read before is kept, what was not is still in the queue.
        """
        with self._rabbitmq.channel(self._vhost) as channel:
            try:
                while (message := channel.basic_get(LEDGER_QUEUE, no_ack=False)) is not None:
                    self._records.append(Record.from_json(message.body))
                    channel.basic_ack(message.delivery_tag)
            except amqp.NotFound:
                # The queue is declared by the first task that starts.
                return Ledger.of(self._records)
        return Ledger.of(self._records)

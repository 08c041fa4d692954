"""Reads the ledgers of the reference application, while they are being written too; it counts nothing itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import amqp

from tests.support.rabbitmq import RabbitMQ
from utilitarian.ledger import LEDGER_QUEUE, Record
from utilitarian.reckoning import Ledger, Summary

__all__ = ["BrokerLedgerReader", "FileLedgerReader", "Ledger", "LedgerReader", "Summary"]


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

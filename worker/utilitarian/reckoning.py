"""Counts from the ledger's records what happened to which task; it reads no ledger and changes no record."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from utilitarian.ledger import Record


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

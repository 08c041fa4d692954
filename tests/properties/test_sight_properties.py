"""What is made of a broker's count and of its workers' word, read at different moments of a queue that goes on."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present
from utilitarian_operator.core.sizing.facts import facts

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
WORKERS = 3


class At(Enum):
    """Where a task is."""

    READY = "ready"
    FOR_LATER = "for later"
    FETCHED = "fetched"
    RUNS = "runs"
    GONE = "gone"


@dataclass
class Task:
    """One task: `acked_early` says when its message is acknowledged, `eta` whether it has to wait in its worker."""

    acked_early: bool
    eta: bool
    at: At = At.READY
    worker: int = 0

    @property
    def to_do(self) -> bool:
        """Whether it is neither over nor waits for its time."""
        return self.at is not At.GONE and self.at is not At.FOR_LATER and not (self.at is At.READY and self.eta)

    @property
    def unacked(self) -> bool:
        """Whether the broker counts it as delivered and not acknowledged."""
        return self.at in {At.FOR_LATER, At.FETCHED} or (self.at is At.RUNS and not self.acked_early)


@dataclass
class Queue:
    """A queue, its workers, and the tasks that were to do since the first reading."""

    tasks: list[Task] = field(default_factory=list)
    throughout: set[int] = field(default_factory=set)
    ever: set[int] = field(default_factory=set)

    def step(self, kind: str, which: int, worker: int) -> None:
        """One thing that happens: a task comes, or one of them goes on."""
        if kind in {"early", "late", "eta"}:
            self.tasks.append(Task(kind != "late", kind == "eta"))
        elif self.tasks:
            _go_on(self.tasks[which % len(self.tasks)], worker)
        doing = {number for number, task in enumerate(self.tasks) if task.to_do}
        self.throughout, self.ever = self.throughout & doing, self.ever | doing

    def unacked(self) -> int:
        """What the broker counts now; the tasks of this moment are those to be compared with."""
        self.throughout = {number for number, task in enumerate(self.tasks) if task.to_do}
        self.ever = set(self.throughout)
        return sum(task.unacked for task in self.tasks)

    def held(self, worker: int) -> WorkerLoad:
        """What a worker says now."""
        mine = [task for task in self.tasks if task.worker == worker]
        running = [task for task in mine if task.at is At.RUNS]
        return WorkerLoad(
            active=len(running),
            acked_early=sum(task.acked_early for task in running),
            reserved=sum(task.at is At.FETCHED for task in mine),
            scheduled=sum(task.at is At.FOR_LATER for task in mine),
        )


def _go_on(task: Task, worker: int) -> None:
    if task.at is At.READY:
        task.at, task.worker = At.FOR_LATER if task.eta else At.FETCHED, worker
    elif task.at is At.FOR_LATER:
        task.at = At.FETCHED
    elif task.at is At.FETCHED:
        task.at = At.RUNS
    elif task.at is At.RUNS:
        task.at = At.GONE


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["early", "late", "eta", "on", "on", "on", "on"]),
        st.integers(0, 30),
        st.integers(0, WORKERS - 1),
    ),
    max_size=40,
)


@settings(max_examples=examples(400))
@given(STEPS, STEPS, st.sets(st.integers(0, WORKERS - 1), max_size=1))
def test_at_least_is_never_more_and_work_never_less_than_there_is(
    before: list[tuple[str, int, int]], since: list[tuple[str, int, int]], going: set[int]
) -> None:
    """The broker counted after the first steps; workers are asked, and the queue is read, after the others.

    What a worker on its way out holds is its own business: no other is needed for it.
    """
    queue = Queue()
    for it in before:
        queue.step(*it)
    unacked = queue.unacked()
    for it in since:
        queue.step(*it)
    ready = sum(task.at is At.READY for task in queue.tasks)
    waiting_for_later = sum(task.at is At.READY and task.eta for task in queue.tasks)
    pods = tuple(
        PodSnapshot(str(worker), ready=True, running=True, leaving=worker in going, held=queue.held(worker))
        for worker in range(WORKERS)
    )
    seen = facts(PoolSnapshot({"q": Present(ready, WORKERS, unacked)}, unacked, pods, WORKERS))
    kept = {
        number
        for number, task in enumerate(queue.tasks)
        if task.worker in going and task.at in {At.FETCHED, At.RUNS, At.FOR_LATER}
    }
    # A message that waits in the queue is work for a worker, whatever its task waits for.
    assert seen.at_least is not None
    assert seen.at_least <= len(queue.ever - kept) + waiting_for_later
    assert isinstance(seen.work, int)
    assert seen.work >= len(queue.throughout - kept) + waiting_for_later

"""What was seen of one worker: its pod, and what it holds by its own word."""

from dataclasses import dataclass
from datetime import datetime

from utilitarian_operator.core.observation.counted.start_ups import StartUp
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.usage import PodUsage


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """What one worker holds, by its own word (Celery's remote control).

    Args:
        active: tasks running, without `never_begun`.
        acked_early: those of them already acknowledged: the broker doesn't know of them any more.
        reserved: messages prefetched and not yet started.
        scheduled: messages that wait in the worker for their ETA.
        oldest_s: seconds that the longest running of them has run.
        begun: tasks begun since the worker started; None where it was not asked for that.
        consuming: queues that it consumes; None where it was not asked for that.
        first_due: the earliest ETA of those scheduled; None where none is, or it was not said.
        limited: whether it has run a task with a rate limit: messages that wait for that are shown nowhere.
        never_begun: tasks that it calls active and will never run.
        own: those of `consuming` that are surely this worker's alone.
        passing: those of `consuming` that are deleted with their last consumer.
        single: those of `consuming` that hand messages to one consumer at a time.
        took_s: seconds until it answered.
        alone: whether it runs its tasks in the thread that answers, one at a time.
        up_s: seconds since it started; None where it does not say.
    """

    active: int
    acked_early: int
    reserved: int
    scheduled: int
    oldest_s: float = 0.0
    begun: int | None = None
    consuming: tuple[str, ...] | None = None
    first_due: datetime | None = None
    limited: bool = False
    never_begun: int = 0
    own: frozenset[str] = frozenset()
    passing: frozenset[str] = frozenset()
    single: frozenset[str] = frozenset()
    took_s: float = 0.0
    alone: bool = False
    up_s: float | None = None

    @property
    def nothing(self) -> bool:
        """Whether the worker holds no task of any kind."""
        return not (self.active or self.reserved or self.scheduled)

    @property
    def unacked(self) -> int:
        """Messages that the broker counts as unacknowledged because of this worker."""
        return self.active - self.acked_early + self.reserved + self.scheduled


@dataclass(frozen=True)
class PodSnapshot:
    """One pod of a pool; without slots, so that one can be made of another (`changed`).

    Args:
        name: of the pod; its worker is `celery@NAME`.
        ready: the kubelet's word.
        running: whether its container runs; one that doesn't can hold no task.
        leaving: whether it is being deleted.
        leaves_by: until when it may finish what it holds, where it is being deleted.
        held: what its worker holds; Unknown when it did not answer or was not asked.
        sample: what its worker last said, some seconds ago perhaps; good for averages, never for stopping it.
        deaf: whether it says now that it holds and consumes nothing, and is not believed: it was told to consume again.
        completed: tasks it ended since the last look, by its answers; None while it is not known.
        slot_seconds: what they took since then, and those that run; None as above.
        lasted_s: seconds of the task that it ended since the last look and was silent through; 0 where none was.
        started_up: its start, given once it is ready; None before and afterwards.
        gated: whether its template has the operator's readiness gate.
        gate: what the operator last set it to; None while it has not.
        marked: since when it is chosen to leave; None if it is not.
        cheapest: whether it has the lowest deletion cost.
        revision: of its template, as the Deployment controller numbers it.
        running_since: when its container began to run; None while it doesn't.
        blank: whether it should long have started and surely has taken no message: what it holds is then deduced.
        caught_up: whether the watch has seen all that the operator wrote to it.
        usage: of CPU and memory, given once, after each reading; None at all other looks.
        early_proxy: the container of a mesh beside it that ends before it does; empty if there is none.
        queues: that its command names.
    """

    name: str
    ready: bool
    running: bool
    leaving: bool
    held: WorkerLoad | Unknown
    sample: WorkerLoad | None = None
    deaf: bool = False
    completed: int | None = None
    slot_seconds: float | None = None
    lasted_s: float = 0.0
    started_up: StartUp | None = None
    gated: bool = False
    gate: bool | None = None
    marked: datetime | None = None
    cheapest: bool = False
    revision: str = ""
    running_since: datetime | None = None
    blank: bool = False
    caught_up: bool = True
    usage: PodUsage | None = None
    early_proxy: str = ""
    leaves_by: datetime | None = None
    queues: tuple[str, ...] = ()

    @property
    def staying(self) -> bool:
        """Whether it is neither being deleted nor chosen to leave."""
        return not self.leaving and self.marked is None

    @property
    def released(self) -> bool:
        """Whether the ReplicaSet controller would choose it before any worker that stays, as the watch showed it."""
        return self.caught_up and self.cheapest and (self.gate is False or not self.gated)

    @property
    def returnable(self) -> bool:
        """Whether it was chosen to leave, surely holds tasks, and nothing was done yet by which it could go."""
        chosen = self.marked is not None and not self.leaving and not self.released and self.gate is not False
        return chosen and isinstance(self.held, WorkerLoad) and bool(self.held.active or self.held.reserved)

    @property
    def word(self) -> WorkerLoad | None:
        """What its worker said last, with its queues if possible, some seconds ago perhaps; None if it is silent."""
        held = None if isinstance(self.held, Unknown) else self.held
        return held if held is not None and held.consuming is not None else self.sample or held

    @property
    def takes_nothing(self) -> bool:
        """Whether its worker said last that it consumes nothing; also where that is not believed of what it may do."""
        word = self.word
        return word is not None and word.consuming == () and not self.blank

    @property
    def serves(self) -> bool:
        """Whether it is ready and stays, so that it ought to consume."""
        return self.ready and self.running and self.staying

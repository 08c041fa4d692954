"""What the rules of one pool look at, as figures that a simulated fleet can give too."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from utilitarian_operator.core.observation.counted.start_ups import MOST_AT_ONCE
from utilitarian_operator.core.observation.model.figures import Count, Unknown, add
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present
from utilitarian_operator.core.observation.model.usage import PodUsage


@dataclass(frozen=True)
class Facts:
    """One pool at one moment; without slots, so that one can be made of another (`changed`).

    Args:
        current: workers asked for, without those that are draining.
        ready: messages waiting on the pool's queues.
        work: tasks to do, running ones included, deferred ones not; never fewer than there are.
        at_least: those that are certain: never more than there are; None when even `ready` is unknown.
        idle: workers that say they hold nothing but tasks that wait for their ETA, or whose container doesn't run.
        running: tasks that run, by the workers' own word.
        draining: workers there beside those: on their way out, or more than the Deployment is seen to ask for.
        returnable: those of them that hold tasks, and may consume again if more workers are wanted.
        deferred: tasks that wait for their ETA in a worker that stays.
        arrived: tasks that came since the last look; None without statistics.
        completed: tasks that ended since the last look, of workers that say so; None where none does.
        slot_seconds: what the tasks of the same workers took over the same time; None: `running` for the whole time.
        missing: queues that don't exist.
        serving: workers that are ready and stay.
        longest_s: seconds of the longest task seen running or ended; 0 where none was.
        first_due: the earliest ETA of the deferred ones; None where none is, or it was not said.
        leaving: workers whose container runs and that are on their way out.
        given_back: tasks with an ETA that those hold; None where one of them does not say.
        still_held: the part of them in workers that have not been ended yet; None where one of those does not say.
        started_up: seconds of the start of each worker that became ready since the last look, without what it waited
            for; of those starts of which few ran at once in the fleet.
        started_together: the same of larger groups, which slow each other down.
        start_waited_s: the longest that one of them waited for node, image or broker; None where none started.
        starved: why no worker takes the work that waits, though free; empty where work goes on.
        measured: what workers that stay used of CPU and memory, where a reading is new and they are all alike.
        held_up: why more workers would fare no better than those that can't be had; empty if they would.
        consumed: whether each queue has consumers, of whatever fleet: then its leader answers for it.
        seen_ready: messages waiting on those queues that can be seen, where others of the pool can't; else 0.
    """

    current: int
    ready: Count
    work: Count
    at_least: int | None
    idle: int
    running: int = 0
    deferred: int = 0
    arrived: int | None = None
    completed: int | None = None
    slot_seconds: float | None = None
    missing: tuple[str, ...] = ()
    serving: int = 0
    longest_s: float = 0.0
    started_up: tuple[float, ...] = ()
    started_together: tuple[float, ...] = ()
    start_waited_s: float | None = None
    starved: str = ""
    draining: int = 0
    first_due: datetime | None = None
    leaving: int = 0
    given_back: int | None = 0
    still_held: int | None = 0
    held_up: str = ""
    measured: tuple[PodUsage, ...] = ()
    consumed: bool = False
    seen_ready: int = 0
    returnable: int = 0

    @property
    def nothing_to_do(self) -> bool:
        """Whether broker and workers all say, freshly, that there is no task but those that wait for their ETA."""
        return self.work == 0


def facts(snapshot: PoolSnapshot, starved: str = "") -> Facts:
    """The facts of one look at a real pool.

    Args:
        snapshot: of the look.
        starved: why no worker takes the work that waits, by looks over time.
    """
    ready = snapshot.ready
    samples = [pod.sample for pod in snapshot.pods if pod.sample is not None]
    counted = [pod for pod in snapshot.pods if pod.completed is not None]
    return Facts(
        current=snapshot.current,
        ready=ready,
        work=add((snapshot.most_ready, snapshot.begun_or_next, snapshot.elsewhere)),
        at_least=None if isinstance(ready, Unknown) else ready + snapshot.surely_held,
        idle=sum(is_idle(pod) for pod in snapshot.pods if pod.staying),
        running=sum(sample.active for sample in samples),
        arrived=snapshot.arrived,
        completed=sum(pod.completed or 0 for pod in counted) if counted else None,
        slot_seconds=sum(pod.slot_seconds or 0.0 for pod in counted) if counted else None,
        longest_s=max(
            [*(sample.oldest_s for sample in samples), *(pod.lasted_s for pod in snapshot.pods)], default=0.0
        ),
        started_up=_starts(snapshot, together=False),
        started_together=_starts(snapshot, together=True),
        start_waited_s=max(
            (pod.started_up.waited_s for pod in snapshot.pods if pod.started_up is not None), default=None
        ),
        deferred=snapshot.total("scheduled", going=False),
        missing=snapshot.missing,
        serving=snapshot.ready_workers,
        starved=starved,
        draining=snapshot.holding,
        first_due=min((it for pod in snapshot.pods if pod.staying and (it := _first_due(pod))), default=None),
        leaving=sum(pod.running and not pod.staying for pod in snapshot.pods),
        given_back=_scheduled(pod for pod in snapshot.pods if pod.running and not pod.staying),
        still_held=_scheduled(pod for pod in snapshot.pods if pod.running and not pod.staying and not pod.leaving),
        measured=_measured(snapshot),
        held_up=_held_up(snapshot),
        consumed=all(isinstance(it, Present) and it.consumers > 0 for it in snapshot.queues.values()),
        seen_ready=_seen_ready(snapshot) if isinstance(ready, Unknown) else 0,
        returnable=snapshot.returnable,
    )


def _seen_ready(snapshot: PoolSnapshot) -> int:
    return sum(it.ready for it in snapshot.queues.values() if isinstance(it, Present))


def _held_up(snapshot: PoolSnapshot) -> str:
    failure = snapshot.pod_failure
    return failure.message if failure is not None and failure.more_is_useless else ""


def _starts(snapshot: PoolSnapshot, *, together: bool) -> tuple[float, ...]:
    """Seconds of the starts that ended with this look: of those in a group that slows itself down, or of the others."""
    started = (pod.started_up for pod in snapshot.pods if pod.started_up is not None)
    return tuple(it.seconds for it in started if it.seconds is not None and (it.at_once > MOST_AT_ONCE) is together)


def _measured(snapshot: PoolSnapshot) -> tuple[PodUsage, ...]:
    """What the workers use; nothing during a rollout: the old ones may have another number of slots."""
    read = tuple(pod.usage for pod in snapshot.pods if pod.usage is not None and pod.staying)
    return () if read and snapshot.rolling_out else read


def _first_due(pod: PodSnapshot) -> datetime | None:
    return pod.held.first_due if isinstance(pod.held, WorkerLoad) else None


def _scheduled(pods: Iterable[PodSnapshot]) -> int | None:
    """Tasks with an ETA that these workers hold; None where one of them does not say."""
    held = [pod.held for pod in pods]
    known = [it.scheduled for it in held if isinstance(it, WorkerLoad)]
    return sum(known) if len(known) == len(held) else None


def is_idle(pod: PodSnapshot) -> bool:
    """A worker that doesn't answer is busy, not idle; a container that doesn't run can hold no task."""
    return not pod.running or (isinstance(pod.held, WorkerLoad) and not (pod.held.active or pod.held.reserved))

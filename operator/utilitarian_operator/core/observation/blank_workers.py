"""Workers that run and have surely taken no message: silent since they began, and without a consumer.

A worker that says nothing counts as busy, and keeps its pool from going down. One that hangs while it starts says
nothing for ever. That it has never consumed is known where it was seen before its container ran, and every consumer
of its queues has been another worker's at each look since then.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from utilitarian_operator.api.patience import PATIENCE
from utilitarian_operator.core.moments import since, watched
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.queue import Present, QueueSnapshot

STARTS_WITHIN = PATIENCE.starts_within

IN_DOUBT_FOR = timedelta(seconds=15)
"""For so long a consumer may have no known worker, or the broker be away: a worker that comes up
answers soon. One that hangs would have to begin to consume and to stop within that time, in the same container."""

NOTHING = WorkerLoad(0, 0, 0, 0, consuming=())


@dataclass(frozen=True, slots=True)
class Beginnings:
    """What is remembered of one pool's workers from look to look.

    Args:
        ran: since when the container of each pod ran at the last look, by its node's clock; None for one that did not.
        blank: since when pods that surely have taken no message have been seen to run, by this operator's own clock.
        doubted: since when there have been consumers of unknown workers, or queues that are not seen.
        at: when the last look was; None before the first.
    """

    ran: Mapping[str, datetime | None] = field(default_factory=dict)
    blank: Mapping[str, datetime] = field(default_factory=dict)
    doubted: datetime | None = None
    at: datetime | None = None


def begun(
    before: Beginnings,
    pods: Sequence[PodSnapshot],
    queues: Mapping[str, QueueSnapshot],
    consumers: Mapping[str, int],
    now: datetime,
) -> Beginnings:
    """What is remembered after one more look.

    Args:
        before: of the last look.
        pods: of the pool.
        queues: that they ought to consume.
        consumers: workers by queue that say they consume it, of whatever pool.
        now: of this look.
    """
    ran = {pod.name: pod.running_since if pod.running else None for pod in pods}
    if not watched(before.at, now):
        return Beginnings(ran, at=now)
    if not _explained(queues, consumers):
        doubted = since(before.doubted, now)
        long = now - doubted > IN_DOUBT_FOR
        return Beginnings(ran, doubted=doubted, at=now) if long else replace(before, doubted=doubted, at=now)
    silent = [pod for pod in pods if pod.running and pod.word is None and not pod.ready and pod.gate is not True]
    blank = {pod.name: _seen_since(pod, before, now) for pod in silent if _from_the_beginning(pod, before)}
    return Beginnings(ran, blank, at=now)


def _explained(queues: Mapping[str, QueueSnapshot], consumers: Mapping[str, int]) -> bool:
    """Whether all queues are seen, and no more consumers than there are workers that say so.

    Those that wait for their turn may not be counted: then the one that is may be any of them.
    """
    if not queues or any(isinstance(queue, Unknown) for queue in queues.values()):
        return False
    there = {name: it for name, it in queues.items() if isinstance(it, Present)}
    return all(not it.single and it.consumers <= consumers.get(name, 0) for name, it in there.items())


def _seen_since(pod: PodSnapshot, before: Beginnings, now: datetime) -> datetime:
    """Since when this life of its container has been seen."""
    anew = before.ran.get(pod.name) != pod.running_since
    return since(None if anew else before.blank.get(pod.name), now)


def _from_the_beginning(pod: PodSnapshot, before: Beginnings) -> bool:
    if pod.name not in before.ran or pod.running_since is None:
        return False
    return pod.name in before.blank or before.ran[pod.name] != pod.running_since


def consumers_by_answers(pods: Iterable[PodSnapshot]) -> Counter[str]:
    """Workers by queue that say they consume it."""
    words = (pod.word for pod in pods)
    return Counter(queue for word in words if word is not None for queue in word.consuming or ())


def with_blank(
    pods: Sequence[PodSnapshot], known: Beginnings, now: datetime, starts_within: timedelta = STARTS_WITHIN
) -> tuple[PodSnapshot, ...]:
    """The pods, of which those that should long have started and never took a message hold nothing."""
    return tuple(
        replace(pod, held=NOTHING, blank=True) if _is_blank(pod, known, now, starts_within) else pod for pod in pods
    )


def _is_blank(pod: PodSnapshot, known: Beginnings, now: datetime, starts_within: timedelta) -> bool:
    """By both clocks: its node's may be slow, and then tells that it began long before it was seen to."""
    seen, ran = known.blank.get(pod.name), pod.running_since
    return seen is not None and ran is not None and now - max(seen, ran) >= starts_within

"""Which stuck worker is replaced, and when: one at a time, and never one that may still run a task."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from utilitarian_operator.api.effective import Pool
from utilitarian_operator.core.diagnosis.findings import SymptomHistory
from utilitarian_operator.core.moments import apart
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot

SEEN_WITHIN = timedelta(seconds=10)
"""Until then the watch may not yet have shown that the last one leaves."""

AGAIN_AFTER = timedelta(minutes=10)
"""If what came in its place is stuck too, it is not the worker's fault, and replacing it each minute is no cure."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """The last worker of a pool that was replaced.

    Args:
        at: when.
        pods: that the pool had then.
    """

    at: datetime
    pods: frozenset[str]


def replacement(
    pool: Pool, seen: PoolSnapshot, stuck: Sequence[str], symptoms: SymptomHistory, last: Replaced | None, now: datetime
) -> str | None:
    """The stuck pod to replace now: after what it may still run is over, or `drainTimeout` is.

    Args:
        pool: whose workers they are.
        seen: of the pool at this look.
        stuck: its stuck pods, the longest first.
        symptoms: what is remembered of them.
        last: what was replaced before; None if nothing was.
        now: of this look.
    """
    if not all(pod.serves or (pod.name in stuck and _never_came_up(pod)) for pod in seen.pods):
        return None  # another one goes or comes
    if len(seen.pods) < seen.current:
        return None  # one is not made yet
    if last is not None and apart(now, last.at) < (SEEN_WITHIN if last.pods.issuperset(stuck) else AGAIN_AFTER):
        return None
    # One that never came up may still do so: others say that it holds nothing, and not it, not by its own.
    idle = {pod.name for pod in seen.pods if not pod.blank and _says_that_it_holds_nothing(pod)}
    return next((it for it in stuck if it in idle or now - symptoms.since[it] >= pool.drain_timeout), None)


def _says_that_it_holds_nothing(pod: PodSnapshot) -> bool:
    """Now, and not some time ago: it may have taken a task since, and be silent by that."""
    return pod.deaf or (isinstance(pod.held, WorkerLoad) and pod.held.nothing)


def _never_came_up(pod: PodSnapshot) -> bool:
    return pod.running and pod.staying and not pod.ready and (pod.blank or pod.word is None)

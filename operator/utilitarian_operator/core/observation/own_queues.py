"""Which queues belong to one worker alone, and so are not the work of its pool.

kombu's `Broadcast` gives each worker a queue `bcast.UUID` that goes with it. Celery's `worker_direct` gives it one that
is called after its node, `celery@POD.dq2`, and stays on the broker for ever. An application may name others after its
host, or at random: those show themselves only beside another worker, which doesn't consume them.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from utilitarian_operator.core.observation.model.pod import PodSnapshot

BROADCAST = "bcast."
"""How kombu begins the name of a queue of its `Broadcast`."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What the workers of a catch-all have said of their queues.

    Args:
        queues: that hold the pool's work, sorted.
        first: a worker that consumes each, by queue.
        shared: queues that two workers have consumed, at once or one after the other.
        alone: queues that one worker consumed while its brothers did not.
        answered: whether one of them has answered.
    """

    queues: tuple[str, ...] = ()
    first: Mapping[str, str] = field(default_factory=dict)
    shared: frozenset[str] = frozenset()
    alone: frozenset[str] = frozenset()
    answered: bool = False


def own(node: str, queues: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Those of a worker's queues that are surely its own.

    Args:
        node: Celery's name of the worker.
        queues: as it tells them (`inspect active_queues`).
    """
    return frozenset(queue["name"] for queue in queues if _is_own(node, queue))


def passing(queues: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Those of a worker's queues that go with it, or with the last that consumes them: no other one is needed for them.

    Args:
        queues: as the worker tells them.
    """
    return frozenset(queue["name"] for queue in queues if queue.get("exclusive") or queue.get("auto_delete"))


def single(queues: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Those of a worker's queues that hand messages to one consumer at a time, as the application declares them.

    No policy can make a queue such a one, and RabbitMQ refuses a worker that declares it otherwise than it is.

    Args:
        queues: as the worker tells them.
    """
    return frozenset(queue["name"] for queue in queues if _arguments(queue).get("x-single-active-consumer") is True)


def _arguments(queue: Mapping[str, Any]) -> Mapping[str, Any]:
    said = queue.get("queue_arguments")
    return said if isinstance(said, dict) else {}


def _is_own(node: str, queue: Mapping[str, Any]) -> bool:
    name, host = str(queue["name"]), node.partition("@")[2]
    fanout = (queue.get("exchange") or {}).get("type") == "fanout"
    after_it = rf"(?<![0-9A-Za-z]){re.escape(host)}(?![0-9A-Za-z])"
    named_so = name.startswith(BROADCAST) or (bool(host) and re.search(after_it, name) is not None)
    return named_so or bool(queue.get("exclusive")) or (fanout and bool(queue.get("auto_delete")))


def learned(before: Learned, workers: Iterable[PodSnapshot], named: Collection[str]) -> Learned:
    """What a catch-all's workers say of their queues at one look; what they said before, while none says anything.

    Args:
        before: of the last look.
        workers: of the catch-all.
        named: queues of other pools.
    """
    there = list(workers)
    telling = [pod for pod in there if pod.staying and pod.word is not None and pod.word.consuming]
    if not telling:
        return before
    consumers = _consumers(telling)
    first = _first(before.first, consumers, {pod.name for pod in there})
    brothers = Counter(pod.revision for pod in telling)
    shared = {queue for queue, pods in consumers.items() if pods.keys() - {first[queue]}} | before.shared
    alone = {queue for queue, pods in consumers.items() if all(brothers[revision] > 1 for revision in pods.values())}
    alone = (alone | before.alone) - shared
    private = {queue for pod in telling if pod.word is not None for queue in pod.word.own}
    found = tuple(sorted(consumers.keys() - private - alone - set(named)))
    return Learned(found, first, frozenset(shared & first.keys()), frozenset(alone & first.keys()), answered=True)


def _first(before: Mapping[str, str], consumers: Mapping[str, Collection[str]], there: set[str]) -> dict[str, str]:
    """Who first consumed each queue; one that no worker reports is forgotten with that worker."""
    kept = {queue: pod for queue, pod in before.items() if queue in consumers or pod in there}
    return kept | {queue: min(pods) for queue, pods in consumers.items() if queue not in kept}


def _consumers(telling: Iterable[PodSnapshot]) -> dict[str, dict[str, str]]:
    """Revision by pod name of the workers that consume each queue."""
    found: dict[str, dict[str, str]] = {}
    for pod in telling:
        for queue in (pod.word.consuming if pod.word is not None else None) or ():
            found.setdefault(queue, {})[pod.name] = pod.revision
    return found


def owed(pod: PodSnapshot, pods: Sequence[PodSnapshot], queues: Iterable[str], *, catches_all: bool) -> list[str]:
    """The queues that a worker ought to consume.

    Args:
        pod: of the worker.
        pods: of its pool.
        queues: of the pool that exist.
        catches_all: whether its workers are not given the queues to consume: then it is what another one of the same
            template consumes.
    """
    words = [other.word for other in pods if other.word is not None]
    excused = {queue for word in words for queue in word.own | word.passing}
    if catches_all:
        alike = [it.word for it in pods if it.revision == pod.revision and it.name != pod.name and it.word is not None]
        known = {queue for word in alike for queue in word.consuming or ()}
        return [queue for queue in queues if queue in known - excused]
    return [queue for queue in queues if queue not in excused]

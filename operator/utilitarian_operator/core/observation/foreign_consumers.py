"""Which consumers of a fleet's queues are not the fleet's own workers: counts and names."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.labels import node_name
from utilitarian_operator.core.observation.model.pod import PodSnapshot
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present


def with_foreign(
    fleet: Fleet,
    snapshots: Mapping[str, PoolSnapshot],
    consuming: Mapping[str, tuple[str, ...]],
    neighbours: Mapping[str, str] = MappingProxyType({}),
    removed: Mapping[str, PoolSnapshot] = MappingProxyType({}),
) -> dict[str, PoolSnapshot]:
    """The sights with the consumers that are not the fleet's.

    A worker counts on the queues that it says it consumes, also those of another pool (a catch-all consumes all that
    the application knows). One that says nothing counts on those that its command names, which may be another pool's
    by now; a catch-all's, whose command names none, on those that it has learned from others. So does one that has left
    its queues and holds messages: a quorum queue counts it until it has acknowledged them (RabbitMQ 3.10, measured).

    Args:
        fleet: what runs.
        snapshots: by pool name.
        consuming: queues by node name, of every worker on the broker that answered, of whatever fleet.
        neighbours: the resource, as `NAMESPACE/NAME`, by node name, of the workers of other resources.
        removed: pools that are no longer asked for and whose workers are there still, by name.
    """
    surely, ours = (_ours(fleet, snapshots, removed, left=left) for left in (False, True))
    nodes = {node_name(pod.name) for each in (snapshots, removed) for it in each.values() for pod in it.pods}
    result = {}
    for name, snapshot in snapshots.items():
        there = {queue: it.consumers for queue, it in snapshot.queues.items() if isinstance(it, Present)}
        result[name] = snapshot
        foreign = {queue: number - ours[queue] for queue, number in there.items() if number > ours[queue]}
        if any(number > surely[queue] for queue, number in there.items()):
            named = tuple(_named(node, neighbours) for node in _names(foreign, consuming, nodes))
            result[name] = replace(snapshot, foreign=foreign, strangers=named, unexplained=True)
    return result


def _named(node: str, theirs: Mapping[str, str]) -> str:
    """A worker, with its resource where it is one's."""
    return f"{node} (of UtilitarianWorkerPool {theirs[node]})" if node in theirs else node


def _ours(
    fleet: Fleet, snapshots: Mapping[str, PoolSnapshot], removed: Mapping[str, PoolSnapshot], *, left: bool
) -> Counter[str]:
    """Workers of the fleet by queue; with `left` also those that have left it and hold messages."""
    silent = {pool.name: pool.queues or tuple(snapshots[pool.name].queues) for pool in fleet.pools}
    there = [(snapshots[name].pods, queues) for name, queues in silent.items()]
    count: Counter[str] = Counter()
    for pods, queues in (*there, *((it.pods, ()) for it in removed.values())):
        for pod in pods:
            count.update(_counted(pod, pod.queues or queues, left=left) if pod.running else ())
    return count


def _counted(pod: PodSnapshot, queues: Collection[str], *, left: bool) -> set[str]:
    """The queues on which a worker counts; those that its command names are given."""
    said = None if pod.word is None else pod.word.consuming
    if pod.word is None or said is None:
        return set(queues)
    return {*said, *(queues if left and pod.word.unacked else ())}


def _names(foreign: Mapping[str, int], consuming: Mapping[str, tuple[str, ...]], ours: set[str]) -> tuple[str, ...]:
    return tuple(
        sorted(node for node, queues in consuming.items() if node not in ours and foreign.keys() & set(queues))
    )

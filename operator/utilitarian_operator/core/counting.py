"""What came and what left, counted from a broker's totals, reading after reading; reads no broker, knows no clock.

A task arrives where the queue's messages and all that ever left it grow together. That holds whoever published it, and
by whatever way (a delayed or dead-lettered message is no publish of a client); a message that is returned and delivered
again changes neither. RabbitMQ renews the two at different moments, up to five seconds apart, so their sum wavers: a
rise counts once it has lasted longer than that, and a fall (messages were purged, expired or dropped) once it surely is
one.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from utilitarian_operator.core.observation import Counted

WAVERS_S = 4.9
"""How long a sum may be too high or too low: five seconds, less what two readings may be nearer to each other."""

FELL_S = 18.0
"""How long a sum must be lower before that counts as a fall; also how long an unlisted queue is remembered."""


@dataclass(frozen=True, slots=True)
class Row:
    """One queue in the statistics of one node.

    Args:
        ready: messages waiting for delivery.
        unacked: messages delivered and not yet acknowledged.
        leads: whether this node leads the queue, and so tells the truth of it; None where it doesn't say.
    """

    ready: int
    unacked: int
    leads: bool | None = None


@dataclass(frozen=True, slots=True)
class NodeStatistics:
    """What the statistics of one node say.

    Args:
        node: its name.
        rows: by queue; a node knows the queues that it hosts, and perhaps some that it once led.
        left: messages acknowledged, or delivered to one who need not, since some moment; by queue and channel, the
            channel empty where the node sums them up itself.
    """

    node: str
    rows: Mapping[str, Row]
    left: Mapping[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Queue:
    """What is remembered of one queue: the last sums with their moments, what of them was counted, and totals."""

    sums: tuple[tuple[float, int], ...]
    counted: int
    left: int = 0
    arrived: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """What is remembered from one reading to the next.

    Args:
        counters: the last of each node, by node, as it told them.
        queues: by name.
    """

    counters: Mapping[str, Mapping[tuple[str, str], int]] = field(default_factory=dict)
    queues: Mapping[str, _Queue] = field(default_factory=dict)


def count(tally: Tally, nodes: Iterable[NodeStatistics], at: float) -> Tally:
    """The tally after one more reading; at first sight nothing has come or left.

    Args:
        tally: of the readings before; one that was missed costs nothing, its figures are in the next.
        nodes: of this reading, each node of the cluster once; one that is not among them any more has left it.
        at: seconds on any clock that never goes back.
    """
    told = {node.node: node for node in nodes}
    left = _left(tally.counters, told)
    rows = merged(told.values())
    queues = {name: _counted(tally.queues.get(name), row, left.get(name, 0), at) for name, row in rows.items()}
    for name, queue in tally.queues.items():
        if name not in queues and at - queue.sums[-1][0] < FELL_S:
            queues[name] = replace(queue, left=queue.left + left.get(name, 0))
    return Tally({name: node.left for name, node in told.items()}, queues)


def figures(rows: Mapping[str, Row], tally: Tally) -> dict[str, Counted]:
    """What is known of each queue: its row, and what was counted of it, None where nothing was."""
    return {
        name: Counted(row.ready, row.unacked, *((queue.arrived, queue.left) if queue else ()))
        for name, row in rows.items()
        for queue in (tally.queues.get(name),)
    }


def merged(nodes: Iterable[NodeStatistics]) -> dict[str, Row]:
    """One row for each queue: the leader's, or the larger figures where no node says that it leads.

    A node that was away keeps the row of a queue that it led once: too much is safe, it only keeps workers.
    """
    rows: dict[str, Row] = {}
    for node in nodes:
        for name, row in node.rows.items():
            before = rows.get(name)
            if before is None or (row.leads and not before.leads):
                rows[name] = row
            elif bool(row.leads) == bool(before.leads):
                larger = max(before.ready, row.ready), max(before.unacked, row.unacked)
                rows[name] = Row(*larger, row.leads)
    return rows


def _left(before: Mapping[str, Mapping[tuple[str, str], int]], told: Mapping[str, NodeStatistics]) -> dict[str, int]:
    """What left each queue since the last reading; a counter that fell began anew, and so did one that is new."""
    left: dict[str, int] = {}
    for name, node in told.items():
        known = before.get(name)
        if known is None:
            continue
        for key, value in node.left.items():
            last = known.get(key, 0)
            more = value - last if value >= last else value
            if more:
                left[key[0]] = left.get(key[0], 0) + more
    return left


def _counted(before: _Queue | None, row: Row, left: int, at: float) -> _Queue:
    depth = row.ready + row.unacked
    if before is None:
        return _Queue(((at, depth),), depth)
    total, counted = before.left + left, before.counted
    # One older than the time that counts is kept: it was the sum until the next.
    younger = next((it for it, (moment, _) in enumerate(before.sums) if at - moment <= FELL_S), len(before.sums))
    sums = (*before.sums[max(younger - 1, 0) :], (at, depth + total))
    if at - sums[0][0] >= FELL_S and max(known for _, known in sums) < counted:
        counted = min(known for _, known in sums)
    sure = min(_lately(sums, at))
    return _Queue(sums, max(counted, sure), total, before.arrived + max(sure - counted, 0))


def _lately(sums: tuple[tuple[float, int], ...], at: float) -> Iterator[int]:
    """What the sum was in the time for which it wavers: the sums of it, and the one that was the last before."""
    for moment, known in reversed(sums):
        yield known
        if at - moment >= WAVERS_S:
            return

"""How many tasks came to a queue and left it, counted from a broker's totals, reading by reading.

A task arrives where the queue's messages and all that ever left it grow together. That holds for every publisher, and
by whatever way (a delayed or dead-lettered message is no publish of a client); a message that is returned and delivered
again changes neither. RabbitMQ renews the two at different moments, up to five seconds apart, so their sum wavers: a
rise counts once it has lasted longer than that, and a fall (messages were purged, expired or dropped) once it surely is
one.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from utilitarian_operator.core.observation.model.queue import Counted

WAVERS_S = 4.9
"""How long a sum may be too high or too low: five seconds, less what two readings may be nearer to each other."""

FELL_S = 18.0
"""How long a sum must be lower before that counts as a fall; also how long an unlisted queue is remembered."""

KEPT_S = 7 * 86_400.0
"""How long a queue's counter is remembered that its node doesn't tell: it may come back with all that it counted."""

CHANNEL_KEPT_S = 3_600.0
"""The same of a channel's: one that was closed never comes back, and there may be many."""

MOST_SHARES = 8
"""Falls of a sum over nodes that are remembered, the largest: a cluster has few nodes."""


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
        of_all: whether its counters are sums over the nodes of a cluster: they fall by the share of a node that goes
            away, and rise by it when that is back.
    """

    node: str
    rows: Mapping[str, Row]
    left: Mapping[tuple[str, str], int] = field(default_factory=dict)
    of_all: bool = False


@dataclass(frozen=True, slots=True)
class _Counter:
    """The last value of a counter, when it was read, and the shares of nodes that are away, the largest first."""

    value: int
    at: float
    away: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Queue:
    """What is remembered of one queue: the last sums with their moments, what of them was counted, and totals."""

    sums: tuple[tuple[float, int], ...]
    counted: int
    left: int = 0
    arrived: int = 0


@dataclass(frozen=True, slots=True)
class _SeenRow:
    """The last row of a queue from one node, and when it was last seen to change; None where it was not."""

    row: Row
    changed: float | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """What is remembered from one reading to the next.

    Args:
        counters: the last of each node, by node, then by queue and channel.
        queues: by name.
        rows: the last of each node, by node, then by queue.
    """

    counters: Mapping[str, Mapping[tuple[str, str], _Counter]] = field(default_factory=dict)
    queues: Mapping[str, _Queue] = field(default_factory=dict)
    rows: Mapping[str, Mapping[str, _SeenRow]] = field(default_factory=dict)


def count(tally: Tally, nodes: Iterable[NodeStatistics], at: float) -> Tally:
    """The tally after one more reading; at the first one nothing has come or left.

    Args:
        tally: of the readings before; one that was missed costs nothing, its figures are in the next.
        nodes: of this reading, each node of the cluster once; one that is not among them any more has left it.
        at: seconds on any clock that never goes back.
    """
    by_name = {node.node: node for node in nodes}
    left: dict[str, int] = {}
    counters = {name: _counters(tally.counters.get(name), node, at, left) for name, node in by_name.items()}
    seen = {name: _changes(tally.rows.get(name), node, at) for name, node in by_name.items()}
    rows = merged(by_name.values(), seen)
    queues = {name: _counted(tally.queues.get(name), row, left.get(name, 0), at) for name, row in rows.items()}
    for name, queue in tally.queues.items():
        if name not in queues and at - queue.sums[-1][0] < FELL_S:
            queues[name] = replace(queue, left=queue.left + left.get(name, 0))
    return Tally(counters, queues, seen)


def figures(rows: Mapping[str, Row], tally: Tally) -> dict[str, Counted]:
    """What is known of each queue: its row, and what was counted of it, None where nothing was."""
    return {
        name: Counted(row.ready, row.unacked, *((queue.arrived, queue.left) if queue else ()))
        for name, row in rows.items()
        for queue in (tally.queues.get(name),)
    }


def merged(nodes: Iterable[NodeStatistics], seen: Mapping[str, Mapping[str, _SeenRow]] | None = None) -> dict[str, Row]:
    """One row for each queue: the leader's, else the one that changed last, else the larger figures.

    A node that was away keeps the row of a queue that it led once, and before RabbitMQ 4.1 no node says that it leads:
    such a row never changes again. As long as the other's has not changed either, too much is safe: it keeps workers.

    Args:
        nodes: of one reading.
        seen: when the rows of each node changed; empty where that is not kept.
    """
    rows: dict[str, Row] = {}
    ranks: dict[str, tuple[bool, float]] = {}
    for node in nodes:
        changes = (seen or {}).get(node.node, {})
        for name, row in node.rows.items():
            changed = changes[name].changed if name in changes else None
            rank = bool(row.leads), float("-inf") if changed is None else changed
            if name not in rows or rank > ranks[name]:
                rows[name], ranks[name] = row, rank
            elif rank == ranks[name]:
                before = rows[name]
                rows[name] = Row(max(before.ready, row.ready), max(before.unacked, row.unacked), row.leads)
    return rows


def _changes(before: Mapping[str, _SeenRow] | None, node: NodeStatistics, at: float) -> dict[str, _SeenRow]:
    """The rows of a node after a reading; one that is first read, or comes back, brings old rows with it."""
    if before is None:
        return {name: _SeenRow(row) for name, row in node.rows.items()}
    same = {name for name, last in before.items() if node.rows.get(name) == last.row}
    return {name: before[name] if name in same else _SeenRow(row, at) for name, row in node.rows.items()}


def _counters(
    before: Mapping[tuple[str, str], _Counter] | None, node: NodeStatistics, at: float, left: dict[str, int]
) -> dict[tuple[str, str], _Counter]:
    """The counters of a node after a reading; adds to `left` what left each queue since the last.

    What a node counted before it was first read is not counted, nor what a counter had that its node said before and
    now tells again; one that is new since then began with the node's own first word of it.
    """
    if before is None:
        return {key: _Counter(value, at) for key, value in node.left.items()}
    counters = {key: it for key, it in before.items() if at - it.at < (CHANNEL_KEPT_S if key[1] else KEPT_S)}
    for key, value in node.left.items():
        counters[key], more = _more(counters.get(key, _Counter(0, at)), value, at, of_all=node.of_all)
        if more:
            left[key[0]] = left.get(key[0], 0) + more
    return counters


def _more(last: _Counter, value: int, at: float, *, of_all: bool) -> tuple[_Counter, int]:
    """A counter and what it counted since the last reading; a node's own that fell began anew."""
    more = value - last.value
    if not of_all:
        return _Counter(value, at), more if more >= 0 else value
    if more < 0:
        return _Counter(value, at, tuple(sorted((*last.away, -more), reverse=True))[:MOST_SHARES]), 0
    away = list(last.away)
    for share in last.away:
        if more >= share:
            more -= share
            away.remove(share)
    return _Counter(value, at, tuple(away)), more


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

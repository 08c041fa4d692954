"""What the pages of RabbitMQ's statistics say, as values.

A page of Prometheus' text has a dozen lines a queue, and no other coroutine runs while it is read: one expression finds
the few that count (1,000 queues in 10 ms; Prometheus' own parser takes 200).
"""

import json
import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeGuard, TypeVar

from utilitarian_operator.core.observation.counted.queue_rates import NodeStatistics, Row

T = TypeVar("T")

CLUSTER = "the cluster"
"""The one that speaks in the management API, whichever node answered."""

MOST_ROWS = 50_000
"""Queues of a node, or pairs of channel and queue."""

LONGEST_NAME = 255
"""Characters of a queue's name (AMQP 0-9-1: a short string), and of a node's."""
_UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"

SLICE, ROWS_A_STEP = 256 * 1024, 200
"""Characters, and rows, that are read in one step: a few milliseconds. A line, or a row, that is longer is none."""

MOST_FAMILIES = 100
"""Of a page of details: a dozen is asked for."""

MOST_PEERS = 100
"""Nodes of a cluster."""

MOST = 10**15
"""Messages that a queue has fewer of: what says more is no count, and no number that Kubernetes takes."""

_READY, _UNACKED, _INFO = "queue_messages_ready", "queue_messages_unacked", "queue_info"
_ACKED = "queue_messages_acked_total"
_LEFT = {
    *(_ACKED, "queue_messages_delivered_total", "queue_get_total"),
    *("channel_messages_acked_total", "channel_messages_delivered_total", "channel_get_total"),
}
_FAMILY = "# TYPE rabbitmq_detailed_"
_VALUE = r'"([^"\\\n]*(?:\\.[^"\\\n]*)*)"'
_NODE = re.compile(rf"^rabbitmq_identity_info\{{[^\n]*rabbitmq_node={_VALUE}", re.MULTILINE)
_PEER = re.compile(r'^erlang_vm_dist_node_state\{peer="([\w.@-]{1,255})"\} 3$', re.MULTILINE)
_SPACE = re.compile(r"[ \t\n\r]*")
_ESCAPE = re.compile(r"\\(.)")
_LEFT_IN_MANAGEMENT = ("ack", "deliver_no_ack", "get_no_ack")


@dataclass(frozen=True, slots=True)
class Page:
    """What one node's Prometheus endpoint said.

    Args:
        statistics: of the queues of one virtual host.
        sums_up: whether the node counts by queue what left it; one before RabbitMQ 3.12 counts by channel alone.
    """

    statistics: NodeStatistics
    sums_up: bool


def from_prometheus(body: str, vhost: str) -> Page:
    """A page of `/metrics/detailed`, read at once; as `prometheus_in_steps`."""
    return _at_once(prometheus_in_steps(body, vhost))


def from_management(body: str) -> NodeStatistics:
    """A listing of `/api/queues/VHOST`, read at once; as `management_in_steps`."""
    return _at_once(management_in_steps(body))


def _at_once(steps: Generator[None, None, T]) -> T:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


def prometheus_in_steps(body: str, vhost: str) -> Generator[None, None, Page]:
    """A page of `/metrics/detailed`, read in steps of a few milliseconds.

    Args:
        body: with the families `queue_coarse_metrics` and `queue_delivery_metrics` or `channel_queue_metrics`.
        vhost: of the queues; what is counted by channel is said of all of them.

    Raises:
        ValueError: it is no page of RabbitMQ's, or not the whole of it.
    """
    node = yield from _node(body)
    line = _line(vhost)
    gauges: dict[str, dict[str, int]] = {_READY: {}, _UNACKED: {}}
    leads: dict[str, bool] = {}
    left: dict[tuple[str, str], int] = {}
    families = [family.partition(" ") for family in body.split(_FAMILY, MOST_FAMILIES + 1)[1:]]
    if len(families) > MOST_FAMILIES:
        raise ValueError(f"more than {MOST_FAMILIES} families")
    for name, _, lines in families:
        for piece in _pieces(lines):
            yield
            if name in gauges:
                gauges[name] |= {_plain(queue): int(value) for _, queue, _, value in line.findall(piece)}
            elif name == _INFO:
                leads |= {_plain(queue): 'membership="leader"' in more for _, queue, more, _ in line.findall(piece)}
            elif name in _LEFT:
                for channel, queue, _, value in line.findall(piece):
                    key = _plain(queue), channel
                    left[key] = left.get(key, 0) + int(value)
            if max(len(leads), len(left), *map(len, gauges.values())) > MOST_ROWS:
                raise ValueError(f"more than {MOST_ROWS} rows")
    ready, unacked = gauges.values()
    rows = {queue: Row(ready[queue], unacked[queue], leads.get(queue)) for queue in ready if queue in unacked}
    return Page(NodeStatistics(node, rows, left), any(name == _ACKED for name, _, _ in families))


def _node(body: str) -> Generator[None, None, str]:
    """The name of the node that speaks, as it may stand in a status and a log once it is missing."""
    for piece in _pieces(body):
        yield
        found = _NODE.search(piece)
        if found is not None:
            return "".join(it if it.isprintable() else _UNPRINTABLE for it in _plain(found[1])[:LONGEST_NAME])
    raise ValueError("no rabbitmq_identity_info")


def peers_in_steps(body: str) -> Generator[None, None, list[str]]:
    """The other nodes of the cluster that are up, by a node's page of `/metrics`; no more than may be.

    Raises:
        ValueError: it is no page of RabbitMQ's.
    """
    peers: list[str] = []
    for piece in _pieces(body):
        yield
        peers += _PEER.findall(piece)[:MOST_PEERS]
    return peers[:MOST_PEERS]


def _pieces(lines: str) -> Iterator[str]:
    """Whole lines, a few thousand at a time."""
    begin = 0
    while begin < len(lines):
        end = lines.find("\n", begin + SLICE)
        end = len(lines) if end < 0 else end + 1
        if end - begin > 2 * SLICE:
            raise ValueError("a line without end")
        yield lines[begin:end]
        begin = end


@lru_cache
def _line(vhost: str) -> re.Pattern[str]:
    """A line of a family, of one virtual host: channel where there is one, queue, other labels and the figure."""
    label = vhost.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    rest = rf'vhost="{re.escape(label)}",queue={_VALUE}([^\n]*)\}} (\d{{1,15}})$'
    return re.compile(rf"^rabbitmq_detailed_[a-z_]+\{{(?:channel={_VALUE},)?{rest}", re.MULTILINE)


def _plain(value: str) -> str:
    """A label's value as it was before it was escaped."""
    return _ESCAPE.sub(lambda found: "\n" if found[1] == "n" else found[1], value) if "\\" in value else value


def management_in_steps(body: str) -> Generator[None, None, NodeStatistics]:
    """A listing of `/api/queues/VHOST`, with what left the queues where the broker keeps such statistics.

    A queue that was just declared, or is down, comes without figures and is left out. What was never delivered has no
    `message_stats`, and neither has a queue of a broker that is set to keep none: `messages_details` says which.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, RecursionError: it is no such listing.
    """
    rows: dict[str, Row] = {}
    left: dict[tuple[str, str], int] = {}
    for listed in _listed(body):
        if listed is None:
            yield
            continue
        name = str(listed["name"])[:LONGEST_NAME]
        ready, unacked = listed.get("messages_ready"), listed.get("messages_unacknowledged")
        if _counts(ready) and _counts(unacked):
            rows[name] = Row(ready, unacked)
            if "messages_details" in listed:
                counters = listed.get("message_stats") or {}
                left[name, ""] = sum(filter(_counts, map(counters.get, _LEFT_IN_MANAGEMENT)))
    return NodeStatistics(CLUSTER, rows, left, of_all=True)


def _counts(figure: object) -> TypeGuard[int]:
    """Whether it may be a number of messages."""
    return type(figure) is int and 0 <= figure < MOST


def rows_in_steps(body: str, kept: Callable[[Any], T]) -> Generator[None, None, list[T]]:
    """What is kept of the objects of a listing of the management API, read in steps of a few milliseconds.

    Args:
        body: the listing.
        kept: makes of an object what is kept of it.

    Raises:
        ValueError, TypeError, RecursionError: it is no listing.
    """
    rows = []
    for listed in _listed(body):
        if listed is None:
            yield
        else:
            rows.append(kept(listed))
    return rows


def _listed(body: str) -> Iterator[Any]:
    """Each object of a JSON list, decoded when it is asked for, and None where a step ends."""
    decode, number = json.JSONDecoder().raw_decode, 0
    at = _SPACE.match(body, 0).end()  # type: ignore[union-attr] # it matches nothing, too
    if body[at : at + 1] != "[":
        raise TypeError("no list")
    at = _SPACE.match(body, at + 1).end()  # type: ignore[union-attr]
    piece, begin = "", -1
    while body[at : at + 1] != "]":
        try:
            listed, end = decode(piece, at - begin)
        except ValueError:
            if at == begin:
                raise
            yield None
            piece, begin = body[at : at + SLICE], at  # it goes on behind the piece
            continue
        if number % ROWS_A_STEP == 0:
            yield None
        number += 1
        if number > MOST_ROWS:
            raise ValueError(f"more than {MOST_ROWS} rows")
        yield listed
        at = _SPACE.match(body, begin + end).end()  # type: ignore[union-attr]
        if body[at : at + 1] == ",":
            at = _SPACE.match(body, at + 1).end()  # type: ignore[union-attr]
        elif body[at : at + 1] != "]":
            raise ValueError("no end of the list")

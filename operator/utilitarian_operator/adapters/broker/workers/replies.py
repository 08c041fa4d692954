"""Whether what a worker sent back is an answer to the question; anything else counts as silence.

One worker's odd word, of a plugin that answers in Celery's stead say, must not end the asking of all.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

MOST_TASKS = 10**15
"""Of a name, that a worker has begun."""

MOST_QUEUES = 1_000
"""That one worker consumes; a catch-all is looked at, and shown, queue by queue."""

MOST_REGISTERED, LONGEST_REGISTERED = 10_000, 1024**2
"""Tasks that one worker knows, and characters of all that it says of them: a hundred for each."""

LONGEST_NAME = 255
"""Bytes of a queue's name (AMQP 0-9-1: a short string). A worker's name is part of the name of its mailbox's queue."""

MOST_WORKERS = 10_000
"""Of one broker that are heard where all were asked: each look at a fleet goes through their names."""

TASKS = frozenset({"active", "reserved", "scheduled"})
"""Questions whose answer lists tasks."""

MOST_SECONDS = 10**11
"""Of a worker's clock: three thousand years."""


def answers(question: str, replies: Iterable[object], asked: Collection[str] | None) -> dict[str, Any]:
    """What counts of the replies to a question, by node.

    Two that go by one name are heard as one that holds the tasks of both: it must not look emptier than either.

    Args:
        question: Celery's name of it.
        replies: as they came.
        asked: the nodes that were asked; None where every worker was.
    """
    found: dict[str, Any] = {}
    for node, answer in (pair for reply in replies if isinstance(reply, dict) for pair in reply.items()):
        heard = is_node(node) and len(found) < MOST_WORKERS if asked is None else node in asked
        if heard and is_answer(question, answer):
            both = question in TASKS and found.get(node, answer) != answer
            found[node] = [*found[node], *answer] if both else answer
    return found


def is_node(name: object) -> bool:
    """Whether a worker may be called so: the name is shown, and no reply is bound to the length of a true one."""
    return isinstance(name, str) and name != "" and name.isprintable() and _is_name(name)


def is_answer(question: str, reply: object) -> bool:
    """Whether a reply answers a question, and is not the worker's word that it failed to.

    Args:
        question: Celery's name of it.
        reply: what one worker sent.
    """
    match reply:
        case list() if question == "registered":
            return len(reply) <= MOST_REGISTERED and _are_short(reply)
        case list() if question == "active_queues":
            return len(reply) <= MOST_QUEUES and all(isinstance(it, dict) and _is_queue(it) for it in reply)
        case list() if question in {"active", "reserved", "scheduled"}:
            return all(isinstance(it, dict) and _is_task(it) for it in reply)
        case dict() if question == "stats":
            return "error" not in reply and _counts(reply)
        case dict():
            return question in {"report", "conf"} and "error" not in reply
    return False


def _are_short(lines: Sequence[object]) -> bool:
    return all(isinstance(it, str) for it in lines) and sum(len(str(it)) for it in lines) <= LONGEST_REGISTERED


def _is_queue(queue: Mapping[str, Any]) -> bool:
    return _is_name(queue.get("name")) and isinstance(queue.get("exchange") or {}, dict)


def _is_name(name: object) -> bool:
    """Whether a queue may be called so: JSON has halves of characters, too, with which no page of metrics is served."""
    try:
        return isinstance(name, str) and len(name.encode()) <= LONGEST_NAME
    except UnicodeEncodeError:
        return False


def _is_task(request: Mapping[str, Any]) -> bool:
    return _is_number(request.get("time_start")) and isinstance(request.get("name"), str | None)


def _counts(stats: Mapping[str, Any]) -> bool:
    """Whether the figures of a worker's statistics are some."""
    totals, pool = stats.get("total", {}), stats.get("pool", {})
    kinds = isinstance(pool, dict) and isinstance(totals, dict) and isinstance(pool.get("implementation"), str | None)
    counted = kinds and all(type(it) is int and 0 <= it <= MOST_TASKS for it in totals.values())
    return counted and _is_number(stats.get("uptime"))


def _is_number(value: object) -> bool:
    """Whether a figure is a number of seconds that can be reckoned with, or is not given; JSON has NaN as well."""
    if value is None:
        return True
    return isinstance(value, int | float) and not isinstance(value, bool) and -MOST_SECONDS <= value <= MOST_SECONDS

"""What an operator that starts reads back from a resource's status; what can't be read is named."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from utilitarian_operator.core.changed import changed
from utilitarian_operator.core.reading import Reader
from utilitarian_operator.core.sizing.decision import Rule
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.memory_json import read, read_past
from utilitarian_operator.core.status.change import LAST_MESSAGES

Status = Mapping[str, Any]

MOST_NAMED = 5
"""Values that one sentence names."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """What is known from a status.

    Args:
        memories: by pool name.
        last_messages: when a message last came to each queue with runs.
        contested: names of the pools whose number was left to another client.
        left_out: what could not be read, each with its place, its value and why.
    """

    memories: Mapping[str, Memory] = field(default_factory=dict)
    last_messages: Mapping[str, datetime] = field(default_factory=dict)
    contested: frozenset[str] = frozenset()
    left_out: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """What was left out, as one sentence; empty where all was read."""
        if not self.left_out:
            return ""
        more = len(self.left_out) - MOST_NAMED
        named = "; ".join(self.left_out[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")
        return f"of what the status remembers this is left out, all else is kept: {named}"


def recall(status: object, now: datetime) -> Recalled:
    """All that a status remembers.

    Args:
        status: of the resource, as it was found.
        now: the one clock.
    """
    left_out: list[str] = []
    reader = Reader(now, "status", left_out)
    fields = reader.fields(status) or {}
    memories = dict(reader.at(".pools").each(fields.get("pools"), _memory))
    beat = reader.at(".beat").fields(fields.get("beat")) or {}
    messages = dict(reader.at(f".beat.{LAST_MESSAGES}").each(beat.get(LAST_MESSAGES), _last_message))
    return Recalled(memories, messages, _contested(fields.get("pools")), tuple(left_out))


def remembered(status: object, now: datetime) -> dict[str, Memory]:
    """What the pools remember, by name: an operator that was restarted decides the same."""
    return dict(recall(status, now).memories)


def last_messages(status: object, now: datetime) -> dict[str, datetime]:
    """When a message last came to each queue with runs."""
    return dict(recall(status, now).last_messages)


def _memory(reader: Reader, pool: object) -> tuple[str, Memory] | None:
    fields = reader.fields(pool) or {}
    name = reader.at(".name").name(fields.get("name"))
    if name is None:
        return None
    history = read_past(reader.at(".history"), fields.get("history"))
    memory = read(reader.at(".memory"), fields.get("memory"))
    return name, changed(memory, history=history) if history else memory


def _contested(pools: object) -> frozenset[str]:
    """By the trails of the pools, which people read, too."""
    steps = ((row.get("name"), step) for row in _rows(pools) for step in _rows(row.get("trail")))
    return frozenset(name for name, step in steps if isinstance(name, str) and step.get("rule") == Rule.CONTESTED)


def _last_message(reader: Reader, row: object) -> tuple[str, datetime] | None:
    fields = reader.fields(row) or {}
    queue, at = reader.at(".queue").name(fields.get("queue")), reader.at(".at").moment(fields.get("at"))
    return None if queue is None or at is None else (queue, at)


def well_formed(status: object) -> dict[str, Any]:
    """A status in which every part is at least of the kind that it should be: what is not is left out.

    The API server's schema lets nothing else in; but the schema may be another version's.
    """
    kept = dict(status) if isinstance(status, Mapping) else {}
    if "conditions" in kept:
        kept["conditions"] = [row for row in _rows(kept["conditions"]) if _is_condition(row)]
    if "pools" in kept:
        kept["pools"] = [_pool(row) for row in _rows(kept["pools"]) if isinstance(row.get("name"), str)]
    if "beat" in kept:
        kept["beat"] = _beat(kept["beat"])
    return kept


def _rows(value: object) -> Iterator[Mapping[str, Any]]:
    return (row for row in value if isinstance(row, Mapping)) if isinstance(value, list | tuple) else iter(())


_WORDS = ("type", "status", "reason", "message")


def _is_condition(row: Mapping[str, Any]) -> bool:
    return all(isinstance(row.get(key), str) for key in _WORDS) and isinstance(row.get("lastTransitionTime", ""), str)


def _pool(row: Mapping[str, Any]) -> Mapping[str, Any]:
    wrong = {"memory"} if "memory" in row and not _is_memory(row["memory"]) else set()
    wrong |= {"run"} if "run" in row and not isinstance(row["run"], Mapping) else set()
    return {key: it for key, it in row.items() if key not in wrong} if wrong else row


def _is_memory(memory: object) -> bool:
    """Whether its lists are lists: the values are read one by one."""
    if not isinstance(memory, Mapping):
        return False
    runs, highs = memory.get("runs", []), memory.get("highs", [])
    pairs = isinstance(highs, list) and all(isinstance(it, list) and len(it) == 2 for it in highs)  # noqa: PLR2004 - two
    return pairs and isinstance(runs, list) and all(isinstance(it, Mapping) for it in runs)


_MOMENTS = ("lastSeen", "memorySince")


def _beat(beat: object) -> dict[str, Any]:
    fields = beat if isinstance(beat, Mapping) else {}
    kept = {key: it for key, it in fields.items() if key == LAST_MESSAGES or isinstance(it, str | bool)}
    return {key: it for key, it in kept.items() if key not in _MOMENTS or _is_moment(it)}


def _is_moment(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False

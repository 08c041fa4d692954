"""Plays the recorded looks of an operator through the engine again and says where it decides otherwise."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.sizing.decision_record import Look, from_text
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.pools import decide_fleet


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A decision that came out otherwise than it was recorded.

    Args:
        look: number of the look, from 0.
        pool: name.
        recorded: workers and rule, as the operator decided.
        replayed: workers and rule, as the engine decides now.
    """

    look: int
    pool: str
    recorded: tuple[int, str]
    replayed: tuple[int, str]


def looks(lines: Iterable[str], fleet: str) -> Iterator[Look]:
    """The looks in an operator's log, written as JSON with level DEBUG.

    Args:
        lines: of the log; those that are about something else are passed over.
        fleet: `NAMESPACE/NAME`.
    """
    for line in lines:
        entry = _entry(line)
        if entry.get("message") == "decided" and entry.get("fleet") == fleet:
            yield from_text(entry["look"])


def disagreements(fleet: Fleet, recorded: Iterable[Look]) -> list[Disagreement]:
    """Where the engine decides otherwise, from an empty memory on: the record must begin with the first look."""
    memories: dict[str, Memory] = {}
    found = []
    for number, look in enumerate(recorded):
        sizes = decide_fleet(fleet, look.seen, memories, look.context)
        memories = sizes.memories
        for pool, decision in sizes.decisions.items():
            replayed = (decision.replicas, decision.rule)
            if replayed != look.decided[pool]:
                found.append(Disagreement(number, pool, look.decided[pool], replayed))
    return found


def memories_after(fleet: Fleet, recorded: Iterable[Look]) -> dict[str, Memory]:
    """What the pools remember after these looks, by name; the record must begin with the first look."""
    memories: dict[str, Memory] = {}
    for look in recorded:
        memories = decide_fleet(fleet, look.seen, memories, look.context).memories
    return memories


def worker_seconds(recorded: Iterable[Look]) -> dict[str, float]:
    """Seconds that workers were asked for until they had left, by pool, from the first recorded look to the last."""
    total: dict[str, float] = {}
    before: Look | None = None
    for look in recorded:
        for pool, facts in before.seen.items() if before else ():
            passed = (look.context.now - before.context.now).total_seconds() if before else 0.0
            total[pool] = total.get(pool, 0.0) + (facts.current + facts.draining) * passed
        before = look
    return total


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}

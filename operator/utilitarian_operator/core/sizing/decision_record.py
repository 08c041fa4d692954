"""One look of a running operator as text, and back: what it saw and decided, to be replayed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.sizing.decision import Decision
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.pools import FleetContext

Text = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a fleet came to.

    Args:
        context: of the look.
        seen: the facts, by pool name.
        decided: workers and the rule that set the number, by pool name.
    """

    context: FleetContext
    seen: Mapping[str, Facts]
    decided: Mapping[str, tuple[int, str]]


def to_text(context: FleetContext, seen: Mapping[str, Facts], decisions: Mapping[str, Decision]) -> Text:
    """The look as values that JSON knows; overrides are left out, as a person's word and not the engine's."""
    return {
        "at": context.now.isoformat(),
        "running_for": context.running_for.total_seconds(),
        "good_looks": context.good_looks,
        "removed": context.removed,
        "moved": context.moved,
        "seen": {name: _facts(facts) for name, facts in seen.items()},
        "decided": {name: [decision.replicas, decision.rule] for name, decision in decisions.items()},
    }


def from_text(text: Mapping[str, Any]) -> Look:
    """The look that was written.

    Raises:
        KeyError, TypeError, ValueError: it is no such text.
    """
    context = FleetContext(
        now=datetime.fromisoformat(text["at"]),
        running_for=timedelta(seconds=text["running_for"]),
        good_looks=text["good_looks"],
        removed=text.get("removed", 0),
        moved=text.get("moved", False),
    )
    seen = {name: _read_facts(facts) for name, facts in text["seen"].items()}
    return Look(context, seen, {name: (replicas, rule) for name, (replicas, rule) in text["decided"].items()})


def _facts(facts: Facts) -> Text:
    empty = Facts(0, 0, 0, 0, 0)
    values = {name: getattr(facts, name) for name in asdict(facts)}
    needed = ("current", "ready", "work", "at_least", "idle")
    return {name: _count(value) for name, value in values.items() if name in needed or value != getattr(empty, name)}


def _count(value: object) -> object:
    if isinstance(value, Unknown):
        return {"unknown": value.why, "since": value.since.isoformat()}
    return {"at": value.isoformat()} if isinstance(value, datetime) else value


def _read_facts(text: Mapping[str, Any]) -> Facts:
    values = {name: _read_count(value) for name, value in text.items()}
    return Facts(**values)


def _read_count(value: Any) -> Any:
    if isinstance(value, dict) and "at" in value:
        return datetime.fromisoformat(value["at"])
    if isinstance(value, dict):
        return Unknown(value["unknown"], datetime.fromisoformat(value["since"]))
    return tuple(value) if isinstance(value, list) else value

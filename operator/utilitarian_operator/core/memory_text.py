"""A pool's memory as it stands in status, and back, so that a restarted operator decides the same; decides nothing."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from pydantic.alias_generators import to_camel

from utilitarian_operator.core.memory import Memory, OpenRun

Text = dict[str, Any]

FIGURES = ("slotSeconds", "completions", "longest", "startUp", "arrivals", "highs")
"""Averages: written with the other figures, every 30 s at most."""

_NOT_KEPT = {"looked_at"}
"""A restarted operator did not look meanwhile."""


def to_text(memory: Memory) -> Text:
    """What is worth keeping, without what is as at the beginning."""
    empty = Memory()
    values = {field.name: getattr(memory, field.name) for field in fields(memory) if field.name not in _NOT_KEPT}
    return {to_camel(name): _plain(value) for name, value in values.items() if value != getattr(empty, name)}


def from_text(text: Mapping[str, Any]) -> Memory:
    """The memory that was written; what can't be read, of another version perhaps, is as at the beginning."""
    try:
        return Memory(
            idle_since=_moment(text.get("idleSince")),
            busy_since=_moment(text.get("busySince")),
            slot_seconds=float(text.get("slotSeconds", 0)),
            completions=float(text.get("completions", 0)),
            period_seconds=_number(text.get("periodSeconds")),
            longest=float(text.get("longest", 0)),
            start_up=_number(text.get("startUp")),
            arrivals=_counted(text.get("arrivals", ())),
            highs=_counted(text.get("highs", ())),
            surplus_since=_moment(text.get("surplusSince")),
            first_worker_since=_moment(text.get("firstWorkerSince")),
            first_worker_spent=bool(text.get("firstWorkerSpent")),
            runs=tuple(_run(run) for run in text.get("runs", ())),
            opened=tuple((name, datetime.fromisoformat(at)) for name, at in text.get("opened", ())),
        )
    except (TypeError, ValueError, KeyError):
        return Memory()


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case float():
            return round(value, 3)
        case OpenRun():
            run = {"name": value.name, "start": value.start.isoformat(), "tasks": value.tasks}
            return run | ({"firstMessage": value.first_message.isoformat()} if value.first_message else {})
        case tuple():
            return [_plain(part) for part in value]
        case _:
            return value


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _counted(rows: Any) -> tuple[tuple[datetime, int], ...]:
    return tuple((datetime.fromisoformat(at), int(count)) for at, count in rows)


def _run(text: Mapping[str, Any]) -> OpenRun:
    return OpenRun(
        str(text["name"]), datetime.fromisoformat(text["start"]), _moment(text.get("firstMessage")), int(text["tasks"])
    )

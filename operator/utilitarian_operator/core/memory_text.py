"""A pool's memory as it stands in status, and back, so that a restarted operator decides the same; decides nothing.

The runs that are over stand beside it, in `history`, where people read them too.
"""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from pydantic.alias_generators import to_camel

from utilitarian_operator.core.memory import Memory
from utilitarian_operator.core.nap import Nap
from utilitarian_operator.core.run_memory import OpenRun, Outcome, PastRun
from utilitarian_operator.core.wording import at

Text = dict[str, Any]

FIGURES = ("slotSeconds", "completions", "longest", "longestBefore", "startUp", "arrivals", "highs")
"""Averages: written with the other figures, every 30 s at most."""

RUN_FIGURES = ("tasks", "done", "mostWorkers", "workerSeconds", "workedAt", "shortSince")
"""The same of an open run."""

_NOT_KEPT = {"looked_at", "history", "oldest"}
"""A restarted operator did not look meanwhile."""

_EMPTY = Memory()
_KEPT = {field.name: to_camel(field.name) for field in fields(Memory) if field.name not in _NOT_KEPT}
"""Each field and how it is called in a status."""


def to_text(memory: Memory) -> Text:
    """What is worth keeping, without what is as at the beginning."""
    values = {name: getattr(memory, name) for name in _KEPT}
    return {_KEPT[name]: _plain(value) for name, value in values.items() if value != getattr(_EMPTY, name)}


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
            longest_before=tuple(float(it) for it in text.get("longestBefore", ())),
            start_up=_number(text.get("startUp")),
            arrivals=_counted(text.get("arrivals", ())),
            highs=_counted(text.get("highs", ())),
            surplus_since=_moment(text.get("surplusSince")),
            first_worker_since=_moment(text.get("firstWorkerSince")),
            first_worker_spent=bool(text.get("firstWorkerSpent")),
            nap=_nap(text.get("nap")),
            runs=tuple(_run(run) for run in text.get("runs", ())),
            opened=tuple((name, datetime.fromisoformat(at)) for name, at in text.get("opened", ())),
        )
    except (TypeError, ValueError, KeyError):
        return Memory()


def past_to_text(past: PastRun) -> Text:
    """A run that is over, as it stands in `status.pools[].history`."""
    due = {"deadline": at(past.deadline)} if past.deadline is not None else {}
    return {
        "name": past.name,
        "started": at(past.start),
        "finished": at(past.finished),
        **due,
        "tasks": past.tasks,
        "outcome": str(past.outcome),
        "mostWorkers": past.most_workers,
        "workerSeconds": round(past.worker_seconds),
    }


def past_from_text(rows: Any) -> tuple[PastRun, ...]:
    """The runs that were written; none if they can't be read."""
    try:
        return tuple(_past(row) for row in rows)
    except (TypeError, ValueError, KeyError):
        return ()


def _past(row: Mapping[str, Any]) -> PastRun:
    return PastRun(
        name=str(row["name"]),
        start=datetime.fromisoformat(row["started"]),
        finished=datetime.fromisoformat(row["finished"]),
        deadline=_moment(row.get("deadline")),
        outcome=Outcome(row["outcome"]),
        tasks=int(row.get("tasks", 0)),
        most_workers=int(row.get("mostWorkers", 0)),
        worker_seconds=float(row.get("workerSeconds", 0)),
    )


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case float():
            return round(value, 3)
        case OpenRun():
            empty = OpenRun(value.name, value.start)
            values = {field.name: getattr(value, field.name) for field in fields(value)}
            told = {key: it for key, it in values.items() if key in {"name", "start"} or it != getattr(empty, key)}
            return {to_camel(key): _plain(it) for key, it in told.items()}
        case Nap():
            return {to_camel(field.name): _plain(getattr(value, field.name)) for field in fields(value)}
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


def _nap(text: Mapping[str, Any] | None) -> Nap | None:
    if text is None:
        return None
    first_due = datetime.fromisoformat(text["firstDue"])
    return Nap(int(text["number"]), first_due, int(text["returns"]), bool(text["slept"]))


def _run(text: Mapping[str, Any]) -> OpenRun:
    return OpenRun(
        name=str(text["name"]),
        start=datetime.fromisoformat(text["start"]),
        watched_since=_moment(text.get("watchedSince")),
        first_message=_moment(text.get("firstMessage")),
        worked_at=_moment(text.get("workedAt")),
        tasks=int(text.get("tasks", 0)),
        done=int(text.get("done", 0)),
        most_workers=int(text.get("mostWorkers", 0)),
        worker_seconds=float(text.get("workerSeconds", 0)),
        short_since=_moment(text.get("shortSince")),
        missed=bool(text.get("missed")),
        at_risk=bool(text.get("atRisk")),
    )

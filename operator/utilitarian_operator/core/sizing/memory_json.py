"""A pool's memory as it stands in the status, and back: a restarted operator decides the same.

The runs that are over stand beside it, in `history`, where people read them too.
"""

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, TypeVar

from pydantic.alias_generators import to_camel

from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.observation.counted.start_ups import LONGEST_DELAY_S, LONGEST_START_UP_S, MOST_START_UPS
from utilitarian_operator.core.reading import MOST_SECONDS, Reader
from utilitarian_operator.core.sizing.eta_sleep import EtaSleep
from utilitarian_operator.core.sizing.learning import LONGEST_TASK_S, MOST_COMPLETIONS, MOST_STRETCHES
from utilitarian_operator.core.sizing.memory import FRESH, Memory
from utilitarian_operator.core.sizing.runs.run_state import MOST_PAST_RUNS, OpenRun, Outcome, PastRun
from utilitarian_operator.core.sizing.usage import MOST_BYTES, MOST_CORES, MOST_MINUTES, Usage
from utilitarian_operator.core.sizing.usage import MOST_STRETCHES as MOST_DAYS

Text = dict[str, Any]
T = TypeVar("T")

MOST_SLOT_SECONDS = LONGEST_TASK_S * MOST_COMPLETIONS
MOST_WORKERS = 100_000
MOST_KEPT = 24
"""Rows of what is counted by buckets: about twice as many as are written."""

LONGEST_WARM_UP = timedelta(hours=25)
"""How far ahead the start of a run may lie that is being prepared: the longest `warmUp`, and clocks that differ."""

FAR_AHEAD = timedelta(days=366)
"""How far ahead a task's own time or a deadline may lie."""

_STARTS = ("startUp", "startUps", "startUpDeviation", "startedAt", "startWaited")
FIGURES = ("slotSeconds", "completions", "longest", "longestBefore", *_STARTS, "usage", "arrivals", "highs")
"""Averages: written with the other figures, every 30 s at most."""

RUN_FIGURES = ("tasks", "done", "mostWorkers", "workerSeconds", "workedAt", "shortSince")
"""The same of an open run."""

_NOT_KEPT = {"looked_at", "history", "oldest", "empty_looks"}
"""A restarted operator did not look meanwhile."""

_OF_BEFORE = {"eta_sleep": "nap"}
"""Fields that have another name in a status: what an operator has written, its next version reads."""

_KEPT = {
    field.name: _OF_BEFORE.get(field.name, to_camel(field.name.removesuffix("_s")))
    for field in fields(Memory)
    if field.name not in _NOT_KEPT
}
"""Each field and how it is called in a status, where durations have no unit in their name: all are in seconds."""


_MOVING = {name: text for name, text in _KEPT.items() if text in FIGURES}
_SETTLED = {name: text for name, text in _KEPT.items() if text not in FIGURES}
settled: Callable[[Memory], tuple[Any, ...]] = attrgetter(*_SETTLED)
"""What of a memory is no figure: it changes seldom, and is written at once."""


def to_text(memory: Memory) -> Text:
    """What is worth keeping, without what is as at the beginning."""
    return settled_text(*settled(memory)) | figures_text(memory)


def figures_text(memory: Memory) -> Text:
    """The same of the figures, which are written with other changes or after a while."""
    values = {name: getattr(memory, name) for name in _MOVING}
    return {_MOVING[name]: _plain(value) for name, value in values.items() if value != getattr(FRESH, name)}


def settled_text(*values: Any) -> Text:
    """The same of what is no figure, as `settled` has it."""
    written = zip(_SETTLED.values(), values, settled(FRESH), strict=True)
    return {text: _plain(value) for text, value, fresh in written if value != fresh}


def from_text(text: object, now: datetime) -> Memory:
    """The memory that was written; each field that can't be read, of another version perhaps, is as at the beginning.

    Args:
        text: as it stands in a status.
        now: the one clock.
    """
    return read(Reader(now, "memory", []), text)


def read(reader: Reader, text: object) -> Memory:
    """The same, by a reader that names what is left out."""
    written = reader.fields(text) or {}

    def moment(name: str) -> datetime | None:
        return reader.at(f".{name}").moment(written.get(name))

    def figure(name: str, most: float = MOST_SECONDS) -> float | None:
        return reader.at(f".{name}").figure(written.get(name), most)

    def each(name: str, part: Callable[[Reader, Any], T | None]) -> tuple[T, ...]:
        return tuple(reader.at(f".{name}").each(written.get(name), part))

    counted = (figure("slotSeconds", MOST_SLOT_SECONDS), figure("completions", 2 * MOST_COMPLETIONS))
    if any(it is None and name in written for name, it in zip(("slotSeconds", "completions"), counted, strict=True)):
        counted = (None, None)  # each of them says nothing without the other
    return Memory(
        idle_since=moment("idleSince"),
        busy_since=moment("busySince"),
        slot_seconds=counted[0] or 0.0,
        completions=counted[1] or 0.0,
        period_seconds=figure("periodSeconds", LONGEST_TASK_S),
        longest_s=figure("longest") or 0.0,
        longest_before=each("longestBefore", lambda place, it: place.figure(it))[-MOST_STRETCHES:],
        start_up_s=figure("startUp", LONGEST_START_UP_S),
        start_ups=each("startUps", lambda place, it: place.figure(it, LONGEST_START_UP_S))[-MOST_START_UPS:],
        start_up_deviation_s=figure("startUpDeviation", LONGEST_START_UP_S),
        started_at=moment("startedAt"),
        start_waited_s=figure("startWaited") or 0.0,
        arrivals=_in_order(each("arrivals", _counted)),
        highs=_in_order(each("highs", _counted)),
        surplus_since=moment("surplusSince"),
        waiting_since=moment("waitingSince"),
        asked_since=moment("askedSince"),
        start_delay_s=figure("startDelay", LONGEST_DELAY_S) or 0.0,
        usage=_usage(reader.at(".usage"), written.get("usage")),
        first_worker_since=moment("firstWorkerSince"),
        first_worker_turn=moment("firstWorkerTurn"),
        first_worker_spent=reader.at(".firstWorkerSpent").flag(written.get("firstWorkerSpent")),
        eta_sleep=_eta_sleep(reader.at(".nap"), written.get("nap")),
        of_queues=(reader.at(".ofQueues").name(written["ofQueues"]) or "") if "ofQueues" in written else "",
        runs=each("runs", _run),
        opened=each("opened", _named_start),
    )


def past_to_text(past: PastRun) -> Text:
    """A run that is over, as it stands in `status.pools[].history`."""
    due = {"deadline": timestamp(past.deadline)} if past.deadline is not None else {}
    return {
        "name": past.name,
        "started": timestamp(past.start),
        "finished": timestamp(past.finished),
        **due,
        "tasks": past.tasks,
        "outcome": str(past.outcome),
        "mostWorkers": past.most_workers,
        "workerSeconds": round(past.worker_seconds),
    }


def past_from_text(rows: object, now: datetime) -> tuple[PastRun, ...]:
    """The runs that were written, without those that can't be read.

    Args:
        rows: as they stand in a status.
        now: the one clock.
    """
    return read_past(Reader(now, "history", []), rows)


def read_past(reader: Reader, rows: object) -> tuple[PastRun, ...]:
    """The same, by a reader that names what is left out."""
    return tuple(reader.each(rows, _past))[:MOST_PAST_RUNS]


def _past(reader: Reader, row: object) -> PastRun | None:
    written = reader.fields(row) or {}
    name, outcome = reader.at(".name").name(written.get("name")), written.get("outcome")
    start, finished = (reader.at(f".{it}").moment(written.get(it)) for it in ("started", "finished"))
    if not isinstance(outcome, str) or outcome not in set(Outcome):
        reader.at(".outcome").leave_out(outcome, "no outcome that this version knows")
        return None
    if name is None or start is None or finished is None:
        return None
    return PastRun(
        name=name,
        start=start,
        finished=finished,
        deadline=reader.at(".deadline").moment(written.get("deadline"), FAR_AHEAD),
        outcome=Outcome(outcome),
        tasks=reader.at(".tasks").count(written.get("tasks")) or 0,
        most_workers=reader.at(".mostWorkers").count(written.get("mostWorkers"), MOST_WORKERS) or 0,
        worker_seconds=reader.at(".workerSeconds").figure(written.get("workerSeconds"), MOST_SLOT_SECONDS) or 0.0,
    )


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case float():
            return round(value, 3)
        case OpenRun():
            always = {"name": value.name, "start": value.start}
            written = always | _set_fields(value, OpenRun(value.name, value.start))
            return {to_camel(key): _plain(it) for key, it in written.items()}
        case EtaSleep() | Usage():
            written = _set_fields(value, Usage()) if isinstance(value, Usage) else _set_fields(value, None)
            return {to_camel(name): _plain(it) for name, it in written.items()}
        case tuple():
            return [_plain(part) for part in value]
        case _:
            return value


def _set_fields(value: Any, empty: Any) -> dict[str, Any]:
    """The fields of a value that are not as those of an empty one; all of them where there is none to compare with."""
    values = {field.name: getattr(value, field.name) for field in fields(value)}
    return {name: it for name, it in values.items() if empty is None or it != getattr(empty, name)}


def _usage(reader: Reader, text: object) -> Usage:
    written = reader.fields(text) or {}
    slots = reader.at(".slots").count(written.get("slots"), MOST_WORKERS)
    since = reader.at(".since").moment(written.get("since"))
    if not slots or since is None:
        return Usage()
    minutes = reader.at(".cpuPerSlot").each(written.get("cpuPerSlot"), lambda place, it: place.figure(it, MOST_CORES))
    peaks = reader.at(".peaksBefore").each(written.get("peaksBefore"), lambda place, it: place.figure(it, MOST_BYTES))
    return Usage(
        slots=slots,
        cpu_per_slot=tuple(minutes)[-MOST_MINUTES:],
        peak=reader.at(".peak").figure(written.get("peak"), MOST_BYTES) or 0.0,
        peaks_before=tuple(peaks)[-MOST_DAYS:],
        since=since,
        killed_at=reader.at(".killedAt").moment(written.get("killedAt")),
    )


def _counted(reader: Reader, row: object) -> tuple[datetime, int] | None:
    pair = reader.pair(row)
    if pair is None:
        return None
    moment, count = reader.at("[0]").moment(pair[0]), reader.at("[1]").count(pair[1])
    return None if moment is None or count is None else (moment, count)


def _in_order(counted: tuple[tuple[datetime, int], ...]) -> tuple[tuple[datetime, int], ...]:
    return tuple(sorted(counted))[-MOST_KEPT:]


def _named_start(reader: Reader, row: object) -> tuple[str, datetime] | None:
    pair = reader.pair(row)
    if pair is None:
        return None
    name, moment = reader.at("[0]").name(pair[0]), reader.at("[1]").moment(pair[1], LONGEST_WARM_UP)
    return None if name is None or moment is None else (name, moment)


def _eta_sleep(reader: Reader, text: object) -> EtaSleep | None:
    written = reader.fields(text)
    if written is None:
        return None
    number, returns = (reader.at(f".{it}").count(written.get(it)) for it in ("number", "returns"))
    first_due = reader.at(".firstDue").moment(written.get("firstDue"), FAR_AHEAD)
    if not number or first_due is None or returns is None:
        return None
    return EtaSleep(number, first_due, returns, reader.at(".slept").flag(written.get("slept")))


def _run(reader: Reader, text: object) -> OpenRun | None:
    written = reader.fields(text) or {}
    name = reader.at(".name").name(written.get("name"))
    start = reader.at(".start").moment(written.get("start"), LONGEST_WARM_UP)
    if name is None or start is None:
        return None
    watched, first, worked, short = (
        reader.at(f".{it}").moment(written.get(it)) for it in ("watchedSince", "firstMessage", "workedAt", "shortSince")
    )
    return OpenRun(
        name=name,
        start=start,
        watched_since=watched,
        first_message=first,
        worked_at=worked,
        tasks=reader.at(".tasks").count(written.get("tasks")) or 0,
        done=reader.at(".done").count(written.get("done")) or 0,
        most_workers=reader.at(".mostWorkers").count(written.get("mostWorkers"), MOST_WORKERS) or 0,
        worker_seconds=reader.at(".workerSeconds").figure(written.get("workerSeconds"), MOST_SLOT_SECONDS) or 0.0,
        short_since=short,
        missed=reader.at(".missed").flag(written.get("missed")),
        at_risk=reader.at(".atRisk").flag(written.get("atRisk")),
        drained=reader.at(".drained").flag(written.get("drained")),
    )

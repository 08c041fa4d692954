"""What of a status is new: whether it is worth a write, and the patch that writes it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from utilitarian_operator.core.changed import Kept
from utilitarian_operator.core.sizing.memory_json import FIGURES, RUN_FIGURES

REFRESH = timedelta(seconds=30)
"""Figures that move alone are written at most this often; the exact ones are in the metrics."""

LAST_MESSAGES = "lastMessages"

Status = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """A status that was written.

    Args:
        wanted: as it was to become.
        stored: as the API server had it afterwards: without what its schema does not know.
        at: when.
    """

    wanted: Mapping[str, Any]
    stored: Mapping[str, Any]
    at: datetime


def worth_writing(
    wanted: Mapping[str, Any], previous: Mapping[str, Any], written: Written | None, now: datetime
) -> bool:
    """Whether the status must be written: at once when something changed, every 30 s when only figures moved.

    Args:
        wanted: as it should read.
        previous: as it reads.
        written: the last time; what the API server did not take of it then is not written again.
        now: the one clock.
    """
    if written is not None and previous == written.stored:
        previous = written.wanted
    if wanted == previous or _at_rest(wanted) == _at_rest(previous):
        return False
    lately = written is not None and timedelta() <= now - written.at < REFRESH
    return not lately or _without_figures(wanted) != _without_figures(previous)


def only_figures_moved(
    bare: Mapping[str, Any], previous: Mapping[str, Any], written: Written | None, now: datetime, kept: Kept
) -> bool:
    """Whether a status need not be worked out to its end: it was written lately, and nothing but figures moved since.

    Args:
        bare: the status without most of its figures.
        previous: as it reads.
        written: the last time.
        now: the one clock.
        kept: what the look before has made.
    """
    if written is None or not timedelta() <= now - written.at < REFRESH:
        return False
    return _without_figures(bare, kept) == kept.of(None, _before, previous, written)


def _before(previous: Mapping[str, Any], written: Written) -> Status:
    """What there was, without figures."""
    return _without_figures(written.wanted if previous == written.stored else previous)


def patch(wanted: Mapping[str, Any], previous: Mapping[str, Any]) -> Status:
    """What to merge into the status so that it becomes as wanted: a field that shall go must be named, however deep."""
    gone = dict.fromkeys(previous.keys() - wanted.keys())
    return {**gone, **{name: _merged(value, previous.get(name)) for name, value in wanted.items()}}


def _merged(wanted: Any, previous: Any) -> Any:
    return patch(wanted, previous) if isinstance(wanted, Mapping) and isinstance(previous, Mapping) else wanted


def _at_rest(status: Mapping[str, Any]) -> Status:
    """The status without the moments of demands: where only they move, nothing happens, and no decision changes."""
    return {**status, "pools": [_pool_at_rest(pool) for pool in status.get("pools", ())]}


def _pool_at_rest(pool: Mapping[str, Any]) -> Mapping[str, Any]:
    memory = pool.get("memory", {})
    return {**pool, "memory": {**memory, "highs": _in_turn(memory["highs"])}} if "highs" in memory else pool


def _in_turn(highs: Iterable[Sequence[Any]]) -> list[Any]:
    return [demand for demand, _ in groupby(value for _, value in highs)]


_WITH_FIGURES = {"Ready", "BrokerReachable", "AtMaximum", "DeadlineAtRisk"}
"""Conditions whose messages hold figures."""

_POOL_FIGURES = (
    "backlog",
    "unacked",
    "busy",
    "deferred",
    "trail",
    "heldUp",
    "startUp",
    "startWaited",
    "cpuPerSlot",
    "peakMemory",
)
_RUN_FIGURES = ("remaining", "eta", "uncertainty")


def _without_figures(status: Mapping[str, Any], kept: Kept | None = None) -> Status:
    kept = kept or Kept()
    pools = [kept.of(pool["name"], _pool_without_figures, pool) for pool in status.get("pools", ())]
    conditions = [
        {k: v for k, v in condition.items() if k != "message" or condition["type"] not in _WITH_FIGURES}
        for condition in status.get("conditions", ())
    ]
    rest = {k: v for k, v in status.items() if k not in {"backlog", "delayed", "pools", "conditions", "advice", "beat"}}
    beat = _without(status.get("beat", {}), (LAST_MESSAGES,))
    delayed = bool(status.get("delayed"))
    return rest | {"pools": pools, "conditions": conditions, "beat": beat, "delayed": delayed}


def _pool_without_figures(pool: Mapping[str, Any]) -> Status:
    memory = _without(pool.get("memory", {}), FIGURES)
    if "runs" in memory:
        memory["runs"] = [_without(run, RUN_FIGURES) for run in memory["runs"]]
    run = {"run": _without(pool["run"], _RUN_FIGURES)} if "run" in pool else {}
    words = {"message": _words(str(pool.get("message", "")))}
    return _without(pool, _POOL_FIGURES) | {"memory": memory} | run | words


def _words(sentence: str) -> str:
    """A sentence without its figures."""
    return re.sub(r"[0-9][0-9.,]*", "#", sentence)


def _without(status: Mapping[str, Any], figures: Sequence[str]) -> Status:
    return {key: value for key, value in status.items() if key not in figures}

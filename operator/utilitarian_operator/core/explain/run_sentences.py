"""The runs of a pool in sentences, from its status."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from utilitarian_operator.api.units import format_duration
from utilitarian_operator.core.wording import number, plural, whole

MOST_PAST = 3
"""Past runs that are worth a line; the others are in the status."""


def open_run(of_pool: Mapping[str, Any]) -> str:
    """The open run of a pool as one sentence; empty if none is open.

    Args:
        of_pool: the pool's entry in the status.
    """
    run = of_pool.get("run")
    if not run:
        return ""
    parts = [f"run {run.get('name', '?')} of {run.get('started', '?')}"]
    left = run.get("remaining")
    parts.append("what is left is unknown" if left is None else f"{plural(left, 'task')} left")
    if run.get("eta"):
        off = f" (± {run['uncertainty']})" if run.get("uncertainty") else ""
        parts.append(f"done about {run['eta']}{off}")
    if run.get("deadline"):
        parts.append(f"due {run['deadline']}")
    return ", ".join(parts)


def past_runs(of_pool: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The last runs that are over, each with its name and start, and what became of it."""
    for past in (of_pool.get("history") or ())[:MOST_PAST]:
        took = _took(past)
        workers = f"{plural(past.get('mostWorkers') or 0, 'worker')} at most"
        hours = f"{number(round((past.get('workerSeconds') or 0) / 3600, 2))} worker-hours"
        text = f"{past.get('outcome', '?')}{took}, {plural(past.get('tasks') or 0, 'task')}, {workers}, {hours}"
        yield f"{past.get('name', '?')} of {past.get('started', '?')}", text


def _took(past: Mapping[str, Any]) -> str:
    try:
        length = datetime.fromisoformat(past["finished"]) - datetime.fromisoformat(past["started"])
    except (KeyError, TypeError, ValueError):
        return ""
    return f" after {format_duration(whole(length))}" if length > timedelta() else ""

"""Works out from ledger, events and looks what the demonstration came to, and words it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from demo.broker import Sent
from demo.snapshot import Snapshot
from utilitarian.reckoning import Ledger, Summary

PROMISE = 1.5  # seconds from a pool's first message to its scale request

_NOTE = re.compile(r"pool (?P<pool>\S+): (?P<before>\d+) to (?P<after>\d+): ")


@dataclass(frozen=True)
class ScaleUp:
    """A request for more workers, as the operator's event tells it; `at` in seconds since the epoch."""

    pool: str
    at: float
    before: int
    after: int


@dataclass(frozen=True)
class PoolReport:
    """What became of one pool.

    Args:
        sent: tasks sent to it by the demonstration.
        finished: of these.
        to_scale: seconds from its first message to the request for workers; None if nothing was sent or asked for.
        to_start: seconds from its first message to its first task's start; None if none started.
        most: workers at one time.
        used: seconds that its workers existed, added up.
        always_on: seconds that they would have if there had been `most` of them all the time.
    """

    name: str
    sent: int
    finished: int
    to_scale: float | None
    to_start: float | None
    most: int
    used: float
    always_on: float

    @property
    def woken_in_time(self) -> bool:
        """Whether the request for workers came within the promise."""
        return self.to_scale is not None and self.to_scale < PROMISE


@dataclass(frozen=True)
class Report:
    """What the demonstration came to; `seconds` from applying the resource to the fleet's sleep at the end."""

    summary: Summary
    pools: tuple[PoolReport, ...]
    beat_tasks: int
    seconds: float
    asleep: bool

    @property
    def failures(self) -> list[str]:
        """What went otherwise than it must, a sentence each."""
        said = []
        if not self.summary.each_finished_once:
            said.append(f"not every task finished exactly once: {self.summary}")
        if not self.asleep:
            said.append("the fleet is not back at zero workers")
        if not self.beat_tasks:
            said.append("beat sent no scheduled task that finished")
        said += [
            f"no scale request of pool {pool.name} was recorded"
            for pool in self.pools
            if pool.sent and pool.to_scale is None
        ]
        return said


def scale_ups(events: Iterable[Mapping[str, Any]]) -> list[ScaleUp]:
    """The requests for more workers among a namespace's events, in the order of their time."""
    found = []
    for event in events:
        said = _NOTE.match(event.get("note", "")) if event.get("reason") == "ScaledUp" else None
        if said:
            at = datetime.fromisoformat(event["eventTime"]).timestamp()
            found.append(ScaleUp(said["pool"], at, int(said["before"]), int(said["after"])))
    return sorted(found, key=lambda request: request.at)


def make_report(
    sent: Mapping[str, Sequence[Sent]], ledger: Ledger, requests: Sequence[ScaleUp], history: Sequence[Snapshot]
) -> Report:
    """Put it all together.

    Args:
        sent: what was sent, by pool; a pool without any has an empty list.
        ledger: all records.
        requests: from the events.
        history: every look, from the first to the last, at least one.
    """
    ids = [task for lots in sent.values() for lot in lots for task in lot.ids]
    seconds = history[-1].at - history[0].at
    most, used = _most(history), _used(history)
    pools = tuple(
        _pool_report(name, lots, ledger, requests, Workers(most[name], used[name], most[name] * seconds))
        for name, lots in sent.items()
    )
    summary = ledger.summary(ids)
    # Only beat sends anything else here.
    by_beat = ledger.ids("end") & summary.unknown
    return Report(summary, pools, len(by_beat), seconds, history[-1].asleep)


@dataclass(frozen=True)
class Workers:
    """The workers of a pool: the most at one time, and the seconds used and always on."""

    most: int
    used: float
    always_on: float


def _pool_report(
    name: str, lots: Sequence[Sent], ledger: Ledger, requests: Sequence[ScaleUp], workers: Workers
) -> PoolReport:
    ids = {task for lot in lots for task in lot.ids}
    first_at = min((lot.first_at for lot in lots), default=None)
    to_scale = to_start = None
    if first_at is not None:
        asked = [request.at for request in requests if request.pool == name and request.at >= first_at]
        started = [record.at for record in ledger.records if record.event == "start" and record.task_id in ids]
        to_scale = min(asked) - first_at if asked else None
        to_start = min(started) - first_at if started else None
    finished = len(ledger.ids("end") & ids)
    return PoolReport(name, len(ids), finished, to_scale, to_start, workers.most, workers.used, workers.always_on)


def _most(history: Sequence[Snapshot]) -> dict[str, int]:
    return {pool.name: max(_pods(snapshot, pool.name) for snapshot in history) for pool in history[-1].pools}


def _used(history: Sequence[Snapshot]) -> dict[str, float]:
    """Worker-seconds by pool: pods seen at a look are counted until the next one."""
    return {
        pool.name: sum(_pods(before, pool.name) * (after.at - before.at) for before, after in pairwise(history))
        for pool in history[-1].pools
    }


def _pods(snapshot: Snapshot, pool: str) -> int:
    return next(seen.pods for seen in snapshot.pools if seen.name == pool)


def wording(report: Report) -> list[str]:
    """The report as lines for people."""
    head = f"{'pool':<14}{'sent':>5}{'finished':>9}{'asked for workers':>19}{'first task':>12}"
    lines = [
        f"tasks: {report.summary}",
        f"beat:  {report.beat_tasks} scheduled tasks sent and finished",
        "",
        f"{head}{'most workers':>14}{'worker-seconds':>16}",
        *(_line(pool) for pool in sorted(report.pools, key=lambda pool: (-pool.sent, pool.name))),
        "",
        *_cost(report),
    ]
    verdict = "every task finished exactly once, and the fleet is back at zero"
    return [*lines, *(f"FAILED: {failure}" for failure in report.failures)] if report.failures else [*lines, verdict]


def _line(pool: PoolReport) -> str:
    sent, finished = (str(pool.sent), str(pool.finished)) if pool.sent else ("-", "-")
    mark = "" if pool.to_scale is None else " ok" if pool.woken_in_time else " LATE"
    asked = "-" if pool.to_scale is None else f"{pool.to_scale:.2f} s{mark}"
    start = "-" if pool.to_start is None else f"{pool.to_start:.1f} s"
    return f"{pool.name:<14}{sent:>5}{finished:>9}{asked:>19}{start:>12}{pool.most:>14}{pool.used:>16.0f}"


def _cost(report: Report) -> list[str]:
    used, always_on = sum(pool.used for pool in report.pools), sum(pool.always_on for pool in report.pools)
    share = f"{used / always_on:.0%} of the" if always_on else "of"
    return [
        f"asked for workers, first task: counted from the pool's first message; ok: within {PROMISE:g} s",
        f"worker-seconds used: {used:,.0f}, {share} {always_on:,.0f} of a fleet that is always on,",
        f"that is with each pool at its most workers for all of the {report.seconds:.0f} s",
    ]

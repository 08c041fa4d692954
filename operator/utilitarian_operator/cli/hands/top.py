"""`top`: a live table of the pools of fleets, with their backlog's way, their workers and their promises."""

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.objects import Object
from utilitarian_operator.cli import connection
from utilitarian_operator.cli.connection import Connection, Target
from utilitarian_operator.cli.hands import watching
from utilitarian_operator.cli.output import Format, emit, explained, painted, plain, remark
from utilitarian_operator.cli.resources import NONE_HERE, Found, checked, found_in, label, those_meant
from utilitarian_operator.cli.status import effective, figures, next_runs
from utilitarian_operator.cli.tables import columns, cut, terminal_width
from utilitarian_operator.core.explain.explanation import why_from_status, wrong_conditions
from utilitarian_operator.core.explain.next_changes import until
from utilitarian_operator.core.explain.presence import Seen
from utilitarian_operator.core.explain.promise import Kept, promise
from utilitarian_operator.core.wording import span, sparkline

KEPT_LOOKS = 120
WIDTH = 8
"""Of a sparkline."""


@dataclass
class History:
    """The backlogs that were seen since `top` began, by fleet and pool, the newest last; unknown ones left out."""

    backlogs: dict[tuple[str, str], deque[int]] = field(default_factory=dict)

    def seen(self, fleet: str, pool: str, backlog: int | None) -> str:
        """Note a backlog; returns the way that it went, as bars."""
        values = self.backlogs.setdefault((fleet, pool), deque(maxlen=KEPT_LOOKS))
        values += [] if backlog is None else [backlog]
        return sparkline(list(values), min(WIDTH, len(values))) if values else ""


def top(fleet: str | None, target: Target, *, selector: str, everywhere: bool, once: bool) -> None:
    """Show fleets; `commands.top` says what each argument is."""
    history = History()
    with explained(Format.TABLE):
        checked(target, everywhere=everywhere)

        async def look(there: Connection) -> str:
            found = await found_in(there, everywhere=everywhere, selector=selector)
            for note in found.notes if once else ():
                remark(f"note: {note}")
            return frame(found, those_meant(found.resources, fleet), history, found.now())

        async def one() -> str:
            async with connection.connected(target) as there:
                return await look(there)

        if once:
            emit(asyncio.run(one()))
        else:
            watching.follow(lambda: watching.frames(target, look))


def frame(found: Found, resources: Sequence[Object], history: History, now: datetime) -> str:
    """One screen: each fleet with a line on itself, on beat and broker, on what is wrong, and its pools."""
    if not resources:
        return NONE_HERE
    most = terminal_width()
    lines = [line for it in resources for line in (*_fleet(found, it, history, now), "")]
    return "\n".join(line if most is None or "\x1b" in line else cut(plain(line), most) for line in lines[:-1])


def _fleet(found: Found, resource: Object, history: History, now: datetime) -> Iterator[str]:
    status, it, most = resource.get("status") or {}, found.presence(resource, now), terminal_width()

    def fitted(said: str) -> str:
        # What others wrote may hold lines, and escapes that look like colours of ours.
        line = plain(" ".join(said.split("\n")))
        return line if most is None else cut(line, most)

    def red(said: str) -> str:
        return painted(fitted(said), "red")

    yield fitted(f"{label(resource)}: {figures(resource, now)}")
    yield red(it.message) if it.seen is Seen.NOT else fitted(it.message)
    yield fitted(", ".join(_beat_and_broker(status, now)))
    yield from map(red, wrong_conditions(status))
    rows = status.get("pools") or ()
    if rows:
        yield from _table(label(resource), effective(resource), rows, history, found.as_of(resource, now)).splitlines()


def _beat_and_broker(status: Mapping[str, Any], now: datetime) -> Iterator[str]:
    states = {it.get("type"): it for it in status.get("conditions") or ()}
    beat, broker = states.get("BeatReady", {}), states.get("BrokerReachable", {})
    sent = [str(it["at"]) for it in (status.get("beat") or {}).get("lastMessages") or () if it.get("at")]
    yield f"beat {_state(beat, 'ready')}" + (f", sent something {ago(max(sent), now)} ago" if sent else "")
    yield f"broker {_state(broker, 'reachable')}"


def ago(at: str, now: datetime) -> str:
    """How long ago a moment was, `?` where it is none."""
    try:
        return span(max(now - datetime.fromisoformat(at), timedelta()))
    except (TypeError, ValueError):
        return "?"


def _state(condition: Mapping[str, Any], good: str) -> str:
    words = {"True": good, "False": f"NOT {good}"}
    said = words.get(str(condition.get("status")), "unknown")
    reason = condition.get("reason")
    return f"{said} ({reason})" if reason else said


def _table(name: str, fleet: Fleet | None, rows: Sequence[Mapping[str, Any]], history: History, now: datetime) -> str:
    coming = next_runs(fleet, now)
    pools = {pool.name: pool for pool in fleet.pools} if fleet else {}

    def row(it: Mapping[str, Any]) -> list[object]:
        backlog, start, pool = it.get("backlog"), coming.get(it["name"]), pools.get(it["name"])
        return [
            it["name"],
            "?" if backlog is None else f"{backlog:,}",
            history.seen(name, it["name"], backlog),
            f"{it.get('ready', 0)}/{it.get('desired', 0)}" + (f"-{it['draining']}" if it.get("draining") else ""),
            until(datetime.fromisoformat(start), now) if start else "-",
            promise(pool, it, now) if pool is not None else Kept.UNKNOWN,
            why_from_status(it),
        ]

    awake_first = sorted(rows, key=lambda it: not (it.get("desired") or it.get("backlog") or it.get("ready")))
    head = ["POOL", "BACKLOG", "", "WORKERS", "NEXT-RUN", "KEPT", "WHY"]
    return columns(head, map(row, awake_first), one_line=True)

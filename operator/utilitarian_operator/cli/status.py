"""`utilitarian-operator status`: each fleet and its pools in a table, from the resources' status alone."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.problem import InvalidSpec
from utilitarian_operator.cli import connection
from utilitarian_operator.cli.connection import Connection, Target
from utilitarian_operator.cli.hands.watching import follow, frames
from utilitarian_operator.cli.output import (
    Format,
    WrongInput,
    document,
    emit,
    explained,
    painted,
    remark,
)
from utilitarian_operator.cli.resources import (
    NONE_HERE,
    Found,
    annotations_of,
    checked,
    fleet_of,
    found_in,
    from_file,
    label,
    mode_of,
    those_meant,
)
from utilitarian_operator.cli.tables import columns
from utilitarian_operator.core.explain.explanation import next_run, why_from_status, wrong_conditions
from utilitarian_operator.core.explain.next_changes import until
from utilitarian_operator.core.explain.presence import Seen
from utilitarian_operator.core.explain.run_sentences import open_run
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.sizing.memory import seconds_per_task
from utilitarian_operator.core.sizing.memory_json import from_text
from utilitarian_operator.core.spec.by_hand import by_hand
from utilitarian_operator.core.wording import seconds


def status(  # noqa: PLR0913 - what a person may ask for
    fleet: str | None,
    filename: Path | None,
    target: Target,
    output: Format,
    selector: str,
    *,
    everywhere: bool,
    watch: bool,
) -> None:
    """Print each fleet and its pools; `commands.status` says what each argument is."""
    with explained(output):
        checked(target, everywhere=everywhere)
        if filename is not None and (watch or selector):
            raise WrongInput("--filename is no cluster: --watch and --selector need one")

        async def look(there: Connection) -> str:
            found = await found_in(there, everywhere=everywhere, selector=selector)
            return _chosen(found, fleet, output, watch=watch)

        async def once() -> str:
            async with connection.connected(target) as there:
                return await look(there)

        if watch:
            follow(lambda: frames(target, look))
        else:
            emit(_chosen(Found(from_file(filename)), fleet, output) if filename is not None else asyncio.run(once()))


def _chosen(found: Found, fleet: str | None, output: Format, *, watch: bool = False) -> str:
    chosen = those_meant(found.resources, fleet)
    if not chosen and watch and output in {Format.TABLE, Format.WIDE}:
        return NONE_HERE
    if not chosen and not watch:
        remark(NONE_HERE)
    for note in () if watch else found.notes:
        remark(f"note: {note}")
    return printed(found, chosen, output, found.now())


def printed(found: Found, chosen: list[Object], output: Format, now: datetime) -> str:
    """Fleets and their pools in a format."""
    if output in {Format.JSON, Format.YAML}:
        return document({"fleets": [_fleet(found, resource, now) for resource in chosen]}, output)
    blocks = ("\n".join(_text(found, resource, now, wide=output is Format.WIDE)) for resource in chosen)
    return "\n\n".join(blocks)


def _fleet(found: Found, resource: Object, now: datetime) -> dict[str, Any]:
    """A fleet as programs want it: the status, without what only the operator reads, and each pool's next run."""
    status, it, moment = resource.get("status") or {}, found.presence(resource, now), found.as_of(resource, now)
    coming = next_runs(effective(resource), moment)
    operator = {"seen": it.seen, "at": timestamp(it.at) if it.at else None, "message": it.message}
    pools = [
        {key: value for key, value in pool.items() if key != "memory"} | {"nextRun": coming.get(pool["name"])}
        for pool in status.get("pools") or ()
    ]
    whole = {key: value for key, value in status.items() if key not in {"memory", "pools"}}
    about = {
        "fleet": label(resource),
        "operator": operator,
        "asOf": timestamp(moment),
        "warnings": list(wrong_conditions(status)),
    }
    return {**about, **whole, "pools": pools}


def _text(found: Found, resource: Object, now: datetime, *, wide: bool) -> Iterator[str]:
    status, it, moment = resource.get("status") or {}, found.presence(resource, now), found.as_of(resource, now)
    yield f"{label(resource)}: {figures(resource, now) if status else 'no operator has looked at it yet'}"
    if status or found.leases is not None:
        yield painted(it.message, "red") if it.seen is Seen.NOT else it.message
    for said in wrong_conditions(status):
        yield painted(said, "red")
    rows = status.get("pools") or ()
    yield from (f"{pool['name']}: {sentence}" for pool in rows if (sentence := open_run(pool)))
    if rows:
        fleet = effective(resource)
        coming = next_runs(fleet, moment)
        more = ["UNACKED", "LATER", "LEAVING", "A-TASK"] if wide else []
        head = ["POOL", "READY", "BACKLOG", "BUSY", *more, "NEXT-RUN", "RULE", "WHY"]
        yield columns(head, (_row(pool, fleet, coming, moment, live=moment == now, wide=wide) for pool in rows))


def figures(resource: Mapping[str, Any], now: datetime) -> str:
    """A fleet in one line: `workers 3/15, queues 1/2, mode Paused until 2026-11-24T12:00:00Z`."""
    status = resource.get("status") or {}
    found = ", ".join(f"{name} {_count(status, name)}" for name in ("workers", "queues", "mode"))
    until_then = by_hand(annotations_of(resource))[0].pause("Auto", now)
    if status.get("mode") == "Paused" and mode_of(resource) == "Auto" and until_then:
        found += f" until {timestamp(until_then)}"
    return f"{found}, for later in the broker {status['delayed']}" if status.get("delayed") else found


def _row(
    pool: Mapping[str, Any], fleet: Fleet | None, coming: Mapping[str, str], now: datetime, *, live: bool, wide: bool
) -> list[object]:
    start = coming.get(pool["name"])
    # From what is old no time that is left may be counted: the moment itself says how old it is.
    run = (until(datetime.fromisoformat(start), now) if live else start) if start else "-"
    more = [_count(pool, "unacked"), _count(pool, "deferred"), pool.get("draining", 0), _task(pool, fleet, now)]
    return [
        pool["name"],
        f"{_count(pool, 'ready')}/{_count(pool, 'desired')}",
        _count(pool, "backlog"),
        _count(pool, "busy"),
        *(more if wide else []),
        run,
        pool.get("reason", "-"),
        why_from_status(pool),
    ]


def _count(pool: Mapping[str, Any], key: str) -> str:
    value = pool.get(key)
    return "?" if value is None else str(value)


def _task(pool: Mapping[str, Any], fleet: Fleet | None, now: datetime) -> str:
    """Measured seconds per task, `-` where none was measured."""
    memory = from_text(pool.get("memory"), now)
    spec = next((it for it in fleet.pools if it.name == pool["name"]), None) if fleet else None
    return seconds(seconds_per_task(spec, memory, now)) if spec is not None and memory.completions else "-"


def effective(resource: Mapping[str, Any]) -> Fleet | None:
    """The effective spec of a resource; None where it is refused."""
    try:
        return fleet_of(resource)
    except InvalidSpec:
        return None  # the condition Stalled, printed above, says what is wrong


def next_runs(fleet: Fleet | None, now: datetime) -> dict[str, str]:
    """When the next run of each pool that has runs begins, by the pool's name."""
    runs = {pool.name: next_run(pool, now) for pool in fleet.pools} if fleet else {}
    return {name: timestamp(run[1]) for name, run in runs.items() if run is not None}

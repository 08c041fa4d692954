"""`events`: what the operator and Kubernetes have told of a fleet and its objects, the newest last."""

import asyncio
from collections.abc import Callable, Container, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from utilitarian_operator.api.names import BEAT, beat_object, pool_object
from utilitarian_operator.api.objects import Object
from utilitarian_operator.cli import connection
from utilitarian_operator.cli.connection import Connection, Target
from utilitarian_operator.cli.hands import watching
from utilitarian_operator.cli.hands.top import ago
from utilitarian_operator.cli.output import Format, document, emit, explained, painted, remark
from utilitarian_operator.cli.resources import checked, found_in, pools_of, the_one
from utilitarian_operator.cli.tables import columns

KINDS = ("UtilitarianWorkerPool", "Deployment", "StatefulSet", "ReplicaSet", "Pod", "PersistentVolumeClaim")
MOST_OF_A_KIND = 5000
NONE_KEPT = "no events: Kubernetes keeps them for an hour, unless it is set otherwise"


def events(  # noqa: PLR0913 - what a person may ask for
    pool: str | None, fleet: str | None, target: Target, output: Format, *, selector: str, watch: bool, last: int
) -> None:
    """Print the events of fleets; `commands.events` says what each argument is."""
    with explained(output):
        checked(target)

        async def look(there: Connection) -> str:
            said: list[str] = []
            text = await _printed(there, pool, fleet, selector, output, last, said.append)
            return "\n".join([*(said if output in {Format.TABLE, Format.WIDE} else ()), text or NONE_KEPT])

        async def once() -> str:
            async with connection.connected(target) as there:
                return await _printed(there, pool, fleet, selector, output, last, lambda it: remark(f"note: {it}"))

        if watch:
            watching.follow(lambda: watching.frames(target, look))
        elif text := asyncio.run(once()):
            emit(text)
        else:
            remark(NONE_KEPT)


async def _printed(  # noqa: PLR0913 - what a person may ask for
    there: Connection,
    pool: str | None,
    fleet: str | None,
    selector: str,
    output: Format,
    last: int,
    told: Callable[[str], None],
) -> str:
    found = await found_in(there, selector=selector)
    for note in found.notes:
        told(note)
    several = fleet is None and pool is None
    chosen = found.resources if several else [the_one(found.resources, fleet, pool)]
    rows = await of_fleets(there, chosen, found.resources, pool, told=told)
    rows = rows[-last:] if last else rows
    if output in {Format.JSON, Format.YAML}:
        return document({"events": rows}, output)
    return _table(rows, found.now()) if rows else ""


async def of_fleets(
    there: Connection,
    resources: Sequence[Object],
    among: Sequence[Object],
    pool: str | None = None,
    *,
    told: Callable[[str], None],
) -> list[dict[str, Any]]:
    """The events of fleets and their objects, oldest first, each with `at`, `type`, `reason`, `about`, `count`, `note`.

    Args:
        there: to ask.
        resources: the fleets; of one namespace.
        among: all fleets of it that are known.
        pool: only what is about this one; None for all, beat included.
        told: called with a sentence where not all could be read.
    """
    fleets, objects = {it["metadata"]["name"] for it in resources}, _objects(among)
    rows = []
    for kind in KINDS:
        fields = f"involvedObject.kind={kind}"
        # In the order of their names, so all are read: the newest may be the last.
        items, more = await there.cluster.all_items("events", there.namespace, fields=fields, most=MOST_OF_A_KIND)
        rows += [_row(it) for it in items if _is_about(it, objects, fleets, pool)]
        if more:
            told(f"there are more than {len(items)} events of the kind {kind}: some are not among these")
    return sorted(rows, key=lambda row: _moment(row["at"]))


def _moment(text: str) -> datetime:
    """A moment as Kubernetes writes it, fractions of a second or not; the beginning of time where it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _is_about(
    event: Mapping[str, Any], objects: Mapping[str, tuple[str, str]], fleets: Container[str], pool: str | None
) -> bool:
    about = event.get("involvedObject") or {}
    name, note = str(about.get("name", "")), str(event.get("message") or "")
    if about.get("kind") == "UtilitarianWorkerPool":
        return name in fleets and (pool is None or pool in note.replace(":", " ").replace(",", " ").split())
    # A pool's name may be the beginning of another's: what is made for an object has the longest name that fits.
    whose = max((it for it in objects if name == it or name.startswith(f"{it}-")), key=len, default="")
    fleet, of = objects.get(whose, ("", ""))
    return fleet in fleets and pool in {None, of}


def _objects(resources: Sequence[Object]) -> dict[str, tuple[str, str]]:
    """The objects that pools and beat are made of, by their names, each with its fleet and its pool."""
    found: dict[str, tuple[str, str]] = {}
    for it in resources:
        fleet = it["metadata"]["name"]
        found |= {pool_object(fleet, pool): (fleet, pool) for pool in pools_of(it)}
        found[beat_object(fleet)] = (fleet, BEAT)
    return found


def _row(event: Mapping[str, Any]) -> dict[str, Any]:
    series, about = event.get("series") or {}, event.get("involvedObject") or {}
    moments = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    at = next((str(it) for it in (*moments, event["metadata"].get("creationTimestamp")) if it), "")
    return {
        "at": at,
        "type": event.get("type") or "Normal",
        "reason": event.get("reason") or "-",
        "about": f"{about.get('kind', '?')}/{about.get('name', '?')}",
        "count": series.get("count") or event.get("count") or 1,
        "note": event.get("message") or "",
    }


def _table(rows: Sequence[Mapping[str, Any]], now: datetime) -> str:
    def line(row: Mapping[str, Any]) -> list[str]:
        about = row["about"].removeprefix("UtilitarianWorkerPool/")
        times = f" ({row['count']} times)" if row["count"] > 1 else ""
        return [ago(row["at"], now), row["reason"], about, f"{row['note']}{times}"]

    text = columns(["AGO", "REASON", "ABOUT", "WHAT"], map(line, rows))
    warnings = {row["reason"] for row in rows if row["type"] == "Warning"}
    return "\n".join(painted(it, "yellow") if warnings & set(it.split()[:4]) else it for it in text.splitlines())

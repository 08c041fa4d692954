"""How a hand changes a fleet: which resource is meant, the change of it, and the sentence that says what was done."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import typer

from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.resource import KIND
from utilitarian_operator.api.units import parse_duration
from utilitarian_operator.cli import connection
from utilitarian_operator.cli.connection import Connection, Target
from utilitarian_operator.cli.output import FAILED, WRONG_INPUT, Format, WrongInput, emit, explained, remark
from utilitarian_operator.cli.readable_status import readable
from utilitarian_operator.cli.resources import (
    Found,
    annotations_of,
    checked,
    found_in,
    label,
    mode_of,
    pools_of,
    the_one,
)
from utilitarian_operator.core.explain.presence import Seen
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.spec.by_hand import by_hand
from utilitarian_operator.errors import Conflict, OperatorError

LONGEST = timedelta(days=31)
"""What is to last longer belongs into the spec."""

TRIES = 5
"""The operator writes the status of a busy fleet each second, and each write makes a new version of the resource."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Which fleets a hand means, and whether it only tries.

    Args:
        target: where the cluster is.
        fleet: its name; None where it is the only one.
        pool: that it must have; None for the whole fleet.
        selector: of labels: all fleets that have them are meant; empty: one fleet is.
        dry_run: whether the change is only checked.
    """

    target: Target
    fleet: str | None = None
    pool: str | None = None
    selector: str = ""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What a hand changes in a resource.

    Args:
        said: what is so afterwards, one sentence.
        annotations: to set; None takes one away.
        spec: the fields of the spec to set.
        notes: what the person should know beside that.
    """

    said: str
    annotations: Mapping[str, str | None] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether all is already as it is to be."""
        return not self.annotations and not self.spec

    def body(self) -> Object:
        """The merge patch."""
        metadata = {"annotations": dict(self.annotations)} if self.annotations else {}
        return {"metadata": metadata} | ({"spec": dict(self.spec)} if self.spec else {})


Making: TypeAlias = Callable[[Object, datetime], Change]
"""Makes the change of a resource as it is, at a moment."""


def steer(wish: Wish, change: Making) -> None:
    """Change the fleets that are meant, and say of each what was done; end with an exit code where it went wrong."""
    with explained(Format.TABLE):
        asyncio.run(_steer(wish, change))


async def _steer(wish: Wish, change: Making) -> None:
    checked(wish.target)
    codes = []
    async with connection.by_hand(wish.target, dry_run=wish.dry_run) as there:
        found = await found_in(there, selector=wish.selector)
        meant = _meant(wish, found)
        for note in found.notes:
            remark(f"note: {note}")
        for resource in meant:
            try:
                await _changed(wish, there, found, resource, change)
            except (WrongInput, OperatorError) as error:
                if len(meant) == 1:
                    raise
                remark(f"error: {label(resource)}: {error}")  # what is wrong with one keeps no other from its change
                codes.append(WRONG_INPUT if isinstance(error, WrongInput) else FAILED)
    if codes:
        raise typer.Exit(codes[0])


def _meant(wish: Wish, found: Found) -> list[Object]:
    labelled = found.resources if wish.selector and wish.fleet is None else []
    fitting = [it for it in labelled if wish.pool is None or wish.pool in pools_of(it)]
    return fitting or [the_one(found.resources, wish.fleet, wish.pool)]


async def _changed(wish: Wish, there: Connection, found: Found, resource: Object, change: Making) -> None:
    asked, now = await _agreed(wish, there, found, resource, change)
    tried = " (dry run: nothing was changed)" if wish.dry_run and not asked.nothing else ""
    emit(f"{label(resource)}: {asked.said}{tried}")
    for note in asked.notes:
        remark(f"note: {note}")
    it = found.presence(resource, now)
    if it.seen is Seen.NOT and not asked.nothing:
        remark(f"warning: {it.message.partition(';')[0]}; it is done when one runs")


async def _agreed(
    wish: Wish, there: Connection, found: Found, resource: Object, change: Making
) -> tuple[Change, datetime]:
    """Make the change of what the API server has: what others changed since it was read is read again, and counts.

    Returns:
        The change, and the moment of it.
    """
    for left in reversed(range(TRIES)):
        now = found.now()
        asked = change(resource, now)
        if asked.nothing:
            break
        body, version = asked.body(), resource["metadata"].get("resourceVersion")
        try:
            await there.cluster.patch(resource, {**body, "metadata": {**body["metadata"], "resourceVersion": version}})
            break
        except Conflict as error:
            if not left:
                said = f"{label(resource)} was changed by others at each of {TRIES} tries, so nothing was done"
                raise Conflict(f"{said}: try again") from error
        about = resource["metadata"]
        resource, _ = readable(await there.cluster.read(KIND, about["namespace"], about["name"]))
        the_one([resource], wish.fleet, wish.pool)
    return asked, now


def kept_still(resource: Object, now: datetime) -> str | None:
    """Why no number of workers changes whatever is asked for, and until when; None where they do change."""
    mode, until = mode_of(resource), by_hand(annotations_of(resource))[0].pause("Auto", now)
    if mode != "Auto":
        return f"the fleet's mode is {mode}: no number of workers changes before it is Auto"
    return f"the fleet is paused until {timestamp(until)}: no number of workers changes before" if until else None


def lasting(text: str, option: str = "--for") -> timedelta:
    """How long something is to last.

    Raises:
        WrongInput: it is no duration, or none that a hand takes.
    """
    try:
        length = parse_duration(text)
    except ValueError as error:
        raise WrongInput(f"{option}: {error}") from error
    if not timedelta(seconds=1) <= length <= LONGEST:
        raise WrongInput(
            f"{option}: from 1s to {LONGEST.days} days (744h); what is to last longer belongs into the spec"
        )
    return length

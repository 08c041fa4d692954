"""How a hand changes a fleet: which resource is meant, the change of it, and the sentence that says what was done."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.units import parse_duration
from utilitarian_operator.cli import connection
from utilitarian_operator.cli.connection import Connection, Target
from utilitarian_operator.cli.output import Format, WrongInput, emit, explained, remark
from utilitarian_operator.cli.resources import Found, checked, found_in, label, the_one
from utilitarian_operator.core.explain.presence import Seen

LONGEST = timedelta(days=31)
"""What is to last longer belongs into the spec."""


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


def steer(wish: Wish, change: Callable[[Object, datetime], Change]) -> None:
    """Change the fleets that are meant, and say of each what was done; end with an exit code where it went wrong."""
    with explained(Format.TABLE):
        asyncio.run(_steer(wish, change))


async def _steer(wish: Wish, change: Callable[[Object, datetime], Change]) -> None:
    checked(wish.target)
    async with connection.by_hand(wish.target, dry_run=wish.dry_run) as there:
        found = await found_in(there, selector=wish.selector)
        for resource in _meant(wish, found):
            await _changed(wish, there, found, resource, change)


def _meant(wish: Wish, found: Found) -> list[Object]:
    if wish.selector and wish.fleet is None and wish.pool is None and found.resources:
        return found.resources
    return [the_one(found.resources, wish.fleet, wish.pool)]


async def _changed(
    wish: Wish, there: Connection, found: Found, resource: Object, change: Callable[[Object, datetime], Change]
) -> None:
    now = datetime.now(UTC)
    asked = change(resource, now)
    if not asked.nothing:
        await there.cluster.patch(resource, asked.body())
    tried = " (dry run: nothing was changed)" if wish.dry_run and not asked.nothing else ""
    emit(f"{label(resource)}: {asked.said}{tried}")
    for note in asked.notes:
        remark(f"note: {note}")
    it = found.presence(resource, now)
    if it.seen is Seen.NOT and not asked.nothing:
        remark(f"warning: {it.message.partition(';')[0]}; it is done when one runs")


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

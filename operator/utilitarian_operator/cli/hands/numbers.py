"""`scale` and `drain`: the number of a pool's workers by hand, for a while."""

from datetime import datetime

from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.problem import InvalidSpec, shown
from utilitarian_operator.cli.hands.steering import Change, Wish, kept_still, lasting, steer
from utilitarian_operator.cli.output import Format, WrongInput, explained
from utilitarian_operator.cli.resources import annotations_of, fleet_of
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.spec.override import PREFIX, overrides, written
from utilitarian_operator.core.wording import plural

AUTO = "auto"
MOST_WORKERS = 9999
"""What the annotation takes."""


def scale(wish: Wish, workers: str, length: str) -> None:
    """Set the number of a pool's workers for a while, or leave it to the rules again."""
    with explained(Format.TABLE):
        number, lasts = _number(workers), lasting(length)

    def change(resource: Object, now: datetime) -> Change:
        name = f"{PREFIX}{wish.pool}"
        if number is None:
            return _left_to_the_rules(resource, name)
        until = now + lasts
        said = f"{wish.pool} has {plural(number, 'worker')} until {timestamp(until)}, then the rules decide again"
        return Change(said, {name: written(number, until)}, notes=_notes(resource, wish, number, now))

    steer(wish, change)


def drain(wish: Wish, length: str) -> None:
    """Have all workers of a pool finish what they hold and go, and let none come for a while."""
    with explained(Format.TABLE):
        lasts = lasting(length)

    def change(resource: Object, now: datetime) -> Change:
        until = now + lasts
        said = (
            f"the workers of {wish.pool} finish what they hold and go, and no other comes until {timestamp(until)}; "
            "what is sent to its queues waits there"
        )
        return Change(said, {f"{PREFIX}{wish.pool}": written(0, until)}, notes=_notes(resource, wish, 0, now))

    steer(wish, change)


def _number(text: str) -> int | None:
    """The number; None leaves it to the rules.

    Raises:
        WrongInput: it is neither.
    """
    if text.casefold() == AUTO:
        return None
    digits = text.lstrip("0") or text[-1:]
    if not (digits.isascii() and digits.isdigit()) or len(digits) > len(str(MOST_WORKERS)):
        raise WrongInput(
            f"{shown('', text)} is no number of workers: 0 to {MOST_WORKERS}, or {AUTO} to leave it to the rules"
        )
    return int(digits)


def _left_to_the_rules(resource: Object, name: str) -> Change:
    pool = name.removeprefix(PREFIX)
    if name not in annotations_of(resource):
        return Change(f"{pool} has no number by hand: the rules decide")
    return Change(f"the rules decide again how many workers {pool} has", {name: None})


def _notes(resource: Object, wish: Wish, number: int, now: datetime) -> tuple[str, ...]:
    still, before = kept_still(resource, now), overrides(annotations_of(resource))[0].get(str(wish.pool))
    notes = [still] if still else []
    if before is not None and before.until > now and before.workers != number:
        had = plural(before.workers, "worker")
        notes.append(f"it takes the place of {had} until {timestamp(before.until)}, which was set by hand before")
    try:
        ceiling = fleet_of(resource).max_workers
    except InvalidSpec:
        ceiling = None
    if ceiling is not None and number > ceiling:
        notes.append(f"spec.maxWorkers is {ceiling}: {wish.pool} gets no more than that, with all other pools")
    return tuple(notes)

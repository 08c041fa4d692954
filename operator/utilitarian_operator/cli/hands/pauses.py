"""`pause` and `resume`: the numbers of all workers of a fleet stay as they are for a while."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from utilitarian_operator.api.objects import Object
from utilitarian_operator.cli.hands.steering import Change, Wish, lasting, steer
from utilitarian_operator.cli.output import Format, WrongInput, explained
from utilitarian_operator.cli.resources import annotations_of, mode_of
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.spec.by_hand import PAUSED, by_hand, pause_written
from utilitarian_operator.core.spec.override import overrides
from utilitarian_operator.core.wording import plural

BY_GIT = "a tool that takes the resource from Git may set spec.mode back; --for pauses by an annotation instead"


def pause(wish: Wish, length: str | None) -> None:
    """Leave all numbers of workers as they are, for a while or until `resume`."""
    with explained(Format.TABLE):
        lasts = None if length is None else lasting(length)

    def change(resource: Object, now: datetime) -> Change:
        mode, annotated = mode_of(resource), PAUSED in annotations_of(resource)
        if mode == "Preview":
            raise WrongInput("the fleet's mode is Preview, which scales nothing: there is nothing to pause")
        if mode == "Paused":
            return Change("paused already by spec.mode, without an end; resume ends it")
        if lasts is not None:
            until, before = now + lasts, by_hand(annotations_of(resource))[0].pause("Auto", now)
            shorter = before is not None and before > until
            notes = (f"it was paused until {timestamp(before)}: it ends earlier now",) if before and shorter else ()
            return Change(_paused(f"until {timestamp(until)}"), {PAUSED: pause_written(until)}, notes=notes)
        taken = {PAUSED: None} if annotated else {}
        return Change(_paused("until resume"), taken, {"mode": "Paused"}, (BY_GIT,))

    steer(wish, change)


def resume(wish: Wish) -> None:
    """End a pause, whichever way it began."""

    def change(resource: Object, now: datetime) -> Change:
        mode, annotations = mode_of(resource), annotations_of(resource)
        taken = {PAUSED: None} if PAUSED in annotations else {}
        spec = {"mode": "Auto"} if mode == "Paused" else {}
        if mode == "Preview":
            raise WrongInput(
                "the fleet's mode is Preview, which is no pause: set spec.mode to Auto where it is written"
            )
        numbers = tuple(_numbers(annotations, now))
        if not spec and by_hand(annotations)[0].pause("Auto", now) is None:
            return Change("not paused: the rules decide", taken, notes=numbers)
        return Change("the rules decide again", taken, spec, (*([BY_GIT] if spec else ()), *numbers))

    steer(wish, change)


def _numbers(annotations: Mapping[str, str], now: datetime) -> Iterator[str]:
    """The numbers that people have set and that count on: they may be those of another person."""
    for pool, it in overrides(annotations)[0].items():
        if it.until > now:
            had = plural(it.workers, "worker")
            yield f"{pool} has {had} by hand until {timestamp(it.until)}: scale {pool} auto ends that"


def _paused(until: str) -> str:
    return f"paused {until}: the number of workers of each pool stays as it is, beat and templates go on"

"""How people steer a fleet by annotations: a number of workers for a while, a pause with an end, a run by hand."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.adversary.fleet import asked_for
from tests.adversary.people import RESOURCES
from tests.adversary.plan import CURED_S
from utilitarian_operator.core.spec.by_hand import PAUSED, RUN_NOW, pause_written, run_written
from utilitarian_operator.core.spec.override import PREFIX, written

RUN_AT_MOST_S = 180.0
"""A run by hand is over by then (`finishWithin`)."""


def annotate(world: Any, name: str, value: str) -> None:
    """Write one annotation of the resource."""
    live = world.server.get(RESOURCES, world.name)
    if live is None:
        return
    metadata = live["metadata"]
    annotations = {**(metadata.get("annotations") or {}), name: value}
    world.log(f"annotation {name}: {value}")
    world.server.change(RESOURCES, world.name, metadata={**metadata, "annotations": annotations})


def override(world: Any, lasts: float, a: float, b: float) -> None:
    """Another number of workers for a pool, for a while."""
    name = f"{PREFIX}{world.one_pool(a)}"
    _until(world, 3 * lasts, name, lambda end: written(int(b * 4), end))


def pause(world: Any, lasts: float) -> None:
    """A pause with an end."""
    _until(world, lasts, PAUSED, pause_written)


def run_now(world: Any, lasts: float) -> None:
    """A run that begins soon."""
    if asked_for(world.spec, "runs") is not None:
        at = min(world.loop.now + lasts, world.loop.now + _left_s(world))
        world.steered_until = max(world.steered_until, at + RUN_AT_MOST_S)
        annotate(world, f"{RUN_NOW}runs", run_written("five", world.loop.moment(at)))


def _until(world: Any, lasts: float, name: str, value: Callable[[datetime], str]) -> None:
    """By the right clock, as a person has it; the operator's may be wrong until all is well again."""
    end = world.loop.now + min(lasts, _left_s(world))
    wrong = world.machine.wrong_by != 0
    world.steered_until = max(world.steered_until, world.loop.now + _left_s(world) if wrong else end)
    annotate(world, name, value(world.loop.moment(end)))


def clock_stepped(world: Any) -> None:
    """By a clock that was set back, what has ended goes on: nothing takes an annotation away."""
    end = world.steered_until - world.machine.wrong_by
    if world.steered_until and end > world.loop.now:
        world.steered_until = max(world.steered_until, min(end, world.loop.now + _left_s(world)))


def _left_s(world: Any) -> float:
    return float(max(world.length - CURED_S - world.loop.at, 0.0))

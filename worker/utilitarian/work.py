"""Draws what a task does (how long, how much memory, whether it fails) from message and id; it does none of it."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Parameters = Mapping[str, object]

# A poll of one meter over a slow line: half of them under a second, one in a hundred above five.
TYPICAL_POLL: Parameters = {"distribution": "lognormal", "median": 0.8, "sigma": 0.8, "max": 60}

MEBIBYTE = 1024 * 1024


class WorkError(ValueError):
    """A message asks for something that can't be drawn; the text names the field and what would do."""


@dataclass(frozen=True)
class Work:
    """One piece of work: wait `seconds` holding `memory` bytes, and then fail or not."""

    seconds: float
    fails: bool
    memory: int


def draw_work(
    task_id: str, duration: Parameters | None = None, failure_probability: float = 0.0, memory_mib: float = 0.0
) -> Work:
    """Draws the work of a task; the same id and message always give the same work.

    Args:
        task_id: seeds the draw.
        duration: {"distribution": "fixed", "seconds": s}, {"distribution": "uniform", "low": s, "high": s},
            {"distribution": "lognormal", "median": s, "sigma": standard deviation of the log} or
            {"distribution": "exponential", "mean": s}; each with an optional "max" in seconds. None: a typical poll.
        failure_probability: 0 (never) to 1 (always); a failing task waits its duration first.
        memory_mib: MiB held for the duration.

    Raises:
        WorkError: a field is missing, unknown or out of bounds.
    """
    dice = random.Random(task_id)
    seconds = _draw_seconds(dice, TYPICAL_POLL if duration is None else duration)
    probability = _number({"failure_probability": failure_probability}, "failure_probability")
    if probability > 1:
        raise WorkError(f"failure_probability is {probability!r}: use a number from 0 to 1")
    memory = _number({"memory_mib": memory_mib}, "memory_mib")
    return Work(seconds=seconds, fails=dice.random() < probability, memory=int(memory * MEBIBYTE))


def _draw_seconds(dice: random.Random, duration: Parameters) -> float:
    kind = duration.get("distribution")
    if not isinstance(kind, str) or kind not in _DISTRIBUTIONS:
        raise WorkError(f"distribution is {kind!r}: use one of {', '.join(_DISTRIBUTIONS)}")
    draw, fields = _DISTRIBUTIONS[kind]
    unknown = set(duration) - {"distribution", "max", *fields}
    if unknown:
        raise WorkError(f"{', '.join(sorted(unknown))} means nothing to {kind}: it takes {', '.join(fields)} and max")
    seconds = draw(dice, *(_number(duration, name) for name in fields))
    return min(seconds, _number(duration, "max")) if "max" in duration else seconds


def _uniform(dice: random.Random, low: float, high: float) -> float:
    if low > high:
        raise WorkError(f"low is {low:g} and high is {high:g}: use low ≤ high")
    return dice.uniform(low, high)


def _lognormal(dice: random.Random, median: float, sigma: float) -> float:
    return median * dice.lognormvariate(0, sigma)


def _exponential(dice: random.Random, mean: float) -> float:
    return mean * dice.expovariate(1)


def _fixed(_: random.Random, seconds: float) -> float:
    return seconds


_DISTRIBUTIONS: Mapping[str, tuple[Callable[..., float], tuple[str, ...]]] = {
    "fixed": (_fixed, ("seconds",)),
    "uniform": (_uniform, ("low", "high")),
    "lognormal": (_lognormal, ("median", "sigma")),
    "exponential": (_exponential, ("mean",)),
}


def _number(fields: Parameters, name: str) -> float:
    value = fields.get(name)
    # bool is an int, and infinity a float; neither is a quantity.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise WorkError(f"{name} is {value!r}: use a finite number from 0")
    return float(value)

"""How much one operator of a world holds: what can be reached from its tasks, its status, and its series."""

import gc
import sys
from collections.abc import Iterable, Sequence
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, NamedTuple

from tests.adversary.process import Process
from utilitarian_operator.adapters.cluster.cache import Store

NO_PARTS = (ModuleType, type, BuiltinFunctionType)
MODEL = "tests."
"""Of the world that it lives in, which is not held by a real one."""
MOST = 1.1
"""Times as much as before may be held later."""


class Held(NamedTuple):
    """At one moment.

    Args:
        at: seconds since the world began.
        objects: that the garbage collector follows from the operator's tasks, without code and the model.
        kib: that they take, without what they share with the model.
        status: characters.
        series: of metrics.
    """

    at: float
    objects: int
    kib: int
    status: int
    series: int


def held(process: Process, at: float, status: Any) -> Held:
    """What a process holds now."""
    objects, size = _reachable([*process.tasks, process.registry, *process.threads])
    series = sum(len(metric.samples) for metric in process.registry.collect())
    return Held(at, objects, size // 1024, len(repr(status)), series)


def grown(samples: Sequence[Held]) -> list[str]:
    """What is held at the end of a long world that was not held in its first half: of each figure by its least.

    The least of a quarter is what is kept while there is little to do. The first quarter is left out: what is learned
    in it fills memories of fixed sizes.
    """
    quarter = len(samples) // 4
    if not quarter:
        return []
    first, last = samples[quarter : 2 * quarter], samples[-quarter:]
    found = []
    for figure in ("objects", "kib", "status", "series"):
        before, after = (min(getattr(it, figure) for it in part) for part in (first, last))
        if after > MOST * before:
            found.append(f"{figure}: {before} at the least in the second quarter, {after} in the last")
    return found


def _reachable(roots: Iterable[Any]) -> tuple[int, int]:
    todo, seen, size = list(roots), set[int](), 0
    while todo:
        here = todo.pop()
        if id(here) in seen or isinstance(here, NO_PARTS) or _is_of_the_model(here):
            continue
        seen.add(id(here))
        if isinstance(here, Store):
            seen.add(id(here._deleted))  # the names of what went: three objects each, and ten thousand names at most
        size += sys.getsizeof(here)
        todo += _parts(here)
    return len(seen), size


def _parts(here: Any) -> Iterable[Any]:
    """What it refers to; of a function only what it was made with."""
    if isinstance(here, FunctionType):
        return [here.__closure__, here.__defaults__, here.__kwdefaults__]
    return gc.get_referents(here)


def _is_of_the_model(here: Any) -> bool:
    """And the names of a module."""
    kind = type(here)
    return kind.__module__.startswith(MODEL) or (kind is dict and "__builtins__" in here)

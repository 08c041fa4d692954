"""The machine that the operator runs on: its clocks, its randomness and its threads, put into its modules."""

import random
import sys
import time
import types
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.adversary import threads
from tests.adversary.loop import VirtualLoop
from utilitarian_operator.adapters.broker.timing import (
    CLOCK,
    Clock,
)

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
"""What time it is when a world begins."""


class Machine:
    """Clocks of the operator's machine; the monotonic one is the loop's, the wall clock may be set.

    Args:
        loop: of the world.
        seed: of the operator's own randomness.
    """

    def __init__(self, loop: VirtualLoop, seed: int) -> None:
        self._loop, self._random = loop, random.Random(seed)
        self.wrong_by = 0.0

    def true(self) -> datetime:
        """The time everywhere else."""
        return START + timedelta(seconds=self._loop.at)

    def wall(self) -> datetime:
        """The time by this machine's clock."""
        return self.true() + timedelta(seconds=self.wrong_by)

    def put_in(self) -> Mapping[Any, Any]:
        """What stands for each thing that the operator's modules have of the real machine."""
        clock = types.SimpleNamespace(
            monotonic=self._loop.time,
            perf_counter=self._loop.time,
            time=lambda: self.wall().timestamp(),
            sleep=threads.wait,
        )
        ids = types.SimpleNamespace(uuid4=lambda: uuid.UUID(int=self._random.getrandbits(128)))
        chance = {"between": self._random.uniform, "unique": ids.uuid4}
        outside = Clock(self._loop.time, clock.time, block=threads.wait, **chance)
        return {
            CLOCK: outside,
            time: clock,
            time.monotonic: self._loop.time,
            uuid: ids,
            random.SystemRandom: lambda: self._random,
            ThreadPoolExecutor: threads.Thread,
        }


@contextmanager
def replaced(instead: Mapping[Any, Any]) -> Iterator[None]:
    """Put each value in the place of another one, wherever a module of the operator has that under some name."""
    undo = []
    by_id = {id(old): new for old, new in instead.items()}
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] != "utilitarian_operator":
            continue
        for attribute, value in list(vars(module).items()):
            if id(value) in by_id:
                undo.append((module, attribute, value))
                setattr(module, attribute, by_id[id(value)])
    try:
        yield
    finally:
        for module, attribute, value in undo:
            setattr(module, attribute, value)

"""The machine that the operator runs on: its clocks, its randomness and its threads, put into its modules."""

import random
import socket
import sys
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from tests.adversary import threads
from tests.adversary.loop import VirtualLoop
from utilitarian_operator.adapters.broker.timing import (
    CLOCK,
    Clock,
)
from utilitarian_operator.host import clocks

BROKER = "10.0.0.9"
"""The address behind each name."""


class Machine:
    """Clocks of the operator's machine; the monotonic one is the loop's, the wall clock may be set.

    Args:
        loop: of the world.
        seed: of the operator's own randomness.
    """

    def __init__(self, loop: VirtualLoop, seed: int) -> None:
        self._loop, self._random = loop, random.Random(seed)
        self.wrong_by, self.set_at = 0.0, 0.0

    def set_clock(self, wrong_by: float) -> None:
        """The wall clock is set, to so many seconds more than it is."""
        self.wrong_by, self.set_at = wrong_by, self._loop.now

    def true(self) -> datetime:
        """The time everywhere else."""
        return self._loop.moment(self._loop.now)

    def wall(self) -> datetime:
        """The time by this machine's clock."""
        return self.true() + timedelta(seconds=self.wrong_by)

    def put_in(self) -> Mapping[Any, Any]:
        """What stands for each thing that the operator's modules have of the real machine."""
        outside = Clock(
            monotonic=self._loop.time,
            wall=lambda: self.wall().timestamp(),
            block=threads.wait,
            between=self._random.uniform,
            unique=lambda: uuid.UUID(int=self._random.getrandbits(128)),
            secret=lambda: f"{self._random.getrandbits(256):064x}",
        )
        return {
            CLOCK: outside,
            clocks.boot_seconds: self._loop.time,
            clocks.utc_now: self.wall,
            ThreadPoolExecutor: threads.Thread,
            socket.getaddrinfo: lambda _host, port, *_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (BROKER, port))],
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

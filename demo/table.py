"""Shows looks at the fleet: a live table on a terminal, lines of what changed without one; it changes nothing."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table

from demo.snapshot import PoolSnapshot, Snapshot


class Display(Protocol):
    """Where a demonstration is shown."""

    def phase(self, text: str) -> None:
        """Something new begins."""

    def show(self, snapshot: Snapshot) -> None:
        """A look at the fleet."""


class Lines:
    """One plain line for each change of a pool's size."""

    def __init__(self) -> None:
        self._shown: dict[str, tuple[object, ...]] = {}

    def phase(self, text: str) -> None:
        """Print the sentence."""
        print(f"{_clock(time.time())} {text}", flush=True)

    def show(self, snapshot: Snapshot) -> None:
        """Print the pools that changed since the last look."""
        for pool in snapshot.pools:
            state = (pool.wanted, pool.ready)
            if pool.wanted is None or self._shown.get(pool.name) == state:
                continue
            self._shown[pool.name] = state
            print(f"{_clock(snapshot.at)}   {_line(pool)}", flush=True)


class LiveTable:
    """A table that is drawn again with each look."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def phase(self, text: str) -> None:
        """Print the sentence above the table."""
        self._live.console.print(f"{_clock(time.time())} {text}", highlight=False)

    def show(self, snapshot: Snapshot) -> None:
        """Draw the table anew."""
        self._live.update(table(snapshot))


@contextmanager
def display() -> Iterator[Display]:
    """A live table where there is a terminal to draw on, else plain lines."""
    console = Console()
    if not console.is_terminal:
        yield Lines()
        return
    with Live(console=console, auto_refresh=True, refresh_per_second=4) as live:
        yield LiveTable(live)


def table(snapshot: Snapshot) -> Table:
    """All pools as they were at one look."""
    drawn = Table(caption=_caption(snapshot), caption_justify="left", expand=True)
    drawn.add_column("pool", no_wrap=True)
    for name in ("backlog", "running", "workers"):
        drawn.add_column(name, justify="right", no_wrap=True)
    drawn.add_column("why", ratio=1, overflow="ellipsis", no_wrap=True)
    for pool in snapshot.pools:
        style = "dim" if pool.asleep else "bold" if pool.waiting or pool.running else ""
        drawn.add_row(pool.name, _backlog(pool), str(pool.running), _workers(pool), pool.why, style=style)
    return drawn


def _caption(snapshot: Snapshot) -> str:
    workers = sum(pool.ready for pool in snapshot.pools)
    beat = "ready" if snapshot.beat_ready else "not ready"
    return f"{workers} workers ready, {snapshot.finished} tasks finished, beat {beat}"


def _line(pool: PoolSnapshot) -> str:
    return f"{pool.name:<14} backlog {_backlog(pool):>4}  workers {_workers(pool):>6}  {pool.why}"


def _backlog(pool: PoolSnapshot) -> str:
    """Messages that wait; a dash while a queue of the pool doesn't exist."""
    return "-" if pool.waiting is None else str(pool.waiting)


def _workers(pool: PoolSnapshot) -> str:
    """Ready of wanted."""
    return "-" if pool.wanted is None else f"{pool.ready}/{pool.wanted}"


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))

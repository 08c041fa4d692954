"""What a scrape of 1,000 pools does to the event loop: how late it is while the page is made, on it and beside it.

The loop asks a server in another process again and again, as it asks a broker, and does a bit of work after each
answer. `lag_max_s` and `lag_p99_s`: by how much later than asked for a timer of it goes off. `answers`: how many it
had a second. Prints one JSON object a way to make the page, all in one run; the first makes none.
"""

import asyncio
import json
import os
import socket
import time
from collections.abc import Callable
from multiprocessing import get_context
from statistics import median

from prometheus_client import CollectorRegistry

from bench.sight import p99
from tests.support.metrics_looks import BUSY, Shown, figures, worker
from tests.support.pools import fleet
from utilitarian_operator.core.forecast.news import Watched
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present
from utilitarian_operator.host.serving.http import Beside, MetricsPage

POOLS, A_FLEET = 1000, 50
TIMES = 5
TIMER_S = 0.001
"""Between two looks at the clock."""


async def on_the_loop(made: Callable[[], tuple[bytes, float]]) -> tuple[bytes, float]:
    """As it was before: the event loop itself makes the page."""
    return made()


WAYS: dict[str, Beside | None] = {"no page": None, "on the loop": on_the_loop, "in a thread": asyncio.to_thread}


def shown() -> CollectorRegistry:
    """The metrics of all pools, each with a worker, a queue and a run."""
    names = [f"pool-{number}" for number in range(A_FLEET)]
    spec = fleet(*({"name": it, "schedule": [{"name": "run", "start": "0 12 * * *"}]} for it in names))
    pool = PoolSnapshot({"q": Present(3, 1, 2)}, 2, (worker(BUSY, completed=3),), 1, arrived=4)
    look, all_of_it = figures(spec, dict.fromkeys(names, pool)), Shown()
    for number in range(POOLS // A_FLEET):
        name = ("ns", f"fleet-{number:02}")
        all_of_it.metrics.looked(name, look.snapshot, look.decisions, look.findings)
        all_of_it.metrics.flow.looked(name, look)
        all_of_it.metrics.runs.watched(name, spec, Watched())
    return all_of_it.registry


def answer(asked: socket.socket) -> None:
    """What the other process does until it is asked no more."""
    while said := asked.recv(1024):
        asked.sendall(said)


class Loop:
    """What an event loop has done: how late its timer went off, and how many answers it had."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self.answers = 0

    async def timer(self) -> None:
        """Look at the clock again and again."""
        while True:
            due = time.monotonic() + TIMER_S
            await asyncio.sleep(TIMER_S)
            self.late.append(time.monotonic() - due)

    async def ask(self, other: socket.socket) -> None:
        """Ask, and work a bit, again and again."""
        loop = asyncio.get_running_loop()
        while True:
            await loop.sock_sendall(other, b"?")
            await loop.sock_recv(other, 1024)
            self.answers += bool(sum(range(1000)))


async def measure(page: MetricsPage | None, other: socket.socket, seconds: float) -> dict[str, float]:
    """One way: `seconds` without a page, or as long as one takes."""
    loop, begun = Loop(), time.monotonic()
    tasks = [asyncio.create_task(loop.timer()), asyncio.create_task(loop.ask(other))]
    await asyncio.sleep(0)
    await (asyncio.sleep(seconds) if page is None else page())
    took = time.monotonic() - begun
    await asyncio.sleep(TIMER_S * 2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    late = sorted(loop.late)
    return {"took_s": took, "lag_max_s": late[-1], "lag_p99_s": p99(late), "answers": loop.answers / took}


def main() -> None:
    """Print a row a way: the median of some rounds, in each of which every way has its turn."""
    registry = shown()
    ours, theirs = socket.socketpair()
    get_context("fork").Process(target=answer, args=(theirs,), daemon=True).start()
    ours.setblocking(False)  # noqa: FBT003 - the library's own
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(TIMES):
        for way, beside in WAYS.items():
            page = None if beside is None else MetricsPage(registry, beside=beside)
            found[way].append(asyncio.run(measure(page, ours, 1.0)))
    for way, rows in found.items():
        figures_of = {key: round(median(row[key] for row in rows), 4) for key in rows[0]}
        load = round(os.getloadavg()[0], 1)
        print(json.dumps({"bench": "scrape", "pools": POOLS, "page": way, **figures_of, "load": load}), flush=True)


if __name__ == "__main__":
    main()

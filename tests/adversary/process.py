"""One life of the operator's process: the real wiring with its handlers, which can be killed between any two awaits."""

import asyncio
import contextlib
from contextvars import ContextVar
from typing import Any

from prometheus_client import CollectorRegistry

from tests.adversary.api_requests import Client
from tests.adversary.api_server import Object
from tests.adversary.threads import Thread
from utilitarian_operator.adapters.cluster.client import ClusterClient
from utilitarian_operator.adapters.cluster.request_rate import RequestRate
from utilitarian_operator.errors import HistoryWentBack, LeadershipLost
from utilitarian_operator.host import wiring
from utilitarian_operator.host.health import ProcessHealth
from utilitarian_operator.host.kopf_host import LISTED, WATCHED
from utilitarian_operator.host.settings import Settings
from utilitarian_operator.metrics.fleet import Metrics

PRESENT: ContextVar["Process | None"] = ContextVar("PRESENT", default=None)
"""The process that a task or thread belongs to."""


class Process:
    """The process.

    Args:
        world: it lives in.
        settings: of the operator.
    """

    def __init__(self, world: Any, settings: Settings) -> None:
        self._world, self._settings = world, settings
        self.dead = False
        self.tasks: dict[asyncio.Task[Any], None] = {}
        """Those that are not done, in the order in which they began."""
        self.threads: list[Thread] = []
        self.writes = 0
        self.dies_at: tuple[int, str] | None = None
        self.suspended_until = 0.0
        self.began = world.loop.now
        self.watches: Watches | None = None
        self.lead = 0
        """The so manieth leader of the world; 0 while it does not lead."""
        self.stop = asyncio.Event()
        self.registry = CollectorRegistry()
        """What it shows to Prometheus."""

    def start(self) -> None:
        """Begin, in a context of its own, so that all that it starts is known to be its."""
        PRESENT.set(self)
        task = self._world.loop.create_task(self._live(), name="operator")
        task.add_done_callback(self._ended)

    async def _live(self) -> None:
        client: Any = Client(self._world.server, self._world, self, self._world.events)
        health, metrics = (
            ProcessHealth(seconds=self._world.loop.time),
            Metrics(self.registry, self._world.loop.time),
        )
        async with wiring._leading(self._settings, client, health, self.stop) as fences:
            if self.stop.is_set():
                return
            self._world.leads(self)
            may_write: dict[str, Any] = {"may_write": fences.may_write} if fences else {}
            cluster = ClusterClient(client, **may_write, rate=RequestRate(self._world.loop.time, asyncio.sleep))
            await wiring._operate(self._settings, cluster, metrics, health, self._login, self.stop, fences)

    async def _login(self) -> Any:
        raise AssertionError("no client logs in here")

    async def host(self, see: Any, _settings: Any, _login: Any, *, ready: Any, stop: Any) -> None:
        """Stands for kopf: opens the watches."""
        self.watches = Watches(self._world, self, see)
        ready.set()
        await stop.wait()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if self.dead or task.cancelled() or self._world.over:
            return
        error = task.exception()
        if not self.stop.is_set() and not isinstance(error, LeadershipLost | HistoryWentBack):
            self._world.invariants.breach("exception", f"the operator ended: {error!r}")
        self._world.log(f"the operator ends: {error or 'it was told to'}")
        self.dead = True
        self._bury()

    async def alive(self) -> None:
        """Go on only while it lives: what a dead process does has no effect. A suspended one goes on later."""
        if not self.dead and self._world.loop.now < self.suspended_until:
            await asyncio.sleep(self.suspended_until - self._world.loop.now)
        if self.dead:
            await self._world.loop.create_future()

    async def writes_now(self, write: bool, when: str) -> None:
        """Count a write before it has its effect; die there or after it, if the plan says so."""
        self.writes += write and when == "before"
        if write and self.dies_at == (self.writes, when):
            self.die(f"{when} a write")
            await self.alive()

    def die(self, why: str) -> None:
        """Be killed; another process starts after a while."""
        if not self.dead:
            self.dead = True
            self._world.log(f"the operator is killed {why}")
            self._world.loop.call_soon(self._bury)

    def _bury(self) -> None:
        self.end()
        self._world.loop.call_later(self._world.rng.uniform(0.5, 20.0), self._world.start_operator)

    def end(self) -> None:
        """Nothing of it runs any more."""
        self.dead = True
        for thread in self.threads:
            thread.kill()
        if self.watches is not None:
            self.watches.close()
        for task in list(self.tasks):
            task.cancel()


class Watches:
    """What kopf does for the operator: it is told of events, late, twice, or after a relist."""

    def __init__(self, world: Any, process: Process, see: Any) -> None:
        self._world, self._process, self._see = world, process, see
        self.stalled: dict[str, float] = {}
        self.broken: set[str] = set()
        self._waiting: dict[str, list[tuple[str | None, Object]]] = {plural: [] for plural in WATCHED}
        self._busy: set[str] = set()
        world.server.watchers.append(self._event)

    def close(self) -> None:
        """No watch is open any more."""
        with contextlib.suppress(ValueError):
            self._world.server.watchers.remove(self._event)

    def relist(self, plural: str) -> None:
        """After 410, or a lost connection: all that is there, and no word of what vanished meanwhile."""
        self.broken.discard(plural)
        self.relist_deaf(plural)

    def relist_deaf(self, plural: str) -> None:
        """A list in the middle of it, after which the watch goes on to wait for what is long to come."""
        there = [(None, body) for body in self._world.server.objects[plural].values()]
        self._waiting[plural] = [(LISTED, {}), *there]
        self._soon(plural)

    def _event(self, kind: str, plural: str, body: Object) -> None:
        if plural in WATCHED and plural not in self.broken and not self._process.dead:
            self._waiting[plural].append((kind, body))
            self._soon(plural)

    def _soon(self, plural: str) -> None:
        if plural not in self._busy:
            self._busy.add(plural)
            world = self._world
            until = max(self.stalled.get(plural, 0.0), self._process.suspended_until)
            lag = world.rng.uniform(0.001, 0.03) if world.rng.random() < 0.97 else world.rng.uniform(0.2, 2.0)
            world.loop.call_later(max(until - world.loop.now, 0.0) + lag, self._deliver, plural)

    def _deliver(self, plural: str) -> None:
        self._busy.discard(plural)
        if self._process.dead:
            return
        if self._world.loop.now < max(self.stalled.get(plural, 0.0), self._process.suspended_until):
            self._soon(plural)
            return
        events, self._waiting[plural] = self._waiting[plural], []
        for kind, body in events:
            if kind == LISTED:
                self._see("", kind, {})
                continue
            self._world.saw(plural, body)
            self._see(plural, kind, dict(body))

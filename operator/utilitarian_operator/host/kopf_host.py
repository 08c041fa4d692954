"""Runs kopf as informer: every event goes to the cache, and what is new asks for a look; lists what watches miss."""

import asyncio
import concurrent.futures
import contextlib
import itertools
import logging
import threading
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import kopf
from kubernetes.aio.client.configuration import Configuration

from utilitarian_operator.adapters.broker.timing import CLOCK
from utilitarian_operator.adapters.cluster.cache import (
    CHILD_SELECTOR,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    FLEETS,
    PODS,
    STATEFUL_SETS,
    Key,
    Store,
    version,
)
from utilitarian_operator.adapters.cluster.pages import PAGE
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.adapters.cluster.sieve import Sieve
from utilitarian_operator.api.resource import GROUP, VERSION
from utilitarian_operator.core.backoff import Backoff
from utilitarian_operator.errors import ClusterError, HistoryWentBack, Rejected
from utilitarian_operator.host.health import History, ProcessHealth, WatchProgress
from utilitarian_operator.host.kopf_session import Session, connection, session
from utilitarian_operator.host.settings import Settings
from utilitarian_operator.host.workqueue import WorkQueue

logger = logging.getLogger(__name__)

RETRY_S = 2.0
LISTED_AGAIN_S = 30.0
"""Two full lists are no closer to each other, however often watches begin anew."""

ENDS_WITHIN_S = 10.0
"""After one of its parts ended, or it was told to; what goes on then is left to the end of the process."""

GOODBYE_S = 0.25
"""A closed TLS connection says goodbye in the background; a loop that ends at once leaves it open (aiohttp's manual,
"Graceful Shutdown")."""

BACKOFF = Backoff(first_s=0.5, longest_s=10.0)

WATCHED = {
    FLEETS: (GROUP, VERSION, FLEETS),
    DEPLOYMENTS: ("apps", "v1", DEPLOYMENTS),
    STATEFUL_SETS: ("apps", "v1", STATEFUL_SETS),
    DISRUPTION_BUDGETS: ("policy", "v1", DISRUPTION_BUDGETS),
    PODS: ("", "v1", PODS),
}


class Backoffs:
    """Pauses between tries of kopf's requests, without an end: where it stops to try, it ends the process.

    Each has a part that is by chance, so that the clients of an API server that comes back don't come all at once.
    """

    def __iter__(self) -> Iterator[float]:
        """The pauses in seconds, each longer than the one before, up to `BACKOFF.longest_s`."""
        return (BACKOFF.pause_s(count, CLOCK.between) for count in itertools.count(1))


LISTED = "LISTED"
"""The type of an event that is about no object: a watch began anew, with a list that may have nothing in it."""

See = Callable[[str, str | None, dict[str, Any]], None]
"""Given each event: the plural, its type (None: it was listed), and the object."""


def seeing(
    store: Store,
    queue: WorkQueue[Key],
    progress: Callable[[str, int], None] = lambda *_: None,
    listed: Callable[[], None] = lambda: None,
) -> See:
    """What is done with each event: it goes to the cache, and what is new asks for a look.

    Args:
        store: given every object.
        queue: asked for a look at the fleet that an object belongs to.
        progress: given the kind and the version of every object.
        listed: called where a watch began anew: it has no word of what went before that.
    """

    def see(plural: str, kind: str | None, body: dict[str, Any]) -> None:
        if kind in {None, LISTED}:
            listed()
        if kind == LISTED:
            return
        progress(plural, version(body))
        edited = plural == FLEETS and store.edited(body)
        deleted = kind == "DELETED"
        news = deleted or not store.knows(plural, body)
        key = store.see(plural, body, deleted=deleted)
        if key is not None and news:
            queue.add(key, at_once=edited)

    return see


def _hand_over(home: asyncio.AbstractEventLoop, see: See, plural: str, kind: str | None, body: dict[str, Any]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
        home.call_soon_threadsafe(see, plural, kind, body)


class _Tell(NamedTuple):
    """What the watches tell beside events: that they are open, and that one began anew."""

    ready: Callable[[], object]
    listed: Callable[[], object]


def _registry(see: See, home: asyncio.AbstractEventLoop) -> kopf.OperatorRegistry:
    """Handlers that hand each event over to another event loop."""
    handlers = kopf.OperatorRegistry()

    def watch(plural: str) -> None:
        async def saw(event: Mapping[str, Any], **_: object) -> None:
            _hand_over(home, see, plural, event["type"], dict(event["object"]))

        kopf.on.event(*WATCHED[plural], id=f"saw-{plural}", registry=handlers)(saw)

    for plural in WATCHED:
        watch(plural)
    return handlers


def informer_settings() -> kopf.OperatorSettings:
    """Make kopf a mere informer: no peering, no events of its own, nothing written to any object."""
    result = kopf.OperatorSettings()
    result.process.ultimate_exiting_timeout = None  # it would kill the process ten minutes after an error in a watch
    result.peering.standalone = True
    result.posting.enabled = False
    result.persistence.finalizer = f"{GROUP}/kopf-finalizer"
    result.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    result.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP)
    result.networking.error_backoffs = Backoffs()
    result.networking.connect_timeout = 10.0
    result.watching.server_timeout = 300  # whole: the API server refuses "300.0"
    result.watching.client_timeout = 330.0  # a stream that was cut in silence is opened anew
    result.watching.reconnect_backoff = 0.5  # kopf would open one that is closed at once ten times a second
    result.watching.chunk_size = PAGE
    result.queueing.idle_timeout = 0.5  # until then it keeps an object that it has told of, 5 s unless it is said
    result.scanning.disabled = True  # the kinds are fixed: nothing to discover while running
    for plural in (it for it in WATCHED if it != FLEETS):
        result.watching.label_selectors[plural] = CHILD_SELECTOR
    return result


async def host(
    see: See,
    settings: Settings,
    login: Callable[[], Awaitable[Configuration]],
    *,
    ready: asyncio.Event,
    stop: asyncio.Event,
    sleep: Callable[[float], Awaitable[None]] = CLOCK.sleep,
) -> None:
    """Watch until `stop` is set.

    kopf has a thread and an event loop of its own: it takes a loop that it runs in for its own, waits at its end, which
    an error in a watch brings, for each task that began after it did, and cancels it.

    Args:
        see: given each event, in the caller's event loop.
        settings: of the process.
        login: gives the address and the credentials of the API server, anew each time it refuses the old ones; called
            in kopf's thread.
        ready: set when it has started.
        stop: ends it.
        sleep: waits for so many seconds.

    Raises:
        Exception: what ended the watches.
    """
    home, inner, closing = asyncio.get_running_loop(), asyncio.new_event_loop(), asyncio.Event()
    ended: concurrent.futures.Future[None] = concurrent.futures.Future()
    ended.set_running_or_notify_cancel()
    tell = _Tell(partial(home.call_soon_threadsafe, ready.set), partial(_hand_over, home, see, "", LISTED, {}))
    watches = _watch(_registry(see, home), settings, login, tell, stop=closing, sleep=sleep)
    threading.Thread(target=_run, args=(inner, watches, ended), name="kopf", daemon=True).start()
    outcome: asyncio.Future[None] = asyncio.wrap_future(ended)
    stopped: asyncio.Future[Any] = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({outcome, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        with contextlib.suppress(RuntimeError):  # it has ended, and closed its loop
            inner.call_soon_threadsafe(closing.set)
    async with asyncio.timeout(2 * ENDS_WITHIN_S):
        await outcome


def _run(
    loop: asyncio.AbstractEventLoop, watches: Coroutine[Any, Any, None], ended: "concurrent.futures.Future[None]"
) -> None:
    """Run the watches in this thread."""

    async def told() -> None:
        try:
            await watches
        except BaseException as error:  # noqa: BLE001 - raised where the watches are waited for
            ended.set_exception(error)
        else:
            ended.set_result(None)

    # It is told first: a task of kopf that can't be cancelled would keep the loop from its end.
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(told())


async def _watch(
    handlers: kopf.OperatorRegistry,
    settings: Settings,
    login: Callable[[], Awaitable[Configuration]],
    tell: _Tell,
    *,
    stop: asyncio.Event,
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    opened: list[Session] = []

    async def open_one(**_: object) -> kopf.AiohttpSession:
        opened.append(session(await connection(await login()), tell.listed))
        return opened[-1]

    async def is_ready() -> None:
        await ready.wait()
        with contextlib.suppress(RuntimeError):  # the process ends
            tell.ready()

    kopf.on.login(registry=handlers)(open_one)
    ready = asyncio.Event()
    telling = asyncio.create_task(is_ready())
    others = asyncio.all_tasks()
    try:
        roots = await kopf.spawn_tasks(
            registry=handlers,
            settings=informer_settings(),
            # Its own guess asks for the user's name, which an arbitrary user id doesn't have.
            identity=settings.instance,  # type: ignore[arg-type] # kopf's type for it is not public
            standalone=True,
            clusterwide=not settings.namespaces,
            namespaces=settings.namespaces,
            ready_flag=ready,
            stop_flag=stop,
        )
        await _run_to_the_end(roots, others)
    finally:
        telling.cancel()
        for it in opened:  # kopf closes them where it comes to its end
            await it.aiohttp_session.close()
        await sleep(GOODBYE_S)


async def _run_to_the_end(parts: Collection["asyncio.Task[Any]"], others: Collection["asyncio.Task[Any]"]) -> None:
    """Run kopf's parts until one of them has ended, and the others soon after it.

    Args:
        parts: of kopf.
        others: tasks of the loop that are not kopf's.

    Raises:
        TimeoutError: the others go on.
        Exception: what ended the part.
    """
    running = asyncio.create_task(kopf.run_tasks(parts, ignored={*others, *parts}))
    await asyncio.wait({running, *parts}, return_when=asyncio.FIRST_COMPLETED)
    # Not wait_for: that waits until what it cancels has ended.
    ended, _ = await asyncio.wait({running}, timeout=ENDS_WITHIN_S)
    if not ended:
        raise TimeoutError(f"a part of kopf has ended, and the others go on after {ENDS_WITHIN_S:g} s")
    running.result()


@dataclass
class Listing:
    """Lists all that is watched: a watch may miss that something vanished.

    Args:
        cluster: the API server.
        store: given all that is listed.
        settings: of the process.
        watches: told what is listed.
        blind: those of the watched namespaces that may not be listed: nothing is decided there.
        history: of what was seen and listed.
    """

    cluster: Cluster
    store: Store
    settings: Settings
    watches: WatchProgress
    blind: set[str] = field(default_factory=set)
    history: History = field(default_factory=History)

    async def first(self, health_of_process: ProcessHealth, stop: asyncio.Event) -> None:
        """Know everything before anything is decided; tries until the API server answers."""
        while not stop.is_set():
            try:
                await self._list(lambda: health_of_process.goes_on("first list"))
            except ClusterError as error:
                logger.warning("waiting for the API server and the CRD", extra={"because": str(error)})
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RETRY_S):
                        await stop.wait()
            else:
                health_of_process.ended("first list")
                return

    async def again(self, queue: WorkQueue[Key], anew: asyncio.Event) -> None:
        """List everything now and then, and soon after `anew` is set: a watch began anew. Raises HistoryWentBack."""
        each_s = self.settings.resync.total_seconds()
        at_least_s = min(LISTED_AGAIN_S, each_s)
        while True:
            await CLOCK.sleep(at_least_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(each_s - at_least_s):
                    await anew.wait()
            anew.clear()
            try:
                for key in await self._list(told=self.watches.listed):
                    queue.add(key)
            except HistoryWentBack:
                raise
            except ClusterError as error:
                logger.warning("not resynced", extra={"because": str(error)})
            if self.history.doubtful:
                anew.set()  # soon, to be sure

    def seen(
        self, look: Callable[[Key], Awaitable[bool]], leave: Callable[[Key], Awaitable[object]]
    ) -> Callable[[Key], Awaitable[bool]]:
        """The same look, but at no fleet of which a part alone may be known, or what is so no longer.

        One whose namespace gave way is left, so that nothing more is kept of it.
        """

        async def if_seen(key: Key) -> bool:
            if key.namespace in self.store.room.aside:
                await leave(key)
                return True
            return key.namespace in self.blind or self.history.doubtful or await look(key)

        return if_seen

    async def _list(
        self, goes_on: Callable[[], None] = lambda: None, told: Callable[[str, int], None] = lambda *_: None
    ) -> set[Key]:
        seen = {plural: self.store.newest(plural) for plural in WATCHED}
        sieve = Sieve(self.store, goes_on)
        listed = await self._lists(sieve, goes_on)
        self.history.compare(seen, {plural: min(each[plural] for each in listed.values()) for plural in WATCHED})
        blind = {it for it in self.settings.namespaces if it not in listed}
        for namespace in sorted(blind - self.blind):
            logger.warning("left alone: it may not be listed", extra={"namespace": namespace})
        self.blind.clear()
        self.blind.update(blind)
        self.store.lay_only_aside(sieve.room.aside)
        touched: set[Key] = set()
        for plural in WATCHED:
            found = [*sieve.found(plural), *self.store.objects_in(plural, blind)]
            touched |= self.store.replace(plural, found, min(each[plural] for each in listed.values()))
            told(plural, max(map(version, found), default=0))
        return touched

    async def _lists(self, sieve: Sieve, goes_on: Callable[[], None]) -> dict[str | None, dict[str, int]]:
        """The version of each kind's list, by namespace, of which no kind is refused."""
        found: dict[str | None, dict[str, int]] = {}
        refused: Rejected | None = None
        for namespace in self.settings.namespaces or (None,):
            versions = {}
            try:
                for plural in WATCHED:
                    goes_on()
                    selector = "" if plural == FLEETS else CHILD_SELECTOR
                    _, versions[plural] = await self.cluster.kept_items(plural, namespace, selector, sieve.of(plural))
            except Rejected as error:  # it was deleted, say, and with it the operator's rights there
                refused = error
                sieve.drop(namespace or "")
            else:
                found[namespace] = versions
        if refused is not None and not found:
            raise refused
        return found

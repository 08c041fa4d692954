"""Runs kopf as informer: every event goes to the cache, and what is new asks for a look."""

import asyncio
import concurrent.futures
import contextlib
import itertools
import logging
import threading
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeAlias

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
)
from utilitarian_operator.adapters.cluster.pages import PAGE
from utilitarian_operator.adapters.cluster.versions import version
from utilitarian_operator.api.resource import GROUP, VERSION
from utilitarian_operator.core.backoff import Backoff
from utilitarian_operator.host.kopf_session import Session, connection, session
from utilitarian_operator.host.settings import Settings
from utilitarian_operator.host.watched.chosen import NAMESPACES, Chosen
from utilitarian_operator.host.workqueue import WorkQueue

logger = logging.getLogger(__name__)

ENDS_WITHIN_S = 10.0
"""After one of its parts ended, or it was told to; what goes on then is left to the end of the process."""

GOODBYE_S = 0.25
"""A closed TLS connection says goodbye in the background; a loop that ends at once leaves it open (aiohttp's manual,
"Graceful Shutdown")."""

BACKOFF = Backoff(first_s=0.5, longest_s=10.0)

Kind: TypeAlias = tuple[str, str, str]
"""Group, version and plural."""

WATCHED: Mapping[str, Kind] = {
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
    chosen: Chosen | None = None,
) -> See:
    """What is done with each event: it goes to the cache, and what is new asks for a look.

    Args:
        store: given every object.
        queue: asked for a look at the fleet that an object belongs to.
        progress: given the kind and the version of every object.
        listed: called where a watch began anew: it has no word of what went before that.
        chosen: told of the namespaces that are chosen by their labels.
    """

    def see(plural: str, kind: str | None, body: dict[str, Any]) -> None:
        if kind in {None, LISTED}:
            listed()
        if kind == LISTED:
            return
        deleted = kind == "DELETED"
        if chosen is not None and plural == NAMESPACES:
            chosen.see(body, deleted=deleted)
            return
        progress(plural, version(body))
        if not store.chosen.takes(plural, body, deleted=deleted):
            return
        edited = plural == FLEETS and store.edited(body)
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


def _registry(see: See, home: asyncio.AbstractEventLoop, watched: Mapping[str, Kind]) -> kopf.OperatorRegistry:
    """Handlers that hand each event over to another event loop."""
    handlers = kopf.OperatorRegistry()

    def watch(plural: str) -> None:
        async def saw(event: Mapping[str, Any], **_: object) -> None:
            _hand_over(home, see, plural, event["type"], dict(event["object"]))

        kopf.on.event(*watched[plural], id=f"saw-{plural}", registry=handlers)(saw)

    for plural in watched:
        watch(plural)
    return handlers


class NothingToCompare(kopf.DiffBaseStorage):
    """What is kept of an object for handlers of changes: nothing, as there are none.

    kopf's own would copy each object of which a watch tells, a tenth of all work while pools are made.
    """

    def build(
        self,
        *,
        body: kopf.Body,  # noqa: ARG002 - kopf names them
        extra_fields: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> kopf.BodyEssence:
        """Nothing of an object."""
        return kopf.BodyEssence({})

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:  # noqa: ARG002
        """Nothing that was kept."""
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Write nothing."""


def informer_settings(namespace_selector: str | None = None) -> kopf.OperatorSettings:
    """Make kopf a mere informer: no peering, no events of its own, nothing written to any object."""
    result = kopf.OperatorSettings()
    result.process.ultimate_exiting_timeout = None  # it would kill the process ten minutes after an error in a watch
    result.peering.standalone = True
    result.posting.enabled = False
    result.persistence.finalizer = f"{GROUP}/kopf-finalizer"
    result.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    result.persistence.diffbase_storage = NothingToCompare()
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
    if namespace_selector is not None:
        result.watching.label_selectors[NAMESPACES] = namespace_selector
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
    watched = WATCHED if settings.namespace_selector is None else {**WATCHED, NAMESPACES: ("", "v1", NAMESPACES)}
    watches = _watch(_registry(see, home, watched), settings, login, tell, stop=closing, sleep=sleep)
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
            settings=informer_settings(settings.namespace_selector),
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

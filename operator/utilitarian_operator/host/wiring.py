"""Constructs one operator and runs it: the only place where its parts are made."""

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any, TypeVar

from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry
from yaml import YAMLError

from utilitarian_operator.adapters.broker.bounded.brokers import Brokers
from utilitarian_operator.adapters.broker.session import opened
from utilitarian_operator.adapters.broker.timing import (
    CLOCK,
)
from utilitarian_operator.adapters.cluster.cache import Key, Store
from utilitarian_operator.adapters.cluster.client import ClusterClient
from utilitarian_operator.adapters.cluster.request_rate import RequestRate
from utilitarian_operator.adapters.cluster.room import Everywhere
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.adapters.requests import Requests
from utilitarian_operator.adapters.spans import UNTRACED, Spans
from utilitarian_operator.adapters.traces import traced
from utilitarian_operator.api.strict_yaml import why_no_yaml
from utilitarian_operator.errors import ClusterError, LeadershipLost
from utilitarian_operator.host import kopf_host as handlers
from utilitarian_operator.host.admission_webhook import AdmissionWebhook, renew
from utilitarian_operator.host.clocks import boot_seconds, utc_now
from utilitarian_operator.host.fences import Fences
from utilitarian_operator.host.health import ProcessHealth, WatchProgress
from utilitarian_operator.host.open_files import allow_enough
from utilitarian_operator.host.preflight import keep_checking
from utilitarian_operator.host.salt import keep_asking, salt_in
from utilitarian_operator.host.serving.http import MOST_SCRAPES, MetricsPage, health_page, serve
from utilitarian_operator.host.settings import Settings
from utilitarian_operator.host.watched.chosen import NAMESPACES, Chosen
from utilitarian_operator.host.watched.listing import Listing
from utilitarian_operator.host.watched.ours import held, leave, look_if_ours, wanted, worked_on
from utilitarian_operator.host.watched.unworked import Unworked
from utilitarian_operator.host.workqueue import WorkQueue
from utilitarian_operator.metrics.fleet import Metrics
from utilitarian_operator.reconcile.act.drains import Drains
from utilitarian_operator.reconcile.act.writer import ObjectWriter
from utilitarian_operator.reconcile.aside import Aside, room_in
from utilitarian_operator.reconcile.reconciler import Reconciler

T = TypeVar("T")

logger = logging.getLogger(__name__)

RETRY_S = 2.0
HANDED_OVER_S = 10.0
"""Where namespaces are chosen by their labels, one that changed hands may be the former operator's for a moment."""

CANCELLED_WITHIN_S = 1.0
"""What is cancelled and goes on is left to the end of the process; it may not write once the Lease is given back."""

FINISH_READING_S, FINISH_WRITING_S = 0.2, 0.8
"""Looks that run when the process is to stop may take so long. Those that wait for a slow broker are cut off sooner:
the next replica looks there anew. A request that is cut off may still be carried out."""


@dataclass(frozen=True)
class Running:
    """Where a running operator can be reached.

    Args:
        metrics_port, health_port: that it listens on.
        admission_port: the same, of the webhook; None without one.
    """

    metrics_port: int
    health_port: int
    admission_port: int | None = None


async def run(settings: Settings, stop: asyncio.Event, started: Callable[[Running], None] = lambda _: None) -> None:
    """Run an operator until `stop` is set, a signal comes or the Lease is lost.

    Args:
        settings: of the process.
        stop: ends it.
        started: called when it listens.

    Raises:
        LeadershipLost: another process holds the Lease; this one must end.
    """
    allow_enough()
    registry = CollectorRegistry()
    for collector in (GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR):
        registry.register(collector)
    health_of_process = ProcessHealth(seconds=CLOCK.monotonic)
    metrics = Metrics(registry, CLOCK.monotonic, settings.price)
    login = partial(_login, settings)
    _stop_on_signals(stop)
    async with (
        traced(settings.traces_endpoint, settings.instance) as spans,
        serve(settings.host, settings.metrics_port, {"/metrics": MetricsPage(registry)}, MOST_SCRAPES) as metrics_port,
        serve(
            settings.host,
            settings.health_port,
            {
                "/healthz": health_page(health_of_process.sick),
                "/readyz": health_page(health_of_process.unready, health_of_process.noted),
            },
        ) as health_port,
        ApiClient(await login()) as client,
        _admitting(settings, client) as admission_port,
        _checking(settings, client, health_of_process),
    ):
        started(Running(metrics_port, health_port, admission_port))
        async with _leading(settings, client, health_of_process, stop) as fences:
            if not stop.is_set():
                health_of_process.leads = True
                may_write = {"may_write": fences.may_write} if fences else {}
                rate, requests = RequestRate(CLOCK.monotonic, CLOCK.sleep), _told_to(metrics, spans)
                cluster = ClusterClient(client, **may_write, rate=rate, requests=requests)
                metrics.process.leads(leads=True)
                logger.info("this replica works", extra={"instance": settings.instance})
                await _operate(settings, cluster, metrics, health_of_process, login, stop, fences, spans)
    await CLOCK.sleep(handlers.GOODBYE_S)


def _brokers(settings: Settings, metrics: Metrics, spans: Spans) -> Brokers:
    requests = _told_to(metrics, spans)
    return Brokers(partial(opened, intervals=settings.intervals, clock=CLOCK, reach=settings.reach, requests=requests))


def _told_to(metrics: Metrics, spans: Spans) -> Requests:
    return Requests(metrics.process.asked, CLOCK.monotonic, spans)


async def _until(event: asyncio.Event) -> None:
    await event.wait()


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What some work comes to; None where `stop` is set first: the next replica need not wait for its end."""
    working, told = asyncio.create_task(work, name="start"), asyncio.create_task(_until(stop))
    try:
        await asyncio.wait([working, told], return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, told):
            task.cancel()
        await asyncio.wait([working, told], timeout=CANCELLED_WITHIN_S)


def _stop_on_signals(stop: asyncio.Event) -> None:
    """Signals come to the main thread only; an operator in another one is ended by who started it."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)


async def _operate(  # noqa: PLR0913 - the parts that it is handed
    settings: Settings,
    cluster: Cluster,
    metrics: Metrics,
    health_of_process: ProcessHealth,
    login: Callable[[], Awaitable[Configuration]],
    stop: asyncio.Event,
    fences: Fences | None = None,
    spans: Spans = UNTRACED,
) -> None:
    own = fences.cluster if fences else cluster
    salt = await _unless(stop, _salt(own, settings.lease_namespace, stop))
    chosen = None if settings.namespace_selector is None else Chosen(settings.namespace_selector)
    watches, brokers = WatchProgress(CLOCK.monotonic), _brokers(settings, metrics, spans)
    store = Store(room_in(settings.memory), chosen or Everywhere())
    writer = ObjectWriter(cluster, store, metrics, settings.instance, utc_now, CLOCK.unique)
    drains = Drains(cluster, store, writer, utc_now, CLOCK.sleep, fences.may_write if fences else lambda _: None)
    parts, how = (cluster, store, brokers, drains, metrics), (settings.patience, settings.allowances)
    reconciler = Reconciler(*parts, utc_now, CLOCK.monotonic, *how, salt=salt, spans=spans)
    listing = Listing(cluster, store, settings, watches, chosen)
    look = _looks(listing, reconciler, fences)
    queue: WorkQueue[Key] = WorkQueue(look, group=attrgetter("namespace"), between=CLOCK.between)
    health_of_process.stuck += [queue.stuck, watches.stuck]
    await _unless(stop, listing.first(health_of_process, stop))
    ticks = _tick(partial(wanted, store, reconciler), queue, settings, health_of_process, metrics)
    on = {"queue": queue.run(), "tick": ticks, "resync": listing.again(queue)}
    on |= {} if chosen is None else {"chosen": listing.find_fleets(queue)}
    tasks = [asyncio.create_task(it, name=name) for name, it in on.items()]
    tasks += [*_renewals(settings, own, store, fences), *_salting(settings, own, reconciler, stop)]
    tasks.append(_told(Aside(store.room, cluster, writer.record_event, metrics.process), health_of_process))
    if fences is not None and chosen is not None:
        tasks.append(_told(Unworked(own, chosen, fences.record, metrics.process), health_of_process))
    closing, see = asyncio.Event(), handlers.seeing(store, queue, watches.saw, listing.anew.set, chosen)
    informer = asyncio.create_task(_inform(see, settings, login, health_of_process, closing), name="informer")
    tasks.append(asyncio.create_task(_until(stop), name="stop"))
    try:
        done, _ = await asyncio.wait([informer, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
        await _finish(queue.finish(FINISH_READING_S, FINISH_WRITING_S, reconciler.acts), tasks, fences)
        await brokers.close()
        closing.set()
        await asyncio.gather(informer, return_exceptions=True)
    for task in done:
        task.result()


def _looks(listing: Listing, reconciler: Reconciler, fences: Fences | None) -> Callable[[Key], Awaitable[bool]]:
    """A look at a fleet, as the queue asks for it."""
    if fences is None:
        return listing.seen(reconciler.reconcile, reconciler.leave)
    fences.namespaces.worked_on = partial(worked_on, listing.store)
    ours = partial(look_if_ours, fences, reconciler, newly_chosen=listing.newly_chosen)
    return listing.seen(ours, partial(leave, fences, listing.store, reconciler))


async def _finish(looks: Awaitable[None], tasks: list["asyncio.Task[None]"], fences: Fences | None) -> None:
    """End what writes; the next replica need not wait until brokers and watches are closed."""
    await looks
    for task in tasks:
        task.cancel()
    _, on = await asyncio.wait(tasks, timeout=CANCELLED_WITHIN_S)
    for task in on:
        logger.warning("a part goes on while the process ends", extra={"part": task.get_name()})
    if fences is not None:
        await fences.give_back()
        logger.info("the next replica may work")


async def _salt(cluster: Cluster, namespace: str | None, stop: asyncio.Event) -> str | None:
    return await salt_in(cluster, namespace, stop, CLOCK.secret) if namespace else None


def _told(left_alone: Aside | Unworked, health_of_process: ProcessHealth) -> "asyncio.Task[None]":
    """Have it told what is left alone."""
    notes = health_of_process.notes
    health_of_process.notes = lambda: [*notes(), *left_alone.notes()]
    return asyncio.create_task(left_alone.run(CLOCK.sleep), name=type(left_alone).__name__)


def _salting(
    settings: Settings, cluster: Cluster, reconciler: Reconciler, stop: asyncio.Event
) -> list["asyncio.Task[None]"]:
    if reconciler.has_salt:
        return []
    asking = keep_asking(reconciler.salted, cluster, settings.lease_namespace or "", stop)
    return [asyncio.create_task(asking, name="salt")]


def _renewals(settings: Settings, cluster: Cluster, store: Store, fences: Fences | None) -> list["asyncio.Task[None]"]:
    """What is renewed for ever: the Leases of namespaces, and the webhook's certificate."""
    tasks = []
    if fences is not None:
        watched = partial(held, settings, store)
        tasks.append(asyncio.create_task(fences.namespaces.renew(watched, CLOCK.sleep), name="namespaces"))
    if settings.admission is not None:
        tasks.append(asyncio.create_task(renew(settings.admission, cluster, utc_now, CLOCK.sleep), name="certificate"))
    return tasks


async def _inform(
    see: handlers.See,
    settings: Settings,
    login: Callable[[], Awaitable[Configuration]],
    health_of_process: ProcessHealth,
    closing: asyncio.Event,
) -> None:
    """Keep the watches open until they are closed.

    kopf ends for good at an error in a watch, which an API server that is overloaded or restarted sends. What the
    operator knows and holds need not end with it: the watches are opened anew, and list everything.
    """
    while not closing.is_set():
        ready = asyncio.Event()
        host = handlers.host(see, settings, login, ready=ready, stop=closing)
        hosting, opened = asyncio.create_task(host, name="kopf"), asyncio.create_task(ready.wait())
        because = "kopf has ended"
        try:
            await asyncio.wait([hosting, opened], return_when=asyncio.FIRST_COMPLETED)
            health_of_process.watches = ready.is_set()
            await hosting
        except Exception as error:  # noqa: BLE001 - whatever ended them, the process goes on
            because = f"{error or type(error).__name__}"
        finally:
            opened.cancel()
        health_of_process.watches = False
        if not closing.is_set():
            logger.warning("watches ended; they are opened anew", extra={"because": because})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S):
                    await closing.wait()


async def _tick(
    wanted: Callable[[], list[Key]],
    queue: WorkQueue[Key],
    settings: Settings,
    health_of_process: ProcessHealth,
    metrics: Metrics,
) -> None:
    """Ask for a look at every fleet, once a tick."""
    while True:
        health_of_process.goes_on("tick")
        metrics.process.began_a_round(utc_now())
        for key in wanted():
            queue.add(key)
        due = CLOCK.monotonic() + settings.tick.total_seconds()
        await CLOCK.sleep(settings.tick.total_seconds())
        metrics.process.lagged(CLOCK.monotonic() - due)


@contextlib.asynccontextmanager
async def _checking(settings: Settings, client: ApiClient, health_of_process: ProcessHealth) -> AsyncIterator[None]:
    """Find out all the time whether this process could work, also while it waits for the Lease."""

    def tell(lacks: str | None) -> None:
        if lacks is not None and lacks != health_of_process.lacks:
            logger.warning("not ready", extra={"because": lacks})
        health_of_process.lacks = lacks

    more = () if settings.namespace_selector is None else (("watch", "", NAMESPACES, ""),)
    checks = keep_checking(ClusterClient(client), settings.namespaces, tell, CLOCK.sleep, more)
    checker = asyncio.create_task(checks, name="preflight")
    try:
        yield
    finally:
        checker.cancel()
        await asyncio.gather(checker, return_exceptions=True)


@contextlib.asynccontextmanager
async def _admitting(settings: Settings, client: ApiClient) -> AsyncIterator[int | None]:
    """Serve the admission webhook, if there is one, on every replica; yields its port."""
    if settings.admission is None:
        yield None
        return
    async with AdmissionWebhook(settings.admission, ClusterClient(client), CLOCK.sleep, settings.allowances).serve(
        settings.host
    ) as port:
        yield port


@contextlib.asynccontextmanager
async def _leading(
    settings: Settings, client: ApiClient, health_of_process: ProcessHealth, stop: asyncio.Event
) -> AsyncIterator[Fences | None]:
    """Wait for the Lease, if there is one; yields what must be asked before each write."""
    if settings.lease_namespace is None:
        yield None
        return
    handed_over_s = 0.0 if settings.namespace_selector is None else HANDED_OVER_S
    names = (settings.lease_namespace, settings.lease, settings.instance)
    fences = Fences(ClusterClient(client), *names, boot_seconds, handed_over_s)
    health_of_process.notes = fences.notes
    async with fences.leadership.held(stop, lambda: health_of_process.goes_on("Lease")) as lost:
        watcher = asyncio.create_task(_stop_when(lost, stop))
        try:
            yield fences
        finally:
            watcher.cancel()
            if fences.leadership.lost:
                raise LeadershipLost("the Lease was lost: this process ends, and starts anew as a candidate")


async def _stop_when(lost: "asyncio.Task[None] | None", stop: asyncio.Event) -> None:
    if lost is not None:
        await asyncio.wait([lost])
        stop.set()


async def _login(settings: Settings) -> Configuration:
    configuration = Configuration()
    try:
        if settings.kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=configuration)
        else:
            path = str(settings.kubeconfig) if settings.kubeconfig else None
            await config.load_kube_config(path, client_configuration=configuration)
    except (config.ConfigException, YAMLError, OSError) as error:
        # A kubeconfig has tokens in it.
        why = why_no_yaml(error) if isinstance(error, YAMLError) else " ".join(str(error).split())
        raise ClusterError(f"no cluster: {why}; set KUBECONFIG to a kubeconfig file, or run it in a pod") from error
    return configuration

"""Runs kopf as informer: every event goes to the cache, and what is new asks for a look."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

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
from utilitarian_operator.api.resource import GROUP, VERSION
from utilitarian_operator.core.backoff import Backoff
from utilitarian_operator.host.kopf_session import session
from utilitarian_operator.host.settings import Settings
from utilitarian_operator.host.workqueue import WorkQueue

Registry = kopf.OperatorRegistry

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


def registry(
    store: Store, queue: WorkQueue[Key], progress: Callable[[str, int], None] = lambda *_: None
) -> kopf.OperatorRegistry:
    """The handlers of one operator.

    Args:
        store: given every object.
        queue: asked for a look at the fleet that an object belongs to.
        progress: given the kind and the version of every object.
    """
    handlers = kopf.OperatorRegistry()

    def watch(plural: str) -> None:
        async def saw(event: Mapping[str, Any], **_: object) -> None:
            body = dict(event["object"])
            progress(plural, version(body))
            edited = plural == FLEETS and store.edited(body)
            deleted = event["type"] == "DELETED"
            news = deleted or not store.knows(plural, body)
            key = store.see(plural, body, deleted=deleted)
            if key is not None and news:
                queue.add(key, at_once=edited)

        kopf.on.event(*WATCHED[plural], id=f"saw-{plural}", registry=handlers)(saw)

    for plural in WATCHED:
        watch(plural)
    return handlers


def informer_settings() -> kopf.OperatorSettings:
    """Make kopf a mere informer: no peering, no events of its own, nothing written to any object."""
    result = kopf.OperatorSettings()
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
    result.scanning.disabled = True  # the kinds are fixed: nothing to discover while running
    for plural in (it for it in WATCHED if it != FLEETS):
        result.watching.label_selectors[plural] = CHILD_SELECTOR
    return result


async def host(
    handlers: kopf.OperatorRegistry,
    settings: Settings,
    login: Callable[[], Awaitable[Configuration]],
    *,
    ready: asyncio.Event,
    stop: asyncio.Event,
) -> None:
    """Run kopf until `stop` is set or a signal comes.

    Args:
        handlers: of `registry`.
        settings: of the process.
        login: gives the address and the credentials of the API server, anew each time it refuses the old ones.
        ready: set when it has started.
        stop: ends it.
    """

    async def connection(**_: object) -> kopf.AiohttpSession:
        return session(await _connection(await login()))

    kopf.on.login(registry=handlers)(connection)
    await kopf.operator(
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


async def _connection(configuration: Configuration) -> kopf.ConnectionInfo:
    """The official client's way to log in, as kopf wants it."""
    header = await configuration.get_api_key_with_prefix("BearerToken") or ""
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        token=header.rpartition(" ")[2] or None,
        proxy_url=configuration.proxy,
    )

"""Runs kopf as informer: every event goes to the store and asks for a look; the only module that imports kopf."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import kopf
from kubernetes.aio.client.configuration import Configuration

from utilitarian_operator.adapters.store import (
    CHILD_SELECTOR,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    FLEETS,
    PODS,
    STATEFUL_SETS,
    Store,
)
from utilitarian_operator.api.resource import GROUP, VERSION

WATCHED = {
    FLEETS: (GROUP, VERSION, FLEETS),
    DEPLOYMENTS: ("apps", "v1", DEPLOYMENTS),
    STATEFUL_SETS: ("apps", "v1", STATEFUL_SETS),
    DISRUPTION_BUDGETS: ("policy", "v1", DISRUPTION_BUDGETS),
    PODS: ("", "v1", PODS),
}


def registry(store: Store, look_at: Callable[[Any], None]) -> kopf.OperatorRegistry:
    """The handlers of one operator.

    Args:
        store: told of every object.
        look_at: called with the key of the fleet that an object belongs to.
    """
    handlers = kopf.OperatorRegistry()

    def watch(plural: str) -> None:
        async def saw(event: Mapping[str, Any], **_: object) -> None:
            key = store.see(plural, dict(event["object"]), deleted=event["type"] == "DELETED")
            if key is not None:
                look_at(key)

        kopf.on.event(*WATCHED[plural], id=f"saw-{plural}", registry=handlers)(saw)

    for plural in WATCHED:
        watch(plural)
    return handlers


def settings() -> kopf.OperatorSettings:
    """Make kopf a mere informer: no peering, no events of its own, nothing written to any object."""
    result = kopf.OperatorSettings()
    result.peering.standalone = True
    result.posting.enabled = False
    result.persistence.finalizer = f"{GROUP}/kopf-finalizer"
    result.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    result.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP)
    result.scanning.disabled = True  # the kinds are fixed: nothing to discover while running
    for plural in WATCHED.keys() - {FLEETS}:
        result.watching.label_selectors[plural] = CHILD_SELECTOR
    return result


async def host(
    handlers: kopf.OperatorRegistry,
    namespaces: Collection[str],
    login: Callable[[], Awaitable[Configuration]],
    stop: asyncio.Event,
) -> None:
    """Run kopf until `stop` is set or a signal comes.

    Args:
        handlers: of `registry`.
        namespaces: watched; empty is all.
        login: gives the address and the credentials of the API server, anew each time it refuses the old ones.
        stop: ends it.
    """

    async def connection(**_: object) -> kopf.ConnectionInfo:
        return await _connection(await login())

    kopf.on.login(registry=handlers)(connection)
    await kopf.operator(
        registry=handlers,
        settings=settings(),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=tuple(namespaces),
        stop_flag=stop,
    )


async def _connection(configuration: Configuration) -> kopf.ConnectionInfo:
    """The official client's way to log in, as kopf wants it told."""
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

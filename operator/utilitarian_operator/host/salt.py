"""Reads the salt of checksums from a Secret in the operator's own namespace, and makes it once.

The checksum of what a pod's environment is made of stands in its template, where others read it. With a salt that only
the operator reads, no password can be guessed by it.
"""

import asyncio
import base64
import contextlib
import logging
from collections.abc import Callable

from utilitarian_operator.adapters.broker.timing import CLOCK
from utilitarian_operator.adapters.cluster.seam import Cluster, secret_values
from utilitarian_operator.api.names import SALT
from utilitarian_operator.api.objects import Object
from utilitarian_operator.errors import ClusterError, Conflict, Gone, Rejected

logger = logging.getLogger(__name__)

RETRY_S = 2.0
ASKED_AGAIN_S = 60.0
"""Where it is refused: a right may be given back, as in the middle of an upgrade of the chart."""

_KEY = "salt"


async def salt_in(
    cluster: Cluster, namespace: str, stop: asyncio.Event, secret: Callable[[], str] = CLOCK.secret
) -> str:
    """The salt, made if there is none; waits for an API server that is away.

    Args:
        cluster: where it is kept.
        namespace: of the operator.
        stop: ends the wait.
        secret: gives a text that no one can guess.

    Returns:
        The salt; empty where the API server refuses to give or keep it: then no change of a Secret rolls a pod, since
        a checksum of another kind would roll them all.
    """
    where = f"{namespace}/{SALT}"
    while not stop.is_set():
        try:
            return await _read(cluster, namespace) or await _made(cluster, namespace, secret())
        except Rejected as error:
            logger.warning("no salt: changed Secrets roll no pod", extra={"secret": where, "because": str(error)})
            return ""
        except ClusterError as error:
            logger.warning("waiting for the API server", extra={"secret": where, "because": str(error)})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RETRY_S):
                await stop.wait()
    return ""


async def is_kept(cluster: Cluster, namespace: str) -> bool:
    """Whether an operator has worked from this namespace: the first one made the Secret; also where that is not said.

    Raises:
        ClusterError: it could not be asked for.
    """
    try:
        await cluster.read("Secret", namespace, SALT)
    except Gone:
        return False
    except Rejected:
        return True
    return True


async def keep_asking(
    tell: Callable[[str], object], cluster: Cluster, namespace: str, stop: asyncio.Event, each_s: float = ASKED_AGAIN_S
) -> None:
    """Ask for a salt that was refused until it is had, tell it, and wait for the end.

    Args:
        tell: called with the salt.
        cluster: where it is kept.
        namespace: of the operator.
        stop: ends all.
        each_s: between two questions.
    """
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(each_s):
                await stop.wait()
        if salt := await salt_in(cluster, namespace, stop):
            tell(salt)
            break
    await stop.wait()


async def _read(cluster: Cluster, namespace: str) -> str:
    """What is kept; empty where nothing is."""
    try:
        return secret_values(await cluster.read("Secret", namespace, SALT)).get(_KEY, "")
    except Gone:
        return ""


async def _made(cluster: Cluster, namespace: str, salt: str) -> str:
    secret: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SALT, "namespace": namespace},
        "immutable": True,
        "data": {_KEY: base64.b64encode(salt.encode()).decode()},
    }
    try:
        await cluster.create(secret)
    except Conflict:  # another replica was faster, or a person made one without a salt
        kept = await _read(cluster, namespace)
        if not kept:
            raise Rejected(f"Secret {namespace}/{SALT} has no key {_KEY}; delete it") from None
        return kept
    return salt

"""How a command reaches the cluster, by kubeconfig or as the pod that it runs in, to read and to make dry runs."""

import ast
import contextlib
import logging
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from utilitarian_operator.errors import ClusterError, OperatorError

if TYPE_CHECKING:
    from kubernetes.aio.client.api_client import ApiClient
    from kubernetes.aio.client.configuration import Configuration

    from utilitarian_operator.adapters.cluster.by_hand import HandCluster
    from utilitarian_operator.adapters.cluster.dry_run import DryRunCluster

DEFAULT_KUBECONFIG = Path("~/.kube/config")
SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


MOST_TOLD = 400
"""Characters of what a program that logs in has said."""

_EXEC = re.compile(r"exec: process returned (-?\d+)(?:\. (b(?:'.*'|\".*\")))?")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def is_namespace(name: str) -> bool:
    """Whether a namespace may be called so: it becomes part of a path."""
    return _NAMESPACE.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Target:
    """Where the cluster is.

    Args:
        kubeconfig: file; None is the default one, or the pod's service account.
        context: in it; None is the current one.
        namespace: that was asked for; None is the context's own.
    """

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None


@dataclass(frozen=True)
class Connection:
    """A cluster that is logged in to.

    Args:
        cluster: to read, and to write to as a dry run or by hand.
        namespace: that is meant where none is named.
    """

    cluster: "DryRunCluster"
    namespace: str


Look: TypeAlias = Callable[[Connection], Awaitable[str]]
"""Makes what is shown of the cluster."""


@dataclass(frozen=True)
class HandConnection(Connection):
    """A cluster that is logged in to, to be changed by a person."""

    cluster: "HandCluster"


@contextlib.asynccontextmanager
async def connected(target: Target) -> AsyncIterator[Connection]:
    """A connection for the time of the block.

    Raises:
        ClusterError: there is no cluster to log in to.
    """
    # Slow to import: a command that needs no cluster starts in a quarter of the time.
    from utilitarian_operator.adapters.cluster.dry_run import DryRunCluster

    configuration, namespace = await _login(target)
    async with _client(configuration) as client:
        yield Connection(DryRunCluster(client), target.namespace or namespace)


@contextlib.asynccontextmanager
async def for_long(target: Target) -> AsyncIterator[Callable[[Look], Awaitable[str]]]:
    """A connection for many looks: what it yields makes a look, after one that failed with a login of its own.

    A login may end (a token of a cloud lasts a quarter of an hour), and a look has no other way to find out.
    """
    async with contextlib.AsyncExitStack() as used:
        there: Connection | None = None

        async def asked(look: Look) -> str:
            nonlocal there
            if there is None:
                await used.aclose()
                there = await used.enter_async_context(connected(target))
            try:
                return await look(there)
            except OperatorError:
                there = None
                raise

        yield asked


@contextlib.asynccontextmanager
async def by_hand(target: Target, *, dry_run: bool) -> AsyncIterator[HandConnection]:
    """A connection for the time of the block, whose writes are kept unless all is a dry run.

    Raises:
        ClusterError: there is no cluster to log in to.
    """
    from utilitarian_operator.adapters.cluster.by_hand import HandCluster

    configuration, namespace = await _login(target)
    async with _client(configuration) as client:
        yield HandConnection(HandCluster(client, dry_run=dry_run), target.namespace or namespace)


@contextlib.asynccontextmanager
async def _client(configuration: "Configuration") -> "AsyncIterator[ApiClient]":
    from kubernetes.aio.client.api_client import ApiClient

    try:
        client = ApiClient(configuration)
    except (OSError, ValueError) as error:  # OpenSSL's errors are the first
        why = "a certificate or key in the kubeconfig is none that can be used"
        raise ClusterError(f"no cluster: {why} ({type(error).__name__}); give --kubeconfig or mend it") from error
    async with client:
        yield client


async def _login(target: Target) -> "tuple[Configuration, str]":
    """The configuration of the client, and the namespace of its context."""
    from kubernetes.aio import config
    from kubernetes.aio.client.configuration import Configuration
    from yaml import YAMLError

    configuration = Configuration()
    in_pod = target.kubeconfig is None and target.context is None and "KUBERNETES_SERVICE_HOST" in os.environ
    said: list[str] = []
    try:
        if in_pod:
            config.load_incluster_config(client_configuration=configuration)
            return configuration, _own_namespace()
        path = _existing(target.kubeconfig)
        with _said_by_the_library() as said:
            loader = await config.load_kube_config(path, target.context, configuration, persist_config=False)
        namespace = str(loader.current_context["context"].get("namespace") or "default")
    except (config.ConfigException, YAMLError, OSError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise _no_cluster(_why(error)) from error
    if said:
        raise _no_login(said[0])
    if target.namespace is None and not is_namespace(namespace):
        raise _no_cluster("the context's namespace is no name of one (lower-case letters, digits and -)")
    return configuration, namespace


def _why(error: Exception) -> str:
    """Why a kubeconfig can't be used; it has tokens in it, which an error of a parser may tell of."""
    from kubernetes.aio.config import ConfigException
    from yaml import YAMLError

    from utilitarian_operator.api.strict_yaml import why_no_yaml

    if isinstance(error, YAMLError):
        return why_no_yaml(error)
    if isinstance(error, ConfigException | OSError):
        return " ".join(str(error).split())
    return f"the file is no kubeconfig ({type(error).__name__})"


@contextlib.contextmanager
def _said_by_the_library() -> Iterator[list[str]]:
    """What the library logs while it logs in: that a program for it failed, it tells in no other way, and goes on."""
    said: list[str] = []
    handler, logger = logging.Handler(logging.ERROR), logging.getLogger("kubernetes.aio.config.kube_config")
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    propagated, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield said
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagated


def _no_login(said: str) -> ClusterError:
    """A program that the kubeconfig names for the login failed: most often the login of a cloud is over."""
    said = " ".join(said.split())
    if ended := _EXEC.fullmatch(said):
        said = f"it ended with {ended[1]}{_told(ended[2])}"
    why = f"no login: the program that the kubeconfig names for it failed: {said.removeprefix('exec: ')}"
    return ClusterError(f"{why}; log in again as for kubectl, or choose another by --context")


def _told(stderr: str | None) -> str:
    """What a program has said, of which the library gives the bytes as Python spells them."""
    if not stderr:
        return ""
    said = " ".join(ast.literal_eval(stderr).decode(errors="replace").split())
    return f": {said if len(said) <= MOST_TOLD else f'{said[: MOST_TOLD - 1]}…'}"


def _no_cluster(why: str) -> ClusterError:
    return ClusterError(f"no cluster: {why}; give --kubeconfig or set KUBECONFIG to a kubeconfig file")


def _existing(kubeconfig: Path | None) -> str:
    """The kubeconfig's path, as KUBECONFIG has it: several, joined by colons, of which one is enough.

    Raises:
        FileNotFoundError: there is none.
    """
    paths = str(kubeconfig or DEFAULT_KUBECONFIG.expanduser())
    if not any(Path(path).is_file() for path in paths.split(os.pathsep)):
        raise FileNotFoundError(f"there is no file {paths}")
    return paths


def _own_namespace() -> str:
    return SERVICE_ACCOUNT_NAMESPACE.read_text().strip()

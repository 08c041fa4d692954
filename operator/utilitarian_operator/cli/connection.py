"""How a command reaches the cluster, by kubeconfig or as the pod that it runs in, to read and to make dry runs."""

import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utilitarian_operator.errors import ClusterError

if TYPE_CHECKING:
    from kubernetes.aio.client.configuration import Configuration

    from utilitarian_operator.adapters.cluster.by_hand import HandCluster
    from utilitarian_operator.adapters.cluster.dry_run import DryRunCluster

DEFAULT_KUBECONFIG = Path("~/.kube/config")
SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


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
    from kubernetes.aio.client.api_client import ApiClient

    from utilitarian_operator.adapters.cluster.dry_run import DryRunCluster

    configuration, namespace = await _login(target)
    async with ApiClient(configuration) as client:
        yield Connection(DryRunCluster(client), target.namespace or namespace)


@contextlib.asynccontextmanager
async def by_hand(target: Target, *, dry_run: bool) -> AsyncIterator[HandConnection]:
    """A connection for the time of the block, whose writes are kept unless all is a dry run.

    Raises:
        ClusterError: there is no cluster to log in to.
    """
    from kubernetes.aio.client.api_client import ApiClient

    from utilitarian_operator.adapters.cluster.by_hand import HandCluster

    configuration, namespace = await _login(target)
    async with ApiClient(configuration) as client:
        yield HandConnection(HandCluster(client, dry_run=dry_run), target.namespace or namespace)


async def _login(target: Target) -> "tuple[Configuration, str]":
    """The configuration of the client, and the namespace of its context."""
    from kubernetes.aio import config
    from kubernetes.aio.client.configuration import Configuration
    from yaml import YAMLError

    from utilitarian_operator.api.strict_yaml import why_no_yaml

    configuration = Configuration()
    in_pod = target.kubeconfig is None and target.context is None and "KUBERNETES_SERVICE_HOST" in os.environ
    try:
        if in_pod:
            config.load_incluster_config(client_configuration=configuration)
            return configuration, _own_namespace()
        path = _existing(target.kubeconfig)
        await config.load_kube_config(path, target.context, configuration, persist_config=False)
        contexts, current = config.list_kube_config_contexts(path)
    except (config.ConfigException, YAMLError, OSError, TypeError) as error:
        # A kubeconfig has tokens in it.
        why = why_no_yaml(error) if isinstance(error, YAMLError) else " ".join(str(error).split())
        raise ClusterError(f"no cluster: {why}; give --kubeconfig or set KUBECONFIG to a kubeconfig file") from error
    return configuration, _namespace(target.context, contexts, current)


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


def _namespace(context: str | None, contexts: list[dict[str, Any]], current: dict[str, Any]) -> str:
    chosen = next((entry for entry in contexts if entry["name"] == context), current)
    return str(chosen["context"].get("namespace") or "default")

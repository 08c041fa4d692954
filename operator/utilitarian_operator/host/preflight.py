"""Whether this process could work: the API server answers, knows the resource, and gives the rights that it needs."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from utilitarian_operator.adapters.cluster.cache import FLEETS
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.names import FLEETS_LEASE
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.resource import GROUP
from utilitarian_operator.errors import ClusterError

EACH_S, AGAIN_S = 60.0, 5.0

Right: TypeAlias = tuple[str, str, str, str]

RIGHTS: tuple[Right, ...] = (
    ("list", GROUP, FLEETS, ""),
    ("watch", GROUP, FLEETS, ""),
    ("patch", GROUP, FLEETS, "status"),
    ("watch", "apps", "deployments", ""),
    ("create", "apps", "deployments", ""),
    ("patch", "apps", "deployments", ""),
    ("patch", "apps", "deployments", "scale"),
    ("watch", "apps", "statefulsets", ""),
    ("watch", "policy", "poddisruptionbudgets", ""),
    ("watch", "", "pods", ""),
    ("patch", "", "pods", ""),
    ("patch", "", "pods", "status"),
    ("create", "coordination.k8s.io", "leases", ""),
)
"""Verb, group, resource and subresource without which a fleet can't be run."""


async def check(cluster: Cluster, namespaces: Sequence[str], more: Sequence[Right] = ()) -> str | None:
    """What is missing, or None.

    Args:
        cluster: the API server; asking about rights must need no leadership.
        namespaces: that are watched; none is all.
        more: rights beyond those that each operator needs.
    """
    try:
        if not await cluster.serves(FLEETS):
            return f"the API server does not know {FLEETS}.{GROUP}: install the CRD"
        for namespace in namespaces or ("",):
            for right in (*RIGHTS, *more):
                if not await _has(cluster, namespace, *right):
                    return _lacking(namespace, *right)
            if not await _has(cluster, namespace, "patch", "coordination.k8s.io", "leases", "", FLEETS_LEASE):
                return _lacking(namespace, "patch", "coordination.k8s.io", f"leases named {FLEETS_LEASE}", "")
    except ClusterError as error:
        return f"the API server can't be asked: {error}"
    return None


async def keep_checking(
    cluster: Cluster,
    namespaces: Sequence[str],
    tell: Callable[[str | None], None],
    sleep: Callable[[float], Awaitable[None]],
    more: Sequence[Right] = (),
) -> None:
    """Check for ever, and tell what came of it.

    Args:
        cluster: the API server, as of `check`.
        namespaces: that are watched; none is all.
        tell: called with what is missing, or None, after each check.
        sleep: waits for so many seconds.
        more: rights, as of `check`.
    """
    while True:
        found = await check(cluster, namespaces, more)
        tell(found)
        await sleep(EACH_S if found is None else AGAIN_S)


async def _has(  # noqa: PLR0913 - what a right consists of
    cluster: Cluster, namespace: str, verb: str, group: str, plural: str, subresource: str, name: str = ""
) -> bool:
    about = {"verb": verb, "group": group, "resource": plural, "subresource": subresource, "namespace": namespace}
    review: Object = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "metadata": {},
        "spec": {"resourceAttributes": about | {"name": name}},
    }
    return bool((await cluster.create(review))["status"]["allowed"])


def _lacking(namespace: str, verb: str, group: str, plural: str, subresource: str) -> str:
    what = f"{plural}/{subresource}" if subresource else plural
    where = f"in namespace {namespace}" if namespace else "in all namespaces"
    return f"the right to {verb} {what} ({group or 'v1'}) {where} is missing: docs/install.md has what it needs"

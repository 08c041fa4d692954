"""Which of a pod's containers is the worker, or beat, and what the pod's status says of each container.

A cluster may put containers of its own beside ours (a proxy, a log shipper), also in front of it and as init containers
that keep running: only the one that is called `worker` or `beat` runs Celery.
"""

from datetime import timedelta
from itertools import pairwise

from utilitarian_operator.api.objects import ReadOnlyObject

WORKER, BEAT = "worker", "beat"
"""What our containers are called."""

MESH_PROXIES = ("istio-proxy", "linkerd-proxy")
"""What meshes call the container that they put into a pod, and by which all its connections go."""

_WAITS = "EXIT_ON_ZERO_ACTIVE_CONNECTIONS"
"""With this variable Istio's proxy stays while it has connections (Istio 1.12 and later)."""

MOST_NAMED = 100
"""Queues that a worker's command may name: more than any pool has (40). Who makes a pod may name as many as they like,
and a silent worker of a removed pool is told of each."""

_LONGEST_NAMED = MOST_NAMED * 256
"""Bytes of so many names, and of the commas between them."""

OVERDUE = timedelta(seconds=30)
"""A pod that should have ended for this long is on a node that doesn't answer."""


def spec_of_ours(pod: ReadOnlyObject) -> ReadOnlyObject:
    """Our container in a pod's spec; empty if it has none."""
    return next((it for it in pod.get("spec", {}).get("containers", []) if it.get("name") in {WORKER, BEAT}), {})


def queues_of(container: ReadOnlyObject) -> tuple[str, ...]:
    """The queues that a worker's command names; none where it is more than a pool may have.

    The last `-Q` counts, a prefix before `celery` may have one too.
    """
    named = next((it for word, it in reversed(tuple(pairwise(container.get("command") or []))) if word == "-Q"), "")
    queues = named.split(",", MOST_NAMED) if named and len(named) <= _LONGEST_NAMED else []
    return tuple(queues) if len(queues) <= MOST_NAMED else ()


def ours(pod: ReadOnlyObject) -> ReadOnlyObject | None:
    """The status of our container; None while the kubelet has not reported it."""
    statuses = pod.get("status", {}).get("containerStatuses") or []
    return next((it for it in statuses if it.get("name") in {WORKER, BEAT}), None)


def before_ours(pod: ReadOnlyObject) -> list[ReadOnlyObject]:
    """The status of each init container, those that keep running (native sidecars) included, in their order."""
    return list(pod.get("status", {}).get("initContainerStatuses") or [])


def beside_ours(pod: ReadOnlyObject) -> list[ReadOnlyObject]:
    """The status of each container that a cluster has put beside ours."""
    statuses = pod.get("status", {}).get("containerStatuses") or []
    return [it for it in statuses if it.get("name") not in {WORKER, BEAT}]


def keeps_running(pod: ReadOnlyObject, name: str) -> bool:
    """Whether an init container is a native sidecar, which ends only with its pod."""
    specs = pod.get("spec", {}).get("initContainers") or []
    return any(it.get("name") == name and it.get("restartPolicy") == "Always" for it in specs)


def early_proxy(pod: ReadOnlyObject) -> str:
    """The proxy of a mesh that ends at the pod's first signal, and not after our container; empty if there is none.

    One that is a native sidecar ends after all others. One with a preStop hook, or with the variable, waits by itself.
    """
    there = (it for it in pod.get("spec", {}).get("containers", []) if it.get("name") in MESH_PROXIES)
    return next((str(it["name"]) for it in there if not waits(it)), "")


def waits(container: ReadOnlyObject) -> bool:
    """Whether a container was told to stay for a while when its pod is to end."""
    by_hook = "preStop" in (container.get("lifecycle") or {})
    return by_hook or any(it.get("name") == _WAITS and it.get("value") == "true" for it in container.get("env") or ())


def condition(pod: ReadOnlyObject, kind: str) -> ReadOnlyObject:
    """A condition of a pod; empty if it has none of that type."""
    return next((it for it in pod.get("status", {}).get("conditions") or [] if it.get("type") == kind), {})


def is_ready(pod: ReadOnlyObject) -> bool:
    """Whether Kubernetes calls the pod ready."""
    return condition(pod, "Ready").get("status") == "True"


def lost_on(pod: ReadOnlyObject, *, overdue: bool = False) -> str | None:
    """The node of a pod, if it doesn't answer, as far as the pod shows it: nodes themselves are not read.

    When a node falls silent, Kubernetes takes the pod's `Ready` away and leaves `ContainersReady`, which only a kubelet
    writes; and a pod that was deleted goes only when its kubelet says that it has ended. One that was not ready for
    its gates, as its kubelet wrote, has a kubelet that has yet to see that they are open.

    Args:
        pod: as the API server has it.
        overdue: whether it was deleted, and should have ended `OVERDUE` ago. Where its kubelet says that it has, what
            keeps it is a finalizer.
    """
    node = pod.get("spec", {}).get("nodeName")
    if not node:
        return None
    gates = {it["conditionType"] for it in pod["spec"].get("readinessGates") or []}
    silent = (condition(pod, "Ready").get("status"), condition(pod, "ContainersReady").get("status"))
    gated = any(condition(pod, gate).get("status") != "True" for gate in gates) or _waits_for_gates(pod)
    ended = "terminated" in ((ours(pod) or {}).get("state") or {})
    return str(node) if (silent == ("False", "True") and not gated) or (overdue and not ended) else None


def _waits_for_gates(pod: ReadOnlyObject) -> bool:
    return condition(pod, "Ready").get("reason") == "ReadinessGatesNotReady"

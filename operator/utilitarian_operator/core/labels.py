"""Names that the operator writes on objects and reads again: labels, annotations, the owner, a worker's node name."""

from dataclasses import dataclass

from utilitarian_operator.api.objects import ReadOnlyObject

MANAGER = "utilitarian-operator"
INSTANCE_LABEL = "app.kubernetes.io/instance"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
POOL_LABEL = "utilitarian.io/pool"
TEMPLATE_HASH = "utilitarian.io/applied"
"""Annotation with the hash of what was applied last: nothing is sent while it stays the same."""
CONSUMING = "utilitarian.io/consuming"
"""Readiness gate of a worker: it is ready when it consumes, and not when its container merely runs."""
DRAINING = "utilitarian.io/draining"
"""Annotation of a pod that was chosen to leave, with the moment; an operator that was restarted goes on from it."""
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
CHEAPEST = "-2147483648"
"""The lowest deletion cost: of ready pods the ReplicaSet controller deletes this one first."""
CONFIG_CHECKSUM = "utilitarian.io/config-checksum"
"""Annotation of pods with a checksum of the Secrets and ConfigMaps of their environment: a change rolls them."""
ENVIRONMENT = "utilitarian.io/environment"
"""Annotation of a Deployment or StatefulSet: the same of each of these objects as `MOUNTS` has of what is mounted."""
MOUNTS_CHECKSUM = "utilitarian.io/mounts-checksum"
"""Annotation of pods with a checksum of what is mounted: another one rolls them. An earlier version wrote it on a
Deployment or StatefulSet too, to note what pods have whose template says nothing of it."""
MOUNTS = "utilitarian.io/mounts"
"""Annotation of a Deployment or StatefulSet: a digest of each object that its pods have mounted, as it was when they
were last rolled for one of them, or when it could be read first."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The resource that owns the objects.

    Args:
        namespace, name, uid: of the UtilitarianWorkerPool.
    """

    namespace: str
    name: str
    uid: str


def owner_of(resource: ReadOnlyObject) -> Owner:
    """The resource, as its objects name it."""
    metadata = resource["metadata"]
    return Owner(metadata["namespace"], metadata["name"], metadata["uid"])


def node_name(pod: str) -> str:
    """Celery's name of the worker in a pod."""
    return f"celery@{pod}"

"""Whether a new template is still on its way to the pods, as the controllers of Kubernetes tell it.

Numbers of pods alone don't: where an old worker goes first, none is there, or only one that has not started, before
the new one works.
"""

from collections.abc import Sequence

from utilitarian_operator.api.objects import ReadOnlyObject
from utilitarian_operator.core.containers import condition
from utilitarian_operator.core.observation.pod_failures import rolls_out

_UNDER_WAY = frozenset({"NewReplicaSetCreated", "FoundNewReplicaSet", "ReplicaSetUpdated", "ProgressDeadlineExceeded"})
"""What `Progressing` has as its reason until all pods of a new template were ready at once. Scaling changes it not."""

_REVISION = "deployment.kubernetes.io/revision"
_FIRST = "1"


def is_under_way(live: ReadOnlyObject, pods: Sequence[ReadOnlyObject]) -> bool:
    """Whether a new template of a Deployment or StatefulSet has not reached every pod, or has not started there.

    The first template of all replaces none: whether its pods start is told elsewhere.

    Args:
        live: as it was seen.
        pods: of the pool, as they were seen; none for a StatefulSet.
    """
    if rolls_out(live):
        return True
    if not live.get("spec", {}).get("replicas", 1):
        return False
    status = live.get("status", {})
    if "currentRevision" in status and "updateRevision" in status:
        return bool(status["currentRevision"] != status["updateRevision"])
    if _all_go_first(live, pods):
        return True
    first = (live["metadata"].get("annotations") or {}).get(_REVISION, _FIRST) == _FIRST
    return not first and condition(live, "Progressing").get("reason") in _UNDER_WAY


def _all_go_first(live: ReadOnlyObject, pods: Sequence[ReadOnlyObject]) -> bool:
    """Whether no new pod is made before all old ones have ended; meanwhile the status speaks of no pod at all."""
    recreates = (live.get("spec", {}).get("strategy") or {}).get("type") == "Recreate"
    there = [pod for pod in pods if pod.get("status", {}).get("phase") not in {"Succeeded", "Failed"}]
    leave = ["deletionTimestamp" in pod["metadata"] for pod in there]
    return recreates and all(leave)  # when the last has gone, none is there for a moment, as in one that wakes

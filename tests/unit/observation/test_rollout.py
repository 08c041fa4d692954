"""Whether a new template is on its way, by the status that the real controllers of Kubernetes 1.34 write."""

from typing import Any

import pytest

from utilitarian_operator.core.observation.rollout import is_under_way

ONE = {"replicas": 1, "updatedReplicas": 1}
LEAVES = {"metadata": {"name": "old", "deletionTimestamp": "2026-11-23T12:00:00Z"}}
ENDED = {"metadata": {"name": "evicted"}, "status": {"phase": "Failed"}}
STAYS: dict[str, Any] = {"metadata": {"name": "new"}}


def deployment(reason: str, revision: str = "2", asked: int = 1, kind: str = "RollingUpdate", **status: Any) -> Any:
    conditions = [{"type": "Progressing", "status": "True", "reason": reason}]
    return {
        "metadata": {"name": "fleet-a", "annotations": {"deployment.kubernetes.io/revision": revision}},
        "spec": {"replicas": asked, "strategy": {"type": kind}},
        "status": {**status, "conditions": conditions},
    }


def stateful(current: str) -> Any:
    status = {**ONE, "currentRevision": current, "updateRevision": "b"}
    return {"metadata": {"name": "fleet-beat"}, "spec": {"replicas": 1}, "status": status}


DONE = "NewReplicaSetAvailable"


@pytest.mark.parametrize(
    "live, pods, expected",
    [
        pytest.param(deployment(DONE, **ONE), [STAYS], False, id="all is there"),
        pytest.param(deployment(DONE, **{**ONE, "updatedReplicas": 0}), [STAYS], True, id="an old worker beside it"),
        pytest.param(deployment("ReplicaSetUpdated", **ONE), [STAYS], True, id="the last new one has not started"),
        pytest.param(deployment("ProgressDeadlineExceeded", **ONE), [STAYS], True, id="nor has it for ten minutes"),
        pytest.param(deployment("ReplicaSetUpdated", "1", **ONE), [STAYS], False, id="the first template of all"),
        pytest.param(deployment("ReplicaSetUpdated", asked=0), [], False, id="at zero"),
        pytest.param(deployment(DONE, kind="Recreate"), [LEAVES], True, id="Recreate, and the old one still works"),
        pytest.param(deployment(DONE, kind="Recreate"), [LEAVES, ENDED], True, id="the same beside an evicted one"),
        pytest.param(deployment(DONE, kind="Recreate", **ONE), [LEAVES, STAYS], False, id="Recreate, scaled down"),
        pytest.param(deployment(DONE, kind="Recreate"), [], True, id="Recreate, and no pod is there"),
        pytest.param(deployment(DONE), [LEAVES], False, id="an old one leaves and the pool wakes"),
        pytest.param(stateful("b"), [], False, id="beat has its template"),
        pytest.param(stateful("a"), [], True, id="beat has not started with it"),
        pytest.param({**stateful("b"), "status": {**ONE, "updateRevision": "b"}}, [], False, id="beat, not told whole"),
    ],
)
def test_a_new_template_is_on_its_way_until_its_pods_are_ready(live: Any, pods: list[Any], *, expected: bool) -> None:
    assert is_under_way(live, pods) is expected

from datetime import timedelta
from typing import Any

import pytest

from utilitarian_operator.core.observation.reported import Reported, reported


@pytest.mark.parametrize(
    "metadata, status, expected",
    [
        pytest.param({"generation": 3}, {}, Reported(observed=False, pods=0, ready=0, updated=0), id="just made"),
        pytest.param(
            {"generation": 3},
            {"observedGeneration": 2, "replicas": 4, "readyReplicas": 3, "updatedReplicas": 4},
            Reported(observed=False, pods=4, ready=3, updated=4),
            id="of an older spec",
        ),
        pytest.param(
            {"generation": 3},
            {
                "observedGeneration": 3,
                "replicas": 4,
                "updatedReplicas": 1,
                "conditions": [{"type": "ReplicaFailure", "status": "True"}],
            },
            Reported(observed=True, pods=4, ready=0, updated=1, refused=True),
            id="pods are refused",
        ),
    ],
)
def test_what_a_deployment_says_of_its_pods(
    metadata: dict[str, Any], status: dict[str, Any], expected: Reported
) -> None:
    assert reported({"metadata": metadata, "spec": template({}), "status": status}) == expected


@pytest.mark.parametrize("spec, grace_s", [({}, 30), ({"terminationGracePeriodSeconds": 3600}, 3600)])
def test_its_pods_have_the_grace_of_its_template(spec: dict[str, Any], grace_s: int) -> None:
    assert reported({"metadata": {}, "spec": template(spec)}).grace == timedelta(seconds=grace_s)


def template(spec: dict[str, Any]) -> dict[str, Any]:
    return {"template": {"spec": spec}}

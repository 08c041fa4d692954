from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from utilitarian_operator.core.containers import lost_on

NOW = datetime(2026, 12, 1, 0, 10, tzinfo=UTC)


def pod(name: str = "x", *command: str, **status: Any) -> dict[str, Any]:
    container = {"name": "c", "command": list(command)}
    return {"metadata": {"name": name}, "spec": {"nodeName": "n1", "containers": [container]}, "status": status}


def conditions(**statuses: str) -> list[dict[str, str]]:
    return [{"type": name, "status": status} for name, status in statuses.items()]


@pytest.mark.parametrize(
    "found,node",
    [
        pytest.param(pod(conditions=conditions(Ready="True", ContainersReady="True")), None, id="well"),
        pytest.param(
            pod(conditions=conditions(Ready="False", ContainersReady="False")), None, id="its container failed"
        ),
        pytest.param(pod(conditions=conditions(Ready="False", ContainersReady="True")), "n1", id="its node is silent"),
        pytest.param(pod(), None, id="just bound"),
    ],
)
def test_a_silent_node_is_told_by_its_pod(found: dict[str, Any], node: str | None) -> None:
    assert lost_on(found, NOW) == node


@pytest.mark.parametrize("late,node", [(-10, None), (10, None), (40, "n1")])
def test_a_pod_that_does_not_go_is_on_a_silent_node(late: int, node: str | None) -> None:
    leaving = pod(conditions=conditions(Ready="True", ContainersReady="True"))
    leaving["metadata"]["deletionTimestamp"] = f"{NOW - timedelta(seconds=late):%Y-%m-%dT%H:%M:%SZ}"
    assert lost_on(leaving, NOW) == node

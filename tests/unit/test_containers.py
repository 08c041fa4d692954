from datetime import UTC, datetime
from typing import Any

import pytest

from utilitarian_operator.core.containers import MOST_NAMED, early_proxy, lost_on, queues_of

NOW = datetime(2026, 12, 1, 0, 10, tzinfo=UTC)
GATES = "ReadinessGatesNotReady"


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
        pytest.param(
            pod(
                conditions=[{"type": "Ready", "status": "False", "reason": GATES}, *conditions(ContainersReady="True")]
            ),
            None,
            id="its kubelet has yet to see that its gates are open",
        ),
        pytest.param(pod(), None, id="just bound"),
    ],
)
def test_a_silent_node_is_told_by_its_pod(found: dict[str, Any], node: str | None) -> None:
    assert lost_on(found) == node


@pytest.mark.parametrize(
    "overdue,state,node",
    [
        pytest.param(False, {"running": {}}, None, id="may take its time"),
        pytest.param(True, {"running": {}}, "n1", id="is overdue"),
        pytest.param(True, {"terminated": {"exitCode": 0}}, None, id="has ended, and a finalizer keeps it"),
    ],
)
def test_a_pod_that_does_not_go_is_on_a_silent_node(overdue: bool, state: dict[str, Any], node: str | None) -> None:
    ready = conditions(Ready="True", ContainersReady="True")
    leaving = pod(conditions=ready, containerStatuses=[{"name": "beat", "state": state}])
    assert lost_on(leaving, overdue=overdue) == node


def beside(name: str, place: str = "containers", **proxy: Any) -> dict[str, Any]:
    found = pod()
    found["spec"] = {"containers": [{"name": "worker"}], "initContainers": []}
    found["spec"][place].insert(0, {"name": name, **proxy})
    return found


@pytest.mark.parametrize(
    "found, name",
    [
        pytest.param(pod(), "", id="none"),
        pytest.param(beside("istio-proxy"), "istio-proxy", id="Istio's"),
        pytest.param(beside("linkerd-proxy"), "linkerd-proxy", id="Linkerd's"),
        pytest.param(beside("istio-proxy", "initContainers", restartPolicy="Always"), "", id="a native sidecar"),
        pytest.param(beside("log-shipper"), "", id="no proxy of a mesh"),
        pytest.param(beside("linkerd-proxy", lifecycle={"preStop": {"sleep": {"seconds": 60}}}), "", id="a hook"),
        pytest.param(
            beside("istio-proxy", env=[{"name": "EXIT_ON_ZERO_ACTIVE_CONNECTIONS", "value": "true"}]),
            "",
            id="it stays while it has connections",
        ),
        pytest.param(beside("istio-proxy", lifecycle=None, env=None), "istio-proxy", id="fields without a value"),
    ],
)
def test_a_mesh_whose_proxy_ends_before_the_worker_is_told_by_the_pod(found: dict[str, Any], name: str) -> None:
    assert early_proxy(found) == name


@pytest.mark.parametrize(
    "named, queues",
    [
        pytest.param("amr,amr.hourly", ("amr", "amr.hourly"), id="two"),
        pytest.param(",".join(map(str, range(40))), tuple(map(str, range(40))), id="as many as a pool may have"),
        pytest.param("," * MOST_NAMED, (), id="more than any pool has"),
        pytest.param("q" * (MOST_NAMED * 256 + 1), (), id="longer than so many names"),
    ],
)
def test_a_command_that_names_more_queues_than_a_pool_may_have_names_none(named: str, queues: tuple[str, ...]) -> None:
    """A silent worker of a removed pool is told to leave each of them, at each look: a pod may name 700,000."""
    assert queues_of({"command": ["celery", "worker", "-Q", named]}) == queues

"""The node of the tests keeps what it promises of a kubelet: controllers and processes notice no difference."""

import shlex
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.containers import expand
from tests.support.controlplane import ControlPlane
from tests.support.pace import Pace
from tests.support.process_node import STRATEGIC_MERGE_PATCH, ProcessNode
from tests.support.waiting import wait_until

SOON = timedelta(seconds=15)
GATE = "example.org/consuming"
FOREVER = "while :; do read -t 1 nothing <> <(:); done"


@pytest.fixture
def node(controlplane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[ProcessNode]:
    with ProcessNode(controlplane, namespace, tmp_path) as started:
        yield started


def bash(script: str, **container: Any) -> dict[str, Any]:
    return {"name": "main", "image": "any", "command": ["bash", "-c", script], **container}


def make_pod(controlplane: ControlPlane, namespace: str, container: dict[str, Any], **spec: Any) -> None:
    metadata = {"name": "pod", "labels": {"app": "it"}}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container], **spec}}
    controlplane.request("POST", f"/api/v1/namespaces/{namespace}/pods", body)


def the_pod(controlplane: ControlPlane, namespace: str) -> dict[str, Any]:
    pod: dict[str, Any] = controlplane.request("GET", f"/api/v1/namespaces/{namespace}/pods/pod")
    return pod


def condition(pod: dict[str, Any], kind: str) -> str | None:
    return next((it["status"] for it in pod["status"].get("conditions", []) if it["type"] == kind), None)


def wait_ready(controlplane: ControlPlane, namespace: str, node: ProcessNode) -> dict[str, Any]:
    def ready() -> dict[str, Any] | None:
        pod = the_pod(controlplane, namespace)
        return pod if condition(pod, "Ready") == "True" else None

    found = wait_until(
        ready, within=SOON, describe=lambda: (the_pod(controlplane, namespace)["status"], node.describe())
    )
    assert found
    return found


def waiting_reason(pod: dict[str, Any]) -> str | None:
    statuses = pod["status"].get("containerStatuses", [])
    return statuses[0]["state"].get("waiting", {}).get("reason") if statuses else None


def wait_gone(controlplane: ControlPlane, namespace: str) -> None:
    wait_until(lambda: not controlplane.pods(namespace), within=SOON, describe=lambda: controlplane.pods(namespace))


def delete_pod(controlplane: ControlPlane, namespace: str) -> None:
    controlplane.request("DELETE", f"/api/v1/namespaces/{namespace}/pods/pod")


def test_a_deployment_goes_from_zero_to_three_and_back(
    controlplane: ControlPlane, namespace: str, node: ProcessNode
) -> None:
    template = {"metadata": {"labels": {"app": "it"}}, "spec": {"containers": [bash(FOREVER)]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "it"}}, "template": template}
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "it"}, "spec": spec}
    controlplane.request("POST", path, body)

    def scale(replicas: int) -> None:
        patch = {"spec": {"replicas": replicas}}
        controlplane.request("PATCH", f"{path}/it/scale", patch, "application/merge-patch+json")

    scale(3)
    wait_until(
        lambda: controlplane.request("GET", f"{path}/it")["status"].get("readyReplicas") == 3,
        within=SOON,
        describe=lambda: (controlplane.pods(namespace), node.describe()),
    )
    processes = [node.pod(pod["metadata"]["name"]).process for pod in controlplane.pods(namespace)]
    assert all(process and process.running for process in processes)
    scale(0)
    wait_gone(controlplane, namespace)
    assert not any(process and process.running for process in processes)


def test_the_environment_is_resolved(
    controlplane: ControlPlane, namespace: str, node: ProcessNode, tmp_path: Path
) -> None:
    values = {"secrets": {"stringData": {"KEY": "secret value"}}, "configmaps": {"data": {"KEY": "config value"}}}
    for kind, data in values.items():
        controlplane.request("POST", f"/api/v1/namespaces/{namespace}/{kind}", {"metadata": {"name": "it"}, **data})
    env = [
        {"name": "S", "valueFrom": {"secretKeyRef": {"name": "it", "key": "KEY"}}},
        {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "it", "key": "KEY"}}},
        {"name": "P", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "V", "value": "$(P)/$(S)/$(UNKNOWN)/$$(P)"},
        {"name": "O", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "KEY", "optional": True}}},
    ]
    sources = [{"prefix": "ALL_", "secretRef": {"name": "it"}}, {"configMapRef": {"name": "it"}}]
    out = tmp_path / "out"
    mounts = [{"name": "data", "mountPath": "/data"}]
    script = f'echo "$S|$C|$V|${{O-unset}}|$ALL_KEY|$KEY|$0" > {out}; echo kept > /data/file; {FOREVER}'
    container = bash(script, args=["$(P)"], env=env, envFrom=sources, volumeMounts=mounts)
    make_pod(controlplane, namespace, container, volumes=[{"name": "data", "emptyDir": {}}])
    wait_ready(controlplane, namespace, node)
    wait_until(lambda: list(tmp_path.glob("pod-*/volumes/data/file")), within=SOON, describe=node.describe)
    expected = "secret value|config value|pod/secret value/$(UNKNOWN)/$(P)|unset|secret value|config value|pod\n"
    assert out.read_text() == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        pytest.param("$(A)$(A)", "11", id="known"),
        pytest.param("$(B)", "$(B)", id="unknown stays"),
        pytest.param("$$(A)", "$(A)", id="escaped"),
        pytest.param("$A ${A} $", "$A ${A} $", id="the shell's own are left alone"),
    ],
)
def test_references_to_variables(text: str, expected: str) -> None:
    assert expand(text, {"A": "1"}) == expected


def test_pre_stop_comes_before_sigterm_and_the_pod_goes_when_the_process_ends(
    controlplane: ControlPlane, namespace: str, node: ProcessNode, tmp_path: Path
) -> None:
    out = shlex.quote(str(tmp_path / "out"))
    hook = {"preStop": {"exec": {"command": ["bash", "-c", f"echo hook $NAME >> {out}"]}}}
    env = [{"name": "NAME", "value": "x"}]
    container = bash(f"trap 'echo term >> {out}; exit 0' TERM; {FOREVER}", lifecycle=hook, env=env)
    make_pod(controlplane, namespace, container, terminationGracePeriodSeconds=600)
    wait_ready(controlplane, namespace, node)
    delete_pod(controlplane, namespace)
    wait_gone(controlplane, namespace)
    assert (tmp_path / "out").read_text().split("\n") == ["hook x", "term", ""]


def test_a_process_that_ignores_sigterm_is_killed_when_its_grace_is_over_and_not_before(
    controlplane: ControlPlane, namespace: str, node: ProcessNode, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    # It writes the time again and again after the signal.
    said = f"[ $told ] && echo $EPOCHREALTIME >> {out}"
    script = f"told=; trap 'told=1' TERM; while :; do read -t 0.1 x <> <(:); {said}; done"
    make_pod(controlplane, namespace, bash(script), terminationGracePeriodSeconds=2)
    wait_ready(controlplane, namespace, node)
    process = node.pod("pod").process
    delete_pod(controlplane, namespace)
    wait_gone(controlplane, namespace)
    assert process
    assert process.exit_code == -9
    times = [float(line) for line in out.read_text().split()]
    assert times[-1] - times[0] > 1
    assert Pace().allows(times[-1] - times[0], 4)


def test_a_container_that_ends_is_started_again_after_a_pause(
    controlplane: ControlPlane, namespace: str, node: ProcessNode
) -> None:
    make_pod(controlplane, namespace, bash("exit 3"))
    reason = "CrashLoopBackOff"
    wait_until(lambda: waiting_reason(the_pod(controlplane, namespace)) == reason, within=SOON, describe=node.describe)
    status = the_pod(controlplane, namespace)["status"]
    assert status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 3
    wait_until(
        lambda: the_pod(controlplane, namespace)["status"]["containerStatuses"][0]["restartCount"] >= 2,
        within=SOON,
        describe=lambda: the_pod(controlplane, namespace)["status"],
    )


@pytest.mark.parametrize(
    "container, reason",
    [
        pytest.param({**bash("exit 0"), "image": "missing:1"}, "ImagePullBackOff", id="no such image"),
        pytest.param(
            bash("exit 0", envFrom=[{"secretRef": {"name": "absent"}}]),
            "CreateContainerConfigError",
            id="no such Secret",
        ),
    ],
)
def test_a_container_that_cannot_start_says_why_and_can_be_deleted(
    controlplane: ControlPlane, namespace: str, node: ProcessNode, container: dict[str, Any], reason: str
) -> None:
    make_pod(controlplane, namespace, container)
    wait_until(lambda: waiting_reason(the_pod(controlplane, namespace)) == reason, within=SOON, describe=node.describe)
    assert the_pod(controlplane, namespace)["status"]["phase"] == "Pending"
    delete_pod(controlplane, namespace)
    wait_gone(controlplane, namespace)


def test_a_pod_with_a_readiness_gate_is_ready_only_while_the_gate_is_true(
    controlplane: ControlPlane, namespace: str, node: ProcessNode
) -> None:
    make_pod(controlplane, namespace, bash(FOREVER), readinessGates=[{"conditionType": GATE}])
    wait_until(
        lambda: condition(the_pod(controlplane, namespace), "ContainersReady") == "True",
        within=SOON,
        describe=node.describe,
    )
    assert condition(the_pod(controlplane, namespace), "Ready") == "False"
    reasons = [it.get("reason") for it in the_pod(controlplane, namespace)["status"]["conditions"]]
    assert "ReadinessGatesNotReady" in reasons
    for state in ("True", "False"):
        gate = {"type": GATE, "status": state, "lastTransitionTime": "2026-01-01T00:00:00Z"}
        path = f"/api/v1/namespaces/{namespace}/pods/pod/status"
        controlplane.request("PATCH", path, {"status": {"conditions": [gate]}}, STRATEGIC_MERGE_PATCH)
        wait_until(
            lambda state=state: condition(the_pod(controlplane, namespace), "Ready") == state,  # type: ignore[misc]
            within=SOON,
            describe=lambda: the_pod(controlplane, namespace)["status"],
        )


def test_init_containers_run_one_after_the_other_before_the_container(
    controlplane: ControlPlane, namespace: str, node: ProcessNode, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    inits = [{**bash(f"echo {name} >> {out}"), "name": name} for name in ("first", "second")]
    make_pod(controlplane, namespace, bash(f"echo main >> {out}; {FOREVER}"), initContainers=inits)
    wait_ready(controlplane, namespace, node)
    wait_until(lambda: out.read_text().split() == ["first", "second", "main"], within=SOON, describe=out.read_text)


def test_nothing_of_a_node_outlives_it(controlplane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    with ProcessNode(controlplane, namespace, tmp_path) as node:
        make_pod(controlplane, namespace, bash(f"trap '' TERM; {FOREVER}"))
        wait_ready(controlplane, namespace, node)
        process = node.pod("pod").process
    assert process
    assert not process.running

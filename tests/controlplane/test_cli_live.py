"""`plan`, `explain` and `status` with a real API server and a running operator: they tell the truth, change nothing."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.command import operator_command
from tests.support.controlplane import ControlPlane
from tests.support.fleet import Fleet
from tests.support.operator import in_process
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from utilitarian_operator.api.names import LEASE

SOON = timedelta(seconds=30)
QUEUE, OTHER_QUEUE = "utilitarian.tasks.default", "utilitarian.tasks.cleanup"
POOLS = [{"name": "work", "queues": [QUEUE]}, {"name": "other", "queues": [OTHER_QUEUE]}]
OBJECTS = {
    ("Deployment", "fleet-work"),
    ("PodDisruptionBudget", "fleet-work"),
    ("Deployment", "fleet-other"),
    ("PodDisruptionBudget", "fleet-other"),
    ("PersistentVolumeClaim", "fleet-beat"),
    ("StatefulSet", "fleet-beat"),
}
BROKER = {"urlFrom": {"secretKeyRef": {"name": "utilitarian-env", "key": "CELERY_BROKER_URL"}}}
API = {"apiVersion": "utilitarian.io/v1alpha1", "kind": "UtilitarianWorkerPool"}


class Shell:
    """The command line of a user with rights in one namespace."""

    def __init__(self, fleet: Fleet, directory: Path) -> None:
        self._fleet, self._file = fleet, directory / "workerpool.yaml"

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One command."""
        where = ["-n", self._fleet.namespace]
        return operator_command(*words, *where, env={"KUBECONFIG": str(self._fleet.controlplane.kubeconfig)})

    def plan(self, *words: str, **spec: Any) -> subprocess.CompletedProcess[str]:
        """The plan of a file with this spec over image, broker and two pools."""
        whole = {"image": "utilitarian:dev", "broker": BROKER, "pools": POOLS, **spec}
        self._file.write_text(yaml.safe_dump({**API, "metadata": {"name": self._fleet.name}, "spec": whole}))
        return self.run("plan", "-f", str(self._file), *words)

    def changes(self, **spec: Any) -> dict[tuple[str, str], dict[str, Any]]:
        """What the plan of such a file would change, by kind and name."""
        done = self.plan("-o", "json", **spec)
        assert done.returncode == 0, done.stderr
        return {(change["kind"], change["name"]): change for change in json.loads(done.stdout)["changes"]}


@pytest.fixture
def fleet(controlplane: ControlPlane, namespace: str) -> Fleet:
    """A fleet that is not created yet."""
    return Fleet(controlplane, namespace)


@pytest.fixture
def shell(fleet: Fleet, tmp_path: Path) -> Shell:
    return Shell(fleet, tmp_path)


@pytest.fixture
def running(fleet: Fleet, rabbitmq: RabbitMQ, vhost: str) -> Iterator[Fleet]:
    """The fleet under a running operator that has made all its objects; its queues are there and empty."""
    rabbitmq.declare(vhost, QUEUE, OTHER_QUEUE)
    fleet.create(rabbitmq.amqp_url(vhost), pools=POOLS)
    with in_process(fleet.controlplane, fleet.namespace):
        wait_until(lambda: fleet.pool("other").get("reason"), within=SOON, describe=fleet.describe)
        wait_until(lambda: _settled(fleet), within=SOON, describe=lambda: _templates(fleet))
        yield fleet


def _templates(fleet: Fleet) -> dict[str, tuple[int, bool]]:
    """Each Deployment's and StatefulSet's generation, and whether the operator has applied it."""
    found = [fleet.deployment("work"), fleet.deployment("other"), fleet.beat()]
    return {live["metadata"]["name"]: (live["metadata"]["generation"], _applied(live)) for live in found if live}


def _applied(live: dict[str, Any]) -> bool:
    entries = live["metadata"]["managedFields"]
    return any((it["manager"], it["operation"]) == ("utilitarian-operator", "Apply") for it in entries)


def _settled(fleet: Fleet) -> bool:
    applied = [done for _, done in _templates(fleet).values()]
    return len(applied) == 3 and all(applied)


def test_before_anything_is_there_everything_would_be_created_and_nothing_is(fleet: Fleet, shell: Shell) -> None:
    changes = shell.changes()
    assert changes.keys() == OBJECTS
    assert {change["action"] for change in changes.values()} == {"create"}
    assert "+  name: fleet-work" in changes["Deployment", "fleet-work"]["diff"]
    assert (fleet.deployment("work"), fleet.beat()) == (None, None)


def test_a_change_ends_in_exit_code_3_when_asked_for(shell: Shell) -> None:
    assert shell.plan("--exit-code").returncode == 3
    assert shell.plan().returncode == 0
    table = shell.plan().stdout
    assert "In the cluster" in table
    assert "unknown: no operator has looked at it yet" in table


def test_what_runs_already_has_nothing_to_change(running: Fleet, shell: Shell) -> None:
    before = _templates(running)
    done = shell.plan("--exit-code")
    assert done.returncode == 0, done.stdout
    assert "nothing would change: all 6 objects are as they should be" in done.stdout
    assert _templates(running) == before


def test_an_edit_shows_as_a_difference_and_as_decisions(running: Fleet, shell: Shell) -> None:
    before = _templates(running)
    pools = [POOLS[0] | {"scaling": {"min": 2}, "worker": {"concurrency": 7}}, POOLS[1]]
    changes = shell.changes(pools=pools)
    assert changes.keys() == {("Deployment", "fleet-work")}
    diff = changes["Deployment", "fleet-work"]["diff"]
    changed = [line for line in diff if line[:1] in "+-" and line[:3] not in {"+++", "---"}]
    assert [line.replace(" ", "") for line in changed] == ["----concurrency=4", "+---concurrency=7"]
    table = shell.plan(pools=pools).stdout
    row = next(line.split() for line in table.splitlines() if line.strip().startswith("work ") and "bounds" in line)
    assert row == ["work", "0", "2", "bounds", "min", "is", "2"]
    assert _templates(running) == before


def test_what_was_changed_by_hand_would_be_changed_back(
    fleet: Fleet, shell: Shell, rabbitmq: RabbitMQ, vhost: str
) -> None:
    """No operator runs meanwhile, and the annotation with the template's hash stays as the operator wrote it."""
    rabbitmq.declare(vhost, QUEUE, OTHER_QUEUE)
    fleet.create(rabbitmq.amqp_url(vhost), pools=POOLS)
    with in_process(fleet.controlplane, fleet.namespace):
        wait_until(lambda: _settled(fleet), within=SOON, describe=lambda: _templates(fleet))
    by_hand = {
        "deployment/fleet-work": '{"spec":{"template":{"spec":{"terminationGracePeriodSeconds":30}}}}',
        "statefulset/fleet-beat": '{"spec":{"template":{"spec":{"containers":[{"name":"beat","image":"own:1"}]}}}}',
        "poddisruptionbudget/fleet-other": '{"spec":{"maxUnavailable":7}}',
        "deployment/fleet-other": '{"metadata":{"annotations":{"team":"metering"}},"spec":{"replicas":3}}',
    }
    for what, patch in by_hand.items():
        fleet.controlplane.kubectl("patch", what, "--namespace", fleet.namespace, "--type=strategic", "--patch", patch)
    assert shell.plan("--exit-code").returncode == 3
    changes = shell.changes()
    assert {it: change["action"] for it, change in changes.items()} == {
        ("Deployment", "fleet-work"): "change",
        ("StatefulSet", "fleet-beat"): "change",
        ("PodDisruptionBudget", "fleet-other"): "change",
    }  # an annotation of another client, and replicas, are none of the template's business
    diff = [line.replace(" ", "") for line in changes["Deployment", "fleet-work"]["diff"]]
    assert "-terminationGracePeriodSeconds:30" in diff
    assert "+terminationGracePeriodSeconds:3600" in diff


def test_objects_that_are_no_longer_asked_for_would_be_deleted(running: Fleet, shell: Shell) -> None:
    changes = shell.changes(pools=[POOLS[0]], beat={"enabled": False})
    gone = {("Deployment", "fleet-other"), ("PodDisruptionBudget", "fleet-other"), ("StatefulSet", "fleet-beat")}
    assert changes.keys() == gone
    assert {change["action"] for change in changes.values()} == {"delete"}
    assert running.deployment("other")


def test_an_object_of_another_owner_would_be_left_alone(fleet: Fleet, shell: Shell) -> None:
    container = {"name": "own", "image": "own:1"}
    own = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "fleet-work"},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}},
        },
    }
    path = f"/apis/apps/v1/namespaces/{fleet.namespace}/deployments"
    fleet.controlplane.request("POST", path, own)
    change = shell.changes()["Deployment", "fleet-work"]
    assert (change["action"], change["diff"]) == ("taken", [])
    assert "belongs to somebody else" in change["because"]


def test_a_template_that_the_api_server_refuses_is_named_with_its_sentence(shell: Shell) -> None:
    pools = [POOLS[0] | {"pod": {"nodeSelector": {"zone": "not/a value"}}}, POOLS[1]]
    change = shell.changes(pools=pools)["Deployment", "fleet-work"]
    assert change["action"] == "refused"
    assert change["because"].startswith("spec.pools[0]")
    assert "nodeSelector" in change["because"]


def test_status_and_explain_read_what_the_operator_wrote(
    running: Fleet, shell: Shell, rabbitmq: RabbitMQ, vhost: str
) -> None:
    rabbitmq.publish(vhost, QUEUE, ["{}"] * 3)
    # A look may see the first message alone, and a figure that moves by itself is written each 30 s.
    within = timedelta(seconds=40)
    wait_until(lambda: running.pool("work").get("backlog") == 3, within=within, describe=running.describe)
    done = shell.run("status")
    assert done.returncode == 0, done.stderr
    row = next(line.split() for line in done.stdout.splitlines() if line.startswith("work "))
    assert row[1:4] == ["0/1", "3", "0"]
    explained = shell.run("explain", "work")
    head, _, summary, *_ = explained.stdout.splitlines()
    assert head.startswith(f"Pool work of {running.namespace}/fleet, as of 2")
    assert summary.startswith("1 worker wanted, 0 ready: 3 tasks of 5 s")
    assert "waiting            3 tasks" in explained.stdout
    assert "no pool nothing; there are: work, other" in shell.run("explain", "nothing").stderr


def test_a_namespace_without_a_fleet_is_no_error_and_one_that_is_not_there_is(fleet: Fleet, shell: Shell) -> None:
    done = shell.run("status")
    assert (done.returncode, done.stdout.strip()) == (0, "")
    assert "no UtilitarianWorkerPool here" in done.stderr
    nowhere = {"KUBECONFIG": str(fleet.controlplane.kubeconfig)}
    example = Path(__file__).resolve().parents[2] / "examples" / "minimal.yaml"
    done = operator_command("plan", "-f", example, "-n", "nowhere", env=nowhere)
    assert done.returncode == 1
    assert 'namespaces "nowhere" not found' in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_who_may_only_read_is_told_which_right_a_plan_needs(fleet: Fleet, shell: Shell, tmp_path: Path) -> None:
    cluster, where = fleet.controlplane, ("--namespace", fleet.namespace)
    cluster.kubectl("create", "serviceaccount", "reader", *where)
    every = "utilitarianworkerpools.utilitarian.io,deployments.apps,statefulsets.apps,poddisruptionbudgets.policy"
    kinds = f"--resource={every},persistentvolumeclaims"
    cluster.kubectl("create", "role", "reader", "--verb=get,list", kinds, *where)
    account = f"--serviceaccount={fleet.namespace}:reader"
    cluster.kubectl("create", "rolebinding", "reader", "--role=reader", account, *where)
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": cluster.kubectl("create", "token", "reader", *where).strip()}
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    reader = ["--kubeconfig", str(tmp_path / "config")]
    seen = shell.run("status", *reader)
    assert seen.returncode == 0
    fleet.create(None, pools=POOLS)
    line = shell.run("status", *reader).stdout.splitlines()[1]
    assert line.startswith("whether an operator is at work can't be known: its Lease can't be read: leases.")
    done = shell.plan(*reader)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: a dry run needs the rights of a write: ")
    assert "cannot patch resource" in done.stderr


def test_whether_an_operator_is_at_work_is_told_by_its_lease(fleet: Fleet, shell: Shell) -> None:
    fleet.create(None, pools=POOLS)
    path = f"/apis/coordination.k8s.io/v1/namespaces/{fleet.namespace}/leases"
    spec = {"holderIdentity": "operator-1", "leaseDurationSeconds": 15}

    def renewed(ago: timedelta) -> str:
        return (datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    lease = {"metadata": {"name": LEASE}, "spec": {**spec, "renewTime": renewed(timedelta(seconds=2))}}
    fleet.controlplane.request("POST", path, lease)
    assert shell.run("status").stdout.splitlines()[1].startswith("operator seen ")
    gone = {"spec": {"renewTime": renewed(timedelta(hours=3))}}
    fleet.controlplane.request("PATCH", f"{path}/{LEASE}", gone, "application/merge-patch+json")
    for command in (["status"], ["explain", "work"]):
        line = shell.run(*command).stdout.splitlines()[1]
        assert line == "operator NOT SEEN for 3 h; nothing below is newer than that"
    told = json.loads(shell.run("status", "-o", "json").stdout)["fleets"][0]["operator"]
    assert told["seen"] == "Not"


def test_an_operator_that_runs_is_seen_and_one_that_ended_is_not(fleet: Fleet, shell: Shell, namespace: str) -> None:
    fleet.create(None, pools=POOLS)
    with in_process(fleet.controlplane, namespace, lease_namespace=namespace):
        wait_until(lambda: "operator seen" in shell.run("status").stdout, within=SOON, describe=fleet.describe)
    assert "operator NOT SEEN for" in shell.run("status").stdout.splitlines()[1]
    assert "it ended, and no other has begun" in shell.run("status").stdout


def test_an_api_server_that_does_not_answer_is_said_in_one_sentence(fleet: Fleet, tmp_path: Path) -> None:
    config = yaml.safe_load(fleet.controlplane.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    done = operator_command("status", "--kubeconfig", tmp_path / "config")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: GET ")
    assert len(done.stderr.splitlines()) == 1

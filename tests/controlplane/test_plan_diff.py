"""`plan` against a real API server and a running operator: it tells what would change, and changes nothing."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from tests.support.controlplane import ControlPlane
from tests.support.fleet import Fleet
from tests.support.operator import in_process
from tests.support.rabbitmq import RabbitMQ
from tests.support.settling import settled, templates
from tests.support.shell import OTHER_QUEUE, POOLS, QUEUE, Shell
from tests.support.waiting import wait_until

SOON = timedelta(seconds=30)
OBJECTS = {
    ("Deployment", "fleet-work"),
    ("PodDisruptionBudget", "fleet-work"),
    ("Deployment", "fleet-other"),
    ("PodDisruptionBudget", "fleet-other"),
    ("PersistentVolumeClaim", "fleet-beat"),
    ("StatefulSet", "fleet-beat"),
}


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
        wait_until(lambda: settled(fleet), within=SOON, describe=lambda: templates(fleet))
        yield fleet


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
    before = templates(running)
    done = shell.plan("--exit-code")
    assert done.returncode == 0, done.stdout
    assert "nothing would change: all 6 objects are as they should be" in done.stdout
    assert templates(running) == before


def test_an_edit_shows_as_a_difference_and_as_decisions(running: Fleet, shell: Shell) -> None:
    before = templates(running)
    pools = [POOLS[0] | {"scaling": {"min": 2}, "worker": {"concurrency": 7}}, POOLS[1]]
    changes = shell.changes(pools=pools)
    assert changes.keys() == {("Deployment", "fleet-work")}
    diff = changes["Deployment", "fleet-work"]["diff"]
    changed = [line for line in diff if line[:1] in "+-" and line[:3] not in {"+++", "---"}]
    assert [line.replace(" ", "") for line in changed] == ["----concurrency=4", "+---concurrency=7"]
    table = shell.plan(pools=pools).stdout
    row = next(line.split() for line in table.splitlines() if line.strip().startswith("work ") and "bounds" in line)
    assert row == ["work", "0", "2", "bounds", "min", "is", "2"]
    assert templates(running) == before


def test_what_was_changed_by_hand_would_be_changed_back(
    fleet: Fleet, shell: Shell, rabbitmq: RabbitMQ, vhost: str
) -> None:
    """No operator runs meanwhile, and the annotation with the template's hash stays as the operator wrote it."""
    rabbitmq.declare(vhost, QUEUE, OTHER_QUEUE)
    fleet.create(rabbitmq.amqp_url(vhost), pools=POOLS)
    with in_process(fleet.controlplane, fleet.namespace):
        wait_until(lambda: settled(fleet), within=SOON, describe=lambda: templates(fleet))
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
    assert "has another owner" in change["because"]


def test_a_template_that_the_api_server_refuses_is_named_with_its_sentence(shell: Shell) -> None:
    pools = [POOLS[0] | {"pod": {"nodeSelector": {"zone": "not/a value"}}}, POOLS[1]]
    change = shell.changes(pools=pools)["Deployment", "fleet-work"]
    assert change["action"] == "refused"
    assert change["because"].startswith("spec.pools[0]")
    assert "nodeSelector" in change["because"]


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
    who = f"system:serviceaccount:{fleet.namespace}:reader may not"
    assert line.startswith(f"whether an operator is at work can't be known: its Lease can't be read: {who} get leases")
    done = shell.plan(*reader)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        f"error: a dry run needs the rights of a write: {who} patch deployments in namespace "
    )


def test_what_the_operator_advises_of_the_fleet_is_noted(fleet: Fleet, shell: Shell) -> None:
    """Only the broker and the workers know it, so it stands in the status of the resource that is there."""
    fleet.create("amqp://nowhere.invalid", pools=POOLS)
    sentence = "pool work, queue q: task t expires after 10s, and a pool without a worker needs 28 s to start one"
    fleet.set_status({"advice": [sentence]})
    done = shell.plan("-o", "json")
    assert f"note: {sentence}" in done.stderr.splitlines()
    assert json.loads(done.stdout)["advice"] == [sentence]

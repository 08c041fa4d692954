"""`explain` and `status` with a real API server and a running operator: they tell the truth, change nothing."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from tests.support.command import operator_command
from tests.support.controlplane import ControlPlane
from tests.support.fleet import Fleet
from tests.support.operator import in_process
from tests.support.rabbitmq import RabbitMQ
from tests.support.settling import settled, templates
from tests.support.shell import OTHER_QUEUE, POOLS, QUEUE, Shell
from tests.support.waiting import wait_until
from utilitarian_operator.api.names import FLEETS_LEASE

SOON = timedelta(seconds=30)


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


def test_whether_an_operator_is_at_work_is_told_by_its_lease(fleet: Fleet, shell: Shell) -> None:
    fleet.create(None, pools=POOLS)
    path = f"/apis/coordination.k8s.io/v1/namespaces/{fleet.namespace}/leases"
    spec = {"holderIdentity": "operator-1", "leaseDurationSeconds": 15}

    def renewed(ago: timedelta) -> str:
        return (datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    lease = {"metadata": {"name": FLEETS_LEASE}, "spec": {**spec, "renewTime": renewed(timedelta(seconds=2))}}
    fleet.controlplane.request("POST", path, lease)
    assert shell.run("status").stdout.splitlines()[1].startswith("operator seen ")
    gone = {"spec": {"renewTime": renewed(timedelta(hours=3))}}
    fleet.controlplane.request("PATCH", f"{path}/{FLEETS_LEASE}", gone, "application/merge-patch+json")
    for command in (["status"], ["explain", "work"]):
        line = shell.run(*command).stdout.splitlines()[1]
        assert line == "operator NOT SEEN for 3 h; nothing below is newer than that"
    said = json.loads(shell.run("status", "-o", "json").stdout)["fleets"][0]["operator"]
    assert said["seen"] == "Not"


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

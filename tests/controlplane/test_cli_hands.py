"""The hands of the person on call with a real API server and a running operator."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.command import PROGRAM, installed_program
from tests.support.controlplane import ControlPlane
from tests.support.fleet import Fleet
from tests.support.operator import in_process
from tests.support.rabbitmq import RabbitMQ
from tests.support.settling import settled, templates
from tests.support.shell import OTHER_QUEUE, POOLS, QUEUE, Shell
from tests.support.waiting import wait_until

SOON = timedelta(seconds=30)
THEN = timedelta(minutes=2)
"""No worker goes in the first minute of an operator."""
RUN = {"name": "yearly-run", "start": "0 0 1 1 *", "workers": 2, "finishWithin": "24h"}


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
    first, second = POOLS
    fleet.create(rabbitmq.amqp_url(vhost), pools=[{**first, "schedule": [RUN]}, second])
    with in_process(fleet.controlplane, fleet.namespace):
        wait_until(lambda: fleet.pool("other").get("reason"), within=SOON, describe=fleet.describe)
        wait_until(lambda: settled(fleet), within=SOON, describe=lambda: templates(fleet))
        yield fleet


def test_each_hand_is_followed_by_the_operator_and_seen_in_the_resource(running: Fleet, shell: Shell) -> None:
    def done(*words: str) -> None:
        it = shell.run(*words)
        assert it.returncode == 0, it.stderr

    def until_pool(name: str, **wanted: object) -> None:
        wait_until(
            lambda: {key: running.pool(name).get(key) for key in wanted} == wanted,
            within=THEN,
            describe=running.describe,
        )

    done("scale", "other", "2", "--for", "1h", "--dry-run")
    done("scale", "other", "2", "--for", "1h")
    until_pool("other", desired=2, reason="override")
    done("pause", "--for", "1h")
    wait_until(lambda: running.status()["mode"] == "Paused", within=SOON, describe=running.describe)
    done("drain", "other")
    until_pool("other", reason="paused", desired=2)
    done("resume")
    until_pool("other", desired=0, reason="override")
    done("scale", "other", "auto")
    until_pool("other", desired=0, reason="demand")
    done("run-now", "work")
    until_pool("work", desired=2, reason="run")
    assert running.pool("work")["run"]["name"] == "yearly-run"
    written = {it["manager"] for it in running.read()["metadata"]["managedFields"]}
    assert "kubectl-utilitarian" in written


def test_as_a_plugin_of_kubectl_they_pause_without_an_end_which_is_the_mode(running: Fleet) -> None:
    def kubectl(*words: str) -> str:
        plane = running.controlplane
        path = f"{PROGRAM.parent}:{os.environ['PATH']}"
        done = installed_program(
            plane.tools / "kubectl", *words, env={"KUBECONFIG": str(plane.kubeconfig), "PATH": path}
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = ("-n", running.namespace)
    assert "/kubectl-utilitarian" in kubectl("plugin", "list")
    assert "other" in kubectl("utilitarian", "status", *where)
    # What kubectl asks its plugin after the Tab key; it proposes nothing where the cluster has not answered in 3 s.
    words = ("__complete", "utilitarian", "explain", *where, "")
    wait_until(lambda: "other" in kubectl(*words).splitlines(), within=SOON)
    kubectl("utilitarian", "pause", *where)
    wait_until(lambda: running.status()["mode"] == "Paused", within=SOON, describe=running.describe)
    assert running.read()["spec"]["mode"] == "Paused"
    kubectl("utilitarian", "resume", *where)
    wait_until(lambda: running.status()["mode"] == "Auto", within=SOON, describe=running.describe)

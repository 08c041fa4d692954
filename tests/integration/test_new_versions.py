"""A new version that sends a task which old workers don't know: what becomes of it, and in which order it comes."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.celery_workers import Application, running
from tests.support.controlplane import MERGE_PATCH, REPOSITORY
from tests.support.fleet import Fleet
from tests.support.installation import DEFAULT, Installation
from tests.support.operator import Operator
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from utilitarian.celery import build
from utilitarian.settings import Settings

SOON = timedelta(seconds=30)
UNKNOWN = "Received unregistered task of type"
NEWER = f"""
import os

from utilitarian.celery import app

app.conf.beat_schedule = {{"news": {{"task": "newer.news", "schedule": 0.5, "options": {{"queue": "{DEFAULT}"}}}}}}


@app.task(name="newer.news")
def news():
    with open(os.environ["NEWS"], "a") as told:
        told.write("news\\n")
"""
"""The next version of the application: its beat sends a task that the version before doesn't know."""

POOL = {"name": "work", "queues": [DEFAULT], "worker": {"concurrency": 1}, "scaling": {"min": 2, "max": 2}}


@pytest.mark.parametrize("dead_letters", [False, True], ids=["plain", "dead letters"])
def test_a_task_that_a_worker_does_not_know_is_gone_unless_its_queue_has_dead_letters(
    rabbitmq: RabbitMQ, vhost: str, tmp_path: Path, *, dead_letters: bool
) -> None:
    rabbitmq.declare(vhost, "work", "dead")
    if dead_letters:
        definition = {"dead-letter-exchange": "", "dead-letter-routing-key": "dead"}
        policy = {"pattern": "^work$", "definition": definition, "apply-to": "queues"}
        rabbitmq.api("PUT", f"/api/policies/{quote(vhost, safe='')}/dead", policy)
    application = Application(rabbitmq.amqp_url(vhost), tmp_path)
    app = build(Settings())
    with app.connection_for_write(application.broker_url) as connection, app.amqp.Producer(connection) as producer:
        sent = app.send_task("newer.news", queue="work", producer=producer).id
    worker = application.worker("one", queues=["work"], execution="solo")
    with running(worker) as (one,):
        wait_until(lambda: UNKNOWN in one.log_text(), within=SOON, describe=one.tail)
        # It says that it doesn't know the task before it refuses the message; the broker itself says that it has none.
        in_queue = ("list_queues", "--no-table-headers", "-p", vhost, "name", "messages")
        wait_until(lambda: "work\t0" in rabbitmq.control(*in_queue).splitlines(), within=SOON, describe=one.tail)
        one.kill()
    assert rabbitmq.take(vhost, "work") == []
    assert [it.headers["id"] for it in rabbitmq.take(vhost, "dead")] == ([sent] if dead_letters else [])


def test_beat_gets_a_new_version_when_no_old_worker_takes_tasks(
    installation: Installation, operator: Operator, tmp_path: Path
) -> None:
    fleet = installation.fleet
    (tmp_path / "newer.py").write_text(NEWER)
    env = [
        {"name": "UTILITARIAN_LEDGER", "value": str(installation.ledger.directory)},
        {"name": "PYTHONPATH", "value": f"{tmp_path}:{REPOSITORY / 'worker'}:{REPOSITORY}"},
        {"name": "NEWS", "value": str(tmp_path / "news")},
    ]
    installation.create(env=env, pools=[POOL], beat={"storage": {"size": "10Mi"}})
    installation.wait(lambda: fleet.pool("work").get("ready") == 2)
    installation.wait(lambda: fleet.condition("BeatReady")[:2] == ("True", "Running"))
    before = set(fleet.pods("work"))
    fleet.edit(app="newer")
    installation.wait(lambda: "its new version when no old worker of fleet-work" in fleet.condition("BeatReady")[2])
    installation.wait(lambda: "newer" in str(fleet.beat()))
    pods = fleet.controlplane.pods(fleet.namespace)
    staying = {it["metadata"]["name"] for it in pods if "deletionTimestamp" not in it["metadata"]}
    assert not before & staying
    installation.wait((tmp_path / "news").exists)
    installation.wait(lambda: fleet.condition("BeatReady")[2] == "exactly one beat runs")
    logs = [it.read_text() for it in (tmp_path / "node").rglob("*.log")]
    assert not [it for it in logs if UNKNOWN in it]
    assert operator.healthy()


@pytest.mark.soak
def test_a_renewed_login_comes_to_the_beat_that_runs_while_a_new_version_does_not_get_on(
    installation: Installation, operator: Operator
) -> None:
    """The new application is not there, so that no new worker ever starts; and it is taken back."""
    fleet = installation.fleet
    secrets = f"/api/v1/namespaces/{fleet.namespace}/secrets"
    token = {"metadata": {"name": "renewed"}, "stringData": {"TOKEN": "first"}}
    fleet.controlplane.request("POST", secrets, token)
    env = [
        {"name": "UTILITARIAN_LEDGER", "value": str(installation.ledger.directory)},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "renewed", "key": "TOKEN"}}},
    ]
    installation.create(env=env, pools=[POOL], beat={"storage": {"size": "10Mi"}})
    installation.wait(lambda: fleet.condition("BeatReady")[:2] == ("True", "Running"))
    before = beat_pod(fleet)
    fleet.edit(app="nowhere")
    installation.wait(lambda: "its new version when no old worker of fleet-work" in fleet.condition("BeatReady")[2])
    fleet.controlplane.request("PATCH", f"{secrets}/renewed", {"stringData": {"TOKEN": "second"}}, MERGE_PATCH)
    installation.wait(lambda: beat_pod(fleet) != before)
    installation.wait(lambda: "its new version when no old worker of fleet-work" in fleet.condition("BeatReady")[2])
    assert "nowhere" not in str(fleet.beat())
    fleet.edit(app="utilitarian")
    installation.wait(lambda: fleet.condition("BeatReady")[2] == "exactly one beat runs")
    assert operator.healthy()


def beat_pod(fleet: Fleet) -> str:
    """The uid of the pod of beat; empty while there is none."""
    pods = fleet.controlplane.pods(fleet.namespace)
    found = [it["metadata"]["uid"] for it in pods if it["metadata"]["name"] == "fleet-beat-0"]
    return str(found[0]) if found else ""

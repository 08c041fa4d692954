"""Workers are led out one by one with real parts: the idle one goes while the busy one works on, and marks return."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.controlplane import MERGE_PATCH
from tests.support.installation import DEFAULT, Installation
from tests.support.operator import Operator

WORK = {"name": "work", "queues": [DEFAULT]}
# Acknowledged late, so that a busy worker doesn't fetch a task that would wait behind its own.
ONE_SLOT = {"worker": {"concurrency": 1}, "env": [{"name": "UTILITARIAN_ACKS_LATE", "value": "true"}]}


def pods(installation: Installation) -> list[dict[str, Any]]:
    selector = "labelSelector=utilitarian.io/pool%3Dwork"
    path = f"/api/v1/namespaces/{installation.fleet.namespace}/pods?{selector}"
    found: list[dict[str, Any]] = installation.fleet.controlplane.request("GET", path)["items"]
    return found


def marked(installation: Installation) -> set[str]:
    annotation = "utilitarian.io/draining"
    return {
        it["metadata"]["name"] for it in pods(installation) if annotation in (it["metadata"].get("annotations") or {})
    }


def ready(installation: Installation) -> set[str]:
    return {
        it["metadata"]["name"]
        for it in pods(installation)
        if any(c["type"] == "Ready" and c["status"] == "True" for c in it["status"].get("conditions", []))
    }


def at_work(installation: Installation) -> set[str]:
    ledger = installation.ledger.read()
    running = ledger.running()
    return {record.hostname for record in ledger.records if record.task_id in running}


def ran_on(installation: Installation, task: str) -> str:
    start = next(it for it in installation.ledger.read().records if it.task_id == task and it.event == "start")
    return start.hostname.removeprefix("celery@")


def test_an_idle_worker_leaves_while_a_busy_one_works_on(installation: Installation, operator: Operator) -> None:
    installation.create(pools=[{**WORK, **ONE_SLOT}])
    (long,) = installation.send(DEFAULT, 1, 20)
    short = installation.send(DEFAULT, 4, 1)
    installation.wait(lambda: (installation.fleet.replicas("work") or 0) > 1)
    installation.wait(lambda: installation.fleet.replicas("work") == 1)
    assert long not in installation.ledger.read().ids("end")
    installation.wait(lambda: [it["metadata"]["name"] for it in pods(installation)] == [ran_on(installation, long)])
    installation.wait(lambda: installation.fleet.replicas("work") == 0)
    assert installation.ledger.read().summary([long, *short]).each_finished_once
    assert {name: value for name, value in operator.metrics().items() if "wrong_victims_total" in name and value} == {}


@pytest.mark.soak
def test_a_worker_above_a_lowered_maximum_finishes_its_task_and_is_taken_back_when_load_returns(
    installation: Installation, operator: Operator
) -> None:
    del operator
    fleet = installation.fleet
    installation.create(pools=[{**WORK, **ONE_SLOT}])
    tasks = installation.send(DEFAULT, 2, 15)
    installation.wait(lambda: installation.ledger.read().ids("start") == set(tasks))
    installation.wait(lambda: len(ready(installation)) == 2)
    fleet.edit(pools=[{**WORK, **ONE_SLOT, "scaling": {"max": 1}}])
    installation.wait(lambda: len(marked(installation)) == 1)
    installation.wait(lambda: fleet.pool("work").get("draining") == 1)
    assert fleet.replicas("work") == 2
    fleet.edit(pools=[{**WORK, **ONE_SLOT, "scaling": {"max": 2}}])
    more = installation.send(DEFAULT, 2, 0.1)
    installation.wait(lambda: not marked(installation))
    assert not installation.ledger.read().ids("end") & set(tasks)
    installation.wait(lambda: installation.ledger.read().ids("end") == {*tasks, *more})
    installation.wait(lambda: fleet.replicas("work") == 0)
    assert installation.ledger.read().summary([*tasks, *more]).each_finished_once
    assert "TakenBack" in {reason for reason, _ in fleet.events()}


@pytest.mark.soak
def test_ten_times_up_and_down_under_load_give_no_message_back(installation: Installation, operator: Operator) -> None:
    """On a queue that drops what was delivered more than twice; with much fetched ahead, as Celery does by default."""
    fleet, pool = installation.fleet, {**WORK, "worker": {"concurrency": 2, "prefetchMultiplier": 4}}
    installation.rabbitmq.set_policy(installation.vhost, DEFAULT, {"delivery-limit": 2})
    variables = {"UTILITARIAN_LEDGER": str(installation.ledger.directory), "UTILITARIAN_QUEUE_TYPE": "quorum"}
    installation.create(pools=[pool], env=[{"name": name, "value": value} for name, value in variables.items()])
    sent: list[str] = []
    for _ in range(10):
        fleet.annotate({"utilitarian.io/override.work": "3 until 2100-01-01T00:00Z"})
        installation.wait(lambda: len(ready(installation)) == 3)
        sent += installation.send(DEFAULT, 60, 0.5, queue_type="quorum")
        installation.wait(lambda: len(at_work(installation)) == 3)
        fleet.annotate({"utilitarian.io/override.work": "1 until 2100-01-01T00:00Z"})
        installation.wait(lambda: fleet.replicas("work") == 1 and len(pods(installation)) == 1)
    installation.wait(lambda: installation.ledger.read().ids("end") == set(sent), within=timedelta(minutes=3))
    assert installation.ledger.read().summary(sent).each_finished_once
    assert operator.healthy()


def test_a_removed_pool_is_led_out_before_its_deployment_goes(installation: Installation, operator: Operator) -> None:
    del operator
    fleet = installation.fleet
    installation.create(pools=[{**WORK, **ONE_SLOT}])
    (task,) = installation.send(DEFAULT, 1, 8)
    installation.wait(lambda: installation.ledger.read().ids("start"))
    fleet.edit(pools=[{"name": "other", "queues": ["utilitarian.tasks.external"]}])
    installation.wait(lambda: marked(installation))
    assert fleet.deployment("work")
    installation.wait(lambda: fleet.deployment("work") is None)
    assert installation.ledger.read().ids("end") == {task}


@pytest.mark.soak
def test_leaving_auto_lets_a_worker_that_was_to_leave_work_on(installation: Installation, operator: Operator) -> None:
    del operator
    fleet = installation.fleet
    installation.create(pools=[{**WORK, **ONE_SLOT}])
    tasks = installation.send(DEFAULT, 2, 12)
    installation.wait(lambda: installation.ledger.read().ids("start") == set(tasks))
    annotation = {"utilitarian.io/override.work": "1 until 2100-01-01T00:00Z"}
    path = f"/apis/utilitarian.io/v1alpha1/namespaces/{fleet.namespace}/utilitarianworkerpools/{fleet.name}"
    fleet.controlplane.request("PATCH", path, {"metadata": {"annotations": annotation}}, MERGE_PATCH)
    installation.wait(lambda: len(marked(installation)) == 1)
    fleet.edit(mode="Paused")
    installation.wait(lambda: not marked(installation))
    again = installation.send(DEFAULT, 4, 0.1)
    installation.wait(lambda: installation.ledger.read().ids("end") == {*tasks, *again})
    assert fleet.replicas("work") == 2

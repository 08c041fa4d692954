"""The way of docs/migrate.md with real parts: a hand-made Deployment works on until the fleet has taken over."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.controlplane import MERGE_PATCH
from tests.support.installation import DEFAULT, Installation
from tests.support.operator import Operator
from utilitarian_operator.adapters.intervals import (
    Intervals,
)
from utilitarian_operator.api.patience import Patience

SOON = timedelta(seconds=3)

OLD = "old-workers"
POOL = [{"name": "work", "queues": [DEFAULT]}]


def hand_made(installation: Installation, replicas: int) -> dict[str, Any]:
    """Workers as a user may have written them: two tasks at a time, and the vendor's command."""
    labels = {"app": OLD}
    environment = [
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "CELERY_BROKER_URL", "value": installation.broker_url},
        {"name": "UTILITARIAN_LEDGER", "value": str(installation.ledger.directory)},
    ]
    command = ["celery", "-A", "utilitarian", "worker", "-n", "celery@$(POD_NAME)", "-Q", DEFAULT, "--concurrency=2"]
    container = {"name": "worker", "image": "utilitarian:dev", "command": command, "env": environment}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 60},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": OLD}, "spec": spec}


@pytest.mark.soak
@pytest.mark.parametrize("patience", [Patience(not_consuming=SOON, no_progress=SOON, foreign=SOON)], ids=["quick"])
@pytest.mark.parametrize("intervals", [Intervals(learn_s=1.0, look_around_s=1.0)], ids=["each second"])
def test_hand_made_workers_are_seen_in_preview_and_followed_without_a_task_lost_or_run_twice(
    installation: Installation, operator: Operator
) -> None:
    fleet, plane = installation.fleet, installation.fleet.controlplane
    deployments = f"/apis/apps/v1/namespaces/{fleet.namespace}/deployments"
    plane.request("POST", deployments, hand_made(installation, 2))
    installation.wait(lambda: DEFAULT in installation.rabbitmq.queues(installation.vhost))
    installation.wait(lambda: installation.rabbitmq.depth(installation.vhost, DEFAULT).consumers == 2)

    installation.create(pools=POOL, mode="Preview")
    installation.wait(lambda: fleet.pool("work").get("reason") == "ForeignConsumers")
    old = sorted(pod["metadata"]["name"] for pod in plane.pods(fleet.namespace, f"app={OLD}"))
    named = ", ".join(f"celery@{name}" for name in old)
    installation.wait(lambda: f"2 consumers that are not this fleet's: {named}" in fleet.pool("work")["message"])
    sent = installation.send(DEFAULT, 32, 0.4)
    installation.wait(lambda: fleet.pool("work").get("desired", 0) > 0)
    assert fleet.deployment("work") is None

    fleet.edit(mode="Auto")
    installation.wait(lambda: fleet.pool("work").get("ready", 0) > 0)
    plane.request("PATCH", f"{deployments}/{OLD}/scale", {"spec": {"replicas": 0}}, MERGE_PATCH)
    installation.wait(lambda: not plane.pods(fleet.namespace, f"app={OLD}"))
    sent += installation.send(DEFAULT, 10, 0.1)
    installation.wait(lambda: len(installation.ledger.read().ids("end")) == len(sent))
    installation.wait(lambda: fleet.pool("work").get("reason") != "ForeignConsumers")
    installation.wait(lambda: fleet.replicas("work") == 0)
    summary = installation.ledger.read().summary(sent)
    assert summary.each_finished_once, summary
    workers = {record.hostname for record in installation.ledger.read().records}
    assert {f"celery@{name}" for name in old} < workers
    assert operator.healthy()

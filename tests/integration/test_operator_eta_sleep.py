"""Pools sleep while tasks wait for their time, in the broker or given back to it, and wake when the first is due."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.celery_workers import send
from tests.support.installation import DEFAULT, QUICK, Installation
from tests.support.operator import Operator
from utilitarian_operator.adapters.broker.depths import DELAYED
from utilitarian_operator.adapters.intervals import (
    Intervals,
)

NATIVE = {"queue_type": "quorum", "exchange_type": "topic"}
# What is due later than a drain may take is given back; three tasks are fetched anew in time.
POOL = {
    "name": "work",
    "queues": [DEFAULT],
    "worker": {"concurrency": 2},
    "scaling": {**QUICK, "drainWithin": "1m"},
    "drainTimeout": "3s",
}


def put_to_sleep(installation: Installation, **env: str) -> None:
    """Makes the fleet, and waits until its one worker has declared what it needs and is gone."""
    variables = {"UTILITARIAN_LEDGER": str(installation.ledger.directory), **env}
    installation.create(pools=[POOL], env=[{"name": name, "value": value} for name, value in variables.items()])
    installation.wait(lambda: DEFAULT in installation.rabbitmq.queues(installation.vhost))
    installation.wait(lambda: asleep(installation))


def asleep(installation: Installation) -> bool:
    return installation.fleet.replicas("work") == 0 and not installation.fleet.pods("work")


def started(installation: Installation, tasks: list[str]) -> list[float]:
    records = installation.ledger.read().records
    return [record.at for record in records if record.event == "start" and record.task_id in tasks]


def woken(installation: Installation) -> list[float]:
    """When the pool was asked to have workers after it had none."""
    sizes = installation.fleet.scalings("work")
    return [at for (_, before), (at, to) in zip([(0.0, 0), *sizes], sizes, strict=False) if to and not before]


@pytest.mark.soak
@pytest.mark.parametrize("intervals", [Intervals(delayed_s=0.5, delayed_looked_for_s=0.5)], ids=["twice a second"])
def test_tasks_that_the_broker_keeps_for_later_let_the_pool_sleep_and_wake_it_when_they_are_due(
    installation: Installation, operator: Operator
) -> None:
    """Celery's native delayed delivery: quorum queues on a topic exchange."""
    fleet = installation.fleet
    put_to_sleep(installation, UTILITARIAN_QUEUE_TYPE="quorum", UTILITARIAN_EXCHANGE_TYPE="topic")
    assert set(DELAYED) <= installation.rabbitmq.queues(installation.vhost)
    before, due = woken(installation), datetime.now(UTC) + timedelta(seconds=8)
    later = send(installation.broker_url, DEFAULT, [0.1] * 3, **NATIVE, eta=due)
    installation.wait(lambda: fleet.status().get("delayed") == 3)
    assert "in the broker for later: 3 tasks" in fleet.condition("Ready")[2]
    assert installation.rabbitmq.depth(installation.vhost, DEFAULT).ready == 0
    assert asleep(installation)
    assert datetime.now(UTC) < due - timedelta(seconds=2)
    installation.wait(lambda: installation.ledger.read().ids("end") == set(later))
    (at,) = woken(installation)[len(before) :]
    # The broker hands them over up to a second early, and Celery keeps them for the rest.
    assert -1.5 < at - due.timestamp() < 1.5
    assert min(started(installation, later)) >= due.timestamp()
    installation.wait(lambda: asleep(installation))
    assert fleet.status()["delayed"] == 0
    assert installation.ledger.read().summary(later).each_finished_once
    assert operator.healthy()


@pytest.mark.soak
def test_tasks_that_are_given_back_wake_no_worker_before_their_time_and_one_message_more_does(
    installation: Installation, operator: Operator
) -> None:
    put_to_sleep(installation)
    before, due = len(woken(installation)), datetime.now(UTC) + timedelta(seconds=50)
    later = send(installation.broker_url, DEFAULT, [0.1] * 3, eta=due)
    installation.wait(lambda: len(woken(installation)) == before + 1)
    installation.wait(lambda: asleep(installation))
    assert installation.rabbitmq.depth(installation.vhost, DEFAULT).ready == 3
    labels = f'fleet="fleet",namespace="{installation.fleet.namespace}",pool="work"'
    held = f"utilitarian_pool_held_tasks{{{labels}}}"  # without which the alert on work without workers would fire
    installation.wait(lambda: operator.metrics().get(held) == 3)
    installation.wait(lambda: datetime.now(UTC) > due - timedelta(seconds=30))
    assert len(woken(installation)) == before + 1
    more = installation.send(DEFAULT, 1, 0.1)
    installation.wait(lambda: set(more) <= installation.ledger.read().ids("end"))
    installation.wait(lambda: asleep(installation))
    assert installation.rabbitmq.depth(installation.vhost, DEFAULT).ready == 3
    installation.wait(lambda: installation.ledger.read().ids("end") == {*later, *more})
    installation.wait(lambda: asleep(installation))
    assert len(woken(installation)) == before + 3
    assert min(started(installation, later)) >= due.timestamp()
    assert max(started(installation, later)) - due.timestamp() < 5
    assert installation.ledger.read().summary([*later, *more]).each_finished_once
    assert operator.healthy()

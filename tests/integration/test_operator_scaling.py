"""The main job with real parts: controllers, operator, broker and Celery workers, with processes for containers."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.controlplane import MERGE_PATCH, ControlPlane
from tests.support.installation import CLEANUP, DEFAULT, POOLS, Installation
from tests.support.operator import Operator, in_process
from tests.support.pace import paced
from tests.support.rabbitmq import RabbitMQ

SMALLER = re.compile(r"pool work: 0 to [1-4]: ")


def histogram(operator: Operator, name: str, labels: str) -> tuple[float, float]:
    """Count and sum of the observations whose labels contain a text."""
    samples = operator.metrics()
    found = [
        sum(value for sample, value in samples.items() if sample.startswith(f"{name}_{what}{{") and labels in sample)
        for what in ("count", "sum")
    ]
    return found[0], found[1]


def test_sixty_tasks_wake_a_pool_in_one_step_and_it_goes_back_to_zero(
    installation: Installation, operator: Operator
) -> None:
    fleet = installation.fleet
    installation.create()
    installation.settle()
    before = len(fleet.scalings("work"))
    with paced() as pace:
        sent = installation.send(DEFAULT, 60, 0.3)
        installation.wait(lambda: len(installation.ledger.read().ids("end")) == 60)
    installation.wait(lambda: fleet.replicas("work") == 0)
    steps = fleet.scalings("work")[before:]
    top = max(range(len(steps)), key=lambda at: steps[at][1])
    up, down = [to for _, to in steps[: top + 1]], steps[top + 1 :]
    # Where the machine is slow, a look may fall between two messages of the broker's commit: then the step is smaller.
    smaller = [note for _, note in fleet.events() if SMALLER.match(note)]
    assert len(smaller) == len(up) - 1 <= 1
    assert not [note for note in smaller if "60 tasks" in note]
    assert up[-1] == 5
    assert [to for _, to in down] == sorted({to for _, to in down}, reverse=True)
    assert down[0][0] > installation.ledger.read().records[-1].at
    assert [to for _, to in fleet.scalings("cleanup")] == [0]
    summary = installation.ledger.read().summary(sent)
    assert summary.each_finished_once, summary
    wakes, seconds = histogram(operator, "utilitarian_wake_seconds", 'pool="work"')
    assert wakes == 1
    assert pace.allows(seconds, 1.5), (seconds, pace)


def test_a_long_task_that_the_broker_has_forgotten_keeps_its_worker(
    installation: Installation, operator: Operator
) -> None:
    fleet = installation.fleet
    installation.create()
    installation.settle()
    sent = installation.send(DEFAULT, 1, 8)
    installation.wait(lambda: installation.ledger.read().ids("start"))
    # Celery's default: acknowledged when it started, so that the broker knows of no work any more.
    installation.wait(lambda: installation.rabbitmq.totals(installation.vhost).get(DEFAULT) == (0, 0))
    assert not installation.ledger.read().ids("end")
    seen = set()

    def ended() -> bool:
        seen.add(fleet.replicas("work"))
        return bool(installation.ledger.read().ids("end"))

    installation.wait(ended)
    assert seen == {1}
    installation.wait(lambda: fleet.replicas("work") == 0)
    summary = installation.ledger.read().summary(sent)
    assert summary.each_finished_once, summary
    assert operator.healthy()


def test_beat_runs_once_and_sends_and_everything_goes_with_the_resource(
    installation: Installation, operator: Operator, controlplane: ControlPlane, namespace: str
) -> None:
    fleet = installation.fleet
    env = [
        {"name": "UTILITARIAN_BEAT_COMPRESSED", "value": "1"},
        {"name": "UTILITARIAN_LEDGER", "value": str(installation.ledger.directory)},
    ]
    installation.create(env=env, beat={"storage": {"size": "10Mi"}})
    installation.wait(lambda: fleet.condition("BeatReady")[0] == "True")
    installation.wait(lambda: installation.ledger.read().of_queue(CLEANUP).ids("end"))
    fleet.delete()
    installation.wait(lambda: fleet.beat() is None)
    installation.wait(lambda: [fleet.deployment(pool["name"]) for pool in POOLS] == [None, None])
    installation.wait(lambda: not controlplane.pods(namespace))
    claims = controlplane.request("GET", f"/api/v1/namespaces/{namespace}/persistentvolumeclaims")["items"]
    assert [claim["metadata"]["name"] for claim in claims] == ["fleet-beat"]
    installation.wait(lambda: not [name for name in operator.metrics() if f'namespace="{namespace}"' in name])


def test_a_broker_that_is_down_at_the_start_is_said_and_changes_nothing(
    installation: Installation, controlplane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    fleet = installation.fleet
    with RabbitMQ(tmp_path / "broker") as broker:
        broker.kill()
        installation.broker_url = broker.amqp_url()
        installation.create()
        with in_process(controlplane, namespace) as operator:
            installation.wait(lambda: fleet.condition("BrokerReachable")[0] == "False")
            installation.wait(lambda: [fleet.replicas(pool["name"]) for pool in POOLS] == [0, 0])
            path = f"/apis/apps/v1/namespaces/{namespace}/deployments/fleet-work/scale"
            controlplane.request("PATCH", path, {"spec": {"replicas": 3}}, MERGE_PATCH)
            installation.wait(lambda: fleet.pool("work").get("replicas") == 3)
            installation.wait(lambda: any(reason == "BrokerUnreachable" for reason, _ in fleet.events()))
            assert fleet.replicas("work") == 3
            assert fleet.scalings("work") == []
            broker.start()
            installation.wait(lambda: fleet.condition("BrokerReachable")[0] == "True")
            installation.wait(lambda: any(reason == "BrokerReachable" for reason, _ in fleet.events()))
            installation.wait(lambda: [fleet.replicas(pool["name"]) for pool in POOLS] == [0, 0])
            assert {DEFAULT, CLEANUP} <= broker.queues("/")
            assert operator.healthy()


NO_SUCH_DAY = [{"name": "never", "start": "0 0 31 2 *"}]


@pytest.mark.parametrize(
    "edit, said",
    [
        pytest.param(
            {"pools": [{**POOLS[0], "schedule": NO_SUCH_DAY}, POOLS[1]]}, "schedule", id="a day that never comes"
        ),
        pytest.param({"timeZone": "Europe/Atlantis"}, "timeZone", id="no such zone", marks=pytest.mark.soak),
    ],
)
def test_a_bad_edit_keeps_the_last_spec_running(
    installation: Installation, operator: Operator, edit: Mapping[str, Any], said: str
) -> None:
    fleet = installation.fleet
    installation.create()
    installation.settle()
    fleet.edit(image="utilitarian:bad", **edit)
    installation.wait(lambda: fleet.condition("Stalled")[0] == "True")
    assert said in fleet.condition("Stalled")[2]
    assert any(reason == "InvalidSpec" and said in note for reason, note in fleet.events())
    sent = installation.send(DEFAULT, 20, 0.1)
    installation.wait(lambda: len(installation.ledger.read().ids("end")) == 20)
    assert installation.ledger.read().summary(sent).each_finished_once
    deployment = fleet.deployment("work")
    assert deployment
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "utilitarian:dev"
    fleet.edit(image="utilitarian:good", pools=POOLS, timeZone=None)
    installation.wait(lambda: fleet.condition("Stalled")[0] == "False")
    installation.wait(
        lambda: (
            (live := fleet.deployment("work"))
            and live["spec"]["template"]["spec"]["containers"][0]["image"] == "utilitarian:good"
        )
    )
    assert operator.healthy()

"""Workers that are ended from outside: they take nothing more, finish what they hold, give nothing back, and go."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.controlplane import ControlPlane
from tests.support.installation import DEFAULT, Installation
from tests.support.operator import in_process

POOL = {"name": "work", "queues": [DEFAULT], "worker": {"concurrency": 2}, "scaling": {"min": 1, "max": 1}}
TASKS = 12


def delete(installation: Installation, pod: str) -> None:
    installation.fleet.controlplane.kubectl("delete", "pod", pod, "-n", installation.fleet.namespace, "--wait=false")


def evict(installation: Installation, pod: str) -> None:
    """As `kubectl drain` and node autoscalers do, which heed the pool's PodDisruptionBudget."""
    namespace = installation.fleet.namespace
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace}}
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
    installation.fleet.controlplane.request("POST", path, body)


def roll_out(installation: Installation, pod: str, **rollout: Any) -> None:
    del pod
    ledger = {"name": "UTILITARIAN_LEDGER", "value": str(installation.ledger.directory)}
    env, pools = [ledger, {"name": "REVISION", "value": "2"}], [{**POOL, "rollout": rollout}]
    installation.fleet.edit(env=env, pools=pools)


def roll_out_without_a_surge(installation: Installation, pod: str) -> None:
    roll_out(installation, pod, maxSurge=0, maxUnavailable=1)


def recreate(installation: Installation, pod: str) -> None:
    roll_out(installation, pod, type="Recreate")


def scale_to_nothing(installation: Installation, pod: str) -> None:
    del pod
    where = ("deployment/fleet-work", "-n", installation.fleet.namespace)
    installation.fleet.controlplane.kubectl("scale", *where, "--replicas=0")


def delete_the_resource(installation: Installation, pod: str) -> None:
    del pod
    installation.fleet.delete()


@pytest.fixture
def operating(controlplane: ControlPlane, namespace: str) -> Iterator[ExitStack]:
    """An operator that works until it is closed."""
    with ExitStack() as stack:
        stack.enter_context(in_process(controlplane, namespace))
        yield stack


def a_busy_worker(installation: Installation) -> tuple[str, list[str]]:
    """The name of a pool's one pod that works on what was sent, and the tasks: it holds ten of the twelve."""
    installation.create(pools=[POOL])
    installation.wait(lambda: DEFAULT in installation.rabbitmq.queues(installation.vhost))
    installation.wait(lambda: installation.fleet.pool("work").get("ready") == 1)
    sent = installation.send(DEFAULT, TASKS, 2)
    installation.wait(lambda: len(installation.ledger.read().ids("start")) >= 2)
    (first,) = installation.fleet.pods("work")
    return first, sent


def started_and_ended_by(installation: Installation, pod: str) -> tuple[set[str], set[str]]:
    records = [it for it in installation.ledger.read().records if it.hostname == f"celery@{pod}"]
    started, ended = ({it.task_id for it in records if it.event == event} for event in ("start", "end"))
    return started, ended


def what_was_sent_and_ended(
    installation: Installation, end: Callable[[Installation, str], None], without: ExitStack | None
) -> tuple[list[str], set[str]]:
    """Ends a busy worker in some way, without its operator where that is given; whatever it had started it finished."""
    first, sent = a_busy_worker(installation)
    if without:
        without.close()
    end(installation, first)
    installation.wait(lambda: first not in installation.fleet.pods("work"))
    started, ended = started_and_ended_by(installation, first)
    assert started == ended
    return sent, ended


@pytest.mark.parametrize(
    "end, led",
    [
        pytest.param(delete, True, id="kubectl delete"),
        pytest.param(evict, True, id="eviction", marks=pytest.mark.soak),
        pytest.param(roll_out, True, id="rollout", marks=pytest.mark.soak),
        pytest.param(roll_out_without_a_surge, True, id="rollout without a surge", marks=pytest.mark.soak),
        pytest.param(delete, False, id="no operator, kubectl delete", marks=pytest.mark.soak),
        pytest.param(evict, False, id="no operator, eviction", marks=pytest.mark.soak),
    ],
)
def test_a_busy_worker_that_is_ended_finishes_what_it_holds_and_a_new_one_does_the_rest(
    installation: Installation, operating: ExitStack, end: Callable[[Installation, str], None], *, led: bool
) -> None:
    sent, _ = what_was_sent_and_ended(installation, end, without=None if led else operating)
    installation.wait(lambda: len(installation.ledger.read().ids("end")) == TASKS)
    assert installation.ledger.read().summary(sent).each_finished_once


@pytest.mark.soak
@pytest.mark.parametrize(
    "end, led",
    [
        pytest.param(delete_the_resource, True, id="deletion of the resource"),
        pytest.param(delete_the_resource, False, id="no operator, deletion of the resource"),
        pytest.param(scale_to_nothing, False, id="no operator, kubectl scale"),
    ],
)
def test_the_last_busy_worker_finishes_what_it_holds_and_the_rest_waits_untouched(
    installation: Installation, operating: ExitStack, end: Callable[[Installation, str], None], *, led: bool
) -> None:
    sent, ended = what_was_sent_and_ended(installation, end, without=None if led else operating)
    waiting = installation.rabbitmq.take(installation.vhost, DEFAULT)
    assert {str(message.headers["id"]) for message in waiting} == set(sent) - ended
    assert not any(message.delivery_info["redelivered"] for message in waiting)


@pytest.mark.soak
@pytest.mark.usefixtures("operating")
def test_the_first_new_worker_comes_when_the_last_old_one_has_finished_where_all_are_recreated(
    installation: Installation,
) -> None:
    """As versions want it that must not meet, and a volume that one node holds."""
    sent, ended = what_was_sent_and_ended(installation, recreate, without=None)
    installation.wait(lambda: len(installation.ledger.read().ids("end")) == TASKS)
    ledger = installation.ledger.read()
    last = max(it.at for it in ledger.records if it.task_id in ended)
    assert last < min(it.at for it in ledger.records if it.task_id not in ended)
    assert ledger.summary(sent).each_finished_once

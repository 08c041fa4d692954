"""What goes wrong with real workers and real queues is seen, named with its evidence, and not made worse."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.celery_workers import Application, running, send
from tests.support.controlplane import REPOSITORY
from tests.support.installation import DEFAULT, QUICK, Installation
from tests.support.operator import Operator
from utilitarian_operator.adapters.broker.workers.remote_control import RemoteControl
from utilitarian_operator.adapters.intervals import (
    Intervals,
)
from utilitarian_operator.api.patience import Patience

SOON = timedelta(seconds=3)
QUICK_SIGNS = Patience(not_consuming=SOON, no_progress=SOON, foreign=SOON)


@pytest.fixture
def patience() -> Patience:
    """A sign must last for seconds only."""
    return QUICK_SIGNS


@pytest.fixture
def intervals() -> Intervals:
    """Workers are asked as often as quick findings need it."""
    return Intervals(learn_s=1.0, look_around_s=1.0)


POOL = [{"name": "work", "queues": [DEFAULT]}]


def one_worker(installation: Installation, *, others: int = 0, **spec: Any) -> str:
    """The fleet with one worker that stays, asked for by hand; returns its pod's name when it consumes.

    Args:
        installation: of the fleet.
        others: consumers that are there already.
        spec: over one pool of two processes a worker, each holding one message.
    """
    scaling = {"min": 1, "max": 5, "taskDuration": "1s", "drainWithin": "1m"}
    defaults = {"worker": {"concurrency": 2, "prefetchMultiplier": 1}, "scaling": scaling}
    installation.create(**{"pools": POOL, "defaults": defaults, **spec})
    installation.wait(lambda: installation.fleet.pool("work").get("ready") == 1)
    installation.wait(lambda: DEFAULT in installation.rabbitmq.queues(installation.vhost))
    installation.wait(lambda: installation.rabbitmq.depth(installation.vhost, DEFAULT).consumers == 1 + others)
    (pod,) = installation.fleet.pods("work")
    return pod


def ailing(operator: Operator, installation: Installation, reason: str) -> float:
    where = f'namespace="{installation.fleet.namespace}",pool="work",reason="{reason}"'
    (value,) = [
        it for name, it in operator.metrics().items() if name.startswith("utilitarian_pool_ailing") and where in name
    ]
    return value


CONSUMES_NO_MORE = """
import pathlib
from celery.worker.control import Panel

def add_consumer(state, queue, **_):
    with pathlib.Path({told!r}).open("a") as lines:
        print(state.hostname, queue, file=lines)

Panel.data["add_consumer"] = add_consumer
"""
"""Notes that it is told to consume a queue, and does not."""


def test_a_worker_that_answers_and_does_not_consume_is_stuck_and_replaced(
    installation: Installation, operator: Operator, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    words = changed_application(tmp_path, CONSUMES_NO_MORE.format(told=str(told)))
    words["env"].append({"name": "UTILITARIAN_LEDGER", "value": str(installation.ledger.directory)})
    fleet, pod = installation.fleet, one_worker(installation, **words)
    with closing(RemoteControl(installation.broker_url)) as control:
        control.cancel_consumers(f"celery@{pod}", [DEFAULT])
    sent = installation.send(DEFAULT, 3, 0.1)
    installation.wait(lambda: fleet.pods("work") and pod not in fleet.pods("work"))
    assert set(told.read_text().splitlines()) == {f"celery@{pod} {DEFAULT}"}
    installation.wait(lambda: len(installation.ledger.read().ids("end")) == 3)
    assert installation.ledger.read().summary(sent).each_finished_once
    installation.wait(lambda: "WorkerReplaced" in dict(fleet.events()))
    shown = [(reason, note) for reason, note in fleet.events() if reason in {"Stuck", "WorkerReplaced"}]
    assert [reason for reason, _ in shown] == ["Stuck", "WorkerReplaced"]
    assert f"pod {pod} is ready and answers and does not consume {DEFAULT}" in shown[0][1]
    assert shown[1][1] == f"pool work: pod {pod} is replaced: it was stuck"
    installation.wait(lambda: ailing(operator, installation, "Stuck") == 0)


@pytest.mark.soak
@pytest.mark.parametrize("patience", [replace(QUICK_SIGNS, mute=SOON, sampled=timedelta(seconds=4))], ids=["quick"])
def test_a_worker_that_hangs_is_stuck_and_replaced_when_its_tasks_had_their_time(
    installation: Installation, operator: Operator
) -> None:
    fleet, pod = installation.fleet, one_worker(installation, pools=[{**POOL[0], "drainTimeout": "5s"}])
    installation.node.pod(pod).process.pause()
    installation.wait(lambda: fleet.pods("work") and pod not in fleet.pods("work"))
    # A pod is deleted before its event is written.
    installation.wait(lambda: "WorkerReplaced" in dict(fleet.events()))
    shown = [(reason, note) for reason, note in fleet.events() if reason in {"Stuck", "WorkerReplaced"}]
    assert [reason for reason, _ in shown] == ["Stuck", "WorkerReplaced"]
    assert f"pod {pod} is ready and has not answered" in shown[0][1]
    sent = installation.send(DEFAULT, 3, 0.1)
    installation.wait(lambda: len(installation.ledger.read().ids("end")) == len(sent))
    assert operator.healthy()


Fill = Callable[[int], object]
"""Puts so many tasks into the queue."""


@contextmanager
def tasks_for_later(installation: Installation, folder: Path) -> Iterator[Fill]:
    """Where prefetch is static, as with quorum queues, tasks for later keep their places in the window."""
    del folder
    one_worker(installation, env=[{"name": "UTILITARIAN_QUEUE_TYPE", "value": "quorum"}])
    later = datetime.now(UTC) + timedelta(hours=1)
    send(installation.broker_url, DEFAULT, [0.1] * 2, queue_type="quorum", eta=later)
    installation.wait(lambda: installation.rabbitmq.totals(installation.vhost).get(DEFAULT) == (0, 2))
    yield lambda number: installation.send(DEFAULT, number, 0.1, queue_type="quorum")


@contextmanager
def hanging_processes(installation: Installation, folder: Path) -> Iterator[Fill]:
    """Those of a prefork worker that run the tasks; its main process answers."""
    del folder
    main = installation.node.pod(one_worker(installation)).process.pid
    for child in Path(f"/proc/{main}/task/{main}/children").read_text().split():
        os.kill(int(child), signal.SIGSTOP)
    yield lambda number: installation.send(DEFAULT, number, 0.1)


@contextmanager
def rate_limit(installation: Installation, folder: Path) -> Iterator[Fill]:
    """It lets one task through, and the next after an hour."""
    words = changed_application(folder, "app.conf.task_annotations = {'*': {'rate_limit': '1/h'}}")
    one_worker(installation, **words)
    yield lambda number: installation.send(DEFAULT, number, 0.1)


@contextmanager
def another_consumer_that_goes_first(installation: Installation, folder: Path) -> Iterator[Fill]:
    """Of a queue that hands messages to one consumer at a time, and holds its first message for ever."""
    broker, vhost, single = installation.rabbitmq, installation.vhost, {"x-single-active-consumer": True}
    broker.declare(vhost, DEFAULT, arguments=single)
    with broker.channel(vhost) as channel:
        channel.basic_qos(0, 1, a_global=False)
        channel.basic_consume(DEFAULT, callback=lambda _: None)
        lines = f"for queue in app.conf.task_queues:\n    queue.queue_arguments = {single}"
        one_worker(installation, others=1, **changed_application(folder, lines))
        yield lambda number: broker.publish(vhost, DEFAULT, ["{}"] * number)


def changed_application(folder: Path, lines: str) -> dict[str, Any]:
    """What the resource says to run an application of its own module."""
    (folder / "changed.py").write_text(f"from utilitarian.celery import app\n\n{lines}\n")
    places = os.pathsep.join(map(str, (folder, REPOSITORY / "worker")))
    return {"app": "changed", "env": [{"name": "PYTHONPATH", "value": places}]}


@pytest.mark.parametrize(
    "cause, said",
    [
        pytest.param(
            tasks_for_later, "2 tasks with a later time fill what they may hold (2 a worker)", id="tasks for later"
        ),
        pytest.param(
            hanging_processes,
            "they hold 2 messages and start none",
            id="hanging processes",
            marks=pytest.mark.soak,
        ),
        pytest.param(rate_limit, "they wait for a task's rate_limit", id="rate limit", marks=pytest.mark.soak),
        pytest.param(
            another_consumer_that_goes_first,
            "another consumer goes first (x-single-active-consumer)",
            id="single active consumer",
            marks=pytest.mark.soak,
        ),
    ],
)
def test_work_that_no_free_worker_begins_is_starved_with_its_cause_and_gets_no_more_workers(
    installation: Installation,
    operator: Operator,
    tmp_path: Path,
    cause: Callable[[Installation, Path], AbstractContextManager[Fill]],
    said: str,
) -> None:
    fleet = installation.fleet
    with cause(installation, tmp_path) as fill:
        fill(8)
        installation.wait(lambda: fleet.pool("work").get("reason") == "Starved")
        installation.wait(lambda: said in fleet.pool("work")["message"])
        assert ailing(operator, installation, "Starved") == 1
        fill(400)
        where = f'fleet="fleet",namespace="{fleet.namespace}",pool="work",rule="starved"'
        installation.wait(lambda: operator.metrics().get(f"utilitarian_decisions_total{{{where}}}"))
        assert fleet.scalings("work") == []


@pytest.mark.soak
def test_a_pool_whose_messages_wait_for_a_rate_limit_keeps_its_worker(
    installation: Installation, operator: Operator, tmp_path: Path
) -> None:
    """Its queue is empty, its worker says that it holds nothing, and one of three tasks has run."""
    fleet, broker = installation.fleet, installation.rabbitmq
    words = changed_application(tmp_path, "app.conf.task_annotations = {'*': {'rate_limit': '1/h'}}")
    pools = [{**POOL[0], "worker": {"concurrency": 2, "prefetchMultiplier": 1}, "scaling": {**QUICK, "max": 1}}]
    installation.create(pools=pools, **words)
    installation.wait(lambda: DEFAULT in broker.queues(installation.vhost))
    installation.send(DEFAULT, 3, 0.1)
    installation.wait(lambda: broker.totals(installation.vhost).get(DEFAULT) == (0, 2))
    scalings = fleet.scalings("work")
    installation.wait(lambda: "messages that wait for a rate_limit; no broker.stats" in fleet.pool("work")["message"])
    installation.wait_looks(operator)
    assert fleet.scalings("work") == scalings
    assert broker.totals(installation.vhost)[DEFAULT] == (0, 2)


PRIVATE = """
from kombu.common import Broadcast
app.conf.worker_direct = True
app.conf.task_queues = (*app.conf.task_queues, Broadcast("cache"))
"""


def test_workers_of_a_catch_all_with_queues_of_their_own_are_well_and_their_pool_goes_down(
    installation: Installation, operator: Operator, tmp_path: Path
) -> None:
    """Kombu's Broadcast and Celery's worker_direct: seven of them were replaced in 75 s."""
    fleet, broker = installation.fleet, installation.rabbitmq
    scaling = {**QUICK, "min": 2, "max": 4}
    pools = [{"name": "work", "worker": {"concurrency": 1}, "scaling": scaling}]
    installation.create(pools=pools, **changed_application(tmp_path, PRIVATE))
    installation.wait(lambda: fleet.pool("work").get("ready") == 2)
    first = set(fleet.pods("work"))
    installation.wait(lambda: {f"celery@{pod}.dq2" for pod in first} <= broker.queues(installation.vhost))
    installation.send(DEFAULT, 12, 1.0)
    installation.wait(lambda: len(fleet.pods("work")) > len(first))
    installation.wait(lambda: broker.totals(installation.vhost).get(DEFAULT) == (0, 0))
    installation.wait(lambda: fleet.pool("work").get("ready") == len(fleet.pods("work")) == len(first))
    installation.wait_looks(operator)
    shown = [(reason, note) for reason, note in fleet.events() if reason in {"Stuck", "WorkerReplaced"}]
    assert shown == []
    (advised,) = [it for it in fleet.status().get("advice", []) if ".dq2" in it]
    assert "stays on the broker for ever when the worker is gone" in advised
    assert fleet.status()["queues"] == "14/14"


HANGS = """
import pathlib, time

while pathlib.Path({flag!r}).exists():
    time.sleep(0.1)
"""


# On a slow machine a worker takes seconds to start, and is no hanging one for that.
@pytest.mark.parametrize("patience", [replace(QUICK_SIGNS, starts_within=timedelta(seconds=15))], ids=["quick"])
def test_workers_that_hang_while_they_start_are_stuck_and_keep_their_pool_from_nothing(
    installation: Installation, operator: Operator, tmp_path: Path
) -> None:
    """They ran, were never ready and said nothing: they counted as busy, and no worker of the pool could go."""
    fleet, flag = installation.fleet, tmp_path / "hang"
    words = changed_application(tmp_path, HANGS.format(flag=str(flag)))
    scaling = {**QUICK, "min": 1, "max": 3}
    # Before Celery catches SIGTERM a process 1 does not hear it: such a pod ends with its grace period.
    pools = [{**POOL[0], "worker": {"concurrency": 1}, "scaling": scaling, "drainTimeout": "15s"}]
    installation.create(pools=pools, **words)
    installation.wait(lambda: fleet.pool("work").get("ready") == 1)
    (well,) = fleet.pods("work")
    flag.touch()
    installation.send(DEFAULT, 30, 1.0)
    installation.wait(lambda: len(fleet.pods("work")) == 3)
    # On a slow machine the first worker may have been named, too, before it was ready.
    hangs = "runs and has neither answered nor been ready"
    installation.wait(lambda: any(it == "Stuck" and hangs in note and well not in note for it, note in fleet.events()))
    installation.wait(lambda: fleet.pods("work") == [well])
    assert fleet.replicas("work") == 1
    assert installation.rabbitmq.totals(installation.vhost)[DEFAULT] == (0, 0)
    installation.wait(lambda: ailing(operator, installation, "Stuck") == 0)


@pytest.mark.parametrize("patience", [replace(QUICK_SIGNS, mute=SOON)], ids=["quick"])
def test_an_application_with_another_control_exchange_is_mute_until_the_resource_names_it(
    installation: Installation, operator: Operator, tmp_path: Path
) -> None:
    """Its workers were kept for good, with "does not answer" and no cause."""
    fleet = installation.fleet
    words = changed_application(tmp_path, "app.conf.control_exchange = 'shop'")
    installation.create(pools=[{**POOL[0], "scaling": QUICK}], **words)
    installation.wait(lambda: fleet.pool("work").get("reason") == "Mute")
    causes = ("json in accept_content", "broker.controlExchange names (celery)", "worker_enable_remote_control")
    assert [cause for cause in causes if cause not in fleet.pool("work")["message"]] == []
    installation.wait(lambda: [it for it in fleet.status().get("advice", []) if causes[1] in it])
    assert ailing(operator, installation, "Mute") == 1
    assert fleet.replicas("work") == 1
    fleet.edit(broker={"controlExchange": "shop"})
    # Until its pod has ended, the old worker may take a task, and the pool need not wake.
    installation.wait(lambda: fleet.replicas("work") == 0 and not fleet.pods("work"))
    assert not [it for it in fleet.status().get("advice", []) if causes[1] in it]
    installation.send(DEFAULT, 3, 0.1)
    installation.wait(lambda: fleet.replicas("work"))
    installation.wait(lambda: fleet.replicas("work") == 0)
    assert installation.rabbitmq.totals(installation.vhost)[DEFAULT] == (0, 0)


def test_foreign_workers_are_counted_named_and_left_alone(installation: Installation, operator: Operator) -> None:
    fleet = installation.fleet
    application = Application(installation.broker_url, installation.ledger.directory.parent / "old")
    one_worker(installation)
    with running(application.worker("by-hand", queues=[DEFAULT], execution="solo")) as (old,):
        installation.wait(lambda: fleet.pool("work").get("reason") == "ForeignConsumers")
        installation.wait(
            lambda: "1 consumer that is not this fleet's: celery@by-hand" in fleet.pool("work")["message"]
        )
        assert ailing(operator, installation, "ForeignConsumers") == 1
        assert old.running
    installation.wait(lambda: fleet.pool("work").get("reason") != "ForeignConsumers")


def test_beside_workers_of_others_that_are_expected_a_pool_grows_and_goes_to_zero(
    installation: Installation, operator: Operator
) -> None:
    fleet = installation.fleet
    application = Application(installation.broker_url, installation.ledger.directory.parent / "old")
    one_worker(installation, pools=[{**POOL[0], "foreignConsumers": "Expected"}])
    with running(application.worker("by-hand", queues=[DEFAULT], execution="solo")) as (old,):
        installation.wait(lambda: installation.rabbitmq.depth(installation.vhost, DEFAULT).consumers == 2)
        installation.wait(lambda: "as expected" in fleet.condition("BrokerReachable")[2])
        scaling = {
            "min": 0,
            "max": 5,
            "taskDuration": "1s",
            "drainWithin": "1m",
            "idleAfter": "1s",
            "stabilization": "1s",
        }
        fleet.edit(pools=[{**POOL[0], "foreignConsumers": "Expected", "scaling": scaling}])
        installation.wait(lambda: fleet.replicas("work") == 0)
        assert fleet.pool("work").get("reason") != "ForeignConsumers"
        assert ailing(operator, installation, "ForeignConsumers") == 0
        assert old.running

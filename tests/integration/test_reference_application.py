"""The reference application on a real broker: its queues, its records, its beat."""

import contextlib
import uuid
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import kombu
import pytest

from tests.support.celery_workers import Application, running
from tests.support.ledger import BrokerLedgerReader, FileLedgerReader, LedgerReader
from tests.support.ports import LOOPBACK, free_port
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from utilitarian import routing
from utilitarian.celery import build
from utilitarian.ledger import LEDGER_QUEUE, BrokerLedger, LedgerUnavailableError, Record
from utilitarian.settings import Settings

SOON = timedelta(seconds=30)
THREE_QUEUES = [
    routing.DEFAULT_QUEUE,
    routing.period_queue("monthly"),
    "utilitarian.tasks.commits.meter_readings",
]
BRIEF = {"distribution": "uniform", "low": 0.02, "high": 0.2}


@pytest.fixture
def broker_url(rabbitmq: RabbitMQ, vhost: str) -> str:
    return rabbitmq.amqp_url(vhost)


def send(broker_url: str, queues: Sequence[str], queue_type: str = "classic", **message: object) -> list[str]:
    """Sends a task to each of these queues with Celery's own client, and returns their ids."""
    app = build(Settings(queue_type=queue_type))
    ids = [str(uuid.uuid4()) for _ in queues]
    with app.connection_for_write(broker_url) as connection, app.amqp.Producer(connection) as producer:
        for task_id, queue in zip(ids, queues, strict=True):
            app.send_task(routing.WORK_TASKS[queue], kwargs=message, task_id=task_id, producer=producer)
    return ids


@pytest.fixture(params=["amqp", "files"])
def ledger(
    request: pytest.FixtureRequest, rabbitmq: RabbitMQ, vhost: str, tmp_path: Path
) -> Iterator[tuple[str | Path, LedgerReader]]:
    """What UTILITARIAN_LEDGER says, and a reader of it."""
    if request.param == "amqp":
        yield "amqp", BrokerLedgerReader(rabbitmq, vhost)
    else:
        yield tmp_path / "ledger", FileLedgerReader(tmp_path / "ledger")


def test_thirty_tasks_over_three_queues_finish_exactly_once(
    broker_url: str, ledger: tuple[str | Path, LedgerReader], tmp_path: Path
) -> None:
    setting, reader = ledger
    application = Application(broker_url, tmp_path, setting)
    sent = send(broker_url, THREE_QUEUES * 10, duration=BRIEF)
    workers = [application.worker(f"w{number}", queues=THREE_QUEUES) for number in range(2)]
    with running(*workers):
        wait_until(
            lambda: len(reader.read().ids("end")) == 30, within=SOON, describe=lambda: reader.read().summary(sent)
        )
    records = reader.read()
    assert records.summary(sent).each_finished_once, records.summary(sent)
    assert [len(records.of_queue(queue).ids("end")) for queue in THREE_QUEUES] == [10, 10, 10]
    assert {record.hostname for record in records.records} <= {"celery@w0", "celery@w1"}


@pytest.mark.parametrize("execution", ["prefork", "threads"])
def test_a_worker_without_queues_consumes_all_fourteen_and_records_failures(
    rabbitmq: RabbitMQ, vhost: str, tmp_path: Path, execution: str
) -> None:
    application = Application(rabbitmq.amqp_url(vhost), tmp_path, "amqp")
    reader = BrokerLedgerReader(rabbitmq, vhost)
    with running(application.worker("all", execution=execution, quiet=False)):
        ours = {name for name in rabbitmq.queues(vhost) if name.startswith(routing.PREFIX)}
        assert ours == set(routing.QUEUES)
        assert [rabbitmq.depth(vhost, queue).consumers for queue in routing.QUEUES] == [1] * 14
        good = send(application.broker_url, routing.QUEUES, duration=BRIEF, memory_mib=1)
        bad = send(application.broker_url, routing.QUEUES[:3], duration=BRIEF, failure_probability=1)
        wait_until(
            lambda: not (summary := reader.read().summary(good + bad)).lost and summary,
            within=SOON,
            describe=lambda: reader.read().summary(good + bad),
        )
    summary = reader.read().summary(good + bad)
    assert summary.finished == set(good)
    assert summary.failed == set(bad)
    assert not summary.run_twice


def test_a_sender_declares_the_queue_so_that_no_message_is_lost(rabbitmq: RabbitMQ, vhost: str) -> None:
    send(rabbitmq.amqp_url(vhost), [routing.CLEANUP_QUEUE] * 3)
    assert rabbitmq.depth(vhost, routing.CLEANUP_QUEUE) == (3, 0)


def test_with_quorum_queues_and_late_acks_a_killed_workers_task_is_run_again(
    rabbitmq: RabbitMQ, vhost: str, tmp_path: Path
) -> None:
    env = {"UTILITARIAN_QUEUE_TYPE": "quorum", "UTILITARIAN_ACKS_LATE": "true"}
    application = Application(rabbitmq.amqp_url(vhost), tmp_path, tmp_path / "ledger", env)
    reader = FileLedgerReader(tmp_path / "ledger")
    with running(application.worker("killed", queues=THREE_QUEUES[:1], concurrency=1)) as (worker,):
        # A sender that declared the queue otherwise than the worker did would be refused.
        sent = send(
            application.broker_url,
            THREE_QUEUES[:1],
            queue_type="quorum",
            duration={"distribution": "fixed", "seconds": 2},
        )
        wait_until(lambda: reader.read().ids("start"), within=SOON)
        worker.kill()
    with running(application.worker("next", queues=THREE_QUEUES[:1], concurrency=1)):
        wait_until(lambda: reader.read().ids("end"), within=SOON, describe=reader.read)
    summary = reader.read().summary(sent)
    assert summary.finished == summary.run_twice == set(sent)
    assert {queue["type"] for queue in rabbitmq.api("GET", f"/api/queues/{vhost}?disable_stats=true")} >= {"quorum"}


def test_beat_sends_on_a_compressed_schedule_and_the_run_fans_out(
    rabbitmq: RabbitMQ, vhost: str, tmp_path: Path
) -> None:
    env = {"UTILITARIAN_BEAT_COMPRESSED": "1", "UTILITARIAN_METERS": "3"}
    application = Application(rabbitmq.amqp_url(vhost), tmp_path, "amqp", env)
    reader = BrokerLedgerReader(rabbitmq, vhost)
    hourly = routing.period_queue("hourly")
    with running(application.worker("all", concurrency=10, execution="threads", quiet=False)):
        with application.beat():
            wait_until(
                lambda: rabbitmq.depth(vhost, hourly).ready or reader.read().of_queue(hourly).records, within=SOON
            )
        # The run itself, and the three polls that it sent.
        wait_until(lambda: len(reader.read().of_queue(hourly).ids("end")) >= 4, within=SOON)


def test_a_record_survives_a_broken_connection(rabbitmq: RabbitMQ, vhost: str) -> None:
    first, second = (
        Record(name, "start", at, "a queue", "celery@a", 1) for name, at in [("first", 1.0), ("second", 2.0)]
    )
    ledger = BrokerLedger(lambda: rabbitmq.connection(vhost, confirm_publish=True))
    with contextlib.closing(ledger):
        ledger.write(first)
        wait_until(lambda: rabbitmq.close_connections(vhost), within=SOON)
        ledger.write(second)
    assert rabbitmq.depth(vhost, LEDGER_QUEUE) == (2, 0)
    assert list(BrokerLedgerReader(rabbitmq, vhost).read().records) == [first, second]


def test_a_ledger_gives_up_on_a_broker_that_stays_away() -> None:
    no_broker = f"amqp://{LOOPBACK}:{free_port()}//"
    ledger = BrokerLedger(lambda: kombu.Connection(no_broker, connect_timeout=1), attempts=2)
    with pytest.raises(LedgerUnavailableError, match=r"no ledger record in 2 attempts.*refused"):
        ledger.write(Record("first", "start", 1.0, "a queue", "celery@a", 1))

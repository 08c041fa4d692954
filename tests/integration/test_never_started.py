"""A task that a worker calls active and will never run holds up no drain: real workers, and a broker that restarts."""

import sys
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.support.celery_workers import Application, running, send
from tests.support.leaving import NODE, QUEUE, SOON, Kind, by_hook, standing
from tests.support.ledger import FileLedgerReader
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from utilitarian_operator.adapters.broker.workers.remote_control import RemoteControl
from utilitarian_operator.adapters.intervals import (
    Intervals,
)

RESTARTS = 4


def test_a_task_whose_acknowledgement_failed_keeps_no_worker(rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    kind = Kind("installed", sys.executable, "threads", module="tests.support.unlucky")
    with standing(kind, rabbitmq, tmp_path, [1, 4, 0.1]) as stand:
        with closing(RemoteControl(stand.broker_url, every=Intervals(begins_s=1.0))) as control:
            wait_until(
                lambda: control.holdings([NODE], learning=True)[NODE].never_begun == 1,
                within=SOON,
                describe=lambda: control.holdings([NODE]),
            )
            assert control.holdings([NODE])[NODE].reserved == 0
        outcome = stand.leave(partial(by_hook, never_begun=timedelta(seconds=1)))
    assert (outcome.ran, outcome.returned) == (2, 1), outcome
    assert outcome.harmless, outcome


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_threads_begin_all_that_they_acknowledge_however_often_their_broker_restarts(
    fragile: RabbitMQ, tmp_path: Path
) -> None:
    """As the reference application is configured; by Celery's defaults some tasks are lost here."""
    ledger = FileLedgerReader(tmp_path / "ledger")
    application = Application(fragile.amqp_url(), tmp_path, ledger.directory)
    workers = [application.worker(f"w{number}", queues=[QUEUE], execution="threads") for number in range(3)]
    nodes, sent = [f"celery@{worker.name}" for worker in workers], list[str]()

    def ended() -> int:
        return len(ledger.read().ids("end"))

    with running(*workers), closing(RemoteControl(fragile.amqp_url())) as control:
        for _ in range(RESTARTS):
            done = len(sent)
            sent.extend(send(fragile.amqp_url(), QUEUE, [0.1, 0.4, 0.7, 1.0, 1.3] * 12))
            wait_until(lambda done=done: ended() > done + 10, within=SOON)
            fragile.restart()
            wait_until(
                lambda: ended() == len(sent),
                within=SOON,
                describe=lambda: (ledger.read().summary(sent), control.holdings(nodes)),
            )
        said = control.holdings(nodes)
    assert [held.active for held in said.values()] == [0, 0, 0]

"""The preStop script on a real worker and broker: when it goes on, and when it leaves a worker to SIGTERM."""

import signal
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.leaving import QUEUE, SOON, Kind, Stand, hook, plain, standing
from tests.support.ports import LOOPBACK, free_port
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from utilitarian_operator.core.objects.pre_stop_hook import CA_VARIABLE, EXCHANGE_VARIABLE

PREFORK = Kind("installed", sys.executable, "prefork")


def configured(*settings: str) -> Kind:
    """A worker with these settings of its application."""
    return Kind("installed", sys.executable, "prefork", settings=settings)


ELSEWHERE = configured("control_exchange=shop")
SHORT = timedelta(seconds=2)
IN_TIME = timedelta(seconds=5)


def shown(stand: Stand) -> bool:
    """Whether the worker takes nothing more."""
    return stand.rabbitmq.depth(stand.vhost, QUEUE).consumers == 0


def left_well(stand: Stand) -> None:
    """What it ran when the hook ended, it has finished."""
    begun = stand.ledger.read().ids("start")
    plain(stand)
    assert stand.ledger.read().ids("end") == begun


@pytest.mark.soak
def test_a_lost_connection_is_opened_again_to_an_address_that_answers(rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    with standing(PREFORK, rabbitmq, tmp_path, [5, 5]) as stand:
        dead = f"amqp://u:p@{LOOPBACK}:{free_port()}//"
        running = hook(stand, url=f"{dead};{stand.broker_url}")
        wait_until(lambda: shown(stand), within=SOON, describe=running.tail)
        # The worker's and the hook's own; a new one is known after a moment.
        known = f"/api/vhosts/{stand.vhost}/connections"
        wait_until(lambda: len(rabbitmq.api("GET", known)) == 2, within=SOON, describe=running.tail)
        rabbitmq.close_connections(stand.vhost)
        assert running.wait(within=SOON) == 0, running.tail()
        assert len(stand.ledger.read().ids("end")) == 2
        left_well(stand)


NO_MAILBOX, NOT_JSON = "the worker has no mailbox", "the worker's answers are not in JSON"


@pytest.mark.parametrize(
    "kind, said",
    [
        pytest.param(ELSEWHERE, NO_MAILBOX, id="another control_exchange"),
        pytest.param(configured("worker.enable_remote_control=false"), NO_MAILBOX, id="no remote control"),
        pytest.param(configured("task_serializer=yaml"), NOT_JSON, id="answers in another serializer"),
    ],
)
def test_a_worker_that_can_be_told_nothing_is_left_to_sigterm_at_once(
    rabbitmq: RabbitMQ, tmp_path: Path, kind: Kind, said: str
) -> None:
    """It took 14 of 32 new tasks while the hook waited for its word."""
    with standing(kind, rabbitmq, tmp_path, [20, 20]) as stand:
        running = hook(stand)
        assert running.wait(within=SOON) == 1, running.tail()
        assert said in running.log_text()
        # Not one of them has come to its end.
        assert len(stand.ledger.read().running()) == 2
        stand.worker.kill()


def test_a_worker_that_never_answers_is_left_to_sigterm_sooner_than_a_silent_broker(
    rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    with standing(PREFORK, rabbitmq, tmp_path, []) as stand:
        stand.worker.pause()
        running = hook(stand, first_answer=SHORT)
        assert running.wait(within=IN_TIME) == -signal.SIGALRM, running.tail()


def test_a_worker_with_another_control_exchange_is_told_where_the_hook_knows_it(
    rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    with standing(ELSEWHERE, rabbitmq, tmp_path, [5, 5]) as stand:
        running = hook(stand, **{EXCHANGE_VARIABLE: "shop"})
        assert running.wait(within=SOON) == 0, running.tail()
        assert len(stand.ledger.read().ids("end")) == 2
        left_well(stand)


@pytest.mark.soak
def test_a_broker_over_tls_is_asked_where_its_authority_is_known(rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    with standing(PREFORK, rabbitmq, tmp_path, [5, 5]) as stand:
        url = f"amqps://{rabbitmq.user}:{rabbitmq.password}@localhost:{rabbitmq.amqps_port}/{stand.vhost}"
        gives_up_in_time(stand, url=url)
        known = hook(stand, url=url, **{CA_VARIABLE: rabbitmq.authority.certificate})
        assert known.wait(within=SOON) == 0, known.tail()
        assert len(stand.ledger.read().ids("end")) == 2
        left_well(stand)


@pytest.mark.soak
def test_a_worker_whose_broker_is_silent_is_left_to_sigterm_in_time(fragile: RabbitMQ, tmp_path: Path) -> None:
    with standing(PREFORK, fragile, tmp_path, [6, 6]) as stand:
        fragile.pause()
        try:
            gives_up_in_time(stand)
        finally:
            fragile.resume()
        left_well(stand)


def gives_up_in_time(stand: Stand, url: str = "") -> None:
    running = hook(stand, silence=SHORT, url=url)
    assert running.wait(within=IN_TIME) == -signal.SIGALRM, running.tail()
    assert stand.ledger.read().running()


@pytest.mark.soak
def test_the_hook_ends_before_the_grace_period_does(rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    with standing(PREFORK, rabbitmq, tmp_path, [8, 8]) as stand:
        running = hook(stand, grace=SHORT * 2)
        assert running.wait(within=IN_TIME) == -signal.SIGALRM, running.tail()
        assert shown(stand)
        assert stand.ledger.read().running()
        left_well(stand)


@pytest.mark.soak
def test_a_broker_that_comes_back_is_asked_again(fragile: RabbitMQ, tmp_path: Path) -> None:
    with standing(PREFORK, fragile, tmp_path, [20, 20]) as stand:
        running = hook(stand)
        wait_until(lambda: shown(stand), within=SOON, describe=running.tail)
        fragile.kill()
        fragile.start()
        assert running.wait(within=SOON) == 0, running.tail()
        assert len(stand.ledger.read().ids("end")) == 2
        left_well(stand)

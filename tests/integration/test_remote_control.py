"""What real Celery workers say of themselves, and what asking them leaves on a real broker: nothing."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.celery_versions import interpreter
from tests.support.celery_workers import Application, running
from tests.support.controlplane import REPOSITORY
from tests.support.pace import takes_at_most
from tests.support.ports import LOOPBACK, free_port
from tests.support.processes import Process
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from utilitarian import routing
from utilitarian.celery import build
from utilitarian.settings import Settings
from utilitarian_operator.adapters.broker.timing import (
    Clock,
)
from utilitarian_operator.adapters.broker.workers.remote_control import RemoteControl
from utilitarian_operator.adapters.intervals import (
    Intervals,
)
from utilitarian_operator.core.observation.model.pod import WorkerLoad
from utilitarian_operator.errors import BrokerUnreachable, LoginRefused, RightMissing

EVERY_RABBITMQ = True
SOON = timedelta(seconds=30)
GIVEN_UP_WITHIN_S = 6.0
QUEUE = routing.DEFAULT_QUEUE
FLAGS = ("--prefetch-multiplier=1", "--without-gossip", "--without-mingle", "--without-heartbeat")
IDLE = WorkerLoad(active=0, acked_early=0, reserved=0, scheduled=0)
LONG = {"distribution": "fixed", "seconds": 600}
LATE = {"UTILITARIAN_ACKS_LATE": "true"}


@pytest.fixture
def control(rabbitmq: RabbitMQ, vhost: str) -> Iterator[RemoteControl]:
    with closing(RemoteControl(rabbitmq.amqp_url(vhost))) as made:
        yield made


@pytest.fixture
def application(rabbitmq: RabbitMQ, vhost: str, tmp_path: Path) -> Application:
    return Application(rabbitmq.amqp_url(vhost), tmp_path)


def worker(application: Application, name: str, **options: object) -> Process:
    return application.worker(name, *FLAGS, queues=[QUEUE], execution="threads", **options)


def send(application: Application, count: int, *, eta: datetime | None = None) -> None:
    """Tasks of ten minutes: the worker is killed with them."""
    app = build(Settings())
    with app.connection_for_write(application.broker_url) as connection, app.amqp.Producer(connection) as producer:
        for _ in range(count):
            app.send_task(
                routing.WORK_TASKS[QUEUE],
                kwargs={"duration": LONG},
                eta=eta,
                task_id=str(uuid.uuid4()),
                producer=producer,
            )


def held(control: RemoteControl, *nodes: str) -> dict[str, WorkerLoad]:
    """The counts alone."""
    said = control.holdings(nodes)
    return {
        node: WorkerLoad(held.active, held.acked_early, held.reserved, held.scheduled) for node, held in said.items()
    }


def wait_held(control: RemoteControl, expected: dict[str, WorkerLoad]) -> None:
    wait_until(
        lambda: held(control, *expected) == expected, within=SOON, describe=lambda: control.holdings(sorted(expected))
    )


def queues_and_connections(rabbitmq: RabbitMQ, vhost: str) -> tuple[set[str], list[str]]:
    rows = rabbitmq.api("GET", f"/api/vhosts/{quote(vhost, safe='')}/connections")
    names = [row["client_properties"].get("connection_name", "") for row in rows]
    return rabbitmq.queues(vhost), [name for name in names if name.startswith("utilitarian-operator")]


@pytest.mark.parametrize(
    "limit, says",
    [
        ("vhost-limits/{vhost}/max-queues", "makes no more queues: the limit of the vhost is reached"),
        ("user-limits/{user}/max-channels", "opens no more channels: the limit of its user is reached"),
    ],
)
def test_a_limit_that_keeps_workers_from_being_asked_is_named(
    rabbitmq: RabbitMQ, vhost: str, limit: str, says: str
) -> None:
    user = f"limited-in-{vhost}"
    rabbitmq.make_user(user, "hunter2")
    rabbitmq.grant(user, vhost)
    path = f"/api/{limit.format(vhost=vhost, user=user)}"
    rabbitmq.api("PUT", path, {"value": 0})
    try:
        url = rabbitmq.amqp_url(vhost).replace(f"{rabbitmq.user}:{rabbitmq.password}", f"{user}:hunter2")
        with closing(RemoteControl(url)) as control, pytest.raises(BrokerUnreachable, match=f"{says}; raise it"):
            control.holdings(["celery@one"])
    finally:
        rabbitmq.api("DELETE", path)


ONE_AT_A_TIME = """
from kombu import Queue

from utilitarian.celery import app

app.conf.task_queues = [Queue("orders", queue_arguments={arguments})]
"""
"""An application whose workers take turns at its queue."""


@pytest.mark.parametrize("kind, counted", [("classic", 2), ("quorum", 1)])
def test_of_a_queue_that_serves_one_consumer_at_a_time_the_workers_say_so(
    rabbitmq: RabbitMQ, vhost: str, tmp_path: Path, control: RemoteControl, kind: str, counted: int
) -> None:
    """A quorum queue counts none of those that wait for their turn."""
    arguments = {"x-single-active-consumer": True, "x-queue-type": kind}
    (tmp_path / "turns.py").write_text(ONE_AT_A_TIME.format(arguments=arguments))
    path = {"PYTHONPATH": f"{tmp_path}:{REPOSITORY / 'worker'}:{REPOSITORY}"}
    application = Application(rabbitmq.amqp_url(vhost), tmp_path, env=path, module="turns")
    nodes = ["celery@one", "celery@two"]
    with running(*(application.worker(it, *FLAGS, queues=["orders"], execution="solo") for it in ("one", "two"))):
        said = control.holdings(nodes, queues=True)
        assert {it: (held.consuming, held.single) for it, held in said.items()} == {
            it: (("orders",), frozenset({"orders"})) for it in nodes
        }
        assert rabbitmq.depth(vhost, "orders").consumers == counted


def test_an_idle_worker_and_what_it_holds_with_early_acknowledgement(
    application: Application, control: RemoteControl, rabbitmq: RabbitMQ, vhost: str
) -> None:
    with running(worker(application, "early")) as (acked_early,):
        assert held(control, "celery@early") == {"celery@early": IDLE}
        queues, _ = queues_and_connections(rabbitmq, vhost)
        send(application, 5)
        # Two run and are forgotten by the broker, two are prefetched, one waits in the queue.
        wait_held(control, {"celery@early": WorkerLoad(active=2, acked_early=2, reserved=2, scheduled=0)})
        assert rabbitmq.depth(vhost, QUEUE).ready == 1
        control.close()
        left = queues - {name for name in queues if name.endswith("reply.celery.pidbox")}
        wait_until(
            lambda: queues_and_connections(rabbitmq, vhost) == (left, []),
            within=SOON,
            describe=lambda: (queues_and_connections(rabbitmq, vhost), left),
        )
        acked_early.kill()


def test_what_a_worker_holds_with_late_acknowledgement_is_unacked(
    application: Application, control: RemoteControl, rabbitmq: RabbitMQ, vhost: str
) -> None:
    with running(worker(application, "late", env=LATE)) as (late,):
        send(application, 3)
        wait_held(control, {"celery@late": WorkerLoad(active=2, acked_early=0, reserved=0, scheduled=0)})
        holding = control.holdings(["celery@late"])["celery@late"]
        assert (holding.unacked, rabbitmq.totals(vhost)[QUEUE].unacked) == (2, 2)
        late.kill()


def test_tasks_for_later_wait_in_the_worker(application: Application, control: RemoteControl) -> None:
    with running(worker(application, "eta")) as (eta,):
        send(application, 2, eta=datetime.now(UTC) + timedelta(hours=1))
        wait_held(control, {"celery@eta": WorkerLoad(active=0, acked_early=0, reserved=0, scheduled=2)})
        assert not control.holdings(["celery@eta"])["celery@eta"].nothing
        eta.kill()


@pytest.mark.soak
@pytest.mark.parametrize("execution", ["prefork", "threads", "gevent", "solo"])
def test_each_kind_of_worker_answers_while_it_is_busy_but_one_of_a_single_thread(
    application: Application, control: RemoteControl, rabbitmq: RabbitMQ, vhost: str, execution: str
) -> None:
    application.python = interpreter("5.7")
    busy = application.worker("busy", *FLAGS, queues=[QUEUE], execution=execution)
    with running(busy):
        send(application, 2)
        if execution == "solo":
            wait_until(lambda: rabbitmq.depth(vhost, QUEUE) == (0, 1), within=SOON)
            wait_until(lambda: control.holdings(["celery@busy"]) == {}, within=SOON)
            assert control.holdings(["celery@busy"]) == {}
        else:
            wait_held(control, {"celery@busy": WorkerLoad(active=2, acked_early=2, reserved=0, scheduled=0)})
        busy.kill()


def test_messages_that_wait_for_a_rate_limit_are_never_taken_for_none(
    application: Application, control: RemoteControl, rabbitmq: RabbitMQ, vhost: str
) -> None:
    """No answer of the worker has them: that it runs tasks with such a limit has to be known."""
    app = build(Settings())
    app.conf.broker_url = application.broker_url
    with running(worker(application, "limited")) as (limited,):
        assert not control.holdings(["celery@limited"], learning=True)["celery@limited"].limited
        app.control.rate_limit(routing.WORK_TASKS[QUEUE], "1/h", reply=True)
        app.pool.force_close_all()
        send(application, 4)
        wait_until(
            lambda: rabbitmq.totals(vhost)[QUEUE] == (1, 2), within=SOON, describe=lambda: rabbitmq.totals(vhost)
        )
        with closing(RemoteControl(application.broker_url)) as anew:
            said = anew.holdings(["celery@limited"], learning=True)["celery@limited"]
        assert (said.active, said.reserved, said.limited) == (1, 0, True)
        limited.kill()


def test_a_closer_look_tells_what_runs_and_what_was_begun(application: Application, control: RemoteControl) -> None:
    with running(worker(application, "one")) as (one,):
        send(application, 3)
        wait_held(control, {"celery@one": WorkerLoad(active=2, acked_early=2, reserved=1, scheduled=0)})
        word = control.words(["celery@one", "celery@none"])["celery@one"]
        assert (word.begun, word.active, word.mean, word.alone) == (2, 2, 2.0, False)
        assert word.up_s is not None
        one.kill()


def test_only_who_is_asked_and_answers_is_in_the_answer(application: Application, control: RemoteControl) -> None:
    workers = [worker(application, name) for name in ("one", "two", "three")]
    with running(*workers) as (one, two, three):
        names = ["celery@one", "celery@two"]
        assert held(control, *names) == dict.fromkeys(names, IDLE)
        two.pause()
        assert held(control, *names) == {"celery@one": IDLE}
        assert held(control, *names, "celery@none") == {"celery@one": IDLE}
        two.resume()
        wait_held(control, dict.fromkeys(names, IDLE))
        # What came too late was thrown away: it holds the arguments of tasks.
        assert not control._mailbox.unclaimed
        two.kill()
        assert held(control, *names) == {"celery@one": IDLE}
        one.kill()
        three.kill()


def test_every_worker_of_the_broker_is_asked_for_its_queues(application: Application, control: RemoteControl) -> None:
    with running(worker(application, "known"), worker(application, "stranger")) as (known, stranger):
        assert control.consuming() == {"celery@known": (QUEUE,), "celery@stranger": (QUEUE,)}
        known.kill()
        stranger.kill()
        assert control.consuming() == {}


def test_asking_no_worker_costs_no_connection(rabbitmq: RabbitMQ, vhost: str, control: RemoteControl) -> None:
    assert control.holdings([]) == {}
    assert queues_and_connections(rabbitmq, vhost) == (set(), [])


def test_an_unused_connection_is_idle(rabbitmq: RabbitMQ, vhost: str) -> None:
    passed = 0.0
    clock = Clock(monotonic=lambda: time.monotonic() + passed)
    with closing(RemoteControl(rabbitmq.amqp_url(vhost), every=Intervals(idle_s=60.0), clock=clock)) as control:
        assert not control.idle
        control.holdings(["celery@none"])
        assert not control.idle
        passed = 61.0
        assert control.idle
        control.close()
        assert not control.idle


def test_an_answer_does_not_wait_out_its_time(application: Application, control: RemoteControl) -> None:
    with running(worker(application, "quick")) as (quick,):
        control.holdings(["celery@quick"])
        with takes_at_most(1.0):
            control.holdings(["celery@quick"])
        quick.kill()


def url(rabbitmq: RabbitMQ, user: str, vhost: str) -> str:
    return f"amqp://{user}:hunter2@{LOOPBACK}:{rabbitmq.amqp_port}/{quote(vhost, safe='')}"


def test_a_user_without_rights_on_the_mailbox_is_told_which(rabbitmq: RabbitMQ, vhost: str) -> None:
    rabbitmq.make_user("reader", "hunter2")
    rabbitmq.grant("reader", vhost, configure="^$", write="^$", read="^utilitarian")
    with closing(RemoteControl(url(rabbitmq, "reader", vhost))) as control:
        with pytest.raises(RightMissing, match=r"celery\.pidbox") as missing:
            control.holdings(["celery@a"])
        assert "configure, write and read" in str(missing.value)


def test_a_wrong_password_is_a_refused_login(rabbitmq: RabbitMQ, vhost: str) -> None:
    with closing(RemoteControl(url(rabbitmq, "stranger", vhost))) as control:
        with pytest.raises(LoginRefused) as refused:
            control.holdings(["celery@a"])
        assert "hunter2" not in str(refused.value)


def given_up(control: RemoteControl) -> None:
    with takes_at_most(GIVEN_UP_WITHIN_S), pytest.raises(BrokerUnreachable):
        control.holdings(["celery@a"])


def test_a_word_to_a_worker_is_not_repeated_for_ever_on_a_dead_connection(fragile: RabbitMQ) -> None:
    with closing(RemoteControl(fragile.amqp_url())) as control:
        control.cancel_consumers("celery@none", ["queue"])
        fragile.kill()
        try:
            with takes_at_most(GIVEN_UP_WITHIN_S), pytest.raises(BrokerUnreachable):
                control.cancel_consumers("celery@none", ["queue"])
        finally:
            fragile.start()
        control.cancel_consumers("celery@none", ["queue"])


def test_a_broker_that_is_not_there_is_said_at_once() -> None:
    with closing(RemoteControl(f"amqp://u:p@{LOOPBACK}:{free_port()}//")) as control:
        given_up(control)


@pytest.mark.parametrize(
    "gone,back",
    [
        pytest.param(RabbitMQ.pause, RabbitMQ.resume, id="frozen"),
        pytest.param(RabbitMQ.kill, RabbitMQ.start, id="dead", marks=pytest.mark.soak),
    ],
)
def test_a_broker_that_goes_away_between_two_questions_is_given_up(
    fragile: RabbitMQ, gone: Callable[[RabbitMQ], None], back: Callable[[RabbitMQ], object]
) -> None:
    with closing(RemoteControl(fragile.amqp_url())) as control:
        assert control.holdings(["celery@none"]) == {}
        gone(fragile)
        try:
            given_up(control)
            given_up(control)
        finally:
            back(fragile)
        wait_until(lambda: control.holdings(["celery@none"]) == {}, within=SOON, ignoring=(BrokerUnreachable,))


def test_an_answer_that_is_no_json_is_never_decoded_and_costs_the_others_nothing(
    application: Application, control: RemoteControl
) -> None:
    """One such worker made the whole broker's workers unknown: its answer ended the asking of all."""
    strange = application.worker("strange", "--", "task_serializer=yaml", queues=[QUEUE])
    with running(worker(application, "plain"), strange):
        wait_held(control, {"celery@plain": IDLE})
        assert control.holdings(["celery@plain", "celery@strange"], queues=True).keys() == {"celery@plain"}
        assert control.unreadable == {"application/x-yaml"}
        assert "celery@plain" in control.consuming()
        assert control.holdings(["celery@plain"]).keys() == {"celery@plain"}
        assert control.unreadable == frozenset()


def test_workers_of_another_control_exchange_are_asked_and_told_there(application: Application) -> None:
    elsewhere = application.worker("elsewhere", "--", "control_exchange=shop", queues=[QUEUE])
    with running(elsewhere), closing(RemoteControl(application.broker_url, exchange="shop")) as control:
        wait_until(lambda: control.holdings(["celery@elsewhere"]).keys() == {"celery@elsewhere"}, within=SOON)
        control.cancel_consumers("celery@elsewhere", [QUEUE])
        wait_until(lambda: control.consuming().get("celery@elsewhere") == (), within=SOON)
        with closing(RemoteControl(application.broker_url)) as at_celerys:
            assert at_celerys.holdings(["celery@elsewhere"]) == {}

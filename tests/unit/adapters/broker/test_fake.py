"""The fake broker keeps the contract of a broker, and ages, fails and empties as a test says."""

import pytest

from tests.support.broker_contract import BrokerContract
from tests.support.fake_broker_stage import FakeStage
from utilitarian_operator.adapters.broker.bounded.brokers import Brokers
from utilitarian_operator.adapters.broker.fake import FakeBroker, FakeRabbitMQ
from utilitarian_operator.adapters.broker.session import Credentials
from utilitarian_operator.core.observation.broker import Depth, Questions
from utilitarian_operator.errors import BrokerUnreachable

ONE, TWO = Credentials("amqp://one"), Credentials("amqp://two")


@pytest.fixture
def stage() -> FakeStage:
    return FakeStage()


class TestFakeBroker(BrokerContract):
    """On the fake."""


@pytest.mark.parametrize(
    "acks_late, waiting, left, back",
    [pytest.param(False, 2, 3, 6, id="at their start"), pytest.param(True, 3, 2, 7, id="at their end")],
)
def test_a_worker_takes_the_next_as_it_ends_tasks_and_what_it_had_not_acknowledged_comes_back(
    *, acks_late: bool, waiting: int, left: int, back: int
) -> None:
    place = FakeRabbitMQ()
    worker = place.start("celery@one", "q", acks_late=acks_late)
    place.publish("q", 9)
    place.finish("celery@one", 1)
    place.finish("celery@one", 1)
    assert (place.depth("q"), worker.load.active, worker.load.begun) == (Depth(waiting, 1), 1, 3)
    assert (place.counted()["q"].left, place.counted()["q"].unacked) == (left, 4)
    place.stop("celery@one")
    assert place.depth("q") == Depth(back, 0)


@pytest.mark.parametrize("silenced", ["worker", "broker"])
def test_what_a_worker_said_ages_while_it_or_its_broker_is_silent(silenced: str) -> None:
    now = 100.0
    broker = FakeBroker(clock=lambda: now)
    worker = broker.place.start("celery@one", "q")
    broker.ask("fleet", Questions(now=frozenset({"celery@one"})))
    assert broker.known.answer("celery@one", 100.0) == worker.load
    worker.silent = silenced == "worker"
    broker.place.failure = BrokerUnreachable("no answer") if silenced == "broker" else None
    now = 105.0
    assert broker.known.answer("celery@one", 104.0) is None
    assert broker.known.answer("celery@one", 100.0) == worker.load


async def test_a_session_is_asked_no_more_for_a_fleet_that_left_and_closed_when_the_last_has() -> None:
    made: dict[Credentials, FakeBroker] = {}
    brokers = Brokers(lambda credentials: made.setdefault(credentials, FakeBroker()))
    for fleet in ("stays", "goes"):
        brokers.session(ONE, "ns").ask(fleet, Questions(around=True))
    await brokers.keep_only({"stays": ONE, "goes": ONE})
    await brokers.keep_only({"stays": ONE, "goes": TWO})
    assert (list(made[ONE].questions), made[ONE].closed) == (["stays"], False)
    await brokers.keep_only({"goes": TWO})
    assert made[ONE].closed
    assert brokers.cluster(ONE) is None

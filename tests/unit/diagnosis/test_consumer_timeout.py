"""What is advised where a worker probably holds a message for longer than the broker lets it."""

from datetime import timedelta

import pytest

from tests.support.pools import NOW, fleet
from utilitarian_operator.core.diagnosis.consumer_timeout import timeout_advice
from utilitarian_operator.core.observation.broker_settings import BrokerSettings, QueueSettings
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Missing, Present
from utilitarian_operator.core.sizing.memory import Memory

CLASSIC, QUORUM = QueueSettings("classic"), QueueSettings("quorum")
MINUTE_LONG = QueueSettings("classic", {"consumer-timeout": 60_000})
HOUR = timedelta(hours=1)


def advised(
    version: str | None,
    queue: QueueSettings | None = None,
    longest: float = 0.0,
    *,
    fetches: int = 1,
    due: timedelta | None = None,
    missing: bool = False,
) -> tuple[str, ...]:
    """What is said of a pool of two queues, of which the first is declared so and the other is missing.

    Its tasks take five minutes on average.
    """
    (pool,) = fleet({"name": "p", "queues": ["q", "r"], "worker": {"prefetchMultiplier": fetches}}).pools
    held = WorkerLoad(0, 0, 0, int(due is not None), first_due=None if due is None else NOW + due)
    pod = PodSnapshot("a", ready=True, running=True, leaving=False, held=held)
    seen = PoolSnapshot({"q": Missing() if missing else Present(0, 1), "r": Missing()}, 0, (pod,), 1)
    memory = Memory(longest_s=longest, slot_seconds=300_000.0, completions=1000)
    settings = BrokerSettings(version, None, {} if queue is None else {"q": queue})
    return tuple(timeout_advice(pool, seen, memory, settings, NOW))


@pytest.mark.parametrize(
    "said, found",
    [
        pytest.param(advised("3.10.8", CLASSIC, 1500), "unless rabbitmq.conf says otherwise", id="a long task"),
        pytest.param(advised("3.10.8", None, 1500), "consumer_timeout is 30m", id="without the management API"),
        pytest.param(advised("4.3.6", QUORUM, 1500), "the longest task took", id="a quorum queue of 4.3"),
        pytest.param(advised("4.0.5", MINUTE_LONG, 50), "; its consumer_timeout is 1m", id="its own"),
        pytest.param(advised("3.10.8", CLASSIC, 600, fetches=4), "or worker.prefetchMultiplier 1", id="behind others"),
        pytest.param(advised("3.10.8", CLASSIC, due=HOUR), "a task waits in worker a for a time", id="a later time"),
    ],
)
def test_a_message_that_is_held_for_too_long_is_said(said: tuple[str, ...], found: str) -> None:
    (sentence,) = said
    assert sentence.startswith("pool p, queue q: ")
    assert found in sentence


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(advised(None, QUORUM, 9000), id="an unknown version"),
        pytest.param(advised("next", QUORUM, 9000), id="a version that is none"),
        pytest.param(advised("3.10.8", CLASSIC, 600), id="short tasks"),
        pytest.param(advised("3.10.8", CLASSIC, 60, fetches=4), id="short tasks behind others"),
        pytest.param(advised("3.10.8", CLASSIC, due=HOUR / 3), id="soon enough"),
        pytest.param(advised("3.10.8", CLASSIC, 9000, missing=True), id="no queue"),
        pytest.param(advised("4.3.1", CLASSIC, 9000, due=HOUR), id="no timeout on classic queues from 4.3 on"),
        pytest.param(advised("4.3.1", None, 9000, due=HOUR), id="from 4.3 on, and the kind of the queue is not known"),
        pytest.param(advised("4.0.5", QueueSettings("quorum", {"consumer-timeout": 10**14}), 9000), id="never"),
    ],
)
def test_nothing_is_said_where_all_is_well_or_nothing_is_known(said: tuple[str, ...]) -> None:
    assert said == ()

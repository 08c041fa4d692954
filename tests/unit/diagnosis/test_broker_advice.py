"""What is advised of a broker's settings; nothing on what is not known."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.pools import NOW, fleet
from utilitarian_operator.core.diagnosis.broker_advice import MOST, advice
from utilitarian_operator.core.observation.broker_settings import TOO_LARGE, BrokerSettings, QueueSettings
from utilitarian_operator.core.observation.expiring import Expiring
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present
from utilitarian_operator.core.sizing.memory import Memory

FLEET = fleet({"name": "p", "queues": ["q"], "worker": {"prefetchMultiplier": 4}, "scaling": {"drainWithin": "10m"}})
EARLY = WorkerLoad(1, 1, 3, 0)
QUORUM, CLASSIC = QueueSettings("quorum"), QueueSettings("classic")


def shown(
    version: str | None, queue: QueueSettings | None = None, *, celery: str | None = None, longest: float = 0.0
) -> tuple[str, ...]:
    settings = BrokerSettings(version, celery, {} if queue is None else {"q": queue})
    snapshot = FleetSnapshot(NOW, {"p": PoolSnapshot({"q": Present(0, 0)}, 0)}, about=settings)
    return advice(FLEET, snapshot, {"p": Memory(longest_s=longest)})


def having(queue: QueueSettings, **settings: object) -> QueueSettings:
    return replace(queue, settings={name.replace("_", "-"): value for name, value in settings.items()})


@pytest.mark.parametrize(
    "version, queue, longest, said",
    [
        pytest.param("4.0.5", QUORUM, 0, "dropped after 20 deliveries", id="the limit of 4.0"),
        pytest.param("3.10.8", having(QUORUM, delivery_limit=5), 0, "dropped after 5 deliveries", id="a limit"),
        pytest.param("3.10.8", having(CLASSIC, single_active_consumer=True), 0, "scaling.max is 10", id="one consumer"),
        pytest.param("3.10.8", having(CLASSIC, auto_delete=True), 0, "with its last consumer", id="auto-delete"),
        pytest.param("3.10.8", having(CLASSIC, expires=3_600_000), 0, "was not used for 1h (expires)", id="expires"),
    ],
)
def test_it_is_advised(version: str, queue: QueueSettings, longest: float, said: str) -> None:
    (sentence,) = shown(version, queue, longest=longest)
    assert sentence.startswith("pool p, queue q: ")
    assert said in sentence


def test_that_a_queue_serves_one_consumer_at_a_time_is_known_without_the_management_api() -> None:
    snapshot = FleetSnapshot(NOW, {"p": PoolSnapshot({"q": Present(0, 1, single=True)}, 0)})
    (sentence,) = advice(FLEET, snapshot, {})
    assert sentence.startswith("pool p, queue q: only one consumer at a time gets messages")


@pytest.mark.parametrize(
    "version, queue, longest",
    [
        pytest.param(None, QUORUM, 9000, id="an unknown version"),
        pytest.param("next", QUORUM, 0, id="a version that is none"),
        pytest.param("4.0.5", None, 0, id="an unknown queue"),
        pytest.param("3.10.8", QUORUM, 0, id="no limit before 4.0"),
        pytest.param("4.0.5", having(QUORUM, dead_letter_exchange="dlx"), 0, id="dead letters"),
        pytest.param("4.0.5", having(QUORUM, delivery_limit=-1), 0, id="no limit by its own word"),
    ],
)
def test_nothing_is_said_of_what_is_well_or_unknown(version: str | None, queue: QueueSettings, longest: float) -> None:
    assert shown(version, queue, longest=longest) == ()


@pytest.mark.parametrize(
    "version, celery, count",
    [("4.3.6", "5.6.3", 1), ("4.3.6", "5.7.0", 0), ("4.2.0", "5.6.3", 0), ("4.3.6", None, 0), (None, "5.6.3", 0)],
)
def test_the_broker_is_compared_with_celery(version: str | None, celery: str | None, count: int) -> None:
    assert len(shown(version, celery=celery)) == count


@pytest.mark.parametrize(
    "version, celery, silent_for, count",
    [("4.3.6", None, 30, 1), ("4.3.6", None, 29, 0), ("4.2.0", None, 30, 0), ("4.3.6", "5.7.0", 30, 0)],
)
def test_workers_that_the_broker_may_not_let_answer_are_told(
    version: str, celery: str | None, silent_for: float, count: int
) -> None:
    silent = Unknown("worker a does not answer", NOW - timedelta(seconds=silent_for))
    pod = PodSnapshot("a", ready=True, running=True, leaving=False, held=silent)
    pools = {"p": PoolSnapshot({"q": Present(0, 1)}, 0, (pod,), 1)}
    found = advice(FLEET, FleetSnapshot(NOW, pools, about=BrokerSettings(version, celery)), {})
    assert len(found) == count
    assert all("workers of which none answers" in sentence for sentence in found)


@pytest.mark.parametrize(
    "delayed, due, count",
    [
        pytest.param(0, timedelta(minutes=1), 1, id="it is set up, and not for this queue"),
        pytest.param(7, timedelta(seconds=1), 0, id="the broker handed it over in its last second"),
        pytest.param(None, timedelta(minutes=1), 0, id="it is not set up"),
        pytest.param(7, None, 0, id="none waits in a worker"),
    ],
)
def test_tasks_that_wait_in_a_worker_although_the_broker_would_keep_them_are_told(
    delayed: int | None, due: timedelta | None, count: int
) -> None:
    held = WorkerLoad(0, 0, 0, int(due is not None), first_due=due and NOW + due)
    pod = PodSnapshot("a", ready=True, running=True, leaving=False, held=held)
    about = BrokerSettings(delayed=delayed)
    snapshot = FleetSnapshot(NOW, {"p": PoolSnapshot({"q": Present(0, 1)}, 0, (pod,), 1)}, about=about)
    assert len(advice(FLEET, snapshot, {})) == count


@pytest.mark.parametrize(
    "held, longest, count", [(EARLY, 700, 1), (EARLY, 500, 0), (replace(EARLY, acked_early=0), 700, 0)], ids=str
)
def test_messages_behind_long_tasks_are_told_where_tasks_are_acknowledged_early(
    held: WorkerLoad, longest: float, count: int
) -> None:
    pod = PodSnapshot("a", ready=True, running=True, leaving=False, held=Unknown("", NOW), sample=held)
    snapshot = FleetSnapshot(NOW, {"p": PoolSnapshot({"q": Present(0, 1)}, 0, (pod,), 1)})
    assert len(advice(FLEET, snapshot, {"p": Memory(longest_s=longest)})) == count


def test_tasks_that_no_worker_will_ever_begin_are_told_of_one_worker() -> None:
    held = replace(EARLY, active=0, acked_early=0, never_begun=2)
    pods = tuple(PodSnapshot(name, ready=True, running=True, leaving=False, held=held) for name in ("a", "b"))
    (sentence,) = advice(FLEET, FleetSnapshot(NOW, {"p": PoolSnapshot({"q": Present(0, 2)}, 0, pods)}), {})
    assert "worker a calls 2 tasks active" in sentence


def test_there_is_not_too_much_of_it() -> None:
    many = fleet(*({"name": f"p{number}"} for number in range(50)))
    queues = {pool.queues[0]: QUORUM for pool in many.pools}
    pools = {pool.name: PoolSnapshot({pool.queues[0]: Present(0, 0)}, 0) for pool in many.pools}
    about = BrokerSettings("4.0.5", None, queues)
    assert len(advice(many, FleetSnapshot(NOW, pools, about=about), {})) == MOST


DIRECT, BROADCAST = "celery@p-1.dq2", "bcast.0b5a"


@pytest.mark.parametrize(
    "own, passing, said",
    [
        pytest.param({DIRECT}, set(), True, id="worker_direct"),
        pytest.param({DIRECT, BROADCAST}, {BROADCAST}, True, id="beside one that goes with its worker"),
        pytest.param({BROADCAST}, {BROADCAST}, False, id="Broadcast"),
        pytest.param(set(), {"q"}, False, id="a shared one that goes with the last"),
    ],
)
def test_queues_that_workers_leave_behind_are_named(own: set[str], passing: set[str], said: bool) -> None:
    word = WorkerLoad(0, 0, 0, 0, consuming=("q", *sorted(own)), own=frozenset(own), passing=frozenset(passing))
    pod = PodSnapshot("p-1", ready=True, running=True, leaving=False, held=word)
    found = advice(FLEET, FleetSnapshot(NOW, {"p": PoolSnapshot({"q": Present(0, 1)}, 0, (pod,), 1)}), {})
    assert [f"stays on the broker for ever when the worker is gone ({DIRECT}" in it for it in found] == [True] * said


def mute_pool(seconds: int, **more: object) -> FleetSnapshot:
    silent = Unknown("does not answer", NOW - timedelta(seconds=seconds))
    pods = tuple(PodSnapshot(f"p-{n}", ready=True, running=True, leaving=False, held=silent) for n in range(3))
    return FleetSnapshot(NOW, {"p": PoolSnapshot({"q": Present(0, 3)}, 0, pods, 3)}, **more)  # type: ignore[arg-type]


IN_PICKLE = BrokerSettings(unreadable=frozenset({"application/x-python-serialize"}))


@pytest.mark.parametrize(
    "look, said",
    [
        pytest.param(
            mute_pool(300),
            ["json in accept_content", "controlExchange names (celery)", "worker_enable_remote_control on"],
            id="three causes",
        ),
        pytest.param(mute_pool(300, about=IN_PICKLE), ["answers come in pickle", "task_serializer"], id="in pickle"),
        pytest.param(mute_pool(299), None, id="not yet"),
        pytest.param(mute_pool(300, mute=Unknown("refused", NOW)), None, id="no worker can be asked"),
    ],
)
def test_what_keeps_all_workers_of_a_pool_from_answering_is_named(look: FleetSnapshot, said: list[str] | None) -> None:
    """Three workers were kept for good with "does not answer" and no cause."""
    found = advice(FLEET, look, {})
    assert [it.startswith("pool p: none of its 3 workers answers, so none is taken away; ") for it in found] == (
        [] if said is None else [True]
    )
    assert [words for words in said or () if words not in found[0]] == []


def with_silent_ones(
    seconds: int, *names: str, unreadable: str = TOO_LARGE, mute: Unknown | None = None
) -> FleetSnapshot:
    """A pool of three workers, of which some are silent."""
    word = WorkerLoad(0, 0, 0, 0, consuming=("q",))
    silent = Unknown("does not answer", NOW - timedelta(seconds=seconds))
    pods = tuple(
        PodSnapshot(it, ready=True, running=True, leaving=False, held=silent if it in names else word)
        for it in ("p-1", "p-2", "p-3")
    )
    about = BrokerSettings(unreadable=frozenset({unreadable}))
    return FleetSnapshot(NOW, {"p": PoolSnapshot({"q": Present(0, 3)}, 0, pods, 3)}, about=about, mute=mute)


@pytest.mark.parametrize(
    "look, said",
    [
        pytest.param(with_silent_ones(30, "p-2"), "p-2", id="one"),
        pytest.param(with_silent_ones(30, "p-3", "p-2"), "p-2, p-3", id="two"),
        pytest.param(with_silent_ones(29, "p-2"), None, id="not yet"),
        pytest.param(with_silent_ones(30), None, id="all answer"),
        pytest.param(with_silent_ones(30, "p-2", unreadable="application/x-yaml"), None, id="none was too large"),
        pytest.param(with_silent_ones(30, "p-2", mute=Unknown("refused", NOW)), None, id="no worker can be asked"),
        pytest.param(with_silent_ones(299, "p-1", "p-2", "p-3"), None, id="all are silent, which is said later"),
    ],
)
def test_workers_whose_answer_is_probably_too_large_are_named_beside_others(
    look: FleetSnapshot, said: str | None
) -> None:
    """Nothing named the worker for which a pool did not go down."""
    found = advice(FLEET, look, {})
    assert [it.endswith(f"are not taken away: {said}") for it in found] == ([] if said is None else [True])


@pytest.mark.parametrize(
    "partly, seconds, said",
    [
        pytest.param(["p-2"], 30, ["p-2"], id="one"),
        pytest.param(["p-2"], 29, [], id="not yet"),
        pytest.param(["p-1"], 30, [], id="another one"),
        pytest.param(["p-1", "p-2", "p-3"], 300, ["p-1, p-2, p-3"], id="all, of whom none is called silent"),
    ],
)
def test_workers_that_say_their_queues_and_not_what_they_hold_are_named(
    partly: list[str], seconds: int, said: list[str]
) -> None:
    about = BrokerSettings(partly=frozenset(f"celery@{it}" for it in partly))
    look = replace(with_silent_ones(seconds, *({"p-2"} | set(partly if len(partly) > 1 else ()))), about=about)
    found = advice(FLEET, look, {})
    assert [it.rpartition("busy meanwhile: ")[2] for it in found] == said


@pytest.mark.parametrize(
    "rabbitmq, celery, delayed, said",
    [
        pytest.param("3.13.7", "5.5.3", 3, True, id="both are old"),
        pytest.param("4.0.0", "5.6.2", 0, True, id="the last of both"),
        pytest.param("4.0.1", "5.5.3", 3, False, id="a newer broker"),
        pytest.param("3.13.7", "5.6.3", 3, False, id="a newer Celery"),
        pytest.param("3.13.7", "5.5.3", None, False, id="no task waits in the broker"),
        pytest.param("3.13.7", None, 3, False, id="Celery is not known"),
        pytest.param(None, "5.5.3", 3, False, id="the broker is not known"),
    ],
)
def test_releases_of_which_one_drops_tasks_that_are_retried_are_named(
    rabbitmq: str | None, celery: str | None, delayed: int | None, said: bool
) -> None:
    about = BrokerSettings(rabbitmq, celery, delayed=delayed)
    snapshot = FleetSnapshot(NOW, {"p": PoolSnapshot({"q": Present(0, 0)}, 0)}, about=about)
    found = [it for it in advice(FLEET, snapshot, {}) if "may be dropped without a word" in it]
    assert bool(found) is said


@pytest.mark.parametrize("settings", [{"auto_delete": True}, {"expires": 1000}])
def test_a_queue_that_goes_without_consumers_is_safe_where_one_always_stays(settings: dict[str, object]) -> None:
    awake = fleet({"name": "p", "queues": ["q"], "scaling": {"min": 1}})
    about = BrokerSettings("3.10.8", None, {"q": having(CLASSIC, **settings)})
    snapshot = FleetSnapshot(NOW, {"p": PoolSnapshot({"q": Present(0, 0)}, 0)}, about=about)
    assert advice(awake, snapshot, {}) == ()


@pytest.mark.parametrize(
    "proxies, leaving, said",
    [
        pytest.param(["istio-proxy", "istio-proxy"], False, "sidecar.istio.io/nativeSidecar", id="Istio's, once"),
        pytest.param(["linkerd-proxy"], False, "proxy-enable-native-sidecar", id="Linkerd's"),
        pytest.param(["", "istio-proxy"], False, "sidecar.istio.io/nativeSidecar", id="of one pod, in a rollout"),
        pytest.param(["istio-proxy"], True, None, id="a pod that ends"),
        pytest.param(["", ""], False, None, id="none"),
    ],
)
def test_a_mesh_whose_proxy_ends_before_the_worker_is_named_with_what_mends_it(
    proxies: list[str], leaving: bool, said: str | None
) -> None:
    word = WorkerLoad(0, 0, 0, 0, consuming=("q",))
    pods = tuple(
        PodSnapshot(f"p-{n}", ready=True, running=True, leaving=leaving, held=word, early_proxy=it)
        for n, it in enumerate(proxies)
    )
    found = advice(FLEET, FleetSnapshot(NOW, {"p": PoolSnapshot({"q": Present(0, 1)}, 0, pods, 1)}), {})
    assert [it.startswith("pool p: the container ") for it in found] == ([] if said is None else [True])
    assert said is None or said in found[0]


QUICKLY = Expiring("q", "task t (tick of beat_schedule)", timedelta(seconds=10))


@pytest.mark.parametrize(
    "scaling, start_up_s, said",
    [
        pytest.param(
            {}, 28.0, "needs 28 s to start one: it is dropped then without being run", id="longer than a start"
        ),
        pytest.param({}, 5.0, "may wait for drainWithin (10m)", id="shorter than a start"),
        pytest.param({}, None, "may wait for drainWithin (10m)", id="no start was measured"),
        pytest.param({"min": 1}, 28.0, "may wait for drainWithin (10m)", id="a worker stands"),
        pytest.param(
            {"wake": "WhenDue"}, 5.0, "as long as drainWithin allows (wake: WhenDue)", id="it waits on purpose"
        ),
    ],
)
def test_a_task_that_expires_before_its_pool_need_start_it_is_told(
    scaling: dict[str, object], start_up_s: float | None, said: str
) -> None:
    one = fleet({"name": "p", "queues": ["q"], "scaling": {"drainWithin": "10m", **scaling}})
    about = BrokerSettings(expiring=(QUICKLY, replace(QUICKLY, after=timedelta(minutes=5))))
    snapshot = FleetSnapshot(NOW, {"p": PoolSnapshot({"q": Present(0, 0)}, 0)}, about=about)
    (sentence,) = advice(one, snapshot, {"p": Memory(start_up_s=start_up_s)})
    assert sentence.startswith("pool p, queue q: task t (tick of beat_schedule) expires after 10s, and ")
    assert said in sentence


@pytest.mark.parametrize(
    "expiring",
    [
        pytest.param(replace(QUICKLY, after=timedelta(minutes=10)), id="no sooner than is promised"),
        pytest.param(replace(QUICKLY, queue="other"), id="in a queue of another"),
    ],
)
def test_a_task_that_is_started_in_time_or_elsewhere_is_not_told(expiring: Expiring) -> None:
    snapshot = FleetSnapshot(
        NOW, {"p": PoolSnapshot({"q": Present(0, 0)}, 0)}, about=BrokerSettings(expiring=(expiring,))
    )
    assert advice(FLEET, snapshot, {"p": Memory(start_up_s=28.0)}) == ()

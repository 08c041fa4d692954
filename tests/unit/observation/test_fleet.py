"""How the answers of broker, statistics and workers become one snapshot: unknown, in doubt, counted, how old."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.observing import Watcher
from tests.support.resources import resource
from utilitarian_operator.adapters.broker.unreachable import UnreachableBroker
from utilitarian_operator.adapters.cluster.cache import PODS, Key, Store
from utilitarian_operator.api.effective import Fleet, effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.core.labels import POOL_LABEL, node_name
from utilitarian_operator.core.observation.broker import BrokerSnapshot, Depth, Unread, WorkerAnswer
from utilitarian_operator.core.observation.counted.worked import Word, Worked
from utilitarian_operator.core.observation.fleet import Readings, Sightings, fleet_snapshot
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pod import WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Counted, Missing, Present
from utilitarian_operator.core.observation.model.usage import PodUsage
from utilitarian_operator.core.sizing.facts import Facts, facts
from utilitarian_operator.core.sizing.pools import looked_well
from utilitarian_operator.errors import BrokerError, BrokerUnreachable, OperatorError

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
KEY = Key("ns", "fleet")
NODES = tuple(node_name(f"fleet-a-{number}") for number in range(9))
STATS = "{urlFrom: {secretKeyRef: {name: env, key: URL}}, stats: {urlFrom: {secretKeyRef: {name: s, key: u}}}}"
IDLE = WorkerLoad(active=0, acked_early=0, reserved=0, scheduled=0)


@dataclass
class Answers(UnreachableBroker):
    """A broker that answers what it is told to."""

    queue: Depth | Unread | None = None
    statistics: Mapping[str, Counted] | BrokerError | None = None
    held: WorkerLoad | None = IDLE
    ages: Mapping[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(OperatorError("not asked"))

    @property
    def known(self) -> BrokerSnapshot:
        now = time.monotonic()
        answer = {} if self.held is None else dict.fromkeys(NODES, WorkerAnswer(self.held, now))
        seen_at = {name: None if age is None else now - age for name, age in self.ages.items()}
        return BrokerSnapshot(now, counted=self.statistics, answers=answer, seen_at=seen_at)

    async def look(self, queues: Sequence[str]) -> BrokerSnapshot:
        return replace(self.known, depths=dict.fromkeys(queues, self.queue))


def fleet(broker: str = STATS) -> Fleet:
    spec = f"{{app: other, pools: [{{name: a, queues: [q]}}], broker: {broker}}}"
    return effective_fleet(parse(resource(spec)).spec)


def store(workers: int) -> Store:
    made = Store()
    for number in range(workers):
        labels = {"app.kubernetes.io/instance": "fleet", POOL_LABEL: "a"}
        metadata = {
            "namespace": "ns",
            "name": f"fleet-a-{number}",
            "resourceVersion": "1",
            "labels": labels,
            "creationTimestamp": "2026-11-23T11:00:00Z",
        }
        conditions = [{"type": "Ready", "status": "True"}]
        running = [{"name": "worker", "state": {"running": {"startedAt": "2026-11-23T11:00:00Z"}}}]
        made.see(PODS, {"metadata": metadata, "status": {"conditions": conditions, "containerStatuses": running}})
    return made


async def look(answers: Answers, workers: int = 0) -> FleetSnapshot:
    return await Watcher(KEY, store(workers), NOW).look(fleet(), answers, NOW)


def of(snapshot: FleetSnapshot) -> tuple[PoolSnapshot, Facts]:
    return snapshot.pools["a"], facts(snapshot.pools["a"])


async def test_an_undeclared_queue_is_missing() -> None:
    pool, seen = of(await look(Answers(None, {})))
    assert pool.queues == {"q": Missing()}
    assert (seen.work, seen.missing) == (0, ("q",))


async def test_a_queue_whose_node_is_away_is_unknown_and_not_missing() -> None:
    pool, seen = of(await look(Answers(Unread("is away: home node is down"), {}), workers=1))
    assert pool.queues == {"q": Unknown("queue q is away: home node is down", NOW)}
    assert (seen.at_least, seen.missing) == (None, ())
    assert isinstance(seen.work, Unknown)


@pytest.mark.parametrize(
    "queue,statistics,workers,at_least,work",
    [
        pytest.param(Depth(0, 1), {"q": Counted(0, 0)}, 1, 0, 0, id="all agree: nothing to do"),
        pytest.param(Depth(0, 1), {"q": Counted(0, 3)}, 1, 3, 3, id="delivered and not acknowledged"),
        pytest.param(
            Depth(0, 1), {"q": Counted(4, 0)}, 1, 0, 4, id="the statistics are behind, or the broker is wrong"
        ),
        pytest.param(Depth(0, 0), {"q": Counted(0, 0)}, 1, 0, None, id="a worker is ready and none consumes"),
        pytest.param(Depth(0, 0), {"q": Counted(50, 0)}, 0, 50, None, id="a false zero while asleep: wake"),
        pytest.param(Depth(7, 0), {"q": Counted(0, 0)}, 0, 7, 7, id="just published: wake"),
        pytest.param(Depth(7, 0), {}, 0, 7, None, id="just declared, not in the statistics yet: wake"),
        pytest.param(Depth(0, 1), {}, 1, 0, None, id="missing from the listing is not empty"),
        pytest.param(Depth(0, 1), BrokerUnreachable("2 of 3"), 1, 0, None, id="statistics of a part of the cluster"),
    ],
)
async def test_up_on_the_freshest_answer_and_down_only_when_all_agree(
    queue: Depth, statistics: Any, workers: int, at_least: int, work: int | None
) -> None:
    _, seen = of(await look(Answers(queue, statistics), workers))
    assert seen.at_least == at_least
    assert (None if isinstance(seen.work, Unknown) else seen.work) == work


@pytest.mark.parametrize(
    "unacked, held, at_least, work",
    [
        pytest.param(5, WorkerLoad(5, 5, 0, 0), 5, 10, id="what was fetched ahead has begun since the broker counted"),
        pytest.param(0, WorkerLoad(4, 4, 0, 4), 4, 4, id="tasks for later were fetched since and hide none that runs"),
        pytest.param(
            9, WorkerLoad(4, 4, 5, 4), 9, 9, id="of one moment: five fetched ahead, four for later, four at work"
        ),
        pytest.param(4, WorkerLoad(4, 2, 2, 0), 6, 6, id="of one moment: two of four acknowledge late"),
        pytest.param(3, WorkerLoad(0, 0, 0, 3), 0, 0, id="nothing but tasks for later"),
        pytest.param(0, WorkerLoad(0, 0, 2, 0), 2, 2, id="two were fetched since"),
        pytest.param(6, WorkerLoad(1, 0, 0, 0), 6, 6, id="five on their way to a worker"),
    ],
)
async def test_figures_of_different_moments_are_never_added_as_if_of_one(
    unacked: int, held: WorkerLoad, at_least: int, work: int
) -> None:
    _, seen = of(await look(Answers(Depth(0, 1), {"q": Counted(0, unacked)}, held), workers=1))
    assert (seen.at_least, seen.work) == (at_least, work)


async def test_a_catch_all_whose_workers_have_not_said_what_they_consume_is_unknown_and_not_empty() -> None:
    spec = f"{{app: other, pools: [{{name: a}}], broker: {STATS}}}"
    asked, observer = effective_fleet(parse(resource(spec)).spec), Watcher(KEY, store(1), NOW)
    broker = Answers(Depth(7, 1), {"q": Counted(7, 0)})
    _, unlearned = of(await observer.look(asked, broker, NOW))
    assert unlearned.at_least is None
    assert isinstance(unlearned.work, Unknown)
    broker.held = replace(IDLE, consuming=("q",))
    await observer.look(asked, broker, NOW)
    broker.held = None
    pool, learned = of(await observer.look(asked, broker, NOW))
    assert (pool.unlearned, learned.at_least) == (None, 7)


async def test_a_figure_of_the_statistics_that_stands_still_against_the_queues_own_word_is_no_work_in_the_end() -> None:
    """A node that comes back from a partition tells for ever what was ready when it led the queue last."""
    stale, said = {"q": Counted(5, 0)}, []
    observer, broker = Watcher(KEY, store(0), NOW), Answers(Depth(0, 0), stale)
    awake = Watcher(KEY, store(1), NOW)
    _, asleep = of(await observer.look(fleet(), broker, NOW))
    assert asleep.at_least == 5  # no better source: it wakes
    broker.queue = Depth(0, 1)
    for second in (0, 5, 10, 15):
        _, seen = of(await awake.look(fleet(), broker, NOW + timedelta(seconds=second)))
        said.append((seen.at_least, seen.work))
    assert said == [(0, 5), (0, 5), (0, 5), (0, 0)]
    broker.queue, broker.held = Depth(0, 0), None
    _, gone = of(await awake.look(fleet(), broker, NOW + timedelta(seconds=60)))
    assert gone.at_least == 0  # and it is not woken again
    broker.statistics = {"q": Counted(6, 0)}
    _, changed = of(await awake.look(fleet(), broker, NOW + timedelta(seconds=65)))
    assert changed.at_least == 6


async def test_a_worker_that_does_not_answer_keeps_the_pool_as_it_is() -> None:
    _, seen = of(await look(Answers(Depth(0, 1), {"q": Counted(0, 0)}, held=None), workers=1))
    assert isinstance(seen.work, Unknown)


async def test_an_unknown_figure_has_its_beginning() -> None:
    observer, broker = Watcher(KEY, store(1), NOW), Answers(Depth(0, 0), {"q": Counted(0, 0)})
    await observer.look(fleet(), broker, NOW)
    later = await observer.look(fleet(), broker, NOW + timedelta(seconds=9))
    queue = later.pools["a"].queues["q"]
    assert isinstance(queue, Present)
    assert queue.doubt is not None
    assert queue.doubt.since == NOW
    broker.queue = Depth(0, 1)
    agreed = await observer.look(fleet(), broker, NOW + timedelta(seconds=10))
    assert agreed.pools["a"].queues["q"] == Present(0, 1, 0, 0)


async def test_arrivals_are_those_since_the_last_look() -> None:
    observer, broker = Watcher(KEY, store(0), NOW), Answers(Depth(0, 0), {"q": Counted(0, 0, 70, 60)})
    said = []
    for statistics in ({"q": Counted(0, 0, 70, 60)}, BrokerUnreachable("away"), {"q": Counted(0, 0, 75, 61)}):
        broker.statistics = statistics  # type: ignore[assignment]
        pool, seen = of(await observer.look(fleet(), broker, NOW))
        said.append((seen.arrived, pool.left))
    assert said == [(0, 0), (None, None), (5, 1)]


def test_what_a_worker_did_is_told_once_and_forgotten_with_its_pod() -> None:
    done = Worked(7, 3.0, last=Word(1.0, 7, 0))
    there, before = store(1), Sightings(NOW - timedelta(days=1))
    read = Readings(NOW, "fleet", BrokerSnapshot(0.0, worked={NODES[0]: done}), BrokerSnapshot(0.0))
    with_pod = replace(read, pods=there.children(PODS, KEY))
    first, kept = fleet_snapshot(fleet(), with_pod, before)
    again, kept = fleet_snapshot(fleet(), with_pod, kept)
    assert [it.pools["a"].pods[0].completed for it in (first, again)] == [7, 0]
    _, kept = fleet_snapshot(fleet(), read, kept)
    assert kept.worked == {}
    assert fleet_snapshot(fleet(), with_pod, kept)[0] == first


def test_usage_is_told_once_after_each_reading_with_the_slots_that_were_busy() -> None:
    def look(at: float, kept: Sightings, usage: Mapping[str, PodUsage]) -> tuple[PodUsage | None, Sightings]:
        workers = BrokerSnapshot(0.0, worked={NODES[0]: Worked(0, 2 * at, last=Word(at, 0, 2))})
        read = Readings(NOW, "fleet", workers, BrokerSnapshot(0.0), pods=store(1).children(PODS, KEY), usage=usage)
        seen, kept = fleet_snapshot(fleet(), read, kept)
        return seen.pools["a"].pods[0].usage, kept

    kept, said, reading = Sightings(NOW), [], {"fleet-a-0": PodUsage(0.1, 5.0)}
    for at, usage in ((0.0, reading), (30.0, {}), (60.0, reading), (61.0, {}), (120.0, {"other": PodUsage(9, 9)})):
        found, kept = look(at, kept, usage)
        said.append(found)
    assert said == [PodUsage(0.1, 5.0), None, PodUsage(0.1, 5.0, busy=2.0), None, None]


async def test_each_source_says_how_fresh_it_is() -> None:
    snapshot = await look(Answers(Depth(0, 0), {}, ages={"depths": 0.0, "statistics": 6.0, "workers": None}))
    assert [(source.name, source.quality) for source in snapshot.sources] == [
        ("depths", "live"),
        ("statistics", "sampled"),
        ("workers", "unknown"),
    ]


async def test_a_look_without_all_the_statistics_is_no_good_one() -> None:
    assert looked_well(await look(Answers(Depth(0, 0), {"q": Counted(0, 0)})))
    partly = await look(Answers(Depth(0, 0), BrokerUnreachable("the statistics of 2 of 3 nodes are read")))
    assert not looked_well(partly)
    assert partly.statistics == Unknown("the statistics of 2 of 3 nodes are read", NOW)


@pytest.mark.parametrize(
    "vhosts, dropped", [("//", {"q": 3}), ("/b", {}), ("/", {"q": 3})], ids=["same", "new", "away"]
)
def test_what_waits_on_the_broker_of_before_was_not_dropped(vhosts: str, dropped: dict[str, int]) -> None:
    """The URL names another virtual host, whose queue of that name is empty: `BrokerChanged` tells of the others."""
    sightings = Sightings(NOW)
    looked_at = [(vhosts[0], 3), *[(vhosts[-1], 0)] * 70]
    for second, (vhost, ready) in enumerate(looked_at):
        hosts = frozenset({"mq:5672"}) if second < len(vhosts) else frozenset[str]()
        broker = BrokerSnapshot(float(second), depths={"q": Depth(ready, 0)}, hosts=hosts, vhost=vhost)
        read = Readings(NOW + timedelta(seconds=second), "fleet", broker, broker)
        found, sightings = fleet_snapshot(fleet(), read, sightings)
    assert {queue: it.tasks for queue, it in found.dropped.items()} == dropped


@pytest.mark.parametrize(
    "pool, state, dropped",
    [
        pytest.param("a", {"running": {}}, {}, id="of the pool"),
        pytest.param("removed", {"running": {}}, {}, id="of a pool that was removed, by its command"),
        pytest.param("removed", {"waiting": {}}, {"q": 3}, id="it does not run yet"),
    ],
)
def test_what_a_worker_may_have_taken_was_not_dropped(
    pool: str, state: dict[str, Any], dropped: dict[str, int]
) -> None:
    """Its container began and was ended between two looks; no consumer was seen."""
    metadata = {"name": "p", "labels": {"utilitarian.io/pool": pool}, "creationTimestamp": "2026-11-23T12:00:00Z"}
    container = {"name": "worker", "command": ["celery", "-A", "u", "worker", "-Q", "q"]}
    status = {"containerStatuses": [{"name": "worker", "state": state}]}
    there = {"p": {"metadata": metadata, "spec": {"containers": [container]}, "status": status}}
    sightings = Sightings(NOW)
    for second in range(70):
        broker = BrokerSnapshot(float(second), depths={"q": Depth(0 if second else 3, 0)})
        pods = there if second < 2 else {}
        read = Readings(NOW + timedelta(seconds=second), "fleet", broker, broker, pods=pods)
        found, sightings = fleet_snapshot(fleet(), read, sightings)
    assert {queue: it.tasks for queue, it in found.dropped.items()} == dropped


@pytest.mark.parametrize(
    "said, ago, believed, deaf",
    [
        pytest.param(replace(IDLE, consuming=()), 1.0, False, True, id="told to consume, and says that it does not"),
        pytest.param(replace(IDLE, consuming=()), 9.0, False, False, id="it said so some time ago"),
        pytest.param(replace(IDLE, consuming=()), 1.0, True, False, id="it is believed"),
        pytest.param(replace(IDLE, consuming=("q",)), 1.0, False, False, id="it consumes"),
        pytest.param(replace(IDLE, consuming=(), active=1), 1.0, False, False, id="it works"),
    ],
)
def test_a_worker_is_deaf_by_what_it_says_now(said: WorkerLoad, ago: float, believed: bool, deaf: bool) -> None:
    answer = {NODES[0]: WorkerAnswer(said, 100.0 - ago)}
    workers = BrokerSnapshot(100.0, samples=answer, answers=answer if believed else {})
    read = Readings(NOW, "fleet", workers, BrokerSnapshot(100.0), pods=store(1).children(PODS, KEY))
    found, _ = fleet_snapshot(fleet(), read, Sightings(NOW))
    assert found.pools["a"].pods[0].deaf is deaf

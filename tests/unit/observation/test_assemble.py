"""What is believed of a fleet: which of two sources counts, what is in doubt and since when, and what is foreign."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.pools import NOW, fleet
from utilitarian_operator.core.observation.assemble import Assembled, Beliefs, Sources, assemble
from utilitarian_operator.core.observation.broker import Depth, Unread
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Counted, Missing, Present

HOLDS = PodSnapshot(
    "a", ready=True, running=True, leaving=False, held=WorkerLoad(2, 1, 3, 0, consuming=("queue",)), revision="1"
)
DEAF = replace(HOLDS, name="b", held=WorkerLoad(0, 0, 0, 0, consuming=()))
GOING = replace(HOLDS, name="c", marked=NOW)
GOING_DEAF = replace(DEAF, name="d", marked=NOW)
LEFT = replace(GOING, held=WorkerLoad(2, 1, 3, 0, consuming=()))
SINGLE = replace(HOLDS, held=WorkerLoad(2, 1, 3, 0, consuming=("queue",), single=frozenset({"queue"})))
WAITS = replace(SINGLE, name="e", held=WorkerLoad(0, 0, 0, 0, consuming=("queue",), single=frozenset({"queue"})))
LIMITED = replace(HOLDS, sample=WorkerLoad(0, 0, 0, 0, begun=1, limited=True))
SILENT = replace(HOLDS, held=Unknown("worker a does not answer", NOW))
STATS = {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "stats"}}}
MINUTE = timedelta(minutes=1)


def believed(
    pods: Sequence[PodSnapshot],
    sources: Sources,
    before: Beliefs | None = None,
    *,
    counts: bool = False,
    after: int = 0,
    expected: bool = False,
) -> Assembled:
    """What is believed so many minutes later of a fleet whose one pool has one queue."""
    broker: dict[str, Any] = {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "url"}}}
    pool = {"name": "pool", "queues": ["queue"]} | ({"foreignConsumers": "Expected"} if expected else {})
    asked = fleet(pool, broker=broker | ({"stats": STATS} if counts else {}))
    objects = {"pool": PoolSnapshot({}, 0, tuple(pods), len(pods)), "old": PoolSnapshot({}, 0, (), 1)}
    return assemble(asked, sources, objects, before or Beliefs(), NOW + after * MINUTE)


ANSWER: Mapping[str, Depth] = {"queue": Depth(3, 1)}
COUNT: Mapping[str, Counted] = {"queue": Counted(3, 9)}


@pytest.mark.parametrize(
    "sources, queue, unacked",
    [
        pytest.param(Sources(ANSWER, counted=COUNT), Present(3, 1, 9, 3), 9, id="the broker's count"),
        pytest.param(
            Sources(ANSWER, counted={"queue": Counted(8, 9)}),
            Present(3, 1, 9, 8),
            9,
            id="the answer of this moment counts for waiting tasks, the statistics for what may be there",
        ),
        pytest.param(
            Sources(ANSWER), Present(3, 1, None, 3), "queue queue is not in the statistics", id="a queue not counted"
        ),
        pytest.param(
            Sources(ANSWER, uncounted="the statistics: 401"),
            Present(3, 1, None, 3),
            "the statistics: 401",
            id="no statistics",
        ),
        pytest.param(Sources(counted=COUNT), Missing(), 0, id="a queue that does not exist"),
        pytest.param(
            Sources({"queue": Unread("is locked")}, counted=COUNT),
            Unknown("queue queue is locked", NOW),
            0,
            id="a queue of which the broker says nothing",
        ),
        pytest.param(
            Sources(unreachable="no answer", counted=COUNT), Unknown("no answer", NOW), 0, id="a broker that is away"
        ),
    ],
)
def test_which_source_counts(sources: Sources, queue: object, unacked: int | str) -> None:
    found = believed([HOLDS], sources, counts=True).pools["pool"]
    assert found.queues == {"queue": queue}
    assert (found.unacked.why if isinstance(found.unacked, Unknown) else found.unacked) == unacked


def test_a_queue_that_answers_with_nothing_while_workers_serve_it_is_in_doubt() -> None:
    sources = Sources({"queue": Depth(0, 0)}, counted={"queue": Counted(7, 2)})
    queue = believed([HOLDS], sources, counts=True).pools["pool"].queues["queue"]
    assert isinstance(queue, Present)
    assert queue.doubt is not None
    assert queue.ready == 7


@pytest.mark.parametrize(
    "sources, what",
    [
        pytest.param(Sources(unreachable="no answer"), "broker", id="broker"),
        pytest.param(Sources(ANSWER, uncounted="401"), "statistics", id="statistics"),
        pytest.param(Sources(ANSWER, mute="refused"), "mute", id="remote control"),
    ],
)
def test_what_is_not_known_is_so_since_it_began_and_anew_after_it_was_known(sources: Sources, what: str) -> None:
    first = believed([HOLDS], sources)
    later = believed([HOLDS], sources, first.beliefs, after=1)
    assert [getattr(it, what).since for it in (first, later)] == [NOW, NOW]
    known = believed([HOLDS], Sources(ANSWER), later.beliefs, after=2)
    assert getattr(known, what) is None
    assert getattr(believed([HOLDS], sources, known.beliefs, after=3), what).since == NOW + 3 * MINUTE


def test_a_silent_worker_is_silent_since_its_last_word() -> None:
    first = believed([SILENT], Sources(ANSWER))
    again = replace(SILENT, held=Unknown("worker a does not answer", NOW + MINUTE))
    held = believed([again], Sources(ANSWER), first.beliefs, after=1).pools["pool"].pods[0].held
    assert held == Unknown("worker a does not answer", NOW)


def test_consumers_beyond_the_workers_are_foreign_and_a_pool_that_is_gone_is_left_over() -> None:
    found = believed([HOLDS], Sources({"queue": Depth(0, 3)}))
    assert found.pools["pool"].foreign == {"queue": 2}
    assert set(found.leftover) == {"old"}


OLD = replace(HOLDS, name="old-1", queues=("queue",))
OLD_SILENT = replace(SILENT, name="old-2", queues=("queue",))


@pytest.mark.parametrize(
    "consumers, old, foreign, work",
    [
        pytest.param(2, [OLD], 0, 0, id="it takes tasks still"),
        pytest.param(1, [replace(OLD, held=replace(DEAF.held, active=2))], 0, 2, id="it takes no more, and works"),
        pytest.param(2, [OLD_SILENT], 0, 4, id="a busy one with a single thread says nothing"),
        pytest.param(2, [replace(OLD, queues=("queue", "split"))], 0, 4, id="of a pool that was split"),
        pytest.param(2, [replace(OLD, running=False)], 1, 4, id="one that does not run consumes nothing"),
        pytest.param(3, [OLD], 1, 0, id="one of others beside it"),
    ],
)
@pytest.mark.parametrize("replicas", [1, None], ids=["led out", "its Deployment is gone"])
def test_the_workers_of_a_renamed_pool_are_the_fleets_and_what_they_hold_is_no_work_for_the_new_one(
    consumers: int, old: Sequence[PodSnapshot], foreign: int, work: int, replicas: int | None
) -> None:
    """Four messages are held, all by the old workers: so many as one of them says, or as it may hold in silence."""
    broker = {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "url"}}, "stats": STATS}
    asked = fleet({"name": "new", "queues": ["queue"]}, broker=broker)
    fresh = replace(HOLDS, held=replace(DEAF.held, consuming=("queue",)))
    objects = {"new": PoolSnapshot({}, 0, (fresh,), 1), "old": PoolSnapshot({}, 0, tuple(old), replicas)}
    sources = Sources({"queue": Depth(0, consumers)}, counted={"queue": Counted(0, 4)})
    new = assemble(asked, sources, objects, Beliefs(), NOW).pools["new"]
    assert sum(new.foreign.values()) == foreign
    assert (new.unacked, new.elsewhere, new.surely_held) == (4, work, work)


@pytest.mark.parametrize(
    "consumers, pods, unacked",
    [
        pytest.param(1, [HOLDS], 4, id="one worker, one consumer"),
        pytest.param(2, [HOLDS, GOING], 8, id="one that goes and still consumes"),
        pytest.param(1, [HOLDS, GOING], 8, id="one that goes and no longer consumes, as its word will say"),
        pytest.param(1, [HOLDS, GOING_DEAF], 4, id="one that goes and consumes no longer"),
        pytest.param(2, [HOLDS, LEFT], 8, id="one that goes, consumes no longer, and counts until it has acknowledged"),
        pytest.param(1, [HOLDS, LEFT], 8, id="the same, of a classic queue"),
        pytest.param(3, [HOLDS, LEFT], None, id="a consumer too many beside it"),
        pytest.param(1, [HOLDS, DEAF], 4, id="one that stays and takes nothing, by its own word"),
        pytest.param(0, [DEAF], 0, id="no worker takes anything"),
        pytest.param(2, [HOLDS], None, id="a consumer too many"),
        pytest.param(0, [HOLDS], None, id="a consumer too few"),
        pytest.param(2, [HOLDS, DEAF], None, id="a consumer too many beside one that takes nothing"),
        pytest.param(1, [LIMITED], None, id="messages that wait for a rate limit are told nowhere"),
        pytest.param(1, [SINGLE, WAITS], 4, id="one gets messages, and another waits for its turn"),
        pytest.param(2, [SINGLE, WAITS], 4, id="who waits for a turn is counted, as a classic queue does"),
        pytest.param(1, [SILENT, WAITS], None, id="the one that gets messages is silent"),
        pytest.param(3, [SINGLE, WAITS], None, id="a consumer too many of a queue that serves one at a time"),
    ],
)
def test_what_is_unacknowledged_is_known_where_each_consumer_is_a_worker_that_said_what_it_holds(
    consumers: int, pods: list[PodSnapshot], unacked: int | None
) -> None:
    found = believed(pods, Sources({"queue": Depth(0, consumers)})).pools["pool"].unacked
    assert found == unacked if unacked is not None else isinstance(found, Unknown)


def test_that_a_queue_serves_one_consumer_at_a_time_is_known_until_a_worker_says_otherwise() -> None:
    def is_single(seen: Assembled) -> bool:
        (queue,) = seen.pools["pool"].queues.values()
        return isinstance(queue, Present) and queue.single

    sources = Sources({"queue": Depth(0, 1)})
    said = believed([SINGLE], sources)
    gone = believed([], sources, said.beliefs, after=1)
    silent = believed([SILENT], sources, gone.beliefs, after=2)
    otherwise = believed([HOLDS], sources, silent.beliefs, after=3)
    assert list(map(is_single, (said, gone, silent, otherwise))) == [True, True, True, False]
    elsewhere = replace(SINGLE, held=WorkerLoad(0, 0, 0, 0, consuming=("q",), single=frozenset({"q"})))
    assert believed([elsewhere], sources).beliefs.single == frozenset()


@pytest.mark.parametrize("counts", [pytest.param(True, id="statistics"), pytest.param(False, id="depths alone")])
@pytest.mark.parametrize(
    "consumers, pods, unacked",
    [
        pytest.param(3, [HOLDS], 4, id="two others: what they hold is not ours to wait for"),
        pytest.param(3, [], 0, id="others alone: nothing keeps a worker of ours"),
        pytest.param(3, [SILENT], "worker a does not answer", id="ours is silent"),
        pytest.param(3, [LIMITED], "worker a does not tell of messages", id="ours tells of no rate-limited messages"),
    ],
)
def test_where_others_are_expected_what_our_own_workers_hold_counts(
    consumers: int, pods: list[PodSnapshot], unacked: int | str, counts: bool
) -> None:
    sources = Sources({"queue": Depth(0, consumers)}, counted={"queue": Counted(0, 90)} if counts else {})
    found = believed(pods, sources, counts=counts, expected=True).pools["pool"]
    assert found.foreign == {"queue": consumers - len(pods)}
    if isinstance(unacked, str):
        assert isinstance(found.unacked, Unknown)
        assert found.unacked.why.startswith(unacked)
        assert "broker.stats" not in found.unacked.why
    else:
        assert found.unacked == unacked


def test_where_others_are_expected_and_none_is_there_the_brokers_count_holds() -> None:
    sources = Sources({"queue": Depth(0, 1)}, counted={"queue": Counted(0, 9)})
    assert believed([HOLDS], sources, counts=True, expected=True).pools["pool"].unacked == 9


def test_where_others_are_expected_statistics_that_are_away_keep_what_is_unacknowledged_unknown() -> None:
    sources = Sources({"queue": Depth(0, 3)}, uncounted="the statistics: 401")
    found = believed([HOLDS], sources, counts=True, expected=True).pools["pool"].unacked
    assert isinstance(found, Unknown)
    assert found.why == "the statistics: 401"

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from celery.utils.nodenames import worker_direct
from hypothesis import given
from hypothesis import strategies as st
from kombu import Exchange, Queue
from kombu.common import Broadcast

from tests.support import looks
from tests.support.pools import NOW, fleet
from tests.support.worker_queues import CACHE, NOTHING, mute, pod
from utilitarian_operator.api.patience import PATIENCE
from utilitarian_operator.core.diagnosis.finding_history import Health
from utilitarian_operator.core.diagnosis.findings import FOREIGN_CONSUMERS, STUCK
from utilitarian_operator.core.observation.foreign_consumers import with_foreign
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present
from utilitarian_operator.core.observation.own_queues import learned
from utilitarian_operator.core.sizing.facts import facts

SHOP = fleet({"name": "everything", "queues": None, "worker": {"concurrency": 8}, "scaling": {"min": 3, "max": 8}})
SECOND = timedelta(seconds=1)


def snapshot(*pods: PodSnapshot, consumers: Mapping[str, int]) -> FleetSnapshot:
    there = {queue: Present(0, count) for queue, count in consumers.items()}
    pool = PoolSnapshot(there, 0, pods, len(pods))
    return FleetSnapshot(NOW, with_foreign(SHOP, {"everything": pool}, {}))


def said_and_replaced(look: FleetSnapshot, seconds: int) -> tuple[list[str], list[str]]:
    """What is said of the pool at the last of so many looks, and the pods that were replaced at any of them."""
    health, gone = Health(), []
    for second in range(seconds + 1):
        now = replace(look, at=NOW + second * SECOND)
        health = health.examined(SHOP, now)
        steps = list(health.replacements(SHOP, now))
        health = health.with_replaced(steps)
        gone += [it.pod for it in steps]
    return [f"{it.reason}: {it.message}" for it in health.findings["everything"]], gone


LONG = int((2 * PATIENCE.mute).total_seconds())


@pytest.mark.parametrize(
    "private",
    [
        pytest.param(lambda _: Broadcast(CACHE), id="Broadcast"),
        pytest.param(lambda name: worker_direct(f"celery@{name}"), id="worker_direct"),
        pytest.param(lambda name: Queue(f"w-{hash(name)}", Exchange("w"), name), id="one at random that stays"),
    ],
)
def test_healthy_workers_with_a_queue_of_their_own_are_not_stuck_and_none_is_replaced(private: Any) -> None:
    """They were: 7 in 75 s."""
    workers = [pod(name, "orders", "mail", private(name)) for name in "abc"]
    consumed = [
        queue for worker in workers if isinstance(worker.held, WorkerLoad) for queue in worker.held.consuming or ()
    ]
    known = learned(NOTHING, workers, ()).queues
    look = snapshot(*workers, consumers={queue: consumed.count(queue) for queue in known})
    assert said_and_replaced(look, 75) == ([], [])
    assert said_and_replaced(look, LONG) == ([], [])


@pytest.mark.parametrize(
    "workers, consumers, said",
    [
        pytest.param(
            [pod("a", "x", "y"), pod("b", "x", "y"), pod("c", "x")],
            {"x": 3, "y": 2},
            "pod c is ready and answers and does not consume y",
            id="one lost a queue that two others consume",
        ),
        pytest.param(
            [pod("a", "x"), pod("b")],
            {"x": 1},
            "pod b is ready and answers and does not consume x",
            id="one of two consumes nothing at all",
        ),
        pytest.param(
            [pod("a", "x"), mute("b")],
            {"x": 1},
            "pod b is ready and neither answers nor consumes",
            id="one neither answers nor consumes",
        ),
    ],
)
def test_a_catch_alls_worker_that_lost_its_queues_is_still_stuck(
    workers: list[PodSnapshot], consumers: Mapping[str, int], said: str
) -> None:
    found, _ = said_and_replaced(
        snapshot(*workers, consumers=consumers), int(2 * PATIENCE.not_consuming.total_seconds())
    )
    assert found[0].startswith(STUCK)
    assert said in found[0]


@pytest.mark.parametrize(
    "workers, consumers",
    [
        pytest.param(
            [pod("a", "x"), pod("b", "x", "new", revision="2")], {"x": 2, "new": 1}, id="of the template before it"
        ),
        pytest.param([pod("a", "x", "own"), mute("b")], {"x": 2, "own": 1}, id="silent and consuming"),
    ],
)
def test_a_catch_alls_worker_that_may_be_well_is_not_stuck(
    workers: list[PodSnapshot], consumers: Mapping[str, int]
) -> None:
    before_it_is_mute = int((PATIENCE.mute - SECOND).total_seconds())
    found, gone = said_and_replaced(snapshot(*workers, consumers=consumers), before_it_is_mute)
    assert [it for it in found if it.startswith(STUCK)] == gone == []


def test_a_silent_worker_of_a_catch_all_is_no_foreign_consumer() -> None:
    found, _ = said_and_replaced(snapshot(pod("a", "x"), mute("b"), consumers={"x": 2}), 60)
    assert not [it for it in found if it.startswith(FOREIGN_CONSUMERS)]


WORK = st.frozensets(st.sampled_from(("orders", "mail", "reports")), min_size=1)
KINDS = st.frozensets(st.sampled_from(("broadcast", "direct", "random")))


def _private(kind: str, name: str) -> Queue:
    return {
        "broadcast": Broadcast(CACHE),
        "direct": worker_direct(f"celery@{name}"),
        "random": Queue(f"r{ord(name)}", Exchange("r"), name),
    }[kind]


@given(work=WORK, kinds=KINDS, number=st.integers(2, 6), quiet=st.integers(0, 2), by_turns=st.booleans())
def test_whatever_queues_healthy_workers_have_of_their_own_the_pool_has_its_work_and_none_is_replaced(
    work: frozenset[str], kinds: frozenset[str], number: int, quiet: int, by_turns: bool
) -> None:
    names = "abcdefgh"[:number]
    telling = [pod(name, *sorted(work), *(_private(kind, name) for kind in sorted(kinds))) for name in names]
    known = learned(NOTHING, telling, ())
    for worker in telling if by_turns else []:
        known = learned(known, [mute(it.name) if it is worker else it for it in telling], ())
    assert known.queues == tuple(sorted(work))
    silent = [mute(name) for name in "xyz"[:quiet]]
    look = snapshot(*telling, *silent, consumers=dict.fromkeys(known.queues, number + quiet))
    assert said_and_replaced(look, 75) == ([], [])


def test_where_others_consume_what_is_unacknowledged_is_unknown() -> None:
    plain = looks.snapshot(looks.pod("a"), consumers=4)
    look = replace(plain, pools=with_foreign(looks.FLEET, plain.pools, {}))
    health = Health()
    for seconds in (0, PATIENCE.foreign.total_seconds()):
        look = replace(look, at=NOW + timedelta(seconds=seconds))
        health = health.examined(looks.FLEET, look)
    doubted = health.doubted(look).pools
    assert isinstance(doubted["work"].unacked, Unknown)
    assert doubted["work"].unacked.since == NOW
    assert doubted["other"].unacked == 0
    assert isinstance(facts(doubted["work"]).work, Unknown)  # which takes no worker away

"""What a snapshot tells of a pool beside its fields."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from utilitarian_operator.core.observation.model.figures import Count, Unknown
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Missing, Present, QueueSnapshot

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SILENT = Unknown("no answer", NOW)
HOLDS = PodSnapshot("a", ready=True, running=True, leaving=False, held=WorkerLoad(2, 1, 3, 0), revision="1")
MARKED = replace(HOLDS, name="b", marked=NOW)


def test_a_pod_of_the_old_template_that_was_told_to_go_holds_up_no_drain() -> None:
    old = replace(HOLDS, name="old", revision="0")
    there = PoolSnapshot({}, 0, (HOLDS, old), 1)
    assert there.rolling_out
    assert not replace(there, pods=(HOLDS, replace(old, leaving=True))).rolling_out


@pytest.mark.parametrize(
    "queues, ready, most",
    [
        pytest.param({"a": Present(2, 1), "b": Present(3, 1, most=9)}, 5, 11, id="the larger of two sources"),
        pytest.param({"a": Present(2, 1), "b": Missing()}, 2, 2, id="one is not declared"),
        pytest.param({"a": Present(2, 1), "b": SILENT}, SILENT, SILENT, id="one did not answer"),
        pytest.param({"a": Present(0, 1, doubt=SILENT)}, 0, SILENT, id="a zero in doubt"),
    ],
)
def test_the_messages_of_all_queues(queues: dict[str, QueueSnapshot], ready: Count, most: Count) -> None:
    pool = PoolSnapshot(queues, 0)
    assert (pool.ready, pool.most_ready) == (ready, most)


def test_nothing_is_known_of_the_messages_while_it_is_not_known_which_its_queues_are() -> None:
    pool = PoolSnapshot({"a": Present(2, 1)}, 0, unlearned=SILENT)
    assert (pool.ready, pool.most_ready) == (SILENT, SILENT)


@pytest.mark.parametrize(
    "replicas, pods, draining, current",
    [
        pytest.param(None, (), 0, 0, id="no Deployment"),
        pytest.param(2, (HOLDS, MARKED), 1, 1, id="one is marked"),
        pytest.param(1, (HOLDS, replace(MARKED, cheapest=True)), 0, 1, id="one is released and asked for no more"),
        pytest.param(2, (HOLDS, replace(MARKED, leaving=True)), 0, 2, id="one is being deleted"),
    ],
)
def test_workers_that_drain_are_not_counted(
    replicas: int | None, pods: tuple[PodSnapshot, ...], draining: int, current: int
) -> None:
    pool = PoolSnapshot({}, 0, pods, replicas)
    assert (pool.draining, pool.current) == (draining, current)


@pytest.mark.parametrize(
    "unacked, pods, held",
    [
        pytest.param(7, (HOLDS,), 7, id="the broker counts more"),
        pytest.param(1, (HOLDS,), 5, id="the workers say more: early acknowledgement"),
        pytest.param(SILENT, (HOLDS,), 5, id="the broker is silent"),
        pytest.param(9, (HOLDS, MARKED), 5, id="what a worker on its way out holds is given up: 9 less 5, or 5"),
        pytest.param(
            9, (replace(HOLDS, held=WorkerLoad(1, 0, 0, 6)),), 3, id="those that wait for their ETA: 9 less 6"
        ),
    ],
)
def test_what_is_surely_held_is_the_larger_of_two_counts(
    unacked: Count, pods: tuple[PodSnapshot, ...], held: int
) -> None:
    assert PoolSnapshot({}, unacked, pods, 1).surely_held == held


def test_what_all_workers_say_is_unknown_where_one_says_nothing() -> None:
    silent = replace(HOLDS, name="c", held=SILENT)
    assert PoolSnapshot({}, 0, (HOLDS, silent), 2).said("active") is None
    assert PoolSnapshot({}, 0, (HOLDS, silent), 2).begun_or_next == SILENT
    said_before = replace(silent, sample=WorkerLoad(4, 0, 0, 0))
    assert PoolSnapshot({}, 0, (HOLDS, said_before), 2).said("active") == 6


@pytest.mark.parametrize(
    "pod, finishes",
    [
        pytest.param(replace(HOLDS, leaving=True, leaves_by=NOW + timedelta(hours=1)), 1, id="it has time"),
        pytest.param(replace(HOLDS, leaving=True, leaves_by=NOW - timedelta(minutes=1)), 0, id="it should have ended"),
        pytest.param(replace(HOLDS, leaving=True, running=False, leaves_by=NOW), 0, id="it has ended"),
        pytest.param(HOLDS, 0, id="it stays"),
    ],
)
def test_a_worker_that_kubernetes_ends_finishes_what_it_holds_until_its_time_is_over(
    pod: PodSnapshot, finishes: int
) -> None:
    assert PoolSnapshot({}, 0, (pod,)).finishing(NOW) == finishes

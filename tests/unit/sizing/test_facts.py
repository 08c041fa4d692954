from typing import Any

import pytest

from tests.support.pools import NOW
from tests.support.worker_pods import MARKED, NOTHING, SILENT, WORKS, pod, released
from utilitarian_operator.core.observation.counted.start_ups import StartUp
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Missing, Present
from utilitarian_operator.core.sizing.facts import facts


def test_what_the_rules_see_of_starts() -> None:
    def started(name: str, *said: Any) -> PodSnapshot:
        return PodSnapshot(name, ready=True, running=True, leaving=False, held=SILENT, started_up=StartUp(*said))

    pods = (started("a", 8.0, 90.0, 2), started("b", 30.0, 0.0, 3), started("c", None, 300.0, 1))
    seen = facts(PoolSnapshot({}, 0, pods, 3))
    assert (seen.started_up, seen.started_together, seen.start_waited_s) == ((8.0,), (30.0,), 300.0)


@pytest.mark.parametrize(
    "chosen, returnable",
    [
        pytest.param(pod("a", marked=MARKED), 1, id="chosen-with-tasks"),
        pytest.param(pod("a"), 0, id="stays"),
        pytest.param(pod("a", NOTHING, marked=MARKED), 0, id="empty"),
        pytest.param(pod("a", SILENT, marked=MARKED), 0, id="silent"),
        pytest.param(pod("a", marked=MARKED, leaving=True), 0, id="is-being-deleted"),
        pytest.param(released("a", held=WORKS), 0, id="released-before-it-ran"),
        pytest.param(pod("a", marked=MARKED, gate=False), 0, id="its-release-is-not-shown-yet"),
    ],
)
def test_whom_a_pool_may_take_back(chosen: PodSnapshot, returnable: int) -> None:
    assert facts(PoolSnapshot({}, 0, (chosen, pod("b")), 2)).returnable == returnable


@pytest.mark.parametrize(
    "pods, replicas, holding",
    [
        pytest.param("ab", 2, (2, 0), id="as-many-as-asked-for"),
        pytest.param("abcd", 1, (1, 3), id="a-step-up-is-seen-of-the-pods-alone"),
        pytest.param("ab", None, (0, 2), id="its-deployment-has-gone"),
        pytest.param("a", 3, (3, 0), id="a-step-up-is-seen-of-the-deployment-alone"),
    ],
)
def test_each_pod_that_stays_holds_a_place(pods: str, replicas: int | None, holding: tuple[int, int]) -> None:
    seen = facts(PoolSnapshot({}, 0, tuple(map(pod, pods)), replicas))
    assert (seen.current, seen.draining) == holding


@pytest.mark.parametrize(
    "more, holding",
    [
        pytest.param(pod("c", revision="2"), (2, 0), id="surge"),
        pytest.param(pod("c", leaving=True), (2, 0), id="is-being-deleted"),
        pytest.param(released("c"), (2, 1), id="released"),
        pytest.param(pod("c", marked=MARKED), (1, 2), id="chosen"),
    ],
)
def test_one_pod_more_than_is_asked_for(more: PodSnapshot, holding: tuple[int, int]) -> None:
    seen = facts(PoolSnapshot({}, 0, (pod("a"), pod("b"), more), 2))
    assert (seen.current, seen.draining) == holding


DOUBT = Unknown("is its leader away?", NOW)
IDLE = PodSnapshot("x", ready=True, running=True, leaving=False, held=WorkerLoad(0, 0, 0, 0))


@pytest.mark.parametrize(
    "queue,at_least,work",
    [
        pytest.param(Present(0, 1), 0, 0, id="one source"),
        pytest.param(Present(0, 1, 0, 0), 0, 0, id="both say nothing"),
        pytest.param(Present(0, 1, 0, 9), 0, 9, id="one says that nine wait: none is needed, none goes"),
        pytest.param(Present(9, 1, 0, 9), 9, 9, id="both say nine"),
        pytest.param(Present(50, 0, 0, 50, DOUBT), 50, DOUBT, id="a zero in doubt: as many as the statistics say come"),
        pytest.param(Present(0, 0, None, 0, DOUBT), 0, DOUBT, id="a zero in doubt without statistics: none goes"),
    ],
)
def test_the_larger_figure_keeps_workers_and_the_fresher_one_calls_them(
    queue: Present, at_least: int, work: int | Unknown
) -> None:
    seen = facts(PoolSnapshot({"q": queue}, 0, (IDLE,), 1))
    assert (seen.at_least, seen.work) == (at_least, work)
    assert seen.nothing_to_do == (work == 0)


@pytest.mark.parametrize(
    "queues, seen_ready, consumed",
    [
        pytest.param({"one": Present(3, 1), "other": Present(2, 1)}, 0, True, id="all-seen-and-consumed"),
        pytest.param({"one": Present(3, 0), "other": Present(2, 1)}, 0, False, id="one-without-a-consumer"),
        pytest.param({"one": Present(3, 1), "other": Unknown("its node is away", NOW)}, 3, False, id="one-unseen"),
        pytest.param({"one": Missing(), "other": Unknown("its node is away", NOW)}, 0, False, id="one-missing"),
    ],
)
def test_what_is_seen_of_several_queues(
    queues: dict[str, Present | Missing | Unknown], seen_ready: int, *, consumed: bool
) -> None:
    seen = facts(PoolSnapshot(queues, 0))
    assert (seen.seen_ready, seen.consumed) == (seen_ready, consumed)

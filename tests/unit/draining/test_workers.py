"""From pods and a Deployment's own word to the workers that a drain concerns: what may be believed of a late view."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pools import NOW, fleet
from tests.support.worker_pods import MARKED, NOTHING, SILENT, WORKS, pod, released, said, snapshot
from utilitarian_operator.core.draining import steps as drain
from utilitarian_operator.core.draining.steps import MarkDraining, Resize, ResumeConsumers, Unmark
from utilitarian_operator.core.draining.workers import agreed, gates, pool_workers
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.reported import Reported

FLEET = fleet({"name": "pool", "queues": ["q"]})
(POOL,) = FLEET.pools


@pytest.mark.parametrize(
    "pods, word, expected",
    [
        pytest.param([pod("a"), released("b")], said(2, 1), True, id="as many, and as many ready"),
        pytest.param([pod("a"), released("b")], said(2, 2), False, id="the controller has yet to see the one unready"),
        pytest.param([pod("a"), released("b")], said(3, 1), False, id="a pod that no watch has told of"),
        pytest.param([pod("a"), released("b")], said(1, 1), False, id="a pod that went and that no watch told of"),
        pytest.param([pod("a"), released("b")], said(2, 1, observed=False), False, id="the word is on an older spec"),
        pytest.param([pod("a"), released("b")], None, False, id="no word"),
        pytest.param(
            [pod("a"), released("b", caught_up=False)], said(2, 1), False, id="a write that no watch has told of yet"
        ),
        pytest.param([pod("a"), pod("b", leaving=True)], said(1, 1), True, id="what is being deleted is in no count"),
    ],
)
def test_the_deployments_word_and_the_pods_agree(
    pods: list[PodSnapshot], word: Reported | None, expected: bool
) -> None:
    assert agreed(snapshot(*pods, reported=word)) is expected


def steps(seen: PoolSnapshot, desired: int) -> list[drain.DrainStep]:
    return drain.steps(pool_workers(POOL, seen, NOW, timedelta.max), desired)


def test_pods_that_a_standing_watch_does_not_tell_of_are_not_taken_for_pods_that_were_never_made() -> None:
    """Three asked for, all three at work, and the watch of pods has told of one of them for 45 s."""
    one = snapshot(pod("a"), replicas=3, reported=said(3, 3))
    assert steps(one, 1) == []
    refused = Reported(observed=True, pods=1, ready=1, updated=1, refused=True)
    assert steps(replace(one, reported=refused), 1) == [Resize(1)]


def test_a_step_down_waits_until_the_controller_has_seen_the_worker_unready() -> None:
    """The answer to the write is not the watch's word, and the watch's word is not the controller's."""
    busy, gone = pod("a"), released("b")
    assert steps(snapshot(busy, replace(gone, caught_up=False), reported=said(2, 1)), 1) == []
    assert steps(snapshot(busy, gone, reported=said(2, 2)), 1) == []
    assert steps(snapshot(busy, gone, reported=said(2, 1)), 1) == [Resize(1, ("b",))]


def test_a_rollout_that_its_deployment_knows_of_counts_before_a_pod_is_seen() -> None:
    assert steps(snapshot(pod("a"), released("b"), reported=said(2, 1, updated=0)), 1) == []


def test_a_worker_that_answers_runs_whatever_the_watch_told_of_its_pod() -> None:
    asleep = released("b", running=False)
    (_, worker) = pool_workers(POOL, snapshot(pod("a"), replace(asleep, held=WORKS), reported=None), NOW).workers
    assert worker.running
    assert not worker.empty


@pytest.mark.parametrize(
    "foreign, ago_s, empty",
    [
        pytest.param({}, 5, True, id="all-consumers-are-known"),
        pytest.param({"q": 1}, 5, False, id="a-consumer-may-be-it"),
        pytest.param({"q": 1}, 61, True, id="it-would-have-been-heard-since"),
        pytest.param({"q": 1}, -3600, True, id="the-clock-was-set-back"),
    ],
)
def test_a_worker_that_is_not_seen_to_run_may_be_a_consumer_that_is_there(
    foreign: dict[str, int], ago_s: int, *, empty: bool
) -> None:
    """Its watch stands still while its container starts: it is asked, and has yet to answer."""
    gone = released("a", running=False, held=SILENT, marked=NOW - timedelta(seconds=ago_s))
    seen = replace(snapshot(gone, reported=said(1, 0)), foreign=foreign, unexplained=bool(foreign))
    (worker,) = pool_workers(POOL, seen, NOW).workers
    assert worker.empty is empty
    assert steps(seen, 0) == ([Resize(0, ("a",))] if empty else [drain.CancelConsumers("a", ("q",))])


HOLDS = st.sampled_from([NOTHING, WORKS, WorkerLoad(0, 0, 3, 0, consuming=()), WorkerLoad(1, 0, 0, 0), SILENT])
PODS = st.lists(
    st.builds(
        lambda name, held, more: pod(f"w{name}", held, **more),
        st.integers(0, 99),
        HOLDS,
        st.fixed_dictionaries(
            {
                "marked": st.sampled_from([None, MARKED]),
                "gate": st.sampled_from([True, False, None]),
                "cheapest": st.booleans(),
                "running": st.booleans(),
                "leaving": st.booleans(),
                "revision": st.sampled_from(["1", "2"]),
            }
        ),
    ),
    max_size=6,
    unique_by=lambda it: it.name,
)


@given(PODS, st.integers(0, 6))
def test_those_that_a_pool_may_take_back_are_taken_back_before_another_is_started(
    pods: list[PodSnapshot], replicas: int
) -> None:
    """At the ceiling of a fleet a pool is given as many (`core/sizing/fleet_limits.py`): none may be a new one."""
    seen = snapshot(*pods, replicas=replicas, reported=None)
    capacity = pool_workers(POOL, seen, NOW).capacity
    todo = steps(seen, capacity + seen.returnable)
    grown = [step.replicas for step in todo if isinstance(step, Resize) and step.replicas > replicas]
    assert not grown, todo
    assert seen.returnable <= sum(isinstance(step, ResumeConsumers | Unmark) for step in todo)


def opened(seen: PoolSnapshot, desired: int) -> list[str]:
    return [step.pod for step in gates(seen, NOW, pool_workers(POOL, seen, NOW), desired)]


BROKEN = pod("broken", SILENT, ready=False, running=False, gate=None, revision="2")
STARTING = pod("starting", SILENT, ready=False, gate=None)


@pytest.mark.parametrize(
    "pods, desired, expected",
    [
        pytest.param([pod("a"), released("b")], 1, [], id="one that leaves is not ready"),
        pytest.param([pod("a"), released("b"), BROKEN], 1, ["b"], id="a rollout would never end without it"),
        pytest.param([pod("a"), released("b"), BROKEN], 0, ["b"], id="until the broken one is released, too"),
        pytest.param([released("a"), released("b", revision="2")], 0, [], id="all go, whatever the rollout does"),
        pytest.param(
            [pod("a"), released("b"), STARTING], 2, ["b"], id="another becomes ready: two changes that look like none"
        ),
        pytest.param(
            [pod("a"), released("b", running=False, ready=False), STARTING], 2, [], id="not one that does not run"
        ),
        pytest.param(
            [pod("a"), replace(released("b"), held=WORKS)],
            1,
            ["b"],
            id="released before its container ran, and at work now: it keeps no other from leaving",
        ),
        pytest.param([pod("a"), pod("b", gate=None, ready=False)], 2, ["b"], id="one that consumes"),
        pytest.param([pod("a"), pod("b", gate=None, ready=False, leaving=True)], 2, [], id="not one that is deleted"),
    ],
)
def test_who_is_called_ready(pods: list[PodSnapshot], desired: int, expected: list[str]) -> None:
    assert opened(snapshot(*pods, reported=None), desired) == expected


def test_a_bad_template_that_was_corrected_does_not_stop_the_pool_from_shrinking() -> None:
    """Four workers, one is wanted; one was released while a bad image was there: its pod stays until all are ready."""
    workers = [pod("a"), pod("b"), pod("c")]
    stuck = snapshot(*workers, released("d"), BROKEN, replicas=4, reported=said(5, 3, updated=4))
    assert opened(stuck, 1) == ["d"]
    assert steps(stuck, 1) == []
    # All four are ready, so the Deployment takes the broken pod away, and the drain goes on.
    ready = pod("d", NOTHING, marked=MARKED, cheapest=True)
    assert [type(step) for step in steps(snapshot(*workers, ready, reported=said(4, 4)), 1)] == [
        MarkDraining,
        drain.Release,
    ]
    assert Resize(3, ("d",)) in steps(snapshot(*workers, released("d"), reported=said(4, 3)), 1)


@pytest.mark.parametrize(
    "due, given_back",
    [
        pytest.param(timedelta(seconds=-1), False, id="it runs by now, whatever was said before"),
        pytest.param(timedelta(seconds=5), False, id="it runs before the worker has gone"),
        pytest.param(timedelta(minutes=1), True, id="another worker has it then"),
        pytest.param(None, True, id="it is not said when"),
    ],
)
def test_a_worker_of_a_removed_pool_does_what_is_about_to_run(due: timedelta | None, given_back: bool) -> None:
    """One was stepped down by a second after its task had begun: its last answer was older."""
    held = WorkerLoad(0, 0, 0, 1, consuming=(), first_due=None if due is None else NOW + due)
    (worker,) = pool_workers(None, snapshot(pod("a", held), reported=said(1, 1)), NOW).workers
    assert worker.empty is given_back

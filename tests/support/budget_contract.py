"""What the eviction API lets through by a PodDisruptionBudget: what a drain of a node rests on."""

from dataclasses import replace
from typing import Protocol

from tests.support.controllers_contract import READY, WAITS, Scene, Shape, made, names, of

BUDGET = {
    "maxUnavailable": 1,
    "unhealthyPodEvictionPolicy": "AlwaysAllow",
    "selector": {"matchLabels": {"app": "it"}},
}
"""Of a PodDisruptionBudget, as the operator makes them."""
BY_EVICTION = "EvictionByEvictionAPI"
STARTS = Shape(running=False, ready=False)
"""It has a node, and its containers don't run yet."""


class BudgetScene(Scene, Protocol):
    """The same, with evictions."""

    def budget(self, name: str = "it") -> None:
        """Make a PodDisruptionBudget over all pods, as the operator makes its own."""

    def may_evict(self, name: str) -> bool:
        """Whether an eviction of this pod would be let through."""

    def evict(self, name: str) -> None:
        """Evict this pod.

        Raises:
            AssertionError: it is refused.
        """

    def disrupted(self, name: str) -> str:
        """Why a pod is disrupted, by its condition; empty where it has none."""


class BudgetContract:
    """Each test has a `scene` of its own."""

    def test_by_a_budget_of_one_the_next_is_evicted_when_another_is_ready(self, scene: BudgetScene) -> None:
        there = made(scene, [READY] * 3)
        scene.budget()
        scene.wait(lambda: scene.may_evict(there[0]))
        scene.evict(there[0])
        scene.wait(lambda: len(names(scene)) == 3)
        scene.wait(lambda: not scene.may_evict(there[1]))
        (new,) = names(scene) - set(there)
        scene.shape(new, READY)
        scene.wait(lambda: scene.may_evict(there[1]))

    def test_a_worker_that_is_not_ready_spends_the_budget_and_may_be_evicted_itself(self, scene: BudgetScene) -> None:
        there = made(scene, [READY, READY, replace(READY, ready=False)])
        scene.budget()
        scene.wait(lambda: scene.may_evict(there[2]))
        assert not scene.may_evict(there[0])
        scene.shape(there[2], replace(READY, node=None))
        scene.wait(lambda: scene.may_evict(there[0]))

    def test_a_pod_that_waits_for_a_node_is_evicted_whatever_the_budget_says(self, scene: BudgetScene) -> None:
        there = made(scene, [READY, WAITS])
        scene.budget()
        scene.wait(lambda: scene.may_evict(there[1]))
        assert not scene.may_evict(there[0])

    def test_one_that_a_step_down_takes_does_not_spend_the_budget(self, scene: BudgetScene) -> None:
        there = made(scene, [READY, READY, replace(READY, cost=-5)])
        scene.budget()
        scene.deployment(2, "a:1")
        scene.wait(lambda: names(scene) == {there[0], there[1]})
        scene.wait(lambda: scene.may_evict(there[0]))
        scene.evict(there[0])
        scene.wait(lambda: not scene.may_evict(there[1]))

    def test_a_worker_that_is_alone_may_be_evicted(self, scene: BudgetScene) -> None:
        there = made(scene, [READY])
        scene.budget()
        scene.wait(lambda: scene.may_evict(there[0]))

    def test_a_stateful_pod_may_be_evicted_and_is_made_again_when_it_has_ended(self, scene: BudgetScene) -> None:
        scene.stateful_set("a:1")
        scene.wait(lambda: names(scene) == {"it-0"})
        scene.shape("it-0", READY)
        scene.budget()
        scene.wait(lambda: scene.may_evict("it-0"))
        scene.evict("it-0")
        assert names(scene) == set()
        scene.end("it-0")
        scene.wait(lambda: names(scene) == {"it-0"})
        assert scene.disrupted("it-0") == ""

    def test_in_a_rollout_what_is_ready_beyond_the_replicas_may_be_evicted_too(self, scene: BudgetScene) -> None:
        there = made(scene, [READY] * 4)
        scene.budget()
        scene.deployment(4, "b:1")
        scene.wait(lambda: of(scene, "b:1"))
        (new,) = of(scene, "b:1")
        scene.wait(lambda: scene.may_evict(there[0]))
        scene.evict(there[0])
        scene.wait(lambda: not scene.may_evict(there[1]))
        scene.shape(new, READY)
        scene.wait(lambda: scene.may_evict(there[1]))

    def test_under_two_budgets_none_is_evicted(self, scene: BudgetScene) -> None:
        there = made(scene, [READY, READY])
        scene.budget()
        scene.wait(lambda: scene.may_evict(there[0]))
        scene.budget("another")
        scene.wait(lambda: not scene.may_evict(there[0]))

    def test_of_an_evicted_pod_it_is_written_why_it_goes(self, scene: BudgetScene) -> None:
        there = made(scene, [READY, replace(READY, ready=False), STARTS])
        scene.budget()
        scene.wait(lambda: scene.may_evict(there[1]))
        for name in there[1:]:
            scene.evict(name)
        scene.wait(lambda: names(scene).isdisjoint(there[1:]))
        assert [scene.disrupted(name) for name in there] == ["", BY_EVICTION, BY_EVICTION]

    def test_so_it_is_of_one_that_leaves_already(self, scene: BudgetScene) -> None:
        there = made(scene, [READY, replace(READY, cost=-5)])
        scene.budget()
        scene.deployment(1, "a:1")
        scene.wait(lambda: names(scene) == {there[0]})
        assert scene.may_evict(there[1])
        scene.evict(there[1])
        assert scene.disrupted(there[1]) == BY_EVICTION

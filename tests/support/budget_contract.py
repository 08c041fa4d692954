"""What the eviction API lets through by a PodDisruptionBudget: what a drain of a node rests on."""

from dataclasses import replace
from typing import Protocol

from tests.support.controllers_contract import READY, WAITS, Scene, made, names

BUDGET = {
    "maxUnavailable": 1,
    "unhealthyPodEvictionPolicy": "AlwaysAllow",
    "selector": {"matchLabels": {"app": "it"}},
}
"""Of a PodDisruptionBudget, as the operator makes them."""


class BudgetScene(Scene, Protocol):
    """The same, with evictions."""

    def budget(self) -> None:
        """Make a PodDisruptionBudget over all pods, as the operator makes its own."""

    def may_evict(self, name: str) -> bool:
        """Whether an eviction of this pod would be let through."""

    def evict(self, name: str) -> None:
        """Evict this pod.

        Raises:
            AssertionError: it is refused.
        """


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

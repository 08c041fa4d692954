"""What the adversary rests on of nodes that fall silent: when pods are called not ready and are given up, and by whom.

Each pod gives up a silent node after a while (tolerationSeconds), which is short where the cases are played on real
parts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

GRACE_S = 60
FIRST, SECOND, THIRD = NODES = ("n1", "n2", "n3")
GIVEN_UP, COLLECTED = "DeletionByTaintManager", "DeletionByPodGC"


@dataclass(frozen=True)
class Pod:
    """One pod as the API server has it.

    Args:
        name, uid: of the pod.
        node: that it is bound to, empty for none.
        ready, containers_ready: its conditions, None where it has none of that type.
        leaving: whether it is being deleted.
        grace_s: seconds that its deletion gives it; 0 where it stays.
        overdue: whether its deletionTimestamp has passed: that is when its grace is over.
        disrupted: why it was disrupted, by its condition.
        failed: whether it has ended so, by its phase.
    """

    name: str
    uid: str
    node: str
    ready: bool | None
    containers_ready: bool | None
    leaving: bool = False
    grace_s: int = 0
    overdue: bool = False
    disrupted: str = ""
    failed: bool = False


class Scene(Protocol):
    """Three nodes, the controllers, and one object called `it`; each pod has a grace of `GRACE_S`."""

    def only(self, node: str) -> None:
        """New pods come to this node alone, as far as it takes any."""

    def deployment(self, replicas: int) -> None:
        """Make or scale the Deployment."""

    def stateful_set(self) -> None:
        """Make the StatefulSet, of one pod."""

    def pods(self) -> Sequence[Pod]:
        """All pods, by name."""

    def last(self, name: str) -> Pod:
        """A pod that is there no more, as it was told of when it went."""

    def delete(self, name: str) -> None:
        """As `kubectl delete pod`, which doesn't wait."""

    def lose(self, node: str) -> None:
        """The node falls silent, and so do its pods."""

    def come_back(self, node: str) -> None:
        """It is heard again, and what ran there runs on."""

    def remove(self, node: str) -> None:
        """Its Node object is deleted."""

    def takes_pods(self, node: str) -> bool:
        """Whether the scheduler gives it any."""

    def gives_up(self, node: str) -> bool:
        """Whether its pods are to go after their time."""

    def wait(self, condition: Callable[[], object]) -> None:
        """Let time go by until it is so.

        Raises:
            AssertionError: it did not come to be.
        """


def on(scene: Scene, node: str) -> Pod:
    """The one pod of a node that runs there."""
    (found,) = (pod for pod in scene.pods() if pod.node == node and pod.ready is not None)
    return found


def spread(scene: Scene, *nodes: str) -> list[Pod]:
    """A Deployment with a pod that is ready on each of these nodes."""
    for number, node in enumerate(nodes, 1):
        scene.only(node)
        scene.deployment(number)
        scene.wait(lambda number=number: [pod.ready for pod in scene.pods()] == [True] * number)  # type: ignore[misc]
    return [on(scene, node) for node in nodes]


class NodesContract:
    """Each test has a `scene` of its own."""

    def test_a_pod_of_a_silent_node_is_called_not_ready_by_one_condition(self, scene: Scene) -> None:
        first, second, _ = spread(scene, *NODES)
        scene.lose(FIRST)
        assert scene.takes_pods(FIRST)
        scene.wait(lambda: on(scene, FIRST).ready is False)
        assert on(scene, FIRST) == replace(first, ready=False)
        assert on(scene, SECOND) == second
        scene.wait(lambda: not scene.takes_pods(FIRST))

    def test_it_is_given_up_after_a_while_and_another_is_made_while_it_stays(self, scene: Scene) -> None:
        first, *_ = spread(scene, *NODES)
        scene.only(SECOND)
        scene.lose(FIRST)
        gone = replace(first, ready=False, leaving=True, grace_s=GRACE_S, disrupted=GIVEN_UP)
        scene.wait(lambda: len(scene.pods()) == 4)
        assert on(scene, FIRST) == gone
        scene.wait(lambda: [pod.ready for pod in scene.pods() if pod.node != FIRST] == [True] * 3)
        assert on(scene, FIRST) == gone

    def test_a_stateful_pod_is_given_up_and_made_again_only_when_it_has_ended(self, scene: Scene) -> None:
        scene.only(FIRST)
        scene.stateful_set()
        scene.wait(lambda: [pod.ready for pod in scene.pods()] == [True])
        first = on(scene, FIRST)
        scene.lose(FIRST)
        scene.wait(lambda: on(scene, FIRST).leaving)
        assert on(scene, FIRST) == replace(first, ready=False, leaving=True, grace_s=GRACE_S, disrupted=GIVEN_UP)
        scene.only(SECOND)
        scene.come_back(FIRST)
        scene.wait(lambda: [(pod.node, pod.ready) for pod in scene.pods()] == [(SECOND, True)])
        assert on(scene, SECOND).name == first.name

    def test_a_node_that_is_heard_again_soon_keeps_its_pods(self, scene: Scene) -> None:
        there = spread(scene, *NODES)
        scene.lose(FIRST)
        scene.wait(lambda: on(scene, FIRST).ready is False)
        scene.come_back(FIRST)
        scene.wait(lambda: scene.takes_pods(FIRST))
        scene.wait(lambda: [on(scene, node) for node in NODES] == there)


class RareNodesContract:
    """More of them, and what takes a minute on real parts."""

    def test_one_that_leaves_already_leaves_as_before(self, scene: Scene) -> None:
        first, *_ = spread(scene, *NODES)
        scene.only(SECOND)
        scene.lose(FIRST)
        scene.delete(first.name)
        scene.wait(lambda: len(scene.pods()) == 4)
        scene.wait(lambda: on(scene, FIRST).ready is False)
        gone = replace(first, ready=False, leaving=True, grace_s=GRACE_S, disrupted=GIVEN_UP)
        scene.wait(lambda: replace(on(scene, FIRST), overdue=False) == gone)

    def test_one_that_never_began_there_is_given_up_too(self, scene: Scene) -> None:
        scene.only(FIRST)
        scene.lose(FIRST)
        scene.deployment(1)
        scene.wait(lambda: scene.pods() and scene.pods()[0].node == FIRST)
        scene.only(SECOND)
        scene.wait(lambda: len(scene.pods()) == 2)
        assert [(pod.ready, pod.disrupted) for pod in scene.pods() if pod.node == FIRST] == [(None, GIVEN_UP)]

    def test_where_the_last_one_is_silent_too_none_is_given_up_any_more(self, scene: Scene) -> None:
        spread(scene, *NODES)
        for node in (FIRST, SECOND):
            scene.lose(node)
            scene.wait(lambda node=node: scene.gives_up(node))  # type: ignore[misc]
        scene.lose(THIRD)
        scene.wait(lambda: not any(map(scene.takes_pods, NODES)))
        scene.wait(lambda: not any(map(scene.gives_up, NODES)))
        assert not on(scene, THIRD).leaving
        scene.only(FIRST)
        scene.come_back(FIRST)
        scene.wait(lambda: scene.gives_up(SECOND) and scene.gives_up(THIRD))
        scene.wait(lambda: [pod.node for pod in scene.pods() if pod.ready] == [FIRST] * 3)

    def test_with_its_node_object_a_pod_goes_at_once_and_has_failed(self, scene: Scene) -> None:
        first, *_ = spread(scene, *NODES)
        scene.only(SECOND)
        scene.lose(FIRST)
        scene.wait(lambda: on(scene, FIRST).ready is False)
        scene.remove(FIRST)
        scene.wait(lambda: FIRST not in [pod.node for pod in scene.pods()])
        last = scene.last(first.name)
        assert (last.uid, last.ready, last.disrupted, last.failed) == (first.uid, False, COLLECTED, True)
        scene.wait(lambda: [pod.ready for pod in scene.pods()] == [True] * 3)

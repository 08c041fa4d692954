"""What the adversary rests on of a kubelet: when a pod is ready, and in which order it is told to end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import pytest

GATE, GATES = "example.org/consuming", "ReadinessGatesNotReady"
HOOK, HOOK_OVER, TERM = "hook", "hook over", "term"
SHORT_S, LONG_S = 0.5, 600.0
GRACE_S, SHORT_GRACE_S, SOME_GRACE_S = 60, 1, 6


@dataclass(frozen=True)
class Pod:
    """What a pod says of itself.

    Args:
        leaving: whether it has a deletionTimestamp.
        running: whether its container runs.
        containers_ready, ready: its conditions.
        restarts: of its container.
        why: it is not ready.
    """

    leaving: bool
    running: bool
    containers_ready: bool
    ready: bool
    restarts: int = 0
    why: str = ""


@dataclass(frozen=True)
class Shape:
    """Of the pod.

    Args:
        hook_s: what its preStop hook takes.
        grace_s: its terminationGracePeriodSeconds.
        stays: whether it goes on after SIGTERM.
    """

    hook_s: float = SHORT_S
    grace_s: int = GRACE_S
    stays: bool = False


class Scene(Protocol):
    """A node, and one pod with a readiness gate."""

    def make(self, shape: Shape) -> None:
        """Make the pod."""

    def pod(self) -> Pod | None:
        """As it is now; None if it is gone."""

    def gate(self, *, is_open: bool) -> None:
        """Write the condition of its gate."""

    def delete(self) -> None:
        """As `kubectl delete`, which doesn't wait."""

    def time_left(self) -> float:
        """Seconds until it is to have ended, as its deletionTimestamp says."""

    def out_of_memory(self) -> None:
        """Its container is killed."""

    def told(self) -> Sequence[str]:
        """What its container was told, in order: the hook's begin and end, and SIGTERM."""

    def wait(self, condition: Callable[[], object]) -> None:
        """Let time go by until it is so.

        Raises:
            AssertionError: it did not come to be.
        """


def made(scene: Scene, shape: Shape = Shape()) -> None:
    """Make the pod, and have it ready."""
    scene.make(shape)
    scene.wait(lambda: scene.pod() == Pod(leaving=False, running=True, containers_ready=True, ready=False, why=GATES))
    scene.gate(is_open=True)
    scene.wait(lambda: scene.pod() == Pod(leaving=False, running=True, containers_ready=True, ready=True))


ENDS = {
    "the hook is over": (Shape(), [HOOK, HOOK_OVER, TERM]),
    "the hook takes more than the grace": (Shape(LONG_S, SHORT_GRACE_S), [HOOK, TERM]),
    "it goes on, and is killed when the grace is over": (
        Shape(grace_s=SOME_GRACE_S, stays=True),
        [HOOK, HOOK_OVER, TERM],
    ),
}


class KubeletContract:
    """Each test has a `scene` of its own."""

    def test_a_pod_is_ready_while_its_gate_is_open(self, scene: Scene) -> None:
        made(scene)
        scene.gate(is_open=False)
        scene.wait(
            lambda: scene.pod() == Pod(leaving=False, running=True, containers_ready=True, ready=False, why=GATES)
        )

    def test_one_that_leaves_is_ready_during_its_hook_until_its_gate_is_closed(self, scene: Scene) -> None:
        made(scene, Shape(LONG_S))
        scene.delete()
        scene.wait(lambda: scene.told() == [HOOK])
        assert scene.pod() == Pod(leaving=True, running=True, containers_ready=True, ready=True)
        assert GRACE_S / 2 < scene.time_left() <= GRACE_S
        scene.gate(is_open=False)
        scene.wait(
            lambda: scene.pod() == Pod(leaving=True, running=True, containers_ready=True, ready=False, why=GATES)
        )

    def test_one_whose_container_was_killed_is_ready_again_by_the_gate_that_was_open(self, scene: Scene) -> None:
        made(scene)
        scene.out_of_memory()
        again = Pod(leaving=False, running=True, containers_ready=True, ready=True, restarts=1)
        scene.wait(lambda: scene.pod() == again)

    @pytest.mark.parametrize("shape, told", ENDS.values(), ids=ENDS)
    def test_at_its_end_it_is_told_in_this_order(self, scene: Scene, shape: Shape, told: Sequence[str]) -> None:
        made(scene, shape)
        scene.delete()
        scene.wait(lambda: scene.pod() is None)
        assert scene.told() == told

    def test_a_second_deletion_changes_nothing(self, scene: Scene) -> None:
        made(scene)
        for _ in range(2):
            scene.delete()
        scene.wait(lambda: scene.pod() is None)
        assert scene.told() == [HOOK, HOOK_OVER, TERM]

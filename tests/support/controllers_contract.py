"""What the findings of the adversary rest on: how the controllers of Deployments and StatefulSets choose among pods."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

import pytest

COST = "controller.kubernetes.io/pod-deletion-cost"
LONG_AGO, JUST_NOW = "2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z"


@dataclass(frozen=True)
class Pod:
    """One pod as the API server has it.

    Args:
        name: of the pod.
        image: of its container.
        leaving: whether it is being deleted.
        ready: whether it is ready.
    """

    name: str
    image: str
    leaving: bool
    ready: bool


@dataclass(frozen=True)
class Shape:
    """What a scheduler, a kubelet and a person make of a pod.

    Args:
        node: that it is bound to now; None where it is not, or is already.
        running: whether its containers run.
        ready: whether it is ready.
        since: from when on.
        cost: of its deletion; None where it has none.
    """

    node: str | None = "one"
    running: bool = True
    ready: bool = True
    since: str = LONG_AGO
    cost: int | None = None


READY = Shape()
WAITS = Shape(node=None, running=False, ready=False)


Strategy: TypeAlias = Mapping[str, Any]
ONE_MORE: Strategy = {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}}
ONE_LESS: Strategy = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
BOTH: Strategy = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": "50%"}}
TWICE: Strategy = {"rollingUpdate": {"maxSurge": "100%", "maxUnavailable": 0}}
RECREATE: Strategy = {"type": "Recreate", "rollingUpdate": None}


class Scene(Protocol):
    """A place with controllers and without a scheduler or a kubelet, which the tests play; one object, called `it`."""

    def deployment(self, replicas: int, image: str, strategy: Strategy = ONE_MORE) -> None:
        """Make or change the Deployment."""

    def stateful_set(self, image: str) -> None:
        """Make or change the StatefulSet, of one pod."""

    def pods(self) -> Sequence[Pod]:
        """All pods."""

    def shape(self, name: str, shape: Shape) -> None:
        """Play scheduler, kubelet and person."""

    def end(self, name: str) -> None:
        """A pod that is being deleted has ended: it is there no more."""

    def seen(self) -> bool:
        """Whether the controller has seen the newest spec."""

    def wait(self, condition: Callable[[], object]) -> None:
        """Let time go by until it is so.

        Raises:
            AssertionError: it did not come to be.
        """


def names(scene: Scene) -> set[str]:
    """Those that stay."""
    return {pod.name for pod in scene.pods() if not pod.leaving}


def of(scene: Scene, image: str) -> set[str]:
    """Those that stay, of one template."""
    return {pod.name for pod in scene.pods() if not pod.leaving and pod.image == image}


def made(scene: Scene, shapes: Collection[Shape], image: str = "a:1") -> list[str]:
    """A Deployment with a pod of each shape; returns their names in that order."""
    scene.deployment(len(shapes), image)
    scene.wait(lambda: len(names(scene)) == len(shapes))
    ordered = sorted(names(scene))
    for name, shape in zip(ordered, shapes, strict=True):
        scene.shape(name, shape)
    return ordered


DEAR = 100
VICTIMS: Mapping[str, tuple[tuple[Shape, ...], set[int]]] = {
    "one without a node, however dear": ((Shape(running=False, ready=False), replace(WAITS, cost=DEAR)), {1}),
    "one that does not run, however dear": (
        (replace(READY, ready=False), Shape(running=False, ready=False, cost=DEAR)),
        {1},
    ),
    "one that is not ready, however dear": ((READY, replace(READY, ready=False, cost=DEAR)), {1}),
    "the cheapest, however long it is ready": ((replace(READY, since=JUST_NOW), replace(READY, cost=-1)), {1}),
    "one that costs less than nothing before one without a cost": ((READY, replace(READY, cost=-2147483648)), {1}),
    "one of two on a node, however long it is ready": (
        (replace(READY, node="other", since=JUST_NOW), READY, READY),
        {1, 2},
    ),
    "the one that became ready last": ((READY, replace(READY, node="other", since=JUST_NOW)), {1}),
}


class ControllersContract:
    """Each test has a `scene` of its own."""

    @pytest.mark.parametrize("shapes, may_go", VICTIMS.values(), ids=VICTIMS)
    @pytest.mark.parametrize("turned", [False, True], ids=["", "in the other order"])
    def test_who_goes_first(self, scene: Scene, shapes: tuple[Shape, ...], may_go: set[int], *, turned: bool) -> None:
        order = list(range(len(shapes)))[:: -1 if turned else 1]
        there = made(scene, [shapes[at] for at in order])
        scene.deployment(len(shapes) - 1, "a:1")
        scene.wait(lambda: len(names(scene)) == len(shapes) - 1)
        (gone,) = set(there) - names(scene)
        assert order[there.index(gone)] in may_go

    def test_those_that_leave_first_leave_all_at_once(self, scene: Scene) -> None:
        there = made(scene, [READY, replace(READY, cost=-5), READY, replace(READY, cost=-5)])
        scene.deployment(2, "a:1")
        scene.wait(lambda: len(names(scene)) == 2)
        assert names(scene) == {there[0], there[2]}

    def test_one_that_is_being_deleted_is_replaced_before_it_has_ended(self, scene: Scene) -> None:
        there = made(scene, [READY, replace(READY, cost=-5)])
        scene.deployment(1, "a:1")
        scene.wait(lambda: names(scene) == {there[0]})
        scene.deployment(2, "a:1")
        scene.wait(lambda: len(names(scene)) == 2)
        assert there[1] not in names(scene)
        assert {pod.name for pod in scene.pods() if pod.leaving} == {there[1]}

    def test_a_rollout_makes_one_more_and_waits_until_it_is_ready(self, scene: Scene) -> None:
        old = made(scene, [READY] * 4)
        scene.deployment(4, "b:1")
        for done in range(4):
            scene.wait(lambda done=done: len(of(scene, "b:1")) == done + 1)  # type: ignore[misc]
            assert len(names(scene)) <= 5
            assert len(of(scene, "a:1")) == 4 - done
            for pod in scene.pods():
                if pod.image == "b:1" and not pod.ready:
                    scene.shape(pod.name, READY)
            scene.wait(lambda done=done: len(of(scene, "a:1")) == 3 - done)  # type: ignore[misc]
        assert not set(old) & names(scene)
        assert len(names(scene)) == 4

    def test_in_a_rollout_one_that_is_not_ready_goes_first(self, scene: Scene) -> None:
        old = made(scene, [READY, READY, replace(READY, ready=False, cost=DEAR), READY])
        scene.deployment(4, "b:1")
        scene.wait(lambda: of(scene, "b:1"))
        assert of(scene, "a:1") == set(old)
        for name in of(scene, "b:1"):
            scene.shape(name, READY)
        scene.wait(lambda: len(of(scene, "a:1")) < 4)
        assert old[2] not in names(scene)

    def test_a_template_that_returns_takes_its_pods_back(self, scene: Scene) -> None:
        old = made(scene, [READY] * 4)
        scene.deployment(4, "b:1")
        scene.wait(lambda: of(scene, "b:1"))
        scene.deployment(4, "a:1")
        scene.wait(lambda: not of(scene, "b:1"))
        assert names(scene) == set(old)

    def test_a_step_down_in_a_rollout_takes_the_old_ones(self, scene: Scene) -> None:
        made(scene, [READY] * 4)
        scene.deployment(4, "b:1")
        scene.wait(lambda: of(scene, "b:1"))
        new = of(scene, "b:1")
        scene.deployment(2, "b:1")
        scene.wait(lambda: len(names(scene)) == 3)
        assert of(scene, "b:1") == new

    def test_a_rollout_with_one_less_ends_one_before_it_makes_one(self, scene: Scene) -> None:
        made(scene, [READY] * 4)
        scene.deployment(4, "b:1", ONE_LESS)
        for done in range(4):
            scene.wait(lambda done=done: len(of(scene, "b:1")) == done + 1)  # type: ignore[misc]
            assert len(names(scene)) <= 4
            assert len(of(scene, "a:1")) == 3 - done
            for pod in scene.pods():
                if pod.image == "b:1" and not pod.ready:
                    scene.shape(pod.name, READY)

    def test_a_rollout_may_begin_with_more_and_with_less_of_them(self, scene: Scene) -> None:
        made(scene, [READY] * 4)
        scene.deployment(4, "b:1", BOTH)
        scene.wait(lambda: (len(of(scene, "a:1")), len(of(scene, "b:1"))) == (2, 3))

    def test_a_rollout_may_make_all_new_ones_beside_the_old(self, scene: Scene) -> None:
        old = made(scene, [READY] * 3)
        scene.deployment(3, "b:1", TWICE)
        scene.wait(lambda: len(of(scene, "b:1")) == 3)
        assert of(scene, "a:1") == set(old)
        scene.shape(min(of(scene, "b:1")), READY)
        scene.wait(lambda: len(of(scene, "a:1")) == 2)

    def test_recreated_they_have_all_ended_before_the_first_new_one_comes(self, scene: Scene) -> None:
        old = made(scene, [READY] * 2)
        scene.deployment(2, "b:1", RECREATE)
        scene.wait(lambda: not names(scene))
        scene.wait(scene.seen)
        scene.end(old[0])
        scene.wait(lambda: len(scene.pods()) == 1)
        scene.wait(scene.seen)
        assert not of(scene, "b:1")
        scene.end(old[1])
        scene.wait(lambda: len(of(scene, "b:1")) == 2)

    def test_a_stateful_pod_is_made_again_when_the_old_one_has_gone(self, scene: Scene) -> None:
        scene.stateful_set("a:1")
        scene.wait(lambda: names(scene) == {"it-0"})
        scene.shape("it-0", READY)
        scene.stateful_set("b:1")
        scene.wait(lambda: not names(scene))
        scene.wait(scene.seen)
        assert [pod.image for pod in scene.pods()] == ["a:1"]
        scene.end("it-0")
        scene.wait(lambda: of(scene, "b:1") == {"it-0"})

    def test_a_stateful_pod_that_is_not_ready_is_left_as_it_is(self, scene: Scene) -> None:
        scene.stateful_set("a:1")
        scene.wait(lambda: names(scene) == {"it-0"})
        scene.shape("it-0", replace(READY, ready=False))
        scene.stateful_set("b:1")
        scene.wait(scene.seen)
        assert of(scene, "a:1") == {"it-0"}
        scene.shape("it-0", replace(READY, node=None))
        scene.wait(lambda: not names(scene))

"""What watches tell the operator: each change, and after a 410 all that is there."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from utilitarian_operator.host.kopf_host import LISTED

Told = tuple[str | None, str]
"""The type of an event, None where the object was listed, and the object's name."""


class WatchScene(Protocol):
    """An API server with resources that are watched."""

    def make(self, name: str) -> None:
        """Make a resource."""

    def remove(self, name: str) -> None:
        """Delete a resource."""

    def told(self) -> Sequence[Told]:
        """What was told so far, in its order."""

    def forget(self) -> None:
        """Count only what is told from now on."""

    def gone(self) -> AbstractContextManager[None]:
        """No watch for the time of the block; what it would have told is too old when it is opened again: 410."""

    def wait(self, condition: Callable[[], object]) -> None:
        """Let time go by until it is so.

        Raises:
            AssertionError: it did not come to be.
        """


class WatchContract:
    """Each test has a `scene` of its own."""

    def test_each_change_is_told(self, scene: WatchScene) -> None:
        scene.make("a")
        scene.wait(lambda: _of(scene, "a"))
        scene.forget()
        scene.remove("a")
        scene.wait(lambda: ("DELETED", "a") in scene.told())

    def test_after_a_410_all_is_listed_and_no_word_is_said_of_what_vanished(self, scene: WatchScene) -> None:
        for name in ("stays", "vanishes"):
            scene.make(name)
            scene.wait(lambda name=name: _of(scene, name))  # type: ignore[misc]
        with scene.gone():
            scene.forget()
            scene.remove("vanishes")
            scene.make("new")
        scene.wait(lambda: {(None, "stays"), (None, "new")} <= set(scene.told()))
        scene.make("later")
        scene.wait(lambda: _of(scene, "later"))
        assert not _of(scene, "vanishes")

    def test_a_list_is_told_of_also_where_nothing_is_left(self, scene: WatchScene) -> None:
        scene.make("vanishes")
        scene.wait(lambda: _of(scene, "vanishes"))
        with scene.gone():
            scene.forget()
            scene.remove("vanishes")
        scene.wait(lambda: (LISTED, "") in scene.told())
        assert not _of(scene, "vanishes")


def _of(scene: WatchScene, name: str) -> list[Told]:
    return [it for it in scene.told() if it[1] == name]

"""What the adversary rests on of Celery's beat: what it sends when it begins again, and what it has forgotten."""

from collections.abc import Callable
from typing import Protocol

ONE, OTHER = "one", "other"


class Scene(Protocol):
    """A broker, and beats with one entry; each name has a schedule of its own, as on its own volume."""

    def missed(self, name: str, times: int) -> None:
        """While no beat of this name ran, the entry came due so many times."""

    def begin(self, name: str) -> None:
        """Start a beat and wait until it has sent what was due."""

    def terminate(self, name: str) -> None:
        """SIGTERM, and wait until it has ended."""

    def kill(self, name: str) -> None:
        """SIGKILL."""

    def lose_volume(self, name: str) -> None:
        """What it wrote is gone."""

    def soon(self, *names: str) -> None:
        """The entry comes due in some seconds: said while no beat runs, of those that are about to begin."""

    def sent(self) -> int:
        """How often the entry was sent."""

    def wait(self, condition: Callable[[], object]) -> None:
        """Let time go by until it is so.

        Raises:
            AssertionError: it did not come to be.
        """


class BeatContract:
    """Each test has a `scene` of its own."""

    def test_what_was_missed_is_sent_once_however_often_it_was(self, scene: Scene) -> None:
        scene.missed(ONE, 3)
        scene.begin(ONE)
        scene.wait(lambda: scene.sent() == 1)
        scene.terminate(ONE)
        scene.begin(ONE)
        assert scene.sent() == 1

    def test_what_it_sent_before_it_was_killed_is_not_sent_again(self, scene: Scene) -> None:
        scene.missed(ONE, 1)
        scene.begin(ONE)
        scene.kill(ONE)
        scene.begin(ONE)
        assert scene.sent() == 1

    def test_without_its_volume_it_sends_nothing_of_before(self, scene: Scene) -> None:
        scene.missed(ONE, 1)
        scene.lose_volume(ONE)
        scene.begin(ONE)
        assert scene.sent() == 0

    def test_two_beats_send_it_twice(self, scene: Scene) -> None:
        scene.soon(ONE, OTHER)
        for name in (ONE, OTHER):
            scene.begin(name)
        scene.wait(lambda: scene.sent() == 2)

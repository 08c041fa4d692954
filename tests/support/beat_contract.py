"""What the adversary rests on of Celery's beat: what it sends when it begins again, and what it has forgotten."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

ONE, OTHER = "one", "other"


class Scene(Protocol):
    """A broker, and beats with one entry; each name has a schedule of its own, as on its own volume."""

    def missed(self, name: str, times: int) -> None:
        """While no beat of this name ran, the entry came due so many times."""

    def begin(self, name: str) -> None:
        """Start a beat and wait until it has sent what was due, or has failed to reach its broker once."""

    def terminate(self, name: str) -> None:
        """SIGTERM, and wait until it has ended."""

    def kill(self, name: str) -> None:
        """SIGKILL."""

    def lose_volume(self, name: str) -> None:
        """What it wrote is gone."""

    def soon(self, *names: str) -> None:
        """The entry comes due in some seconds: said while no beat runs, of those that are about to begin."""

    def later(self, name: str) -> None:
        """The entry comes due when the beat that is about to begin has sent another one."""

    def away(self) -> AbstractContextManager[None]:
        """For the time of the block the broker is away: connections break, and new ones are refused."""

    def lost(self, name: str) -> bool:
        """Whether a beat has given up to send something."""

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

    def test_what_comes_due_while_its_broker_is_away_is_lost(self, scene: Scene) -> None:
        scene.later(ONE)
        scene.begin(ONE)
        with scene.away():
            scene.wait(lambda: scene.lost(ONE))
        scene.terminate(ONE)
        scene.begin(ONE)
        assert scene.sent() == 0

    def test_one_that_begins_while_its_broker_is_away_waits_with_what_is_due(self, scene: Scene) -> None:
        scene.missed(ONE, 1)
        with scene.away():
            scene.begin(ONE)
        scene.wait(lambda: scene.sent() == 1)

    def test_what_it_waits_to_send_is_lost_when_it_is_told_to_end(self, scene: Scene) -> None:
        scene.missed(ONE, 1)
        with scene.away():
            scene.begin(ONE)
            scene.terminate(ONE)
        scene.begin(ONE)
        assert scene.sent() == 0

    def test_what_it_waits_to_send_is_sent_by_the_next_where_it_is_killed(self, scene: Scene) -> None:
        scene.missed(ONE, 1)
        with scene.away():
            scene.begin(ONE)
            scene.kill(ONE)
        scene.begin(ONE)
        scene.wait(lambda: scene.sent() == 1)

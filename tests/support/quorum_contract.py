"""What a quorum queue does with what workers give back: it counts each return, and drops a message after too many."""

from collections.abc import Callable
from typing import Protocol

from tests.support.workers_contract import EARLY, HOUR_S, LATE, LONG_S, ONE, SHORT_S, Counts, Holds, Scene

LIMIT = 1


class QuorumScene(Scene, Protocol):
    """The same, of which the queue may be a quorum queue."""

    def quorum(self, limit: int) -> None:
        """Have the queue be one, with this delivery limit; said before anything else."""


def ended(scene: Scene, name: str, end: Callable[[str], None]) -> None:
    """End a worker and wait until it has gone."""
    end(name)
    scene.wait(lambda: scene.ended(name))


class QuorumContract:
    """Each test has a `scene` of its own."""

    def test_an_eta_takes_room_and_makes_none(self, scene: QuorumScene) -> None:
        scene.quorum(LIMIT)
        scene.worker(ONE, late=EARLY)
        scene.send(5, LONG_S, due_in_s=HOUR_S)
        scene.wait(lambda: (scene.holds(ONE), scene.counts()) == (Holds(scheduled=2), Counts(3, 2)))

    def test_a_worker_that_takes_nothing_more_is_a_consumer_until_it_holds_nothing(self, scene: QuorumScene) -> None:
        scene.quorum(LIMIT)
        scene.worker(ONE, late=LATE)
        scene.send(1, SHORT_S)
        scene.wait(lambda: scene.holds(ONE) == Holds(1))
        scene.cancel(ONE)
        scene.wait(lambda: (scene.holds(ONE), scene.consumers()) == (Holds(1), 1))
        scene.wait(lambda: (scene.holds(ONE), scene.consumers()) == (Holds(), 0))
        assert scene.done() == 1


class LongQuorumContract:
    """The same, of which each case takes several workers one after the other, or a task."""

    def test_a_message_is_dropped_when_more_workers_were_killed_with_it_than_its_limit(
        self, scene: QuorumScene
    ) -> None:
        scene.quorum(LIMIT)
        scene.send(1, LONG_S)
        for number in range(LIMIT + 1):
            scene.wait(lambda: scene.counts() == Counts(1))
            name = f"killed-{number}"
            scene.worker(name, late=LATE)
            scene.wait(lambda name=name: scene.counts() == Counts(0, 1) and scene.holds(name) == Holds(1))  # type: ignore[misc]
            ended(scene, name, scene.kill)
            scene.wait(lambda: scene.counts().unacked == 0)
            left = Counts(1) if number < LIMIT else Counts()
            scene.wait(lambda left=left: scene.counts() == left)  # type: ignore[misc]
        assert scene.done() == 0

    def test_a_warm_stop_counts_as_well(self, scene: QuorumScene) -> None:
        scene.quorum(LIMIT)
        scene.send(2, LONG_S, due_in_s=HOUR_S)
        for number in range(LIMIT + 1):
            name = f"stopped-{number}"
            scene.worker(name, late=EARLY)
            scene.wait(lambda name=name: scene.holds(name) == Holds(scheduled=2))  # type: ignore[misc]
            ended(scene, name, scene.terminate)
            left = Counts(2) if number < LIMIT else Counts()
            scene.wait(lambda left=left: scene.counts() == left)  # type: ignore[misc]

    def test_what_a_worker_holds_while_it_is_cancelled_and_added_is_not_given_back(self, scene: QuorumScene) -> None:
        scene.quorum(LIMIT)
        scene.worker(ONE, late=EARLY)
        scene.send(2, LONG_S, due_in_s=HOUR_S)
        scene.wait(lambda: scene.holds(ONE) == Holds(scheduled=2))
        for _ in range(2 * LIMIT):
            scene.cancel(ONE)
            scene.add(ONE)
        scene.wait(lambda: scene.counts() == Counts(0, 2))
        ended(scene, ONE, scene.terminate)
        scene.wait(lambda: scene.counts() == Counts(2))

    def test_a_worker_that_was_led_out_gives_nothing_back(self, scene: QuorumScene) -> None:
        scene.quorum(LIMIT)
        scene.worker(ONE, late=LATE)
        scene.send(2, SHORT_S)
        scene.wait(lambda: scene.holds(ONE) == Holds(2))
        scene.cancel(ONE)
        scene.wait(lambda: scene.holds(ONE) == Holds())
        ended(scene, ONE, scene.terminate)
        scene.wait(lambda: scene.counts() == Counts())
        assert scene.done() == 2

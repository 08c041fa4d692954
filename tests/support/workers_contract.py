"""What the adversary rests on: what a Celery worker holds, what RabbitMQ counts, and what an end gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import pytest

ONE, TENANT = "one", "tenant"
LONG_S, SHORT_S, HOUR_S = 600.0, 2.0, 3600.0
EARLY, LATE = False, True


@dataclass(frozen=True)
class Holds:
    """What a worker says over remote control: counts of tasks."""

    active: int = 0
    acked_early: int = 0
    reserved: int = 0
    scheduled: int = 0


@dataclass(frozen=True)
class Counts:
    """What the broker counts of the queue: messages."""

    ready: int = 0
    unacked: int = 0


class Scene(Protocol):
    """A broker with one queue and workers that consume it."""

    def worker(self, name: str, *, late: bool, slots: int = 2, multiplier: int = 1, execution: str = "threads") -> None:
        """Start a worker and wait until it consumes."""

    def send(self, count: int, seconds: float, *, due_in_s: float | None = None) -> None:
        """Send tasks that take so long, and may be begun only later if so said."""

    def holds(self, name: str) -> Holds | None:
        """What a worker says; None if it is silent."""

    def counts(self) -> Counts:
        """What the broker says."""

    def cancel(self, name: str) -> None:
        """cancel_consumer."""

    def add(self, name: str) -> None:
        """add_consumer."""

    def terminate(self, name: str) -> None:
        """SIGTERM, once."""

    def kill(self, name: str) -> None:
        """SIGKILL."""

    def lose(self, name: str) -> None:
        """Its machine falls silent: no connection is closed, and the broker notices by missing heartbeats."""

    def consumers(self) -> int:
        """Consumers of the queue, as the broker counts them."""

    def ended(self, name: str) -> bool:
        """Whether a worker's process has ended."""

    def done(self) -> int:
        """Tasks that have ended."""

    def wait(self, condition: Callable[[], object]) -> None:
        """Let time go by until it is so.

        Raises:
            AssertionError: it did not come to be.
        """


@dataclass(frozen=True)
class Case:
    """A worker of two slots, tasks that are sent to it, and what is then said.

    Args:
        late: whether tasks are acknowledged at their end.
        sent: tasks.
        holds: what the worker says.
        counts: what the broker says.
        multiplier: of the prefetch.
        due_in_s: their ETA.
    """

    late: bool
    sent: int
    holds: Holds
    counts: Counts
    multiplier: int = 1
    due_in_s: float | None = None


PREFETCH: Mapping[str, Case] = {
    "nothing": Case(EARLY, 0, Holds(), Counts()),
    "early: running ones are forgotten, as many again are fetched": Case(EARLY, 5, Holds(2, 2, 2), Counts(1, 2)),
    "early, four a slot": Case(EARLY, 12, Holds(2, 2, 8), Counts(2, 8), multiplier=4),
    "late: running ones are counted, and fill the prefetch": Case(LATE, 5, Holds(2), Counts(3, 2)),
    "late, two a slot": Case(LATE, 6, Holds(2, 0, 2), Counts(2, 4), multiplier=2),
    "an ETA makes room for one more": Case(EARLY, 7, Holds(scheduled=7), Counts(0, 7), due_in_s=HOUR_S),
    "an ETA makes room for one more, late": Case(LATE, 7, Holds(scheduled=7), Counts(0, 7), due_in_s=HOUR_S),
}
ENDS: Mapping[str, tuple[bool, Counts]] = {
    # Two run and two are fetched, of five.
    "early: what runs is lost": (EARLY, Counts(3)),
    # Two run, of five.
    "late: all come back": (LATE, Counts(5)),
}


LOST: Mapping[str, tuple[bool, Holds, Counts, Counts]] = {
    "early: but what ran": (EARLY, Holds(2, 2, 2), Counts(1, 2), Counts(3)),
    "late: all of it": (LATE, Holds(2), Counts(3, 2), Counts(5)),
}


class WorkersContract:
    """Each test has a `scene` of its own."""

    @pytest.mark.parametrize("case", PREFETCH.values(), ids=PREFETCH)
    def test_what_is_held_and_what_is_counted(self, scene: Scene, case: Case) -> None:
        scene.worker(ONE, late=case.late, multiplier=case.multiplier)
        scene.send(case.sent, LONG_S, due_in_s=case.due_in_s)
        scene.wait(lambda: (scene.holds(ONE), scene.counts()) == (case.holds, case.counts))

    def test_beside_an_eta_there_is_the_usual_room(self, scene: Scene) -> None:
        scene.worker(ONE, late=EARLY)
        scene.send(3, LONG_S, due_in_s=HOUR_S)
        scene.wait(lambda: scene.holds(ONE) == Holds(scheduled=3))
        scene.send(5, LONG_S)
        scene.wait(lambda: (scene.holds(ONE), scene.counts()) == (Holds(2, 2, 2, 3), Counts(1, 5)))

    def test_a_cancelled_consumer_keeps_what_it_has_and_gets_no_more(self, scene: Scene) -> None:
        scene.worker(ONE, late=EARLY)
        scene.send(3, LONG_S)
        scene.wait(lambda: (scene.holds(ONE), scene.counts()) == (Holds(2, 2, 1), Counts(0, 1)))
        scene.cancel(ONE)
        scene.wait(lambda: scene.consumers() == 0)
        scene.send(2, LONG_S)
        scene.wait(lambda: scene.counts() == Counts(2, 1))
        assert scene.holds(ONE) == Holds(2, 2, 1)
        scene.add(ONE)
        scene.wait(lambda: (scene.holds(ONE), scene.counts()) == (Holds(2, 2, 2), Counts(1, 2)))

    def test_a_cancelled_consumer_runs_what_it_has_fetched(self, scene: Scene) -> None:
        scene.worker(ONE, late=EARLY)
        scene.send(4, SHORT_S)
        scene.wait(lambda: scene.holds(ONE) == Holds(2, 2, 2))
        scene.cancel(ONE)
        scene.wait(lambda: scene.consumers() == 0)
        scene.send(1, SHORT_S)
        scene.wait(lambda: scene.done() == 4)
        assert scene.counts() == Counts(1)
        assert scene.holds(ONE) == Holds()

    def test_cancelled_again_and_added_again_is_once(self, scene: Scene) -> None:
        scene.worker(ONE, late=LATE)
        for _ in range(2):
            scene.cancel(ONE)
        for _ in range(2):
            scene.add(ONE)
        scene.send(3, LONG_S)
        scene.wait(lambda: (scene.holds(ONE), scene.counts()) == (Holds(2), Counts(1, 2)))

    @pytest.mark.parametrize("late", [EARLY, LATE], ids=["early", "late"])
    def test_a_warm_stop_ends_what_runs_and_gives_the_rest_back(self, scene: Scene, late: bool) -> None:
        scene.worker(ONE, late=late)
        scene.send(5, SHORT_S)
        scene.wait(lambda: (said := scene.holds(ONE)) and said.active == 2)
        scene.terminate(ONE)
        scene.wait(lambda: scene.ended(ONE))
        # Where the machine is slow, more than the first two have ended before the signal comes.
        scene.wait(lambda: scene.counts() == Counts(5 - scene.done()))
        assert scene.done() >= 2

    def test_a_warm_stop_gives_back_what_waits_for_its_eta(self, scene: Scene) -> None:
        scene.worker(ONE, late=EARLY)
        scene.send(4, SHORT_S, due_in_s=HOUR_S)
        scene.wait(lambda: scene.holds(ONE) == Holds(scheduled=4))
        scene.terminate(ONE)
        scene.wait(lambda: scene.ended(ONE))
        scene.wait(lambda: scene.counts() == Counts(4))

    @pytest.mark.parametrize("late, counts", ENDS.values(), ids=ENDS)
    def test_a_killed_worker_gives_back_what_was_not_acknowledged(
        self, scene: Scene, late: bool, counts: Counts
    ) -> None:
        scene.worker(ONE, late=late)
        scene.send(5, LONG_S)
        scene.wait(lambda: (said := scene.holds(ONE)) and said.active == 2)
        scene.kill(ONE)
        scene.wait(lambda: scene.counts() == counts)
        assert scene.done() == 0

    def test_what_one_gives_back_another_gets(self, scene: Scene) -> None:
        scene.worker(ONE, late=EARLY)
        scene.send(4, LONG_S)
        scene.wait(lambda: scene.holds(ONE) == Holds(2, 2, 2))
        scene.worker("two", late=EARLY)
        scene.kill(ONE)
        scene.wait(lambda: (scene.holds("two"), scene.counts()) == (Holds(2, 2, 0), Counts(0, 0)))

    def test_another_ones_worker_gets_its_turn_and_what_it_took_comes_back_when_it_is_killed(
        self, scene: Scene
    ) -> None:
        for name in (ONE, TENANT):
            scene.worker(name, late=LATE)
        scene.send(6, LONG_S)
        scene.wait(
            lambda: (scene.holds(ONE), scene.holds(TENANT), scene.counts()) == (Holds(2), Holds(2), Counts(2, 4))
        )
        scene.kill(TENANT)
        scene.wait(lambda: (scene.holds(ONE), scene.counts()) == (Holds(2), Counts(4, 2)))

    def test_solo_is_silent_while_it_runs_a_task(self, scene: Scene) -> None:
        scene.worker(ONE, late=EARLY, slots=1, execution="solo")
        scene.wait(lambda: scene.holds(ONE) == Holds())
        scene.send(1, 3 * SHORT_S)
        scene.wait(lambda: scene.holds(ONE) is None)
        scene.wait(lambda: scene.done() == 1)
        scene.wait(lambda: scene.holds(ONE) == Holds())

    @pytest.mark.parametrize("last, consumers", [("add", 1), ("cancel", 0)])
    def test_what_solo_is_told_while_it_runs_a_task_it_does_afterwards_in_any_order(
        self, scene: Scene, last: str, consumers: int
    ) -> None:
        """What kombu's event loop is to do next is kept in a set: what is said once more afterwards counts."""
        scene.worker(ONE, late=EARLY, slots=1, execution="solo")
        scene.wait(lambda: scene.holds(ONE) == Holds())
        scene.send(1, 3 * SHORT_S)
        scene.wait(lambda: scene.holds(ONE) is None)
        for order in (scene.cancel, scene.add):
            order(ONE)
        assert scene.done() == 0
        scene.wait(lambda: scene.done() == 1)
        scene.wait(lambda: scene.holds(ONE) == Holds())
        (scene.add if last == "add" else scene.cancel)(ONE)
        scene.wait(lambda: scene.consumers() == consumers)


class LostContract:
    """Of a worker whose machine is lost."""

    def test_until_the_broker_notices_it_consumes_and_is_given_messages_that_then_come_back(self, scene: Scene) -> None:
        scene.worker(ONE, late=LATE)
        scene.lose(ONE)
        scene.send(5, LONG_S)
        scene.wait(lambda: scene.counts() == Counts(3, 2))
        assert scene.consumers() == 1
        assert scene.holds(ONE) is None
        scene.wait(lambda: scene.counts() == Counts(5))
        assert scene.consumers() == 0

    @pytest.mark.parametrize("late, held, then, counts", LOST.values(), ids=LOST)
    def test_what_it_held_comes_back_when_the_broker_notices(
        self, scene: Scene, late: bool, held: Holds, then: Counts, counts: Counts
    ) -> None:
        scene.worker(ONE, late=late)
        scene.send(5, LONG_S)
        scene.wait(lambda: (scene.holds(ONE), scene.counts()) == (held, then))
        scene.lose(ONE)
        assert (scene.counts(), scene.consumers()) == (then, 1)
        scene.wait(lambda: (scene.counts(), scene.consumers()) == (counts, 0))
        assert scene.done() == 0


class GeventContract:
    """Of a worker with gevent: it fetches ahead unheard, and a warm stop runs all that it has."""

    @pytest.mark.parametrize("multiplier, counts", [(1, Counts(5, 2)), (2, Counts(3, 4))], ids=["1", "2"])
    def test_while_all_slots_run_it_tells_of_one_of_the_messages_that_it_has_fetched(
        self, scene: Scene, multiplier: int, counts: Counts
    ) -> None:
        scene.worker(ONE, late=EARLY, execution="gevent", multiplier=multiplier)
        scene.send(9, LONG_S)
        scene.wait(lambda: (scene.holds(ONE), scene.counts()) == (Holds(2, 2, 1), counts))

    def test_acknowledged_late_each_is_told_of(self, scene: Scene) -> None:
        scene.worker(ONE, late=LATE, execution="gevent")
        scene.send(5, LONG_S)
        scene.wait(lambda: (scene.holds(ONE), scene.counts()) == (Holds(2), Counts(3, 2)))

    def test_a_cancelled_one_runs_what_it_told_of_and_what_not(self, scene: Scene) -> None:
        scene.worker(ONE, late=EARLY, execution="gevent")
        scene.send(4, 3 * SHORT_S)
        scene.wait(lambda: scene.holds(ONE) == Holds(2, 2, 1))
        scene.cancel(ONE)
        scene.wait(lambda: scene.holds(ONE) == Holds())
        assert scene.done() == 4
        scene.send(1, SHORT_S)
        scene.wait(lambda: scene.counts() == Counts(1))

    def test_a_warm_stop_gives_nothing_back(self, scene: Scene) -> None:
        scene.worker(ONE, late=EARLY, execution="gevent")
        scene.send(4, 3 * SHORT_S)
        scene.wait(lambda: scene.holds(ONE) == Holds(2, 2, 1))
        scene.terminate(ONE)
        scene.wait(lambda: scene.ended(ONE))
        assert scene.done() == 4
        scene.wait(lambda: scene.counts() == Counts())

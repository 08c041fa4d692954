"""How long a broker that failed is left alone."""

import pytest

from utilitarian_operator.adapters.broker.pause import BACKOFF, Pause
from utilitarian_operator.adapters.broker.timing import (
    Clock,
)
from utilitarian_operator.errors import BrokerUnreachable

ERROR = BrokerUnreachable("no answer")


def test_a_broker_that_never_failed_is_asked() -> None:
    pause = Pause()
    pause.check()
    assert not pause.lasts


def test_a_broker_that_failed_is_left_alone_with_its_last_error() -> None:
    pause = Pause()
    pause.failed(ERROR)
    assert pause.lasts
    with pytest.raises(BrokerUnreachable, match="no answer"):
        pause.check()


@pytest.mark.parametrize(
    "failures,longest", [(1, 1.0), (2, 2.0), (3, 4.0), (10, BACKOFF.longest_s), (5000, BACKOFF.longest_s)]
)
@pytest.mark.parametrize("part", [0.5, 0.75, 1.0])
def test_each_failure_doubles_the_pause_up_to_a_limit(failures: int, longest: float, part: float) -> None:
    now = 100.0

    def between(least: float, most: float) -> float:
        assert least <= part <= most
        return part

    pause = Pause(Clock(monotonic=lambda: now, between=between))
    for _ in range(failures):
        pause.failed(ERROR)
    now += longest * part - 0.001
    assert pause.lasts
    now += 0.001
    assert not pause.lasts


def test_a_broker_that_answers_again_starts_afresh() -> None:
    now = 100.0
    pause = Pause(Clock(monotonic=lambda: now))
    for _ in range(9):
        pause.failed(ERROR)
    pause.ended()
    pause.check()
    pause.failed(ERROR)
    now += 1.0
    assert not pause.lasts

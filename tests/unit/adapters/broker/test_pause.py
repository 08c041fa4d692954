"""How long a broker that failed is left alone."""

import time

import pytest

from utilitarian_operator.adapters.broker.pause import LONGEST_PAUSE_S, Pause
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
    "failures,longest", [(1, 1.0), (2, 2.0), (3, 4.0), (10, LONGEST_PAUSE_S), (5000, LONGEST_PAUSE_S)]
)
def test_each_failure_doubles_the_pause_up_to_a_limit(failures: int, longest: float) -> None:
    pause = Pause()
    for _ in range(failures):
        before = time.monotonic()
        pause.failed(ERROR)
    assert before + longest / 2 <= pause._until <= time.monotonic() + longest


def test_a_broker_that_answers_again_starts_afresh() -> None:
    pause = Pause()
    for _ in range(9):
        pause.failed(ERROR)
    pause.ended()
    pause.check()
    pause.failed(ERROR)
    assert pause._until - time.monotonic() <= 1.0

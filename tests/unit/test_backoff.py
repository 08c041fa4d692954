"""How long the pauses after failures are."""

import pytest

from utilitarian_operator.core.backoff import Backoff


@pytest.mark.parametrize(
    "failures, pause_s",
    [
        pytest.param(1, 0.5, id="the first"),
        pytest.param(2, 1.0, id="twice as long"),
        pytest.param(6, 16.0, id="doubled each time"),
        pytest.param(7, 30.0, id="up to a limit"),
        pytest.param(5000, 30.0, id="after a night"),
    ],
)
def test_each_failure_doubles_the_pause_and_chance_takes_half_of_it_at_most(failures: int, pause_s: float) -> None:
    backoff = Backoff(first_s=0.5, longest_s=30.0)
    assert backoff.pause_s(failures, lambda _, most: most) == pause_s
    assert backoff.pause_s(failures, lambda least, _: least) == pause_s / 2

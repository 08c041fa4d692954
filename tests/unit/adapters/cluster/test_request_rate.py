"""No more requests go to the API server than it may be asked, and none waits without need."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utilitarian_operator.adapters.cluster.request_rate import RequestRate

ROUNDING = 1e-6


def sent_at(asked: list[float], per_second: float, burst: int) -> list[float]:
    clock = iter(asked)
    rate = RequestRate(lambda: next(clock), per_second, burst)
    return [now + rate.pause_s() for now in asked]


@pytest.mark.parametrize(
    "asked,sent",
    [
        pytest.param([0, 0, 0], [0, 0, 0], id="a burst goes at once"),
        pytest.param([0, 0, 0, 0, 0], [0, 0, 0, 0.1, 0.2], id="what is beyond it waits"),
        pytest.param([0, 0, 0, 0, 9, 9, 9, 9], [0, 0, 0, 0.1, 9, 9, 9, 9.1], id="rest gives the burst back"),
        pytest.param([0, 0.1, 0.2, 0.3, 0.4], [0, 0.1, 0.2, 0.3, 0.4], id="at the rate none waits"),
    ],
)
def test_requests_go_at_their_turn(asked: list[float], sent: list[float]) -> None:
    assert sent_at(asked, per_second=10, burst=3) == pytest.approx(sent)


@given(
    gaps=st.lists(st.floats(0, 2), max_size=60),
    per_second=st.floats(0.5, 200),
    burst=st.integers(1, 20),
)
def test_no_stretch_of_time_has_more_than_its_share_and_none_overtakes(
    gaps: list[float], per_second: float, burst: int
) -> None:
    sent = sent_at(list(accumulate(gaps)), per_second, burst)
    assert sent == sorted(sent)
    for first, start in enumerate(sent):
        for count, end in enumerate(sent[first:], start=1):
            assert count <= burst + (end - start) * per_second + ROUNDING * per_second

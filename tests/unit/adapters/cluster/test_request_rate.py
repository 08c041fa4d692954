"""No more requests go to the API server than it may be asked, and none waits without need."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utilitarian_operator.adapters.cluster.request_rate import RequestRate

ROUNDING = 1e-6


async def no_wait(_: float) -> None:
    raise AssertionError("only the length of a pause is asked for")


def sent_at(asked: list[float], per_second: float, burst: int) -> list[float]:
    clock = iter(asked)
    rate = RequestRate(lambda: next(clock), no_wait, per_second, burst)
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


async def test_a_turn_that_is_not_due_is_waited_for() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    rate = RequestRate(lambda: 0.0, sleep, per_second=8, burst=3)
    for _ in range(5):
        await rate.turn()
    assert slept == pytest.approx([0.125, 0.25])


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

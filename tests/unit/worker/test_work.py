import statistics
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utilitarian.work import MEBIBYTE, WorkError, draw_work

IDS = [f"task-{number}" for number in range(4000)]


def seconds(duration: Mapping[str, object]) -> list[float]:
    return [draw_work(task_id, duration).seconds for task_id in IDS]


def test_the_same_task_always_does_the_same_work() -> None:
    duration = {"distribution": "lognormal", "median": 3, "sigma": 1}
    assert draw_work("a", duration, 0.5, 1) == draw_work("a", duration, 0.5, 1)
    assert draw_work("a", duration) != draw_work("b", duration)


def test_a_fixed_duration_is_what_it_says() -> None:
    assert set(seconds({"distribution": "fixed", "seconds": 2.5})) == {2.5}


def test_a_uniform_duration_stays_within_its_bounds() -> None:
    drawn = seconds({"distribution": "uniform", "low": 1, "high": 3})
    assert min(drawn) >= 1
    assert max(drawn) <= 3
    assert statistics.fmean(drawn) == pytest.approx(2, rel=0.03)


def test_a_lognormal_duration_has_its_median() -> None:
    assert statistics.median(seconds({"distribution": "lognormal", "median": 4, "sigma": 0.5})) == pytest.approx(
        4, rel=0.05
    )


def test_an_exponential_duration_has_its_mean() -> None:
    assert statistics.fmean(seconds({"distribution": "exponential", "mean": 5})) == pytest.approx(5, rel=0.05)


@given(st.text(), st.floats(0, 100), st.floats(0, 5), st.floats(0, 60))
def test_no_duration_is_above_its_maximum(task_id: str, median: float, sigma: float, most: float) -> None:
    drawn = draw_work(task_id, {"distribution": "lognormal", "median": median, "sigma": sigma, "max": most})
    assert 0 <= drawn.seconds <= most


@pytest.mark.parametrize(
    "probability, share",
    [pytest.param(0, 0, id="never"), pytest.param(0.25, 0.25, id="a quarter"), pytest.param(1, 1, id="always")],
)
def test_tasks_fail_with_the_given_probability(probability: float, share: float) -> None:
    failing = [draw_work(task_id, failure_probability=probability).fails for task_id in IDS]
    assert statistics.fmean(failing) == pytest.approx(share, abs=0.03)


def test_memory_is_given_in_mebibytes() -> None:
    assert draw_work("a", memory_mib=1.5).memory == MEBIBYTE * 3 // 2


@pytest.mark.parametrize(
    "arguments, message",
    [
        pytest.param({"duration": {"distribution": "normal"}}, "distribution is 'normal': use one of fixed", id="kind"),
        pytest.param({"duration": {"seconds": 1}}, "distribution is None", id="no kind"),
        pytest.param({"duration": {"distribution": ["fixed"]}}, "distribution is", id="kind is a list"),
        pytest.param({"duration": {"distribution": "fixed"}}, "seconds is None", id="missing field"),
        pytest.param(
            {"duration": {"distribution": "fixed", "seconds": 1, "mean": 2}}, "mean means nothing", id="unknown field"
        ),
        pytest.param({"duration": {"distribution": "fixed", "seconds": -1}}, "seconds is -1", id="negative"),
        pytest.param({"duration": {"distribution": "fixed", "seconds": True}}, "seconds is True", id="boolean"),
        pytest.param({"duration": {"distribution": "fixed", "seconds": "2"}}, "seconds is '2'", id="text"),
        pytest.param({"duration": {"distribution": "exponential", "mean": float("inf")}}, "mean is inf", id="infinite"),
        pytest.param({"duration": {"distribution": "uniform", "low": 2, "high": 1}}, "use low ≤ high", id="order"),
        pytest.param({"failure_probability": 1.5}, "failure_probability is 1.5", id="probability"),
        pytest.param({"memory_mib": -1}, "memory_mib is -1", id="memory"),
    ],
)
def test_a_message_that_makes_no_sense_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(WorkError, match=message):
        draw_work("a", **arguments)  # type: ignore[arg-type]

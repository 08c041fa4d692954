"""What is believed of a broker's answers: up on the freshest answer, down only when all agree."""

from datetime import timedelta

import pytest

from utilitarian_operator.core.observation.model.figures import Source
from utilitarian_operator.core.observation.model.queue import Counted
from utilitarian_operator.core.observation.queue_trust import doubted


@pytest.mark.parametrize(
    "ready,consumers,counted,serving,believed",
    [
        pytest.param(0, 0, None, 0, (0, False), id="asleep"),
        pytest.param(0, 0, Counted(0, 0), 0, (0, False), id="asleep, and the statistics agree"),
        pytest.param(0, 2, Counted(0, 0), 2, (0, False), id="all done"),
        pytest.param(0, 2, Counted(9, 0), 2, (0, False), id="done since the statistics were read"),
        pytest.param(5, 0, Counted(0, 0), 2, (5, False), id="just published, workers not there yet"),
        pytest.param(0, 0, None, 2, (0, True), id="none consumes, although workers are ready"),
        pytest.param(0, 0, Counted(0, 0), 2, (0, True), id="and the statistics agree: those of a leader that died"),
        pytest.param(0, 0, Counted(50, 0), 0, (50, True), id="asleep, and the statistics know of messages"),
        pytest.param(0, 0, Counted(50, 0), 2, (50, True), id="awake, and the statistics know of messages"),
    ],
)
def test_a_zero_needs_a_source_that_confirms_it(
    ready: int, consumers: int, counted: Counted | None, serving: int, believed: tuple[int, bool]
) -> None:
    figure, why = doubted("q", ready, consumers, counted, serving)
    assert (figure, why is not None) == believed
    assert why is None or why.startswith("queue q says that it is empty")


@pytest.mark.parametrize(
    "age_s,quality",
    [(0.0, "live"), (2.0, "live"), (2.1, "sampled"), (15.0, "sampled"), (15.1, "stale"), (None, "unknown")],
)
def test_a_source_has_a_quality(age_s: float | None, quality: str) -> None:
    assert Source("statistics", None if age_s is None else timedelta(seconds=age_s)).quality == quality

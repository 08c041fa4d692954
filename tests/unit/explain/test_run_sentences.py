"""The runs of a pool in sentences: what a status lacks is left out or said to be unknown."""

from typing import Any

import pytest

from utilitarian_operator.core.explain.run_sentences import MOST_PAST, open_run, past_runs

START, END = "2026-11-23T12:00:00Z", "2026-11-23T12:30:10Z"


@pytest.mark.parametrize(
    "run,said",
    [
        pytest.param(None, "", id="none"),
        pytest.param(
            {"name": "monthly", "started": START}, f"run monthly of {START}, what is left is unknown", id="unknown"
        ),
        pytest.param(
            {"name": "monthly", "started": START, "remaining": 1, "eta": END, "uncertainty": "2m", "deadline": END},
            f"run monthly of {START}, 1 task left, done about {END} (± 2m), due {END}",
            id="all",
        ),
        pytest.param({"remaining": 0}, "run ? of ?, 0 tasks left", id="without a name"),
    ],
)
def test_the_open_run(run: dict[str, Any] | None, said: str) -> None:
    assert open_run({"run": run}) == said


@pytest.mark.parametrize(
    "past,said",
    [
        pytest.param(
            {"outcome": "Late", "started": START, "finished": END, "tasks": 7, "mostWorkers": 1, "workerSeconds": 5400},
            "Late after 30m, 7 tasks, 1 worker at most, 1.5 worker-hours",
            id="all",
        ),
        pytest.param({"outcome": "Done"}, "Done, 0 tasks, 0 workers at most, 0 worker-hours", id="nothing known"),
        pytest.param(
            {"started": END, "finished": START}, "?, 0 tasks, 0 workers at most, 0 worker-hours", id="backwards"
        ),
        pytest.param(
            {"started": 5, "finished": START}, "?, 0 tasks, 0 workers at most, 0 worker-hours", id="no moment"
        ),
    ],
)
def test_a_run_that_is_over(past: dict[str, Any], said: str) -> None:
    ((_, text),) = past_runs({"history": [past]})
    assert text == said


def test_only_the_last_ones_are_worth_a_line() -> None:
    assert len(list(past_runs({"history": [{"name": "a"}] * 9}))) == MOST_PAST
    assert list(past_runs({})) == []

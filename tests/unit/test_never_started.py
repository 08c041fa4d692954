"""Which of the tasks that a worker calls active surely never began."""

from typing import Any

import pytest

from utilitarian_operator.core.never_started import surely_run

NOW = 1_000_000.0
EARLY = frozenset({"poll", "publish"})


def request(name: str = "poll", *, acknowledged: bool = False, ago: float | None = 181.0) -> dict[str, Any]:
    return {"name": name, "acknowledged": acknowledged, "time_start": None if ago is None else NOW - ago}


@pytest.mark.parametrize(
    "said,acked_early,runs",
    [
        pytest.param(request(), EARLY, False, id="its acknowledgement has not come in three minutes"),
        pytest.param(request(ago=179), EARLY, True, id="it may still come"),
        pytest.param(request(acknowledged=True), EARLY, True, id="it came"),
        pytest.param(request("commit"), EARLY, True, id="acknowledged when it has run"),
        pytest.param(request(), frozenset(), True, id="of a worker that runs what it could not acknowledge"),
        pytest.param(request(ago=None), EARLY, True, id="no worker says when it began"),
        pytest.param({"name": "poll", "time_start": NOW - 181}, EARLY, False, id="no word of it is no acknowledgement"),
    ],
)
def test_what_surely_runs(said: dict[str, Any], acked_early: frozenset[str], runs: bool) -> None:
    beside = request("publish", acknowledged=True)
    assert surely_run([said, beside], acked_early, NOW) == ([said, beside] if runs else [beside])

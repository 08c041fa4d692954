"""What readings of beat say themselves: whether it is ready, and whether its claim is surely gone."""

from typing import Any

import pytest

from utilitarian_operator.core.observation.beat import BeatReadings


@pytest.mark.parametrize(
    "statefulset,ready",
    [
        pytest.param({}, False, id="there is none"),
        pytest.param({"status": {}}, False, id="its controller has not seen it"),
        pytest.param({"status": {"readyReplicas": 0}}, False, id="starts"),
        pytest.param({"status": {"readyReplicas": 1}}, True, id="ready"),
    ],
)
def test_beat_is_ready_when_its_stateful_set_says_so(statefulset: dict[str, Any], *, ready: bool) -> None:
    assert BeatReadings(statefulset).ready is ready


@pytest.mark.parametrize(
    "claim,gone",
    [
        pytest.param(None, False, id="not read"),
        pytest.param({}, True, id="there is none"),
        pytest.param({"metadata": {}}, False, id="there"),
    ],
)
def test_a_claim_that_was_not_read_is_not_gone(claim: dict[str, Any] | None, *, gone: bool) -> None:
    assert BeatReadings(claim=claim).claim_is_gone is gone

"""A worker that was killed at its memory limit teaches its pool that figure."""

from dataclasses import replace

import pytest

from tests.support.pools import NOW, fleet
from utilitarian_operator.core.diagnosis.memory_kills import with_kills
from utilitarian_operator.core.diagnosis.pod_losses import Cause, PodLoss
from utilitarian_operator.core.sizing.memory import Memory

FLEET = fleet({"name": "a", "worker": {"concurrency": 8}})
KILLED = PodLoss("p", "u", "a", Cause.OOM_KILLED, NOW, "", "", memory_limit="2Gi")


@pytest.mark.parametrize(
    "loss, peak",
    [
        pytest.param(KILLED, 2 * 2**30, id="at-its-limit"),
        pytest.param(replace(KILLED, memory_limit=None), None, id="its-node-had-no-more"),
        pytest.param(replace(KILLED, cause=Cause.CRASHED), None, id="another-cause"),
        pytest.param(replace(KILLED, pool="beat"), None, id="beat-has-no-slots"),
    ],
)
def test_what_a_kill_teaches(loss: PodLoss, peak: float | None) -> None:
    usage = with_kills(FLEET, {"a": Memory()}, [loss], NOW)["a"].usage
    assert usage.peak_memory == peak
    assert (usage.killed_at, usage.slots) == ((NOW, 8) if peak else (None, 0))

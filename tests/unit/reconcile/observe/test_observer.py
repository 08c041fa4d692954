"""What an observer makes of broker and workers together, and what a rollout is."""

from dataclasses import replace

from tests.support.pools import NOW
from utilitarian_operator.core.observation.model import PodSnapshot, PoolSnapshot, WorkerLoad

HOLDS = PodSnapshot(
    "a", ready=True, running=True, leaving=False, held=WorkerLoad(2, 1, 3, 0, consuming=("queue",)), revision="1"
)
DEAF = replace(HOLDS, name="b", held=WorkerLoad(0, 0, 0, 0, consuming=()))
GOING = replace(HOLDS, name="c", marked=NOW)
GOING_DEAF = replace(DEAF, name="d", marked=NOW)
LIMITED = replace(HOLDS, sample=WorkerLoad(0, 0, 0, 0, begun=1, limited=True))


def test_a_pod_of_the_old_template_that_was_told_to_go_holds_up_no_drain() -> None:
    old = replace(HOLDS, name="old", revision="0")
    there = PoolSnapshot({}, 0, (HOLDS, old), 1)
    assert there.rolling_out
    assert not replace(there, pods=(HOLDS, replace(old, leaving=True))).rolling_out

"""What a snapshot tells of a pool beside its fields."""

from dataclasses import replace

from utilitarian_operator.core.observation.model import PodSnapshot, PoolSnapshot, WorkerLoad

HOLDS = PodSnapshot("a", ready=True, running=True, leaving=False, held=WorkerLoad(2, 1, 3, 0), revision="1")


def test_a_pod_of_the_old_template_that_was_told_to_go_holds_up_no_drain() -> None:
    old = replace(HOLDS, name="old", revision="0")
    there = PoolSnapshot({}, 0, (HOLDS, old), 1)
    assert there.rolling_out
    assert not replace(there, pods=(HOLDS, replace(old, leaving=True))).rolling_out

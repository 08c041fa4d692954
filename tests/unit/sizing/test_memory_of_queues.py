from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.pools import NOW, facts, fleet
from utilitarian_operator.api.effective import Pool
from utilitarian_operator.core.sizing.eta_sleep import EtaSleep
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.memory_json import from_text, to_text
from utilitarian_operator.core.sizing.pools import FleetContext, decide_pool

ASLEEP = Memory(eta_sleep=EtaSleep(3, NOW + timedelta(hours=9), 1, slept=True))
TRIED = Memory(first_worker_spent=True)
THREE, MISSING = facts(3), facts(0, missing=("new",))


def of(*queues: str) -> Pool:
    return fleet({"name": "pool", "queues": queues}).pools[0]


@pytest.mark.parametrize(
    "queues, moved, awake",
    [
        pytest.param(("old", "other"), False, False, id="the same queues"),
        pytest.param(("other", "old"), False, False, id="in another order"),
        pytest.param(("new",), False, True, id="others"),
        pytest.param(("old",), False, True, id="one of them left"),
        pytest.param(("old", "other"), True, True, id="the same on another broker"),
    ],
)
@pytest.mark.parametrize(
    "memory, seen", [(ASLEEP, THREE), (TRIED, MISSING)], ids=["tasks-with-an-eta", "a-first-worker"]
)
def test_what_is_remembered_of_queues_keeps_no_other_queue_waiting(
    queues: tuple[str, ...], moved: bool, awake: bool, memory: Memory, seen: Facts
) -> None:
    """Three tasks that wait for tomorrow, and three of another queue that do not."""
    before = facts(3 if memory is ASLEEP else 0, missing=() if memory is ASLEEP else ("old",))
    decision, memory = decide_pool(of("old", "other"), before, memory, FleetContext(NOW))
    assert decision.replicas == 0
    read_back = from_text(to_text(memory), NOW)
    assert read_back == replace(memory, looked_at=None)
    decision, _ = decide_pool(of(*queues), seen, read_back, FleetContext(NOW, moved=moved))
    assert bool(decision.replicas) is awake


def test_a_pool_that_has_nothing_of_its_queues_writes_nothing_of_them() -> None:
    _, memory = decide_pool(of("old"), facts(3), Memory(), FleetContext(NOW))
    assert memory.of_queues == ""

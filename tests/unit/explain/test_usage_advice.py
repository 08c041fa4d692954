"""The sentences on CPU and memory: what was measured, in the words that a person needs to act on it."""

from typing import Any

import pytest

from tests.support.pools import NOW, facts, fleet
from utilitarian_operator.api.effective import Pool
from utilitarian_operator.core.explain import usage_advice
from utilitarian_operator.core.explain.next_changes import trade_offs
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.rule_input import RuleInput
from utilitarian_operator.core.sizing.usage import Usage

MIB = 2**20


def pool(concurrency: int, execution: str = "prefork", **resources: Any) -> Pool:
    worker = {"concurrency": concurrency, "execution": execution, "resources": resources}
    return fleet({"name": "pool", "worker": worker}).pools[0]


def test_a_solo_worker_is_never_advised_more_slots_than_its_one() -> None:
    """The schema refuses them."""
    solo = pool(1, "solo", requests={"cpu": "200m", "memory": "1Gi"})
    assert usage_advice.slots(solo, usage(1, 0.01, 100), 3) is None
    assert usage_advice.slots(pool(1, requests={"cpu": "200m", "memory": "1Gi"}), usage(1, 0.01, 100), 3) is not None


def test_a_peak_of_nearly_nothing_is_no_error() -> None:
    """As a person may have written it into a status."""
    asked = pool(4, requests={"cpu": "200m", "memory": "1Gi"})
    found = usage_advice.slots(asked, Usage(4, (0.01,) * 5, 5e-324, since=NOW), 3)
    assert found is not None
    assert found.to == 16


def usage(slots: int, cores: float, mebibytes: float, *, killed: bool = False) -> Usage:
    return Usage(slots, (cores,) * 5, mebibytes * MIB, since=NOW, killed_at=NOW if killed else None)


@pytest.mark.parametrize(
    "asked, seen, because",
    [
        pytest.param(
            pool(4, requests={"cpu": "200m", "memory": "1Gi"}),
            usage(4, 0.01, 200),
            "a task uses 1 % of a core: 16 slots still fit into the 200m requested",
            id="cpu-is-left-over",
        ),
        pytest.param(
            pool(8, limits={"memory": "2Gi"}), usage(8, 0.01, 1741), "peak memory 1.7 of 2 GiB", id="memory-is-short"
        ),
        pytest.param(
            pool(8, limits={"memory": "2Gi"}),
            usage(8, 0.01, 2048, killed=True),
            "peak memory 2 of 2 GiB; a worker was killed for its memory at 2026-03-02T12:00:00Z",
            id="one-was-killed",
        ),
    ],
)
def test_why_another_number_of_slots_is_advised(asked: Pool, seen: Usage, because: str) -> None:
    found = usage_advice.slots(asked, seen, most_workers=3)
    assert found is not None
    assert found.because == because


@pytest.mark.parametrize(
    "asked, seen, what",
    [
        pytest.param(
            pool(10, "threads"),
            usage(10, 0.1, 200),
            "10 slots at 10 % of a core each use up 1 core, all that one process can use",
            id="one-process-has-one-core",
        ),
        pytest.param(
            pool(10, limits={"cpu": "500m", "memory": "2Gi"}),
            usage(10, 0.05, 200),
            "10 slots at 5 % of a core each use up its limit of 500m",
            id="a-limit",
        ),
        pytest.param(pool(10), usage(10, 0.1, 200), None, id="without-a-limit-only-the-node-has-one"),
        pytest.param(pool(10, "threads"), usage(5, 0.2, 200), None, id="measured-with-other-slots"),
        pytest.param(pool(10, "threads"), Usage(), None, id="nothing-was-measured"),
    ],
)
def test_a_worker_that_is_bound_by_its_cpu_is_told(asked: Pool, seen: Usage, what: str | None) -> None:
    found = [it for it in trade_offs(RuleInput(asked, facts(), Memory(usage=seen), NOW)) if "CPU" in it.what]
    assert [it.what for it in found] == ([] if what is None else [f"a worker is bound by its CPU: {what}"])
    assert all(it.cure.startswith("more workers rather than more concurrency") for it in found)

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.pools import NOW, fleet
from utilitarian_operator.api.effective import Pool
from utilitarian_operator.core.sizing.usage import Usage
from utilitarian_operator.simulation.report.candidates import (
    differences,
    fewer_slots,
    longer_idles,
    longer_promises,
    measured_slots,
    more_slots,
    shorter_idles,
    smaller,
    wakes,
)


def pool(**written: Any) -> Pool:
    return fleet({"name": "pool", **written}).pools[0]


def test_a_pool_that_always_stays_neither_sleeps_otherwise_nor_wakes_otherwise() -> None:
    stays = pool(scaling={"min": 1})
    assert [*wakes(stays), *shorter_idles(stays), *longer_idles(stays)] == []


def test_the_other_way_to_wake_is_tried() -> None:
    (other,) = wakes(pool())
    assert [str(it) for it in differences(pool(), other)] == ["scaling.wake AtOnce → WhenDue"]
    assert [it.scaling.wake for it in wakes(other)] == ["AtOnce"]


def test_idle_times_go_ever_further_from_the_present_one() -> None:
    shorter = [it.scaling.idle_after.total_seconds() for it in shorter_idles(pool())]
    assert shorter == [60, 30, 15, 10, 5, 0]
    assert [it.scaling.idle_after for it in longer_idles(pool())] == [timedelta(minutes=5)]


def test_fewer_workers_are_tried_down_to_what_a_run_asks_for() -> None:
    assert [it.scaling.max for it in smaller(pool(), 8)] == [4, 2, 1]
    run = [{"name": "run", "start": "0 * * * *", "workers": 3}]
    assert [it.scaling.max for it in smaller(pool(schedule=run), 8)] == [4]
    assert list(smaller(pool(), 1)) == []


def test_fewer_slots_request_less_and_leave_as_many_in_all() -> None:
    requests = {"requests": {"cpu": "200m", "memory": "512Mi"}}
    asked = pool(worker={"concurrency": 4, "resources": requests}, scaling={"max": 3})
    half, quarter = fewer_slots(asked)
    assert (half.worker.concurrency, half.scaling.max) == (2, 6)
    assert half.worker.resources == {"requests": {"cpu": "100m", "memory": "256Mi"}}
    assert quarter.worker.concurrency == 1
    assert [it.worker.concurrency for it in more_slots(asked)] == [8, 16]
    assert [it.field for it in differences(asked, half)] == [
        "worker.concurrency",
        "worker.resources.requests.cpu",
        "worker.resources.requests.memory",
        "scaling.max",
    ]


def test_the_next_longer_promise_is_one_that_people_write() -> None:
    assert [it.scaling.drain_within for it in longer_promises(pool(scaling={"drainWithin": "1m"}))] == [
        timedelta(minutes=2)
    ]
    assert list(longer_promises(pool(scaling={"drainWithin": "1h"}))) == []


@pytest.mark.parametrize(
    "written, found",
    [
        pytest.param({"scaling": {"min": 3, "max": 4}}, [(2, 8), (1, 16), (8, 3), (16, 3)], id="no fewer than stay"),
        pytest.param(
            {"schedule": [{"name": "run", "start": "0 * * * *", "workers": 5}]},
            [(2, 20), (1, 40), (8, 5), (16, 5)],
            id="than a run has",
        ),
        pytest.param({"scaling": {"max": 400}}, [(2, 800), (8, 200), (16, 100)], id="no more workers than may be"),
        pytest.param(
            {"worker": {"concurrency": 400}, "scaling": {"max": 1}},
            [(200, 2), (100, 4), (50, 8), (25, 16), (12, 34), (6, 67), (3, 134), (1, 400), (800, 1)],
            id="no more slots than may be",
        ),
        pytest.param({"worker": {"execution": "solo"}}, [], id="solo"),
        pytest.param({"worker": {"resources": {"limits": {"nvidia.com/gpu": "1"}}}}, [], id="a device"),
    ],
)
def test_slots_are_tried_that_a_resource_can_have(written: dict[str, Any], found: list[tuple[int, int]]) -> None:
    tried = [*fewer_slots(pool(**written)), *more_slots(pool(**written))]
    assert [(it.worker.concurrency, it.scaling.max) for it in tried] == found


def test_a_disk_is_not_multiplied_with_the_slots() -> None:
    asked = pool(worker={"resources": {"requests": {"cpu": "200m", "ephemeral-storage": "1Gi"}}})
    assert {it.worker.resources["requests"]["ephemeral-storage"] for it in fewer_slots(asked)} == {"1Gi"}


REQUESTS = {"requests": {"cpu": "200m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}
LIGHT = Usage(slots=4, cpu_per_slot=(0.01,) * 10, peak=0.5 * 2**30, since=NOW)


@pytest.mark.parametrize(
    "usage, peak, slots",
    [
        pytest.param(LIGHT, 3, [13], id="by its memory, less a margin"),
        pytest.param(LIGHT, 1, [], id="one worker is enough: nothing to save"),
        pytest.param(replace(LIGHT, cpu_per_slot=(0.05,) * 10), 3, [], id="its tasks use what is requested"),
        pytest.param(replace(LIGHT, slots=2), 3, [], id="measured with another number of slots"),
        pytest.param(replace(LIGHT, peak=1.9 * 2**30), 3, [], id="its memory is short: fewer slots save nothing"),
        pytest.param(Usage(), 3, [], id="nothing was measured"),
    ],
)
def test_measured_slots_are_had_for_the_same_requests(usage: Usage, peak: int, slots: list[int]) -> None:
    asked = pool(worker={"concurrency": 4, "resources": REQUESTS}, scaling={"max": 6})
    found = list(measured_slots(asked, usage, peak))
    assert [it.worker.concurrency for it in found] == slots
    assert all(it.worker.resources == asked.worker.resources for it in found)
    assert all(it.scaling.max * it.worker.concurrency >= 6 * 4 for it in found)

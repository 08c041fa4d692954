"""What the demonstration works out from what it saw."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from demo.bed import DemoError, read_bed
from demo.broker import Sent
from demo.report import Report, make_report, scale_ups, wording
from demo.scenario import plan, quickstart
from demo.snapshot import PoolSnapshot, Snapshot
from utilitarian.ledger import Record
from utilitarian.reckoning import Ledger
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.resource import parse

QUEUE = "utilitarian.tasks.amr"


def record(task: str, event: str, at: float) -> Record:
    return Record(task, event, at, QUEUE, "celery@a", 7)  # type: ignore[arg-type]


def look(at: float, pods: int, waiting: int = 0) -> Snapshot:
    return Snapshot(at, (PoolSnapshot("amr", waiting, 0, pods, pods, pods, "because"),), beat_ready=True, finished=0)


def scaled(at: str, note: str, reason: str = "ScaledUp") -> dict[str, object]:
    return {"reason": reason, "eventTime": at, "note": note}


# 1970: the event's time and the seconds below are the same clock.
EVENTS = [
    scaled("1970-01-01T00:00:05.000000Z", "pool amr: 0 to 1: the first worker, before anything was sent"),
    scaled("1970-01-01T00:00:11.250000Z", "pool amr: 0 to 2: 20 tasks"),
    scaled("1970-01-01T00:00:14.000000Z", "pool amr: 2 to 3: more"),
    scaled("1970-01-01T00:00:10.100000Z", "pool commits: 0 to 2: another pool"),
    scaled("1970-01-01T00:00:10.200000Z", "pool amr: 2 to 0: nothing to do", "ScaledDown"),
]
WHOLE = [
    *(record(task, "start", at) for task, at in (("a", 12.0), ("b", 12.5), ("beat", 13.0))),
    *(record(task, "end", 15.0) for task in ("a", "b", "beat")),
]


def report(records: Sequence[Record], last: Snapshot | None = None) -> Report:
    history = [look(0, 0), look(10, 2), look(20, 1), last or look(30, 0)]
    sent = {"amr": [Sent(QUEUE, ("a", "b"), (10.0, 10.1))]}
    return make_report(sent, Ledger.of(records), scale_ups(EVENTS), history)


def test_times_count_from_the_pools_first_message_and_workers_by_the_looks() -> None:
    found = report(WHOLE)
    pool = found.pools[0]
    assert (pool.sent, pool.finished, found.beat_tasks) == (2, 2, 1)
    assert (pool.to_scale, pool.to_start) == (1.25, 2.0)
    assert pool.woken_in_time
    assert (pool.most, pool.used, pool.always_on) == (2, 2 * 10 + 1 * 10, 2 * 30)
    assert found.failures == []
    assert "1.25 s ok" in "\n".join(wording(found))
    assert wording(found)[-1] == "every task finished exactly once, and the fleet is back at zero"


@pytest.mark.parametrize(
    "records, last, said",
    [
        pytest.param(WHOLE[:-3] + WHOLE[-2:], None, "1 lost", id="a task that started did not end"),
        pytest.param([*WHOLE, record("a", "start", 14.0)], None, "1 run twice", id="a task started twice"),
        pytest.param([*WHOLE[:3], *WHOLE[4:], record("a", "fail", 15.0)], None, "1 failed", id="a task failed"),
        pytest.param([r for r in WHOLE if r.task_id != "beat"], None, "beat sent no", id="beat did nothing"),
        pytest.param(WHOLE, look(30, 1), "not back at zero", id="a worker is left"),
        pytest.param(WHOLE, look(30, 0, waiting=1), "not back at zero", id="a message is left"),
    ],
)
def test_it_fails_and_says_why_when(records: list[Record], last: Snapshot | None, said: str) -> None:
    found = report(records, last)
    assert any(said in failure for failure in found.failures), found.failures
    assert any(line.startswith("FAILED: ") and said in line for line in wording(found))


def test_a_pool_without_a_scale_request_fails_and_a_late_one_is_marked() -> None:
    sent = {"amr": [Sent(QUEUE, ("a", "b"), (10.0, 10.1))]}
    ledger, history = Ledger.of(WHOLE), [look(0, 0), look(30, 0)]
    silent = make_report(sent, ledger, [], history)
    assert silent.failures == ["no scale request of pool amr was recorded"]
    late = make_report(sent, ledger, scale_ups([EVENTS[2]]), history)
    assert late.failures == []
    assert "4.00 s LATE" in "\n".join(wording(late))


@pytest.mark.parametrize("tasks", [4, 5, 37, 100, 400, 1001])
def test_a_plan_sends_as_many_tasks_as_asked_to_four_queues_of_four_pools(tasks: int) -> None:
    lots = plan(tasks)
    assert sum(lot.tasks for lot in lots) == tasks
    assert all(lot.tasks >= 1 for lot in lots)
    resource = quickstart()
    pools = effective_fleet(parse(resource | {"metadata": {"name": "demo", "namespace": "demo"}}).spec).pools
    woken = {pool.name for pool in pools for lot in lots if lot.queue in pool.queues}
    assert len(woken) == len({lot.queue for lot in lots}) == 4


def test_too_few_tasks_and_a_missing_test_bed_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="use --tasks 4 or more"):
        plan(3)
    with pytest.raises(DemoError, match="run `make up`"):
        read_bed(tmp_path / "testbed.json")

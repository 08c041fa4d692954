"""A fleet at which nothing happens is never written: ten minutes of looks in virtual time, and the writes of them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.examples import length
from tests.support.merge_patch import merged
from tests.support.pools import NOW, fleet
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.forecast.news import watch
from utilitarian_operator.core.forecast.next_starts import upcoming
from utilitarian_operator.core.observation.beat import BeatSnapshot
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present
from utilitarian_operator.core.sizing.eta_sleep import EtaSleep
from utilitarian_operator.core.sizing.facts import facts
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.pools import FleetContext, decide_fleet
from utilitarian_operator.core.status.change import Written, patch, worth_writing
from utilitarian_operator.core.status.recall import remembered
from utilitarian_operator.core.status.report import Reported, StatusInput
from utilitarian_operator.core.status.status import fleet_status

SETTLING, REST = 180, length(600, quick=120)
"""Looks, one a second: until a stabilization and an idleAfter are over, and those that count."""

IDLE = WorkerLoad(active=0, acked_early=0, reserved=0, scheduled=0, consuming=("q",))
WORKER = PodSnapshot("worker", ready=True, running=True, leaving=False, held=IDLE)
DUE = NOW + timedelta(days=1)
MONTHLY = [{"name": "monthly", "start": "0 0 1 * *"}]

FLEETS: dict[str, tuple[list[dict[str, Any]], PoolSnapshot, Memory]] = {
    "asleep": ([{"name": "pool"}], PoolSnapshot({"q": Present(0, 0)}, 0, replicas=0), Memory()),
    "awake-with-min-workers": (
        [{"name": "pool", "scaling": {"min": 2}}],
        PoolSnapshot({"q": Present(0, 2)}, 0, (WORKER, replace(WORKER, name="other")), replicas=2),
        Memory(),
    ),
    "awake-with-tasks-for-later": (
        [{"name": "pool"}],
        PoolSnapshot(
            {"q": Present(0, 1)},
            3,
            (replace(WORKER, held=replace(IDLE, scheduled=3, first_due=NOW + timedelta(minutes=1))),),
            replicas=1,
        ),
        Memory(),
    ),
    "asleep-with-tasks-for-later": (
        [{"name": "pool"}],
        PoolSnapshot({"q": Present(3, 0)}, 0, replicas=0),
        Memory(eta_sleep=EtaSleep(3, DUE, returns=1, slept=True)),
    ),
    "holding-work-for-its-run": (
        [{"name": "pool", "scaling": {"outsideRuns": "Hold"}, "schedule": MONTHLY}],
        PoolSnapshot({"q": Present(50, 0)}, 0, replicas=0),
        Memory(),
    ),
    "with-work-all-the-time": (
        [{"name": "pool", "scaling": {"max": 1}, "worker": {"concurrency": 1}}],
        PoolSnapshot({"q": Present(40, 1)}, 1, (WORKER,), replicas=1),
        Memory(),
    ),
}


def looks(asked: Fleet, seen: PoolSnapshot, status: dict[str, Any], memory: Memory) -> Iterator[bool]:
    """Looks as an operator does, each with whether it wrote; the status is as the API server would have it."""
    memories = remembered(status, NOW) or {"pool": memory}
    written = None
    for second in range(SETTLING + REST):
        now = NOW + timedelta(seconds=second)
        snapshot = FleetSnapshot(now, {"pool": seen}, beat=BeatSnapshot(ready=True), last_messages={})
        found = {"pool": facts(seen)}
        sizes = decide_fleet(asked, found, memories, FleetContext(now))
        decisions, after = sizes.decisions, sizes.memories
        watched = watch(asked, snapshot, found, decisions, memories, after)
        memories = watched.memories
        about = StatusInput(1, starts=upcoming(asked, now), runs=watched.forecasts)
        wanted = fleet_status(Reported(asked, snapshot, decisions, memories, status, about))
        wrote = worth_writing(wanted, status, written, now)
        if wrote:
            status = merged(status, json.loads(json.dumps(patch(wanted, status))))
            written = Written(wanted, status, now)
        yield wrote


@pytest.mark.parametrize("pools, seen, memory", FLEETS.values(), ids=FLEETS)
def test_nothing_is_written_while_nothing_happens(
    pools: list[dict[str, Any]], seen: PoolSnapshot, memory: Memory
) -> None:
    wrote = list(looks(fleet(*pools), seen, {}, memory))
    assert wrote[0]
    assert sum(wrote[SETTLING:]) == 0


LEFTOVERS: dict[str, dict[str, Any]] = {
    "of-beat": {"beat": {"ready": True, "memorySince": "2026-03-01T00:00:00Z", "ofAnOlderVersion": {"x": 1}}},
    "of-schedules-that-are-gone": {
        "beat": {"ready": True, "lastMessages": [{"queue": "gone", "at": "2026-03-01T00:00:00Z"}]},
        "nextRun": "pool 2026-04-01T00:00Z",
    },
}


@pytest.mark.parametrize("status", LEFTOVERS.values(), ids=LEFTOVERS)
def test_what_is_left_over_in_a_status_goes_with_the_first_write(status: dict[str, Any]) -> None:
    wrote = list(looks(fleet({"name": "pool"}), FLEETS["asleep"][1], status, Memory()))
    assert wrote[0]
    assert sum(wrote[SETTLING:]) == 0

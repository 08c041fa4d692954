"""What is said to the kubelet: parts that stopped, and watches that fell silent."""

import asyncio
from dataclasses import dataclass

import pytest

from utilitarian_operator.errors import HistoryWentBack
from utilitarian_operator.host.health import SILENT_S, History, ProcessHealth, WatchProgress
from utilitarian_operator.host.workqueue import STUCK_S, WorkQueue


@dataclass
class Clock:
    now: float = 0.0

    def seconds(self) -> float:
        return self.now


@pytest.mark.parametrize("part", ["tick", "first list", "Lease"])
def test_a_part_that_stops_is_named_also_before_the_first_tick(part: str) -> None:
    clock = Clock()
    health = ProcessHealth(lacks=None, seconds=clock.seconds)
    health.goes_on(part)
    clock.now = SILENT_S
    assert health.sick() is None
    clock.now += 1
    assert health.sick() == f"{part}: no progress for 120 s"
    health.ended(part)
    assert health.sick() is None


def test_a_watch_that_falls_silent_is_found_by_the_next_list() -> None:
    clock = Clock()
    watches = WatchProgress(clock.seconds)
    watches.saw("pods", 7)
    watches.listed("pods", 7)
    watches.listed("deployments", 9)
    clock.now = SILENT_S + 1
    assert watches.stuck() == "the watch of deployments has shown nothing of what is there for 120 s"
    watches.saw("deployments", 9)
    assert watches.stuck() is None


async def test_work_that_never_ends_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    began = asyncio.Event()

    async def for_ever(_: str) -> bool:
        began.set()
        await asyncio.get_running_loop().create_future()
        return True

    queue = WorkQueue(for_ever)
    run = asyncio.create_task(queue.run())
    queue.add("metering/u")
    await began.wait()
    assert queue.stuck() is None
    loop = asyncio.get_running_loop()
    at = loop.time()
    monkeypatch.setattr(loop, "time", lambda: at + STUCK_S + 1)
    assert queue.stuck() == "the work on metering/u has gone on for more than 120 s"
    monkeypatch.undo()
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)


@pytest.mark.parametrize(
    "listed, stuck",
    [
        pytest.param([9, 5], False, id="all that is left was shown"),
        pytest.param([9, 8], True, id="not all that is left"),
        pytest.param([9, 12], True, id="and there is more"),
    ],
)
def test_what_vanished_while_a_watch_was_away_is_waited_for_no_longer(listed: list[int], stuck: bool) -> None:
    """The process would be killed in a namespace where nothing more happens."""
    clock = Clock()
    watches = WatchProgress(clock.seconds)
    watches.saw("pods", 7)
    for version in listed:
        watches.listed("pods", version)
        clock.now += SILENT_S / 2 + 1
    assert (watches.stuck() is not None) == stuck


@pytest.mark.parametrize(
    "versions",
    [
        pytest.param([10, 12, 11], id="as it goes: a list is as new as what was seen before, or newer"),
        pytest.param([9, 10, 9, 10], id="one that is older now and then"),
    ],
)
def test_one_list_that_is_older_than_what_was_seen_is_a_fault(versions: list[int]) -> None:
    history = History()
    for version in versions:
        history.compare({"pods": 10, "deployments": 0}, {"pods": version, "deployments": version})
        assert history.doubtful == (version < 10)


def test_two_in_a_row_are_of_an_api_server_that_has_an_earlier_state() -> None:
    history = History()
    history.compare({"pods": 10}, {"pods": 4})
    with pytest.raises(HistoryWentBack, match="the list of pods is at version 5, and version 10 was seen before"):
        history.compare({"pods": 10}, {"pods": 5})

"""What is learned of a pool's CPU and memory: robustly, anew with another number of slots, and forgotten in time."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.support.pools import NOW, facts, pool
from utilitarian_operator.core.observation.model.usage import PodUsage
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.memory_json import from_text, to_text
from utilitarian_operator.core.sizing.pools import FleetContext, decide_pool
from utilitarian_operator.core.sizing.usage import MOST_MINUTES, MOST_STRETCHES, Usage, killed, learned

MIB = 2**20
DAY = timedelta(days=1)
KNOWN = Usage(4, (0.03,) * 5, 300.0 * MIB, (200.0 * MIB,), NOW - timedelta(hours=1))


def read(cpu: float, busy: float | None, memory: float = 100.0) -> PodUsage:
    return PodUsage(cpu, memory * MIB, busy)


@pytest.mark.parametrize(
    "before, measured, cpu, peak",
    [
        pytest.param(Usage(), [read(0.12, 4)], (0.03,), 100, id="a-first-reading"),
        pytest.param(Usage(), [read(0.1, 4), read(0.2, 2)], (0.05,), 100, id="all-workers-together"),
        pytest.param(Usage(), [read(0.1, None)], (), 100, id="slots-that-were-not-seen-say-nothing-of-cpu"),
        pytest.param(Usage(), [read(0.1, 0.4)], (), 100, id="a-worker-without-work-neither"),
        pytest.param(KNOWN, [read(0.12, 4, 350)], (0.03,) * 6, 350, id="a-new-peak"),
        pytest.param(KNOWN, [read(0.12, 4, 250)], (0.03,) * 6, 300, id="the-peak-stays"),
        pytest.param(replace(KNOWN, slots=8), [read(0.2, 4)], (0.05,), 100, id="anew-with-another-number-of-slots"),
        pytest.param(KNOWN, [read(1e9, 1, 1e12)], (*KNOWN.cpu_per_slot, 1024.0), 2**30, id="within-bounds"),
    ],
)
def test_what_a_reading_teaches(before: Usage, measured: list[PodUsage], cpu: tuple[float, ...], peak: float) -> None:
    after = learned(before, 4, measured, NOW)
    assert (after.cpu_per_slot, after.peak / MIB) == (cpu, peak)


def test_one_odd_minute_changes_little_and_is_gone_after_ten() -> None:
    usage = learned(KNOWN, 4, [read(8, 1)], NOW)
    assert usage.cores == 0.03
    for _ in range(MOST_MINUTES):
        usage = learned(usage, 4, [read(0.12, 4)], NOW)
    assert usage.cpu_per_slot == (0.03,) * MOST_MINUTES


def test_too_few_minutes_say_nothing() -> None:
    assert replace(KNOWN, cpu_per_slot=(0.03,) * 4).cores is None


def test_a_peak_is_forgotten_after_seven_days_with_a_reading() -> None:
    usage = learned(Usage(), 4, [read(0, 0, 900)], NOW)
    for day in range(1, MOST_STRETCHES):
        usage = learned(usage, 4, [read(0, 0, 100)], NOW + day * DAY)
    assert usage.peak_memory == 900 * MIB
    usage = learned(usage, 4, [read(0, 0, 100)], NOW + MOST_STRETCHES * DAY)
    assert usage.peak_memory == 100 * MIB


@pytest.mark.parametrize(
    "now, known",
    [
        pytest.param(NOW, True, id="now"),
        pytest.param(NOW + 7 * DAY, True, id="a-week-later"),
        pytest.param(NOW + 8 * DAY, False, id="forgotten-after-it"),
        pytest.param(NOW - DAY, False, id="by-a-clock-that-was-set-back"),
    ],
)
def test_a_kill_is_remembered_with_its_figure(now: datetime, known: bool) -> None:
    usage = killed(Usage(), 4, 2048 * MIB, NOW)
    assert usage.peak_memory == 2048 * MIB
    assert (learned(usage, 4, [read(0, 0)], now).killed_at is not None) is known


def test_a_look_without_a_reading_learns_nothing() -> None:
    before = Memory(usage=KNOWN)
    _, after = decide_pool(pool(), facts(), before, FleetContext(NOW))
    assert after.usage is KNOWN
    _, after = decide_pool(pool(), facts(measured=(read(0.12, 4, 400),)), before, FleetContext(NOW))
    assert after.usage.peak == 400 * MIB


@pytest.mark.parametrize(
    "written, expected",
    [
        pytest.param(to_text(Memory(usage=KNOWN))["usage"], KNOWN, id="as-it-was-written"),
        pytest.param(None, Usage(), id="of-an-older-version"),
        pytest.param({"slots": 4}, Usage(), id="without-its-beginning"),
        pytest.param("much", Usage(), id="no-fields"),
        pytest.param(
            {"slots": 4, "since": NOW.isoformat(), "cpuPerSlot": [0.03, -1, "x"], "peak": 1e30, "peaksBefore": 7},
            Usage(4, (0.03,), since=NOW),
            id="value-by-value",
        ),
        pytest.param(
            {"slots": 4, "since": NOW.isoformat(), "cpuPerSlot": [0.03] * 1000, "peaksBefore": [5] * 1000},
            Usage(4, (0.03,) * 10, peaks_before=(5.0,) * 7, since=NOW),
            id="no-more-than-is-kept",
        ),
    ],
)
def test_what_stands_in_a_status_is_read_within_its_bounds(written: object, expected: Usage) -> None:
    assert from_text({"usage": written}, NOW).usage == expected

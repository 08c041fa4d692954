"""What is counted between two looks at a pod and at a pool's queues, in the order in which it was seen."""

from datetime import UTC, datetime, timedelta

import pytest

from utilitarian_operator.core.observation.counted.deltas import LastMessages, Totals, flowed, totals, used, with_done
from utilitarian_operator.core.observation.counted.worked import Word, Worked
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.pod import PodSnapshot
from utilitarian_operator.core.observation.model.queue import Counted, Missing, Present, QueueSnapshot
from utilitarian_operator.core.observation.model.usage import PodUsage

BEGAN = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
SILENT = Unknown("does not answer", BEGAN)


def pod(*, ready: bool = True) -> PodSnapshot:
    return PodSnapshot("worker", ready=ready, running=True, leaving=False, held=SILENT)


def worked(ended: int, seconds: float = 0.0) -> Worked:
    return Worked(ended, seconds, last=Word(1.0, ended, 0))


@pytest.mark.parametrize(
    "created, looks, new",
    [
        pytest.param("2026-01-01T12:00:01Z", [worked(7, 3.0)], [(7, 3.0)], id="a new pod counts from nothing"),
        pytest.param(
            "2026-01-01T11:00:00Z",
            [worked(700, 90.0), worked(705, 93.0)],
            [(0, 0.0), (5, 3.0)],
            id="an older one from the first look",
        ),
        pytest.param(
            "2026-01-01T12:00:01Z",
            [worked(7, 3.0), None, worked(9, 3.5)],
            [(7, 3.0), None, (2, 0.5)],
            id="a gap loses nothing",
        ),
        pytest.param(
            "2026-01-01T12:00:01Z", [worked(7, 3.0)] * 2, [(7, 3.0), (0, 0.0)], id="the same once more adds nothing"
        ),
        pytest.param(
            "2026-01-01T12:00:01Z",
            [worked(7, 3.0), worked(2, 1.0)],
            [(7, 3.0), (2, 1.0)],
            id="another session with the broker counts anew",
        ),
        pytest.param("2026-01-01T12:00:01Z", [Worked()], [None], id="asked, and never heard"),
    ],
)
def test_what_was_done(created: str, looks: list[Worked | None], new: list[tuple[int, float] | None]) -> None:
    seen, before = [], None
    for it in looks:
        seen.append(with_done(pod(), datetime.fromisoformat(created), it, before, BEGAN))
        before = before if it is None or it.last is None else it
    assert [None if it.completed is None else (it.completed, it.slot_seconds) for it in seen] == new


def count(arrived: int | None, left: int | None = None) -> Counted:
    return Counted(0, 0, arrived, left if left is not None or arrived is None else arrived)


@pytest.mark.parametrize(
    "looks, expected",
    [
        pytest.param([{"q": count(70)}, {"q": count(75, 72)}], [(0, 0), (5, 2)], id="nothing at first sight"),
        pytest.param([{"q": count(1)}, {"q": count(1)}], [(0, 0), (0, 0)], id="the same reading adds nothing"),
        pytest.param([{"q": count(1)}, {}, {"q": count(9)}], [(0, 0), (None, None), (8, 8)], id="a gap loses nothing"),
        pytest.param([{"q": count(9)}, {"q": count(2)}, {"q": count(4)}], [(0, 0), (0, 0), (2, 2)], id="counted anew"),
        pytest.param(
            [{"q": count(1), "r": count(5)}, {"q": count(2), "r": count(7)}], [(0, 0), (3, 3)], id="two queues"
        ),
        pytest.param(
            [{"q": count(1)}, {"q": count(2), "r": count(7)}], [(0, 0), (1, 1)], id="a queue that is seen first"
        ),
        pytest.param([{"q": count(None)}], [(None, None)], id="a broker that counts nothing"),
    ],
)
def test_what_came_and_left(looks: list[dict[str, Counted]], expected: list[tuple[int | None, int | None]]) -> None:
    found: list[tuple[int | None, int | None]] = []
    before: Totals = {}
    for counted in looks:
        found.append(flowed("pool", counted, ["q", "r"], before))
        before = {**before, **totals([("pool", ["q", "r"])], counted)}
    assert found == expected


def test_two_pools_count_apart() -> None:
    first = {"q": count(1)}
    before = {**totals([("one", ["q"]), ("two", ["q"])], first), **totals([("one", ["q"])], {"q": count(5)})}
    assert flowed("one", {"q": count(5)}, ["q"], before) == (0, 0)
    assert flowed("two", {"q": count(5)}, ["q"], before) == (4, 4)


AWAY = Unknown("away", BEGAN)
DOUBTED = Present(0, 0, doubt=AWAY)


def waits(ready: int) -> Present:
    return Present(ready, 0)


@pytest.mark.parametrize(
    "looks,came",
    [
        pytest.param([(waits(5), None), (waits(5), None)], [], id="what was there may be old"),
        pytest.param([(waits(0), None), (waits(1), None), (waits(1), None)], [1], id="one more waits"),
        pytest.param([(waits(5), None), (waits(2), None), (waits(3), None)], [2], id="also where some are taken"),
        pytest.param([(Missing(), None), (waits(1), None)], [1], id="the first of all"),
        pytest.param([(waits(3), None), (AWAY, None), (waits(3), None)], [], id="unseen meanwhile"),
        pytest.param([(waits(3), None), (AWAY, None), (waits(4), None)], [2], id="came while unseen"),
        pytest.param([(waits(3), None), (DOUBTED, None), (waits(3), None)], [], id="a false zero"),
        pytest.param([(waits(0), 7), (waits(0), 8), (waits(0), 8)], [1], id="taken at once, and counted"),
        pytest.param([(waits(0), 7), (waits(2), 7)], [], id="returned, and not counted"),
        pytest.param([(waits(0), 7), (waits(0), 0), (waits(0), 1)], [2], id="the count begins anew"),
        pytest.param([(waits(0), 7), (waits(1), None)], [1], id="the count is away"),
    ],
)
def test_when_something_last_came(looks: list[tuple[QueueSnapshot, int | None]], came: list[int]) -> None:
    messages = LastMessages({})
    times = []
    for second, (snapshot, arrived) in enumerate(looks):
        now = BEGAN + timedelta(seconds=second)
        messages = messages.seen({"q": snapshot}, {} if arrived is None else {"q": count(arrived)}, now)
        times += [second] if messages.known.get("q") == now else []
    assert times == came


def test_what_was_known_before_a_restart_stays_known_and_a_clock_that_was_set_back_leaves_no_future() -> None:
    messages = LastMessages({"q": BEGAN, "r": BEGAN + timedelta(hours=1), "gone": BEGAN})
    messages = messages.only({"q", "r"}).seen({"q": waits(1), "r": waits(1)}, {}, BEGAN + timedelta(minutes=1))
    assert messages.known == {"q": BEGAN, "r": BEGAN + timedelta(minutes=1)}


READ = PodUsage(0.1, 1000.0)


def by(asked: float, slot_seconds: float) -> Worked:
    return Worked(slot_seconds=slot_seconds, last=Word(asked, 0, 0))


@pytest.mark.parametrize(
    "before, now, busy",
    [
        pytest.param(by(0, 0), by(60, 120), 2.0, id="two-slots-for-a-minute"),
        pytest.param(by(0, 5), by(60, 5), 0.0, id="no-work"),
        pytest.param(None, by(60, 120), None, id="the-first-reading"),
        pytest.param(by(0, 0), None, None, id="a-worker-that-says-nothing"),
        pytest.param(by(0, 0), by(10, 20), None, id="too-soon"),
        pytest.param(by(0, 0), by(600, 20), None, id="too-long-ago"),
        pytest.param(by(0, 50), by(60, 20), None, id="counted-anew"),
    ],
)
def test_how_many_slots_were_busy_between_two_readings(
    before: Worked | None, now: Worked | None, busy: float | None
) -> None:
    assert used(READ, now, before) == PodUsage(READ.cpu, READ.memory, busy)


def test_without_a_reading_there_is_no_usage() -> None:
    assert used(None, by(60, 120), by(0, 0)) is None

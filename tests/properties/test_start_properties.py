"""What must hold for the starts of every cron line in every zone, above all where the clock is set forward or back."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.pools import NOW, facts, pool
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.pools import FleetContext, decide_pool
from utilitarian_operator.core.sizing.runs.cron_starts import last_until, next_after
from utilitarian_operator.core.sizing.runs.open_runs import MOST_OPEN
from utilitarian_operator.core.sizing.runs.run_state import OpenRun
from utilitarian_operator.core.sizing.runs.run_times import next_start, window

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

CHANGES = {
    "Europe/Stockholm": ("2026-03-29T01:00", "2026-10-25T01:00"),
    "America/New_York": ("2026-03-08T07:00", "2026-11-01T06:00"),
    "America/Havana": ("2026-03-08T05:00", "2026-11-01T05:00"),
    "Africa/Casablanca": ("2026-02-15T02:00", "2026-03-22T02:00"),
    "Australia/Lord_Howe": ("2026-04-04T15:00", "2026-10-03T15:30"),
    "Pacific/Chatham": ("2026-04-04T14:00", "2026-09-26T14:00"),
    "Antarctica/Troll": ("2026-03-29T01:00", "2026-10-25T01:00"),
    "Pacific/Apia": ("2011-12-30T10:00",),
    "UTC": ("2026-03-29T01:00",),
}
"""Each zone with moments at which its clock is set forward or back."""

LINES = st.one_of(
    st.builds("{} {} * * *".format, st.integers(0, 59), st.integers(0, 5)),
    st.builds("{} {},{} * * *".format, st.integers(0, 59), st.integers(0, 3), st.integers(0, 5)),
    st.builds("{} * * * *".format, st.integers(0, 59)),
    st.builds("*/{} {} * * *".format, st.sampled_from((5, 15, 20, 30)), st.integers(0, 4)),
    st.builds("{} */{} * * *".format, st.integers(0, 59), st.integers(1, 4)),
    st.sampled_from(
        ("*/5 * * * *", "0 0 1 * *", "30 2 L * *", "30 1 LW * *", "15 2 * * 0#1", "30 2 * * 7", "0 2 29 2 *")
    ),
)


@st.composite
def moments(draw: st.DrawFn) -> tuple[str, datetime]:
    zone = draw(st.sampled_from(sorted(CHANGES)))
    change = datetime.fromisoformat(f"{draw(st.sampled_from(CHANGES[zone]))}Z")
    return zone, change + timedelta(seconds=draw(st.integers(-4 * 3600, 4 * 3600)))


@given(moments(), LINES, st.integers(1, 50))
@settings(max_examples=examples(300))
def test_the_last_start_is_the_newest_of_those_that_lie_ahead_of_an_earlier_moment(
    where: tuple[str, datetime], line: str, hours: int
) -> None:
    zone, now = where
    last = last_until(line, zone, now)
    assert last <= now < next_after(line, zone, now) == next_after(line, zone, last)
    seen, ahead = last - MINUTE, next_after(line, zone, min(last, now - hours * HOUR) - MINUTE)
    while ahead <= now:
        seen, ahead = ahead, next_after(line, zone, ahead)
    assert seen == last


@given(moments(), LINES)
@settings(max_examples=examples(100))
def test_the_starts_are_what_the_clock_on_the_wall_shows_minute_by_minute(
    where: tuple[str, datetime], line: str
) -> None:
    zone, now = where
    begin = (now - 5 * HOUR).replace(second=0)
    expected = shown(line, ZoneInfo(zone), begin, begin + 10 * HOUR)
    found: list[datetime] = []
    start = next_after(line, zone, begin)
    while start <= begin + 10 * HOUR:
        found, start = [*found, start], next_after(line, zone, start)
    assert found == expected


def shown(line: str, zone: ZoneInfo, after: datetime, until: datetime) -> list[datetime]:
    """The starts by looking at the wall clock each minute, a reader's way to understand a cron line."""
    fixed = not any(field.startswith("*") for field in line.split()[:2])
    found, moment, before = [], after + MINUTE, wall(after, zone)
    while moment <= until:
        now, first_pass = wall(moment, zone), not moment.astimezone(zone).fold
        jumped = (before + MINUTE * step for step in range(1, round((now - before) / MINUTE)))
        if (matches(line, now) and (first_pass or not fixed)) or (fixed and any(matches(line, it) for it in jumped)):
            found.append(moment)
        moment, before = moment + MINUTE, now
    return found


def wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def matches(line: str, shown: datetime) -> bool:
    return next(CronSim(line, shown - MINUTE)) == shown


SCHEDULES = st.fixed_dictionaries(
    {
        "start": st.sampled_from(("*/5 * * * *", "0 * * * *", "1,2,3,50 * * * *", "0 12 * * *", "* * * * *")),
        "warmUp": st.sampled_from(("0s", "2m", "10m", "1h", "24h")),
    },
    optional={"finishWithin": st.sampled_from(("1m", "1h", "72h"))},
)


@given(
    starts=st.lists(st.integers(-5_000, 90_000).map(lambda second: NOW + timedelta(seconds=second)), max_size=20),
    warm_up=st.sampled_from(("0s", "2m", "24h")),
    twice=st.booleans(),
)
def test_no_more_runs_are_open_than_may_be_whatever_a_status_tells(
    starts: list[datetime], warm_up: str, *, twice: bool
) -> None:
    run = {"name": "run", "start": "*/5 * * * *", "warmUp": warm_up, "finishWithin": "72h"}
    said = Memory(
        runs=tuple(OpenRun("run", start, first_message=start) for start in starts * (1 + twice)),
        opened=(("run", max(starts, default=NOW)),),
    )
    _, memory = decide_pool(pool(schedule=[run], max=10), facts(5), said, FleetContext(NOW))
    assert len(memory.runs) <= MOST_OPEN


@given(
    st.lists(st.tuples(SCHEDULES, st.none() | st.sampled_from(("1m", "1h", "72h"))), min_size=1, max_size=2),
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from((1, 20, 60, 300, 4000, 90_000))), max_size=40),
)
@settings(max_examples=examples(100), deadline=None)
def test_never_are_more_runs_open_than_may_be_and_no_start_is_passed_over(
    written: list[tuple[dict[str, str], str | None]], looks: list[tuple[int, int]]
) -> None:
    runs = [
        {"name": f"run-{number}", **fields, **({"until": "Duration", "duration": length} if length else {})}
        for number, (fields, length) in enumerate(written)
    ]
    seen, now = pool(schedule=runs, max=10), NOW
    _, memory = decide_pool(seen, facts(0), Memory(), FleetContext(now))
    for work, seconds in looks:
        before, now = now, now + timedelta(seconds=seconds)
        _, memory = decide_pool(seen, facts(work), memory, FleetContext(now))
        for schedule in seen.schedule:
            assert sum(run.name == schedule.name for run in memory.runs) <= MOST_OPEN
            start = next_start(schedule, before)
            if start <= now <= start + window(schedule, start):
                assert dict(memory.opened)[schedule.name] >= start

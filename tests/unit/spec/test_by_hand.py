"""A pause with its end and a run by hand: read, or refused with the way to write it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pools import fleet
from utilitarian_operator.core.spec.by_hand import (
    PAUSED,
    RUN_NOW,
    ByHand,
    RunByHand,
    by_hand,
    is_by_hand,
    pause_written,
    run_written,
    steers_none,
)
from utilitarian_operator.core.spec.override import PREFIX, overrides, written

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_what_is_read() -> None:
    annotations = {PAUSED: " until 2026-11-24T13:00+01:00 ", f"{RUN_NOW}work": "hourly at 2026-11-24T12:00Z", "b": "c"}
    assert by_hand(annotations) == (ByHand(NOON, {"work": RunByHand("hourly", NOON)}), [])
    assert by_hand({}) == (ByHand(), [])


@pytest.mark.parametrize("name", [PAUSED, f"{RUN_NOW}work", f"{PREFIX}work"], ids=["pause", "run", "override"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "true",
        "until",
        "until soon",
        "until 2026-11-24T12:00",
        "until 9999-12-31T23:59:59-14:00",
        "at 2026-11-24T12:00Z",
        f"{'r' * 64} at 2026-11-24T12:00Z",
        f"until {'9' * 10_000}",
        "x" * 200_000,
        "amqp://user:geheim@rabbit/",
        "\x1b[2J\n\0",
    ],
    ids=[
        "empty",
        "a switch",
        "no end",
        "no moment",
        "no zone",
        "after all years",
        "no run",
        "a long run",
        "a long moment",
        "a long text",
        "a login",
        "control characters",
    ],
)
def test_what_is_refused_in_a_short_sentence(name: str, text: str) -> None:
    found, problems = by_hand({name: text})
    others, more = overrides({name: text})
    (problem,) = (*problems, *more)
    assert (found, others) == (ByHand(), {})
    assert problem.path == f"metadata.annotations[{name}]"
    assert "write it like" in problem.remedy
    assert len(str(problem)) < 400
    assert "geheim" not in str(problem)


MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001 - hypothesis adds the zone
    lambda moment: moment.replace(microsecond=0)
)


@given(until=MOMENTS, workers=st.integers(0, 9999), run=st.from_regex(r"[a-z0-9-]{1,63}", fullmatch=True))
def test_what_a_command_writes_is_read(until: datetime, workers: int, run: str) -> None:
    (override,) = overrides({f"{PREFIX}a": written(workers, until)})[0].values()
    assert (override.workers, override.until) == (workers, until)
    found, problems = by_hand({PAUSED: pause_written(until), f"{RUN_NOW}a": run_written(run, until)})
    assert (found, problems) == (ByHand(until, {"a": RunByHand(run, until)}), [])


@given(st.dictionaries(st.sampled_from([PAUSED, f"{RUN_NOW}a", f"{PREFIX}a"]) | st.text(), st.text()))
def test_any_annotation_is_read_or_refused(annotations: dict[str, str]) -> None:
    steering = [name for name in annotations if is_by_hand(name)]
    found, problems = by_hand(annotations)
    others, more = overrides(annotations)
    assert len(problems) + len(more) + len(found.runs) + len(others) + (found.paused_until is not None) == len(steering)


@pytest.mark.parametrize(
    "name, text, said",
    [
        pytest.param(f"{PREFIX}monthly", "5 until 2026-11-24T12:00Z", None, id="a-pool"),
        pytest.param(f"{RUN_NOW}monthly", "bill at 2026-11-24T12:00Z", None, id="a-run"),
        pytest.param(PAUSED, "until 2026-11-24T12:00Z", None, id="the-fleet"),
        pytest.param(f"{RUN_NOW}monthly", "unreadable", None, id="is-a-problem-of-its-own"),
        pytest.param(
            f"{PREFIX}montly",
            "5 until 2026-11-24T12:00Z",
            "metadata.annotations[utilitarian.io/override.montly]: no pool has this name; the fleet has daily, monthly",
            id="no-pool",
        ),
        pytest.param(
            f"{RUN_NOW}monthly",
            "bil at 2026-11-24T12:00Z",
            "metadata.annotations[utilitarian.io/run-now.monthly]: pool monthly has no run of this name; it has bill "
            '(is: "bil")',
            id="no-run",
        ),
        pytest.param(
            f"{RUN_NOW}daily",
            "bill at 2026-11-24T12:00Z",
            "metadata.annotations[utilitarian.io/run-now.daily]: pool daily has no run of this name; it has none "
            '(is: "bill")',
            id="no-run-at-all",
        ),
    ],
)
def test_what_steers_nothing_is_said(name: str, text: str, said: str | None) -> None:
    schedule = [{"name": "bill", "start": "0 2 1 * *"}]
    pools = fleet({"name": "daily"}, {"name": "monthly", "schedule": schedule})
    assert [str(it) for it in steers_none(pools, {name: text})] == ([said] if said else [])


@pytest.mark.parametrize(
    "mode,after,in_force",
    [("Auto", -1, True), ("Auto", 0, False), ("Paused", -1, False), ("Preview", -1, False)],
)
def test_a_pause_takes_the_place_of_auto_until_its_end(mode: str, after: int, *, in_force: bool) -> None:
    asked, now = ByHand(NOON), NOON + timedelta(seconds=after)
    assert asked.pause(mode, now) == (NOON if in_force else None)  # type: ignore[arg-type]

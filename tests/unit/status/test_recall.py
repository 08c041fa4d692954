"""What an operator that starts reads back from a status of any writer: each value by itself, within its bounds."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.pools import NOW, facts, pool
from utilitarian_operator.api.effective import Pool
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.pools import FleetContext, decide_pool
from utilitarian_operator.core.sizing.runs.run_state import OpenRun, Outcome, PastRun
from utilitarian_operator.core.status.recall import last_messages, recall, remembered, well_formed

AT = "2026-03-02T11:00:00+00:00"
WAS = NOW - timedelta(hours=1)
GOOD: dict[str, Any] = {"slotSeconds": 500.0, "completions": 100.0, "longest": 9.0, "busySince": AT}
KNOWN = Memory(slot_seconds=500.0, completions=100.0, longest_s=9.0, busy_since=WAS)
PAST = {"name": "run", "started": AT, "finished": AT, "outcome": "Done", "tasks": 7}
SCHEDULED = pool(concurrency=20, schedule=[{"name": "run", "start": "0 12 * * *", "finishWithin": "2h"}])


def kept(**memory: Any) -> Memory:
    return remembered({"pools": [{"name": "p", "memory": {**GOOD, **memory}}]}, NOW)["p"]


def left_out(**memory: Any) -> str:
    return recall({"pools": [{"name": "p", "memory": {**GOOD, **memory}}]}, NOW).note


BROKEN = {
    "a moment without a zone": ({"idleSince": "2026-03-02T11:00:00"}, ".idleSince is '2026-03-02T11:00:00'"),
    "no moment": ({"idleSince": "yesterday"}, "no moment"),
    "a moment that is a number": ({"surplusSince": 1772449200}, "no moment"),
    "far in the future": ({"surplusSince": "9999-01-01T00:00:00Z"}, "too far away"),
    "before all time": ({"firstWorkerSince": "0001-01-01T00:00:00+14:00"}, "no moment"),
    "no number": ({"periodSeconds": "nan"}, ".periodSeconds is 'nan', which is no number"),
    "not finite": ({"periodSeconds": float("nan")}, "out of bounds"),
    "infinite": ({"startUp": float("inf")}, "out of bounds"),
    "beyond all bounds": ({"startUp": 1e300}, "out of bounds"),
    "a number of 400 digits": ({"startUp": 10**400}, "out of bounds"),
    "below zero": ({"startUp": -1}, ".startUp is -1, which is out of bounds"),
    "truth for a number": ({"periodSeconds": True}, "no number"),
    "a number for truth": ({"firstWorkerSpent": 3}, "neither true nor false"),
    "no list": ({"arrivals": 5}, "no list"),
    "no pair": ({"arrivals": [[AT, 1, 2]]}, ".arrivals[0] is"),
    "half a task": ({"highs": [[AT, 1.5]]}, ".highs[0][1] is 1.5, which is no whole number"),
    "no run": ({"runs": [5]}, ".runs[0] is 5"),
    "a run of the year 9999": ({"runs": [{"name": "run", "start": "9999-12-31T23:59:59Z"}]}, ".runs[0].start is"),
    "a run without a start": ({"runs": [{"name": "run"}]}, ""),
    "a start that was opened in 9999": ({"opened": [["run", "9999-12-31T23:59:59Z"]]}, ".opened[0][1] is"),
    "no nap": ({"nap": ["3"]}, ".nap is"),
    "a nap of less than nothing": ({"nap": {"number": -3, "firstDue": AT, "returns": 0, "slept": True}}, ".nap.number"),
}


def test_whose_number_was_left_to_another_client_is_read_from_the_trails() -> None:
    rules = {"a": ["demand", "contested"], "b": ["demand"], "c": []}
    rows: list[Any] = [{"name": name, "trail": [{"rule": it} for it in of]} for name, of in rules.items()]
    strange = [{"name": "d", "trail": 5}, {"name": 5, "trail": rows[0]["trail"]}, {"trail": [5]}, 5, None]
    assert recall({"pools": [*rows, *strange]}, NOW).contested == {"a"}
    assert recall({"pools": 5}, NOW).contested == recall({}, NOW).contested == frozenset()


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_is_left_out_and_said_and_all_else_is_kept(name: str) -> None:
    written, said = BROKEN[name]
    assert kept(**written) == KNOWN
    assert said in left_out(**written)


@pytest.mark.parametrize("written", [{"completions": -5}, {"slotSeconds": 1e300}, {"slotSeconds": None}], ids=str)
def test_seconds_and_completions_say_nothing_without_each_other(written: dict[str, Any]) -> None:
    memory = kept(**written)
    assert (memory.slot_seconds, memory.completions, memory.longest_s) == (0.0, 0.0, 9.0)


def test_of_a_list_the_good_parts_are_kept_in_their_order() -> None:
    later = "2026-03-02T11:30:00+00:00"
    memory = kept(arrivals=[[later, 2], ["never", 9], [AT, 1], [AT, -1]])
    assert memory.arrivals == ((WAS, 1), (WAS + timedelta(minutes=30), 2))


def test_an_open_run_keeps_what_is_known_of_it() -> None:
    written = {"name": "run", "start": AT, "tasks": -1, "firstMessage": "noon", "done": 7, "missed": "no"}
    assert kept(runs=[written]).runs == (OpenRun("run", WAS, done=7),)


def test_an_outcome_of_a_newer_version_leaves_out_that_run_alone() -> None:
    shown = {"pools": [{"name": "p", "memory": GOOD, "history": [PAST, {**PAST, "outcome": "Paused"}, PAST, 5]}]}
    found = recall(shown, NOW)
    assert found.memories["p"].history == (PastRun("run", WAS, WAS, None, Outcome.DONE, 7),) * 2
    assert found.memories["p"].slot_seconds == 500.0
    assert "status.pools[0].history[1].outcome is 'Paused'" in found.note
    assert "status.pools[0].history[3] is 5" in found.note


def test_a_last_message_without_its_moment_is_left_out_alone() -> None:
    shown = {"beat": {"lastMessages": [{"queue": "a"}, {"queue": "b", "at": AT}, {"queue": "c", "at": "noon"}, 5]}}
    assert last_messages(shown, NOW) == {"b": WAS}


def test_a_few_are_named_and_the_rest_counted() -> None:
    note = left_out(highs=[0] * 9)
    assert note.count("no pair") == 5
    assert note.endswith("; and 4 more")
    assert left_out() == ""


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("of", [pool(), SCHEDULED], ids=["demand", "run"])
def test_it_decides_as_without_the_broken_part(name: str, of: Pool) -> None:
    for look in (facts(0, current=2), facts(20_000, current=2), facts(None, current=2)):
        decided = [decide_pool(of, look, memory, FleetContext(NOW))[0] for memory in (kept(**BROKEN[name][0]), KNOWN)]
        assert decided[0] == decided[1]


def test_a_run_whose_schedules_are_all_gone_is_forgotten() -> None:
    _, memory = decide_pool(pool(), facts(5), Memory(runs=(OpenRun("gone", WAS),)), FleetContext(NOW))
    assert memory.runs == ()


@pytest.mark.parametrize(
    "status",
    [None, 5, "x", [], {"pools": 5, "beat": [], "conditions": {}}, {"pools": [5, {}, {"name": 3}], "conditions": [{}]}],
    ids=str,
)
def test_a_status_of_another_kind_is_as_none(status: object) -> None:
    assert remembered(status, NOW) == {}
    assert last_messages(status, NOW) == {}
    formed = well_formed(status)
    assert not any(formed.get(part) for part in ("pools", "beat", "conditions"))

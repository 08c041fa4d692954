"""An object that another client changes is put right, and what is changed each time is written seldom."""

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from utilitarian_operator.core.objects.drift import (
    AGAIN_AFTER,
    STANDING_AFTER,
    all_applied,
    applied,
    drifted,
    fought,
    known_applied,
    may_repeat,
)
from utilitarian_operator.core.objects.wanted import Wanted

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MANAGED = [{"manager": "utilitarian-operator", "operation": "Apply", "fieldsV1": {"f:spec": {}}}]
PERSON = [{"manager": "kubectl", "operation": "Update", "fieldsV1": {}}]


def live(name: str = "fleet-a", **metadata: Any) -> dict[str, Any]:
    return {"kind": "Deployment", "metadata": {"name": name, **metadata}, "spec": {"template": {"metadata": {}}}}


def test_an_object_has_drifted_when_a_field_of_ours_was_taken_over() -> None:
    there, changed = live(managedFields=MANAGED), live(managedFields=PERSON)
    last = applied(there, NOW)
    assert drifted(there, None, NOW)
    assert not drifted(there, last, NOW + timedelta(days=1))
    assert not drifted(changed, last, NOW)
    assert drifted(changed, last, NOW + AGAIN_AFTER)


HASH = "utilitarian.io/applied"
DEPLOYED = ("Deployment", "fleet-a")


def asked(digest: str = "1", **spec: Any) -> dict[str, Any]:
    return {"kind": "Deployment", "metadata": {"name": "fleet-a", "annotations": {HASH: digest}}, "spec": spec}


def answer(digest: str = "1", **spec: Any) -> dict[str, Any]:
    return live(annotations={HASH: digest}, managedFields=MANAGED) | {"spec": spec}


def writes_in(span: timedelta, *, mutated: bool, taken_over: bool) -> int:
    """Applies within a time, one look a second, of an object that a webhook or another client changes each time."""
    last, count = None, 0
    for second in range(int(span.total_seconds())):
        now = NOW + timedelta(seconds=second)
        seen = answer("another" if mutated else "1")
        if taken_over:
            seen["metadata"]["managedFields"] = PERSON
        due = drifted(seen, last, now) if not mutated else may_repeat(asked(), seen, last, now)
        if due:
            last, count = applied(answer("another" if mutated else "1"), now, asked(), last), count + 1
    return count


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    "mutated, taken_over, most",
    [
        pytest.param(False, False, 1, id="left as it was applied: once, after a start of the operator"),
        pytest.param(True, False, 6, id="a webhook that changes each apply: once in ten minutes"),
        pytest.param(False, True, 7, id="a client that takes a field each time: put right once, then as seldom"),
    ],
)
def test_what_is_changed_each_time_is_written_once_in_ten_minutes(mutated: bool, taken_over: bool, most: int) -> None:
    assert writes_in(HOUR, mutated=mutated, taken_over=taken_over) == most


def test_what_is_asked_for_anew_is_applied_at_once() -> None:
    last = applied(answer("another"), NOW, asked("1"))
    assert not may_repeat(asked("1"), answer("another"), last, NOW + STANDING_AFTER - AGAIN_AFTER)
    assert may_repeat(asked("1"), answer("another"), last, NOW + STANDING_AFTER)
    assert may_repeat(asked("2"), answer("another"), last, NOW)


@pytest.mark.parametrize(
    "in_the_answer, at_once",
    [
        pytest.param(1, True, id="another client has scaled it since"),
        pytest.param(2, False, id="a webhook lets no other number through"),
    ],
)
def test_a_second_beat_is_taken_away_at_once_unless_that_is_in_vain(in_the_answer: int, at_once: bool) -> None:
    last = applied(answer(replicas=in_the_answer), NOW, asked(replicas=1))
    assert may_repeat(asked(replicas=1), answer(replicas=2), last, NOW + timedelta(seconds=1)) is at_once


def test_who_changes_an_object_each_time_is_said() -> None:
    taken = live(annotations={HASH: "1"}, managedFields=PERSON) | {"spec": {}}
    first = applied(answer(), NOW, asked())
    second = applied(answer(), NOW + AGAIN_AFTER, asked(), first)
    assert fought(taken, first) == fought(answer(), second) == fought(taken, None) == ""
    assert "Deployment fleet-a is changed" in fought(taken, second)
    assert "set by kubectl" in fought(taken, second)


def made(uid: str, managed: list[dict[str, Any]] = MANAGED) -> dict[str, Any]:
    found = answer()
    found["metadata"] |= {"uid": uid, "managedFields": managed}
    return found


def test_an_object_that_was_deleted_and_made_again_is_no_other_clients_doing() -> None:
    """As of a pool that is taken out of the resource and put back, or a Deployment that a person deletes."""
    first = applied(made("1"), NOW, asked())
    again = applied(made("2"), NOW, asked(), first)
    assert not again.again, "each was applied once"
    fought_over = applied(made("1"), NOW, asked(), first)
    new = made("2", PERSON)
    assert fought(made("1", PERSON), fought_over)
    assert fought(new, fought_over) == ""
    for later, due in ((timedelta(0), False), (AGAIN_AFTER, True)):
        assert drifted(new, fought_over, NOW + later) is due
        assert may_repeat(asked(), new, fought_over, NOW + later) is due


def test_what_a_restored_etcd_has_is_no_other_clients_doing() -> None:
    """It was applied twice since, and is applied again as soon as an object that was changed once."""
    after, restored = made("1"), made("1", PERSON)
    after["metadata"]["generation"], restored["metadata"]["generation"] = 3, 2
    last = applied(after, NOW, asked(), applied(after, NOW, asked()))
    assert last.again
    assert fought(restored, last) == ""
    assert may_repeat(asked(), restored, last, NOW + AGAIN_AFTER)


@pytest.mark.parametrize(
    "wanted, there, stays",
    [
        pytest.param(True, False, True, id="it is yet to be made again"),
        pytest.param(False, True, True, id="its last worker is being led out"),
        pytest.param(False, False, False, id="its pool was removed"),
    ],
)
def test_of_an_object_that_is_no_more_nothing_is_held(wanted: bool, there: bool, stays: bool) -> None:
    held = {DEPLOYED: applied(made("1"), NOW, asked())}
    live = {"Deployment": {"fleet-a": made("1")} if there else {}}
    found = known_applied(held, [Wanted(asked(), "spec")] if wanted else [], live, NOW)
    assert (DEPLOYED in found) is stays


def test_what_is_known_of_objects_that_were_not_applied_stays() -> None:
    wanted = Wanted(asked("2"), "spec.pools[0]", "a")
    other = applied(answer(), NOW)
    held = all_applied([answer("2")], [wanted], {("Deployment", "other"): other}, NOW)
    assert held["Deployment", "other"] is other
    assert held["Deployment", "fleet-a"].digest == "2"


def test_what_is_held_of_an_object_is_in_memory_once() -> None:
    """As the answer had it and as it was seen: two copies of what takes more memory than the object."""
    there, wanted = answer(), [Wanted(asked(), "spec")]
    held = {DEPLOYED: applied(copy.deepcopy(there), NOW, asked())}
    seen = known_applied(held, wanted, {"Deployment": {"fleet-a": there}}, NOW)
    assert seen == held
    assert seen[DEPLOYED].fields[0] is there["metadata"]["managedFields"][0]["fieldsV1"]
    assert known_applied(seen, wanted, {"Deployment": {"fleet-a": there}}, NOW) is seen
    another = {"Deployment": {"fleet-a": live(managedFields=PERSON)}}
    assert known_applied(held, wanted, another, NOW) is held
    assert known_applied(held, wanted, {"Deployment": {}}, NOW) is held


def as_applied(digest: str, **spec: Any) -> dict[str, Any]:
    """As an apply leaves it: all that was asked for is there, and the operator's."""
    there, fields = answer(digest, **spec), {f"f:{name}": {} for name in spec}
    held = {"f:metadata": {"f:annotations": {f"f:{HASH}": {}}}, "f:spec": fields}
    there["metadata"]["managedFields"] = [{**MANAGED[0], "fieldsV1": held}]
    return there


def test_what_was_applied_without_an_answer_was_applied_all_the_same() -> None:
    """An edit, its opposite whose answer was lost, and the edit again: another client was blamed for the second one."""
    held = {DEPLOYED: applied(as_applied("2", paused=False), NOW, asked("2", paused=False))}
    back = [Wanted(asked("1", paused=False), "spec")]
    assert known_applied(held, back, {"Deployment": {"fleet-a": as_applied("2", paused=False)}}, NOW) == held
    held = dict(known_applied(held, back, {"Deployment": {"fleet-a": as_applied("1", paused=False)}}, NOW))
    assert held[DEPLOYED].digest == "1"
    again = all_applied([as_applied("2", paused=False)], [Wanted(asked("2", paused=False), "spec")], held, NOW)
    assert not again[DEPLOYED].again


@pytest.mark.parametrize("taken", [False, True], ids=["as-it-was-applied", "taken-over-at-once"])
def test_what_was_applied_without_an_answer_is_applied_again_only_where_it_was_taken_over(*, taken: bool) -> None:
    """The same was applied once more, and one later change was held against its author."""
    held = {DEPLOYED: applied(as_applied("1", paused=False), NOW, asked("1", paused=False))}
    there = as_applied("2", paused=False, minReadySeconds=3)
    if taken:
        there["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"].pop("f:minReadySeconds")
    wanted = [Wanted(asked("2", paused=False, minReadySeconds=3), "spec")]
    held = dict(known_applied(held, wanted, {"Deployment": {"fleet-a": there}}, NOW))
    assert drifted(there, held[DEPLOYED], NOW + AGAIN_AFTER) is taken
    assert not held[DEPLOYED].again


@pytest.mark.parametrize(
    "apart, blamed",
    [
        pytest.param(timedelta(minutes=1), True, id="within-minutes"),
        pytest.param(STANDING_AFTER, True, id="as-often-as-it-is-applied"),
        pytest.param(timedelta(days=3), False, id="days-apart"),
    ],
)
def test_who_changed_an_object_days_ago_is_not_said_to_change_it_each_time(apart: timedelta, *, blamed: bool) -> None:
    there, wanted = as_applied("1", paused=False), [Wanted(asked("1", paused=False), "spec")]
    edited = {**there, "metadata": {**there["metadata"], "managedFields": PERSON}}
    held, now = {DEPLOYED: applied(there, NOW, wanted[0].manifest)}, NOW + timedelta(days=7)
    for _ in range(2):
        assert not fought(edited, held[DEPLOYED])
        held, now = all_applied([there], wanted, held, now), now + apart
    held = dict(known_applied(held, wanted, {"Deployment": {"fleet-a": edited}}, now))
    assert bool(fought(edited, held[DEPLOYED])) is blamed


def test_an_object_that_is_just_as_an_operator_before_left_it_counts_as_applied() -> None:
    fields = {"f:metadata": {"f:annotations": {f"f:{HASH}": {}}}, "f:spec": {"f:paused": {}}}
    there = answer(paused=False)
    there["metadata"]["managedFields"] = [{**MANAGED[0], "fieldsV1": fields}]
    wanted, seen = [Wanted(asked(paused=False), "spec")], {"Deployment": {"fleet-a": there}}
    found = known_applied({}, wanted, seen, NOW)
    assert not drifted(there, found[DEPLOYED], NOW)
    assert known_applied(found, wanted, seen, NOW) is found
    there["spec"]["paused"] = True
    assert known_applied({}, wanted, seen, NOW) == {}, "not as it is asked for: it is applied"

"""Who else sets the number of a Deployment's pods: a person once, a program again and again."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from utilitarian_operator.core.objects.scaled_by import (
    LEFT_ALONE_FOR,
    WITHIN,
    WRITES,
    ReplicaWriters,
    held_by_us,
    other_writer,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
OURS, HPA = "utilitarian-operator", "kube-controller-manager"


def entry(manager: str, at: datetime, **more: Any) -> dict[str, Any]:
    return {"manager": manager, "time": at.isoformat(), "fieldsV1": {"f:spec": {"f:replicas": {}}}, **more}


def deployment(*entries: dict[str, Any], replicas: int = 1) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {"name": "f-a", "managedFields": list(entries)},
        "spec": {"replicas": replicas},
    }


def by(manager: str, second: int, replicas: int = 1) -> dict[str, Any]:
    return deployment(entry(manager, NOW + second * SECOND, subresource="scale"), replicas=replicas)


def after(looks: Iterable[tuple[int, dict[str, Any]]], before: ReplicaWriters | None = None) -> ReplicaWriters:
    """What is known after looks at so many seconds."""
    known = before or ReplicaWriters().seen({"a": by(OURS, 0, 5)}, NOW)
    for second, seen in looks:
        known = known.seen({"a": seen}, NOW + second * SECOND)
    return known


def fight(*seconds: int, manager: str = HPA) -> list[tuple[int, dict[str, Any]]]:
    """At each of these moments another client has set one, and a second later the operator five."""
    return [look for it in seconds for look in ((it, by(manager, it)), (it + 1, by(OURS, it + 1, 5)))]


@pytest.mark.parametrize(
    "looks, contested",
    [
        pytest.param(fight(10, 25), "", id="twice within a minute"),
        pytest.param(fight(10, 25, 40), HPA, id="three times within a minute"),
        pytest.param(fight(10, 40, 75), "", id="three times, not within one minute"),
        pytest.param([(it, by("kubectl", 10)) for it in range(10, 70)], "", id="a number that a person set once stays"),
        pytest.param([(it, by("keda", it, it)) for it in (10, 20, 30)], "keda", id="three numbers one after the other"),
        pytest.param([(it, by(OURS, it, it)) for it in range(60)], "", id="the operator itself"),
    ],
)
def test_a_client_that_writes_three_times_within_a_minute_has_the_number(
    looks: list[tuple[int, dict[str, Any]]], contested: str
) -> None:
    assert after(looks).contested_pools.get("a", "") == contested


def test_what_was_written_before_the_operator_looked_does_not_count() -> None:
    known = ReplicaWriters().seen({"a": by(HPA, 0)}, NOW)
    assert after(fight(10, 25), known).contested_pools.get("a", "") == ""


def test_the_number_is_left_alone_for_ten_minutes_after_the_last_write_and_one_more_is_then_enough() -> None:
    left = int(LEFT_ALONE_FOR.total_seconds())
    known = after([*fight(10, 25), (40, by(HPA, 40))])
    assert after([(it, by(HPA, 40)) for it in range(41, 40 + left)], known).contested_pools.get("a", "") == HPA
    written = after([(300, by(HPA, 300, 3)), (39 + left, by(HPA, 300, 3))], known)
    assert after([(40 + left, by(HPA, 300, 3))], written).contested_pools.get("a", "") == HPA
    free = after([(40 + left, by(HPA, 40)), (41 + left, by(OURS, 41 + left, 5))], known)
    assert free.contested_pools.get("a", "") == ""
    assert after([(50 + left, by(HPA, 50 + left))], free).contested_pools.get("a", "") == HPA
    later = after([(41 + 2 * left, by(HPA, 41 + 2 * left))], free)
    assert later.contested_pools.get("a", "") == ""


def test_a_fight_that_lasts_costs_a_write_of_ours_in_ten_minutes() -> None:
    known, replicas, writes = after([]), 5, 0
    hour = int(timedelta(hours=1).total_seconds())
    seen = by(OURS, 0, 5)
    for second in range(1, hour):
        if second % 15 == 0 and replicas != 1:
            replicas, seen = 1, by(HPA, second)
        known = known.seen({"a": seen}, NOW + second * SECOND)
        if replicas != 5 and not known.contested_pools.get("a", ""):
            replicas, seen, writes = 5, by(OURS, second, 5), writes + 1
    assert writes <= WRITES - 1 + hour / LEFT_ALONE_FOR.total_seconds()


RESTART = ReplicaWriters(recalled=frozenset("a"))
LEFT = int(LEFT_ALONE_FOR.total_seconds())


@pytest.mark.parametrize(
    "last, since, contested",
    [
        pytest.param(by(HPA, 0), 1, HPA, id="still left to it"),
        pytest.param(by(HPA, 0), LEFT - 1, HPA, id="until ten minutes after its last write"),
        pytest.param(by(HPA, 0), LEFT, "", id="and no longer"),
        pytest.param(by(HPA, 60), 1, HPA, id="its clock goes before ours"),
        pytest.param(deployment(entry(HPA, NOW) | {"time": "soon"}), 1, HPA, id="no moment"),
        pytest.param(by(OURS, 0, 5), 1, "", id="taken back meanwhile"),
    ],
)
def test_a_number_that_was_left_to_another_still_is_after_a_restart(
    last: dict[str, Any], since: int, contested: str
) -> None:
    known = after([(since, last)], RESTART)
    assert known.contested_pools.get("a", "") == contested
    again = after([(since + 5, by("other", since + 5, 3))], known)
    assert again.contested_pools == {"a": "other"}, "one write more is enough"


def test_after_a_restart_it_is_released_when_the_other_has_written_none_for_ten_minutes() -> None:
    known = after([(second, by(HPA, 0)) for second in range(30, LEFT, 30)], RESTART)
    assert known.contested_pools == {"a": HPA}
    assert after([(LEFT, by(HPA, 0))], known).contested_pools == {}


def test_what_is_recalled_waits_for_its_deployment_and_counts_once() -> None:
    known = RESTART.seen({}, NOW)
    assert known.recalled == {"a"}
    known = after([(1, by(HPA, 0)), (LEFT, by(HPA, 0))], known)
    assert (known.recalled, known.contested_pools) == (frozenset(), {})


def test_deployments_that_are_gone_are_forgotten() -> None:
    assert ReplicaWriters().seen({"a": by(HPA, 0)}, NOW).seen({}, NOW).writes == {}


@pytest.mark.parametrize(
    "entries, writer",
    [
        pytest.param([], None, id="none"),
        pytest.param([entry(OURS, NOW)], None, id="the operator"),
        pytest.param([entry(OURS, NOW), entry("argocd-controller", NOW)], None, id="both, who agree"),
        pytest.param([entry("kubectl", NOW)], "kubectl", id="another"),
        pytest.param([entry("old", NOW - WITHIN), entry("new", NOW)], "new", id="the newest of two"),
        pytest.param([{"manager": "x", "fieldsV1": {"f:metadata": {}}}], None, id="another field"),
        pytest.param([{"manager": "x"}], None, id="no fields"),
    ],
)
def test_the_last_writer_is_read_from_the_managers_of_the_field(
    entries: list[dict[str, Any]], writer: str | None
) -> None:
    found = other_writer(deployment(*entries))
    assert (None if found is None else found[0]) == writer


def test_writes_within_one_second_are_told_apart_by_ours_in_between() -> None:
    """The moment of a field's manager is known to the second only."""

    def at(generation: int) -> dict[str, dict[str, Any]]:
        seen = by(HPA, 1)
        return {"a": {**seen, "metadata": {**seen["metadata"], "generation": generation}}}

    known = ReplicaWriters().seen({"a": by(OURS, 0, 5)}, NOW)
    looks = ((2, ()), (4, ("a",)), (6, ("a",)))
    for generation, scaled in looks:
        known = known.seen(at(generation), NOW + SECOND, scaled)
    assert known.contested_pools == {"a": HPA}
    edited = ReplicaWriters().seen({"a": by(OURS, 0, 5)}, NOW)
    for generation in (2, 3, 4, 5):
        edited = edited.seen(at(generation), NOW + SECOND)
    assert edited.contested_pools == {}, "a template that is applied is no write of the number"


def test_writes_within_one_second_are_told_apart_by_a_look_in_between() -> None:
    """The look after the operator's own write finds nothing to set: the next equal write is another one."""
    known = ReplicaWriters().seen({"a": by(OURS, 0, 5)}, NOW)
    for _ in range(WRITES):
        known = known.seen({"a": by("rival", 10)}, NOW + 10 * SECOND)
        known = known.seen({"a": by(OURS, 10, 5)}, NOW + 10 * SECOND, scaled=["a"])
        known = known.seen({"a": by(OURS, 10, 5)}, NOW + 10 * SECOND)
    assert known.contested_pools == {"a": "rival"}


def test_what_the_operator_set_is_its_own_before_the_watch_shows_it() -> None:
    fields = [entry("person", NOW), {"manager": "x", "fieldsV1": {"f:metadata": {}}}, {"manager": "y"}]
    after_ours = deployment(*held_by_us(fields))
    assert other_writer(deployment(*fields)) is not None
    assert other_writer(after_ours) is None
    assert [it["manager"] for it in after_ours["metadata"]["managedFields"]] == ["x", "y", OURS]

"""Which objects are made, adopted, left alone or deleted, and how often one that is refused is tried."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.resources import resource
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.resource import KIND, parse
from utilitarian_operator.core.blocker import NAME_TAKEN, REFUSED, Blocker
from utilitarian_operator.core.labels import CONFIG_CHECKSUM, Owner
from utilitarian_operator.core.objects.actions import Adopt, Apply, Belongs, Create, belongs
from utilitarian_operator.core.objects.drift import AGAIN_AFTER, applied, drifted
from utilitarian_operator.core.objects.refusals import LONGEST_PAUSE, SHORTEST_PAUSE, Refusal, Refusals, taken
from utilitarian_operator.core.objects.wanted import Wanted, field_path, todo, wanted_objects
from utilitarian_operator.core.spec.acceptance import Acceptance
from utilitarian_operator.core.spec.revisions import in_order, newest, revision

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
OWNER = Owner("ns", "fleet", "mine")
OURS = {"app.kubernetes.io/managed-by": "utilitarian-operator"}
MANAGED = [{"manager": "utilitarian-operator", "operation": "Apply", "fieldsV1": {"f:spec": {}}}]
PERSON = [{"manager": "kubectl", "operation": "Update", "fieldsV1": {}}]
NOTHING: dict[str, Any] = {"Deployment": {}, "StatefulSet": {}, "PodDisruptionBudget": {}}
SUMS: dict[str | None, str | None] = {"a": "1", "b": None, None: "3"}


def controller(uid: str = "mine", kind: str = KIND, name: str = "fleet") -> list[dict[str, Any]]:
    return [{"kind": kind, "name": name, "uid": uid, "controller": True}]


def live(name: str = "fleet-a", **metadata: Any) -> dict[str, Any]:
    return {"kind": "Deployment", "metadata": {"name": name, **metadata}, "spec": {"template": {"metadata": {}}}}


@pytest.mark.parametrize(
    "metadata,whose",
    [
        pytest.param({"ownerReferences": controller()}, Belongs.OURS, id="controlled"),
        pytest.param({"ownerReferences": controller("old")}, Belongs.PREDECESSORS, id="of a deleted resource"),
        pytest.param({"ownerReferences": controller("x", name="other")}, Belongs.ANOTHERS, id="of another fleet"),
        pytest.param({"ownerReferences": controller("x", "Rollout")}, Belongs.ANOTHERS, id="of another kind"),
        pytest.param({"labels": OURS, "managedFields": MANAGED}, Belongs.LEFT, id="left behind"),
        pytest.param({"labels": OURS, "managedFields": PERSON}, Belongs.ANOTHERS, id="only labelled so"),
        pytest.param({"labels": {}, "managedFields": MANAGED}, Belongs.ANOTHERS, id="labels taken away"),
        pytest.param({}, Belongs.ANOTHERS, id="somebody's"),
    ],
)
def test_whose_an_object_is(metadata: dict[str, Any], whose: Belongs) -> None:
    assert belongs(live(**metadata), OWNER) is whose


def wanted(seen: dict[str, Any] | None = None, *, built_in: bool = False) -> list[Wanted]:
    fleet = effective_fleet(parse(resource("pools: [{name: a, queues: [q]}, {name: b, queues: [r]}]")).spec)
    return list(wanted_objects(OWNER, fleet, seen or NOTHING, SUMS, built_in=built_in))


def checksum_of(it: Wanted) -> str | None:
    annotations = it.manifest["spec"]["template"]["metadata"].get("annotations", {})
    return None if CONFIG_CHECKSUM not in annotations else str(annotations[CONFIG_CHECKSUM])


def test_a_checksum_that_is_unknown_stays_as_it_is() -> None:
    there = live("fleet-b")
    there["spec"]["template"]["metadata"]["annotations"] = {CONFIG_CHECKSUM: "2"}
    found = wanted({**NOTHING, "Deployment": {"fleet-b": there}})
    assert [checksum_of(it) for it in found if it.kind != "PodDisruptionBudget"] == ["1", "2", "3"]
    assert [checksum_of(it) for it in wanted() if it.kind == "Deployment"] == ["1", None]


def test_what_is_to_be_done() -> None:
    seen = {
        **NOTHING,
        "Deployment": {
            "fleet-a": live(labels=OURS, managedFields=MANAGED),
            "fleet-old": live("fleet-old", ownerReferences=controller()),
        },
        "PodDisruptionBudget": {"fleet-a": live(labels=OURS), "fleet-b": live(ownerReferences=controller("old"))},
    }
    found = todo(OWNER, wanted(seen), seen, {"a": 1, "b": 2})
    assert [(it.kind, it.name, type(action)) for it, action in found.actions] == [
        ("Deployment", "fleet-a", Adopt),
        ("Deployment", "fleet-b", Create),
        ("StatefulSet", "fleet-beat", Create),
    ]
    assert [it.live["metadata"]["name"] for it in found.deletions] == ["fleet-old"]
    assert [(it.kind, it.name) for it in found.taken] == [("PodDisruptionBudget", "fleet-a")]
    creates = [action.manifest["spec"].get("replicas") for _, action in found.actions if isinstance(action, Create)]
    assert creates == [2, 1]


def test_a_changed_object_is_applied_again() -> None:
    first = wanted()[0]
    there = {**first.manifest, "metadata": {**first.manifest["metadata"], "managedFields": MANAGED}}
    seen = {**NOTHING, "Deployment": {"fleet-a": there}}
    assert todo(OWNER, [first], seen, {"a": 0}).actions == ()
    assert todo(OWNER, [first], seen, {"a": 0}, lambda _, __: True).actions == ((first, Apply(first.manifest)),)


def test_an_object_has_drifted_when_a_field_of_ours_was_taken_over() -> None:
    there, changed = live(managedFields=MANAGED), live(managedFields=PERSON)
    last = applied(there, NOW)
    assert drifted(there, None, NOW)
    assert not drifted(there, last, NOW + timedelta(days=1))
    assert not drifted(changed, last, NOW)
    assert drifted(changed, last, NOW + AGAIN_AFTER)


@pytest.mark.parametrize(
    "at,said,path",
    [
        ("spec.pools[1]", "spec.template.spec.containers[0].env[2].name: Invalid value", "spec.pools[1].env"),
        ("spec.pools[1]", "spec.template.spec.containers[0].resources.limits: x", "spec.pools[1].worker.resources"),
        ("spec.pools[1]", "spec.template.spec.containers[0].image: Required", "spec.image"),
        ("spec.pools[1]", 'spec.template.spec.volumes[0].name: "x"', "spec.pools[1].pod.volumes"),
        ("spec.pools[1]", '.spec.template.spec.volumes[name="v"].x: not declared', "spec.pools[1].pod.volumes"),
        (
            "spec.pools[1]",
            "spec.template.spec.containers[0].securityContext: x",
            "spec.pools[1].pod.containerSecurityContext",
        ),
        ("spec.pools[1]", "spec.template.metadata.labels: x", "spec.pools[1].pod.labels"),
        ("spec.defaults", "spec.template.spec.tolerations[0]: x", "spec.defaults.pod.tolerations"),
        ("spec.beat", "spec.template.spec.containers[0].env[0]: x", "spec.env"),
        ("spec.beat", "spec.template.spec.containers[0].resources: x", "spec.beat.resources"),
        ("spec.beat", "exceeded quota: q", "spec.beat"),
    ],
)
def test_the_field_that_is_refused(at: str, said: str, path: str) -> None:
    assert field_path(Wanted(live(), at), said) == path


def test_a_refused_object_is_tried_again_ever_later_and_at_once_in_another_shape() -> None:
    refusals, it = Refusals(), wanted()[0]
    blocker = Blocker(REFUSED, "words")
    now = NOW
    pauses = []
    for _ in range(6):
        assert refusals.due(it, now)
        refusals = refusals.noted([it], [Refusal(it, blocker)], now)
        tried = now
        while not refusals.due(it, now):
            now += timedelta(seconds=1)
        pauses.append(now - tried)
    assert pauses[0] == SHORTEST_PAUSE
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE
    assert refusals.blockers == [blocker]
    assert refusals.only([it]).blockers == [blocker]
    other = Wanted({**it.manifest, "metadata": {**it.manifest["metadata"], "annotations": {}}}, it.path)
    assert refusals.due(other, now), "another shape is tried at once"
    assert refusals.only([other]).blockers == [blocker], "and holds until then"
    assert refusals.noted([other], [], now).blockers == []
    assert refusals.only([]).blockers == []


def test_a_refusal_is_over_when_a_try_went_well() -> None:
    refusals, it = Refusals(), wanted()[0]
    refusals = refusals.noted([it], [taken(it)], NOW)
    assert [o.reason for o in refusals.blockers] == [NAME_TAKEN]
    refusals = refusals.noted([it], [], NOW)
    assert refusals.blockers == []


def body(spec: str = "{}", generation: int = 1) -> dict[str, Any]:
    found = resource(spec)
    found["metadata"] |= {"generation": generation, "uid": "mine", "namespace": "ns"}
    return found


def test_a_version_is_judged_once() -> None:
    acceptance = Acceptance(body())
    first = acceptance.judge(body())
    assert acceptance.judge(body()) is first
    assert acceptance.judge(body("maxWorkers: 5", generation=2)) is not first
    overridden = body()
    overridden["metadata"]["annotations"] = {"utilitarian.io/override.amr": "5 until 2026-11-24T12:00Z"}
    assert acceptance.judge(overridden).overrides["amr"].workers == 5


def record(spec: Any, generation: int, uid: str = "mine") -> dict[str, Any]:
    return revision(Owner("ns", "fleet", uid), generation, spec)


def test_a_restarted_operator_runs_the_spec_that_was_kept_while_the_newest_is_wrong() -> None:
    wrong = body("timeZone: Mars", generation=2)
    restarted = Acceptance(wrong, record(body("maxWorkers: 5")["spec"], 1))
    assert restarted.judge(wrong).fleet is None
    assert restarted.running is not None
    assert restarted.running.fleet is not None
    assert restarted.running.fleet.max_workers == 5
    corrected = restarted.judge(body("maxWorkers: 7", generation=3))
    restarted.let_run(corrected)
    assert restarted.running is corrected


def test_the_newest_spec_runs_at_once_if_it_is_the_one_that_was_kept() -> None:
    same = body("maxWorkers: 5", generation=4)
    restarted = Acceptance(same, record(same["spec"], 4))
    assert restarted.running is not restarted.judge(same)
    assert restarted.running is restarted.judge(same)


@pytest.mark.parametrize(
    "data",
    [{}, {"spec": None}, {"spec": "text"}, {"spec": {"image": 5}}, {"spec": body("timeZone: Mars")["spec"]}],
    ids=["nothing", "null", "text", "of another version", "refused by now"],
)
def test_what_was_kept_and_can_not_be_run_is_passed_over(data: dict[str, Any]) -> None:
    assert Acceptance(body(), {**record({}, 1), "data": data}).running is None


def test_records_are_ordered_by_generation_and_only_those_of_this_very_resource_count() -> None:
    left = record({}, 12)
    left["metadata"]["ownerReferences"] = []
    live = [record({}, 10), record({}, 9), record({}, 11, uid="old"), left]
    ordered = in_order(live, "mine")
    assert [it["revision"] for it in ordered] == [12, 9, 10]
    assert newest(ordered, "mine") == live[0]
    assert newest(ordered[:1], "mine") is None
    assert newest([], "mine") is None


def test_a_record_has_a_name_of_its_own() -> None:
    names = {record({}, generation, uid)["metadata"]["name"] for generation in (1, 2) for uid in ("mine", "old")}
    assert len(names) == 4
    assert all(name.startswith("fleet-spec-") for name in names)

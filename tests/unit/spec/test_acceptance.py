from typing import Any

import pytest

from tests.support.resources import resource
from utilitarian_operator.api.pydantic_messages import MOST_PROBLEMS
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.spec.acceptance import Acceptance
from utilitarian_operator.core.spec.revisions import revision


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


def test_a_spec_that_another_crd_shows_otherwise_is_judged_anew() -> None:
    acceptance = Acceptance(body())
    assert acceptance.judge(body("future: 1")).fleet is None
    assert acceptance.judge(body()).fleet is not None  # the field is pruned, and the generation is the same


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
    [
        None,
        [1],
        "text",
        {},
        {"spec": None},
        {"spec": "text"},
        {"spec": {"image": 5}},
        {"spec": body("timeZone: Mars")["spec"]},
    ],
    ids=["no data", "a list", "a text", "nothing", "null", "text", "of another version", "refused by now"],
)
def test_what_was_kept_and_can_not_be_run_is_passed_over(data: object) -> None:
    assert Acceptance(body(), {**record({}, 1), "data": data}).running is None


def test_no_more_problems_are_told_of_all_pods_than_of_a_spec() -> None:
    sidecars = ", ".join(f"{{name: c{number}, image: x}}" for number in range(50))
    pools = ", ".join(f"{{name: p{number}, queues: [q{number}]}}" for number in range(20))
    wrong = body(
        f"{{podSecurity: Restricted, pools: [{pools}], pod: {{template: {{spec: {{containers: [{sidecars}]}}}}}}}}"
    )
    assert len(Acceptance(wrong).judge(wrong).problems) == MOST_PROBLEMS


def test_an_annotation_that_steers_is_judged_as_soon_as_it_is_set_and_of_many_the_first_wrong_ones_are_told() -> None:
    acceptance = Acceptance(body())
    acceptance.let_run(acceptance.judge(body()))
    paused = body()
    paused["metadata"]["annotations"] = {"utilitarian.io/paused": "until 2026-11-24T12:00Z"}
    judged = acceptance.judge(paused)
    assert judged.by_hand.paused_until is not None
    assert acceptance.running is judged
    wrong = body()
    wrong["metadata"]["annotations"] = {f"utilitarian.io/run-now.{n}": "now" for n in range(1000)}
    assert len(acceptance.judge(wrong).problems) == MOST_PROBLEMS


def test_an_annotation_for_a_pool_that_is_not_there_is_a_warning() -> None:
    misspelt = body()
    misspelt["metadata"]["annotations"] = {
        f"utilitarian.io/override.p{n}": "5 until 2026-11-24T12:00Z" for n in range(99)
    }
    judged = Acceptance(misspelt).judge(misspelt)
    assert judged.fleet is not None
    assert (len(judged.problems), len(judged.warnings)) == (0, MOST_PROBLEMS)
    assert "no pool has this name" in str(judged.warnings[0])

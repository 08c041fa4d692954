"""What rolls out before the status of a Deployment says so."""

from datetime import UTC, datetime
from typing import Any

import pytest

from utilitarian_operator.core.blocker import Blocker
from utilitarian_operator.core.labels import TEMPLATE_HASH
from utilitarian_operator.core.objects.actions import Action, Adopt, Apply, Create, Disown, HandAllOver
from utilitarian_operator.core.objects.drift import Applied
from utilitarian_operator.core.objects.refusals import Refusal, Refusals
from utilitarian_operator.core.objects.wanted import DEPLOYMENT, DISRUPTION_BUDGET, STATEFUL_SET, Wanted
from utilitarian_operator.core.status.rollouts import rolled_out, rollouts, to_be_renewed, unobserved

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def body(digest: str = "", kind: str = DEPLOYMENT, generation: int = 1, observed: int | None = 1) -> dict[str, Any]:
    metadata = {"name": "fleet-a", "uid": "u", "generation": generation, "annotations": {TEMPLATE_HASH: digest}}
    return {"kind": kind, "metadata": metadata, "status": {} if observed is None else {"observedGeneration": observed}}


def made_anew(it: dict[str, Any]) -> dict[str, Any]:
    return {**it, "metadata": {**it["metadata"], "uid": "another"}}


def live(*bodies: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    found: dict[str, dict[str, dict[str, Any]]] = {DEPLOYMENT: {}, STATEFUL_SET: {}, DISRUPTION_BUDGET: {}}
    for it in bodies:
        found[it["kind"]][it["metadata"]["name"]] = it
    return found


@pytest.mark.parametrize(
    "there, applied, rolls",
    [
        pytest.param(body(generation=3, observed=3), 3, False, id="its controller has seen it"),
        pytest.param(body(generation=3, observed=2), 3, True, id="it has not yet"),
        pytest.param(body(generation=3, observed=None), 3, True, id="it has seen none"),
        pytest.param(body(generation=4, observed=3), 3, False, id="it was scaled since"),
        pytest.param(body(generation=3, observed=2), None, False, id="what was applied is not known"),
        pytest.param(body(generation=2, observed=2), 3, True, id="the watch has not told of the apply yet"),
        pytest.param(made_anew(body(generation=1, observed=1)), 3, False, id="another client has made it anew"),
        pytest.param(body(kind=STATEFUL_SET, generation=3, observed=2), 3, True, id="beat"),
        pytest.param(body(kind=DISRUPTION_BUDGET, generation=3, observed=2), 3, False, id="it has no pods"),
    ],
)
def test_what_its_controller_has_not_seen_rolls_out(there: dict[str, Any], applied: int | None, *, rolls: bool) -> None:
    last = {} if applied is None else {(there["kind"], "fleet-a"): Applied((), NOW, generation=applied, uid="u")}
    assert list(unobserved(live(there), last)) == (["fleet-a"] if rolls else [])


@pytest.mark.parametrize("kind", [DEPLOYMENT, STATEFUL_SET])
@pytest.mark.parametrize("updated, rolls", [(1, True), (3, False)])
def test_what_says_of_itself_that_it_rolls_out_does(kind: str, updated: int, *, rolls: bool) -> None:
    """Also where it says so only since the look began."""
    there = {**body(kind=kind), "status": {"observedGeneration": 1, "replicas": 3, "updatedReplicas": updated}}
    seen = rollouts((), live(there), Refusals(), {}, new=False, beat_waits=False)
    assert seen == ({"fleet-a"} if rolls else frozenset())


@pytest.mark.parametrize(
    "status, said",
    [
        pytest.param({}, False, id="nothing yet"),
        pytest.param({"observedGeneration": 2}, False, id="no condition"),
        pytest.param(
            {"observedGeneration": 1, "conditions": [{"type": "Reconciling", "status": "False"}]}, False, id="old"
        ),
        pytest.param(
            {"observedGeneration": 2, "conditions": [{"type": "Reconciling", "status": "True"}]},
            False,
            id="it rolls out",
        ),
        pytest.param(
            {"observedGeneration": 2, "conditions": [{"type": "Reconciling", "status": "False"}]}, True, id="it is"
        ),
    ],
)
def test_what_a_status_says_of_a_generation(status: dict[str, Any], *, said: bool) -> None:
    assert rolled_out(status, 2) is said


NEW = body("new")


@pytest.mark.parametrize(
    "action, there, rolls",
    [
        pytest.param(Apply(NEW), body("old"), True, id="another manifest"),
        pytest.param(Apply(NEW), body("new"), False, id="the same again"),
        pytest.param(Create(NEW), None, True, id="it is made"),
        pytest.param(Adopt(NEW, body("old")), body("old"), False, id="it is taken over"),
        pytest.param(
            HandAllOver(body("old")), body("old"), True, id="it was just made, and gets another at the next look"
        ),
        pytest.param(Disown(body("old")), body("old"), True, id="what its create holds goes first"),
        pytest.param(Disown(body("new")), body("new"), False, id="what its create holds goes, and nothing is new"),
    ],
)
def test_what_gets_another_manifest_now_rolls_out(action: Action, there: dict[str, Any] | None, *, rolls: bool) -> None:
    wanted, seen = Wanted(NEW, "spec.pools[0]"), live(*([] if there is None else [there]))
    assert list(to_be_renewed([(wanted, action)], seen, Refusals())) == (["fleet-a"] if rolls else [])
    refused = Refusals().noted([wanted], [Refusal(wanted, Blocker("Refused", "no"))], NOW)
    assert list(to_be_renewed([(wanted, action)], seen, refused)) == []

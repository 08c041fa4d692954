"""Beat gets a new version after the workers, whatever else is to be done."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.resources import resource
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.core.beat.after_workers import after_workers
from utilitarian_operator.core.blocker import Blocker
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.objects.actions import Action, Apply, Create
from utilitarian_operator.core.objects.refusals import Refusal, Refusals
from utilitarian_operator.core.objects.wanted import DEPLOYMENT, STATEFUL_SET, Wanted, wanted_objects

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
EMPTY: dict[str, dict[str, Any]] = {DEPLOYMENT: {}, STATEFUL_SET: {}}
POOLS = "pools: [{name: one, queues: [a]}, {name: two, queues: [b]}]"
REFUSED = Blocker("Refused", "no")


def wanted(image: str, more: str = "") -> dict[str, Wanted]:
    spec = resource(f"{POOLS}\nimage: {image}\n{more}")
    made = wanted_objects(Owner("ns", "fleet", "u"), effective_fleet(parse(spec).spec), EMPTY, {})
    return {it.name: it for it in made if it.kind in EMPTY}


def there(objects: dict[str, Wanted], *, workers: int = 2, **status: int) -> dict[str, dict[str, Any]]:
    """All objects as they are at rest, or with another status of pool one's Deployment."""
    found: dict[str, dict[str, Any]] = {DEPLOYMENT: {}, STATEFUL_SET: {}}
    rest = {"replicas": workers, "updatedReplicas": workers, "observedGeneration": 1}
    for it in objects.values():
        body = {**it.manifest, "metadata": {**it.manifest["metadata"], "generation": 1}, "status": rest}
        found[it.kind][it.name] = {**body, "spec": {**body["spec"], "replicas": 1}}
    found[DEPLOYMENT]["fleet-one"]["status"] = {**rest, **status}
    return found


OLD, NEW = wanted("i:1"), wanted("i:2")
DEPLOYMENTS = ("fleet-one", "fleet-two")
ALL: list[tuple[Wanted, Action]] = [(it, Apply(it.manifest)) for it in NEW.values()]
BEAT = [(it, action) for it, action in ALL if it.kind == STATEFUL_SET]


@pytest.mark.parametrize(
    "actions, live, waits_for",
    [
        pytest.param(ALL, there(OLD), DEPLOYMENTS, id="the workers are told first"),
        pytest.param(BEAT, there(NEW | {"fleet-beat": OLD["fleet-beat"]}), (), id="all workers are new"),
        pytest.param(ALL, there(OLD, workers=0), (), id="all pools are at zero"),
        pytest.param(BEAT, there(OLD, updatedReplicas=1), ("fleet-one",), id="a rollout is under way"),
        pytest.param(BEAT, there(OLD, observedGeneration=0), ("fleet-one",), id="its controller has not seen it yet"),
        pytest.param([(NEW["fleet-beat"], Create({}))], there(OLD, updatedReplicas=1), (), id="beat is made"),
    ],
)
def test_beat_waits_for_workers_of_the_version_before(
    actions: list[tuple[Wanted, Action]], live: dict[str, Any], waits_for: tuple[str, ...]
) -> None:
    kept, old = after_workers(actions, live, Refusals(), runs=True)
    assert old == waits_for
    assert [it for it in actions if it not in kept] == (BEAT if waits_for else [])


def test_a_beat_that_does_not_run_waits_for_nothing() -> None:
    assert after_workers(ALL, there(OLD), Refusals(), runs=False) == (ALL, ())


def test_two_beats_become_one_whatever_waits() -> None:
    live = there(OLD)
    live[STATEFUL_SET]["fleet-beat"]["spec"]["replicas"] = 2
    assert after_workers(ALL, live, Refusals(), runs=True) == (ALL, ())


def test_another_variable_of_the_same_version_waits_for_nothing() -> None:
    changed = wanted("i:1", "env: [{name: A, value: b}]")
    actions: list[tuple[Wanted, Action]] = [(it, Apply(it.manifest)) for it in changed.values()]
    assert after_workers(actions, there(OLD), Refusals(), runs=True) == (actions, ())


def test_another_application_is_another_version() -> None:
    changed = wanted("i:1", "app: other")
    actions: list[tuple[Wanted, Action]] = [(it, Apply(it.manifest)) for it in changed.values()]
    assert after_workers(actions, there(OLD), Refusals(), runs=True)[1] == DEPLOYMENTS


def test_a_template_that_is_refused_holds_nothing_up() -> None:
    refused = [Refusal(NEW[name], REFUSED) for name in DEPLOYMENTS]
    refusals = Refusals().noted([it.wanted for it in refused], refused, NOW)
    assert after_workers(ALL, there(OLD), refusals, runs=True) == (ALL, ())

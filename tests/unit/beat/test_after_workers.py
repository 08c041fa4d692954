"""Beat gets a new version after the workers, whatever else is to be done."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support import looks
from tests.support.resources import resource
from utilitarian_operator.api.effective import Fleet, effective_fleet
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.resource import parse
from utilitarian_operator.core.beat.after_workers import Due, after_workers, runs, still_take
from utilitarian_operator.core.blocker import Blocker
from utilitarian_operator.core.labels import MANAGER, Owner
from utilitarian_operator.core.objects.actions import Apply, Create, Disown, HandAllOver
from utilitarian_operator.core.objects.refusals import Refusal, Refusals
from utilitarian_operator.core.objects.wanted import DEPLOYMENT, STATEFUL_SET, Wanted, wanted_objects
from utilitarian_operator.core.observation.beat import BeatReadings
from utilitarian_operator.core.observation.model.pod import PodSnapshot
from utilitarian_operator.core.observation.model.pool import PoolSnapshot

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
EMPTY: dict[str, dict[str, Any]] = {DEPLOYMENT: {}, STATEFUL_SET: {}}
POOLS = "pools: [{name: one, queues: [a]}, {name: two, queues: [b]}]"
REFUSED = Blocker("Refused", "no")


OWNER = Owner("ns", "fleet", "u")


def fleet(image: str, more: str = "", pools: str = POOLS) -> Fleet:
    return effective_fleet(parse(resource(f"{pools}\nimage: {image}\n{more}")).spec)


def wanted(image: str, more: str = "", secret: str | None = None, pools: str = POOLS) -> dict[str, Wanted]:
    """What is asked for, of pods whose environment has this checksum."""
    made = wanted_objects(OWNER, fleet(image, more, pools), EMPTY, dict.fromkeys((None, "one", "two"), secret))
    return {it.name: it for it in made if it.kind in EMPTY}


def there(objects: dict[str, Wanted], *, workers: int = 2, **status: int) -> dict[str, dict[str, Any]]:
    """All objects as they are at rest, or with another status of pool one's Deployment."""
    found: dict[str, dict[str, Any]] = {DEPLOYMENT: {}, STATEFUL_SET: {}}
    rest = {"replicas": workers, "updatedReplicas": workers, "observedGeneration": 1}
    ours = {"generation": 1, "managedFields": [{"manager": MANAGER, "operation": "Apply"}]}
    for it in objects.values():
        body = {**it.manifest, "metadata": it.manifest["metadata"] | ours, "status": rest}
        found[it.kind][it.name] = {**body, "spec": {**body["spec"], "replicas": 1}}
    found[DEPLOYMENT]["fleet-one"]["status"] = {**rest, **status}
    return found


def applies(objects: dict[str, Wanted]) -> Due:
    return [(it, Apply(it.manifest)) for it in objects.values()]


OLD, NEW = wanted("i:1"), wanted("i:2")
FLEET = fleet("i:2")
DEPLOYMENTS = ("fleet-one", "fleet-two")
ALL = applies(NEW)
BEAT = [(it, action) for it, action in ALL if it.kind == STATEFUL_SET]


@pytest.mark.parametrize(
    "actions, live, waits_for",
    [
        pytest.param(ALL, there(OLD), DEPLOYMENTS, id="the workers are told first"),
        pytest.param(BEAT, there(NEW | {"fleet-beat": OLD["fleet-beat"]}), (), id="all workers are new"),
        pytest.param(ALL, there(OLD, workers=0), (), id="all pools are at zero"),
        pytest.param(BEAT, there(OLD, updatedReplicas=1), ("fleet-one",), id="a rollout is under way"),
        pytest.param(BEAT, there(OLD, observedGeneration=0), ("fleet-one",), id="its controller has not seen it yet"),
        pytest.param(
            [*BEAT, (NEW["fleet-one"], HandAllOver({}))],
            there(OLD),
            ("fleet-one",),
            id="one is applied at the next look",
        ),
        pytest.param(
            [*BEAT, (NEW["fleet-one"], Disown({}))], there(OLD), ("fleet-one",), id="likewise after an apply by another"
        ),
        pytest.param(
            [*BEAT, (NEW["fleet-one"], Disown({}))],
            there(NEW | {"fleet-beat": OLD["fleet-beat"]}),
            (),
            id="one is new already",
        ),
        pytest.param([(NEW["fleet-beat"], Create({}))], there(OLD, updatedReplicas=1), (), id="beat is made"),
    ],
)
def test_beat_waits_for_workers_of_the_version_before(
    actions: Due, live: dict[str, Any], waits_for: tuple[str, ...]
) -> None:
    kept, old = after_workers(OWNER, FLEET, actions, live, Refusals())
    assert old == waits_for
    assert [it for it in actions if it not in kept] == (BEAT if waits_for else [])


def test_a_beat_that_does_not_run_waits_for_nothing() -> None:
    assert after_workers(OWNER, FLEET, ALL, there(OLD), Refusals(), beat_runs=False) == (ALL, ())


def test_two_beats_become_one_whatever_waits() -> None:
    live = there(OLD)
    live[STATEFUL_SET]["fleet-beat"]["spec"]["replicas"] = 2
    assert after_workers(OWNER, FLEET, ALL, live, Refusals()) == (ALL, ())


def test_another_variable_of_the_same_version_waits_for_nothing() -> None:
    more = "env: [{name: A, value: b}]"
    actions = applies(wanted("i:1", more))
    assert after_workers(OWNER, fleet("i:1", more), actions, there(OLD), Refusals()) == (actions, ())


def test_another_application_is_another_version() -> None:
    actions = applies(wanted("i:1", "app: other"))
    assert after_workers(OWNER, fleet("i:1", "app: other"), actions, there(OLD), Refusals())[1] == DEPLOYMENTS


def test_a_template_that_is_refused_holds_nothing_up() -> None:
    refused = [Refusal(NEW[name], REFUSED) for name in DEPLOYMENTS]
    refusals = Refusals().noted([it.wanted for it in refused], refused, NOW)
    assert after_workers(OWNER, FLEET, ALL, there(OLD), refusals) == (ALL, ())


def test_a_deployment_of_another_owner_holds_nothing_up() -> None:
    live = there(OLD, updatedReplicas=1)
    live[DEPLOYMENT]["fleet-one"]["metadata"]["ownerReferences"] = [{"controller": True, "uid": "gone"}]
    assert after_workers(OWNER, FLEET, BEAT, live, Refusals()) == (BEAT, ())


def beat_of(actions: Due) -> Object:
    (found,) = [action.manifest for it, action in actions if it.kind == STATEFUL_SET and isinstance(action, Apply)]
    return found


def test_a_secret_that_changes_meanwhile_comes_to_the_beat_that_runs() -> None:
    """Else one with a login that is renewed hourly could not send any more where a rollout takes hours."""
    rotated = wanted("i:2", "app: newer", secret="b")
    live = there(wanted("i:1", secret="a"))
    actions, old = after_workers(OWNER, fleet("i:2", "app: newer"), applies(rotated), live, Refusals())
    assert old == DEPLOYMENTS
    assert beat_of(actions) == wanted("i:1", secret="b")["fleet-beat"].manifest


def test_it_is_not_applied_again_nor_oftener_than_may_be() -> None:
    rotated = applies(wanted("i:2", secret="b"))
    had, has = there(wanted("i:1", secret="a")), there(wanted("i:1", secret="b"))
    for live, may_repeat in ((has, True), (had, False)):
        actions, old = after_workers(OWNER, FLEET, rotated, live, Refusals(), (), lambda _, __, may=may_repeat: may)
        assert old == DEPLOYMENTS
        assert [it.kind for it, _ in actions] == [DEPLOYMENT, DEPLOYMENT]


def test_what_else_an_edit_changes_of_beat_comes_with_its_version() -> None:
    more = "beat: {scheduler: 'newer:Scheduler'}"
    actions = applies(wanted("i:2", more, secret="b"))
    kept, old = after_workers(OWNER, fleet("i:2", more), actions, there(wanted("i:1", secret="a")), Refusals())
    assert (old, [it.kind for it, _ in kept]) == (DEPLOYMENTS, [DEPLOYMENT, DEPLOYMENT])


def test_another_secret_is_no_other_version_where_a_webhook_has_changed_the_image() -> None:
    live = there(wanted("i:1", secret="a"))
    live[STATEFUL_SET]["fleet-beat"]["spec"] = there(wanted("mirror/i:1"))[STATEFUL_SET]["fleet-beat"]["spec"] | {
        "template": mirrored(live[STATEFUL_SET]["fleet-beat"]["spec"]["template"])
    }
    actions = applies(wanted("i:1", secret="b"))
    assert after_workers(OWNER, fleet("i:1"), actions, live, Refusals()) == (actions, ())


def mirrored(template: Object) -> Object:
    containers = [it | {"image": f"mirror/{it['image']}"} for it in template["spec"]["containers"]]
    return {**template, "spec": template["spec"] | {"containers": containers}}


RENAMED = "pools: [{name: three, queues: [a]}, {name: two, queues: [b]}]"


@pytest.mark.parametrize(
    "version, takes, waits_for",
    [
        pytest.param("i:1", True, ("fleet-one",), id="old workers of a pool that was renamed"),
        pytest.param("i:1", False, (), id="they take no tasks any more"),
        pytest.param("i:2", True, (), id="they have the new version"),
    ],
)
def test_beat_waits_for_workers_of_a_pool_that_is_no_longer_asked_for(
    version: str, *, takes: bool, waits_for: tuple[str, ...]
) -> None:
    asked = wanted("i:2", pools=RENAMED)
    objects = {**asked, "fleet-one": wanted(version)["fleet-one"], "fleet-beat": OLD["fleet-beat"]}
    # Its rollout has not ended and never will: what its workers hold may take hours.
    live = there(objects, updatedReplicas=1)
    actions = [(it, Apply(it.manifest)) for it in asked.values() if it.kind == STATEFUL_SET]
    leaving = {"one"} if takes else set[str]()
    _, old = after_workers(OWNER, fleet("i:2", pools=RENAMED), list(actions), live, Refusals(), leaving)
    assert old == waits_for


@pytest.mark.parametrize(
    "pods, takes",
    [
        pytest.param([looks.pod("a", held=looks.IDLE)], True, id="it consumes"),
        pytest.param([looks.pod("a", held=looks.DEAF)], False, id="it was told to take nothing more"),
        pytest.param([looks.pod("a")], True, id="it says nothing"),
        pytest.param([looks.pod("a", leaving=True)], False, id="its preStop hook tells it"),
        pytest.param([looks.pod("a", running=False)], False, id="it has not begun"),
        pytest.param([looks.pod("a", held=looks.DEAF), looks.pod("b", held=looks.IDLE)], True, id="one of two"),
        pytest.param([], False, id="none is left"),
    ],
)
def test_a_worker_takes_tasks_until_it_says_that_it_consumes_nothing(pods: list[PodSnapshot], *, takes: bool) -> None:
    assert still_take({"one": PoolSnapshot({}, 0, tuple(pods), len(pods))}) == ({"one"} if takes else set())


TWO_MINUTES = timedelta(minutes=2)
READY = BeatReadings({"status": {"readyReplicas": 1}})


@pytest.mark.parametrize(
    "beat, before, it_runs",
    [
        pytest.param(READY, {}, True, id="it is ready"),
        pytest.param(BeatReadings(), {"ready": True}, True, id="it was until now"),
        pytest.param(BeatReadings(), {"ready": False, "lastSeen": "2026-11-23T11:58:30Z"}, True, id="it is restarted"),
        pytest.param(BeatReadings(), {"ready": False, "lastSeen": "2026-11-23T11:57:59Z"}, False, id="it is broken"),
        pytest.param(BeatReadings(), {"ready": False, "lastSeen": "2026-11-23T13:00:00Z"}, False, id="a clock step"),
        pytest.param(BeatReadings(), {}, False, id="it never ran"),
    ],
)
def test_a_beat_that_is_restarted_keeps_its_version_and_one_that_is_broken_does_not(
    beat: BeatReadings, before: dict[str, Any], *, it_runs: bool
) -> None:
    assert runs(beat, before, NOW, TWO_MINUTES) is it_runs

"""One look as it is decided: what each kind of situation comes to, in each mode, and that nothing else goes in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.pools import NOW
from utilitarian_operator.core.blocker import REFUSED, Blocker
from utilitarian_operator.core.changed import changed
from utilitarian_operator.core.engine import settled, step
from utilitarian_operator.core.labels import MANAGER, MOUNTS, MOUNTS_CHECKSUM
from utilitarian_operator.core.look import Seen, Spec, State, begun, unrecorded
from utilitarian_operator.core.objects.actions import Apply, Create
from utilitarian_operator.core.objects.refusals import Refusal, not_deleted, not_scaled
from utilitarian_operator.core.objects.wanted import DEPLOYMENT, DISRUPTION_BUDGET, STATEFUL_SET
from utilitarian_operator.core.observation.beat import BeatReadings, OtherBeat
from utilitarian_operator.core.observation.broker import BrokerName, BrokerSnapshot, Depth
from utilitarian_operator.core.observation.fleet import Readings
from utilitarian_operator.core.observation.let_in import mark
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.plan import Outcome, Plan
from utilitarian_operator.core.sizing.eta_sleep import EtaSleep
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.memory_json import to_text
from utilitarian_operator.core.spec.acceptance import Acceptance, Judgement
from utilitarian_operator.core.spec.references import Content, Target
from utilitarian_operator.core.status.change import Written
from utilitarian_operator.core.status.recall import Recalled, recall
from utilitarian_operator.errors import BrokerError, BrokerUnreachable

Body = dict[str, Any]
NOTHING: Mapping[str, Mapping[str, Body]] = {DEPLOYMENT: {}, DISRUPTION_BUDGET: {}, STATEFUL_SET: {}}
SECOND = timedelta(seconds=1)
NOTHING_MORE: Mapping[str, Any] = {}


def resource(pools: tuple[str, ...] = ("a",), pool: Mapping[str, Any] = NOTHING_MORE, **spec: Any) -> Body:
    """A resource; each pool has the fields of `pool` too."""
    return {
        "apiVersion": "utilitarian.io/v1alpha1",
        "kind": "UtilitarianWorkerPool",
        "metadata": {"name": "fleet", "namespace": "ns", "uid": "u", "generation": 1},
        "spec": {
            "image": "utilitarian:1",
            "broker": {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "url"}}},
            "beat": {"enabled": False},
            "pools": [{"name": name, "queues": [f"q-{name}"], **pool} for name in pools],
            **spec,
        },
        "status": {},
    }


@dataclass
class Look:
    """One look: a test changes of it what it is about."""

    resource: Body = field(default_factory=resource)
    live: Mapping[str, Mapping[str, Body]] = field(default_factory=lambda: NOTHING)
    waiting: int = 0
    away: BrokerError | None = None
    spec: Mapping[str, Any] = field(default_factory=dict)
    state: State = field(default_factory=lambda: begun({}, Recalled(), NOW))
    outcome: Outcome | None = None
    after: timedelta = timedelta()
    running: Judgement | None = None
    contents: Mapping[Target, Content] = field(default_factory=dict)
    salt: str | None = None
    beat: BeatReadings = field(default_factory=BeatReadings)

    def decided(self) -> tuple[Plan, State]:
        newest = (acceptance := Acceptance(self.resource)).judge(self.resource)
        if newest.fleet is not None:
            acceptance.let_run(newest)
        spec = Spec(acceptance.running or self.running, newest, **self.spec)
        return step(spec, self.seen(), self.state, NOW + self.after)

    def seen(self) -> Seen:
        asked_for = [it["name"] for it in self.resource["spec"]["pools"]]
        depths = {f"q-{name}": Depth(self.waiting, 0) for name in asked_for}
        broker = BrokerSnapshot(0.0, {} if self.away else depths, self.away)
        read = Readings(NOW + self.after, "fleet", broker, broker, self.live[DEPLOYMENT], self.live[STATEFUL_SET])
        read_too = {"beat": self.beat, "contents": self.contents, "outcome": self.outcome, "salt": self.salt}
        return Seen(self.resource, read, self.live, **read_too)


def secret_of(password: str) -> dict[Target, Content]:
    """The contents of the Secret that the resource names."""
    url = resource()["spec"]["broker"]["urlFrom"]["secretKeyRef"]
    return {Target("Secret", url["name"]): {url["key"]: password}}


def at_rest(look: Look) -> Look:
    """The look after all that this one plans was done."""
    plan, state = look.decided()
    live: dict[str, dict[str, Body]] = {kind: dict(there) for kind, there in look.live.items()}
    for it, action in plan.objects:
        assert isinstance(action, Create)
        fields = [{"manager": MANAGER, "operation": "Apply", "fieldsV1": {}}]
        metadata = {**action.manifest["metadata"], "resourceVersion": "1", "uid": it.name, "managedFields": fields}
        live[it.kind][it.name] = {**action.manifest, "metadata": metadata}
    assert plan.status is not None
    outcome = Outcome(
        NOW,
        tried=tuple(it for it, _ in plan.objects),
        applied=tuple(it for each in live.values() for it in each.values()),
        recorded=True,
        written=Written(plan.status.wanted, plan.status.wanted, NOW),
    )
    seen = {**look.resource, "status": plan.status.wanted}
    done = replace(look, resource=seen, live=live, state=state, outcome=outcome, after=SECOND)
    told = done.decided()[0].status  # that all of it is made
    if told is None:
        return done
    said = {**done.resource, "status": told.wanted}
    return replace(done, resource=said, outcome=replace(outcome, written=Written(told.wanted, told.wanted, NOW)))


def refused(look: Look) -> Look:
    """The look after the API server refused all that this one plans."""
    plan, state = look.decided()
    refusals = (
        *(not_scaled(it.pool, it.step, "no") for it in plan.scales),
        *(Refusal(it, Blocker(REFUSED, f"{it.path}: no")) for it, _ in plan.objects),
        *(not_deleted(it, "no") for it in plan.deletions),
    )
    outcome = Outcome(NOW, tried=tuple(it.wanted for it in refusals), refused=refusals, recorded=True)
    return replace(look, state=state, outcome=outcome, after=SECOND)


def of_another_owner(look: Look) -> Look:
    found = at_rest(look)
    live = {kind: {name: _anothers(it) for name, it in there.items()} for kind, there in found.live.items()}
    return replace(look, live=live)


def _anothers(body: Body) -> Body:
    return {**body, "metadata": {**body["metadata"], "ownerReferences": [{"controller": True, "uid": "another"}]}}


def edited(look: Look, **spec: Any) -> Look:
    body = resource(**spec)
    return replace(look, resource={**body, "status": look.resource["status"]})


AWAY = BrokerUnreachable("amqp: no answer")


def kinds(plan: Plan) -> set[str]:
    """What is planned, by kind, with what makes the difference."""
    found = {f"{type(action).__name__} {it.kind}" for it, action in plan.objects}
    found |= {f"scale {it.pool} {it.step.before} to {it.step.replicas}" for it in plan.scales}
    found |= {f"delete {it.live['kind']}" for it in plan.deletions}
    found |= {f"postponed {it.kind}" for it in plan.postponed}
    found |= {f"event {it.reason}" for it in plan.events}
    found |= {"status"} if plan.status else set()
    return found


MADE = {"Create Deployment", "Create PodDisruptionBudget"}


@pytest.mark.parametrize(
    "look,planned",
    [
        pytest.param(Look, MADE | {"status"}, id="nothing is there"),
        pytest.param(lambda: at_rest(Look()), set(), id="all is as it should be"),
        pytest.param(
            lambda: replace(at_rest(Look()), waiting=9), {"scale a 0 to 1", "status"}, id="work on a pool that sleeps"
        ),
        pytest.param(
            lambda: edited(at_rest(Look()), pools=("b",)),
            MADE | {"delete Deployment", "delete PodDisruptionBudget", "status"},
            id="a pool is no longer asked for",
        ),
        pytest.param(
            lambda: replace(edited(at_rest(Look()), nonsense=1), running=Acceptance(resource()).judge(resource())),
            {"event InvalidSpec", "status"},
            id="the newest spec is wrong: the last one runs",
        ),
        pytest.param(
            lambda: Look(resource=resource(nonsense=1)), {"event InvalidSpec", "status"}, id="the first spec is wrong"
        ),
        pytest.param(lambda: of_another_owner(Look()), {"event NameTaken", "status"}, id="names of another owner"),
        pytest.param(
            lambda: replace(at_rest(Look()), away=AWAY, waiting=9), {"event BrokerUnreachable", "status"}, id="away"
        ),
        pytest.param(
            lambda: replace(at_rest(Look()), away=AWAY, spec={"blockers": [Blocker("SecretMissing", "no URL")]}),
            {"event SecretMissing", "status"},
            id="the broker's address is not known",
        ),
        pytest.param(
            lambda: refused(Look()),
            {"postponed Deployment", "postponed PodDisruptionBudget", "event Refused", "status"},
            id="refused a moment ago",
        ),
        pytest.param(
            lambda: replace(refused(Look()), after=timedelta(seconds=10)),
            MADE | {"event Refused", "status"},
            id="refused, and tried again after a pause",
        ),
        pytest.param(
            lambda: refused(replace(at_rest(Look()), waiting=9)),
            {"event Refused", "status"},
            id="a number of workers was refused a moment ago",
        ),
        pytest.param(
            lambda: replace(refused(replace(at_rest(Look()), waiting=9)), after=timedelta(seconds=10)),
            {"scale a 0 to 1", "event Refused", "status"},
            id="a number of workers was refused, and is asked for again after a pause",
        ),
        pytest.param(
            lambda: refused(edited(at_rest(Look()), pool={"disruptionBudget": False})),
            {"event Refused", "status"},
            id="what is no longer asked for may not be deleted",
        ),
        pytest.param(
            lambda: replace(
                refused(edited(at_rest(Look()), pool={"disruptionBudget": False})), after=timedelta(seconds=10)
            ),
            {"delete PodDisruptionBudget", "event Refused", "status"},
            id="what is no longer asked for could not be deleted, and is tried again after a pause",
        ),
    ],
)
def test_what_is_planned(look: Callable[[], Look], planned: set[str]) -> None:
    assert kinds(look().decided()[0]) == planned


def test_what_is_being_found_out_is_not_spoken_of() -> None:
    newest = Acceptance(resource()).judge(resource())
    seen = Seen(resource())
    plan, _ = step(Spec(None, newest, doubted=True), seen, begun({}, Recalled(), NOW), NOW)
    assert plan == Plan()


@pytest.mark.parametrize(
    "mode,before,planned",
    [
        pytest.param("Paused", Look, MADE | {"status"}, id="paused: objects are made"),
        pytest.param("Paused", lambda: replace(at_rest(Look()), waiting=9), {"status"}, id="paused: no number changes"),
        pytest.param(
            "Paused",
            lambda: refused(replace(at_rest(Look()), waiting=9)),
            {"status"},
            id="paused: what was refused matters no more",
        ),
        pytest.param("Preview", Look, {"status"}, id="preview: nothing but status"),
        pytest.param("Preview", lambda: replace(at_rest(Look()), waiting=9), {"status"}, id="preview: the same"),
        pytest.param("Preview", lambda: refused(Look()), {"status"}, id="preview: what was refused matters no more"),
    ],
)
def test_what_a_mode_leaves_of_it(mode: str, before: Callable[[], Look], planned: set[str]) -> None:
    plan, _ = edited(before(), mode=mode).decided()
    assert kinds(plan) == planned
    assert (plan.guards, plan.replacements) == ((), ())
    if mode == "Preview":
        assert all(not drain.steps and not drain.gates and drain.resize is None for drain in plan.drains.values())
        assert plan.keep is not None
        assert not plan.keep.makes_objects


def annotated(look: Look, **annotations: str) -> Look:
    """The look at the same resource with annotations, each by what stands behind `utilitarian.io/`."""
    written = {f"utilitarian.io/{name}": text for name, text in annotations.items()}
    metadata = {**look.resource["metadata"], "annotations": written}
    return replace(look, resource={**look.resource, "metadata": metadata})


@pytest.mark.parametrize(
    "until,mode,planned",
    [("2100-01-01T00:00Z", "Paused", {"status"}), ("2026-01-01T00:00Z", "Auto", {"scale a 0 to 1", "status"})],
    ids=["in force", "over"],
)
def test_a_pause_by_annotation_holds_until_its_end(until: str, mode: str, planned: set[str]) -> None:
    plan, _ = annotated(replace(at_rest(Look()), waiting=9), paused=f"until {until}").decided()
    assert kinds(plan) == planned
    assert plan.status is not None
    assert plan.status.wanted["mode"] == mode


def test_a_hostile_annotation_is_said_in_the_status_and_changes_nothing_else() -> None:
    plan, _ = annotated(replace(at_rest(Look()), waiting=9), paused="for ever").decided()
    assert plan.scales
    assert plan.status is not None
    (stalled,) = (it for it in plan.status.wanted["conditions"] if it["type"] == "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "InvalidSpec")
    assert 'annotations[utilitarian.io/paused]: write it like "until 2026-11-24T12:00Z"' in stalled["message"]


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(Look, id="first"),
        pytest.param(lambda: replace(at_rest(Look()), waiting=9), id="work"),
        pytest.param(lambda: refused(Look()), id="refused"),
        pytest.param(lambda: replace(at_rest(Look()), away=AWAY), id="away"),
    ],
)
def test_the_same_comes_to_the_same(look: Callable[[], Look]) -> None:
    one = look()
    newest = (acceptance := Acceptance(one.resource)).judge(one.resource)
    acceptance.let_run(newest)
    spec, before = Spec(newest, newest), one.state
    first, second = (step(spec, one.seen(), one.state, NOW + one.after) for _ in range(2))
    assert first == second
    assert one.state is before


def test_what_is_believed_is_kept_as_a_value_and_handed_to_the_next_look() -> None:
    first = replace(at_rest(Look()), away=AWAY)
    plan, state = first.decided()
    later = replace(first, state=state, after=timedelta(minutes=1))
    once_more, _ = later.decided()
    assert plan.figures is not None
    assert once_more.figures is not None
    assert once_more.figures.snapshot.broker == plan.figures.snapshot.broker == Unknown(str(AWAY), NOW + SECOND)
    assert first.state.sightings.beliefs.unseen == {}
    assert replace(later, away=None).decided()[1].sightings.beliefs.unseen == {}


@pytest.mark.parametrize(
    "since,steps", [(None, [(0, 1)]), ("status", [(0, 1)]), (4, [])], ids=["the same", "another status", "a person"]
)
def test_a_step_is_from_the_number_that_it_was_decided_by(
    since: str | int | None, steps: list[tuple[int, int]]
) -> None:
    """The broker's answer takes a while: a step up from what was there before would be a step down without a drain."""
    rests = at_rest(Look())
    (name,) = rests.live[DEPLOYMENT]
    was = rests.live[DEPLOYMENT][name]
    asleep = {**was, "spec": {**was["spec"], "replicas": 0}}
    waits = replace(rests, live={**rests.live, DEPLOYMENT: {name: asleep}}, waiting=1)
    newest = {**asleep, "spec": {**asleep["spec"], "replicas": since}} if isinstance(since, int) else asleep
    newest = {**newest, "metadata": {**newest["metadata"], "resourceVersion": "2"}} if since else newest
    seen = changed(waits.seen(), live={**waits.live, DEPLOYMENT: {name: newest}})
    newly = (acceptance := Acceptance(waits.resource)).judge(waits.resource)
    acceptance.let_run(newly)
    plan, _ = step(Spec(newly, newly), seen, waits.state, NOW + waits.after)
    assert [(it.step.before, it.step.replicas) for it in plan.scales] == steps
    assert all(it.step.resource_version == newest["metadata"]["resourceVersion"] for it in plan.scales)


def test_another_beat_that_was_read_once_is_said_until_it_is_read_again() -> None:
    container = {"name": "c", "command": ["celery", "-A", "utilitarian", "beat"]}
    by_hand = {"metadata": {"name": "by-hand"}, "spec": {"containers": [container]}}
    read = BeatReadings(others=[by_hand])
    look = Look(resource=resource(beat={"enabled": True}), beat=read)
    plan, state = look.decided()
    assert "BeatDuplicate" in [it.reason for it in plan.events]
    held, _ = replace(look, state=state, beat=BeatReadings()).decided()
    gone, _ = replace(look, state=state, beat=BeatReadings(others=[])).decided()
    found = [it.figures.snapshot.beat for it in (plan, held, gone) if it.figures]
    assert [it.others for it in found if it] == [(OtherBeat("by-hand", "celery -A utilitarian beat"),)] * 2 + [()]
    previewed, _ = replace(look, resource=resource(beat={"enabled": True}, mode="Preview"), state=state).decided()
    assert previewed.figures is not None
    assert previewed.figures.snapshot.beat is not None
    assert previewed.figures.snapshot.beat.others == (), "while it is only previewed, theirs is the one that runs"


def test_a_refusal_is_recorded_once_and_its_end_when_it_was_made() -> None:
    look = refused(Look())
    plan, state = look.decided()
    reasons = [it.reason for it in plan.events]
    assert reasons == ["Refused", "Refused"]
    assert plan.status is not None
    again = replace(look, state=state, outcome=Outcome(NOW, recorded=True), after=timedelta(seconds=10))
    plan, state = again.decided()
    assert plan.events == (), "nothing is new, and what is tried again is not over"
    done = Outcome(NOW, tried=tuple(it for it, _ in plan.objects), recorded=True)
    assert done.overtakes(plan)
    plan, _ = replace(again, state=state, outcome=done, after=timedelta(seconds=11)).decided()
    assert [it.reason for it in plan.events] == ["Recovered"]


def leaving(look: Look) -> Look:
    """The look while a Deployment is being deleted that asks for a worker, and has not gone yet."""
    live = {kind: dict(there) for kind, there in look.live.items()}
    for name, body in live[DEPLOYMENT].items():
        metadata = {**body["metadata"], "deletionTimestamp": "2026-11-23T12:00:00Z"}
        live[DEPLOYMENT][name] = {**body, "metadata": metadata, "spec": {**body["spec"], "replicas": 1}}
    return replace(look, live=live)


def ready(plan: Plan) -> tuple[str, str]:
    found = {it["type"]: it for it in plan.conditions}["Ready"]
    return found["status"], found["reason"]


@pytest.mark.parametrize(
    "look,expected",
    [
        pytest.param(lambda: refused(Look()), ("False", "Refused"), id="never made"),
        pytest.param(lambda: of_another_owner(Look()), ("False", "NameTaken"), id="another owner has its name"),
        pytest.param(
            lambda: leaving(replace(at_rest(Look()), waiting=9)),
            ("False", "PodsRefused"),
            id="its Deployment is being deleted and has not gone",
        ),
        pytest.param(
            lambda: refused(edited(at_rest(Look()), image="utilitarian:2")), ("True", "Idle"), id="the last one goes on"
        ),
        pytest.param(
            lambda: refused(edited(at_rest(Look()), pools=("a", "b"))), ("False", "Refused"), id="a new pool beside one"
        ),
        pytest.param(
            lambda: replace(refused(Look()), resource=resource(mode="Preview")), ("True", "Idle"), id="only previewed"
        ),
    ],
)
def test_a_fleet_is_ready_only_if_each_pool_has_its_deployment(
    look: Callable[[], Look], expected: tuple[str, str]
) -> None:
    assert ready(look().decided()[0]) == expected


def test_a_new_fleet_is_not_ready_before_its_broker_answered() -> None:
    away = replace(Look(), away=AWAY)
    plan, state = away.decided()
    assert ready(plan) == ("False", "BrokerUnreachable")
    assert plan.status is not None
    said = replace(away, resource={**away.resource, "status": plan.status.wanted})
    for again in (replace(said, state=state, after=SECOND), said):  # also by an operator that begins now
        assert ready(again.decided()[0]) == ("False", "BrokerUnreachable")
    assert ready(replace(said, state=state, away=None, after=SECOND).decided()[0]) == ("True", "Idle")


def test_a_preview_does_not_claim_that_anything_runs() -> None:
    asked = {"image": "utilitarian:2", "beat": {"enabled": True}}
    plan, state = edited(at_rest(Look()), **asked, mode="Preview").decided()
    said = {it["type"]: it["message"] for it in plan.conditions}
    assert said["Reconciling"] == "mode is Preview: what is there is left as it is"
    assert said["BeatReady"] == "mode is Preview: no beat is made"
    _, state = refused(Look()).decided()
    begins = replace(Look(), resource=resource(mode="Preview"), state=state, outcome=Outcome(NOW, recorded=True))
    (recovered,) = begins.decided()[0].events
    assert recovered.note == "nothing is in the way any more: the newest spec is only previewed"


def test_what_was_not_recorded_is_recorded_by_the_next_look() -> None:
    look = replace(at_rest(Look()), away=AWAY)
    plan, state = look.decided()
    failed = replace(look, state=unrecorded(state, settled(look.state, look.outcome)), outcome=Outcome(NOW))
    assert [it.reason for it in failed.decided()[0].events] == [it.reason for it in plan.events]
    recorded = replace(look, state=state, outcome=Outcome(NOW, recorded=True))
    assert recorded.decided()[0].events == ()


@pytest.mark.parametrize(
    "salt,password,rolls",
    [
        pytest.param("salt", "old", False, id="the same contents, now with a salt"),
        pytest.param("salt", "new", True, id="other contents"),
        pytest.param("", "new", False, id="the salt is not known"),
        pytest.param(None, "new", True, id="run by hand, without a salt"),
    ],
)
def test_a_salt_rolls_no_worker_and_a_new_password_does(salt: str | None, password: str, *, rolls: bool) -> None:
    look = at_rest(replace(Look(), contents=secret_of("old")))
    before = look.live[DEPLOYMENT]["fleet-a"]["spec"]["template"]

    def rolled(it: Look) -> tuple[bool, State]:
        applied, state = applied_deployment(it)
        return applied is not None and applied["spec"]["template"] != before, state

    first, state = rolled(replace(look, contents=secret_of(password), salt=salt))
    again, _ = rolled(replace(look, contents=secret_of(password), salt=salt, state=state))
    assert (first, again) == (rolls, rolls)


MOUNTING = {
    "pod": {
        "volumes": [{"name": "v", "configMap": {"name": "settings"}}],
        "volumeMounts": [{"name": "v", "mountPath": "/etc/app"}],
    },
}


def applied_deployment(look: Look) -> tuple[Body | None, State]:
    """The Deployment that a look applies; None if none."""
    plan, state = look.decided()
    made = [action.manifest for it, action in plan.objects if isinstance(action, Apply) and it.kind == DEPLOYMENT]
    return made[0] if made else None, state


def test_an_operator_that_begins_to_follow_what_is_mounted_rolls_no_worker_and_the_next_change_does() -> None:
    def contents(text: str) -> Mapping[Target, Content]:
        return secret_of("old") | {Target("ConfigMap", "settings", digested=True): {"settings.py": text}}

    # What is mounted was not read by the operator before: its objects say nothing of it.
    before = at_rest(replace(Look(), resource=resource(pool=MOUNTING), contents=secret_of("old"), salt="salt"))
    old = before.live[DEPLOYMENT]["fleet-a"]
    noted, state = applied_deployment(replace(before, contents=contents("1")))
    assert noted is not None
    assert noted["spec"]["template"] == old["spec"]["template"]
    assert MOUNTS in noted["metadata"]["annotations"]
    fields = {name: old["metadata"][name] for name in ("resourceVersion", "uid", "managedFields")}
    live = {**before.live, DEPLOYMENT: {"fleet-a": {**noted, "metadata": {**noted["metadata"], **fields}}}}
    now = replace(before, live=live, state=state, outcome=Outcome(NOW, recorded=True))
    assert applied_deployment(replace(now, contents=contents("1")))[0] is None
    changed, _ = applied_deployment(replace(now, contents=contents("2")))
    assert changed is not None
    assert MOUNTS_CHECKSUM in changed["spec"]["template"]["metadata"]["annotations"]
    assert changed["metadata"]["annotations"][MOUNTS] != noted["metadata"]["annotations"][MOUNTS]


def test_a_worker_that_was_killed_for_its_memory_is_learned_from_at_once() -> None:
    ended = {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-03-02T12:00:00Z"}
    pod = {
        "metadata": {"name": "p", "namespace": "ns", "uid": "p", "labels": {"utilitarian.io/pool": "a"}},
        "spec": {"containers": [{"name": "worker", "resources": {"limits": {"memory": "2Gi"}}}]},
        "status": {"containerStatuses": [{"name": "worker", "state": {}, "lastState": {"terminated": ended}}]},
    }
    look = Look()
    newest = (acceptance := Acceptance(look.resource)).judge(look.resource)
    acceptance.let_run(newest)
    plan, state = step(Spec(acceptance.running, newest), replace(look.seen(), pods={"p": pod}), look.state, NOW)
    assert state.memories["a"].usage.peak_memory == 2 * 2**30
    assert plan.status is not None
    assert plan.status.wanted["pools"][0]["peakMemory"] == "2048Mi"


def written_by(look: Look, manager: str, second: int, replicas: int) -> Look:
    """The look after a client set the replicas of the pool's Deployment."""
    at, body = NOW + second * SECOND, look.live[DEPLOYMENT]["fleet-a"]
    of_replicas = {"f:spec": {"f:replicas": {}}}
    written = {"manager": manager, "subresource": "scale", "time": at.isoformat(), "fieldsV1": of_replicas}
    fields = [it for it in body["metadata"]["managedFields"] if it["fieldsV1"] != of_replicas]
    metadata = {**body["metadata"], "managedFields": [*fields, written]}
    changed = {**body, "metadata": metadata, "spec": {**body["spec"], "replicas": replicas}}
    live = {**look.live, DEPLOYMENT: {"fleet-a": changed}}
    plan, state = look.decided()
    status = look.resource["status"] if plan.status is None else plan.status.wanted
    seen = {**look.resource, "status": status}
    return replace(look, resource=seen, live=live, state=state, outcome=None, after=second * SECOND)


def test_a_client_that_sets_the_number_again_and_again_is_named_and_not_fought() -> None:
    look = at_rest(Look(waiting=1200))
    assert [it.step.replicas for it in written_by(look, MANAGER, 1, 0).decided()[0].scales] == [3]
    for second in (2, 17, 32):
        look = written_by(written_by(look, MANAGER, second, 3), "kube-controller-manager", second + 1, 1)
    plan, _ = look.decided()
    assert plan.scales == ()
    assert plan.figures is not None
    assert plan.figures.decisions["a"].replicas == 1
    assert plan.figures.decisions["a"].rule == "contested"
    assert plan.status is not None
    stalled = next(it for it in plan.status.wanted["conditions"] if it["type"] == "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "ReplicasTaken")
    assert "kube-controller-manager sets the replicas of Deployment fleet-a" in stalled["message"]
    assert [it.reason for it in plan.events] == ["ReplicasTaken"]


def test_what_is_left_to_another_client_still_is_when_the_operator_is_started_again() -> None:
    look = at_rest(Look(waiting=1200))
    for second in (2, 17, 32):
        look = written_by(written_by(look, MANAGER, second, 3), "kube-controller-manager", second + 1, 1)
    before, _ = look.decided()
    assert before.status is not None
    status, at = before.status.wanted, NOW + 40 * SECOND
    started = replace(look, resource={**look.resource, "status": status}, state=begun(status, recall(status, at), at))
    plan, _ = replace(started, outcome=None, after=40 * SECOND).decided()
    assert plan.scales == ()
    assert plan.figures is not None
    assert plan.figures.decisions["a"].rule == "contested"


def test_tasks_that_stay_on_the_broker_before_are_told_once() -> None:
    look = at_rest(Look(waiting=5))
    _, state = look.decided()
    old = BrokerName(frozenset({"old:5672"}), "/", "old")
    moved = replace(look, state=replace(state, broker=old), outcome=None)

    def told(of: Look, name: BrokerName) -> tuple[list[str], State]:
        seen = of.seen()
        assert seen.read is not None
        broker = replace(seen.read.broker, hosts=name.hosts, vhost=name.vhost, cluster=name.cluster)
        spec = Spec(*(Acceptance(of.resource).judge(of.resource),) * 2)
        plan, after = step(spec, replace(seen, read=replace(seen.read, broker=broker)), of.state, NOW + SECOND)
        return [it.note for it in plan.events if it.reason == "BrokerChanged"], after

    (note,), after = told(moved, BrokerName(frozenset({"new:5672"}), "/", "new"))
    assert "5 tasks waited on the old one" in note
    assert told(replace(moved, state=after), BrokerName(frozenset({"new:5672"}), "/", "new"))[0] == []


@pytest.mark.parametrize("name, workers", [("old", 0), ("new", 1)])
def test_what_waits_for_its_time_on_the_broker_before_lets_nothing_wait_on_another(name: str, workers: int) -> None:
    look = at_rest(Look(waiting=5))
    _, state = look.decided()
    asleep = Memory(eta_sleep=EtaSleep(5, NOW + timedelta(hours=9), 1, slept=True))
    old = BrokerName(frozenset({"old:5672"}), "/", "old")
    moved = replace(look, state=replace(state, broker=old, memories={"a": asleep}))
    assert needed_by(moved, name) == workers


@pytest.mark.parametrize(
    "name, away, workers",
    [
        pytest.param("old", False, 0, id="the same broker"),
        pytest.param("new", False, 1, id="another one"),
        pytest.param("new", True, 1, id="another one, which does not answer at first"),
    ],
)
def test_nor_does_it_where_the_operator_was_started_again_meanwhile(name: str, workers: int, *, away: bool) -> None:
    """The URL was edited while no operator was there: it may be an upgrade that brings both."""
    status = at_rest(Look(waiting=5)).resource["status"]
    asleep = Memory(eta_sleep=EtaSleep(5, NOW + timedelta(hours=9), 1, slept=True))
    row = {**status["pools"][0], "memory": to_text(asleep)}
    status = {**status, "pools": [row], "letIn": mark({"old:5672"}, "/")}
    state = begun(status, recall(status, NOW), NOW)
    assert state.memories["a"].eta_sleep is not None
    look = replace(at_rest(Look(waiting=5)), resource={**resource(), "status": status}, state=state, outcome=None)
    if away:
        look = replace(look, state=replace(look, away=AWAY).decided()[1])
    assert needed_by(look, name) == workers


def needed_by(look: Look, broker: str) -> int:
    """Workers that the tasks of the one pool need, which wait on a broker of this name."""
    seen = look.seen()
    assert seen.read is not None
    there = replace(seen.read.broker, hosts=frozenset({f"{broker}:5672"}), vhost="/", cluster=broker)
    spec = Spec(*(Acceptance(look.resource).judge(look.resource),) * 2)
    plan, _ = step(spec, replace(seen, read=replace(seen.read, broker=there)), look.state, NOW + SECOND)
    assert plan.figures is not None
    return plan.figures.decisions["a"].trail[0].after


def reconciling(plan: Plan) -> str:
    assert plan.status is not None
    return next(str(it["status"]) for it in plan.status.wanted["conditions"] if it["type"] == "Reconciling")


def test_a_new_spec_is_not_called_rolled_out_before_the_controllers_have_seen_it() -> None:
    """Who waits for the new generation, as Argo CD does, would go on at once."""
    rest = at_rest(Look())
    body = edited(rest, image="utilitarian:2")
    newer = replace(body, resource={**body.resource, "metadata": body.resource["metadata"] | {"generation": 2}})
    plan, state = newer.decided()
    assert plan.status is not None
    assert (plan.status.wanted["observedGeneration"], reconciling(plan)) == (2, "True")
    applied = {it.name: applied_to(rest.live[it.kind][it.name], it.manifest) for it, _ in plan.objects}
    outcome = Outcome(NOW, tried=tuple(it for it, _ in plan.objects), applied=tuple(applied.values()), recorded=True)
    told = replace(newer, resource={**newer.resource, "status": plan.status.wanted}, state=state, outcome=outcome)
    unseen = replace(told, live={**told.live, DEPLOYMENT: applied}, after=2 * SECOND)
    again, after = unseen.decided()
    assert again.status is None or reconciling(again) == "True"
    done = {name: {**it, "status": {"observedGeneration": 2}} for name, it in applied.items()}
    seen = replace(unseen, live={**told.live, DEPLOYMENT: done}, state=after, outcome=None, after=3 * SECOND)
    assert reconciling(seen.decided()[0]) == "False"


def applied_to(there: Body, manifest: Body) -> Body:
    metadata = there["metadata"] | {"annotations": manifest["metadata"]["annotations"], "generation": 2}
    return {**manifest, "metadata": metadata, "status": {"observedGeneration": 1}}


@pytest.mark.parametrize("ahead", [pytest.param(35, id="by-seconds"), pytest.param(3600, id="by-an-hour")])
def test_an_operator_whose_clock_is_set_back_has_just_started_for_no_longer_than_any_other(ahead: int) -> None:
    """By a clock that was ahead it began in the time to come: pools that could sleep were kept until then."""
    state, running_for = begun({}, Recalled(), NOW + ahead * SECOND), []
    seconds = [0, 10, 30, 60, 3600, 3630]
    for second in seconds:
        plan, state = Look(state=state, after=second * SECOND).decided()
        assert plan.figures is not None
        running_for.append(plan.figures.context.running_for)
    assert running_for == [second * SECOND for second in seconds]

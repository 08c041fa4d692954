"""A fleet at rest: a look that finds the same is not decided anew, and whatever is new, or due, is decided at once."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.support.pools import NOW
from utilitarian_operator.core.at_rest import LONGEST, OF_THE_TIME, SHORTEST
from utilitarian_operator.core.blocker import REFUSED, Blocker
from utilitarian_operator.core.engine import step
from utilitarian_operator.core.labels import MANAGER
from utilitarian_operator.core.look import Seen, Spec, State, begun
from utilitarian_operator.core.objects.actions import Create
from utilitarian_operator.core.objects.wanted import DEPLOYMENT, DISRUPTION_BUDGET, STATEFUL_SET
from utilitarian_operator.core.observation.beat import BeatReadings
from utilitarian_operator.core.observation.broker import BrokerSnapshot, Depth
from utilitarian_operator.core.observation.fleet import Readings
from utilitarian_operator.core.observation.model.queue import Counted
from utilitarian_operator.core.plan import Outcome, Plan
from utilitarian_operator.core.spec.acceptance import Acceptance
from utilitarian_operator.core.spec.by_hand import RUN_NOW, run_written
from utilitarian_operator.core.status.change import Written
from utilitarian_operator.core.status.recall import Recalled
from utilitarian_operator.errors import BrokerUnreachable

Body = dict[str, Any]
SECOND = timedelta(seconds=1)
ADDRESS = {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "url"}}}


def resource(**pool: Any) -> Body:
    return {
        "apiVersion": "utilitarian.io/v1alpha1",
        "kind": "UtilitarianWorkerPool",
        "metadata": {"name": "fleet", "namespace": "ns", "uid": "u", "generation": 1},
        "spec": {
            "image": "utilitarian:1",
            "broker": {**ADDRESS, "stats": ADDRESS},
            "beat": {"enabled": False},
            "pools": [{"name": "a", "queues": ["q"], **pool}],
        },
        "status": {},
    }


@dataclass
class Fleet:
    """A fleet whose pool sleeps, looked at each second; all that is planned is done. `reads_for`: how long it reads."""

    resource: Body = field(default_factory=resource)
    state: State = field(default_factory=lambda: begun({}, Recalled(), NOW - timedelta(hours=1)))
    live: dict[str, dict[str, Body]] = field(
        default_factory=lambda: {DEPLOYMENT: {}, DISRUPTION_BUDGET: {}, STATEFUL_SET: {}}
    )
    now: datetime = NOW
    outcome: Outcome | None = None
    more: dict[str, Any] = field(default_factory=dict)
    broker: dict[str, Any] = field(default_factory=dict)
    blockers: tuple[Blocker, ...] = ()
    reads_for: timedelta = timedelta()

    def __post_init__(self) -> None:
        self.acceptance = Acceptance(self.resource)
        self.acceptance.let_run(self.acceptance.judge(self.resource))

    def look(self, after: timedelta = SECOND) -> Plan:
        self.now += after
        known: dict[str, Any] = {"depths": {"q": Depth(0, 0)}, "counted": {"q": Counted(0, 0, 0, 0)}, **self.broker}
        seen_at = {"depths": (self.now - NOW).total_seconds()}
        broker = BrokerSnapshot((self.now - NOW).total_seconds() + 0.5, seen_at=seen_at, **known)
        read = Readings(self.now - self.reads_for, "fleet", broker, broker, dict(self.live[DEPLOYMENT]))
        live = {kind: dict(there) for kind, there in self.live.items()}
        seen = replace(Seen(self.resource, read, live, outcome=self.outcome), **self.more)
        spec = Spec(self.acceptance.running, self.acceptance.judge(self.resource), self.blockers)
        plan, self.state = step(spec, seen, self.state, self.now)
        self._done(plan)
        return plan

    def _done(self, plan: Plan) -> None:
        for it, action in plan.objects:
            assert isinstance(action, Create)
            fields = [{"manager": MANAGER, "operation": "Apply", "fieldsV1": {}}]
            metadata = {**action.manifest["metadata"], "resourceVersion": "1", "uid": it.name, "managedFields": fields}
            self.live[it.kind][it.name] = {**action.manifest, "metadata": metadata}
        applied = tuple(self.live[it.kind][it.name] for it, _ in plan.objects)
        self.outcome = Outcome(self.now, tried=tuple(it for it, _ in plan.objects), applied=applied, recorded=True)
        if plan.status is not None:
            self.resource = {**self.resource, "status": plan.status.wanted}
            written = Written(plan.status.wanted, plan.status.wanted, self.now)
            self.outcome = replace(self.outcome, written=written)


def at_rest(fleet: Fleet) -> Fleet:
    for _ in range(5):
        if fleet.look().same is not None:
            return fleet
    raise AssertionError("it comes to no rest")


def test_a_look_that_finds_the_same_says_only_how_fresh_its_sources_are() -> None:
    fleet = at_rest(Fleet())
    plan = fleet.look()
    assert plan == Plan(same=plan.same)
    assert [(it.name, it.age) for it in plan.same or ()] == [("depths", SECOND / 2)]


def decided(fleet: Fleet, seconds: int) -> list[int]:
    """The seconds at which a fleet is decided anew, from the look before on, at which it has come to rest."""
    return [after for after in range(2, seconds + 1) if fleet.look().same is None]


def test_it_is_decided_anew_now_and_then_the_more_seldom_the_longer_it_has_been_at_rest() -> None:
    moments = decided(at_rest(Fleet()), 600)
    pauses = [after - before for before, after in pairwise([0, *moments])]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (SHORTEST / SECOND, LONGEST / SECOND)
    for moment, pause in zip(moments, pauses, strict=True):
        assert pause <= max(SHORTEST / SECOND, moment / OF_THE_TIME + 1)


def test_whatever_is_new_begins_the_rest_anew() -> None:
    fleet = at_rest(Fleet())
    decided(fleet, 600)
    fleet.broker["depths"] = {"q": Depth(0, 1)}
    fleet.look()
    fleet.broker["depths"] = {"q": Depth(0, 0)}
    assert decided(at_rest(fleet), 10) == [5, 10]


def pod_of_another(name: str, command: str) -> Body:
    containers = [{"name": "c", "image": "u", "command": command.split()}]
    return {"metadata": {"name": name, "labels": {}}, "spec": {"containers": containers}, "status": {}}


def with_beat() -> Fleet:
    """A fleet at rest whose beat runs."""
    fleet = Fleet()
    fleet.resource["spec"]["beat"] = {"storage": {"ephemeral": True}}
    fleet.__post_init__()
    fleet.more["beat"] = BeatReadings(statefulset={"metadata": {}, "status": {"readyReplicas": 1}})
    return at_rest(fleet)


def look_with(fleet: Fleet, *others: Body) -> Plan:
    """A look at which the pods of others were read, which is done now and then."""
    beat = fleet.more["beat"]
    fleet.more["beat"] = replace(beat, others=list(others))
    plan = fleet.look()
    fleet.more["beat"] = beat
    return plan


def test_pods_of_others_that_were_read_end_no_rest() -> None:
    """They were read each half minute, and each time was news: a fleet with beat was never at rest for longer."""
    fleet = with_beat()
    assert look_with(fleet, pod_of_another("web", "gunicorn x")).same is not None
    assert look_with(fleet, pod_of_another("db", "postgres")).same is not None
    assert look_with(fleet).same is not None


def test_a_beat_among_the_pods_of_others_is_said_at_once_and_so_is_its_end() -> None:
    fleet = with_beat()
    other = pod_of_another("old", "celery -A utilitarian beat")
    for pods, reason in (((other,), "BeatDuplicate"), ((), "Running")):
        plan = look_with(fleet, *pods)
        assert {it["type"]: it["reason"] for it in plan.conditions}["BeatReady"] == reason
        at_rest(fleet)
        assert look_with(fleet, *pods).same is not None


def edited(fleet: Fleet) -> None:
    metadata = {**fleet.resource["metadata"], "annotations": {"a": "b"}}
    fleet.resource = {**fleet.resource, "metadata": metadata}


def scaled(fleet: Fleet) -> None:
    ((name, live),) = fleet.live[DEPLOYMENT].items()
    fleet.live[DEPLOYMENT][name] = {**live, "spec": {**live["spec"], "replicas": 1}}


def vanished(fleet: Fleet) -> None:
    fleet.live[DEPLOYMENT].clear()


def blocked(fleet: Fleet) -> None:
    fleet.blockers = (Blocker(REFUSED, "a Secret went"),)


def of_the_broker(**changed: Any) -> Callable[[Fleet], None]:
    return lambda fleet: fleet.broker.update(changed)


def seen(**changed: Any) -> Callable[[Fleet], None]:
    return lambda fleet: fleet.more.update(changed)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(of_the_broker(depths={"q": Depth(1, 0)}), id="a-message"),
        pytest.param(of_the_broker(depths={"q": Depth(0, 1)}), id="a-consumer"),
        pytest.param(of_the_broker(depths={"q": None}), id="a-queue-that-went"),
        pytest.param(of_the_broker(counted={"q": Counted(0, 1, 1, 0)}), id="what-is-unacknowledged"),
        pytest.param(of_the_broker(failed=BrokerUnreachable("away")), id="a-broker-that-is-away"),
        pytest.param(of_the_broker(mute=BrokerUnreachable("refused")), id="remote-control-that-is-refused"),
        pytest.param(edited, id="an-annotation"),
        pytest.param(scaled, id="a-person-who-scales"),
        pytest.param(vanished, id="a-deployment-that-went"),
        pytest.param(blocked, id="something-in-the-way"),
        pytest.param(seen(gone=({"metadata": {"name": "p", "uid": "p"}},)), id="a-pod-that-went"),
        pytest.param(seen(contents={("Secret", "s"): {"a": "b"}}), id="a-secret"),
        pytest.param(seen(salt="x"), id="a-salt"),
        pytest.param(seen(outcome=None), id="the-first-look"),
    ],
)
def test_what_is_new_is_decided_at_once(change: Callable[[Fleet], None]) -> None:
    fleet = at_rest(Fleet())
    change(fleet)
    assert fleet.look().same is None


def test_a_message_wakes_a_pool_at_rest_at_once() -> None:
    fleet = at_rest(Fleet())
    fleet.broker["depths"] = {"q": Depth(1, 0)}
    assert [it.step.replicas for it in fleet.look().scales] == [1]


def test_a_gap_and_a_clock_that_was_set_back_end_a_rest() -> None:
    for after in (SHORTEST + SECOND, -SECOND):
        assert at_rest(Fleet()).look(after).same is None


def test_a_start_that_comes_ends_a_rest_at_its_moment() -> None:
    at = NOW + timedelta(minutes=1)
    run = {"name": "r", "start": f"{at.minute} {at.hour} * * *", "workers": 1, "warmUp": "20s", "finishWithin": "1h"}
    fleet = at_rest(Fleet(resource(schedule=[run])))
    opens, looks = at - timedelta(seconds=20), []
    while fleet.now < opens:
        looks.append((fleet.look(), fleet.now))
    woken = [now for plan, now in looks if plan.scales]
    assert woken == [opens]
    assert any(plan.same is not None for plan, _ in looks)


def opened(fleet: Fleet) -> datetime:
    """When a run asks for its worker."""
    while not fleet.look().scales:
        assert fleet.now < NOW + timedelta(minutes=3), "it is not opened"
    return fleet.now


@pytest.mark.parametrize("read_ms", [1, 300, 999])
def test_a_start_that_falls_into_a_reading_opens_its_run_at_the_next_look(read_ms: int) -> None:
    """The look was decided as of before it, and the rest after it lasted until the start of the next day at most."""
    at, took = NOW + timedelta(minutes=1), timedelta(milliseconds=read_ms)
    run = {"name": "r", "start": f"{at.minute} {at.hour} * * *", "workers": 1, "warmUp": "0s", "finishWithin": "1h"}
    fleet = at_rest(Fleet(resource(schedule=[run]), reads_for=took))
    fleet.look(took / 2)  # from here on a look at which the start falls into the reading is to come
    assert opened(fleet) - at == took / 2 + SECOND


def test_a_pool_that_waits_for_its_next_run_is_at_rest_until_then_and_counts_what_comes() -> None:
    at = NOW + timedelta(minutes=1)
    run = {"name": "r", "start": f"{at.minute} {at.hour} * * *", "workers": 1, "warmUp": "20s", "finishWithin": "1h"}
    fleet = at_rest(Fleet(resource(schedule=[run], scaling={"outsideRuns": "Hold"})))
    fleet.broker["depths"] = {"q": Depth(2, 0)}
    waits = fleet.look()
    assert waits.figures is not None
    assert waits.figures.decisions["a"].message.startswith("2 tasks wait for the next run")
    fleet.broker["depths"] = {"q": Depth(0, 0)}
    assert opened(at_rest(fleet)) == at - timedelta(seconds=20)


@pytest.mark.parametrize("after", [3, 17, 100])
def test_a_run_that_a_person_has_asked_for_ends_a_rest_at_its_moment(after: int) -> None:
    run = {"name": "r", "start": "0 3 1 1 *", "workers": 1, "warmUp": "0s", "finishWithin": "1h"}
    fleet = at_rest(Fleet(resource(schedule=[run])))
    at = fleet.now + timedelta(seconds=after)
    metadata = {**fleet.resource["metadata"], "annotations": {f"{RUN_NOW}a": run_written("r", at)}}
    fleet.resource = {**fleet.resource, "metadata": metadata}
    assert opened(fleet) == at


@pytest.mark.parametrize(
    "broker",
    [
        pytest.param({"depths": {"q": Depth(3, 0)}}, id="work-that-waits"),
        pytest.param({"counted": BrokerUnreachable("no statistics")}, id="statistics-that-are-away"),
        pytest.param({"depths": {"q": Depth(0, 2)}}, id="consumers-of-others"),
    ],
)
def test_where_something_is_to_do_or_in_doubt_there_is_no_rest(broker: dict[str, Any]) -> None:
    fleet = Fleet(broker=broker)
    assert all(fleet.look().same is None for _ in range(10))

"""The conditions of a fleet: all from the first visit on, each by what was seen, and when their time moves."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.resources import resource
from utilitarian_operator.api.built_in_pools import DOCUMENTED_QUEUES
from utilitarian_operator.api.effective import Fleet, effective_fleet
from utilitarian_operator.api.problem import Problem
from utilitarian_operator.api.resource import parse
from utilitarian_operator.core.blocker import INVALID_SPEC, Blocker
from utilitarian_operator.core.condition import Condition
from utilitarian_operator.core.forecast.completion import Cause, Forecast, Forecasts, Risk
from utilitarian_operator.core.forecast.news import with_missed_runs
from utilitarian_operator.core.observation.beat import BeatSnapshot
from utilitarian_operator.core.observation.broker_settings import BrokerSettings
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present
from utilitarian_operator.core.observation.pod_failures import PodFailure
from utilitarian_operator.core.sizing.decision import Decision, Step, start
from utilitarian_operator.core.sizing.runs.run_state import OpenRun
from utilitarian_operator.core.status.conditions import dated, fleet_conditions, known, refused
from utilitarian_operator.core.status.report import StatusInput

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
TYPES = [
    "Ready",
    "Reconciling",
    "Stalled",
    "BrokerReachable",
    "QueuesCovered",
    "BeatReady",
    "AtMaximum",
    "DeadlineAtRisk",
]
TWO = "pools: [{name: a, queues: [q]}, {name: b, queues: [r]}]"
POOLS = f"app: other, {TWO}"
STATS = "{urlFrom: {secretKeyRef: {name: env, key: URL}}, stats: {urlFrom: {secretKeyRef: {name: s, key: u}}}}"
UNSEEN = Unknown("no answer from the broker: timed out", NOW - timedelta(seconds=30))
IDLE = WorkerLoad(active=0, acked_early=0, reserved=0, scheduled=0)
UNSEEN_FOR_29_S = replace(UNSEEN, since=NOW - timedelta(seconds=29))
SEEN_BEFORE = ({"type": "Ready", "status": "True"}, {"type": "BrokerReachable", "status": "True"})
FAILING = PodFailure("WorkersFailing", "pod fleet-a-1: ErrImagePull")
WORKING = PodSnapshot("fleet-a-2", ready=True, running=True, leaving=False, held=IDLE)


def fleet(spec: str = POOLS) -> Fleet:
    return effective_fleet(parse(resource("{" + spec + "}")).spec)


def snapshot(*pods: PodSnapshot, pod_failure: PodFailure | None = None) -> FleetSnapshot:
    pool = PoolSnapshot({"q": Present(0, 0)}, 0)
    first = replace(pool, pods=pods, pod_failure=pod_failure)
    return FleetSnapshot(NOW, {"a": first, "b": pool}, beat=BeatSnapshot(ready=True))


def waiting(tasks: int | Unknown) -> FleetSnapshot:
    queue = tasks if isinstance(tasks, Unknown) else Present(tasks, 0)
    return replace(snapshot(), pools=snapshot().pools | {"a": PoolSnapshot({"q": queue}, 0)})


def decided(a: int = 0, b: int = 0) -> dict[str, Decision]:
    return {name: start(Step("demand", 0, count, f"{count} wanted")) for name, count in {"a": a, "b": b}.items()}


def condition(kind: str, condition: tuple[Condition, ...]) -> tuple[str, str, str]:
    found = {each.type: each for each in condition}[kind]
    return found.status, found.reason, found.message


LIMITED = {"a": decided(9)["a"].then(Step("bounds", 9, 5, "max is 5, 9 workers would be needed")), "b": decided()["b"]}
BY_HAND = LIMITED | {"a": LIMITED["a"].then(Step("override", 5, 20, "20 workers by annotation"))}
RAISED = {"a": decided()["a"].then(Step("bounds", 0, 2, "min is 2")), "b": decided()["b"]}
SHARED = {"a": decided(9)["a"].then(Step("budget", 9, 5, "maxWorkers is 5")), "b": decided()["b"]}

BESIDE_OTHERS = replace(
    snapshot(), pools=snapshot().pools | {"a": PoolSnapshot({"q": Present(0, 2)}, 0, foreign={"q": 2})}
)


@pytest.mark.parametrize(
    "seen,decisions,spec,expected",
    [
        pytest.param(snapshot(), decided(), POOLS, ("Ready", "True", "Idle", "no worker is needed"), id="idle"),
        pytest.param(
            replace(snapshot(), about=BrokerSettings(delayed=12)),
            decided(),
            POOLS,
            ("Ready", "True", "Idle", "in the broker for later: 12 tasks"),
            id="idle with tasks for later",
        ),
        *(
            pytest.param(
                waiting(7),
                {
                    "a": start(Step("demand", 0, 1, "7 tasks")).then(Step(rule, 1, 0, f"{rule}: why")),
                    "b": decided()["b"],
                },
                POOLS,
                ("Ready", "True", "Idle", f"pool a: {rule}: why"),
                id=f"idle-with-work:-{rule}",
            )
            for rule in ("wait", "override", "queue-taken", "paused", "contested", "budget")
        ),
        pytest.param(
            waiting(7),
            {"a": start(Step("hold", 0, 0, "7 tasks wait for the next run")), "b": decided()["b"]},
            POOLS,
            ("Ready", "True", "Idle", "pool a: 7 tasks wait for the next run"),
            id="idle-and-work-is-held",
        ),
        pytest.param(
            waiting(UNSEEN),
            {"a": start(Step("unknown", 0, 0, "backlog unknown: nothing changes")), "b": decided()["b"]},
            POOLS,
            ("Ready", "True", "Idle", "pool a: backlog unknown: nothing changes"),
            id="idle-and-unseen",
        ),
        pytest.param(
            snapshot(),
            {"a": start(Step("hold", 0, 0, "nothing waits for the next run")), "b": decided()["b"]},
            POOLS,
            ("Ready", "True", "Idle", "nothing to do: no worker is needed"),
            id="idle-and-none-is-held",
        ),
        pytest.param(
            snapshot(),
            decided(1, 3),
            POOLS,
            ("Ready", "True", "Working", "pool b: 3 wanted"),
            id="the-busiest-is-named",
        ),
        pytest.param(
            replace(snapshot(), broker=UNSEEN),
            decided(),
            POOLS,
            ("Ready", "False", "BrokerUnreachable", "timed out; no worker is added or taken away"),
            id="broker-unseen-for-30-s",
        ),
        pytest.param(
            replace(snapshot(), broker=UNSEEN_FOR_29_S),
            decided(),
            POOLS,
            ("Ready", "True", "Idle", "nothing to do"),
            id="broker-unseen-for-29-s",
        ),
        pytest.param(
            snapshot(pod_failure=FAILING),
            decided(1),
            POOLS,
            ("Ready", "False", "WorkersFailing", "pool a: pod fleet-a-1: ErrImagePull"),
            id="no-worker-starts",
        ),
        pytest.param(
            snapshot(WORKING, pod_failure=replace(FAILING, stops=False)),
            decided(2),
            POOLS,
            ("Ready", "True", "Working", "2 wanted"),
            id="one-of-two-starts",
        ),
        pytest.param(
            replace(snapshot(), rolling_out=("fleet-a", "fleet-beat")),
            decided(),
            POOLS,
            ("Reconciling", "True", "RollingOut", "fleet-a, fleet-beat"),
            id="rolling-out",
        ),
        pytest.param(snapshot(), decided(5), POOLS, ("Reconciling", "False", "RolledOut", ""), id="never-for-scaling"),
        pytest.param(
            replace(snapshot(), broker=UNSEEN),
            decided(),
            POOLS,
            ("BrokerReachable", "False", "Unreachable", "timed out"),
            id="broker-away",
        ),
        pytest.param(
            snapshot(),
            decided(),
            POOLS,
            ("BrokerReachable", "True", "DepthOnly", "no broker.stats"),
            id="no-statistics",
        ),
        pytest.param(
            FleetSnapshot(NOW, {"a": PoolSnapshot({"q": Unknown("queue q is refused", NOW)}, 0)}),
            decided(),
            POOLS,
            ("BrokerReachable", "True", "QueueUntold", "queue q is refused; its pool keeps its workers"),
            id="one-queue-refused",
        ),
        pytest.param(
            replace(snapshot(), mute=Unknown("the broker refuses: no right on celery.pidbox", NOW)),
            decided(),
            POOLS,
            ("BrokerReachable", "True", "WorkersUnasked", "no right on celery.pidbox; no worker is taken away"),
            id="workers-cannot-be-asked",
        ),
        pytest.param(
            replace(snapshot(), statistics=Unknown("no statistics from a:15672", NOW)),
            decided(),
            f"broker: {STATS}, {POOLS}",
            ("BrokerReachable", "True", "DepthOnly", "no statistics from a:15672; no worker is taken away"),
            id="statistics-away",
        ),
        pytest.param(
            snapshot(),
            decided(),
            f"broker: {STATS}, {POOLS}",
            ("BrokerReachable", "True", "Reachable", "queues and statistics are seen"),
            id="all-seen",
        ),
        pytest.param(
            BESIDE_OTHERS,
            decided(),
            f"app: other, {TWO.replace('[q]', '[q], foreignConsumers: Expected')}",
            (
                "BrokerReachable",
                "True",
                "DepthOnly",
                "others consume queues of pool a too, as expected: what these run",
            ),
            id="others-are-expected",
        ),
        pytest.param(
            snapshot(), decided(), POOLS, ("QueuesCovered", "True", "AllCovered", "each of the 2 queues"), id="covered"
        ),
        pytest.param(
            snapshot(),
            decided(),
            f"app: utilitarian, {TWO}",
            ("QueuesCovered", "False", "NoPool", "no pool consumes utilitarian.tasks.default, utilitarian.tasks.amr,"),
            id="documented-queues-without-a-pool",
        ),
        pytest.param(
            snapshot(),
            decided(),
            f"app: utilitarian, queuesElsewhere: [utilitarian.tasks.default], {TWO}",
            ("QueuesCovered", "False", "NoPool", "no pool consumes utilitarian.tasks.amr,"),
            id="of-those-one-on-purpose",
        ),
        pytest.param(
            snapshot(),
            decided(),
            f"app: utilitarian, queuesElsewhere: [{', '.join(DOCUMENTED_QUEUES)}], {TWO}",
            ("QueuesCovered", "True", "AllCovered", "14 are left out on purpose (spec.queuesElsewhere)"),
            id="left-out-on-purpose",
        ),
        pytest.param(
            snapshot(),
            decided(),
            "app: utilitarian, pools: [{name: a}, {name: b, queues: [r]}]",
            ("QueuesCovered", "True", "AllCovered", "each of the 14 queues has a pool"),
            id="a-catch-all-covers-the-rest",
        ),
        pytest.param(snapshot(), decided(), POOLS, ("BeatReady", "True", "Running", "exactly one"), id="beat-runs"),
        pytest.param(
            replace(snapshot(), beat=None),
            decided(),
            POOLS,
            ("BeatReady", "True", "Disabled", "spec.beat"),
            id="no-beat",
        ),
        pytest.param(
            replace(snapshot(), beat=BeatSnapshot(failure="pod fleet-beat-0: CrashLoopBackOff")),
            decided(),
            POOLS,
            ("BeatReady", "False", "BeatFailing", "CrashLoopBackOff"),
            id="beat-fails",
        ),
        pytest.param(
            replace(snapshot(), beat=BeatSnapshot()),
            decided(),
            POOLS,
            ("BeatReady", "False", "BeatStarting", "not ready yet"),
            id="beat-starts",
        ),
        pytest.param(snapshot(), decided(5), POOLS, ("AtMaximum", "False", "EnoughRoom", ""), id="room-enough"),
        pytest.param(
            snapshot(), LIMITED, POOLS, ("AtMaximum", "True", "MoreNeeded", "pool a: max is 5"), id="at-its-max"
        ),
        pytest.param(
            snapshot(), SHARED, POOLS, ("AtMaximum", "True", "MoreNeeded", "maxWorkers is 5"), id="at-the-fleets"
        ),
        pytest.param(
            snapshot(),
            decided(1) | {"a": start(Step("held-up", 15, 1, "1 worker and no more, though 15 are needed: no room"))},
            POOLS,
            ("AtMaximum", "False", "EnoughRoom", "neither max nor maxWorkers keeps a pool from what it wants"),
            id="kept-down-by-something-else",
        ),
        pytest.param(
            snapshot(), BY_HAND, POOLS, ("AtMaximum", "False", "EnoughRoom", ""), id="a-number-by-hand-above-its-max"
        ),
        pytest.param(
            snapshot(),
            BY_HAND | {"a": LIMITED["a"].then(Step("override", 5, 7, "7 workers by annotation"))},
            POOLS,
            ("AtMaximum", "True", "MoreNeeded", "pool a: max is 5"),
            id="a-number-by-hand-that-is-not-enough",
        ),
        pytest.param(snapshot(), RAISED, POOLS, ("AtMaximum", "False", "EnoughRoom", ""), id="raised-to-its-min"),
        pytest.param(snapshot(), decided(), POOLS, ("DeadlineAtRisk", "False", "NoOpenRun", ""), id="no-run"),
    ],
)
def test_a_condition_by_what_was_seen(
    seen: FleetSnapshot, decisions: Mapping[str, Decision], spec: str, expected: tuple[str, str, str, str]
) -> None:
    kind, status, reason, message = expected
    said = fleet_conditions(fleet(spec), seen, decisions, StatusInput(1), SEEN_BEFORE)
    assert [each.type for each in said] == TYPES
    assert condition(kind, said)[:2] == (status, reason)
    assert message in condition(kind, said)[2]


WRONG = (Blocker(INVALID_SPEC, "spec.image: write an image"), Blocker("NameTaken", "fleet-a"))
ODD = (Problem("spec.timeZone", "", "say which"),)


@pytest.mark.parametrize(
    "blockers,warnings,expected",
    [
        pytest.param((), (), ("False", "Accepted", "the spec is accepted"), id="accepted"),
        pytest.param(
            (),
            ODD,
            ("False", "AcceptedWithWarnings", "the spec is accepted; warning: spec.timeZone: say which"),
            id="with-a-warning",
        ),
        pytest.param(WRONG[:1], ODD, ("True", "InvalidSpec", "spec.image: write an image"), id="invalid"),
        pytest.param(WRONG, (), ("True", "InvalidSpec", "spec.image: write an image (and 1 more)"), id="two-obstacles"),
    ],
)
def test_what_keeps_it_from_running_as_written(
    blockers: tuple[Blocker, ...], warnings: tuple[Problem, ...], expected: tuple[str, str, str]
) -> None:
    assert (
        condition("Stalled", fleet_conditions(fleet(), snapshot(), decided(), StatusInput(1, blockers, warnings), ()))
        == expected
    )


@pytest.mark.parametrize(
    "ready,reachable,expected",
    [
        pytest.param(None, None, "False", id="a-new-fleet"),
        pytest.param("False", "False", "False", id="not-seen-yet-and-the-operator-began-anew"),
        pytest.param("False", "Unknown", "False", id="never-accepted-until-now"),
        pytest.param("True", "True", "True", id="a-hiccup-begins"),
        pytest.param("True", "False", "True", id="a-hiccup-goes-on"),
        pytest.param("False", "True", "True", id="a-hiccup-while-a-pool-recovers"),
    ],
)
def test_only_a_broker_that_was_seen_may_be_away_for_a_while(
    ready: str | None, reachable: str | None, expected: str
) -> None:
    said = {"Ready": ready, "BrokerReachable": reachable}
    before = [{"type": kind, "status": status} for kind, status in said.items() if status is not None]
    seen = replace(snapshot(), broker=UNSEEN_FOR_29_S)
    found = condition("Ready", fleet_conditions(fleet(), seen, decided(), StatusInput(1), before))
    assert found[:2] == (expected, "Idle" if expected == "True" else "BrokerUnreachable")


@given(st.lists(st.tuples(st.sampled_from(["seen", "away", "restarted"]), st.integers(1, 40)), max_size=12))
def test_a_fleet_is_ready_by_a_broker_that_was_seen_and_not_again_before_it_is_seen_anew(
    looks: list[tuple[str, int]],
) -> None:
    """Whatever looks, outages and restarts of the operator, of which each one begins to wait anew."""
    before: list[dict[str, Any]] = []
    at, ever, lost, away = NOW, False, False, None
    for what, after_s in looks:
        at += timedelta(seconds=after_s)
        away = None if what == "seen" else at if what == "restarted" or away is None else away
        unseen = None if away is None else Unknown("timed out", away)
        conditions = fleet_conditions(
            fleet(), replace(snapshot(), at=at, broker=unseen), decided(), StatusInput(1), before
        )
        before = dated(conditions, before, 1, at)
        is_ready = condition("Ready", conditions)[0] == "True"
        ever, lost = ever or what == "seen", what != "seen" and (lost or not is_ready)
        assert is_ready == (ever and not lost)


TAKES = replace(WORKING, held=replace(IDLE, consuming=("q",)))
TOLD = {"type": "Reconciling", "status": "False", "observedGeneration": 2}


@pytest.mark.parametrize(
    "pods, before, mode, status",
    [
        pytest.param((TAKES,), TOLD, "Auto", "True", id="it takes tasks"),
        pytest.param((replace(WORKING, held=UNSEEN),), TOLD, "Auto", "True", id="it says nothing, and may"),
        pytest.param((replace(TAKES, held=replace(IDLE, consuming=())),), TOLD, "Auto", "False", id="no more"),
        pytest.param((replace(TAKES, leaving=True),), TOLD, "Auto", "False", id="it is being ended"),
        pytest.param((), TOLD, "Auto", "False", id="none is left"),
        pytest.param((TAKES,), {**TOLD, "observedGeneration": 3}, "Auto", "False", id="it was called rolled out"),
        pytest.param((TAKES,), TOLD, "Preview", "False", id="a preview leads nothing out"),
    ],
)
def test_a_spec_is_not_rolled_out_while_workers_of_a_removed_pool_take_tasks(
    pods: tuple[PodSnapshot, ...], before: Mapping[str, Any], mode: str, status: str
) -> None:
    """Of a pool that was renamed with its new image: what waits for the new version may send tasks to the old one."""
    seen = replace(snapshot(), leftover={"old": PoolSnapshot({}, 0, pods, len(pods))})
    said = fleet_conditions(fleet(f"mode: {mode}, {POOLS}"), seen, decided(), StatusInput(3), [before])
    found = condition("Reconciling", said)
    assert found[0] == status
    assert ("pool old, which is no longer asked for, may still take tasks" in found[2]) == (status == "True")


def test_a_fleet_without_one_of_its_deployments_is_not_ready() -> None:
    refusal = Blocker("Refused", "spec.pools[0]: exceeded quota: no-deployments")
    about = StatusInput(1, (refusal,), unmade=refusal)
    found = condition("Ready", fleet_conditions(fleet(), snapshot(), decided(), about, SEEN_BEFORE))
    assert found == ("False", "Refused", "spec.pools[0]: exceeded quota: no-deployments")


def test_a_resource_that_was_never_accepted_has_all_conditions_too() -> None:
    said = refused(WRONG)
    assert sorted(each.type for each in said) == sorted(TYPES)
    assert condition("Ready", said)[:2] == ("False", "InvalidSpec")
    assert condition("Stalled", said)[:2] == ("True", "InvalidSpec")
    assert {each.status for each in said if each.type not in {"Ready", "Stalled", "Reconciling"}} == {"Unknown"}


@pytest.mark.parametrize(
    "reasons, expected",
    [
        pytest.param([], "InvalidSpec", id="nothing is known"),
        pytest.param(["QueueTaken"], "QueueTaken", id="a queue is another's"),
        pytest.param(["ConfigMapMissing", "SecretMissing"], "SecretMissing", id="its broker is not known"),
        pytest.param(["SecretMissing", "QueueTaken", "QueueTaken"], "QueueTaken", id="a queue, and another's password"),
        pytest.param(["InvalidSpec", "SecretMissing"], "InvalidSpec", id="it is wrong"),
    ],
)
def test_a_resource_that_waits_says_what_for(reasons: list[str], expected: str) -> None:
    said = refused([Blocker(it, f"why {it}") for it in reasons])
    for kind in ("Ready", "Reconciling"):
        assert condition(kind, said)[:2] == ("False", expected)
    message = next(it.message for it in said if it.type == "Ready")
    assert message == (f"why {expected}" if expected != "InvalidSpec" else "the spec was never accepted")


EARLIER = "2026-11-23T11:00:00Z"


@pytest.mark.parametrize(
    "before,moved",
    [
        pytest.param([], True, id="first-visit"),
        pytest.param([{"type": "Ready", "status": "False", "lastTransitionTime": EARLIER}], True, id="another-status"),
        pytest.param(
            [{"type": "Ready", "status": "True", "reason": "Idle", "message": "x", "lastTransitionTime": EARLIER}],
            False,
            id="another-reason",
        ),
        pytest.param([{"type": "Stalled", "status": "True", "lastTransitionTime": EARLIER}], True, id="another-type"),
        pytest.param([{"type": "Ready", "status": "True"}], True, id="without-a-time"),
    ],
)
def test_the_time_of_a_transition_moves_only_with_the_status(before: list[dict[str, str]], *, moved: bool) -> None:
    [stands] = dated([Condition("Ready", "True", "Working", "a sentence")], before, 7, NOW)
    assert stands == {
        "type": "Ready",
        "status": "True",
        "reason": "Working",
        "message": "a sentence",
        "observedGeneration": 7,
        "lastTransitionTime": "2026-11-23T12:00:00Z" if moved else EARLIER,
    }


def test_a_count_that_is_not_known_is_none() -> None:
    assert (known(3), known(UNSEEN), known(UNSEEN, 0)) == (3, None, 0)


def a_run(deadline: timedelta | None = timedelta(hours=1), **more: Any) -> Forecast:
    return Forecast(OpenRun("run", NOW), None if deadline is None else NOW + deadline, **more)


RISK = Risk(Cause.MAXIMUM_REACHED, "run run: 9 tasks left")


@pytest.mark.parametrize(
    "runs, expected",
    [
        pytest.param(
            {"a": (a_run(None, remaining=9),)}, ("False", "NoOpenRun", "no run with a deadline"), id="no-deadline"
        ),
        pytest.param(
            {"a": (a_run(timedelta(hours=2), remaining=1),), "b": (a_run(remaining=9, eta=NOW),)},
            ("False", "InTime", "pool b, run run: 9 tasks left, done about 2026-11-23T12:00:00Z, due 2026-11-23T13:00"),
            id="in-time",
        ),
        pytest.param(
            {"a": (a_run(),)}, ("Unknown", "NotSeen", "pool a: what is left of run run is unknown"), id="unseen"
        ),
        pytest.param(
            {"a": (a_run(),), "b": (a_run(risk=RISK), a_run(risk=RISK))},
            ("True", "MaximumReached", "pool b, run run: 9 tasks left (and 1 more)"),
            id="at-risk",
        ),
        *(
            pytest.param({"a": (a_run(risk=Risk(cause, "x")),)}, ("True", str(cause), "pool a, x"), id=str(cause))
            for cause in Cause
        ),
    ],
)
def test_what_is_said_of_deadlines(runs: Forecasts, expected: tuple[str, str, str]) -> None:
    status, reason, message = condition(
        "DeadlineAtRisk", fleet_conditions(fleet(), snapshot(), decided(), StatusInput(1, runs=runs), ())
    )
    assert (status, reason) == expected[:2]
    assert expected[2] in message


def test_a_missed_run_is_in_the_message_of_ready() -> None:
    runs = {"a": (replace(a_run(), message="run x was due"),)}
    about = StatusInput(1, findings=with_missed_runs({}, runs), runs=runs)
    said = fleet_conditions(fleet(), snapshot(), decided(), about, ())
    assert condition("Ready", said) == ("True", "Idle", "RunMissed: pool a: run x was due")

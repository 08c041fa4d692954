"""A plan as it is carried out: in its order, and what becomes of what fails."""

import asyncio
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tests.support.metrics_looks import figures, worker
from tests.support.pools import fleet
from utilitarian_operator.adapters.broker.fake import FakeBroker
from utilitarian_operator.adapters.cluster.cache import FLEETS, PODS, Key, Store
from utilitarian_operator.adapters.cluster.fake import FakeCluster, Request
from utilitarian_operator.core.beat.actions import Repairs, ReplaceBeatPod
from utilitarian_operator.core.diagnosis.finding_history import Replace
from utilitarian_operator.core.diagnosis.replacement import Replaced
from utilitarian_operator.core.draining.plan import PendingScaleDown
from utilitarian_operator.core.labels import INSTANCE_LABEL
from utilitarian_operator.core.objects.actions import Create, Delete, ScaleTo
from utilitarian_operator.core.objects.wanted import Wanted
from utilitarian_operator.core.observation.model.pod import WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.plan import Event, Plan, Scale, WriteStatus
from utilitarian_operator.core.reasons import Reason
from utilitarian_operator.errors import ClusterError, Conflict, Rejected
from utilitarian_operator.metrics.fleet import Metrics
from utilitarian_operator.reconcile.act.drains import Drains
from utilitarian_operator.reconcile.act.plan_executor import PlanExecutor
from utilitarian_operator.reconcile.act.writer import ObjectWriter

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KEY = Key("ns", "fleet")
RESOURCE: dict[str, Any] = {
    "apiVersion": "utilitarian.io/v1alpha1",
    "kind": "UtilitarianWorkerPool",
    "metadata": {"namespace": "ns", "name": "fleet"},
}
MADE = {"kind": "Deployment", "metadata": {"namespace": "ns", "name": "fleet-a", "resourceVersion": "1"}}
BEAT_POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"namespace": "ns", "name": "fleet-beat-0", "labels": {INSTANCE_LABEL: "fleet"}},
}


def words(asked: Request) -> str:
    """A request in short: an event by its reason, the status as what it is, all else by its kind."""
    if asked.verb == "patch":
        return "patch status"
    return f"{asked.verb} {asked.body.get('reason', asked.kind) if isinstance(asked.body, dict) else asked.kind}"


PLAN = Plan(
    objects=((Wanted(MADE, "spec.pools[0]", "a"), Create(MADE)),),
    events=(Event(Reason.SPEC_WARNING, "beware"),),
    status=WriteStatus({"mode": "Auto"}, {"mode": "Auto"}),
)
IS_THERE = "read UtilitarianWorkerPool"
OF_BEAT, OF_OBJECTS = ["delete Pod", "create BeatReplaced"], [IS_THERE, "create Deployment", "create Created"]
TOLD, WRITTEN = ["create SpecWarning"], ["patch status"]


@pytest.mark.parametrize(
    "refuses,asked",
    [
        pytest.param({}, [*OF_BEAT, *OF_OBJECTS, *TOLD, *WRITTEN], id="in this order"),
        pytest.param(
            {"delete Pod": Conflict("it is another pod by now")},
            ["delete Pod", *OF_OBJECTS, *TOLD, *WRITTEN],
            id="a pod that was replaced meanwhile is left alone",
        ),
        pytest.param(
            {"delete Pod": Rejected("refused", "no")},
            ["delete Pod", "create Refused", *OF_OBJECTS, *TOLD, *WRITTEN],
            id="a pod that may not be deleted holds up nothing else",
        ),
        pytest.param(
            {"create Deployment": Rejected("refused", "no")},
            [*OF_BEAT, IS_THERE, "create Deployment", *TOLD],
            id="a status that does not say what was refused is not written",
        ),
        pytest.param(
            {"create Deployment": Conflict("the quota was changed")},
            [*OF_BEAT, IS_THERE, "create Deployment", "read Deployment", *TOLD],
            id="nor one of a fleet whose objects could not all be made",
        ),
        pytest.param(
            {"create Deployment": ClusterError("no answer")},
            [*OF_BEAT, IS_THERE, "create Deployment", IS_THERE, *TOLD, *WRITTEN],
            id="one object that gets no answer holds up nothing else",
        ),
        pytest.param(
            {IS_THERE: ClusterError("no answer")},
            [*OF_BEAT, IS_THERE],
            id="an API server that does not answer is not asked on",
        ),
        pytest.param(
            {"create SpecWarning": ClusterError("no answer")},
            [*OF_BEAT, *OF_OBJECTS, *TOLD, *WRITTEN],
            id="an event that is not recorded stops nothing",
        ),
    ],
)
async def test_what_is_asked(refuses: dict[str, Exception], asked: list[str]) -> None:
    cluster, store, metrics = FakeCluster(lambda: NOW), Store(), Metrics(CollectorRegistry(), time.monotonic)
    resource, beat_pod = await cluster.create(RESOURCE), await cluster.create(BEAT_POD)
    store.see(FLEETS, resource)
    store.see(PODS, beat_pod)
    plan = replace(PLAN, beat=Repairs(replace=ReplaceBeatPod(beat_pod, "it never ran")))
    cluster.requests.clear()
    cluster.fails = lambda request: refuses.get(words(request))
    writer = ObjectWriter(cluster, store, metrics, "operator-0", lambda: NOW, uuid.uuid4)
    drains = Drains(cluster, store, writer, lambda: NOW, asyncio.sleep)
    executor = PlanExecutor(cluster, store, drains, writer, metrics, lambda: NOW)
    outcome = await executor.carry_out(resource, plan, None, FakeBroker())
    assert [words(it) for it in cluster.requests] == asked
    assert outcome.recorded == (TOLD[0] in asked)
    assert (outcome.written is not None) == (WRITTEN[0] in asked)
    assert (outcome.failed is not None) == (not outcome.recorded)
    assert ("fleet-beat-0" in store.children(PODS, KEY)) == (OF_BEAT[1] not in asked)
    assert outcome.overtakes(plan) == (outcome.recorded and outcome.written is None)


async def test_conditions_are_shown_also_of_a_fleet_of_which_nothing_runs() -> None:
    cluster, store, registry = FakeCluster(lambda: NOW), Store(), CollectorRegistry()
    metrics = Metrics(registry, time.monotonic)
    resource = await cluster.create(RESOURCE)
    writer = ObjectWriter(cluster, store, metrics, "operator-0", lambda: NOW, uuid.uuid4)
    drains = Drains(cluster, store, writer, lambda: NOW, asyncio.sleep)
    executor = PlanExecutor(cluster, store, drains, writer, metrics, lambda: NOW)
    conditions = ({"type": "Stalled", "status": "True", "reason": "InvalidSpec"},)
    await executor.carry_out(resource, Plan(conditions=conditions), None, FakeBroker())
    labels = {"namespace": "ns", "fleet": "fleet", "type": "Stalled", "reason": "InvalidSpec"}
    assert registry.get_sample_value("utilitarian_condition", labels) == 1


async def test_a_step_down_is_counted_with_what_its_workers_held() -> None:
    cluster, store, registry = FakeCluster(lambda: NOW), Store(), CollectorRegistry()
    metrics = Metrics(registry, time.monotonic)
    resource = await cluster.create(RESOURCE)
    live = await cluster.create(MADE | {"apiVersion": "apps/v1", "spec": {"replicas": 1}})
    writer = ObjectWriter(cluster, store, metrics, "operator-0", lambda: NOW, uuid.uuid4)
    drains = Drains(cluster, store, writer, lambda: NOW, asyncio.sleep)
    executor = PlanExecutor(cluster, store, drains, writer, metrics, lambda: NOW)
    marked = NOW - timedelta(seconds=20)
    seen = PoolSnapshot({}, 0, (worker(WorkerLoad(0, 0, 0, 3), "goes", marked=marked), worker(name="stays")), 2)
    step = ScaleTo("fleet-a", 1, 0, live["metadata"]["resourceVersion"])
    scale = Scale("a", step, "nothing to do", PendingScaleDown(frozenset({"goes"}), frozenset(), NOW))
    plan = Plan(figures=figures(fleet({"name": "a"}), {"a": seen}), scales=(scale,))
    await executor.carry_out(resource, plan, None, FakeBroker())
    labels = {"namespace": "ns", "fleet": "fleet", "pool": "a"}
    served = [
        registry.get_sample_value(f"utilitarian_drain_{it}", labels) for it in ("seconds_sum", "returned_tasks_total")
    ]
    assert served == [20, 3]


async def test_events_of_scaling_come_in_the_order_of_the_pools() -> None:
    """By priority, and not by what the names hash to in this process."""
    cluster, store, metrics = FakeCluster(lambda: NOW), Store(), Metrics(CollectorRegistry(), time.monotonic)
    resource, steps = await cluster.create(RESOURCE), dict[str, tuple[ScaleTo, str]]()
    for pool in [f"pool-{number}" for number in (5, 3, 8, 1, 7, 2, 6, 4)]:
        metadata = {"namespace": "ns", "name": f"fleet-{pool}"}
        live = await cluster.create(MADE | {"apiVersion": "apps/v1", "metadata": metadata, "spec": {"replicas": 1}})
        steps[pool] = ScaleTo(f"fleet-{pool}", 1, 2, live["metadata"]["resourceVersion"]), "needed"
    cluster.requests.clear()
    writer = ObjectWriter(cluster, store, metrics, "operator-0", lambda: NOW, uuid.uuid4)
    assert await writer.scale(resource, steps) == (list(steps), [])
    said = [it.body["note"] for it in cluster.requests if isinstance(it.body, dict) and "note" in it.body]
    assert said == [f"pool {pool}: 1 to 2: needed" for pool in steps]


async def test_a_request_that_is_accepted_later_than_another_one_fails_is_recorded() -> None:
    """The API server goes away between two answers: what it has done must be known, and nothing be sent afterwards."""

    class LateForB(FakeCluster):
        async def scale(self, namespace: str, deployment: str, *more: Any) -> Any:
            for _ in range(9 if deployment == "fleet-b" else 0):
                await asyncio.sleep(0)
            return await super().scale(namespace, deployment, *more)

    cluster, store, metrics = LateForB(lambda: NOW), Store(), Metrics(CollectorRegistry(), time.monotonic)
    resource, steps = await cluster.create(RESOURCE), dict[str, tuple[ScaleTo, str]]()
    for pool in "ab":
        metadata = {"namespace": "ns", "name": f"fleet-{pool}"}
        live = await cluster.create(MADE | {"apiVersion": "apps/v1", "metadata": metadata, "spec": {"replicas": 1}})
        steps[pool] = ScaleTo(f"fleet-{pool}", 1, 2, live["metadata"]["resourceVersion"]), "needed"
    failing = {("scale", "fleet-a"), ("read", "fleet")}
    cluster.fails = lambda asked: ClusterError("no answer") if (asked.verb, asked.name) in failing else None
    writer = ObjectWriter(cluster, store, metrics, "operator-0", lambda: NOW, uuid.uuid4)
    with pytest.raises(ClusterError, match="no answer"):
        await writer.scale(resource, steps)
    said = [it.body["note"] for it in cluster.requests if isinstance(it.body, dict) and "note" in it.body]
    assert said == ["pool b: 1 to 2: needed"]
    cluster.fails = lambda _: None
    assert await writer.scale(resource, {"a": steps["a"]}) == ([], []), "what came of the last is not known"
    await writer.scaling.find_out(KEY)
    assert await writer.scale(resource, {"a": steps["a"]}) == (["a"], [])


REFUSED = Rejected("HTTP 403: no", "no")


@pytest.mark.parametrize(
    "refuses,plan,refused",
    [
        pytest.param(
            "scale Deployment",
            Plan(scales=(Scale("a", ScaleTo("fleet-a", 1, 9, "1"), "needed"),)),
            ["pool a: Deployment fleet-a can't be scaled: no; until that is put right, it stays as it is"],
            id="a number of workers",
        ),
        pytest.param(
            "delete Deployment",
            Plan(deletions=(Delete(MADE),)),
            ["Deployment fleet-a is no longer asked for and can't be deleted: no; until that is put right, it stays"],
            id="the deletion of what is no longer asked for",
        ),
        pytest.param(
            "delete Pod",
            Plan(replacements=(Replace("a", "fleet-beat-0", Replaced(NOW, frozenset())),)),
            [],
            id="the deletion of a worker that is stuck",
        ),
    ],
)
async def test_what_is_refused_holds_up_nothing_else(refuses: str, plan: Plan, refused: list[str]) -> None:
    """A policy of the cluster may refuse one thing for as long as it stands."""
    cluster, store, metrics = FakeCluster(lambda: NOW), Store(), Metrics(CollectorRegistry(), time.monotonic)
    resource = await cluster.create(RESOURCE)
    store.see(FLEETS, resource)
    store.see(PODS, await cluster.create(BEAT_POD))
    await cluster.create(MADE | {"apiVersion": "apps/v1", "spec": {"replicas": 1}})
    cluster.requests.clear()
    cluster.fails = lambda request: REFUSED if words(request) == refuses else None
    writer = ObjectWriter(cluster, store, metrics, "operator-0", lambda: NOW, uuid.uuid4)
    drains = Drains(cluster, store, writer, lambda: NOW, asyncio.sleep)
    executor = PlanExecutor(cluster, store, drains, writer, metrics, lambda: NOW)
    outcome = await executor.carry_out(resource, replace(plan, events=PLAN.events), None, FakeBroker())
    assert (outcome.failed, outcome.recorded, outcome.scaled) == (None, True, ())
    assert [it.blocker.message for it in outcome.refused] == refused
    assert outcome.overtakes(plan) == bool(refused), "the look that follows at once says it in the status"
    told = {"create SpecWarning"} | ({"create Refused"} if plan.replacements else set())
    assert told <= set(map(words, cluster.requests))

"""A plan as it is carried out: in its order, and what becomes of what fails."""

import time
import uuid
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from utilitarian_operator.adapters.cluster.cache import FLEETS, PODS, Key, Store
from utilitarian_operator.core.beat.actions import Repairs, ReplaceBeatPod
from utilitarian_operator.core.labels import INSTANCE_LABEL
from utilitarian_operator.core.objects.actions import Create
from utilitarian_operator.core.objects.wanted import Wanted
from utilitarian_operator.core.plan import Event, Plan, WriteStatus
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
    "metadata": {"namespace": "ns", "name": "fleet", "uid": "u", "resourceVersion": "1"},
}
MADE = {"kind": "Deployment", "metadata": {"namespace": "ns", "name": "fleet-a", "resourceVersion": "1"}}
BEAT_POD = {
    "metadata": {"namespace": "ns", "name": "fleet-beat-0", "labels": {INSTANCE_LABEL: "fleet"}, "resourceVersion": "1"}
}


class Cluster:
    """An API server that notes what it is asked, and refuses some of it."""

    def __init__(self, refuses: dict[str, Exception]) -> None:
        self.asked: list[str] = []
        self._refuses = refuses

    async def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self._note(f"create {manifest.get('reason', manifest['kind'])}")
        return manifest

    async def delete(self, live: dict[str, Any]) -> None:
        self._note(f"delete {live['kind']}")

    async def patch(self, live: dict[str, Any], change: dict[str, Any], subresource: str = "") -> dict[str, Any]:
        self._note(f"patch {subresource}")
        return live | change

    def _note(self, request: str) -> None:
        self.asked.append(request)
        if request in self._refuses:
            raise self._refuses[request]


PLAN = Plan(
    beat=Repairs(replace=ReplaceBeatPod(BEAT_POD, "it never ran")),
    objects=((Wanted(MADE, "spec.pools[0]", "a"), Create(MADE)),),
    events=(Event(Reason.SPEC_WARNING, "beware"),),
    status=WriteStatus({"mode": "Auto"}, {"mode": "Auto"}),
)
OF_BEAT, OF_OBJECTS = ["delete Pod", "create BeatReplaced"], ["create Deployment", "create Created"]
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
            {"create Deployment": Rejected("refused", "no")},
            [*OF_BEAT, "create Deployment", *TOLD],
            id="a status that does not say what was refused is not written",
        ),
        pytest.param(
            {"create Deployment": ClusterError("no answer")},
            [*OF_BEAT, "create Deployment"],
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
    cluster, store, metrics = Cluster(refuses), Store(), Metrics(CollectorRegistry(), time.monotonic)
    store.see(FLEETS, RESOURCE)
    store.see(PODS, BEAT_POD)
    api = cast("Any", cluster)
    writer = ObjectWriter(api, store, metrics, "operator-0", lambda: NOW, uuid.uuid4)
    drains = Drains(api, store, writer, lambda: NOW)
    executor = PlanExecutor(api, store, drains, writer, metrics, lambda: NOW)
    outcome = await executor.carry_out(RESOURCE, PLAN, None, cast("Any", None))
    assert cluster.asked == asked
    assert outcome.recorded == (TOLD[0] in asked)
    assert (outcome.written is not None) == (WRITTEN[0] in asked)
    assert (outcome.failed is not None) == (not outcome.recorded)
    assert ("fleet-beat-0" in store.children(PODS, KEY)) == (OF_BEAT[1] not in asked)
    assert outcome.overtakes(PLAN) == ("create Deployment" in refuses and outcome.failed is None)

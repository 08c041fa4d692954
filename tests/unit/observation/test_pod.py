"""Whether a pod's worker runs, by the state of its own container and of none that a cluster puts beside it."""

from typing import Any

import pytest

from tests.support.pools import NOW, fleet
from utilitarian_operator.core.draining.steps import MarkDraining, Release, steps
from utilitarian_operator.core.draining.workers import pool_workers
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.pod import pod_snapshot
from utilitarian_operator.core.observation.reported import Reported

SILENT = Unknown("worker p does not answer", NOW)
RUNS = {"running": {"startedAt": "2026-03-02T11:00:00Z"}}
LATER = {"running": {"startedAt": "2026-03-02T11:59:00Z"}}
CRASHED = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}}
ENDED = {"terminated": {"exitCode": 0, "reason": "Completed"}}


def status(name: str, state: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "state": state, "ready": "running" in state, "restartCount": 0}


def seen(
    *containers: dict[str, Any], before: tuple[dict[str, Any], ...] = (), annotations: dict[str, str] | None = None
) -> PodSnapshot:
    there = {"phase": "Running", "containerStatuses": list(containers), "initContainerStatuses": list(before)}
    metadata = {"name": "p", "annotations": annotations or {}}
    spec = {"readinessGates": [{"conditionType": "utilitarian.io/consuming"}]}
    return pod_snapshot("p", {"metadata": metadata, "spec": spec, "status": there}, SILENT)


SIDECAR = status("istio-proxy", RUNS)
FIRST = {"waiting": {"reason": "PodInitializing"}}


@pytest.mark.parametrize(
    "pod, running",
    [
        pytest.param(seen(status("worker", RUNS)), True, id="alone"),
        pytest.param(seen(status("worker", LATER), SIDECAR), True, id="beside a sidecar"),
        pytest.param(seen(SIDECAR, status("worker", CRASHED)), False, id="it crashes beside a sidecar"),
        pytest.param(seen(SIDECAR, status("worker", ENDED)), False, id="it has ended beside a sidecar"),
        pytest.param(seen(status("worker", CRASHED), before=(SIDECAR,)), False, id="beside a native sidecar"),
        pytest.param(
            seen(status("worker", {"waiting": {"reason": "PodInitializing"}}), before=(SIDECAR,)),
            False,
            id="its turn has not come",
        ),
        pytest.param(seen(SIDECAR), False, id="the kubelet has not told of it"),
        pytest.param(seen(status("worker", {})), False, id="in no state"),
        pytest.param(seen(), False, id="in no container"),
    ],
)
def test_a_worker_runs_when_its_own_container_does(pod: PodSnapshot, running: bool) -> None:
    assert pod.running == running


def test_a_worker_runs_since_its_own_container_does() -> None:
    since = seen(SIDECAR, status("worker", LATER)).running_since
    assert since is not None
    assert since.minute == 59


def test_a_worker_that_crashes_beside_a_sidecar_holds_nothing_and_is_released() -> None:
    """It counted as running: marked, never empty, never released."""
    pool = fleet({"name": "work"}).pools[0]
    marked = seen(SIDECAR, status("worker", CRASHED), annotations={"utilitarian.io/draining": "2026-03-02T11:59:00Z"})
    assert steps(
        pool_workers(
            pool, PoolSnapshot({}, 0, (marked,), 1, reported=Reported(observed=True, pods=1, ready=0, updated=1)), NOW
        ),
        0,
    ) == [Release("p")]
    free = seen(SIDECAR, status("worker", CRASHED))
    assert steps(pool_workers(pool, PoolSnapshot({}, 0, (free,), 1), NOW), 0) == [MarkDraining("p")]


NOTHING = WorkerLoad(0, 0, 0, 0, consuming=())


@pytest.mark.parametrize("caught_up", [True, False], ids=["the watch saw it", "only the write's answer"])
def test_a_pod_is_released_by_the_word_of_the_watch_alone(caught_up: bool) -> None:
    body = {
        "metadata": {
            "annotations": {
                "controller.kubernetes.io/pod-deletion-cost": "-2147483648",
                "utilitarian.io/draining": "2026-03-02T11:59:00Z",
            }
        },
        "spec": {"readinessGates": [{"conditionType": "utilitarian.io/consuming"}]},
        "status": {"conditions": [{"type": "utilitarian.io/consuming", "status": "False"}]},
    }
    seen = pod_snapshot("a", body, NOTHING, caught_up=caught_up)
    assert seen.released is caught_up
    assert seen.marked is not None

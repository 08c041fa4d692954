"""What outlives the operator: the last good spec, objects that are as they should be; and a changed password."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from signal import Signals
from typing import Any

import pytest

from tests.support.controlplane import ControlPlane
from tests.support.fleet import Fleet
from tests.support.operator import as_process, in_process
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until

SOON = timedelta(seconds=20)
NO_BROKER = "amqp://user:password@127.0.0.1:1/"
QUEUE = "utilitarian.tasks.default"
WORK = {"name": "work", "queues": [QUEUE]}
NO_BEAT = {"enabled": False}
NEVER = {"name": "run", "start": "0 0 30 2 *"}


@pytest.fixture
def fleet(controlplane: ControlPlane, namespace: str) -> Fleet:
    """A fleet whose broker doesn't answer, not created yet; no operator runs."""
    found = Fleet(controlplane, namespace)
    found.create_secret(NO_BROKER)
    return found


def objects(fleet: Fleet, api: str) -> list[dict[str, Any]]:
    group, _, kind = api.rpartition("/")
    found: list[dict[str, Any]] = fleet.controlplane.request("GET", f"/{group}/namespaces/{fleet.namespace}/{kind}")[
        "items"
    ]
    return found


ALL = ("apis/apps/v1/deployments", "apis/apps/v1/statefulsets", "apis/policy/v1/poddisruptionbudgets")


def everything(fleet: Fleet) -> list[dict[str, Any]]:
    return [it for api in ALL for it in objects(fleet, api)]


def settled(fleet: Fleet, number: int) -> bool:
    """Whether all objects are there and held by the operator's apply, so that nothing is left to be done."""
    managers = [
        {e["operation"] for e in it["metadata"]["managedFields"] if e["manager"] == "utilitarian-operator"}
        for it in everything(fleet)
    ]
    return len(managers) == number and all("Apply" in operations for operations in managers)


def test_deletion_needs_no_operator(fleet: Fleet) -> None:
    with in_process(fleet.controlplane, fleet.namespace):
        fleet.create(None, pools=[WORK])
        wait_until(lambda: settled(fleet, 3), within=SOON, describe=fleet.describe)
    assert "finalizers" not in fleet.read()["metadata"]
    fleet.delete()
    wait_until(lambda: not everything(fleet), within=SOON, describe=lambda: everything(fleet))
    assert [it["metadata"]["name"] for it in objects(fleet, "api/v1/persistentvolumeclaims")] == ["fleet-beat"]


def test_a_restart_makes_and_changes_nothing(fleet: Fleet) -> None:
    with in_process(fleet.controlplane, fleet.namespace):
        fleet.create(None, pools=[WORK])
        wait_until(lambda: settled(fleet, 3), within=SOON, describe=fleet.describe)
        wait_until(lambda: fleet.condition("Stalled")[0] == "False", within=SOON, describe=fleet.describe)

    def versions() -> dict[str, str]:
        return {f"{it['metadata']['uid']}": str(it["metadata"].get("generation")) for it in everything(fleet)}

    before = versions()
    with in_process(fleet.controlplane, fleet.namespace) as operator:
        name = f'utilitarian_tick_duration_seconds_count{{fleet="fleet",namespace="{fleet.namespace}"}}'
        wait_until(lambda: operator.metrics().get(name, 0) >= 3, within=SOON, describe=operator.metrics)
    assert versions() == before


BROKEN = {
    "idleSince": "2026-03-02T11:00:00",
    "completions": -5,
    "slotSeconds": 1e300,
    "periodSeconds": "nan",
    "longest": 9.0,
    "runs": [{"name": "run", "start": "9999-01-01T00:00:00Z"}],
}


def test_what_a_status_remembers_stops_no_fleet(fleet: Fleet) -> None:
    with in_process(fleet.controlplane, fleet.namespace):
        fleet.create(None, pools=[WORK], beat=NO_BEAT)
        wait_until(lambda: fleet.pool("work").get("reason"), within=SOON, describe=fleet.describe)
    path = f"/apis/utilitarian.io/v1alpha1/namespaces/{fleet.namespace}/utilitarianworkerpools/fleet/status"
    known = {**fleet.pool("work"), "memory": BROKEN, "history": [{"name": "run", "outcome": "Unheard"}]}
    written = {"pools": [known], "beat": {"lastMessages": [{"queue": QUEUE}]}}
    fleet.controlplane.request("PATCH", path, {"status": written}, "application/merge-patch+json")
    with in_process(fleet.controlplane, fleet.namespace) as operator:
        name = f'utilitarian_tick_duration_seconds_count{{fleet="fleet",namespace="{fleet.namespace}"}}'
        wait_until(lambda: operator.metrics().get(name, 0) >= 3, within=SOON, describe=operator.metrics)
        wait_until(lambda: fleet.pool("work")["memory"] == {"longest": 9.0}, within=SOON, describe=fleet.describe)
    (note,) = [note for reason, note in fleet.events() if reason == "MemoryUnreadable"]
    for value in ("history[0].outcome is 'Unheard'", "memory.completions is -5", "and 1 more"):
        assert value in note


def workers(fleet: Fleet, at_least: int) -> Callable[[], bool]:
    return lambda: fleet.pool("work").get("desired") == at_least and fleet.replicas("work") == at_least


@pytest.mark.parametrize(
    "edit,part",
    [
        pytest.param({"pools": [{**WORK, "schedule": [NEVER]}]}, "spec.pools[0].schedule[0].start", id="a cron line"),
        pytest.param({"timeZone": "Mars/Olympus"}, "spec.timeZone", id="a time zone"),
    ],
)
def test_a_bad_edit_while_no_operator_runs_takes_nothing_down(fleet: Fleet, edit: dict[str, Any], part: str) -> None:
    scaling = {"defaults": {"scaling": {"min": 2}}}
    with in_process(fleet.controlplane, fleet.namespace):
        fleet.create(None, pools=[WORK], beat=NO_BEAT, env=[{"name": "KEPT", "value": "1"}], **scaling)
        wait_until(lambda: fleet.condition("Stalled")[0] == "False", within=SOON, describe=fleet.describe)
    fleet.edit(**edit, env=None, defaults={"scaling": {"min": 3}})
    fleet.controlplane.request("DELETE", f"/apis/apps/v1/namespaces/{fleet.namespace}/deployments/fleet-work")
    with in_process(fleet.controlplane, fleet.namespace):
        wait_until(lambda: fleet.condition("Stalled")[0] == "True", within=SOON, describe=fleet.describe)
        assert part in fleet.condition("Stalled")[2]
        wait_until(workers(fleet, 2), within=SOON, describe=fleet.describe)
        made = fleet.deployment("work")
        assert made
        assert "KEPT" in {it["name"] for it in made["spec"]["template"]["spec"]["containers"][0]["env"]}
        fleet.edit(pools=[WORK], timeZone=None)
        wait_until(workers(fleet, 3), within=SOON, describe=fleet.describe)
        wait_until(lambda: fleet.condition("Stalled")[0] == "False", within=SOON, describe=fleet.describe)


def test_the_last_accepted_versions_are_kept_as_controller_revisions(fleet: Fleet) -> None:
    with in_process(fleet.controlplane, fleet.namespace):
        fleet.create(None, pools=[WORK], beat=NO_BEAT)
        for ceiling in (5, 6, "wrong", 7, 8):
            zone = "Mars" if ceiling == "wrong" else "UTC"
            generation = fleet.edit(timeZone=zone, maxWorkers=9 if zone == "Mars" else ceiling)["metadata"][
                "generation"
            ]
            wait_until(
                lambda it=generation: fleet.status().get("observedGeneration") == it,  # type: ignore[misc]
                within=SOON,
                describe=fleet.describe,
            )
        shown = fleet.controlplane.kubectl("get", "controllerrevisions", "-n", fleet.namespace, "--no-headers")
    kept = sorted(objects(fleet, "apis/apps/v1/controllerrevisions"), key=lambda it: it["revision"])
    assert [it["data"]["spec"]["maxWorkers"] for it in kept] == [6, 7, 8]
    assert kept[-1]["revision"] == fleet.read()["metadata"]["generation"]
    assert "utilitarianworkerpool.utilitarian.io/fleet" in shown
    fleet.delete()
    wait_until(lambda: not objects(fleet, "apis/apps/v1/controllerrevisions"), within=SOON)


def test_preview_keeps_no_version_before_one_that_made_something(fleet: Fleet) -> None:
    with in_process(fleet.controlplane, fleet.namespace):
        fleet.create(None, pools=[WORK], beat=NO_BEAT, mode="Preview")
        wait_until(lambda: fleet.condition("Stalled")[0] == "False", within=SOON, describe=fleet.describe)
        assert not objects(fleet, "apis/apps/v1/controllerrevisions")
        for number, mode in enumerate(("Auto", "Preview"), start=1):
            fleet.edit(mode=mode)
            wait_until(
                lambda it=number: len(objects(fleet, "apis/apps/v1/controllerrevisions")) == it,  # type: ignore[misc]
                within=SOON,
                describe=fleet.describe,
            )


def test_a_resource_that_was_never_right_is_named_and_then_runs(fleet: Fleet) -> None:
    with in_process(fleet.controlplane, fleet.namespace):
        fleet.create(None, pools=[{**WORK, "schedule": [NEVER]}], beat=NO_BEAT)
        wait_until(
            lambda: fleet.condition("Ready")[:2] == ("False", "InvalidSpec"), within=SOON, describe=fleet.describe
        )
        assert not everything(fleet)
        fleet.edit(pools=[WORK])
        wait_until(lambda: fleet.deployment("work"), within=SOON, describe=fleet.describe)


def test_a_changed_password_is_read_as_soon_as_the_old_one_is_refused(
    controlplane: ControlPlane, namespace: str, rabbitmq: RabbitMQ, vhost: str
) -> None:
    fleet = Fleet(controlplane, namespace)
    rabbitmq.declare(vhost, QUEUE)
    good = rabbitmq.amqp_url(vhost)
    scheme, _, rest = good.partition("://")
    fleet.create_secret(f"{scheme}://{rest.partition(':')[0]}:wrong@{rest.partition('@')[2]}")
    with in_process(controlplane, namespace):
        fleet.create(None, pools=[WORK], beat=NO_BEAT)
        wait_until(lambda: fleet.condition("BrokerReachable")[0] == "False", within=SOON, describe=fleet.describe)
        fleet.edit_secret(good)
        wait_until(lambda: fleet.condition("BrokerReachable")[0] == "True", within=SOON, describe=fleet.describe)
        wait_until(
            lambda: "BrokerReachable" in [reason for reason, _ in fleet.events()], within=SOON, describe=fleet.events
        )


@pytest.mark.parametrize("signal", [pytest.param(it, id=it.name) for it in (Signals.SIGTERM, Signals.SIGINT)])
def test_a_signal_ends_the_operator_in_a_moment(fleet: Fleet, signal: Signals, tmp_path: Path) -> None:
    with as_process(fleet.controlplane, fleet.namespace, directory=tmp_path) as (process, _):
        fleet.create(None, pools=[WORK])
        wait_until(lambda: fleet.deployment("work"), within=SOON, describe=fleet.describe)
        process.signal(signal)
        # A new version of the operator starts when the old one has gone: there are no looks meanwhile.
        assert process.wait(within=timedelta(seconds=3)) == 0

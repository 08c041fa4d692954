"""A resource's life on a real API server: bad edits, missing Secrets, taken names, leftovers; the broker is away."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.support.controlplane import APPLY_PATCH, MERGE_PATCH, ControlPlane
from tests.support.fleet import SECRET, URL_KEY, Fleet
from tests.support.http import HttpError
from tests.support.operator import in_process
from tests.support.waiting import wait_until
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.labels import CONFIG_CHECKSUM, MOUNTS, MOUNTS_CHECKSUM
from utilitarian_operator.reconcile.observe import reference_reader as references

SOON = timedelta(seconds=20)
NO_BROKER = "amqp://user:password@127.0.0.1:1/"
WORK = {"name": "work", "queues": ["utilitarian.tasks.default"]}
OTHER = {"name": "other", "queues": ["utilitarian.tasks.cleanup"]}
NO_BEAT = {"enabled": False}
EPHEMERAL = {"storage": {"ephemeral": True}}


@pytest.fixture(scope="module")
def quick(controlplane: ControlPlane) -> Iterator[ControlPlane]:
    """A control plane with an operator for all its namespaces, which reads Secrets each second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(references, "READ_EVERY_S", 1.0)
        patch.setattr(references, "MISSING_READ_EVERY_S", 1.0)
        with in_process(controlplane):
            yield controlplane


@pytest.fixture
def fleet(quick: ControlPlane, namespace: str) -> Fleet:
    """A fleet whose broker doesn't answer, not created yet."""
    found = Fleet(quick, namespace)
    found.create_secret(NO_BROKER)
    return found


def stalled(fleet: Fleet, status: str, reason: str, *parts: str) -> None:
    def is_so() -> bool:
        found = fleet.condition("Stalled")
        return found[:2] == (status, reason) and all(part in found[2] for part in parts)

    wait_until(is_so, within=SOON, describe=lambda: (fleet.condition("Stalled"), fleet.describe()))


def shown(fleet: Fleet, reason: str, *parts: str) -> None:
    def is_so() -> bool:
        return any(said == reason and all(part in note for part in parts) for said, note in fleet.events())

    wait_until(is_so, within=SOON, describe=fleet.events)


def objects(fleet: Fleet, api: str, name: str = "") -> Any:
    return fleet.controlplane.request("GET", f"/{api.format(fleet.namespace)}/{name}".rstrip("/"))


DEPLOYMENTS = "apis/apps/v1/namespaces/{}/deployments"
BUDGETS = "apis/policy/v1/namespaces/{}/poddisruptionbudgets"
BEATS = "apis/apps/v1/namespaces/{}/statefulsets"
CONFIG_MAPS = "api/v1/namespaces/{}/configmaps"
CLAIMS = "api/v1/namespaces/{}/persistentvolumeclaims"


def write(fleet: Fleet, method: str, path: str, body: Object | None = None) -> Any:
    content = MERGE_PATCH if method == "PATCH" else "application/json"
    return fleet.controlplane.request(method, f"/{path.format(fleet.namespace)}", body, content)


def pod_annotations(fleet: Fleet, pool: str = "work") -> Object:
    live = fleet.deployment(pool)
    return ((live or {}).get("spec", {}).get("template", {}).get("metadata", {}).get("annotations")) or {}


def made(fleet: Fleet, *pools: str) -> None:
    wait_until(lambda: all(fleet.deployment(pool) for pool in pools), within=SOON, describe=fleet.describe)


def env_names(fleet: Fleet, pool: str = "work") -> set[str]:
    live = fleet.deployment(pool)
    return {it["name"] for it in live["spec"]["template"]["spec"]["containers"][0]["env"]} if live else set()


def test_a_bad_edit_is_named_and_what_ran_before_goes_on_until_it_is_mended(fleet: Fleet) -> None:
    fleet.create(None, pools=[WORK], beat=NO_BEAT, env=[{"name": "KEPT", "value": "1"}])
    made(fleet, "work")
    run = {"name": "run", "start": "0 0 30 2 *"}
    bad = fleet.edit(pools=[{**WORK, "schedule": [run]}], env=[{"name": "NEW", "value": "1"}])
    stalled(fleet, "True", "InvalidSpec", "spec.pools[0].schedule[0].start", "not a cron line", "keeps running")
    shown(fleet, "InvalidSpec", "spec.pools[0].schedule[0].start")
    status = fleet.status()
    assert status["observedGeneration"] == bad["metadata"]["generation"]
    assert {it["observedGeneration"] for it in status["conditions"]} == {bad["metadata"]["generation"]}
    assert "KEPT" in env_names(fleet)
    fleet.edit(pools=[{**WORK, "schedule": [{**run, "start": "0 0 28 2 *"}]}])
    stalled(fleet, "False", "Accepted")
    shown(fleet, "Recovered")
    wait_until(lambda: "NEW" in env_names(fleet), within=SOON, describe=fleet.describe)


def test_a_template_that_the_api_server_refuses_stalls_its_pool_alone(fleet: Fleet) -> None:
    fleet.create(None, pools=[WORK, OTHER], beat=NO_BEAT)
    made(fleet, "work", "other")
    before = fleet.deployment("work")
    assert before
    broken = {"volumes": [{"name": "v", "nonsense": {}}]}
    late = {"name": "late", "queues": ["utilitarian.tasks.commits"]}
    fleet.edit(pools=[{**WORK, "pod": broken}, {**OTHER, "env": [{"name": "NEW", "value": "1"}]}, late])
    stalled(fleet, "True", "Refused", "spec.pools[0]", "nonsense", "goes on as it is")
    shown(fleet, "Refused", "nonsense")
    wait_until(lambda: "NEW" in env_names(fleet, "other"), within=SOON, describe=fleet.describe)
    made(fleet, "late")
    after = fleet.deployment("work")
    assert after
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    fleet.edit(pools=[{**WORK, "pod": {"tolerations": [{"operator": "Exists", "effect": "NoExecute"}]}}, OTHER, late])
    stalled(fleet, "False", "Accepted")
    wait_until(
        lambda: fleet.deployment("work")["spec"]["template"]["spec"].get("tolerations"),  # type: ignore[index]
        within=SOON,
        describe=fleet.describe,
    )


def test_the_field_of_a_refused_template_is_named(fleet: Fleet) -> None:
    spread = [{"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]
    fleet.create(None, pools=[OTHER, {**WORK, "pod": {"topologySpreadConstraints": spread}}], beat=NO_BEAT)
    stalled(fleet, "True", "Refused", "spec.pools[1].pod.topologySpreadConstraints: ", "must be greater than zero")
    assert fleet.deployment("work") is None
    assert fleet.deployment("other")


def test_a_missing_reference_is_named_and_what_ran_before_goes_on(fleet: Fleet) -> None:
    fleet.create(None, pools=[WORK], beat=NO_BEAT)
    made(fleet, "work")
    missing = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "not-there", "key": "k"}}}
    config = {"configMapRef": {"name": "no-config"}}
    fleet.edit(pools=[{**WORK, "env": [missing], "envFrom": [config]}])
    where = "spec.pools[0].env[0].valueFrom.secretKeyRef"
    stalled(
        fleet, "True", "SecretMissing", where, f"{fleet.namespace}/not-there does not exist; create it", "and 1 more"
    )
    shown(fleet, "SecretMissing", "not-there")
    shown(fleet, "ConfigMapMissing", "spec.pools[0].envFrom[0].configMapRef", "no-config")
    assert "X" not in env_names(fleet)
    core = "api/v1/namespaces/{}"
    write(fleet, "POST", f"{core}/configmaps", {"metadata": {"name": "no-config"}, "data": {"a": "b"}})
    write(fleet, "POST", f"{core}/secrets", {"metadata": {"name": "not-there"}, "stringData": {"other": "v"}})
    stalled(fleet, "True", "SecretMissing", "has no key k; add it")
    assert "X" not in env_names(fleet)
    write(fleet, "PATCH", f"{core}/secrets/not-there", {"stringData": {"k": "v"}})
    wait_until(lambda: "X" in env_names(fleet), within=SOON, describe=fleet.describe)
    stalled(fleet, "False", "Accepted")


def test_an_optional_reference_may_be_missing(fleet: Fleet) -> None:
    fleet.create(None, pools=[WORK], beat=NO_BEAT, envFrom=[{"secretRef": {"name": "not-there", "optional": True}}])
    made(fleet, "work")
    stalled(fleet, "False", "Accepted")


def test_a_changed_secret_rolls_the_pods_and_a_missing_one_does_not(fleet: Fleet) -> None:
    left = {**OTHER, "rollout": {"onSecretChange": "Leave"}}
    fleet.create(None, pools=[WORK, left], beat=EPHEMERAL)
    made(fleet, "work", "other")
    wait_until(lambda: CONFIG_CHECKSUM in pod_annotations(fleet), within=SOON, describe=fleet.describe)
    first, as_left = (pod_annotations(fleet, pool)[CONFIG_CHECKSUM] for pool in ("work", "other"))
    path = f"api/v1/namespaces/{fleet.namespace}/secrets/{SECRET}"
    write(fleet, "PATCH", path, {"stringData": {URL_KEY: f"{NO_BROKER}other"}})
    wait_until(lambda: pod_annotations(fleet)[CONFIG_CHECKSUM] != first, within=SOON, describe=fleet.describe)
    second = pod_annotations(fleet)[CONFIG_CHECKSUM]
    assert pod_annotations(fleet, "other")[CONFIG_CHECKSUM] == as_left
    live, beat = fleet.deployment("work"), fleet.beat()
    assert live
    assert beat
    assert CONFIG_CHECKSUM in beat["spec"]["template"]["metadata"]["annotations"]
    write(fleet, "DELETE", path)
    stalled(fleet, "True", "SecretMissing", "spec.broker.urlFrom", SECRET)
    # What needs no Secret is still followed, with the checksum that was.
    fleet.edit(pools=[{**WORK, "env": [{"name": "NEW", "value": "1"}]}, OTHER])
    fleet.create_secret(f"{NO_BROKER}other")
    wait_until(lambda: "NEW" in env_names(fleet), within=SOON, describe=fleet.describe)
    assert pod_annotations(fleet)[CONFIG_CHECKSUM] == second


def test_a_changed_file_rolls_the_pods_that_see_it_and_no_others(fleet: Fleet) -> None:
    """As a file alone, as a whole volume that may roll nothing, and in pods that an operator of before had made."""
    settings = {"metadata": {"name": "settings"}, "data": {"a.py": "1", "b.py": "1"}}
    write(fleet, "POST", CONFIG_MAPS, settings)
    volume = {"volumes": [{"name": "s", "configMap": {"name": "settings"}}]}
    one = {"volumeMounts": [{"name": "s", "mountPath": "/app/a.py", "subPath": "a.py"}]}
    every = {"volumeMounts": [{"name": "s", "mountPath": "/app"}]}
    left = {**OTHER, "pod": {**volume, **every}, "rollout": {"onMountChange": "Leave"}}
    late = {"name": "late", "queues": ["utilitarian.tasks.commits"], "pod": {**volume, **every}}
    fleet.create(None, pools=[{**WORK, "pod": {**volume, **one}}, left, late], beat=NO_BEAT)
    made(fleet, "work", "other", "late")
    before = {pool: pod_annotations(fleet, pool)[MOUNTS_CHECKSUM] for pool in ("work", "other", "late")}
    write(fleet, "PATCH", f"{CONFIG_MAPS}/settings", {"data": {"b.py": "2"}})
    wait_until(
        lambda: pod_annotations(fleet, "late")[MOUNTS_CHECKSUM] != before["late"],
        within=SOON,
        describe=fleet.describe,
    )
    assert pod_annotations(fleet)[MOUNTS_CHECKSUM] == before["work"]
    write(fleet, "PATCH", f"{CONFIG_MAPS}/settings", {"data": {"a.py": "2"}})
    wait_until(lambda: pod_annotations(fleet)[MOUNTS_CHECKSUM] != before["work"], within=SOON, describe=fleet.describe)
    assert pod_annotations(fleet, "other")[MOUNTS_CHECKSUM] == before["other"]


def test_pods_of_an_operator_that_followed_no_files_are_rolled_by_the_next_change_and_not_before(fleet: Fleet) -> None:
    write(fleet, "POST", CONFIG_MAPS, {"metadata": {"name": "settings"}, "data": {"a.py": "1"}})
    volume = {"volumes": [{"name": "s", "configMap": {"name": "settings"}}]}
    pod = {**volume, "volumeMounts": [{"name": "s", "mountPath": "/app"}]}
    fleet.create(None, pools=[{**WORK, "pod": pod}], beat=NO_BEAT)
    made(fleet, "work")

    def noted() -> bool:
        return MOUNTS in objects(fleet, DEPLOYMENTS, "fleet-work")["metadata"]["annotations"]

    template = {"metadata": {"annotations": {MOUNTS_CHECKSUM: None}}}
    as_before = {"metadata": {"annotations": {MOUNTS: None}}, "spec": {"template": template}}
    write(fleet, "PATCH", f"{DEPLOYMENTS}/fleet-work", as_before)
    wait_until(noted, within=SOON, describe=fleet.describe)
    assert MOUNTS_CHECKSUM not in pod_annotations(fleet)
    write(fleet, "PATCH", f"{CONFIG_MAPS}/settings", {"data": {"a.py": "2"}})
    wait_until(lambda: MOUNTS_CHECKSUM in pod_annotations(fleet), within=SOON, describe=fleet.describe)


def test_two_resources_with_one_secret_have_two_checksums(fleet: Fleet) -> None:
    twin = Fleet(fleet.controlplane, fleet.namespace, "twin")
    # Each with queues of its own: two resources can't have one.
    for it, queue in ((fleet, "one"), (twin, "other")):
        it.create(None, pools=[{**WORK, "queues": [queue]}], beat=NO_BEAT)
        wait_until(lambda it=it: CONFIG_CHECKSUM in pod_annotations(it), within=SOON, describe=it.describe)  # type: ignore[misc]
    assert pod_annotations(fleet)[CONFIG_CHECKSUM] != pod_annotations(twin)[CONFIG_CHECKSUM]


def test_a_budget_protects_each_pool_and_goes_with_it(fleet: Fleet) -> None:
    fleet.create(None, pools=[WORK, OTHER], beat=NO_BEAT)
    wait_until(lambda: len(objects(fleet, BUDGETS)["items"]) == 2, within=SOON, describe=fleet.describe)
    budget = objects(fleet, BUDGETS, "fleet-work")
    assert budget["spec"] == {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": {"app.kubernetes.io/instance": "fleet", "utilitarian.io/pool": "work"}},
    }
    assert budget["metadata"]["labels"]["utilitarian.io/pool"] == "work"

    def by_apply_alone() -> bool:
        entries = objects(fleet, BUDGETS, "fleet-work")["metadata"]["managedFields"]
        return {e["operation"] for e in entries if e["manager"] == "utilitarian-operator"} == {"Apply"}

    wait_until(by_apply_alone, within=SOON, describe=lambda: objects(fleet, BUDGETS, "fleet-work"))
    fleet.edit(pools=[WORK])
    wait_until(lambda: len(objects(fleet, BUDGETS)["items"]) == 1, within=SOON, describe=fleet.describe)
    shown(fleet, "Deleted", "Deployment fleet-other", "no longer asked for")
    fleet.edit(pools=[{**WORK, "disruptionBudget": False}])
    wait_until(lambda: objects(fleet, BUDGETS)["items"] == [], within=SOON, describe=fleet.describe)


def test_a_taken_name_stalls_its_pool_alone(fleet: Fleet) -> None:
    spec = {"maxUnavailable": 3, "selector": {"matchLabels": {"a": "b"}}}
    write(fleet, "POST", BUDGETS, {"apiVersion": "policy/v1", "metadata": {"name": "fleet-work"}, "spec": spec})
    fleet.create(None, pools=[WORK, OTHER], beat=NO_BEAT)
    stalled(fleet, "True", "NameTaken", "spec.pools[0]", "PodDisruptionBudget fleet-work")
    made(fleet, "work", "other")
    assert objects(fleet, BUDGETS, "fleet-work")["spec"]["maxUnavailable"] == 3


def orphan(fleet: Fleet) -> None:
    """Delete the resource so that its objects stay, once the operator has nothing left to do with them."""

    def settled() -> bool:
        found = [it for api in (DEPLOYMENTS, BUDGETS, BEATS) for it in objects(fleet, api)["items"]]
        managers = [{(e["manager"], e["operation"]) for e in it["metadata"]["managedFields"]} for it in found]
        return len(found) >= 2 and all(("utilitarian-operator", "Apply") in it for it in managers)

    def gone() -> bool:
        try:
            fleet.read()
        except HttpError as error:
            return error.status == 404
        return False

    wait_until(settled, within=SOON, describe=fleet.describe)
    resource = f"apis/utilitarian.io/v1alpha1/namespaces/{fleet.namespace}/utilitarianworkerpools/fleet"
    write(fleet, "DELETE", resource, {"propagationPolicy": "Orphan"})
    wait_until(gone, within=SOON)
    live = objects(fleet, DEPLOYMENTS, "fleet-work")
    assert not live["metadata"].get("ownerReferences")


def test_what_an_orphaned_fleet_left_is_adopted(fleet: Fleet) -> None:
    fleet.create(None, pools=[WORK], defaults={"scaling": {"min": 3}}, beat=EPHEMERAL)
    made(fleet, "work")
    wait_until(fleet.beat, within=SOON, describe=fleet.describe)
    before = fleet.deployment("work")
    assert before
    orphan(fleet)
    uid = fleet.create(None, pools=[WORK], defaults={"scaling": {"min": 3}}, beat=EPHEMERAL)["metadata"]["uid"]

    def owned_by() -> list[str]:
        live, beat = fleet.deployment("work"), fleet.beat()
        both = [
            *(live or {})["metadata"].get("ownerReferences", []),
            *(beat or {})["metadata"].get("ownerReferences", []),
        ]
        return [it["uid"] for it in both]

    wait_until(lambda: owned_by() == [uid, uid], within=SOON, describe=fleet.describe)
    after = fleet.deployment("work")
    assert after
    assert (after["metadata"]["uid"], after["spec"]["replicas"]) == (before["metadata"]["uid"], 3)
    shown(fleet, "Adopted", "Deployment fleet-work")


def test_what_is_ours_without_its_labels_is_found_again(fleet: Fleet) -> None:
    fleet.create(None, pools=[WORK], beat=NO_BEAT)
    made(fleet, "work")
    wait_until(lambda: objects(fleet, BUDGETS)["items"], within=SOON, describe=fleet.describe)
    label = "app.kubernetes.io/managed-by"
    for api in (DEPLOYMENTS, BUDGETS):
        write(fleet, "PATCH", f"{api}/fleet-work", {"metadata": {"labels": None}})
        wait_until(
            lambda api=api: label in objects(fleet, api, "fleet-work")["metadata"].get("labels", {}),  # type: ignore[misc]
            within=SOON,
            describe=fleet.describe,
        )
    stalled(fleet, "False", "Accepted")


def test_a_field_of_another_manager_is_not_taken_when_adopting(fleet: Fleet) -> None:
    fleet.create(None, pools=[WORK], beat=NO_BEAT)
    made(fleet, "work")
    orphan(fleet)
    path = f"{DEPLOYMENTS}/fleet-work"
    theirs = {"containers": [{"name": "worker", "image": "theirs:1"}]}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": theirs}}}
    fleet.controlplane.request(
        "PATCH", f"/{path.format(fleet.namespace)}?fieldManager=person&force=true", body, APPLY_PATCH
    )
    fleet.create(None, pools=[WORK, OTHER], beat=NO_BEAT)
    stalled(fleet, "True", "NameTaken", "Deployment fleet-work")
    made(fleet, "other")
    assert objects(fleet, path)["spec"]["template"]["spec"]["containers"][0]["image"] == "theirs:1"


def test_a_warning_is_told_once_and_stands_in_the_status(fleet: Fleet) -> None:
    worker = {"concurrency": 9, "maxMemoryPerChild": "1Gi", "resources": {"limits": {"memory": "2Gi"}}}
    fleet.create(None, pools=[{**WORK, "worker": worker}], beat=NO_BEAT)
    stalled(fleet, "False", "AcceptedWithWarnings", "spec.pools[0].worker.maxMemoryPerChild")
    shown(fleet, "SpecWarning", "may take more than the container's limit")
    generation = fleet.edit(maxWorkers=5)["metadata"]["generation"]
    wait_until(lambda: fleet.status()["observedGeneration"] == generation, within=SOON, describe=fleet.describe)
    shown(fleet, "SpecWarning")
    assert [reason for reason, _ in fleet.events()].count("SpecWarning") <= 2


def test_the_next_run_stands_in_the_status_and_in_its_column(fleet: Fleet) -> None:
    runs = [{"name": "yearly", "start": "0 4 1 1 *"}, {"name": "monthly", "start": "30 0 1 * *"}]
    fleet.create(None, pools=[{**WORK, "schedule": runs}, OTHER], beat=NO_BEAT, timeZone="Europe/Stockholm")
    wait_until(lambda: fleet.status().get("nextRun"), within=SOON, describe=fleet.describe)
    status = fleet.status()
    assert status["nextRun"].startswith("work 20")
    assert status["pools"][0]["nextRun"].endswith(":30:00Z")
    assert "nextRun" not in status["pools"][1]
    table = fleet.controlplane.kubectl("get", "uwp", "-n", fleet.namespace, "-o", "wide")
    assert status["nextRun"] in table
    fleet.edit(pools=[WORK])
    wait_until(lambda: "nextRun" not in fleet.status(), within=SOON, describe=fleet.status)


def test_it_can_be_waited_for_and_applied_again_without_a_difference(fleet: Fleet) -> None:
    body = f"""
apiVersion: utilitarian.io/v1alpha1
kind: UtilitarianWorkerPool
metadata: {{name: fleet}}
spec:
  image: utilitarian:dev
  broker: {{urlFrom: {{secretKeyRef: {{name: {SECRET}, key: {URL_KEY}}}}}}}
"""
    kubectl = fleet.controlplane.kubectl
    kubectl("apply", "-n", fleet.namespace, "--dry-run=server", "-f", "-", stdin=body)
    with pytest.raises(HttpError):
        fleet.read()
    kubectl("apply", "-n", fleet.namespace, "-f", "-", stdin=body)
    kubectl("wait", "-n", fleet.namespace, "--for=condition=Stalled=False", "uwp/fleet", "--timeout=120s")
    kubectl("wait", "-n", fleet.namespace, "--for=condition=Ready=False", "uwp/fleet", "--timeout=120s")
    assert kubectl("diff", "-n", fleet.namespace, "-f", "-", stdin=body) == ""
    kubectl("apply", "-n", fleet.namespace, "--dry-run=server", "-f", "-", stdin=body.replace(":dev", ":2"))
    assert fleet.read()["spec"]["image"] == "utilitarian:dev"


def test_a_transition_time_moves_with_the_status_alone(fleet: Fleet) -> None:
    def condition(kind: str) -> Object:
        return next(it for it in fleet.status()["conditions"] if it["type"] == kind)

    fleet.create(None, pools=[WORK], beat=NO_BEAT)
    stalled(fleet, "False", "Accepted")
    before = condition("Stalled")
    generation = fleet.edit(priority=None, maxWorkers=9)["metadata"]["generation"]
    wait_until(lambda: condition("Stalled")["observedGeneration"] == generation, within=SOON, describe=fleet.describe)
    assert condition("Stalled")["lastTransitionTime"] == before["lastTransitionTime"]


def test_a_deleted_fleet_keeps_beats_claim_and_says_so(fleet: Fleet) -> None:
    fleet.create(None, pools=[WORK])
    made(fleet, "work")
    wait_until(lambda: objects(fleet, CLAIMS)["items"], within=SOON, describe=fleet.describe)
    fleet.delete()
    shown(fleet, "ClaimKept", "PersistentVolumeClaim fleet-beat is kept")
    wait_until(
        lambda: not fleet.deployment("work") and not fleet.beat() and not objects(fleet, BUDGETS)["items"],
        within=SOON,
        describe=fleet.describe,
    )
    assert [it["metadata"]["name"] for it in objects(fleet, CLAIMS)["items"]] == ["fleet-beat"]

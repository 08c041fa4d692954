"""The chart, installed by the real helm into a real API server: what it may do, what it may not, and what stays."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.chart import CHART, NAMESPACE, RELEASE, ChartRefusedError, helm, one, render
from tests.support.controlplane import ControlPlane
from tests.support.waiting import wait_until
from utilitarian_operator.api.names import FLEETS_LEASE, SALT

CRD = "utilitarianworkerpools.utilitarian.io"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:uo-utilitarian-operator"
MAY = (
    "watch utilitarian.io/utilitarianworkerpools",
    "patch utilitarian.io/utilitarianworkerpools:status",
    "create apps/deployments",
    "patch apps/deployments:scale",
    "delete apps/statefulsets",
    "list apps/controllerrevisions",
    "create policy/poddisruptionbudgets",
    "watch pods",
    "patch pods:status",
    "delete pods",
    "get secrets",
    "create persistentvolumeclaims",
    "create events.k8s.io/events",
    "patch events.k8s.io/events",
)
MAY_NOT = (
    "list secrets",
    "patch apps/controllerrevisions",
    "watch configmaps",
    "create utilitarian.io/utilitarianworkerpools",
    "patch utilitarian.io/utilitarianworkerpools",
    "delete utilitarian.io/utilitarianworkerpools",
    "delete persistentvolumeclaims",
    "create pods",
    "create pods:exec",
    "create serviceaccounts:token",
    "create rbac.authorization.k8s.io/roles",
    "patch coordination.k8s.io/leases",
    "update coordination.k8s.io/leases",
)
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}


def install(at: ControlPlane, values: dict[str, Any], *options: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(
        helm(
            *("upgrade", "--install", RELEASE, str(CHART), "--kubeconfig", str(at.kubeconfig)),
            *("--output", "json", "--reset-values", "--values", "-", *options),
            values=values,
        )
    )
    return answer


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of its own, without our CRD: bringing it is the chart's part."""
    with ControlPlane(tmp_path_factory.mktemp("chart")) as started:
        for name, labels in ((NAMESPACE, RESTRICTED), ("metering", {})):
            started.request("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
        yield started


def allowed(at: ControlPlane, verb: str, resource: str, namespace: str, name: str = "") -> bool:
    group, _, what = resource.rpartition("/")
    plural, _, subresource = what.partition(":")
    where = {"namespace": namespace, "name": name}
    attributes = {"verb": verb, "group": group, "resource": plural, "subresource": subresource, **where}
    review = at.request(
        "POST",
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        {"spec": {"user": ACCOUNT, "resourceAttributes": attributes}},
    )
    return bool(review["status"]["allowed"])


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"watchNamespaces": ["metering"], "replicas": 2, "dashboard": {"namespace": "metering"}},
        {"apiPriorityLevel": "workload-high"},
    ],
    ids=["defaults", "one namespace", "priority level"],
)
def test_no_field_is_unknown_to_the_api_server(cluster: ControlPlane, values: dict[str, Any]) -> None:
    for it in render(values):
        said = cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=json.dumps(it))
        assert said.rstrip().endswith("(server dry run)")


def test_the_pod_is_let_into_a_restricted_namespace(cluster: ControlPlane) -> None:
    pod = one(render({"serviceAccount": {"create": False, "name": "default"}}), "Deployment")["spec"]["template"]
    pod["metadata"]["name"] = "restricted"
    made = cluster.request("POST", f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All", pod)
    assert made["metadata"]["name"] == "restricted"


def test_the_resource_is_served_after_the_first_install(cluster: ControlPlane) -> None:
    assert install(cluster, {})["info"]["status"] == "deployed"
    cluster.kubectl("wait", "--for=condition=Established", f"crd/{CRD}", "--timeout=120s")
    assert cluster.kubectl("get", "uwp", "--all-namespaces", "--output=name") == ""


def test_the_notes_say_what_comes_next_and_what_an_uninstall_leaves(cluster: ControlPlane) -> None:
    notes = install(cluster, {"admission": {"enabled": True}})["info"]["notes"]
    for command in ("helm test uo", "create secret generic", "apply -f -", "kubectl get uwp -A"):
        assert command in notes
    left = notes.partition("An uninstall leaves")[2]
    for name in (SALT, FLEETS_LEASE, "Lease uo-utilitarian-operator", "Secret uo-utilitarian-operator-admission"):
        assert name in left


@pytest.mark.parametrize("values", [{}, {"watchNamespaces": ["metering"]}], ids=["all namespaces", "one namespace"])
def test_the_operator_may_run_a_fleet_and_do_nothing_else(cluster: ControlPlane, values: dict[str, Any]) -> None:
    install(cluster, values)
    assert [what for what in MAY if not allowed(cluster, *what.split(), "metering")] == []
    assert [what for what in MAY_NOT if allowed(cluster, *what.split(), "metering")] == []
    assert allowed(cluster, "patch", "coordination.k8s.io/leases", NAMESPACE, name=ACCOUNT.rpartition(":")[2])
    assert allowed(cluster, "patch", "coordination.k8s.io/leases", "metering", name=FLEETS_LEASE)
    assert not allowed(cluster, "patch", "coordination.k8s.io/leases", NAMESPACE, name="of-another")


SOON = timedelta(seconds=20)
REVIEWED = Path(__file__).with_name("reviewed_rights.txt")
SCOPES: dict[str, dict[str, Any]] = {
    "all namespaces": {},
    "one namespace": {"watchNamespaces": ["metering"]},
    "one namespace, webhook": {"watchNamespaces": ["metering"], "admission": {"enabled": True}},
    "secrets by name and namespace": {"rbac": {"secrets": {"names": ["utilitarian-env"], "namespaces": ["metering"]}}},
}


def test_the_rights_are_those_that_were_reviewed(cluster: ControlPlane, request: pytest.FixtureRequest) -> None:
    """As `kubectl auth can-i --list` tells them; a change of the file is a change of what the operator may do."""
    update, reviewed = request.config.getoption("--update-golden"), REVIEWED.read_text().split("\n\n")
    found, everybodys = [], rights(cluster, "system:serviceaccount:default:none", "default")
    for number, (scope, values) in enumerate(SCOPES.items()):
        install(cluster, values)
        wanted = [it.strip() for it in reviewed[number * 3 : number * 3 + 3]]

        def lists(scope: str = scope) -> list[str]:
            own = {
                name: sorted(rights(cluster, ACCOUNT, name) - everybodys) for name in (NAMESPACE, "metering", "default")
            }
            return ["\n".join((f"# {scope}: in {name}", *lines)) for name, lines in own.items()]

        if not update:  # the API server takes a moment to know new roles
            wait_until(lambda lists=lists, wanted=wanted: lists() == wanted, within=SOON, describe=lists)
        found += lists()
    if update:
        REVIEWED.write_text("\n\n".join(found) + "\n")
    assert "\n\n".join(found) + "\n" == REVIEWED.read_text()


def rights(cluster: ControlPlane, who: str, namespace: str) -> set[str]:
    """What somebody may do in a namespace: a line a resource, name and verb, however the rules are put together."""
    text = cluster.kubectl("auth", "can-i", "--list", "--no-headers", "--as", who, "-n", namespace)
    lines = [(what, verbs.rstrip("]").split()) for what, _, verbs in (it.rpartition("[") for it in text.splitlines())]
    return {f"{' '.join(what.split())} {verb}" for what, verbs in lines for verb in verbs}


def test_a_definition_that_was_applied_by_hand_can_be_taken_over(cluster: ControlPlane) -> None:
    install(cluster, {})
    helm("uninstall", RELEASE, "--kubeconfig", str(cluster.kubeconfig), "--wait")
    cluster.kubectl("delete", "crd", CRD)
    cluster.kubectl("apply", "--server-side", "-f", str(CHART / "files" / "crds"))
    with pytest.raises(ChartRefusedError, match="ownership"):
        install(cluster, {})
    install(cluster, {}, "--take-ownership")
    labels = json.loads(cluster.kubectl("get", "crd", CRD, "--output=json"))["metadata"]["labels"]
    assert labels["app.kubernetes.io/managed-by"] == "Helm"


def test_rights_end_at_the_namespaces_named(cluster: ControlPlane) -> None:
    install(cluster, {"watchNamespaces": ["metering"]})
    assert not allowed(cluster, "get", "secrets", "default")
    assert not allowed(cluster, "list", "utilitarian.io/utilitarianworkerpools", "")
    assert not allowed(cluster, "list", "namespaces", "")


def test_installing_twice_changes_no_object(cluster: ControlPlane) -> None:
    def versions() -> dict[str, str]:
        found = cluster.kubectl("get", "deployments,roles,services,configmaps", "-n", NAMESPACE, "--output=json")
        items = [it for it in json.loads(found)["items"] if it["kind"] != "Deployment"]
        # A Deployment's status moves on by itself; its spec is told by the generation.
        made = {f"{it['kind']}/{it['metadata']['name']}": it["metadata"]["resourceVersion"] for it in items}
        deployment = one(json.loads(found)["items"], "Deployment")
        return {**made, "Deployment": str(deployment["metadata"]["generation"])}

    install(cluster, {})
    before = versions()
    install(cluster, {})
    assert versions() == before


def test_the_definition_and_the_fleets_survive_an_uninstall(cluster: ControlPlane) -> None:
    install(cluster, {})
    helm("uninstall", RELEASE, "--kubeconfig", str(cluster.kubeconfig), "--wait")
    assert cluster.kubectl("get", "crd", CRD, "--output=name").strip().endswith(CRD)
    assert cluster.kubectl("get", "deployments", "-n", NAMESPACE, "--output=name") == ""
    # And the next release takes over the definition it finds.
    install(cluster, {})

"""What the chart makes of its values, rendered by the real helm."""

import json
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.chart import CHART, NAMESPACE, ChartRefusedError, Object, helm, kinds, one, render
from tests.support.chart_readme import README, readme, undescribed_values
from tests.support.chart_schema import SCHEMA, schema
from tests.support.dashboard import dashboards
from utilitarian_operator.api.names import FLEETS_LEASE, SALT
from utilitarian_operator.api.validation.pod_security import EVERYTHING
from utilitarian_operator.api.validation.resource_rules import accept

PLAIN = [
    *["ClusterRole"] * 3,
    "ClusterRoleBinding",
    *["ConfigMap"] * 4,
    "CustomResourceDefinition",
    "Deployment",
    "Pod",
    "Role",
    "RoleBinding",
    "Service",
    "ServiceAccount",
]

FLEET_RIGHTS = {
    ("utilitarian.io", "utilitarianworkerpools"): "get list watch",
    ("utilitarian.io", "utilitarianworkerpools/status"): "get patch",
    ("utilitarian.io", "utilitarianworkerpools/finalizers"): "update",
    ("apps", "deployments"): "get list watch create patch delete",
    ("apps", "statefulsets"): "get list watch create patch delete",
    ("apps", "deployments/scale"): "get patch",
    ("apps", "controllerrevisions"): "list create delete",
    ("policy", "poddisruptionbudgets"): "get list watch create patch delete",
    ("autoscaling", "horizontalpodautoscalers"): "list",
    ("", "pods"): "get list watch patch delete",
    ("", "pods/status"): "patch",
    ("", "pods/log"): "get",
    ("metrics.k8s.io", "pods"): "get list",
    ("", "secrets"): "get",
    ("", "configmaps"): "get",
    ("", "persistentvolumeclaims"): "get create",
    ("", "events"): "create patch list",
    ("events.k8s.io", "events"): "create patch",
    ("coordination.k8s.io", "leases"): "create get patch",
}
LEADERSHIP_RIGHTS = {("coordination.k8s.io", "leases"): "create get patch", ("", "secrets"): "create get"}


@cache
def default() -> list[Object]:
    return render()


def rights(role: Object) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], list[str]] = {}
    for rule in role["rules"]:
        for group, resource in product(rule["apiGroups"], rule["resources"]):
            found.setdefault((group, resource), []).extend(rule["verbs"])
    return {what: " ".join(verbs) for what, verbs in found.items()}


def pod(objects: list[Object]) -> dict[str, Any]:
    spec: dict[str, Any] = one(objects, "Deployment")["spec"]["template"]["spec"]
    return spec


def container(objects: list[Object]) -> dict[str, Any]:
    (only,) = pod(objects)["containers"]
    found: dict[str, Any] = only
    return found


def test_defaults_make_one_operator_and_what_it_needs() -> None:
    assert kinds(default()) == PLAIN
    deployment = one(default(), "Deployment", "uo-utilitarian-operator")
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert container(default())["image"] == "utilitarian-operator:0.1.0"
    namespaced = [
        it for it in default() if it["kind"] not in {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}
    ]
    assert {it["metadata"]["namespace"] for it in namespaced} == {NAMESPACE}


SNAPSHOT = Path(__file__).with_name("defaults.yaml")


def test_the_defaults_are_the_agreed_ones(request: pytest.FixtureRequest) -> None:
    """All but the definition and the dashboards, which are files of their own."""
    made = [it for it in default() if it["kind"] not in {"CustomResourceDefinition", "ConfigMap"}]
    text = yaml.safe_dump_all(made, sort_keys=True)
    if request.config.getoption("--update-golden"):
        SNAPSHOT.write_text(text)
    assert text == SNAPSHOT.read_text(), "if this is meant: pytest tests/unit/chart --update-golden"


def test_the_chart_passes_helms_own_lint() -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), "--kube-version", "1.34.4")


def test_the_command_line_is_the_operators() -> None:
    objects = render({"watchNamespaces": ["metering", "staging"], "tick": "500ms", "metrics": {"port": 9090}})
    assert container(objects)["args"] == [
        *("run", "--namespace", "metering", "--namespace", "staging"),
        *("--lease", "uo-utilitarian-operator", "--tick", "500ms", "--metrics-port", "9090", "--health-port", "8081"),
    ]
    assert "command" not in container(objects)


@pytest.mark.parametrize("hour", ["0.05", "cpu=0.03,memory=0.004"])
def test_a_price_reaches_the_operator(hour: str) -> None:
    arguments = container(render({"price": {"hour": hour, "currency": "EUR"}}))["args"]
    assert [word for option, word in pairwise(arguments) if option in {"--price", "--currency"}] == [hour, "EUR"]
    assert "--price" not in container(default())["args"]


def test_where_traces_go_reaches_the_operator() -> None:
    arguments = container(render({"tracing": {"endpoint": "http://collector:4318"}}))["args"]
    assert "http://collector:4318" in [word for option, word in pairwise(arguments) if option == "--traces-endpoint"]
    assert "--traces-endpoint" not in container(default())["args"]


def test_what_pods_may_ask_for_reaches_the_operator() -> None:
    allowed = {"allow": ["hostPath"], "namespaces": {"metering": ["sysctls", "privileged"]}}
    arguments = container(render({"podSecurity": allowed}))["args"]
    words = [word for option, word in pairwise(arguments) if option == "--allow"]
    assert words == ["hostPath", "metering/sysctls", "metering/privileged"]
    assert "--allow" not in container(default())["args"]


def test_what_can_be_allowed_is_what_the_operator_knows() -> None:
    found = json.loads(SCHEMA.read_text())["properties"]["podSecurity"]["properties"]
    assert set(found["allow"]["items"]["enum"]) == EVERYTHING
    assert set(found["namespaces"]["additionalProperties"]["items"]["enum"]) == EVERYTHING
    security = (CHART.parents[1] / "docs" / "security.md").read_text()
    values = (CHART / "values.yaml").read_text()
    assert [name for name in EVERYTHING if f"`{name}`" not in security or f"`{name}`" not in values] == []


def test_the_pod_meets_the_restricted_profile() -> None:
    assert pod(default())["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container(default())["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert all(set(volume) <= {"name", "emptyDir"} for volume in pod(default())["volumes"])


@pytest.mark.parametrize(
    "probe, path", [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")]
)
def test_probes_ask_for_the_operators_own_health(probe: str, path: str) -> None:
    assert container(default())[probe]["httpGet"] == {"path": path, "port": "health"}
    ports = {port["name"]: port["containerPort"] for port in container(default())["ports"]}
    assert ports == {"metrics": 8080, "health": 8081}


def test_all_namespaces_need_a_cluster_role_and_no_more_than_this() -> None:
    of_the_cluster = {("storage.k8s.io", "storageclasses"): "list", ("storage.k8s.io", "csidrivers"): "list"}
    assert rights(one(default(), "ClusterRole", OPERATOR)) == FLEET_RIGHTS | of_the_cluster
    assert rights(one(default(), "Role")) == LEADERSHIP_RIGHTS


def test_namespaces_may_be_chosen_by_their_labels() -> None:
    objects = render({"namespaceSelector": "utilitarian.io/shard=a"})
    more = (
        rights(one(objects, "ClusterRole", OPERATOR)).items() - rights(one(default(), "ClusterRole", OPERATOR)).items()
    )
    assert dict(more) == {("", "namespaces"): "list watch"}
    args = container(objects)["args"]
    assert args[args.index("--namespace-selector") + 1] == "utilitarian.io/shard=a"
    assert "--namespace-selector" not in container(default())["args"]


def test_only_the_operators_own_lease_can_be_touched() -> None:
    create, rest, _, salt = one(default(), "Role")["rules"]
    assert create["verbs"] == ["create"]
    assert rest["resourceNames"] == ["uo-utilitarian-operator"]
    of_fleets = [it for it in one(default(), "ClusterRole", OPERATOR)["rules"] if it["resources"] == ["leases"]]
    assert [it.get("resourceNames") for it in of_fleets] == [None, [FLEETS_LEASE]]
    assert (salt["resourceNames"], salt["verbs"]) == ([SALT], ["get"])


def test_a_network_policy_leaves_the_two_ports_open() -> None:
    scrapers = [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]
    policy = one(render({"networkPolicy": {"enabled": True, "metricsFrom": scrapers}}), "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    labels = one(default(), "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    metrics, health = policy["ingress"]
    assert metrics == {"ports": [{"port": "metrics", "protocol": "TCP"}], "from": scrapers}
    assert health == {"ports": [{"port": "health", "protocol": "TCP"}]}


OPERATOR = f"{NAMESPACE}.uo-utilitarian-operator"
ADMISSION = "uo-utilitarian-operator-admission"
DIGEST = f"sha256:{'0' * 64}"


def test_the_webhook_never_stands_in_the_way_and_leads_to_the_operator() -> None:
    objects = render({"admission": {"enabled": True}, "networkPolicy": {"enabled": True}})
    found = one(objects, "ValidatingWebhookConfiguration", f"{NAMESPACE}.{ADMISSION}")
    (webhook,) = found["webhooks"]
    assert (webhook["failurePolicy"], webhook["timeoutSeconds"], webhook["sideEffects"]) == ("Ignore", 3, "None")
    assert webhook["clientConfig"] == {
        "service": {"name": ADMISSION, "namespace": NAMESPACE, "path": "/validate", "port": 443}
    }
    assert "namespaceSelector" not in webhook
    service = one(objects, "Service", ADMISSION)["spec"]
    assert service["ports"][0]["targetPort"] in {port["name"] for port in container(objects)["ports"]}
    assert service["selector"].items() <= one(objects, "Deployment")["spec"]["template"]["metadata"]["labels"].items()
    arguments = " ".join(container(objects)["args"])
    assert f"--admission {NAMESPACE}/{ADMISSION} --admission-name {ADMISSION}.{NAMESPACE}.svc" in arguments
    assert f"--admission-configuration {NAMESPACE}.{ADMISSION} --admission-port 9443" in arguments
    assert {"ports": [{"port": "admission", "protocol": "TCP"}]} in one(objects, "NetworkPolicy")["spec"]["ingress"]


def test_the_webhook_may_write_its_secret_and_whom_to_trust_and_nothing_else() -> None:
    objects = render({"admission": {"enabled": True}})
    named, create = one(objects, "Role", ADMISSION)["rules"]
    assert (named["resourceNames"], named["verbs"]) == ([ADMISSION], ["get", "patch"])
    assert (create["resources"], create["verbs"]) == (["secrets"], ["create"])
    (trust,) = one(objects, "ClusterRole", f"{NAMESPACE}.{ADMISSION}")["rules"]
    assert (trust["resourceNames"], trust["verbs"]) == ([f"{NAMESPACE}.{ADMISSION}"], ["get", "patch"])


def test_cert_manager_may_make_the_certificate() -> None:
    issuer = {"name": "internal", "kind": "ClusterIssuer"}
    objects = render({"admission": {"enabled": True, "certManager": {"enabled": True, "issuerRef": issuer}}})
    certificate = one(objects, "Certificate", ADMISSION)["spec"]
    assert certificate["dnsNames"] == [f"{ADMISSION}.{NAMESPACE}.svc"]
    assert certificate["issuerRef"] == issuer
    assert "Issuer" not in kinds(objects)
    webhook = one(objects, "ValidatingWebhookConfiguration")
    assert webhook["metadata"]["annotations"] == {"cert-manager.io/inject-ca-from": f"{NAMESPACE}/{ADMISSION}"}
    assert "--admission-configuration" not in container(objects)["args"]
    assert [rule["verbs"] for rule in one(objects, "Role", ADMISSION)["rules"]] == [["get"]]
    own = render({"admission": {"enabled": True, "certManager": {"enabled": True}}})
    assert one(own, "Issuer", ADMISSION)["spec"] == {"selfSigned": {}}
    assert one(own, "Certificate")["spec"]["issuerRef"] == {"name": ADMISSION, "kind": "Issuer"}


def test_the_webhook_is_asked_of_the_watched_namespaces_alone() -> None:
    objects = render({"admission": {"enabled": True}, "watchNamespaces": ["metering"]})
    (webhook,) = one(objects, "ValidatingWebhookConfiguration")["webhooks"]
    (selector,) = webhook["namespaceSelector"]["matchExpressions"]
    assert selector == {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["metering"]}


@pytest.mark.parametrize(
    "selector, asked",
    [
        ("utilitarian.io/shard=a", [("utilitarian.io/shard", "In", ["a"])]),
        ("a == b", [("a", "In", ["b"])]),
        ("a!=b", [("a", "NotIn", ["b"])]),
        ("a=", [("a", "In", [""])]),
        ("a", [("a", "Exists", None)]),
        ("! a", [("a", "DoesNotExist", None)]),
        (
            "in.x/notin in (in, 1 ),!b , c notin(d),e!=",
            [
                ("in.x/notin", "In", ["in", "1"]),
                ("b", "DoesNotExist", None),
                ("c", "NotIn", ["d"]),
                ("e", "NotIn", [""]),
            ],
        ),
        ("a in ()", [("a", "In", [""])]),
        (" a in (b) , c notin (d) ,e ", [("a", "In", ["b"]), ("c", "NotIn", ["d"]), ("e", "Exists", None)]),
        ("a in (b) ", [("a", "In", ["b"])]),
    ],
)
def test_the_webhook_is_asked_of_the_namespaces_that_labels_choose_alone(selector: str, asked: list[Any]) -> None:
    """That of another release may let its pods ask for more: it would be refused there what its own operator allows."""
    objects = render({"admission": {"enabled": True}, "namespaceSelector": selector})
    (webhook,) = one(objects, "ValidatingWebhookConfiguration")["webhooks"]
    found = webhook["namespaceSelector"]["matchExpressions"]
    assert [(it["key"], it["operator"], it.get("values")) for it in found] == asked


def test_named_namespaces_need_no_right_outside_them() -> None:
    objects = render({"watchNamespaces": ["metering", "staging"]})
    roles = {
        (it["metadata"]["namespace"], it["metadata"]["name"]): rights(it) for it in objects if it["kind"] == "Role"
    }
    assert roles == {
        ("metering", "utilitarian-system.uo-utilitarian-operator"): FLEET_RIGHTS,
        ("staging", "utilitarian-system.uo-utilitarian-operator"): FLEET_RIGHTS,
        (NAMESPACE, "uo-utilitarian-operator-leadership"): LEADERSHIP_RIGHTS,
    }
    assert not {"ClusterRole", "ClusterRoleBinding"} & set(kinds(objects))


def for_people(role: Object) -> bool:
    return any("/aggregate-to-" in label for label in role["metadata"]["labels"])


def test_who_may_view_or_edit_a_namespace_may_do_so_with_its_fleets() -> None:
    view, edit = (one(default(), "ClusterRole", f"{OPERATOR}.{role}") for role in ("view", "edit"))
    assert rights(view) == {
        ("utilitarian.io", "utilitarianworkerpools"): "get list watch",
        ("coordination.k8s.io", "leases"): "get",
    }
    assert [it.get("resourceNames") for it in view["rules"]] == [None, [FLEETS_LEASE]]
    assert rights(edit) == {("utilitarian.io", "utilitarianworkerpools"): "create update patch delete deletecollection"}
    to = "rbac.authorization.k8s.io/aggregate-to-"
    assert [role for role in ("view", "edit", "admin") if f"{to}{role}" in view["metadata"]["labels"]] == [
        *("view", "edit", "admin")
    ]
    assert f"{to}view" not in edit["metadata"]["labels"]
    for values in ({"rbac": {"aggregate": False}}, {"watchNamespaces": ["metering"]}):
        assert [it for it in render(values) if it["kind"] == "ClusterRole" and for_people(it)] == []


def test_secrets_may_be_given_by_name_and_by_namespace() -> None:
    named = one(render({"rbac": {"secrets": {"names": ["env"]}}}), "ClusterRole", OPERATOR)
    assert [rule["resourceNames"] for rule in named["rules"] if "secrets" in rule["resources"]] == [["env"]]
    objects = render({"rbac": {"secrets": {"names": ["env"], "namespaces": ["metering"]}}})
    assert ("", "secrets") not in rights(one(objects, "ClusterRole", OPERATOR))
    there = one(objects, "Role", f"{OPERATOR}.secrets")
    assert (there["metadata"]["namespace"], rights(there)) == ("metering", {("", "secrets"): "get"})
    assert there["rules"][0]["resourceNames"] == ["env"]
    assert one(objects, "RoleBinding", f"{OPERATOR}.secrets")["roleRef"]["name"] == f"{OPERATOR}.secrets"


@pytest.mark.parametrize(
    "values,made",
    [
        ({}, set()),
        ({"admission": {"enabled": True, "certManager": {"enabled": True}}}, {"ValidatingWebhookConfiguration"}),
        (
            {"admission": {"enabled": True}},
            {"ValidatingWebhookConfiguration", "ClusterRole", "ClusterRoleBinding"},
        ),
    ],
    ids=["nothing", "webhook-by-cert-manager", "webhook-and-the-right-to-say-whom-it-trusts"],
)
def test_named_namespaces_make_nothing_of_the_cluster_that_is_not_asked_for(
    values: dict[str, Any], made: set[str]
) -> None:
    objects = render({"watchNamespaces": ["metering"], "crds": {"enabled": False}, **values})
    assert {kind for kind, _ in _of_the_cluster(objects)} == made


@pytest.mark.parametrize("watched", [[], ["metering"]], ids=["all namespaces", "one namespace"])
def test_every_role_is_bound_to_the_account_of_the_pod(watched: list[str]) -> None:
    objects = render({"watchNamespaces": watched})
    account = {"kind": "ServiceAccount", "name": pod(objects)["serviceAccountName"], "namespace": NAMESPACE}
    bindings = [it for it in objects if it["kind"].endswith("RoleBinding")]
    assert all(binding["subjects"] == [account] for binding in bindings)
    roles = [it for it in objects if it["kind"] in {"Role", "ClusterRole"} and not for_people(it)]
    bound = {(it["roleRef"]["kind"], it["roleRef"]["name"], it["metadata"].get("namespace")) for it in bindings}
    assert bound == {(it["kind"], it["metadata"]["name"], it["metadata"].get("namespace")) for it in roles}


def test_nothing_uses_a_wildcard_or_reads_all_secrets() -> None:
    for role in (it for it in default() if it["kind"] in {"Role", "ClusterRole"}):
        assert "*" not in json.dumps(role["rules"])
        named = [rule for rule in role["rules"] if "secrets" in rule["resources"] and "resourceNames" not in rule]
        assert [verb for rule in named for verb in rule["verbs"] if verb not in ("get", "create")] == []


def test_the_definition_is_the_generated_file_kept_on_uninstall() -> None:
    found = one(default(), "CustomResourceDefinition", "utilitarianworkerpools.utilitarian.io")
    (file,) = (CHART / "files/crds").glob("*.yaml")
    assert found["spec"] == yaml.safe_load(file.read_text())["spec"]
    assert found["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_definition_may_go_with_the_release_or_be_left_out() -> None:
    going = one(render({"crds": {"keep": False}}), "CustomResourceDefinition")
    assert "helm.sh/resource-policy" not in going["metadata"].get("annotations", {})
    assert "CustomResourceDefinition" not in kinds(render({"crds": {"enabled": False}}))


@pytest.mark.parametrize("uid", dashboards())
def test_a_dashboard_reaches_grafana_unchanged(uid: str) -> None:
    found = one(default(), "ConfigMap", f"uo-utilitarian-operator-dashboard-{uid.removeprefix('utilitarian-')}")
    assert json.loads(found["data"][f"{uid}.json"]) == dashboards()[uid]
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_dashboards_lead_to_where_people_read_the_runbooks() -> None:
    found = [it for it in render({"metrics": {"prometheusRule": {"runbooks": "https://wiki/ours/"}}}) if "data" in it]
    boards = [json.loads(text) for it in found for name, text in it["data"].items() if name.startswith("utilitarian-")]
    led_to = [link["url"] for board in boards for link in board["links"] if link["title"] == "Runbooks"]
    assert led_to == ["https://wiki/ours/README.md"] * len(dashboards())


def test_without_dashboards_there_is_no_config_map() -> None:
    assert "ConfigMap" not in kinds(render({"dashboard": {"enabled": False}}))


def test_dashboards_may_live_where_grafana_looks() -> None:
    values = {"dashboard": {"namespace": "grafana", "annotations": {"grafana_folder": "Work"}}}
    found = [it for it in render(values) if it["kind"] == "ConfigMap"]
    assert len(found) == len(dashboards())
    assert {it["metadata"]["namespace"] for it in found} == {"grafana"}
    assert [it["metadata"]["annotations"] for it in found] == [{"grafana_folder": "Work"}] * len(found)


def test_dashboards_of_two_releases_may_live_in_one_namespace() -> None:
    both = [render({"dashboard": {"namespace": "monitoring"}}, namespace=it) for it in ("one", "two")]
    first, second = ({it["metadata"]["name"] for it in made if it["kind"] == "ConfigMap"} for made in both)
    assert len(first) == len(second) > 0
    assert first & second == set()


def test_the_metrics_service_finds_the_operators_pods() -> None:
    service = one(default(), "Service")
    labels = one(default(), "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert service["spec"]["ports"] == [{"name": "metrics", "port": 8080, "targetPort": "metrics", "protocol": "TCP"}]
    assert "Service" not in kinds(render({"metrics": {"service": {"enabled": False}}}))


@pytest.mark.parametrize(
    "value, kind, endpoints",
    [("serviceMonitor", "ServiceMonitor", "endpoints"), ("podMonitor", "PodMonitor", "podMetricsEndpoints")],
)
def test_a_monitor_keeps_the_fleets_own_namespace(value: str, kind: str, endpoints: str) -> None:
    objects = render({"metrics": {value: {"enabled": True, "interval": "5s", "labels": {"release": "prom"}}}})
    monitor = one(objects, kind)
    (endpoint,) = monitor["spec"][endpoints]
    assert endpoint == {"port": "metrics", "path": "/metrics", "interval": "5s", "honorLabels": True}
    assert monitor["metadata"]["labels"]["release"] == "prom"
    assert kinds(objects) == sorted([*PLAIN, kind])


def test_a_rule_object_holds_the_alerts() -> None:
    found = one(render({"metrics": {"prometheusRule": {"enabled": True}}}), "PrometheusRule")
    assert found["spec"] == yaml.safe_load((CHART / "files/alerts.yaml").read_text())


def test_runbooks_are_linked_to_where_people_read_them() -> None:
    values = {"enabled": True, "runbooks": "https://git.example.com/operator/docs/runbooks/"}
    spec = one(render({"metrics": {"prometheusRule": values}}), "PrometheusRule")["spec"]
    links = {it["alert"]: it["annotations"]["runbook_url"] for it in spec["groups"][0]["rules"] if "alert" in it}
    assert links
    assert links == {name: f"https://git.example.com/operator/docs/runbooks/{name}.md" for name in links}


def test_helms_own_test_asks_the_service_with_no_more_rights_than_the_operator() -> None:
    asks = one(default(), "Pod")
    assert asks["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert asks["spec"]["automountServiceAccountToken"] is False
    [test], service = asks["spec"]["containers"], one(default(), "Service")
    assert test["command"][-1] == f"http://{service['metadata']['name']}:8080/metrics"
    assert (test["image"], test["securityContext"]) == (
        container(default())["image"],
        container(default())["securityContext"],
    )
    selector = one(default(), "Deployment")["spec"]["selector"]["matchLabels"]
    assert not selector.items() <= asks["metadata"]["labels"].items()
    assert "Pod" not in kinds(render({"metrics": {"service": {"enabled": False}}}))


def test_artifact_hub_is_told_of_this_version() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    told = {name.removeprefix("artifacthub.io/"): text for name, text in about["annotations"].items()}
    [image] = yaml.safe_load(told["images"])
    assert image["image"] == container(default())["image"]
    [definition] = yaml.safe_load(told["crds"])
    assert definition["name"] == one(default(), "CustomResourceDefinition")["metadata"]["name"]
    for example in yaml.safe_load(told["crdsExamples"]):
        assert accept(example).spec.image


def test_a_stand_by_is_rolled_spread_and_kept_and_a_lone_operator_replaced() -> None:
    objects = render({"replicas": 2})
    deployment, budget = one(objects, "Deployment")["spec"], one(objects, "PodDisruptionBudget")["spec"]
    assert deployment["strategy"] == {"type": "RollingUpdate"}
    [spread] = pod(objects)["topologySpreadConstraints"]
    assert (spread["topologyKey"], spread["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "ScheduleAnyway")
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == spread["labelSelector"] == deployment["selector"]
    assert "PodDisruptionBudget" not in kinds(render({"replicas": 2, "podDisruptionBudget": {"enabled": False}}))
    assert "topologySpreadConstraints" not in pod(default())


def test_a_priority_level_is_for_the_account_of_the_pod_alone() -> None:
    assert "FlowSchema" not in kinds(default())
    objects = render({"apiPriorityLevel": "workload-high"})
    spec = one(objects, "FlowSchema")["spec"]
    assert spec["priorityLevelConfiguration"] == {"name": "workload-high"}
    [rule] = spec["rules"]
    [subject] = rule["subjects"]
    assert subject["serviceAccount"] == {"name": pod(objects)["serviceAccountName"], "namespace": NAMESPACE}


def test_a_digest_takes_the_place_of_the_tag() -> None:
    image = {"repository": "registry.example:5000/op", "tag": "1", "digest": DIGEST}
    assert container(render({"image": image}))["image"] == f"registry.example:5000/op@{DIGEST}"


def test_keys_that_the_operator_writes_for_a_moment_stay_in_memory() -> None:
    assert pod(default())["volumes"] == [{"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}]


def test_more_objects_come_with_the_release() -> None:
    more = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "{{ .Release.Name }}-more"}}
    assert one(render({"extraObjects": [more]}), "Secret")["metadata"]["name"] == "uo-more"


RELEASES = ["uo", "a" * 53, "a.b", "1st", "1" * 53, "utilitarian-operator"]
SERVICE = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.thorough
def test_every_release_has_names_that_kubernetes_takes(release: str) -> None:
    objects = render({"admission": {"enabled": True}, "replicas": 2}, release=release)
    services = [it["metadata"]["name"] for it in objects if it["kind"] == "Service"]
    assert len(set(services)) == 2
    assert [name for name in services if not SERVICE.fullmatch(name)] == []
    labels = [value for it in objects for value in it["metadata"].get("labels", {}).values()]
    assert max(map(len, labels)) <= 63
    assert max(len(it["metadata"]["name"]) for it in objects) <= 253


@pytest.mark.parametrize("name", ["null", "123", "on"])
def test_a_name_that_yaml_reads_as_something_else_stays_a_name(name: str) -> None:
    """A namespace may be called `123`; of one called `null` the rights were given in the release's own."""
    values = {
        "watchNamespaces": [name],
        "fullnameOverride": name,
        "priorityClassName": name,
        "apiPriorityLevel": name,
        "dashboard": {"namespace": name},
        "admission": {"enabled": True},
        "networkPolicy": {"enabled": True},
        "replicas": 2,
        "metrics": {"podMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}},
    }
    everywhere = {"rbac": {"secrets": {"namespaces": [name]}}, "serviceAccount": {"name": name}}
    for objects in (render(values, namespace=name), render(everywhere, namespace=name)):
        assert [it for made in objects for it in _no_texts(made)] == []


NAMES = {"name", "namespace", "namespaces", "priorityClassName", "serviceAccountName", "resourceNames", "args"}


def _no_texts(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """What stands where a name should, and is no text."""
    if isinstance(value, dict) and value.get("kind") != "CustomResourceDefinition":
        for inner, it in value.items():
            yield from _no_texts(it, inner)
    elif isinstance(value, list):
        for it in value:
            yield from _no_texts(it, key)
    elif key in NAMES and not isinstance(value, str | dict):
        yield key, value


def test_no_two_releases_have_the_same_name_of_something_of_the_cluster() -> None:
    values = {"admission": {"enabled": True}, "crds": {"enabled": False}, "apiPriorityLevel": "workload-high"}
    first = render({**values, "fullnameOverride": "c-d"}, namespace="a-b")
    second = render({**values, "fullnameOverride": "b-c-d"}, namespace="a")
    assert _of_the_cluster(first) & _of_the_cluster(second) == set()
    assert {kind for kind, _ in _of_the_cluster(first)} == {
        *("ClusterRole", "ClusterRoleBinding", "FlowSchema", "ValidatingWebhookConfiguration")
    }


def _of_the_cluster(objects: list[Object]) -> set[tuple[str, str]]:
    return {(it["kind"], it["metadata"]["name"]) for it in objects if "namespace" not in it["metadata"]}


def test_what_a_pod_needs_to_be_placed_is_passed_on() -> None:
    values = {
        "image": {"repository": "registry.example/op", "tag": "dev", "pullPolicy": "Never"},
        "imagePullSecrets": [{"name": "pull.from.registry"}],
        "topologySpreadConstraints": [{"maxSkew": 2}],
        "podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None},
        "containerSecurityContext": {"runAsUser": 1000},
        "nodeSelector": {"pool": "system"},
        "tolerations": [{"key": "system", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "system-cluster-critical",
        "podLabels": {"team": "metering", "app.kubernetes.io/name": "not-ours-to-change"},
        "podAnnotations": {"a": "b"},
        "resources": {"requests": {"cpu": 1, "memory": "1Gi"}},
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy"}],
        "logLevel": "DEBUG",
        "logFormat": "json",
        "serviceAccount": {"create": False, "name": "mine"},
    }
    objects = render(values)
    spec = pod(objects)
    placed = ("imagePullSecrets", "nodeSelector", "tolerations", "affinity", "priorityClassName")
    for key in (*placed, "topologySpreadConstraints"):
        assert spec[key] == values[key]
    assert spec["serviceAccountName"] == "mine"
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert "ServiceAccount" not in kinds(objects)
    run = container(objects)
    assert (run["securityContext"]["runAsUser"], run["securityContext"]["readOnlyRootFilesystem"]) == (1000, True)
    assert (run["image"], run["imagePullPolicy"]) == ("registry.example/op:dev", "Never")
    assert run["resources"] == {"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"memory": "512Mi"}}
    env = {it["name"]: it.get("value") for it in run["env"]}
    assert env["HTTPS_PROXY"] == "http://proxy"
    assert (env["UTILITARIAN_OPERATOR_LOG_LEVEL"], env["UTILITARIAN_OPERATOR_LOG_FORMAT"]) == ("DEBUG", "json")


def test_a_pod_label_never_takes_the_pod_from_its_deployment() -> None:
    template = one(render({"podLabels": {"app.kubernetes.io/name": "other"}}), "Deployment")["spec"]
    assert template["selector"]["matchLabels"].items() <= template["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize(
    "values, says",
    [
        ({"imge": {"tag": "1"}}, "'imge' not allowed"),
        ({"metrics": {"serviceMonitor": {"enable": True}}}, "'enable' not allowed"),
        ({"replicas": -1}, "/replicas"),
        ({"replicas": "two"}, "/replicas"),
        ({"tick": "1"}, "/tick"),
        ({"tick": "99ms"}, "/tick"),
        ({"tick": "5m"}, "/tick"),
        ({"logLevel": "LOUD"}, "/logLevel"),
        ({"watchNamespaces": ["Not A Name"]}, "/watchNamespaces/0"),
        ({"watchNamespaces": ["twice", "twice"]}, "/watchNamespaces"),
        ({"watchNamespaces": "metering"}, "/watchNamespaces"),
        ({"metrics": {"port": 8081}}, "metrics.port: 8081 is the port of health: choose another"),
        ({"admission": {"enabled": True, "port": 8081}}, "admission.port: 8081 is taken by metrics or health"),
        ({"admission": {"enabled": True, "port": 9000}, "metrics": {"port": 9000}}, "admission.port: 9000 is taken"),
        ({"extraEnv": [{"name": "POD_NAME", "value": "one"}]}, "/extraEnv/0/name"),
        ({"extraEnv": [{"name": "UTILITARIAN_OPERATOR_TICK", "value": "5m"}]}, "/extraEnv/0/name"),
        ({"image": {"repository": f"registry.example:5000/op@{DIGEST}"}}, "write it to image.tag or image.digest"),
        ({"image": {"repository": "registry.example:5000/op:1"}}, "write it to image.tag or image.digest"),
        ({"image": {"digest": "sha256:abc"}}, "/image/digest"),
        ({"fullnameOverride": "with.dots"}, "/fullnameOverride"),
        ({"nameOverride": "with.dots"}, "/nameOverride"),
        ({"watchNamespaces": ["a"], "namespaceSelector": "a=b"}, "namespaceSelector: watchNamespaces names"),
        ({"namespaceSelector": "a;b"}, "/namespaceSelector"),
        ({"watchNamespaces": ["a"], "rbac": {"secrets": {"namespaces": ["a"]}}}, "rbac.secrets.namespaces: with"),
        ({"imagePullSecrets": [{"name": "-"}]}, "/imagePullSecrets/0/name"),
        ({"podSecurity": {"allow": ["hostpath"]}}, "/podSecurity/allow/0"),
        ({"podSecurity": {"namespaces": {"metering": ["all"]}}}, "/podSecurity/namespaces/metering/0"),
        ({"extraEnv": [{"name": "CELERY_BROKER_URL", "value": "amqp://"}]}, "/extraEnv/0/name"),
        ({"resources": {"limits": {"memory": "lots"}}}, "/resources/limits/memory"),
        ({"metrics": {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}}, "not both"),
        ({"metrics": {"serviceMonitor": {"enabled": True}, "service": {"enabled": False}}}, "metrics.service.enabled"),
        ({"price": {"hour": 0.05}}, "/price/hour"),
        ({"price": {"hour": "cheap"}}, "/price/hour"),
        ({"price": {"hour": "1", "currency": "US dollars"}}, "/price/currency"),
        ({"price": {"currency": "EUR"}}, "price.currency: there is no price: set price.hour"),
        ({"tracing": {"endpoint": "collector:4318"}}, "/tracing/endpoint"),
        ({"tracing": {"endpoint": "http://me:secret@collector"}}, "/tracing/endpoint"),
        ({"serviceAccount": {"create": False}}, "serviceAccount.name: name the service account"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
@pytest.mark.thorough
def test_what_makes_no_sense_is_refused(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ChartRefusedError, match=says):
        render(values)


@pytest.mark.thorough
def test_an_archive_of_the_chart_makes_the_same_objects(tmp_path: Path) -> None:
    """As docs/install.md has it for who has no checkout."""
    helm("package", str(CHART), "--destination", str(tmp_path))
    [archive] = tmp_path.glob("utilitarian-operator-*.tgz")
    of_archive, of_folder = (helm("template", "uo", str(of), "--kube-version", "1.34.4") for of in (archive, CHART))
    assert of_archive == of_folder


def test_an_old_cluster_is_refused() -> None:
    with pytest.raises(ChartRefusedError, match=r">=1\.30"):
        render(kube_version="1.29.9")
    assert kinds(render(kube_version="1.30.0-eks-1a2b3c")) == PLAIN


def test_the_schema_is_made_of_the_values_and_every_name_has_a_description() -> None:
    assert SCHEMA.read_text() == schema(), "run: build/venv/bin/python -m tests.support.chart_schema"
    assert _nameless(json.loads(schema()), "values") == []


def _nameless(found: dict[str, Any], path: str) -> list[str]:
    inner = [(name, f"{path}.{name}") for name in found.get("properties", {}) if path != "values.resources"]
    below = [it for name, at in inner for it in _nameless(found["properties"][name], at)]
    return [*below, *([] if found.get("description") else [path])]


def test_the_readme_has_every_value_with_its_default_and_meaning() -> None:
    assert undescribed_values() == []
    assert README.read_text() == readme(), "run: build/venv/bin/python -m tests.support.chart_readme"

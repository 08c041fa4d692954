"""What the chart makes of its values, rendered by the real helm."""

import json
from functools import cache
from itertools import pairwise, product
from typing import Any

import pytest
import yaml

from tests.support.chart import CHART, NAMESPACE, ChartRefusedError, Object, helm, kinds, one, render
from tests.support.chart_readme import README, readme, undescribed_values
from tests.support.dashboard import dashboard
from utilitarian_operator.api.validation.pod_security import EVERYTHING
from utilitarian_operator.host.leadership import LEASE

PLAIN = [
    "ClusterRole",
    "ClusterRoleBinding",
    "ConfigMap",
    "CustomResourceDefinition",
    "Deployment",
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
    ("", "pods"): "get list watch patch delete",
    ("", "pods/status"): "patch",
    ("", "pods/log"): "get",
    ("", "secrets"): "get",
    ("", "configmaps"): "get",
    ("", "persistentvolumeclaims"): "get create",
    ("", "events"): "create patch list",
    ("events.k8s.io", "events"): "create patch",
}
LEADERSHIP_RIGHTS = {("coordination.k8s.io", "leases"): "create get update patch"}


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
    namespaced = [it for it in default() if it["kind"] not in {"ClusterRole", "ClusterRoleBinding", PLAIN[3]}]
    assert {it["metadata"]["namespace"] for it in namespaced} == {NAMESPACE}


def test_the_chart_passes_helms_own_lint() -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), "--kube-version", "1.34.4")


def test_the_command_line_is_the_operators() -> None:
    objects = render({"watchNamespaces": ["metering", "staging"], "tick": "500ms", "metrics": {"port": 9090}})
    assert container(objects)["args"] == [
        *("run", "--namespace", "metering", "--namespace", "staging"),
        *("--tick", "500ms", "--metrics-port", "9090", "--health-port", "8081"),
    ]
    assert "command" not in container(objects)


def test_what_pods_may_ask_for_reaches_the_operator() -> None:
    allowed = {"allow": ["hostPath"], "namespaces": {"metering": ["sysctls", "privileged"]}}
    arguments = container(render({"podSecurity": allowed}))["args"]
    words = [word for option, word in pairwise(arguments) if option == "--allow"]
    assert words == ["hostPath", "metering/sysctls", "metering/privileged"]
    assert "--allow" not in container(default())["args"]


def test_what_can_be_allowed_is_what_the_operator_knows() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["podSecurity"]["properties"]
    assert set(schema["allow"]["items"]["enum"]) == EVERYTHING
    assert set(schema["namespaces"]["additionalProperties"]["items"]["enum"]) == EVERYTHING
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
    assert rights(one(default(), "ClusterRole")) == FLEET_RIGHTS | of_the_cluster
    assert rights(one(default(), "Role")) == LEADERSHIP_RIGHTS


def test_only_the_operators_own_lease_can_be_touched() -> None:
    create, rest = one(default(), "Role")["rules"]
    assert create["verbs"] == ["create"]
    assert rest["resourceNames"] == [LEASE]


def test_a_network_policy_leaves_the_two_ports_open() -> None:
    scrapers = [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]
    policy = one(render({"networkPolicy": {"enabled": True, "metricsFrom": scrapers}}), "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    labels = one(default(), "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    metrics, health = policy["ingress"]
    assert metrics == {"ports": [{"port": "metrics", "protocol": "TCP"}], "from": scrapers}
    assert health == {"ports": [{"port": "health", "protocol": "TCP"}]}


ADMISSION = "uo-utilitarian-operator-admission"


def test_the_webhook_never_stands_in_the_way_and_leads_to_the_operator() -> None:
    objects = render({"admission": {"enabled": True}, "networkPolicy": {"enabled": True}})
    found = one(objects, "ValidatingWebhookConfiguration", f"{NAMESPACE}-{ADMISSION}")
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
    assert f"--admission-configuration {NAMESPACE}-{ADMISSION} --admission-port 9443" in arguments
    assert {"ports": [{"port": "admission", "protocol": "TCP"}]} in one(objects, "NetworkPolicy")["spec"]["ingress"]


def test_the_webhook_may_write_its_secret_and_whom_to_trust_and_nothing_else() -> None:
    objects = render({"admission": {"enabled": True}})
    named, create = one(objects, "Role", ADMISSION)["rules"]
    assert (named["resourceNames"], named["verbs"]) == ([ADMISSION], ["get", "patch"])
    assert (create["resources"], create["verbs"]) == (["secrets"], ["create"])
    (trust,) = one(objects, "ClusterRole", f"{NAMESPACE}-{ADMISSION}")["rules"]
    assert (trust["resourceNames"], trust["verbs"]) == ([f"{NAMESPACE}-{ADMISSION}"], ["get", "patch"])


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


def test_named_namespaces_need_no_right_outside_them() -> None:
    objects = render({"watchNamespaces": ["metering", "staging"]})
    roles = {
        (it["metadata"]["namespace"], it["metadata"]["name"]): rights(it) for it in objects if it["kind"] == "Role"
    }
    assert roles == {
        ("metering", "utilitarian-system-uo-utilitarian-operator"): FLEET_RIGHTS,
        ("staging", "utilitarian-system-uo-utilitarian-operator"): FLEET_RIGHTS,
        (NAMESPACE, "uo-utilitarian-operator-leadership"): LEADERSHIP_RIGHTS,
    }
    assert not {"ClusterRole", "ClusterRoleBinding"} & set(kinds(objects))


@pytest.mark.parametrize("watched", [[], ["metering"]], ids=["all namespaces", "one namespace"])
def test_every_role_is_bound_to_the_account_of_the_pod(watched: list[str]) -> None:
    objects = render({"watchNamespaces": watched})
    account = {"kind": "ServiceAccount", "name": pod(objects)["serviceAccountName"], "namespace": NAMESPACE}
    bindings = [it for it in objects if it["kind"].endswith("RoleBinding")]
    assert all(binding["subjects"] == [account] for binding in bindings)
    roles = [it for it in objects if it["kind"] in {"Role", "ClusterRole"}]
    bound = {(it["roleRef"]["kind"], it["roleRef"]["name"], it["metadata"].get("namespace")) for it in bindings}
    assert bound == {(it["kind"], it["metadata"]["name"], it["metadata"].get("namespace")) for it in roles}


def test_nothing_uses_a_wildcard_or_reads_all_secrets() -> None:
    for role in (it for it in default() if it["kind"] in {"Role", "ClusterRole"}):
        assert "*" not in json.dumps(role["rules"])
        assert rights(role).get(("", "secrets"), "get") == "get"


def test_the_definition_is_the_generated_file_kept_on_uninstall() -> None:
    found = one(default(), "CustomResourceDefinition", "utilitarianworkerpools.utilitarian.io")
    (file,) = (CHART / "files/crds").glob("*.yaml")
    assert found["spec"] == yaml.safe_load(file.read_text())["spec"]
    assert found["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_definition_may_go_with_the_release_or_be_left_out() -> None:
    going = one(render({"crds": {"keep": False}}), "CustomResourceDefinition")
    assert "helm.sh/resource-policy" not in going["metadata"].get("annotations", {})
    assert "CustomResourceDefinition" not in kinds(render({"crds": {"enabled": False}}))


def test_the_dashboard_reaches_grafana_unchanged() -> None:
    found = one(default(), "ConfigMap")
    assert json.loads(found["data"]["utilitarian.json"]) == dashboard()
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert "ConfigMap" not in kinds(render({"dashboard": {"enabled": False}}))


def test_the_dashboard_may_live_where_grafana_looks() -> None:
    found = one(render({"dashboard": {"namespace": "grafana", "annotations": {"grafana_folder": "Work"}}}), "ConfigMap")
    assert found["metadata"]["namespace"] == "grafana"
    assert found["metadata"]["annotations"] == {"grafana_folder": "Work"}


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


def test_a_stand_by_is_rolled_and_a_lone_operator_replaced() -> None:
    assert one(render({"replicas": 2}), "Deployment")["spec"]["strategy"] == {"type": "RollingUpdate"}


def test_what_a_pod_needs_to_be_placed_is_passed_on() -> None:
    values = {
        "image": {"repository": "registry.example/op", "tag": "dev", "pullPolicy": "Never"},
        "imagePullSecrets": [{"name": "pull"}],
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
    for key in ("imagePullSecrets", "nodeSelector", "tolerations", "affinity", "priorityClassName"):
        assert spec[key] == values[key]
    assert spec["serviceAccountName"] == "mine"
    assert "ServiceAccount" not in kinds(objects)
    run = container(objects)
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
        ({"logLevel": "LOUD"}, "/logLevel"),
        ({"watchNamespaces": ["Not A Name"]}, "/watchNamespaces/0"),
        ({"watchNamespaces": ["twice", "twice"]}, "/watchNamespaces"),
        ({"watchNamespaces": "metering"}, "/watchNamespaces"),
        ({"metrics": {"port": 8081}}, "/metrics/port"),
        ({"admission": {"port": 8081}}, "/admission/port"),
        ({"podSecurity": {"allow": ["hostpath"]}}, "/podSecurity/allow/0"),
        ({"podSecurity": {"namespaces": {"metering": ["all"]}}}, "/podSecurity/namespaces/metering/0"),
        ({"extraEnv": [{"name": "CELERY_BROKER_URL", "value": "amqp://"}]}, "/extraEnv/0/name"),
        ({"resources": {"limits": {"memory": "lots"}}}, "/resources/limits/memory"),
        ({"metrics": {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}}, "not both"),
        ({"metrics": {"serviceMonitor": {"enabled": True}, "service": {"enabled": False}}}, "metrics.service.enabled"),
        ({"serviceAccount": {"create": False}}, "serviceAccount.name: name the service account"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_what_makes_no_sense_is_refused(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ChartRefusedError, match=says):
        render(values)


def test_an_old_cluster_is_refused() -> None:
    with pytest.raises(ChartRefusedError, match=r">=1\.30"):
        render(kube_version="1.29.9")
    assert kinds(render(kube_version="1.30.0-eks-1a2b3c")) == PLAIN


def test_every_value_is_described_and_in_the_schema() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    _same_names(yaml.safe_load((CHART / "values.yaml").read_text()), schema, "values")


def _same_names(values: dict[str, Any], schema: dict[str, Any], path: str) -> None:
    assert schema["additionalProperties"] is False, f"{path} takes any name"
    assert schema["description"], f"{path} has no description"
    # Kubernetes has more resource kinds than are set here, and claims is one of them.
    assert set(schema["properties"]) - {"claims"} == set(values), f"{path}: the schema and values.yaml differ"
    for name, value in values.items():
        inner = schema["properties"][name]
        assert inner["description"], f"{path}.{name} has no description"
        if "properties" in inner:
            _same_names(value, inner, f"{path}.{name}")


def test_the_readme_has_every_value_with_its_default_and_meaning() -> None:
    assert undescribed_values() == []
    assert README.read_text() == readme(), "run: build/venv/bin/python -m tests.support.chart_readme"

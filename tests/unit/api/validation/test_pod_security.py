"""What pods may not ask for unless it is allowed: each control of the Pod Security baseline, by every way to it."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.support.resources import pool, resource
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.problem import InvalidSpec
from utilitarian_operator.api.validation.pod_security import EVERYTHING, NOTHING, REASONS, Allowances, violations
from utilitarian_operator.api.validation.resource_rules import accept
from utilitarian_operator.core.objects.wanted import pod_templates
from utilitarian_operator.core.spec.acceptance import Acceptance

SHORT = [
    ("hostPath", "volumes: [{name: a, emptyDir: {}}, {name: h, hostPath: {path: /}}]", "volumes[1].hostPath"),
    ("privileged", "containerSecurityContext: {privileged: true}", "containerSecurityContext.privileged"),
    (
        "capabilities",
        "containerSecurityContext: {capabilities: {add: [CHOWN, SYS_ADMIN]}}",
        "containerSecurityContext.capabilities.add[1]",
    ),
    (
        "capabilities",
        "containerSecurityContext: {capabilities: {add: ALL}}",
        "containerSecurityContext.capabilities.add[0]",
    ),
    ("procMount", "containerSecurityContext: {procMount: Unmasked}", "containerSecurityContext.procMount"),
    ("seccomp", "securityContext: {seccompProfile: {type: Unconfined}}", "securityContext.seccompProfile.type"),
    (
        "seccomp",
        "containerSecurityContext: {seccompProfile: {type: Unconfined}}",
        "containerSecurityContext.seccompProfile.type",
    ),
    ("appArmor", "securityContext: {appArmorProfile: {type: Unconfined}}", "securityContext.appArmorProfile.type"),
    (
        "appArmor",
        "annotations: {container.apparmor.security.beta.kubernetes.io/worker: unconfined}",
        "annotations[container.apparmor.security.beta.kubernetes.io/worker]",
    ),
    ("seLinux", "securityContext: {seLinuxOptions: {type: spc_t}}", "securityContext.seLinuxOptions.type"),
    (
        "seLinux",
        "containerSecurityContext: {seLinuxOptions: {user: root}}",
        "containerSecurityContext.seLinuxOptions.user",
    ),
    ("sysctls", 'securityContext: {sysctls: [{name: kernel.msgmax, value: "1"}]}', "securityContext.sysctls[0]"),
    (
        "hostProcess",
        "securityContext: {windowsOptions: {hostProcess: true}}",
        "securityContext.windowsOptions.hostProcess",
    ),
    ("serviceAccountName", "serviceAccountName: admin", "serviceAccountName"),
]
WHERE = {
    "spec.pod": "{{pod: {{{0}}}}}",
    "spec.defaults.pod": "{{defaults: {{pod: {{{0}}}}}}}",
    "spec.pools[0].pod": "{{pools: [{{name: a, queues: [q], pod: {{{0}}}}}]}}",
    "spec.beat.pod": "{{beat: {{pod: {{{0}}}}}}}",
}
FINE = """
securityContext: {runAsUser: 1000, seccompProfile: {type: Localhost, localhostProfile: a}, seLinuxOptions: {level: s0},
  sysctls: [{name: net.ipv4.tcp_wmem, value: "1"}], appArmorProfile: {type: RuntimeDefault}}
containerSecurityContext: {privileged: false, capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}, procMount: Default}
serviceAccountName: default
volumes: [{name: a, emptyDir: {}}, {name: b, secret: {secretName: s}}]
annotations: {container.apparmor.security.beta.kubernetes.io/worker: runtime/default}
"""
TEMPLATES = [
    ("hostNetwork", "hostNetwork: true", "hostNetwork"),
    ("hostPID", "hostPID: true", "hostPID"),
    ("hostIPC", "hostIPC: true", "hostIPC"),
    ("hostPort", "containers: [{ports: [{containerPort: 1, hostPort: 80}]}]", "containers[0].ports[0].hostPort"),
    (
        "privileged",
        "initContainers: [{securityContext: {privileged: true}}]",
        "initContainers[0].securityContext.privileged",
    ),
    (
        "hostProbe",
        "containers: [{livenessProbe: {httpGet: {host: 169.254.169.254}}}]",
        "containers[0].livenessProbe.httpGet.host",
    ),
    (
        "hostProbe",
        "containers: [{lifecycle: {postStart: {tcpSocket: {host: a}}}}]",
        "containers[0].lifecycle.postStart.tcpSocket.host",
    ),
    ("serviceAccountName", "serviceAccount: admin", "serviceAccountName"),
    ("serviceAccountName", '{serviceAccountName: "", serviceAccount: admin}', "serviceAccountName"),
    ("serviceAccountName", "{serviceAccountName: default, serviceAccount: admin}", "serviceAccountName"),
]


def problems(spec: str, allowed: frozenset[str] = NOTHING) -> dict[str, str]:
    try:
        accept(resource(spec), allowed)
    except InvalidSpec as error:
        return {it.path: it.remedy for it in error.errors}
    return {}


@pytest.mark.parametrize("at", WHERE)
@pytest.mark.parametrize("name,written,path", SHORT, ids=[f"{name}-{path}" for name, _, path in SHORT])
def test_it_is_refused_with_its_field_and_what_to_allow(name: str, written: str, path: str, at: str) -> None:
    spec = WHERE[at].format(written)
    [(found, remedy)] = problems(spec).items()
    assert found == f"{at}.{path}"
    assert remedy.startswith(REASONS[name])
    assert remedy.endswith(
        f"leave it out, or have it allowed where the operator is installed (podSecurity.allow: [{name}])"
    )
    assert problems(spec, frozenset({name})) == {}
    assert problems(spec, EVERYTHING - {name}).keys() == {found}


@pytest.mark.parametrize("name,written,path", TEMPLATES, ids=[path for _, _, path in TEMPLATES])
def test_a_pod_template_is_looked_at_whole(name: str, written: str, path: str) -> None:
    assert list(violations({"spec": yaml.safe_load(written)})) == [(path, name)]


def test_what_the_baseline_has_nothing_against_is_accepted() -> None:
    assert accept(resource(yaml.safe_dump({"pod": yaml.safe_load(FINE)})))


def test_the_newest_spec_is_judged_by_what_its_namespace_may() -> None:
    body = resource(pool("pod: {serviceAccountName: worker}"))
    body["metadata"] |= {"generation": 1, "uid": "u", "namespace": "metering"}
    allowances = Allowances.read(["metering/serviceAccountName", "hostPath"])
    assert Acceptance(body, allowed=allowances.of("metering")).judge(body).fleet is not None
    judged = Acceptance(body, allowed=allowances.of("other")).judge(body)
    assert judged.fleet is None
    assert [it.path for it in judged.problems] == ["spec.pools[0].pod.serviceAccountName"]


def test_a_spec_that_ran_before_it_was_forbidden_runs_no_more() -> None:
    body = resource(pool("pod: {serviceAccountName: worker}"))
    body["metadata"] |= {"generation": 2, "uid": "u", "namespace": "metering"}
    kept = {"revision": 1, "data": {"spec": body["spec"]}}
    assert Acceptance(body, kept).running is None
    assert Acceptance(body, kept, allowed=EVERYTHING).running is not None


@pytest.mark.parametrize("word", ["hostpath", "", "metering/", "metering/everything"])
def test_what_can_not_be_allowed_is_said(word: str) -> None:
    with pytest.raises(ValueError, match="what can: privileged, hostPath"):
        Allowances.read([word])


@pytest.mark.parametrize("namespace", ["", "*", "a/b", "Metering", "metering\n", "a.b"])
def test_what_is_allowed_in_no_namespace_is_said(namespace: str) -> None:
    """`$NAMESPACE/hostPath` with nothing in the variable allowed it everywhere."""
    with pytest.raises(ValueError, match="write hostPath for every namespace, or NAMESPACE/hostPath"):
        Allowances.read([f"{namespace}/hostPath"])
    assert Allowances.read(["123/hostPath"]).of("123") == {"hostPath"}


VALUES = st.recursive(
    st.one_of(st.booleans(), st.none(), st.integers(0, 3), st.sampled_from(["", "ALL", "Unconfined", "/", "admin"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(
            st.sampled_from(
                [
                    "privileged",
                    "capabilities",
                    "add",
                    "hostProcess",
                    "windowsOptions",
                    "type",
                    "seccompProfile",
                    "sysctls",
                ]
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=8,
)
CONTEXTS = st.dictionaries(
    st.sampled_from(["privileged", "capabilities", "windowsOptions", "seccompProfile", "procMount", "sysctls"]),
    VALUES,
    max_size=3,
)


@given(fleet=CONTEXTS, own=CONTEXTS)
def test_no_merge_of_accepted_parts_makes_a_pod_that_is_refused(fleet: object, own: object) -> None:
    spec = {
        "pod": {"containerSecurityContext": fleet, "securityContext": own},
        "pools": [{"name": "a", "queues": ["q"], "pod": {"containerSecurityContext": own, "securityContext": fleet}}],
    }
    try:
        accepted = accept(resource(yaml.safe_dump(spec)))
    except InvalidSpec:
        return
    for template in pod_templates("fleet", effective_fleet(accepted.spec)).values():
        assert list(violations(template)) == []


RESTRICTED = [
    ("pod: {volumes: [{name: n, nfs: {server: s, path: /}}]}", "spec.pools[0]", "volumes[0]"),
    ("pod: {securityContext: {runAsNonRoot: false}}", "spec.pools[0]", "securityContext.runAsNonRoot"),
    ("pod: {securityContext: {runAsUser: 0}}", "spec.pools[0]", "securityContext.runAsUser"),
    ("pod: {securityContext: {seccompProfile: null}}", "spec.pools[0]", "securityContext.seccompProfile"),
    (
        "beat: {pod: {containerSecurityContext: {allowPrivilegeEscalation: true}}}",
        "spec.beat",
        "initContainers[0].securityContext.allowPrivilegeEscalation",
    ),
    (
        "pod: {containerSecurityContext: {capabilities: {add: [CHOWN]}}}",
        "spec.pools[0]",
        "containers[0].securityContext.capabilities.drop",
    ),
]


@pytest.mark.parametrize("written,at,path", RESTRICTED, ids=[path for _, _, path in RESTRICTED])
def test_a_restricted_fleet_has_nothing_that_the_standard_refuses(written: str, at: str, path: str) -> None:
    body = resource(f"{{podSecurity: Restricted, pools: [{{name: a, queues: [q]}}], {written}}}")
    body["metadata"] |= {"generation": 1, "uid": "u", "namespace": "metering"}
    judged = Acceptance(body, allowed=EVERYTHING).judge(body)
    said = [it.remedy for it in judged.problems if it.path == at]
    assert any(it.startswith(f"{path} of its pods is not let in") for it in said), judged.problems
    del body["spec"]["podSecurity"]
    assert Acceptance(body, allowed=EVERYTHING).judge(body).fleet is not None

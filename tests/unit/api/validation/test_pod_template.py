"""What a pod template may not say, each with the path of its field."""

import pytest
import yaml

from tests.support.resources import resource
from utilitarian_operator.api.resource import parse
from utilitarian_operator.api.validation.pod_template import check_templates

REFUSED = [
    ("spec: {terminationGracePeriodSeconds: 5}", "spec.terminationGracePeriodSeconds", "use drainTimeout"),
    ("spec: {restartPolicy: Never}", "spec.restartPolicy", "the operator sets it"),
    ("spec: {readinessGates: null}", "spec.readinessGates", "not taken away"),
    ("spec: {containers: null}", "spec.containers", "not taken away"),
    ("spec: {initContainers: null}", "spec.initContainers", "not taken away"),
    ("spec: {volumes: null}", "spec.volumes", "not taken away"),
    ("spec: null", "spec", "not taken away"),
    ("metadata: {labels: null}", "metadata.labels", "not taken away"),
    ("metadata: {labels: {utilitarian.io/pool: b}}", "metadata.labels", "are the operator's"),
    ("metadata: {annotations: {utilitarian.io/x: b}}", "metadata.annotations", "are the operator's"),
    ("metadata: {name: x}", "metadata.name", "only labels and annotations"),
    ("spec: {containers: [{name: x}, {name: worker, command: [x]}]}", "spec.containers[1].command", "commandPrefix"),
    ("spec: {containers: [{name: beat, args: [x]}]}", "spec.containers[0].args", "use extraArgs"),
    ("spec: {containers: [{name: worker, env: []}]}", "spec.containers[0].env", "use env"),
    ("spec: {containers: [{name: worker, image: x}]}", "spec.containers[0].image", "use image"),
    ("spec: {containers: [{name: worker, lifecycle: null}]}", "spec.containers[0].lifecycle", "not taken away"),
    (
        "spec: {containers: [{name: worker, lifecycle: {preStop: {exec: {command: [x]}}}}]}",
        "spec.containers[0].lifecycle",
        "only postStart is yours",
    ),
    ("spec: {containers: [{name: worker, restartPolicy: Never}]}", "spec.containers[0].restartPolicy", "sets it"),
    (
        "spec: {containers: [{name: worker, restartPolicyRules: [{action: Restart}]}]}",
        "spec.containers[0].restartPolicyRules",
        "sets it",
    ),
    (
        "spec: {containers: [{name: worker, livenessProbe: {terminationGracePeriodSeconds: 1}}]}",
        "spec.containers[0].livenessProbe.terminationGracePeriodSeconds",
        "that time alone",
    ),
    (
        "spec: {containers: [{name: beat, volumeMounts: [{mountPath: /var/lib/celery-beat, name: x}]}]}",
        "spec.containers[0].volumeMounts[0].mountPath",
        "keeps its memory there",
    ),
    (
        "spec: {containers: [{name: beat, volumeMounts: [{mountPath: /var/lib/celery-beat/schedule, name: x}]}]}",
        "spec.containers[0].volumeMounts[0].mountPath",
        "keeps its memory there",
    ),
    (
        "spec: {containers: [{name: beat, volumeMounts: [{mountPath: /var//lib/./celery-beat/, name: x}]}]}",
        "spec.containers[0].volumeMounts[0].mountPath",
        "keeps its memory there",
    ),
    (
        "spec: {readinessGates: [{conditionType: a/b}, {conditionType: utilitarian.io/consuming}]}",
        "spec.readinessGates[1].conditionType",
        "the operator sets it",
    ),
    ("spec: {volumes: [{name: schedule, emptyDir: {}}]}", "spec.volumes[0].name", "beat's own"),
    ("spec: {initContainers: [{name: check-schedule}]}", "spec.initContainers[0].name", "beat's own"),
    ("spec: {containers: [{$patch: replace}]}", "spec.containers[0].$patch", "write null"),
    ("status: {}", "status", "is no field of a pod template"),
]


@pytest.mark.parametrize("template,path,says", REFUSED, ids=[it[1] + " " + it[2] for it in REFUSED])
@pytest.mark.parametrize(
    "at,spec",
    [
        ("spec.pod", "{{pod: {0}}}"),
        ("spec.pools[0].pod", "{{pools: [{{name: a, queues: [q], pod: {0}}}]}}"),
        ("spec.beat.pod", "{{beat: {{pod: {0}}}}}"),
    ],
    ids=["fleet", "pool", "beat"],
)
def test_what_is_refused(at: str, spec: str, template: str, path: str, says: str) -> None:
    (problem,) = check_templates(parse(resource(spec.format(f"{{template: {{{template}}}}}"))).spec)
    assert problem.path == f"{at}.template.{path}"
    assert says in problem.remedy
    assert not problem.value


ALLOWED = """
metadata: {labels: {team: x}, annotations: {a: b}}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  schedulerName: other
  runtimeClassName: nvidia
  dnsConfig: {nameservers: [10.0.0.1]}
  hostAliases: [{ip: 10.0.0.1, hostnames: [mq]}]
  imagePullSecrets: [{name: r}]
  initContainers: [{name: proxy, image: p, restartPolicy: Always}]
  volumes: [{name: mine, emptyDir: {}}]
  securityContext: {fsGroup: null}
  readinessGates: [{conditionType: example.com/ready}]
  containers:
    - {name: worker, ports: [{containerPort: 1}], terminationMessagePolicy: File, imagePullPolicy: Always}
    - {name: exporter, image: e, command: [x], env: [{name: A, value: b}]}
"""


def test_what_is_let_through() -> None:
    body = resource()
    body["spec"]["pod"] = {"template": yaml.safe_load(ALLOWED)}
    assert list(check_templates(parse(body).spec)) == []


MOUNT = "{volumeMounts: [{name: x, mountPath: /var/lib/celery-beat/}]}"


@pytest.mark.parametrize(
    "spec, refused",
    [
        pytest.param(f"pod: {MOUNT}", ["spec.pod.volumeMounts[0].mountPath"], id="of the fleet"),
        pytest.param(f"beat: {{pod: {MOUNT}}}", ["spec.beat.pod.volumeMounts[0].mountPath"], id="of beat"),
        pytest.param(f"defaults: {{pod: {MOUNT}}}", [], id="of workers"),
        pytest.param(f"pod: {MOUNT}\nbeat: {{enabled: false}}", [], id="without a beat"),
    ],
)
def test_a_volume_may_not_lie_over_beats_memory(spec: str, refused: list[str]) -> None:
    assert [it.path for it in check_templates(parse(resource(spec)).spec)] == refused

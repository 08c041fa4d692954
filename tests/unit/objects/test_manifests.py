"""What the golden files can't show: each setting's place in a manifest, one at a time."""

from typing import Any

import pytest

from tests.support.resources import pool, resource
from utilitarian_operator.api.effective import Fleet, effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.core.labels import TEMPLATE_HASH, Owner
from utilitarian_operator.core.objects.manifests import beat_claim, beat_statefulset, deployment, fleet_objects
from utilitarian_operator.core.objects.pre_stop_hook import SCRIPT, WRAPPED_SCRIPT
from utilitarian_operator.core.objects.wanted import pod_templates

OWNER = Owner("ns", "fleet", "uid")


def fleet(spec: str) -> Fleet:
    return effective_fleet(parse(resource(spec)).spec)


def made(spec: str) -> dict[str, Any]:
    asked = fleet(spec)
    return deployment(OWNER, asked, asked.pools[0])


def container(spec: str) -> dict[str, Any]:
    found: dict[str, Any] = made(spec)["spec"]["template"]["spec"]["containers"][0]
    return found


@pytest.mark.parametrize(
    "fields,flags",
    [
        pytest.param("worker: {concurrency: 7}", ["--concurrency=7"], id="concurrency"),
        pytest.param("worker: {execution: gevent}", ["--pool=gevent"], id="execution"),
        pytest.param("worker: {execution: solo}", ["--pool=solo", "--concurrency=1"], id="solo-is-one"),
        pytest.param("worker: {prefetchMultiplier: 4}", ["--prefetch-multiplier=4"], id="prefetch"),
        pytest.param("worker: {maxTasksPerChild: 9}", ["--max-tasks-per-child=9"], id="tasks-per-child"),
        pytest.param("worker: {maxMemoryPerChild: 150Mi}", ["--max-memory-per-child=153600"], id="memory-in-kibibytes"),
        pytest.param("worker: {maxMemoryPerChild: 1G}", ["--max-memory-per-child=976562"], id="memory-rounded-down"),
        pytest.param("worker: {extraArgs: [--time-limit=9]}", ["--time-limit=9"], id="extra"),
        pytest.param("priority: 1", ["-Q", "q", "-n", "celery@$(POD_NAME)", "--loglevel=INFO"], id="always"),
    ],
)
def test_a_flag_of_the_worker(fields: str, flags: list[str]) -> None:
    command = container(pool(fields))["command"]
    assert command[:4] == ["celery", "-A", "utilitarian", "worker"]
    assert [flag for flag in flags if flag not in command] == []


def test_extra_arguments_come_last_so_that_they_win() -> None:
    assert container(pool("worker: {extraArgs: [--loglevel=DEBUG]}"))["command"][-1] == "--loglevel=DEBUG"


def test_a_catch_all_names_no_queue() -> None:
    assert "-Q" not in container("pools: [{name: a}]")["command"]


def test_the_brokers_url_comes_from_the_secret_before_what_may_refer_to_it() -> None:
    env = container(pool("env: [{name: A, value: $(CELERY_BROKER_URL)}]"))["env"]
    assert [variable["name"] for variable in env] == ["POD_NAME", "CELERY_BROKER_URL", "A"]
    assert env[1]["valueFrom"] == {"secretKeyRef": {"name": "env", "key": "URL"}}


def test_a_brokers_url_of_ones_own_is_left_alone() -> None:
    env = container(pool("env: [{name: CELERY_BROKER_URL, value: x}]"))["env"]
    assert [variable for variable in env if variable["name"] == "CELERY_BROKER_URL"] == [
        {"name": "CELERY_BROKER_URL", "value": "x"}
    ]


@pytest.mark.parametrize(
    "pod,path,value",
    [
        pytest.param("nodeSelector: {a: b}", "nodeSelector", {"a": "b"}, id="node-selector"),
        pytest.param("priorityClassName: batch", "priorityClassName", "batch", id="priority-class"),
        pytest.param("serviceAccountName: sa", "serviceAccountName", "sa", id="service-account"),
        pytest.param("imagePullSecrets: [{name: s}]", "imagePullSecrets", [{"name": "s"}], id="pull-secrets"),
        pytest.param("topologySpreadConstraints: []", "topologySpreadConstraints", None, id="no-spread-wanted"),
        pytest.param(
            "securityContext: {runAsNonRoot: true}",
            "securityContext",
            {"seccompProfile": {"type": "RuntimeDefault"}, "runAsNonRoot": True},
            id="security-context-is-added-to",
        ),
        pytest.param("annotations: {a: b}", "affinity", None, id="what-was-not-asked-for-is-left-out"),
    ],
)
def test_a_setting_of_the_pod(pod: str, path: str, value: object) -> None:
    spec = made(pool(f"pod: {{{pod}}}"))["spec"]["template"]["spec"]
    assert spec.get(path) == value


def test_a_users_labels_never_replace_those_that_select() -> None:
    template = made(pool("pod: {labels: {mine: x, utilitarian.io/pool: theirs}}"))["spec"]["template"]
    assert template["metadata"]["labels"] | {"mine": "x", "utilitarian.io/pool": "a"} == template["metadata"]["labels"]


def test_a_workers_grace_is_the_drains_time() -> None:
    spec = made(pool("drainTimeout: 90m"))["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] == 5400


def test_the_hash_changes_with_the_template_and_with_nothing_else() -> None:
    def hashed(spec: str) -> str:
        return str(made(spec)["metadata"]["annotations"][TEMPLATE_HASH])

    assert hashed(pool("priority: 1")) == hashed(pool("priority: 2")) == hashed(pool("scaling: {max: 3}"))
    assert hashed(pool("worker: {concurrency: 3}")) != hashed(pool("priority: 1"))


def test_a_deployment_says_nothing_of_replicas() -> None:
    assert "replicas" not in made(pool("scaling: {min: 3}"))["spec"]


@pytest.mark.parametrize(
    "storage,claim,volume",
    [
        pytest.param(
            "{size: 1Gi, storageClassName: fast}",
            {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
                "storageClassName": "fast",
            },
            {"name": "schedule", "persistentVolumeClaim": {"claimName": "fleet-beat"}},
            id="claimed",
        ),
        pytest.param("{ephemeral: true}", None, {"name": "schedule", "emptyDir": {}}, id="ephemeral"),
    ],
)
def test_where_beat_keeps_its_schedule(storage: str, claim: dict[str, Any] | None, volume: dict[str, Any]) -> None:
    asked = fleet(f"beat: {{storage: {storage}}}")
    found = beat_claim(OWNER, asked)
    assert (found and found["spec"]) == claim
    assert found is None or "ownerReferences" not in found["metadata"]  # it outlives the resource
    pod = beat_statefulset(OWNER, asked)["spec"]["template"]["spec"]
    assert pod["volumes"] == [volume]
    assert pod["containers"][0]["volumeMounts"] == [{"name": "schedule", "mountPath": "/var/lib/celery-beat"}]
    assert pod["containers"][0]["command"][-3:] == ["-s", "/var/lib/celery-beat/schedule", "beat.sync_every=1"]


def test_beats_scheduler_and_arguments() -> None:
    asked = fleet("beat: {scheduler: 'a.b:C', extraArgs: [--max-interval=5]}")
    command = beat_statefulset(OWNER, asked)["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command[-2:] == ["--scheduler=a.b:C", "--max-interval=5"]


def test_a_prefix_stands_before_celery_and_the_hook_looks_for_the_worker_behind_it() -> None:
    prefixed, plain = container(pool("worker: {commandPrefix: [poetry, run]}")), container(pool("priority: 1"))
    assert prefixed["command"] == ["poetry", "run", *plain["command"]]
    hook, without = (it["lifecycle"]["preStop"]["exec"]["command"] for it in (prefixed, plain))
    assert (hook[2], without[2]) == (WRAPPED_SCRIPT, SCRIPT)
    assert hook[3:] == without[3:]


def test_a_prefix_of_beat_is_its_own() -> None:
    asked = fleet("{defaults: {worker: {commandPrefix: [a]}}, beat: {commandPrefix: [b, c]}}")
    pod = beat_statefulset(OWNER, asked)["spec"]["template"]["spec"]
    assert pod["containers"][0]["command"][:4] == ["b", "c", "celery", "-A"]
    assert pod["containers"][0]["livenessProbe"]["exec"]["command"][-1] == "/var/lib/celery-beat/schedule"
    assert pod["initContainers"][0]["command"][0] == "python3"


@pytest.mark.parametrize(
    "of_fleet, of_part, shared",
    [("true", "{}", True), ("false", "{}", False), ("true", "{shareProcessNamespace: null}", False)],
    ids=["shared", "not shared", "taken away"],
)
def test_where_containers_share_their_processes_ours_is_looked_for_and_is_not_number_1(
    of_fleet: str, of_part: str, *, shared: bool
) -> None:
    """Number 1 is Kubernetes' own then: it never wakes, so that a beat was called hung and restarted for ever."""
    part = f"pod: {{template: {{spec: {of_part}}}}}"
    asked = fleet(
        f"{{pod: {{template: {{spec: {{shareProcessNamespace: {of_fleet}}}}}}}, beat: {{{part}}}, "
        f"pools: [{{name: p, queues: [q], {part}}}]}}"
    )
    worker = deployment(OWNER, asked, asked.pools[0])["spec"]["template"]["spec"]["containers"][0]
    assert worker["lifecycle"]["preStop"]["exec"]["command"][2] == (WRAPPED_SCRIPT if shared else SCRIPT)
    beat = beat_statefulset(OWNER, asked)["spec"]["template"]["spec"]["containers"][0]
    assert (beat["livenessProbe"]["exec"]["command"][-1] == "/var/lib/celery-beat/schedule") is shared


def test_events_come_with_heartbeats() -> None:
    command = container(pool("worker: {events: true}"))["command"]
    assert ("-E" in command, "--without-heartbeat" in command) == (True, False)
    assert "--without-heartbeat" in container(pool("worker: {events: false}"))["command"]


OWN = "{image: 'gpu:1', app: 'gpu.tasks:app', pullPolicy: Always"


def test_a_pool_and_beat_may_have_an_image_an_application_and_a_pull_policy_of_their_own() -> None:
    asked = fleet(f"{{pools: [{OWN}, name: a, queues: [q]}}, {{name: b, queues: [r]}}], beat: {OWN}}}}}")
    first, second = (deployment(OWNER, asked, it)["spec"]["template"] for it in asked.pools)
    beat = beat_statefulset(OWNER, asked)["spec"]["template"]
    for made in (first, beat):
        own = made["spec"]["containers"][0]
        assert (own["image"], own["imagePullPolicy"], own["command"][2]) == ("gpu:1", "Always", "gpu.tasks:app")
        assert made["metadata"]["labels"]["app.kubernetes.io/name"] == "gpu.tasks"
    assert beat["spec"]["initContainers"][0]["image"] == "gpu:1"
    assert beat["spec"]["initContainers"][0]["imagePullPolicy"] == "Always"
    other = second["spec"]["containers"][0]
    assert (other["image"], other["command"][2]) == ("quay.io/pwit/utilitarian:2026.11", "utilitarian")
    assert "imagePullPolicy" not in other


def test_another_image_of_one_pool_changes_that_pool_alone() -> None:
    def made_of(image: str) -> list[dict[str, Any]]:
        return fleet_objects(
            OWNER, fleet(f"pools: [{{name: a, queues: [q], image: {image}}}, {{name: b, queues: [r]}}]")
        )

    differing = [one["metadata"]["name"] for one, other in zip(made_of("x"), made_of("y"), strict=True) if one != other]
    assert differing == ["fleet-a"]


def test_the_fleets_pull_policy_is_everybodys() -> None:
    asked = fleet("{pullPolicy: Never, pools: [{name: a, queues: [q]}, {name: b, queues: [r], pullPolicy: Always}]}")
    assert [it.pull_policy for it in (*asked.pools, asked.beat)] == ["Never", "Always", "Never"]


@pytest.mark.parametrize(
    "rollout,strategy",
    [
        pytest.param("{type: Recreate}", {"type": "Recreate"}, id="recreate"),
        pytest.param("{maxSurge: 0, maxUnavailable: 1}", {"maxUnavailable": 1, "maxSurge": 0}, id="no-room"),
        pytest.param("{maxSurge: 50%}", {"maxUnavailable": 0, "maxSurge": "50%"}, id="share"),
        pytest.param("{onSecretChange: Leave}", {"maxUnavailable": 0, "maxSurge": "25%"}, id="as-ever"),
    ],
)
def test_how_a_pool_is_replaced(rollout: str, strategy: dict[str, Any]) -> None:
    found = made(pool(f"rollout: {rollout}"))["spec"]["strategy"]
    assert found == (strategy if "type" in strategy else {"type": "RollingUpdate", "rollingUpdate": strategy})


def test_a_pool_may_be_without_a_disruption_budget() -> None:
    asked = fleet("pools: [{name: a, queues: [q], disruptionBudget: false}, {name: b, queues: [r]}]")
    budgets = [it["metadata"]["name"] for it in fleet_objects(OWNER, asked) if it["kind"] == "PodDisruptionBudget"]
    assert budgets == ["fleet-b"]


@pytest.mark.parametrize("enabled", [True, False])
def test_without_beat_there_is_nothing_of_it(*, enabled: bool) -> None:
    kinds = {made["kind"] for made in fleet_objects(OWNER, fleet(f"beat: {{enabled: {str(enabled).lower()}}}"))}
    assert ({"StatefulSet", "PersistentVolumeClaim"} <= kinds) is enabled
    assert bool({"StatefulSet", "PersistentVolumeClaim"} & kinds) is enabled


@pytest.mark.parametrize(
    "account,mounted",
    [("{}", False), ("{serviceAccountName: worker}", None)],
    ids=["no-token-unasked", "asked-for"],
)
def test_one_field_makes_the_whole_fleet_restricted(account: str, mounted: bool | None) -> None:
    made = fleet(f"{{podSecurity: Restricted, pod: {account}, pools: [{{name: a, queues: [q]}}]}}")
    for template in pod_templates("fleet", made).values():
        pod = template["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod.get("automountServiceAccountToken") is mounted


def test_null_takes_a_default_of_the_security_context_away() -> None:
    made = fleet("{pod: {securityContext: {fsGroup: null, seccompProfile: null}}}")
    for template in pod_templates("fleet", made).values():
        assert template["spec"]["securityContext"] == {}


@pytest.mark.parametrize(
    "app, label",
    [
        ("utilitarian", "utilitarian"),
        ("package.module:app", "package.module"),
        ("a" * 64, "a" * 63),
        (f"{'a' * 62}.module", "a" * 62),
        ("_private", "private"),
        ("_", "application"),
    ],
)
def test_the_applications_name_is_cut_to_what_a_label_may_be(app: str, label: str) -> None:
    asked = fleet(f"{{app: {app}, pools: [{{name: a, queues: [q]}}]}}")
    made_of = deployment(OWNER, asked, asked.pools[0])
    labels = [made_of["metadata"]["labels"], made_of["spec"]["template"]["metadata"]["labels"]]
    assert [it["app.kubernetes.io/name"] for it in labels] == [label, label]
    assert made_of["spec"]["template"]["spec"]["containers"][0]["command"][2] == app


@pytest.mark.parametrize(
    "queues, argument",
    [
        pytest.param("[späte Aufgaben, 計算]", "späte Aufgaben,計算", id="spaces and other alphabets"),
        pytest.param("[a$b]", "a$b", id="a dollar"),
        pytest.param("['$(HOME)', a$$b]", "$$(HOME),a$$$$b", id="what Kubernetes would expand"),
    ],
)
def test_queues_reach_celery_as_they_are_called(queues: str, argument: str) -> None:
    command = container(f"pools: [{{name: a, queues: {queues}}}]")["command"]
    assert command[command.index("-Q") + 1] == argument

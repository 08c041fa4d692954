"""What will run and surprise its owner is said, each by a rule of its own, and nothing is said of what is well."""

import pytest

from tests.support.resources import resource
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.core.explain.cautions import RULES, Caution, cautions

MOUNT = "{name: v, mountPath: /etc/x}"
MANY = "{name: v, projected: {sources: [" + ", ".join(f"{{configMap: {{name: c-{n}}}}}" for n in range(101)) + "]}}"


def found(spec: str, measured: dict[str, float] | None = None) -> tuple[Caution, ...]:
    return cautions(effective_fleet(parse(resource("{app: other, " + spec + "}")).spec), measured)


def pool(more: str, over: str = "") -> str:
    return f"{over}pools: [{{name: a, queues: [q], {more}}}]"


def mounting(volume: str, more: str = "") -> str:
    return pool(f"pod: {{volumes: [{{name: v, {volume}}}], volumeMounts: [{MOUNT}]}}{more}")


def beside(container: str, kind: str = "containers") -> str:
    return pool(f"pod: {{template: {{spec: {{{kind}: [{container}]}}}}}}")


BACKEND = "env: [{name: CELERY_RESULT_BACKEND, value: 'redis://x'}], "

SAID: dict[str, tuple[str, str, str]] = {
    "celery-without-a-pool": (
        pool("priority: 1", BACKEND),
        "celery-without-a-pool",
        "no pool consumes the queue celery. With a result backend (CELERY_RESULT_BACKEND)",
    ),
    "128 behind one task": (
        pool("worker: {execution: solo, prefetchMultiplier: 128}, scaling: {taskDuration: 8s, drainWithin: 30m}"),
        "prefetch-behind-a-task",
        "holds 128 messages, which wait for what it runs, about 17m4s at 8 s a task",
    ),
    "four rounds longer than the promise": (
        pool("worker: {prefetchMultiplier: 4}, scaling: {taskDuration: 1m, drainWithin: 3m}"),
        "prefetch-behind-a-task",
        "holds 16 messages",
    ),
    "a claim that many workers mount": (
        mounting("persistentVolumeClaim: {claimName: data}"),
        "volume-of-one-node",
        "up to 10 workers mount the claim data: one node at a time can have it unless it is ReadWriteMany",
    ),
    "a claim that a surge mounts twice": (
        mounting("persistentVolumeClaim: {claimName: data}", ", scaling: {max: 1}"),
        "volume-of-one-node",
        "two workers in a rollout mount the claim data",
    ),
    "a disk": (
        pool("pod: {template: {spec: {volumes: [{name: v, iscsi: {targetPortal: x, iqn: y, lun: 0}}]}}}"),
        "volume-of-one-node",
        "the volume v (iscsi)",
    ),
    "more mounts than are followed": (
        f"pools: [{{name: a, queues: [q]}}, {{name: b, pod: {{volumes: [{MANY}], volumeMounts: [{MOUNT}]}}}}]",
        "mounts-not-followed",
        "a change of what pool b mounts rolls no pod: with it the fleet would mount more than 100",
    ),
    "a proxy in containers": (
        beside("{name: sql-proxy, image: proxy}"),
        "sidecar-ends-first",
        "when a pod ends, sql-proxy gets the signal to end as the worker's preStop hook begins",
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_it_is_said_by_its_rule(name: str) -> None:
    spec, rule, what = SAID[name]
    (caution,) = [it for it in found(spec) if it.rule == rule]
    assert what in caution.what
    assert caution.cure


def test_each_rule_has_a_case() -> None:
    assert {rule for _, rule, _ in SAID.values()} == set(RULES)


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(pool("priority: 1"), id="a plain pool"),
        pytest.param(f"{BACKEND}pools: [{{name: a, queues: [q, celery]}}]", id="celery has a pool"),
        pytest.param(f"{BACKEND}pools: [{{name: a, queues: [q]}}, {{name: b}}]", id="a catch-all"),
        pytest.param(pool("priority: 1", f"{BACKEND}queuesElsewhere: [celery], "), id="celery is elsewhere"),
        pytest.param(
            pool("worker: {prefetchMultiplier: 4}, scaling: {taskDuration: 1s}"), id="four short rounds in ten minutes"
        ),
        pytest.param(pool("scaling: {taskDuration: 1h}"), id="a long task with nothing behind it"),
        pytest.param(
            mounting("persistentVolumeClaim: {claimName: d}", ", scaling: {max: 1}, rollout: {type: Recreate}"),
            id="one worker alone",
        ),
        pytest.param(
            mounting(
                "persistentVolumeClaim: {claimName: d}",
                ", scaling: {max: 1}, rollout: {maxSurge: 0, maxUnavailable: 1}",
            ),
            id="one worker, and no surge",
        ),
        pytest.param(mounting("persistentVolumeClaim: {claimName: d, readOnly: true}"), id="a claim that is read"),
        pytest.param(mounting("emptyDir: {}"), id="an empty directory"),
        pytest.param(beside("{name: proxy, image: p, restartPolicy: Always}", "initContainers"), id="a native sidecar"),
        pytest.param(beside("{name: worker, workingDir: /app}"), id="the worker's own container"),
        pytest.param(
            beside("{name: proxy, image: p, lifecycle: {preStop: {sleep: {seconds: 60}}}}"), id="one that waits"
        ),
        pytest.param(pool("envFrom: [{secretRef: {name: env}}]"), id="the worker's own environment"),
        pytest.param(mounting("configMap: {name: settings}"), id="what is mounted, which is followed"),
    ],
)
def test_nothing_is_said_of_what_is_well(spec: str) -> None:
    assert found(spec) == ()


@pytest.mark.parametrize("entry", ["{}", "{image: x}", "x", "null", "[]", "{name: 1}", "{name: {}}"])
@pytest.mark.parametrize("kind", ["containers", "initContainers", "volumes"])
def test_nothing_is_said_of_what_the_api_server_will_refuse(kind: str, entry: str) -> None:
    assert found(beside(entry, kind)) == ()


@pytest.mark.parametrize(
    "spec",
    [
        beside("{name: proxy, image: p, lifecycle: 1, env: [x, {name: []}]}"),
        beside("{name: proxy, image: p, lifecycle: preStop, env: 1}"),
        beside("{name: v, persistentVolumeClaim: {claimName: {}}}", "volumes"),
        beside("{name: v, persistentVolumeClaim: {x: y}}", "volumes"),
    ],
)
def test_parts_that_are_none_are_read_past(spec: str) -> None:
    assert len(found(spec)) == 1


def test_the_measured_seconds_count_where_there_are_any() -> None:
    spec = pool("worker: {prefetchMultiplier: 4}, scaling: {taskDuration: 1s, drainWithin: 10m}")
    assert found(spec) == found(spec, {"a": 2.0}) == ()
    (caution,) = found(spec, {"a": 200.0})
    assert (caution.rule, caution.pool, caution.path) == (
        "prefetch-behind-a-task",
        "a",
        "pools.a.worker.prefetchMultiplier",
    )

"""What pods have of Secrets and ConfigMaps beside their environment is found, and a change is another checksum."""

from typing import Any

import pytest
import yaml

from tests.support.resources import resource
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.core.objects.mounted import Contents
from utilitarian_operator.core.objects.wanted import pod_templates
from utilitarian_operator.core.spec.mounts import (
    MOST_MOUNTED,
    Mounts,
    mounted,
    mounted_contents,
    mounted_targets,
    mounts,
    not_followed,
)
from utilitarian_operator.core.spec.references import Absent, Content, Target, Unreadable


def of_pod(written: str) -> list[tuple[str, str, str | None, bool]]:
    """Kind, name and key of each reference of a pod, and whether it is optional."""
    return [
        (it.target.kind, it.target.name, it.key, it.optional) for it in mounted(yaml.safe_load(written), own="worker")
    ]


def seen(volume: str, *uses: str) -> str:
    """A pod that has a volume `v`, mounted so."""
    each = ", ".join(f"{{name: v, mountPath: /x, {use}}}" for use in uses or ("",))
    return f"{{volumes: [{{name: v, {volume}}}], containers: [{{name: worker, volumeMounts: [{each}]}}]}}"


ITEMS = "items: [{key: a, path: one/a.py}, {key: b, path: two/b.py}]"


@pytest.mark.parametrize(
    "pod,expected",
    [
        pytest.param(seen("secret: {secretName: s}"), [("Secret", "s", None, False)], id="a Secret"),
        pytest.param(
            seen("configMap: {name: c, optional: true}"), [("ConfigMap", "c", None, True)], id="a ConfigMap, optional"
        ),
        pytest.param(
            seen(f"secret: {{secretName: s, {ITEMS}}}"),
            [("Secret", "s", "a", False), ("Secret", "s", "b", False)],
            id="some of its keys",
        ),
        pytest.param(seen("configMap: {name: c}", "subPath: x.py"), [("ConfigMap", "c", "x.py", False)], id="one file"),
        pytest.param(
            seen("configMap: {name: c}", "subPath: x.py", "subPath: ./y.py"),
            [("ConfigMap", "c", "x.py", False), ("ConfigMap", "c", "y.py", False)],
            id="two files",
        ),
        pytest.param(
            seen("configMap: {name: c}", "subPath: x.py", ""), [("ConfigMap", "c", None, False)], id="a file, and all"
        ),
        pytest.param(
            seen("configMap: {name: c}", "subPathExpr: $(POD_NAME)"),
            [("ConfigMap", "c", None, False)],
            id="a path that only the pod knows",
        ),
        pytest.param(
            seen(f"configMap: {{name: c, {ITEMS}}}", "subPath: two"), [("ConfigMap", "c", "b", False)], id="a folder"
        ),
        pytest.param(
            seen("projected: {sources: [{secret: {name: s, items: [{key: k, path: k}]}}, {configMap: {name: c}}]}"),
            [("Secret", "s", "k", False), ("ConfigMap", "c", None, False)],
            id="projected",
        ),
        pytest.param(
            seen("projected: {sources: [{secret: {name: s}}, {configMap: {name: c}}]}", "subPath: x"),
            [("Secret", "s", None, False), ("ConfigMap", "c", None, False)],
            id="a file of one of two: which of them has it is not known",
        ),
        pytest.param("{volumes: [{name: v, secret: {secretName: s}}]}", [], id="what no container sees"),
        pytest.param(seen("projected: {sources: [{serviceAccountToken: {path: t}}]}"), [], id="a token"),
        pytest.param(seen("emptyDir: {}"), [], id="nothing of the kind"),
        pytest.param(
            "{containers: [{name: worker, envFrom: [{secretRef: {name: s}}]}]}", [], id="the worker's own environment"
        ),
        pytest.param(
            "{initContainers: [{name: proxy, envFrom: [{secretRef: {name: s}}], env: [{name: A, value: x},"
            " {name: X, valueFrom: {configMapKeyRef: {name: c, key: k, optional: true}}}]}]}",
            [("Secret", "s", None, False), ("ConfigMap", "c", "k", True)],
            id="a sidecar's environment",
        ),
    ],
)
def test_what_is_followed_of_a_pod(pod: str, expected: list[tuple[str, str, str | None, bool]]) -> None:
    assert of_pod(pod) == expected


@pytest.mark.parametrize("name", ["../../kube-system/secrets/x", "a/b", "A", "''", "x" * 254, "{a: b}", "[a]", "1"])
def test_no_name_that_no_object_can_have_comes_into_a_request(name: str) -> None:
    assert of_pod(seen(f"secret: {{secretName: {name}}}")) == []


@pytest.mark.parametrize(
    "pod",
    [
        "{volumes: x, containers: 3}",
        "{volumes: [1, {name: v}], containers: [x, {volumeMounts: [y, {name: v}], env: [z], envFrom: {}}]}",
        seen("secret: s"),
        seen("secret: {secretName: [s]}"),
        seen("configMap: {name: c, items: 3}"),
        seen("projected: {sources: {a: b}}"),
        seen("projected: {sources: [{secret: x}, y]}"),
        "{containers: [{name: p, env: [{valueFrom: x}, {valueFrom: {secretKeyRef: {name: {}, key: k}}}]}]}",
    ],
)
def test_what_has_another_shape_is_left_to_the_api_server(pod: str) -> None:
    assert all(isinstance(name, str) for _, name, _, _ in of_pod(pod))


SPEC = """
pod: {volumes: [{name: s, configMap: {name: settings}}], volumeMounts: [{name: s, mountPath: /s}]}
pools:
  - {name: a, queues: [q]}
  - {name: b, queues: [r], pod: {volumes: [{name: t, secret: {secretName: tls}}],
                                 volumeMounts: [{name: t, mountPath: /t, subPath: tls.key}]}}
  - {name: c, queues: [s], pod: {volumes: [], volumeMounts: []}}
"""
SETTINGS, TLS = Target("ConfigMap", "settings", digested=True), Target("Secret", "tls", digested=True)
FULL: dict[Target, Content] = {SETTINGS: {"x.py": "1"}, TLS: {"tls.key": "1", "tls.crt": "1"}}


def of_fleet(spec: str) -> Mounts:
    fleet = effective_fleet(parse(resource(spec)).spec)
    return mounts(pod_templates("fleet", fleet), fleet)


@pytest.mark.parametrize(
    "changed,rolled",
    [
        pytest.param({SETTINGS: {"x.py": "2"}}, {"a", None}, id="a file"),
        pytest.param({SETTINGS: {"x.py": "1", "y.py": "1"}}, {"a", None}, id="a new file"),
        pytest.param({TLS: {"tls.key": "2", "tls.crt": "1"}}, {"b"}, id="the one file that is mounted"),
        pytest.param({TLS: {"tls.key": "1", "tls.crt": "2"}}, set(), id="one that is not"),
    ],
)
def test_a_change_has_another_checksum_where_it_is_seen(
    changed: dict[Target, Content], rolled: set[str | None]
) -> None:
    found = of_fleet(SPEC)
    before, after = (mounted_contents(found, it, "salt") for it in (FULL, {**FULL, **changed}))
    assert {name for name in before if before[name] != after[name]} == rolled
    assert before["c"] == Contents({}, None)
    assert mounted_targets(found) == {SETTINGS, TLS}


@pytest.mark.parametrize("content", [Unreadable(), Absent()], ids=["unreadable", "gone"])
def test_what_can_not_be_read_is_not_known_and_all_else_is(content: Content) -> None:
    both = SPEC.replace("volumes: [{name: t,", "volumes: [{name: s, configMap: {name: settings}}, {name: t,").replace(
        "volumeMounts: [{name: t,", "volumeMounts: [{name: s, mountPath: /s}, {name: t,"
    )
    found = mounted_contents(of_fleet(both), {**FULL, SETTINGS: content}, "salt")
    known = {name: None if it is None else (len(it.each), len(it.known), it.together) for name, it in found.items()}
    assert known == {"a": (1, 0, None), "b": (2, 1, None), "c": (0, 0, None), None: (1, 0, None)}


def test_the_same_contents_have_another_checksum_with_another_salt() -> None:
    found = of_fleet(SPEC)
    one, two = (mounted_contents(found, FULL, salt)["a"] for salt in ("one", "two"))
    assert one is not None
    assert two is not None
    assert one.together != two.together
    assert one.each.keys().isdisjoint(two.each)
    assert set(one.each.values()).isdisjoint(two.each.values())


def test_what_can_not_be_followed_is_said() -> None:
    found = of_fleet(SPEC)
    env = Target("Secret", "login")
    assert list(not_followed(found, {env}, FULL, set())) == []
    said = list(not_followed(found, {env}, {**FULL, TLS: Absent()}, {env, SETTINGS, Target("Secret", "other")}))
    assert said[0] == "Secret tls is mounted and does not exist: no new pod starts without it; create it"
    may_not = "the operator may not read ConfigMap settings, Secret login, so no change of them rolls a pod"
    assert said[1:] == [f"{may_not}: let it read them (rbac of its chart), or restart the workers after a change"]


def test_no_fleet_has_more_objects_read_than_its_share() -> None:
    def pool(name: str, first: int, count: int) -> dict[str, Any]:
        sources = [{"configMap": {"name": f"c-{first + n}"}} for n in range(count)]
        pod = {"volumes": [{"name": "v", "projected": {"sources": sources}}]}
        return {"name": name, "queues": [name], "pod": {**pod, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}}

    pools = [pool("a", 0, MOST_MOUNTED), pool("b", MOST_MOUNTED, 1), pool("c", 0, 5)]
    found = of_fleet(yaml.safe_dump({"pools": pools}))
    assert len(mounted_targets(found)) == MOST_MOUNTED
    assert {name for name, it in found.items() if it is None} == {"b"}
    assert mounted_contents(found, {}, "salt")["b"] is None

"""Partial pod templates over ours: Kubernetes' own rules of merging, one at a time, and that what is ours stays."""

from collections import Counter
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import length as length_of
from tests.support.resources import resource
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.problem import InvalidSpec
from utilitarian_operator.api.validation.pod_security import check_made_pods
from utilitarian_operator.api.validation.pod_template import MOST_PARTS
from utilitarian_operator.api.validation.resource_rules import accept
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.objects.manifests import beat_statefulset, deployment
from utilitarian_operator.core.objects.pod_template import KEYS, with_templates
from utilitarian_operator.core.objects.wanted import pod_templates

OWNER = Owner("ns", "fleet", "uid")
PROXY = "{name: proxy, image: 'proxy:1', restartPolicy: Always}"


def pods(pod: str, pool: str = "{}", beat: str = "{}") -> tuple[dict[str, Any], dict[str, Any]]:
    """The pods of a pool and of beat, with these settings of the fleet, of the pool and of beat."""
    spec = f"{{pod: {pod}, pools: [{{name: a, queues: [q], pod: {pool}}}], beat: {{pod: {beat}}}}}"
    fleet = effective_fleet(accept(resource(spec)).spec)
    made = deployment(OWNER, fleet, fleet.pools[0]), beat_statefulset(OWNER, fleet)
    worker, scheduler = (it["spec"]["template"]["spec"] for it in made)
    return worker, scheduler


PLAIN, PLAIN_BEAT = pods("{}")


@pytest.mark.parametrize(
    "under,over,result",
    [
        pytest.param({"a": 1, "b": {"c": 2}}, {"b": {"d": 3}}, {"a": 1, "b": {"c": 2, "d": 3}}, id="maps merge"),
        pytest.param({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}, {"a": {"c": 2}}, id="null takes away"),
        pytest.param({"tolerations": [1]}, {"tolerations": [2]}, {"tolerations": [2]}, id="a list is replaced"),
        pytest.param(
            {"containers": [{"name": "x", "a": 1}, {"name": "y"}]},
            {"containers": [{"name": "z"}, {"name": "x", "b": 2}]},
            {"containers": [{"name": "x", "a": 1, "b": 2}, {"name": "y"}, {"name": "z"}]},
            id="items of a key merge where they stand",
        ),
        pytest.param(
            {"volumes": [{"name": "v", "emptyDir": {}}]},
            {"volumes": [{"name": "v", "secret": {"secretName": "s"}}]},
            {"volumes": [{"name": "v", "secret": {"secretName": "s"}}]},
            id="a volume is replaced",
        ),
        pytest.param(
            {"ports": [{"containerPort": 53, "name": "a"}]},
            {
                "ports": [
                    {"containerPort": 53, "protocol": "UDP"},
                    {"containerPort": 53, "protocol": "TCP", "name": "b"},
                ]
            },
            {
                "ports": [
                    {"containerPort": 53, "protocol": "TCP", "name": "b"},
                    {"containerPort": 53, "protocol": "UDP"},
                ]
            },
            id="one number is two ports by TCP and UDP",
        ),
    ],
)
def test_how_parts_merge(under: dict[str, Any], over: dict[str, Any], result: dict[str, Any]) -> None:
    assert with_templates(under, [over], "worker") == result


def test_a_sidecar_an_init_container_and_a_probe_stand_beside_what_is_ours() -> None:
    mine = "{name: worker, ports: [{containerPort: 8000}], workingDir: /app, readinessProbe: {exec: {command: [x]}}}"
    spec = f"{{containers: [{mine}], initContainers: [{PROXY}], hostAliases: [{{ip: 10.0.0.1, hostnames: [mq]}}]}}"
    worker, beat = pods(f"{{template: {{spec: {spec}}}}}")
    (own,) = worker["containers"]
    assert own == PLAIN["containers"][0] | {
        "ports": [{"containerPort": 8000}],
        "workingDir": "/app",
        "readinessProbe": {"exec": {"command": ["x"]}},
    }
    assert [it["name"] for it in worker["initContainers"]] == ["proxy"]
    assert [it["name"] for it in beat["initContainers"]] == ["check-schedule", "proxy"]
    assert beat["containers"] == PLAIN_BEAT["containers"], "what is said of the worker is not beat's"
    assert worker["readinessGates"] == PLAIN["readinessGates"]


def test_templates_of_fleet_and_pool_pile_up() -> None:
    fleet = "{template: {spec: {dnsPolicy: Default, initContainers: [{name: one, image: a}]}}}"
    pool = "{template: {spec: {runtimeClassName: nvidia, initContainers: [{name: two, image: b}], dnsPolicy: null}}}"
    worker, beat = pods(fleet, pool)
    assert [it["name"] for it in worker["initContainers"]] == ["one", "two"]
    assert (worker["runtimeClassName"], "dnsPolicy" in worker) == ("nvidia", False)
    assert (beat["dnsPolicy"], "runtimeClassName" in beat) == ("Default", False)


def test_null_takes_a_default_of_ours_away() -> None:
    worker, beat = pods("{template: {spec: {securityContext: {fsGroup: null, seccompProfile: null}}}}")
    assert worker["securityContext"] == beat["securityContext"] == {}


def test_a_label_called_template_is_a_label() -> None:
    spec = "{pod: {labels: {template: x}}, pools: [{name: a, queues: [q], pod: {labels: {template: y}}}]}"
    fleet = effective_fleet(accept(resource(spec)).spec)
    assert fleet.pools[0].pod.labels == {"template": "y"}


def test_the_rules_of_pod_security_hold_for_what_comes_by_a_template() -> None:
    spec = (
        "{pod: {template: {spec: {hostNetwork: true, containers: [{name: x, securityContext: {privileged: true}}]}}}}"
    )
    templates = pod_templates("fleet", effective_fleet(accept(resource(spec)).spec))
    said = {str(it) for it in check_made_pods(templates, ())}
    assert any("hostNetwork" in it for it in said)
    assert any("containers[1].securityContext.privileged" in it for it in said)


MANY = length_of(3_000, quick=500)


@given(length=st.integers(min_value=1, max_value=MANY), name=st.sampled_from(sorted(KEYS)), odd=st.booleans())
def test_a_long_list_is_merged_in_a_time_that_its_length_says(length: int, name: str, *, odd: bool) -> None:
    """Each item was looked for in all others: twenty thousand volumes stopped the looks at every fleet for minutes."""
    asked = Counter[str]()

    class Item(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            asked[key] += 1
            return super().get(key, default)

    key = KEYS[name]
    under, over = ([Item({key: [n] if odd else n}) for n in range(length)] for _ in range(2))
    assert with_templates({name: under}, [{name: over}], "worker") == {name: over}
    assert asked.total() <= 8 * length


@pytest.mark.parametrize("at", ["spec.pod", "spec.defaults.pod", "spec.pools[0].pod", "spec.beat.pod"])
def test_a_template_has_a_bound(at: str) -> None:
    def problems(number: int) -> dict[str, str]:
        pod = {"template": {"spec": {"volumes": [{"name": f"v{n}"} for n in range(number)]}}}
        spec: dict[str, Any] = {"pools": [{"name": "a", "queues": ["q"]}]}
        match at.split("."):
            case ["spec", "pod"]:
                spec["pod"] = pod
            case ["spec", "pools[0]", "pod"]:
                spec["pools"][0]["pod"] = pod
            case [_, part, _]:
                spec[part] = {"pod": pod}
        try:
            accept(resource(yaml.safe_dump(spec)))
        except InvalidSpec as error:
            return {it.path: it.remedy for it in error.errors}
        return {}

    assert problems(MOST_PARTS // 2 - 10) == {}
    assert problems(MOST_PARTS // 2) == {f"{at}.template": "has more than 1000 fields and values; write fewer"}

"""The operator refuses what the API server refuses, and what only it can tell, with a path and a remedy."""

from typing import Any

import pytest
import yaml

from tests.support.resources import INVALID, VALID, Refused, pool, resource
from utilitarian_operator.api.problem import InvalidSpec
from utilitarian_operator.api.resource import parse
from utilitarian_operator.api.validation.resource_rules import accept, warnings


@pytest.mark.parametrize("case", INVALID, ids=lambda case: case.id)
def test_the_operator_refuses_with_path_and_remedy(case: Refused) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        accept(case.body)
    found = {problem.path: problem.remedy for problem in refusal.value.errors}
    assert case.path in found
    assert (case.remedy or case.says) in found[case.path]


@pytest.mark.parametrize("spec", VALID.values(), ids=VALID.keys())
def test_the_operator_accepts(spec: str) -> None:
    assert accept(resource(spec)).spec.image


@pytest.mark.parametrize(
    "spec",
    [
        'broker: {url: "amqp://user:hidden@rabbit/"}',
        'broker: "amqp://user:hidden@rabbit/"',
        "env: [{name: PASSWORD, value: hidden, valueFrom: {}}]",
        "env: hidden",
        'password: "hidden"',
        'pools: [{name: a, queues: ["amqp://user:hidden@rabbit/,"]}]',
        'beat: {extraArgs: ["--broker=hidden"]}',
        "{pod: {annotations: {utilitarian.io/token: hidden}}}",
    ],
)
def test_no_message_shows_what_may_be_secret(spec: str) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        accept(resource(spec))
    assert "hidden" not in str(refusal.value)


def test_all_problems_are_said_at_once() -> None:
    with pytest.raises(InvalidSpec) as refusal:
        parse(resource(pool("scaling: {min: -1, max: 0}, priority: high")))
    assert [problem.path for problem in refusal.value.errors] == [
        "spec.pools[0].priority",
        "spec.pools[0].scaling.min",
        "spec.pools[0].scaling.max",
    ]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"spec": None},
        {"spec": []},
        {"metadata": {"name": "x"}, "spec": {"pools": {}}},
        yaml.safe_load("spec: {1: 2}"),
    ],
    ids=["nothing", "null", "list", "pools-as-map", "number-as-field"],
)
def test_what_is_no_resource_at_all_is_refused_and_not_a_crash(body: dict[str, object]) -> None:
    with pytest.raises(InvalidSpec):
        accept(body)


@pytest.mark.parametrize(
    "worker,warned",
    [
        ("{concurrency: 10, maxMemoryPerChild: 150Mi, resources: {limits: {memory: 2Gi}}}", False),
        ("{concurrency: 13, maxMemoryPerChild: 150Mi, resources: {limits: {memory: 2Gi}}}", True),
        ("{concurrency: 13, maxMemoryPerChild: 150Mi}", False),
        ("{concurrency: 13, resources: {limits: {memory: 2Gi}}}", False),
    ],
    ids=["fits", "too-much", "no-limit", "no-bound"],
)
def test_children_that_may_outgrow_the_limit_are_a_warning(worker: str, warned: bool) -> None:
    found = warnings(parse(resource(pool(f"worker: {worker}"))).spec)
    assert [problem.path for problem in found] == ["spec.pools[0].worker.maxMemoryPerChild"] * warned


@pytest.mark.parametrize(
    "written,says",
    [
        ("scaling: {outsideRuns: Hold, min: 2}", "scaling.min is 2, and a worker that stands takes what comes"),
        ("queues: null, scaling: {outsideRuns: Hold}", "a catch-all always has a worker"),
        ("scaling: {outsideRuns: Hold}", ""),
        ("scaling: {min: 2}", ""),
    ],
    ids=["min", "catch-all", "asleep-outside-runs", "react"],
)
def test_work_that_no_pool_can_hold_is_a_warning(written: str, says: str) -> None:
    found = warnings(parse(resource(pool(f'{written}, schedule: [{{name: s, start: "0 0 1 * *"}}]'))).spec)
    assert [problem.path for problem in found] == ["spec.pools[0].scaling.outsideRuns"] * bool(says)
    assert all(says in str(problem) for problem in found)


@pytest.mark.parametrize(
    "written,says",
    [
        ("scaling: {wake: WhenDue, min: 2}", "scaling.min is 2, so the pool never sleeps"),
        ("queues: null, scaling: {wake: WhenDue}", "a catch-all always has a worker"),
        ("scaling: {wake: WhenDue}", ""),
        ("scaling: {wake: AtOnce, min: 2}", ""),
    ],
    ids=["min", "catch-all", "sleeps", "at-once"],
)
def test_a_pool_that_never_sleeps_and_is_to_wake_when_due_is_a_warning(written: str, says: str) -> None:
    found = warnings(parse(resource(pool(written))).spec)
    assert [problem.path for problem in found] == ["spec.pools[0].scaling.wake"] * bool(says)
    assert all(says in str(problem) for problem in found)


@pytest.mark.parametrize(
    "written,says",
    [
        ('start: "0 * * * *", warmUp: 24h', "schedule[0].warmUp: two starts are 1h apart at most"),
        ('start: "*/5 * * * *", until: Duration, duration: 72h', "duration: two starts are 5m apart at most"),
        ('start: "0,20,40 8 * * *", warmUp: 3h', ""),
        ('start: "* 8 * * *", warmUp: 3h', ""),
        ('start: "0 * * * *", warmUp: 59m', ""),
        ('start: "0 0 29 2 *", until: Duration, duration: 168h', ""),
    ],
    ids=["warm-up", "duration", "starts-close-together", "an-hour-of-minutes", "short", "leap-day"],
)
def test_runs_without_a_pause_between_them_are_a_warning(written: str, says: str) -> None:
    found = [str(problem) for problem in warnings(parse(resource(pool(f"schedule: [{{name: s, {written}}}]"))).spec)]
    assert len(found) == bool(says)
    assert all(says in problem for problem in found)


@pytest.mark.parametrize(
    "written,warned",
    [
        ("drainTimeout: 30m", True),
        ("drainTimeout: 10m", False),
        ("drainTimeout: 30m, disruption: Avoid", False),
        ("priority: 50", False),
    ],
    ids=["longer", "as-long", "asked-to-stay-away", "built-in"],
)
def test_a_grace_that_node_autoscalers_would_cut_is_a_warning(written: str, warned: bool) -> None:
    found = warnings(parse(resource(pool(written))).spec)
    assert [problem.path for problem in found] == ["spec.pools[0].drainTimeout"] * warned
    assert all("disruption: Avoid" in str(problem) for problem in found)


@pytest.mark.parametrize("levels", [101, 900, 10_000])
@pytest.mark.parametrize("lists", [False, True])
def test_parts_that_lie_too_deep_within_each_other_are_refused_and_nothing_is_raised(levels: int, lists: bool) -> None:
    template: Any = "x"
    for _ in range(levels):
        template = [template] if lists else {"a": template}
    with pytest.raises(InvalidSpec) as raised:
        accept(
            resource("{}") | {"spec": resource("{}")["spec"] | {"pod": {"template": {"spec": {"affinity": template}}}}}
        )
    (problem,) = raised.value.errors
    assert str(problem).startswith("spec.pod.template.spec.affinity")
    assert "more than 100 parts within each other" in str(problem)
    assert len(str(problem)) < 400

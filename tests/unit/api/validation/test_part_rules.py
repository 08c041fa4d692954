"""Each rule of a part is broken by a case of the table that the API server is tried with, too."""

from functools import cache

import pytest

from tests.support.resources import INVALID, VALID, resource
from utilitarian_operator.api.kubernetes import Resources
from utilitarian_operator.api.problem import InvalidSpec
from utilitarian_operator.api.validation.part_rules import LOCAL_RULES, Local, broken_rules
from utilitarian_operator.api.validation.resource_rules import accept


def remedies(body: dict[str, object]) -> set[str]:
    try:
        accept(body)
    except InvalidSpec as refusal:
        return {problem.remedy for problem in refusal.errors}
    return set()


@cache
def said() -> set[str]:
    return set().union(*(remedies(case.body) for case in INVALID))


@pytest.mark.parametrize("rule", LOCAL_RULES, ids=lambda rule: f"{rule.kind.__name__}.{rule.field}")
def test_a_case_breaks_each_rule(rule: Local) -> None:
    assert rule.message in said()


@pytest.mark.parametrize("spec", VALID.values(), ids=VALID.keys())
def test_what_is_valid_breaks_none(spec: str) -> None:
    assert remedies(resource(spec)) == set()


def test_a_broken_rule_has_path_and_value() -> None:
    part = Resources.model_validate({"requests": {"cpu": "2"}, "limits": {"cpu": "1"}})
    (problem,) = broken_rules("spec.pools[0].worker.resources", part)
    assert (problem.path, problem.value) == ("spec.pools[0].worker.resources.requests", "an object")

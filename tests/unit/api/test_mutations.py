from typing import Any

from hypothesis import given, settings

from tests.support.examples import examples
from tests.support.mutations import full, spoiled
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.problem import InvalidSpec, Problem
from utilitarian_operator.api.validation.resource_rules import accept, warnings


def test_the_full_resource_is_valid() -> None:
    assert effective_fleet(accept(full()).spec).pools


@settings(max_examples=examples(300), deadline=None)
@given(spoiled())
def test_a_spoiled_resource_is_refused_with_paths_or_runs(body: dict[str, Any]) -> None:
    problems = refusal_of(body)
    assert all(problem.path.startswith("spec") and problem.remedy for problem in problems)
    if not problems:
        spec = accept(body).spec
        assert effective_fleet(spec).pools
        warnings(spec)


def refusal_of(body: dict[str, Any]) -> tuple[Problem, ...]:
    try:
        accept(body)
    except InvalidSpec as refusal:
        return refusal.errors
    return ()

"""A problem says path, remedy and value; a value that may be a secret is never shown."""

import pytest

from utilitarian_operator.api.problem import MASKED, InvalidSpec, Problem, field_path, shown


@pytest.mark.parametrize(
    "location,path",
    [
        (("spec", "pools", 0, "name"), "spec.pools[0].name"),
        (("spec", "pools", 1, "schedule", 2), "spec.pools[1].schedule[2]"),
        ((), ""),
    ],
)
def test_a_path_as_kubernetes_writes_it(location: tuple[str | int, ...], path: str) -> None:
    assert field_path(location) == path


@pytest.mark.parametrize(
    "path,value,said",
    [
        pytest.param("spec.mode", "Sometimes", '"Sometimes"', id="text"),
        pytest.param("spec.maxWorkers", 5, "5", id="a number"),
        pytest.param("spec.mode", None, "", id="nothing"),
        pytest.param("spec.pools", [1, 2], "a list of 2", id="a list"),
        pytest.param("spec.pools[0]", {"name": "a"}, "an object", id="an object"),
        pytest.param("spec.image", "a" * 100, '"' + "a" * 78 + "…", id="a long text"),
        pytest.param("spec.broker.urlFrom", "hidden", MASKED, id="of the broker"),
        pytest.param("spec.env[0].value", "hidden", MASKED, id="a variable"),
        pytest.param("spec.pools[0].worker.extraArgs", ["hidden"], MASKED, id="arguments"),
        pytest.param("spec.pod.annotations", "hidden", MASKED, id="an annotation"),
        pytest.param("spec.pools[0].queues[0]", "amqp://u:hidden@h/", MASKED, id="an address"),
        pytest.param("spec.environment", "seen", '"seen"', id="a path that only begins alike"),
    ],
)
def test_a_value_in_a_message(path: str, value: object, said: str) -> None:
    assert shown(path, value) == said


def test_all_problems_are_one_error() -> None:
    problems = [Problem("spec.a", '"x"', "write y"), Problem("spec.b", "", "is required")]
    error = InvalidSpec(problems)
    assert str(error) == 'spec.a: write y (is: "x"); spec.b: is required'
    assert error.errors == tuple(problems)

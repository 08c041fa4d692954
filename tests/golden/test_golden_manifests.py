"""The objects of every example stay what they are, until `pytest --update-golden` is said and its diff looked at."""

import json
from functools import cache
from typing import Any

import pytest

from tests.golden.manifests import (
    CHANGELOG,
    GOLDEN,
    TEMPLATES,
    as_yaml,
    examples,
    golden_file,
    objects,
    template_hashes,
)

EXAMPLES = examples()


@cache
def read_again() -> dict[str, dict[str, Any]]:
    return examples()


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_objects_of_an_example_are_the_agreed_ones(example: str, request: pytest.FixtureRequest) -> None:
    made = as_yaml(objects(EXAMPLES[example]))
    if request.config.getoption("--update-golden"):
        golden_file(example).write_text(made)
    assert made == golden_file(example).read_text(), "if this is meant: pytest tests/golden --update-golden"


def test_an_upgrade_of_the_operator_rolls_no_worker(request: pytest.FixtureRequest) -> None:
    """A new template makes every pod of every installation anew, with all that their workers hold."""
    made, change = template_hashes(), request.config.getoption("--bless-templates")
    if change:
        assert change in CHANGELOG.read_text(), "first tell it in CHANGELOG.md, in the words that you give here"
        TEMPLATES.write_text(made)
    differing = sorted(set(made.splitlines()) ^ set(TEMPLATES.read_text().splitlines()))
    whose = sorted({line.rpartition(" ")[0] for line in differing})
    assert not whose, (
        f"an upgrade would roll the pods of {'; '.join(whose)}. Make the manifest as it was, or, if it is "
        "worth that (or an example changed), tell those who upgrade in CHANGELOG.md and bless it: "
        "pytest tests/golden --bless-templates 'the words of CHANGELOG.md'"
    )


def test_every_example_has_a_file_and_every_file_an_example() -> None:
    assert {path.stem for path in GOLDEN.glob("*.yaml")} == set(EXAMPLES)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_same_resource_gives_the_same_objects_in_the_same_order(example: str) -> None:
    made = objects(EXAMPLES[example])
    assert json.dumps(made) == json.dumps(objects(read_again()[example]))
    names = [(it["kind"], it["metadata"]["name"]) for it in made]
    assert len(names) == len(set(names))

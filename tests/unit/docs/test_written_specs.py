"""What the pages tell to write is accepted as it stands there, without a warning."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.resources import resource
from utilitarian_operator.api.validation.pod_security import EVERYTHING
from utilitarian_operator.api.validation.resource_rules import accept, warnings

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in ("install", "migrate", "pools", "runs"))]
POOLS = (ROOT / "docs" / "pools.md").read_text()
WRAPPERS = POOLS.partition("## I start celery through")[2].partition("\n## ")[0]
QUEUE = {"name": "work", "queues": ["q"]}
OF_A_SPEC = {"image", "broker", "mode", "pools", "pod", "beat", "defaults", "env"}
OF_A_POOL = {"schedule", "rollout", "disruptionBudget", "foreignConsumers", "disruption"}
OF_SCALING = {"min", "max", "wake", "idleAfter", "outsideRuns", "drainWithin"}
OF_ALL = OF_A_SPEC | OF_A_POOL | OF_SCALING | {"worker.events", "scaling.wake", "scaling.min"}


def blocks() -> list[Any]:
    """The examples of pages that have a part of a spec."""
    found = []
    for page in PAGES:
        for number, text in enumerate(
            re.findall(r"^ *```yaml\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE)
        ):
            read = yaml.safe_load(text)
            if read.keys() <= OF_ALL | {"spec", "apiVersion", "kind", "metadata"}:
                found.append(pytest.param(read, id=f"{page.stem} {number}"))
    return found


def inline() -> list[str]:
    """What pools.md has in its sentences and tables, `FIELD: VALUE`."""
    return sorted({it for it in re.findall(r"`([\w.]+: [^`]+)`", POOLS) if it.partition(":")[0] in OF_ALL})


def placed(part: dict[str, Any]) -> dict[str, Any]:
    """A valid resource with the part where its fields belong."""
    (first, *_), body = part, resource()
    if first in {"spec", "apiVersion"}:
        return {**body, "spec": {**body["spec"], **part["spec"]}}
    for name, value in part.items():
        if "." in name:
            parent, _, child = name.partition(".")
            part = {parent: {child: value}}
    if first in OF_SCALING:
        part = {"scaling": part}
    return {**body, "spec": {**body["spec"], **(part if first in OF_A_SPEC else {"pools": [{**QUEUE, **part}]})}}


@pytest.mark.parametrize("part", blocks())
def test_an_example_is_accepted(part: dict[str, Any]) -> None:
    assert warnings(accept(placed(part), EVERYTHING).spec) == []


@pytest.mark.parametrize("written", inline())
def test_what_stands_in_a_sentence_is_accepted(written: str) -> None:
    assert warnings(accept(placed(yaml.safe_load(written)), EVERYTHING).spec) == []


@pytest.mark.parametrize("written", re.findall(r"`(?:commandPrefix: )?(\[[^`]+\])`", WRAPPERS))
def test_a_wrapper_that_is_told_starts_celery_and_lets_it_end(written: str) -> None:
    part = {"pools": [{**QUEUE, "worker": {"commandPrefix": yaml.safe_load(written)}}]}
    assert warnings(accept(placed(part), EVERYTHING).spec) == []


def test_there_are_examples() -> None:
    assert len(blocks()) >= 6
    assert len(inline()) >= 12

"""docs/install.md names every right that the chart gives the operator, and no other."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.chart import render

PAGE = Path(__file__).parents[3] / "docs" / "install.md"
VERBS = {"read": ("get", "list", "watch")}


def said() -> set[str]:
    """Each resource and verb of the table; that of metrics has its group, since its name occurs twice."""
    rows = re.findall(
        r"^\| (`.*?) \| (.*?) \| .*? \|$", PAGE.read_text().partition("## What the operator may do")[2], re.MULTILINE
    )
    assert len(rows) > 15
    return {line for what, verbs in rows for line in _lines(re.sub(r"\(.*?\)", "", what), verbs)}


def _lines(what: str, verbs: str) -> Iterator[str]:
    group = "metrics.k8s.io/" if "of `metrics.k8s.io`" in what else ""
    for name in re.findall(r"`([a-z/]+)`", what):
        for verb in verbs.split(", "):
            yield from (f"{group}{name} {it}" for it in VERBS.get(verb, (verb,)))


def given() -> set[str]:
    """The same, of the roles that the operator's account is bound to."""
    objects = render({"namespaceSelector": "utilitarian.io/shard=a"})  # which asks for one right more
    bound = {it["roleRef"]["name"] for it in objects if it["kind"].endswith("RoleBinding")}
    roles = [it for it in objects if it["kind"] in {"Role", "ClusterRole"} and it["metadata"]["name"] in bound]
    return {
        f"{'metrics.k8s.io/' if group == 'metrics.k8s.io' else ''}{name} {verb}"
        for role in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for name in rule["resources"]
        for verb in rule["verbs"]
    }


def test_the_rights_in_the_page_are_those_of_the_chart() -> None:
    assert sorted(said() - given()) == []
    assert sorted(given() - said()) == []

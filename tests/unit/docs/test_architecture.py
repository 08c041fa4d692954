"""Each module, folder, rule and document that docs/architecture.md names is there."""

import re
from pathlib import Path

import pytest

from utilitarian_operator.core.sizing import rules

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "operator" / "utilitarian_operator"
PAGES = [ROOT / "docs" / "architecture.md", ROOT / "docs" / "decisions" / "0009-the-rooms.md"]
FOLDERS = ("cli", "host", "reconcile", "metrics", "adapters", "simulation", "core", "api")
PLACE = re.compile(rf"`((?:{'|'.join(FOLDERS)})/[a-z_/]*(?:\.py)?)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_places_are_there(page: Path) -> None:
    named = set(PLACE.findall(page.read_text()))
    assert named
    assert sorted(it for it in named if not (PACKAGE / it).exists()) == []


def test_every_folder_is_named() -> None:
    text = PAGES[0].read_text()
    folders = {path.parent for path in PACKAGE.rglob("__init__.py")} - {PACKAGE}
    tops = {folder.relative_to(PACKAGE).parts[0] for folder in folders}
    assert sorted(it for it in tops if f"`{it}/" not in text) == []
    below = {folder.name for folder in folders if folder.parent == PACKAGE / "core"}
    assert sorted(it for it in below if f"`{it}/`" not in text) == []


def test_the_rules_are_there() -> None:
    named = set(re.findall(r"`((?:by|within|sleep|declare|keep)_[a-z_]+)`", PAGES[0].read_text()))
    assert named
    assert sorted(it for it in named if not hasattr(rules, it)) == []


def test_the_words_of_the_glossary_have_one_meaning() -> None:
    rows = re.findall(r"^\| ([a-z ]+) \| (.+) \|$", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    words = [word for word, _ in rows]
    assert len(words) == len(set(words)) >= 12
    assert [word for word, meaning in rows if not meaning.endswith(".")] == []

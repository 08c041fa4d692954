"""The shape of the source tree: what a reader, and Python's own import, may rely on."""

import ast
import operator
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "operator" / "utilitarian_operator"
TREES = ("operator", "worker/utilitarian", "hack", "demo", "bench", "tests")
MODULES = sorted(path for tree in TREES for path in (ROOT / tree).rglob("*.py"))
OURS = sorted(PACKAGE.rglob("*.py"))
LONGEST_MODULE = 400
LONGEST_FUNCTION = 45
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
FOLDERS = sorted(path.parent for path in PACKAGE.rglob("__init__.py"))
LARGEST_FOLDER = 18
LEFT_TO_THE_CONTRACTS = re.compile(
    r"(decides?|judges?|asks?|makes?|mends?|changes?|keeps|calls|prints|writes|reads|builds|knows|sees|plays|stops) "
    r"(nothing|none|nobody|no \w+)\b|no logic|does none of|values only|(holds|has) no rule"
)
"""What a module must not do is said by the contracts in pyproject.toml."""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_operator_is_a_directory_that_shadows_nothing() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()
    assert not list((ROOT / "operator").glob("operator*.py"))
    assert operator.__file__ is not None
    assert Path(operator.__file__).is_relative_to(Path(sys.base_prefix).resolve())
    assert operator.add(1, 2) == 3


def test_no_module_is_called_after_nothing() -> None:
    nothing = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
    assert [name(path) for path in MODULES if path.stem in nothing] == []


def test_every_module_opens_with_what_it_does() -> None:
    # A test module may leave that to its tests' names.
    written = [path for path in MODULES if not path.name.startswith("test_") and path.read_text().strip()]
    assert [name(path) for path in written if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_no_module_opens_with_what_it_does_not_do() -> None:
    first = {path: (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0] for path in OURS}
    assert {name(path): line for path, line in first.items() if LEFT_TO_THE_CONTRACTS.search(line)} == {}


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_folders_stay_small_and_say_what_lives_there(folder: Path) -> None:
    assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= LARGEST_FOLDER
    door = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
    assert door is not None
    assert door.endswith(".")
    assert "\n" not in door


def test_every_folder_with_modules_has_a_door() -> None:
    assert sorted({path.parent for path in OURS}) == FOLDERS


@pytest.mark.parametrize("path", OURS, ids=name)
def test_modules_and_functions_stay_short(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) < LONGEST_MODULE
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, FUNCTION)]
    assert [f.name for f in functions if (f.end_lineno or 0) - f.lineno >= LONGEST_FUNCTION] == []


def test_every_test_asserts() -> None:
    """By itself, or by a function of the tests or of the demonstration that it calls, however deep."""
    texts = {path: ast.parse(path.read_text()) for path in MODULES if name(path).startswith(("tests/", "demo/"))}
    functions = [(path, node) for path, tree in texts.items() for node in ast.walk(tree) if isinstance(node, FUNCTION)]
    asserting = {node.name for _, node in functions if _asserts(node)}
    while more := {node.name for _, node in functions if _calls(node) & asserting} - asserting:
        asserting |= more
    silent = [(path, node.name) for path, node in functions if node.name not in asserting]
    assert [f"{name(path)}: {it}" for path, it in silent if path.stem[:5] == it[:5] == "test_"] == []


def _asserts(function: ast.AST) -> bool:
    nodes = list(ast.walk(function))
    raised = [ast.unparse(node.exc) for node in nodes if isinstance(node, ast.Raise) and node.exc is not None]
    return (
        any(isinstance(node, ast.Assert) for node in nodes)
        or any(re.match(r"AssertionError|NotInTimeError", it) for it in raised)
        or bool({"raises", "fail"} & _calls(function))
    )


def _calls(function: ast.AST) -> set[str]:
    called = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    return {it.id for it in called if isinstance(it, ast.Name)} | {
        it.attr for it in called if isinstance(it, ast.Attribute)
    }


def test_tests_share_only_what_is_in_their_support() -> None:
    shared = re.compile(r"^from tests\.(?!support|golden\.manifests)", re.MULTILINE)
    # The world that the adversary plays in is one thing, with its tests beside it.
    others = [path for path in MODULES if not name(path).startswith("tests/adversary/")]
    assert [name(path) for path in others if shared.search(path.read_text())] == []


def test_only_the_host_imports_kopf() -> None:
    assert [path.name for path in OURS if "kopf" in set(_imports(path))] == ["kopf_host.py"]


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]

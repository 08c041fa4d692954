"""The shape of the source tree: what a reader, and Python's own import, may rely on."""

import ast
import operator
import re
import sys
from collections.abc import Iterator
from functools import cache
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
LARGEST_FOLDER = 17
WITH_REAL_PARTS = {"adapters", "api", "cli", "host", "reconcile"}
"""Folders of the operator of which a module may be tried on a real broker or API server alone."""
WITHOUT_A_TEST_OF_ITS_NAME = {
    "api/kubernetes": "fields and their bounds: tests/support/resources.py has a case for each",
    "api/resource": "fields and their bounds: tests/support/resources.py has a case for each",
    "adapters/cluster/dry_run": "a client whose writes are dry runs: controlplane/test_plan_diff.py",
    "adapters/cluster/by_hand": "a client that writes for a person: controlplane/test_cli_hands.py",
    "core/look": "what a look is decided from, as values: test_engine.py",
    "errors": "classes of errors, each tried where it is raised",
}
"""Why each of these modules is tried in another place; one that only has data, or shapes, needs no test."""
LEFT_TO_THE_CONTRACTS = re.compile(
    r"(decides?|judges?|asks?|makes?|mends?|changes?|keeps|calls|prints|writes|reads|builds|knows|sees|plays|stops) "
    r"(nothing|none|nobody|no \w+)\b|no logic|does none of|values only|(holds|has) no rule"
)
"""What a module must not do is said by the contracts in pyproject.toml."""
DOCSTRING = re.compile(r'''r?"""[^"\s]''')
SAID_MORE_PLAINLY = re.compile(r"\b(nobody|somebody|whoever|hardly|in vain)\b", re.IGNORECASE)
"""Words that say which worker, client or person is meant only to one who knows already."""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def _functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [it for it in _statements(_tree(path)) if isinstance(it, FUNCTION)]


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """The statements within a module, a function or another statement: a tenth of all that `ast.walk` goes through."""
    for field in ("body", "handlers", "orelse", "finalbody", "cases"):
        for it in getattr(node, field, ()):
            yield it
            yield from _statements(it)


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
    texts = {path: path.read_text().strip() for path in MODULES if not path.name.startswith("test_")}
    assert [name(path) for path, text in texts.items() if text and not DOCSTRING.match(text)] == []


def test_no_module_opens_with_what_it_does_not_do() -> None:
    first = {path: (ast.get_docstring(_tree(path)) or "").partition("\n")[0] for path in OURS}
    assert {name(path): line for path, line in first.items() if LEFT_TO_THE_CONTRACTS.search(line)} == {}


def test_it_is_said_who_or_what_is_meant() -> None:
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"]
    # Other words in beat's start would change its pod template: an upgrade would restart it.
    written = [path for path in (*OURS, *pages) if path.name != "beat_scripts.py"]
    found = {name(path): SAID_MORE_PLAINLY.findall(path.read_text()) for path in written}
    assert {path: words for path, words in found.items() if words} == {}


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_folders_stay_small_and_say_what_lives_there(folder: Path) -> None:
    assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= LARGEST_FOLDER
    door = ast.get_docstring(_tree(folder / "__init__.py"))
    assert door is not None
    assert door.endswith(".")
    assert "\n" not in door


def test_every_folder_with_modules_has_a_door() -> None:
    assert sorted({path.parent for path in OURS}) == FOLDERS


def test_every_module_that_does_something_has_a_test_of_its_name() -> None:
    """In the same folder of tests/unit, without `core/`; or among the tests with real parts, also as FOLDER_NAME."""
    doing = {path for path in OURS if path.name != "__init__.py" and _does_something(path)}
    untried = {str(path.relative_to(PACKAGE).with_suffix("")) for path in doing if not _tests_of(path)}
    assert untried - WITHOUT_A_TEST_OF_ITS_NAME.keys() == set(), "give each a test file of its name"
    assert WITHOUT_A_TEST_OF_ITS_NAME.keys() - untried == set(), "they are no exceptions any more"


def _does_something(path: Path) -> bool:
    """Whether a module has a function with a body: not data alone, and not a protocol."""
    lines = (line for it in _functions(path) for line in it.body)
    return any(not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)) for line in lines)


def _tests_of(path: Path) -> list[Path]:
    place = path.relative_to(PACKAGE)
    folder = Path(*[part for part in place.parent.parts if part != "core"])
    unit = ROOT / "tests" / "unit" / folder / f"test_{path.name}"
    if place.parts[0] not in WITH_REAL_PARTS:
        return [unit] if unit.exists() else []
    names = (f"test_{path.name}", f"test_{folder.name}_{path.name}")
    real = [ROOT / "tests" / tried / it for tried in ("integration", "controlplane") for it in names]
    return [it for it in (unit, *real) if it.exists()]


def test_modules_and_functions_stay_short() -> None:
    lengths = {name(path): len(path.read_text().splitlines()) for path in OURS}
    assert {path: lines for path, lines in lengths.items() if lines >= LONGEST_MODULE} == {}
    functions = [(name(path), it.name, (it.end_lineno or 0) - it.lineno) for path in OURS for it in _functions(path)]
    assert [it for it in functions if it[-1] >= LONGEST_FUNCTION] == []


@pytest.mark.thorough
def test_every_test_asserts() -> None:
    """By itself, or by a function that it calls, however deep: of its own module, or of what tests share."""
    theirs = [path for path in MODULES if name(path).startswith(("tests/", "demo/"))]
    functions = [(path, node) for path in theirs for node in _functions(path)]
    classes = [it for path in theirs for it in _tree(path).body if isinstance(it, ast.ClassDef)]
    methods = {id(it) for of in classes for it in of.body}
    names = {node: f"{_shared_by(path)} {'.' * (id(node) in methods)}{node.name}" for path, node in functions}
    asserting = {names[node] for _, node in functions if _asserts(node)}
    calls = [
        (names[node], {f"{by} {it}" for it in _said(node)[1] for by in ("all", _shared_by(path))})
        for path, node in functions
        if names[node] not in asserting
    ]
    while more := {it for it, called in calls if called & asserting} - asserting:
        asserting |= more
    silent = [(path, node.name) for path, node in functions if names[node] not in asserting]
    assert [f"{name(path)}: {it}" for path, it in silent if path.stem[:5] == it[:5] == "test_"] == []


def _shared_by(path: Path) -> str:
    """Which tests may call the functions of a module."""
    folder = name(path.parent)
    if folder.startswith(("tests/support", "demo")):
        return "all"
    return folder if folder == "tests/adversary" else name(path)


def _asserts(function: ast.AST) -> bool:
    if any(isinstance(it, ast.Assert) for it in _statements(function)):
        return True
    nodes, called = _said(function)
    raised = [ast.unparse(node.exc) for node in nodes if isinstance(node, ast.Raise) and node.exc is not None]
    return any(re.match(r"AssertionError|NotInTimeError", it) for it in raised) or bool({".raises", ".fail"} & called)


@cache
def _said(function: ast.AST) -> tuple[list[ast.AST], set[str]]:
    """What it raises and calls, and the names of what it calls, those of methods with a dot before them."""
    nodes = [it for it in ast.walk(function) if isinstance(it, (ast.Raise, ast.Call))]
    called = [it.func for it in nodes if isinstance(it, ast.Call)]
    names = {it.id for it in called if isinstance(it, ast.Name)}
    return nodes, names | {f".{it.attr}" for it in called if isinstance(it, ast.Attribute)}


def test_tests_share_only_what_is_in_their_support() -> None:
    shared = re.compile(r"^from tests\.(?!support|golden\.manifests)", re.MULTILINE)
    # The world that the adversary plays in is one thing, with its tests beside it.
    others = [path for path in MODULES if not name(path).startswith("tests/adversary/")]
    assert [name(path) for path in others if shared.search(path.read_text())] == []


def test_properties_try_fewer_examples_in_make_check() -> None:
    """By `examples` of tests/support: a number of its own is tried in each run, also in the one after each edit."""
    quick = [path for path in MODULES if name(path).startswith(("tests/unit/", "tests/properties/", "tests/golden/"))]
    assert [name(path) for path in quick if re.search(r"max_examples=\d", path.read_text())] == []


def test_only_the_host_imports_kopf() -> None:
    assert [path.name for path in OURS if "kopf" in set(_imports(path))] == ["kopf_host.py", "kopf_session.py"]


def _imports(path: Path) -> Iterator[str]:
    for node in _statements(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]

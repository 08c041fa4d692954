import shutil
from pathlib import Path

import pytest

from tests.adversary.mutants import NOT_CAUGHT, PACKAGE, Mutant, Stale, broken, caught, listed
from tests.support.controlplane import REPOSITORY

MUTANTS = {it.name: it for it in listed()}
QUICK = ("empty-ignores-consuming", "two-beats")
LEAST_CAUGHT, LEAST_LISTED = 27, 30


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copied = tmp_path_factory.mktemp("operator") / PACKAGE
    shutil.copytree(REPOSITORY / "operator" / PACKAGE, copied, ignore=shutil.ignore_patterns("__pycache__"))
    return copied


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS.keys())
def test_each_mutant_fits_the_operator_as_it_is(mutant: Mutant, package: Path) -> None:
    before = {name: (package / name).read_text() for name, _, _ in mutant.changes}
    broken(mutant, package)
    for name, text in before.items():
        changed = (package / name).read_text()
        assert changed != text
        compile(changed, name, "exec")
        (package / name).write_text(text)


def test_a_text_that_does_not_stand_there_is_said(package: Path) -> None:
    with pytest.raises(Stale, match=r"core/mode\.py has 0 times: no such text"):
        broken(Mutant("old", "", (("core/mode.py", "no such text", ""),)), package)


def test_enough_mutants_are_expected_to_be_caught() -> None:
    assert len(MUTANTS) >= LEAST_LISTED
    assert sum(not it.survives for it in MUTANTS.values()) >= LEAST_CAUGHT


@pytest.mark.parametrize("name", QUICK)
def test_a_broken_operator_is_caught(name: str) -> None:
    assert caught(MUTANTS[name]) != NOT_CAUGHT


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_all_mutants_are_caught_but_those_that_say_why_not() -> None:
    said = {name: caught(it) for name, it in MUTANTS.items()}
    print("\n".join(f"{name}: {what}" for name, what in said.items()))
    assert {name for name, what in said.items() if what == NOT_CAUGHT} <= {it.name for it in listed() if it.survives}

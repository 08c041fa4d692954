"""Tests that need the same thing run in the same process, and nothing runs beside what is measured."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.controlplane import REPOSITORY
from tests.support.sharing import MEASURES, shared


@pytest.mark.parametrize(
    "one, other, together",
    [
        pytest.param("tests/e2e/test_a.py::test_1", "tests/e2e/test_b.py::test_1[x]", True, id="the cluster"),
        pytest.param("tests/controlplane/test_a.py::test_1", "tests/controlplane/test_a.py::test_2", True, id="module"),
        pytest.param("tests/unit/test_a.py::test_1", "tests/unit/test_b.py::test_1", False, id="two modules"),
        pytest.param("tests/integration/test_a.py::test_1", "tests/integration/test_a.py::test_2", False, id="broker"),
    ],
)
def test_who_shares_what(one: str, other: str, together: bool) -> None:
    assert (shared(one) == shared(other)) == together


CONFTEST = """
from tests.support.sharing import Sharing, measures

def pytest_xdist_make_scheduler(config, log):
    return Sharing(config, log)

def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: not measures(item.nodeid))

def pytest_runtest_logreport(report):
    if report.when == "call":
        print(f"\\n{report.nodeid} ran", flush=True)
"""
TESTS = "import pytest, time\n\n@pytest.mark.parametrize('n', range(3))\ndef test_it(n): time.sleep({seconds})\n"


ENDS_ITS_PROCESS = "import os\n\ndef test_it(): os._exit(1)\n"
ONE_TEST = "def test_it(): pass\n"


def run_of(folder: Path, files: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """A run of two processes over `files` (name → text); its output says which tests ran."""
    (folder / "conftest.py").write_text(CONFTEST)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    options = ("-q", "-s", "-p", "xdist", "-n", "2", "--no-loadscope-reorder", "-p", "no:cacheprovider")
    return subprocess.run(  # noqa: S603 - our own tests
        [sys.executable, "-m", "pytest", *options, f"--rootdir={folder}", "-c", "/dev/null", folder],
        check=False,
        cwd=folder,
        env={"PYTHONPATH": str(REPOSITORY), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("beside", [0, 1, 4], ids=["alone", "with one more file", "with four more files"])
@pytest.mark.thorough
def test_what_is_measured_runs_first_and_alone_and_then_everything_runs(tmp_path: Path, beside: int) -> None:
    seconds = {MEASURES: 0.1} | {f"tests/unit/test_{number}.py": 0.0 for number in range(beside)}
    run = run_of(tmp_path, {name: TESTS.format(seconds=it) for name, it in seconds.items()})
    done = [line for line in run.stdout.splitlines() if line.endswith(" ran")]
    assert run.returncode == 0, run.stdout
    assert len(done) == 3 * len(seconds), run.stdout
    assert all(it.startswith(MEASURES) for it in done[:3]), run.stdout


@pytest.mark.parametrize("place", [0, -1], ids=["the first", "the last"])
@pytest.mark.thorough
def test_a_process_that_ends_costs_its_own_test_alone(tmp_path: Path, place: int) -> None:
    """The one that takes its place is given two tests: it begins a test when it knows the next."""
    names = [f"tests/integration/test_{number}.py" for number in range(6)]
    texts = dict.fromkeys(names, ONE_TEST) | {names[place]: ENDS_ITS_PROCESS}
    run = run_of(tmp_path, texts)
    assert "1 failed, 5 passed" in run.stdout, run.stdout

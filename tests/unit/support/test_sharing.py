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


@pytest.mark.parametrize("beside", [0, 1, 4], ids=["alone", "with one more file", "with four more files"])
def test_what_is_measured_runs_first_and_alone_and_then_everything_runs(tmp_path: Path, beside: int) -> None:
    files = {MEASURES: 0.1} | {f"tests/unit/test_{number}.py": 0.0 for number in range(beside)}
    (tmp_path / "conftest.py").write_text(CONFTEST)
    for name, seconds in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(TESTS.format(seconds=seconds))
    options = ("-q", "-s", "-n", "2", "--no-loadscope-reorder", "-p", "no:cacheprovider")
    run = subprocess.run(  # noqa: S603 - our own tests
        [sys.executable, "-m", "pytest", *options, f"--rootdir={tmp_path}", "-c", "/dev/null", tmp_path],
        check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    done = [line for line in run.stdout.splitlines() if line.endswith(" ran")]
    assert run.returncode == 0, run.stdout
    assert len(done) == 3 * len(files), run.stdout
    assert all(it.startswith(MEASURES) for it in done[:3]), run.stdout

"""Names of fleets, pools and runs after the Tab key, from a cluster or a saved resource."""

from pathlib import Path

import pytest

from tests.support.command import operator_command
from tests.support.fake_shell import SAVED, FakeShell
from utilitarian_operator.errors import ClusterError


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> FakeShell:
    return FakeShell(monkeypatch)


def offered(typed: str) -> list[str]:
    """What bash is offered."""
    words = {"COMP_WORDS": f"utilitarian-operator {typed}", "COMP_CWORD": str(len(f"x {typed}".split(" ")) - 1)}
    done = operator_command(env={"_UTILITARIAN_OPERATOR_COMPLETE": "complete_bash", **words})
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    "typed,names",
    [
        ("explain ", ["amr-hourly", "cleanup", "later"]),
        ("scale a", ["amr-hourly"]),
        ("scale --fleet other ", ["later"]),
        ("scale --fleet ", ["other", "utilitarian"]),
        ("pause --fleet ut", ["utilitarian"]),
        ("run-now amr-hourly ", ["hourly-run"]),
        ("run-now cleanup ", []),
        (f"explain -f {SAVED} ", ["amr-hourly", "cleanup"]),
        ("explain -f - ", []),
        ("explain -n nowhere ", []),
        ("explain -n ../x ", []),
    ],
)
def test_names_are_completed(shell: FakeShell, typed: str, names: list[str]) -> None:
    shell.fleet()
    shell.fleet("other", pools=[{"name": "later", "queues": ["q"]}])
    assert offered(typed) == names


def test_a_cluster_that_can_not_be_asked_completes_nothing(shell: FakeShell, tmp_path: Path) -> None:
    shell.cluster.fails = lambda _: ClusterError("no answer")
    assert offered("explain ") == []
    assert offered(f"explain -f {tmp_path / 'none'} ") == []

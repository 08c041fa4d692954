"""The hands as a person meets them: their help, and as a plugin of kubectl."""

import os
import sys

import pytest

from tests.support.command import installed_program, operator_command

HANDS = ("scale", "drain", "pause", "resume", "run-now")


@pytest.mark.parametrize("hand", HANDS)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_the_help_says_how_a_hand_acts_and_ends(hand: str, option: str) -> None:
    said = " ".join(operator_command(hand, option).stdout.split())
    assert "It acts through the resource alone" in said
    assert "Exit codes: 0 done; 1 the cluster can't be asked, or refuses; 2 there is no such fleet" in said
    for name in ("--dry-run", "-n", "--fleet", "--kubeconfig", "--context"):
        assert name in said


def test_a_command_that_is_nearly_one_is_answered_with_it() -> None:
    done = operator_command("puase")
    assert (done.returncode, done.stdout) == (2, "")
    assert "pause" in done.stderr


def program(name: str, function: str, *words: str) -> str:
    """What an installed script of this name prints."""
    code = f"import sys; sys.argv[0] = '/usr/bin/{name}'\nfrom utilitarian_operator.cli import {function}\n{function}()"
    done = installed_program(sys.executable, "-c", code, *words, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.thorough
def test_as_a_plugin_it_has_the_name_that_a_person_types() -> None:
    assert program("kubectl-utilitarian", "main", "pause", "-h").split()[:4] == [
        "Usage:",
        "kubectl",
        "utilitarian",
        "pause",
    ]
    assert program("utilitarian-operator", "main", "-h").split()[:2] == ["Usage:", "utilitarian-operator"]


@pytest.mark.parametrize(
    "words,offered",
    [(["res"], "resume"), (["pause", "--dry"], "--dry-run"), (["status", "-o", ""], "wide"), ([""], "scale")],
    ids=["a command", "an option", "a value", "nothing yet"],
)
@pytest.mark.thorough
def test_kubectl_completes(words: list[str], offered: str) -> None:
    *said, last = program("kubectl_complete-utilitarian", "complete_for_kubectl", *words).splitlines()
    assert offered in said
    assert last == ":4"

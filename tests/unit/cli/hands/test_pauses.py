"""`pause` and `resume`: by the annotation with an end, or by the mode; what they say, and what they refuse."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.fake_shell import FakeShell
from utilitarian_operator.core.spec.by_hand import PAUSED, by_hand


def mode(shell: FakeShell) -> str | None:
    """The mode in the spec."""
    found: str | None = shell.now()["spec"].get("mode")
    return found


def test_a_pause_with_an_end_is_an_annotation(shell: FakeShell) -> None:
    shell.fleet()
    done = shell.run("pause", "--for", "2h")
    until = by_hand(shell.annotations())[0].paused_until
    assert until is not None
    assert abs(until - datetime.now(UTC) - timedelta(hours=2)) < timedelta(minutes=1)
    assert done.stdout.startswith("metering/utilitarian: paused until 20")
    assert done.stdout.endswith("Z: the number of workers of each pool stays as it is, beat and templates go on\n")
    missing = "there is no Lease of one in namespace metering (only one that runs outside the cluster has none)"
    assert done.stderr == f"warning: operator NOT SEEN: {missing}; it is done when one runs\n"
    assert mode(shell) is None
    done = shell.run("resume")
    assert (done.stdout, shell.annotations()) == ("metering/utilitarian: the rules decide again\n", {})


def test_a_pause_without_an_end_is_the_mode(shell: FakeShell) -> None:
    shell.fleet()
    shell.lease()
    shell.run("pause", "--for", "2h")
    done = shell.run("pause")
    assert (mode(shell), shell.annotations()) == ("Paused", {})
    assert done.stdout.startswith("metering/utilitarian: paused until resume: ")
    assert done.stderr.startswith("note: a tool that takes the resource from Git may set spec.mode back; --for ")
    again = shell.run("pause", "--for", "1h")
    assert again.stdout == "metering/utilitarian: paused already by spec.mode, without an end; resume ends it\n"
    assert shell.run("resume").returncode == 0
    assert mode(shell) == "Auto"


def test_a_pause_of_another_person_that_becomes_shorter_is_said(shell: FakeShell) -> None:
    shell.fleet()
    shell.lease()
    shell.run("pause", "--for", "8h")
    until = shell.annotations()[PAUSED].removeprefix("until ")
    done = shell.run("pause", "--for", "1h")
    assert done.stderr == f"note: it was paused until {until}: it ends earlier now\n"
    assert shell.run("pause", "--for", "2h").stderr == ""


def test_a_number_by_hand_outlasts_a_pause_and_is_named_when_it_ends(shell: FakeShell) -> None:
    shell.fleet()
    shell.lease()
    shell.run("pause", "--for", "1h")
    shell.run("drain", "cleanup", "--for", "8h")
    until = shell.annotations()["utilitarian.io/override.cleanup"].removeprefix("0 until ")
    said = f"note: cleanup has 0 workers by hand until {until}: scale cleanup auto ends that\n"
    assert [shell.run("resume").stderr for _ in range(2)] == [said, said]
    shell.run("scale", "cleanup", "auto")
    assert shell.run("resume").stderr == ""


def test_a_fleet_that_is_not_paused(shell: FakeShell) -> None:
    shell.fleet()
    done = shell.run("resume")
    assert (done.returncode, done.stdout) == (0, "metering/utilitarian: not paused: the rules decide\n")


def test_what_is_left_of_a_pause_that_is_over_goes(shell: FakeShell) -> None:
    fleet = shell.fleet()
    over = {PAUSED: "until 2026-01-01T00:00Z"}
    shell.cluster._objects["UtilitarianWorkerPool", "metering", "utilitarian"]["metadata"]["annotations"] = over
    done = shell.run("resume")
    assert (done.stdout, shell.annotations()) == ("metering/utilitarian: not paused: the rules decide\n", {})
    assert fleet["spec"] == shell.now()["spec"]


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_a_fleet_in_preview_is_left_alone(shell: FakeShell, command: str) -> None:
    shell.fleet(mode="Preview")
    done = shell.run(command)
    assert (done.returncode, done.stdout, mode(shell)) == (2, "", "Preview")
    assert done.stderr.startswith("error: the fleet's mode is Preview, which ")


def test_a_selector_means_all_fleets_that_have_its_labels(shell: FakeShell) -> None:
    for name in ("a", "b", "c"):
        shell.fleet(name)
        metadata = shell.cluster._objects["UtilitarianWorkerPool", "metering", name]["metadata"]
        metadata["labels"] = {"team": "none" if name == "c" else "billing"}
    done = shell.run("pause", "--for", "1h", "-l", "team=billing")
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == ["metering/a", "metering/b"]
    assert (len(shell.annotations("a")), shell.annotations("c")) == (1, {})
    nothing = shell.run("pause", "-l", "team=other")
    assert (nothing.returncode, nothing.stderr) == (2, "error: no UtilitarianWorkerPool here; there are: none\n")

"""How commands print: colour for a terminal only, aligned columns, problems in the format that was asked for."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.command import PROGRAM, operator_command
from utilitarian_operator.cli import output

SAVED = Path(__file__).with_name("saved_fleet.yaml")


@pytest.mark.parametrize("written", ["xml", "TABLE"])
def test_an_unknown_format_is_refused(written: str) -> None:
    done = operator_command("status", "-f", SAVED, "-o", written)
    assert done.returncode == 2
    assert "table" in done.stderr


def on_a_terminal() -> str:
    """What `status` prints to a terminal."""
    ours, theirs = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("NO_COLOR", "TERM"))}
    command = [str(PROGRAM), "status", "-f", str(SAVED)]
    with subprocess.Popen(command, stdout=theirs, env={**clean, "TERM": "xterm"}) as process:  # noqa: S603 - our own program
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:
            pass  # the terminal is gone with its last writer
        assert process.wait(300) == 0
    os.close(ours)
    return shown.decode()


@pytest.mark.thorough
def test_a_terminal_sees_colour() -> None:
    assert "\x1b[31mAtMaximum" in on_a_terminal()
    assert "\x1b" not in operator_command("status", "-f", SAVED, env={"TERM": "xterm"}).stdout


@pytest.mark.parametrize(
    "variables,terminal,painted",
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm"}, False, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
    ],
    ids=["terminal", "pipe", "switched off", "dumb"],
)
def test_colour_is_for_terminals_and_can_be_switched_off(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], *, terminal: bool, painted: bool
) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(isatty=lambda: terminal))
    assert output.painted("AtMaximum", "red") == ("\x1b[31mAtMaximum\x1b[0m" if painted else "AtMaximum")


def test_values_stand_under_each_other_and_a_section_is_indented() -> None:
    assert output.pairs({"a": "1", "long": "2"}).splitlines() == ["a      1", "long   2"]
    assert output.section("T", "") == []
    assert output.section("T", "a\nb") == ["", "T", "  a", "  b"]


@pytest.mark.thorough
def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = f"set -o pipefail; {PROGRAM} plan -f {SAVED} -o yaml | head -c 10 >/dev/null"
    done = subprocess.run(  # noqa: S603 - our own program
        ["/bin/bash", "-c", command], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.stderr == ""


@pytest.mark.parametrize(
    "where,code,said",
    [(">/dev/full", 1, "error: stdout: No space left on device\n"), (">&-", 0, "")],
    ids=["a full disk", "no stdout"],
)
@pytest.mark.thorough
def test_an_answer_that_can_not_be_printed(where: str, code: int, said: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own program
        ["/bin/bash", "-c", f"{PROGRAM} status -f {SAVED} {where}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (code, said)


def resource(name: str = "fleet", **spec: object) -> str:
    broker = {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "url"}}}
    body = {"apiVersion": "utilitarian.io/v1alpha1", "kind": "UtilitarianWorkerPool", "metadata": {"name": name}}
    return json.dumps(body | {"spec": {"image": "utilitarian:1", "broker": broker, **spec}}) + "\n"


def test_problems_come_in_the_format_that_was_asked_for() -> None:
    done = operator_command("plan", "-f", "-", "-o", "json", stdin=resource(mode="Sometimes"))
    assert done.returncode == 2
    (problem,) = json.loads(done.stdout)["problems"]
    assert problem["path"] == "spec.mode"
    assert set(problem) == {"path", "value", "remedy"}


@pytest.mark.parametrize(
    "said,printed",
    [
        ("\x1b[8mhidden", "\ufffd[8mhidden"),
        ("\x1b[31mred\nnext", "\x1b[31mred\x1b[0m\nnext"),
        ("a\u202eb\u2066c", "a\ufffdb\ufffdc"),
        ("a\u200fb\u200ec\u061cd", "a\ufffdb\ufffdc\ufffdd"),
        ("a\u2028b\u2029c", "a\ufffdb\ufffdc"),
    ],
    ids=["concealed", "a colour without an end", "written backwards", "marks of a direction", "other ends of lines"],
)
def test_what_others_say_changes_nothing_of_what_is_around_it(said: str, printed: str) -> None:
    assert output.harmless(said) == printed


def test_colours_of_others_are_not_for_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit("\x1b[31ma\x1b[0m")
    output.remark("\x1b[31mb")
    assert tuple(capsys.readouterr()) == ("\ufffd[31ma\ufffd[0m\n", "\ufffd[31mb\n")


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    said = output.harmless("a\x1b[2J\x1b]0;t\x07\rb\tc\n\x9b1m\udcff\x1b[31mred\x1b[0m")
    assert said == "a\ufffd[2J\ufffd]0;t\ufffd\ufffdb\tc\n\ufffd1m?\x1b[31mred\x1b[0m"
    value = {"a": "\x9b\x1b[2J\x7f\u202e"}
    text = output.document(value, output.Format.JSON)
    assert text == output.harmless(text)
    assert json.loads(text) == value

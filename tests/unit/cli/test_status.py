"""`status`, and what all commands have in common: formats, colour, completion, and how little they import."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.command import PROGRAM, operator_command

SAVED = Path(__file__).with_name("saved_fleet.yaml")
HEAVY = ("kopf", "kubernetes", "kombu", "aiohttp", "amqp")


def test_each_pool_has_a_row() -> None:
    done = operator_command("status", "-f", SAVED)
    assert (done.returncode, done.stderr) == (0, "")
    head, age, trouble, names, *rows = done.stdout.splitlines()
    assert head == "metering/utilitarian: workers 3/15, queues 1/2, mode Auto"
    assert age.startswith("read from a file: nothing in it is newer than 2026-03-02T12:00:00Z, ")
    assert trouble.startswith("AtMaximum=True, MoreNeeded: ")
    assert names.split() == ["POOL", "READY", "BACKLOG", "BUSY", "NEXT-RUN", "RULE", "WHY"]
    hourly, cleanup = (row.split(maxsplit=4) for row in rows)
    assert hourly[:4] == ["amr-hourly", "3/5", "19940", "60"]
    assert hourly[4].startswith("2026-03-02T13:00:00Z ")  # no time that is left is counted from what is old
    assert hourly[4].endswith("bounds    max is 5, 9 workers would be needed")
    assert cleanup[:4] == ["cleanup", "0/0", "?", "?"]


def test_an_open_run_has_a_line() -> None:
    body = yaml.safe_load(SAVED.read_text())
    run = {"name": "hourly-run", "started": "2026-03-02T12:00:00Z", "remaining": 20000, "eta": "2026-03-02T12:17:00Z"}
    body["status"]["pools"][0]["run"] = {**run, "uncertainty": "2m3s", "deadline": "2026-03-02T12:30:00Z"}
    done = operator_command("status", "-f", "-", stdin=json.dumps(body))
    assert (
        "amr-hourly: run hourly-run of 2026-03-02T12:00:00Z, 20,000 tasks left, done about 2026-03-02T12:17:00Z "
        "(± 2m3s), due 2026-03-02T12:30:00Z" in done.stdout.splitlines()
    )


def test_wide_shows_what_was_learned() -> None:
    done = operator_command("status", "-f", SAVED, "-o", "wide")
    names, hourly = (line.split() for line in done.stdout.splitlines()[3:5])
    assert names[4:8] == ["UNACKED", "LATER", "LEAVING", "A-TASK"]
    assert hourly[4:9] == ["60", "0", "0", "5", "s"]


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_programs_get_the_status_without_the_operators_own_memory(output: str) -> None:
    text = operator_command("status", "-f", SAVED, "-o", output).stdout
    (fleet,) = (json.loads(text) if output == "json" else yaml.safe_load(text))["fleets"]
    hourly, cleanup = fleet["pools"]
    assert (fleet["fleet"], fleet["workers"]) == ("metering/utilitarian", "3/15")
    assert "memory" not in hourly
    assert hourly["nextRun"] == "2026-03-02T13:00:00Z"
    assert (fleet["asOf"], fleet["operator"]["seen"]) == ("2026-03-02T12:00:00Z", "Unknown")
    assert cleanup["nextRun"] is None


def test_a_fleet_that_no_operator_has_seen() -> None:
    body = yaml.safe_load(SAVED.read_text())
    del body["status"]
    done = operator_command("status", "-f", "-", stdin=json.dumps(body))
    assert done.stdout == "metering/utilitarian: no operator has looked at it yet\n"


@pytest.mark.parametrize(
    "words,code,said",
    [
        (["-f", SAVED, "--fleet", "x"], 2, "error: no UtilitarianWorkerPool x here; there are: utilitarian"),
        (["-f", "/nonexistent"], 2, "error: /nonexistent: No such file"),
        (["-A", "-n", "one"], 2, "error: --namespace and --all-namespaces contradict each other"),
        ([], 1, "error: no cluster: there is no file /nonexistent/.kube/config"),
        (["--kubeconfig", __file__], 1, "error: no cluster: "),
    ],
    ids=["fleet", "file", "everywhere", "no-cluster", "no-kubeconfig"],
)
def test_what_is_wrong_is_said_in_one_sentence(words: list[str | Path], code: int, said: str) -> None:
    done = operator_command("status", *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["plan", "explain", "status"])
def test_the_help_names_the_exit_codes_and_formats(command: str) -> None:
    done = operator_command(command, "--help")
    assert "Exit codes: 0 done; 1 the cluster can't be asked; 2 " in " ".join(done.stdout.split())
    assert "table|wide|json|yaml" in done.stdout


@pytest.mark.parametrize("output", ["xml", "TABLE"])
def test_an_unknown_format_is_refused(output: str) -> None:
    done = operator_command("status", "-f", SAVED, "-o", output)
    assert done.returncode == 2
    assert "table" in done.stderr


def on_a_terminal(**env: str) -> str:
    """What `status` prints to a terminal."""
    ours, theirs = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("NO_COLOR", "TERM"))}
    command = [str(PROGRAM), "status", "-f", str(SAVED)]
    with subprocess.Popen(command, stdout=theirs, env={**clean, "TERM": "xterm", **env}) as process:  # noqa: S603 - our own program
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


def test_colour_is_for_terminals_and_can_be_switched_off() -> None:
    assert "\x1b[31mAtMaximum" in on_a_terminal()
    assert "\x1b" not in on_a_terminal(NO_COLOR="1")
    assert "\x1b" not in on_a_terminal(TERM="dumb")
    assert "\x1b" not in operator_command("status", "-f", SAVED, env={"TERM": "xterm"}).stdout


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = f"set -o pipefail; {PROGRAM} plan -f {SAVED} -o yaml | head -c 10 >/dev/null"
    done = subprocess.run(  # noqa: S603 - our own program
        ["/bin/bash", "-c", command], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.stderr == ""


@pytest.mark.parametrize(
    "typed,offered",
    [
        ("utilitarian-operator ", {"plan", "explain", "status", "run", "crd"}),
        ("utilitarian-operator plan --exit", {"--exit-code"}),
        ("utilitarian-operator status -o ", {"table", "wide", "json", "yaml"}),
    ],
)
def test_the_shell_completes_commands_options_and_formats(typed: str, offered: set[str]) -> None:
    env = {
        "_UTILITARIAN_OPERATOR_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split(" ")) - 1),
    }
    done = subprocess.run(  # noqa: S603 - our own program
        [PROGRAM], env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=300
    )
    assert offered <= set(done.stdout.split()), done


@pytest.mark.parametrize(
    "words",
    [["plan", "-f", str(SAVED)], ["explain", "cleanup", "-f", str(SAVED)], ["status", "-f", str(SAVED)]],
    ids=lambda words: words[0],
)
def test_what_needs_no_cluster_imports_nothing_heavy(words: list[str]) -> None:
    assert not imported_by(words) & set(HEAVY)


def test_what_needs_a_cluster_still_imports_no_kopf() -> None:
    imported = imported_by(["plan", "-f", str(SAVED), "--live"], code=1)
    assert "kubernetes" in imported
    assert not imported & {"kopf", "kombu", "amqp"}


def imported_by(words: list[str], code: int = 0) -> set[str]:
    """The packages that a command imports."""
    script = (
        "import sys, utilitarian_operator.cli as cli\n"
        f"try: cli.app({words!r})\n"
        f"except SystemExit as end: assert (end.code or 0) == {code}, end.code\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KUBE")}
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", script],
        env={**clean, "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())

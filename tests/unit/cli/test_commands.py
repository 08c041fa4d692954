"""The command line as a person meets it: the help, completion, and what a command imports."""

import sys
from pathlib import Path

import pytest

from tests.support.command import PROGRAM, installed_program, operator_command
from utilitarian_operator import __version__

ROOT = Path(__file__).resolve().parents[3]
SAVED = Path(__file__).with_name("saved_fleet.yaml")


def test_help_names_every_command() -> None:
    done = installed_program(PROGRAM, "--help")
    assert done.returncode == 0
    for line in ("Run the Celery workers of Utilitarian on Kubernetes.", "  run ", "  crd "):
        assert line in done.stdout


def test_the_help_of_run_names_options_and_variables() -> None:
    done = operator_command("run", "--help")
    for option in ("namespace", "tick", "metrics-port", "health-port"):
        assert f"--{option}" in done.stdout
        assert f"UTILITARIAN_OPERATOR_{option.upper().replace('-', '_')}" in done.stdout


def test_without_a_command_it_prints_its_help() -> None:
    done = operator_command()
    assert "Run the Celery workers" in done.stdout + done.stderr


@pytest.mark.parametrize("command", ["plan", "explain", "status"])
def test_the_help_names_the_exit_codes_and_formats(command: str) -> None:
    done = operator_command(command, "--help")
    assert "Exit codes: 0 done; 1 the cluster can't be asked; 2 " in " ".join(done.stdout.split())
    assert "table|wide|json|yaml" in done.stdout


@pytest.mark.parametrize("program", [(PROGRAM,), (sys.executable, "-m", "utilitarian_operator")], ids=["own", "-m"])
def test_the_version(program: tuple[str, ...]) -> None:
    done = installed_program(*program, "--version")
    assert (done.returncode, done.stdout.strip()) == (0, __version__)


def test_crd_prints_the_file_that_is_checked_in() -> None:
    done = operator_command("crd")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (ROOT / "crds" / "utilitarianworkerpools.yaml").read_text()


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
    done = operator_command(env=env)
    assert offered <= set(done.stdout.split()), done


CLIENTS = {"kopf", "kubernetes", "kombu", "aiohttp", "amqp"}
SLOW = {*CLIENTS, "yaml", "asyncio", "rich"}
FILE = ("-f", str(SAVED))


@pytest.mark.parametrize(
    "commands,heavy",
    [
        pytest.param([["--version"], ["--help"]], SLOW | {"pydantic"}, id="what needs no command"),
        # typer checks a command's options with pydantic
        pytest.param([["simulate", "--help"], ["run", "--help"]], SLOW, id="the help of a command"),
        pytest.param(
            [["crd"], ["status", *FILE], ["plan", *FILE], ["explain", "cleanup", *FILE]],
            CLIENTS,
            id="on a file",
            marks=pytest.mark.thorough,
        ),
        pytest.param(
            [["plan", *FILE, "--live"]], {"kopf", "kombu", "amqp"}, id="on a cluster", marks=pytest.mark.thorough
        ),
    ],
)
def test_a_command_imports_what_it_needs_alone(commands: list[list[str]], heavy: set[str]) -> None:
    """One process for those that may import the same: none of them has imported more after the last one."""
    code = (
        "import sys, utilitarian_operator.cli as cli\n"
        f"for words in {commands!r}:\n"
        "    try: cli.app(words)\n"
        "    except SystemExit as end: print('ended with', end.code or 0, file=sys.stderr)\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = installed_program(sys.executable, "-c", code)
    imported = set(done.stderr.splitlines()[-1].split())
    live = "--live" in commands[0]
    ended = [line for line in done.stderr.splitlines() if line.startswith("ended with")]
    assert ended == [f"ended with {int(live)}"] * len(commands), done.stderr  # without a cluster
    assert not heavy & imported
    assert ("kubernetes" in imported) == live

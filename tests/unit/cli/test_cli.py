"""The command line as a person meets it: each test runs the installed program."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from utilitarian_operator import __version__

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = Path(sys.executable).with_name("utilitarian-operator")


def run(
    *words: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """A run of a command that ends by itself, in an environment without a cluster."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("UTILITARIAN_", "KUBE"))}
    return subprocess.run(  # noqa: S603 - our own program
        [str(word) for word in words],
        env={**clean, "HOME": "/nonexistent", "TERM": "dumb", **(env or {})},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=cwd,
    )


def test_help_names_every_command() -> None:
    done = run(PROGRAM, "--help")
    assert done.returncode == 0
    for line in ("Run the Celery workers of Utilitarian on Kubernetes.", "  run ", "  crd "):
        assert line in done.stdout


def test_the_help_of_run_names_options_and_variables() -> None:
    done = run(PROGRAM, "run", "--help", env={"COLUMNS": "200"})
    for option in ("namespace", "tick", "metrics-port", "health-port"):
        assert f"--{option}" in done.stdout
        assert f"UTILITARIAN_OPERATOR_{option.upper().replace('-', '_')}" in done.stdout


def test_without_a_command_it_prints_its_help() -> None:
    done = run(PROGRAM)
    assert "Run the Celery workers" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("program", [(PROGRAM,), (sys.executable, "-m", "utilitarian_operator")], ids=["own", "-m"])
def test_the_version(program: tuple[str, ...]) -> None:
    done = run(*program, "--version")
    assert (done.returncode, done.stdout.strip()) == (0, __version__)


def test_crd_prints_the_file_that_is_checked_in() -> None:
    done = run(PROGRAM, "crd")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (ROOT / "crds" / "utilitarianworkerpools.yaml").read_text()


@pytest.mark.parametrize(
    "words,env,said",
    [
        pytest.param(["--tick", "5"], {}, "error: --tick: '5' is no duration: write it like 500ms", id="no-unit"),
        pytest.param(["--tick", "0s"], {}, "error: --tick: 0s is too short: use 100ms or more", id="no-time"),
        pytest.param([], {"UTILITARIAN_OPERATOR_TICK": "soon"}, "error: --tick: 'soon' is no duration", id="variable"),
        pytest.param([], {}, "error: no cluster: ", id="no-kubeconfig"),
        pytest.param([], {"KUBECONFIG": __file__}, "error: no cluster: ", id="kubeconfig-is-none"),
    ],
)
def test_run_says_in_one_sentence_why_it_cannot(words: list[str], env: dict[str, str], said: str) -> None:
    done = run(PROGRAM, "run", "--metrics-port", "0", "--health-port", "0", *words, env=env)
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1].startswith(said), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_run_refuses_a_port_that_is_none(port: str) -> None:
    done = run(PROGRAM, "run", "--metrics-port", port)
    assert done.returncode == 2
    assert "--metrics-port" in done.stderr
    assert "Traceback" not in done.stderr


CLIENTS = {"kopf", "kubernetes", "kombu", "aiohttp"}
SLOW = {*CLIENTS, "yaml", "asyncio", "rich"}


@pytest.mark.parametrize(
    "words,heavy",
    [
        pytest.param(["--help"], SLOW | {"pydantic"}, id="--help"),
        pytest.param(["--version"], SLOW | {"pydantic"}, id="--version"),
        pytest.param(["run", "--help"], SLOW, id="run --help"),  # typer checks a command's options with pydantic
        pytest.param(["simulate", "--help"], SLOW, id="simulate --help"),
        pytest.param(["crd"], CLIENTS, id="crd"),
    ],
)
def test_a_command_imports_what_it_needs_alone(words: list[str], heavy: set[str]) -> None:
    code = (
        "import sys, utilitarian_operator.cli as cli\n"
        f"try: cli.app({words!r})\n"
        "except SystemExit: pass\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = run(sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr
    assert not heavy & set(done.stderr.split())

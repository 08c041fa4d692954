"""Runs the command line as a person would, in an environment without a cluster unless one is given."""

import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from unittest.mock import patch

from typer.main import get_command
from typer.testing import CliRunner

from utilitarian_operator.cli import app

PROGRAM = Path(sys.executable).with_name("utilitarian-operator")

# Each of a thousand runs would build all commands anew, which takes longer than most of them do.
patch("typer.testing._get_command", cache(get_command)).start()


def operator_command(
    *words: str | Path, env: Mapping[str, str] | None = None, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """One run of `utilitarian-operator` within this process, so that a hundred of them take seconds.

    Raises:
        Exception: whatever the command itself lets through, which a person would see as a traceback.
    """
    ours: dict[str, str | None] = {name: None for name in os.environ if name.startswith(("UTILITARIAN_", "KUBE"))}
    environment = {**ours, "HOME": "/nonexistent", "COLUMNS": "200", **(env or {})}
    said = [str(word) for word in words]
    done = CliRunner().invoke(app, said, input=stdin, env=environment, prog_name=PROGRAM.name)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess([PROGRAM.name, *said], done.exit_code, done.stdout, done.stderr)


def installed_program(*words: str | Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A run of a program that ends by itself, as a process of its own, in an environment without a cluster."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("UTILITARIAN_", "KUBE"))}
    return subprocess.run(
        [str(word) for word in words],
        env={**clean, "HOME": "/nonexistent", "TERM": "dumb", **(env or {})},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

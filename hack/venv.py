"""Keeps build/venv in step with the locked requirements, and runs its programs; it installs nothing anywhere else."""

import shutil
import sys

from hack import packages
from hack.commands import run
from hack.console import exit_code, step
from hack.failure import Failure
from hack.places import BUILD, ROOT, key_of, locked, replace_file

VENV = BUILD / "venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements" / "dev.txt"
STAMP = VENV / ".made-from"
OLDEST_PYTHON = (3, 11)


def ensure() -> None:
    """Make build/venv, or install into it what changed.

    Raises:
        Failure: this Python is too old, or the packages can't be installed.
    """
    if sys.version_info < OLDEST_PYTHON:
        raise Failure(f"Python 3.11 or newer is needed and this is {sys.version.split()[0]}; install a newer python3")
    BUILD.mkdir(exist_ok=True)
    with locked(BUILD / "venv.lock", "build/venv being made"):
        made_from = key_of(LOCK, ROOT / "pyproject.toml", sys.version, str(VENV))
        if PYTHON.exists() and STAMP.exists() and STAMP.read_text() == made_from:
            return
        with step("installing the locked Python packages into build/venv"):
            _install()
        replace_file(STAMP, made_from)


def _install() -> None:
    if not PYTHON.exists():
        if not packages.can_make_venv():
            packages.ensure(packages.PYTHON)
        shutil.rmtree(VENV, ignore_errors=True)  # one that was interrupted
        run(sys.executable, "-m", "venv", VENV)
    pip = (PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--require-hashes", "--requirement", LOCK, remedy="Is there a network?")
    # The lock holds the build backend too: nothing more is fetched.
    run(*pip, "--no-deps", "--no-build-isolation", "--editable", ROOT)


if __name__ == "__main__":
    sys.exit(exit_code(ensure))

"""Keeps build/venv in step with the locked requirements, and runs its programs; it installs nothing anywhere else."""

import os
import shutil
import sys
from pathlib import Path

from hack import packages
from hack.commands import run
from hack.console import exit_code, step
from hack.failure import Failure
from hack.places import BUILD, ROOT, key_of, locked, published, replace_file

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
    install = (uv(), "pip", "install", "--quiet", "--python", PYTHON)
    settings = settings_of_pip()
    run(*install, "--require-hashes", "--requirement", LOCK, env=settings, remedy="Is there a network?")
    # The lock holds the build backend too: nothing more is fetched.
    run(*install, "--no-deps", "--no-build-isolation", "--editable", ROOT, env=settings)


def uv() -> Path:
    """The locked uv, which installs the packages in a second where pip takes half a minute; pip fetches it once."""
    return published("uv", key_of(locked_lines("uv"), sys.version), _fetch_uv) / "bin" / "uv"


def _fetch_uv(folder: Path) -> None:
    requirements = folder / "requirements.txt"
    requirements.write_text(locked_lines("uv"))
    pip = (PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--require-hashes", "--requirement", requirements, "--target", folder, remedy="Is there a network?")


def locked_lines(package: str) -> str:
    """The lines of the lock with a package's version and hashes."""
    entries = LOCK.read_text().replace("\\\n", "").splitlines(keepends=True)
    return "".join(line for line in entries if line.startswith(f"{package}=="))


def settings_of_pip() -> dict[str, str]:
    """Where this machine's pip fetches packages, as variables for uv, which does not read pip's settings."""
    said = run(PYTHON, "-m", "pip", "config", "list").splitlines()
    said.reverse()  # pip names what counts most first
    settings = {name.rpartition(".")[2]: value.strip("'") for name, _, value in (line.partition("=") for line in said)}
    variables = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "cert": "SSL_CERT_FILE"}
    # What a person set for uv itself counts more.
    return {name: settings[key] for key, name in variables.items() if key in settings and name not in os.environ}


if __name__ == "__main__":
    sys.exit(exit_code(ensure))

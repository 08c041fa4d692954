"""Interpreters with one version of Celery each, made from locked requirements and kept in the cache; runs no worker."""

import sys
from pathlib import Path

from hack.commands import run
from hack.places import ROOT, key_of, published

VERSIONS = ("5.4", "5.5", "5.6", "5.7")


def interpreter(version: str) -> Path:
    """The Python of a version of Celery, with the kombu of its time and gevent.

    Raises:
        Failure: the packages can't be fetched.
    """
    lock = ROOT / "requirements" / f"celery-{version}.txt"
    made = published(f"celery/{version}", key_of(lock, sys.version), lambda folder: _make(folder, lock))
    return made / "bin" / "python"


def _make(folder: Path, lock: Path) -> None:
    # Its programs would name the folder as it is called until it is complete: only the interpreter is used.
    run(sys.executable, "-m", "venv", folder)
    pip = (folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--require-hashes", "--requirement", lock, remedy="Is there a network?")

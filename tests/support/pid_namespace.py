"""Runs a command as process 1 of a PID namespace of its own, as a container runtime does, and others beside it."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Self

from tests.support.processes import Process
from tests.support.waiting import wait_until

OWN_USER = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


class Container:
    """A command as process 1; `env` is added to the environment, in which this Python's programs come first.

    Args:
        command: as in a container; it is executed, without a shell.
        directory: for logs.
        env: of the command.
    """

    def __init__(self, command: Sequence[str], directory: Path, env: Mapping[str, str]) -> None:
        self._env, self._directory = {"PATH": PATH, "PYTHONUNBUFFERED": "1", **env}, directory
        words = ["unshare", *OWN_USER, "--pid", "--fork", "--mount-proc", "--kill-child", *command]
        self.process = Process("container", words, log=directory / "container.log", env=self._env)

    def __enter__(self) -> Self:
        self.process.start()
        wait_until(self._first, within=timedelta(seconds=10), describe=self.process.tail)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()

    def beside(self, name: str, command: Sequence[str]) -> Process:
        """Another command within, as the kubelet executes hooks and probes, with the environment of the container."""
        (first,) = self._first()
        words = ["nsenter", f"--target={first}", "--pid", "--mount", *(["--user"] if OWN_USER else []), "--", *command]
        return Process(name, words, log=self._directory / f"{name}.log", env=self._env).start()

    def signal(self, number: signal.Signals) -> None:
        """A signal to process 1 alone, from outside."""
        for first in self._first():
            os.kill(first, number)

    def freeze(self) -> None:
        """SIGSTOP to all that is in it, from outside: within, process 1 would not hear it."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def _first(self) -> list[int]:
        """The number, outside, of process 1."""
        outer = self.process.pid
        return [int(word) for word in Path(f"/proc/{outer}/task/{outer}/children").read_text().split()]

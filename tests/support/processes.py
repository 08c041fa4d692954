"""Runs real programs as child processes and ends every one of them; it knows nothing about what they do.

Nothing outlives the tests: `stop` and leaving the context end a child, `atexit` ends what was forgotten, and the kernel
kills the children of a test run that was killed itself.
"""

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.pace import slowness
from tests.support.waiting import NotInTimeError, wait_until

TAIL_LINES = 40

_running: list["Process"] = []


class ProcessEndedError(AssertionError):
    """A child ended although it was still needed; the message holds its exit code and the end of its log."""


class Process:
    """One child in a process group of its own, its output appended to a log file.

    Signals go to the child alone, as a kubelet sends them; the rest of its group is killed after the child has ended.
    A child can be started again after it ended.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """`env` is added to the environment of the tests; the program starts with `start` or `with`."""
        self.name = name
        self.command = [str(word) for word in command]
        self.log = log
        self._env = env or {}
        self._cwd = cwd
        self._child: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int:
        """The process id, also after the end.

        Raises:
            RuntimeError: it was never started.
        """
        return self._started().pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal, None while it runs or before it was started."""
        return None if self._child is None else self._child.poll()

    def start(self) -> Self:
        """Starts the program.

        Raises:
            RuntimeError: it runs already.
        """
        if self.running:
            raise RuntimeError(f"{self.name} runs already as process {self.pid}")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._child = subprocess.Popen(
                _ended_with_us(self.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._cwd,
                env={**os.environ, **self._env},
                process_group=0,
            )
        _running.append(self)
        return self

    def wait_ready(
        self, condition: Callable[[], object], *, within: timedelta, ignoring: tuple[type[Exception], ...] = (OSError,)
    ) -> None:
        """Waits for `condition`, and gives up at once when the program ends.

        Raises:
            ProcessEndedError: the program ended.
            NotInTimeError: the deadline passed; the message ends with the log.
        """

        def ready() -> bool:
            if not self.running:
                raise ProcessEndedError(f"{self.name} ended with {self.exit_code} before it was ready\n{self.tail()}")
            return bool(condition())

        wait_until(ready, within=within, ignoring=ignoring, describe=self.tail)

    def wait(self, *, within: timedelta) -> int:
        """Waits for the program to end by itself and returns its exit code.

        Raises:
            NotInTimeError: it still runs; the message ends with the log.
        """
        child = self._started()
        try:
            wait_until(lambda: child.poll() is not None, within=within)
        except NotInTimeError as error:
            raise NotInTimeError(f"{self.name} still runs after {within.total_seconds():g} s\n{self.tail()}") from error
        self._bury()
        return child.returncode

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the program alone, not to its children; does nothing if it has ended."""
        self._started().send_signal(number)

    def pause(self) -> None:
        """Freezes the program (SIGSTOP), each of its threads: connections stay open, no answer comes.

        Raises:
            NotInTimeError: a thread still runs after 5 s.
        """
        self.signal(signal.SIGSTOP)
        wait_until(lambda: _frozen(self.pid), within=timedelta(seconds=5))

    def resume(self) -> None:
        """Lets a frozen program go on (SIGCONT)."""
        self.signal(signal.SIGCONT)

    def stop(self, *, within: timedelta = timedelta(seconds=15)) -> int | None:
        """Asks the program to end (SIGTERM), kills it after `within`; returns its exit code (None: never started)."""
        if self._child is None:
            return None
        if self.running:
            self.signal(signal.SIGTERM)
            self.resume()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(within.total_seconds() * slowness())
        return self.kill()

    def kill(self) -> int | None:
        """Kills the program and its group (SIGKILL) and returns its exit code (None: never started)."""
        if self._child is None:
            return None
        if self.running:
            self._child.kill()
        code = self._child.wait()
        self._bury()
        return code

    def log_text(self) -> str:
        """All that the program has written since it was started (the last time)."""
        if not self.log.exists():
            return ""
        with self.log.open(errors="replace") as log:
            log.seek(self._log_start)
            return log.read()

    def tail(self, lines: int = TAIL_LINES) -> str:
        """The last lines of the log, under a heading that names the program."""
        end = self.log_text().splitlines()[-lines:]
        return "\n".join([f"--- the end of the log of {self.name} ({self.log})", *end])

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._child

    def _bury(self) -> None:
        # Once: the group's number can't have been given away while one of its members lives, but minutes later it may
        # be another's (32,768 numbers last five minutes of these tests).
        if self not in _running:
            return
        _running.remove(self)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _ended_with_us(command: list[str]) -> list[str]:
    # The kernel sends the signal when the *thread* that forked ends, so only the main thread may ask for it.
    setpriv = shutil.which("setpriv")
    if setpriv is None or threading.current_thread() is not threading.main_thread():
        return command
    return [setpriv, "--pdeathsig", "KILL", "--", *command]


def _frozen(pid: int) -> bool:
    """Whether every thread of a process has stopped: the signal reaches those on another core a moment later."""
    threads = [stat.read_text() for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    # The state follows the name, which stands in parentheses and may hold anything.
    return all(thread.rpartition(")")[2].split()[0] == "T" for thread in threads)


@atexit.register
def stop_everything() -> None:
    """Kills every child that still runs, the last started first."""
    for process in reversed(_running.copy()):
        process.kill()

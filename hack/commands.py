"""Runs other programs to their end and turns failure into a sentence; it starts nothing that outlives the call."""

import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from hack.failure import Failure

TAIL_LINES = 20
_under_way: "set[subprocess.Popen[bytes]]" = set()


def run(
    *argv: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    feed: str | bytes | IO[bytes] | None = None,
    within: float | None = None,
    remedy: str = "",
) -> str:
    """Run a program and return its standard output.

    Args:
        argv: the program and its arguments.
        cwd: where to run it.
        env: variables on top of this process's own.
        feed: text, bytes or an open file for its standard input.
        within: seconds after which it is ended.
        remedy: a sentence for the person if it fails.

    Raises:
        Failure: it is not there, ended with another code than 0, or took too long.
    """
    command = [str(part) for part in argv]
    text = feed.encode() if isinstance(feed, str) else feed if isinstance(feed, bytes) else None
    stdin: int | IO[bytes] = subprocess.DEVNULL if text is None else subprocess.PIPE
    if feed is not None and not isinstance(feed, str | bytes):
        stdin = feed
    try:
        process = _begin(command, cwd, env, stdin)
    except FileNotFoundError:
        raise Failure(f"the program {command[0]} is not there. {remedy}".strip()) from None
    try:
        output, errors = process.communicate(text, timeout=within)
    except subprocess.TimeoutExpired:
        raise Failure(f"{_shown(command)} took longer than {within:.0f} s. {remedy}".strip()) from None
    finally:
        process.kill()
        process.wait()
        _under_way.discard(process)
    if process.returncode != 0:
        tail = (errors + b"\n" + output if output else errors).decode(errors="replace")
        raise Failure(f"{_shown(command)} failed (exit {process.returncode}). {remedy}\n{_last_lines(tail)}".strip())
    return output.decode(errors="replace")


def _begin(
    command: list[str], cwd: Path | None, env: Mapping[str, str] | None, stdin: int | IO[bytes]
) -> "subprocess.Popen[bytes]":
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=cwd, env=environment(env), stdin=stdin, stdout=pipe, stderr=pipe)
    _under_way.add(process)
    return process


def end_all() -> None:
    """Ask every program that `run` waits for, in whichever thread, to end: for a signal's handler."""
    for process in list(_under_way):
        process.terminate()


def succeeds(*argv: str | Path, env: Mapping[str, str] | None = None, within: float = 60) -> bool:
    """Whether a program ends with exit code 0; a missing program or a late one does not."""
    try:
        run(*argv, env=env, within=within)
    except Failure:
        return False
    return True


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's variables, with these on top, and with the folders of root's programs on the PATH."""
    mine = os.environ | dict(more or {})
    return mine | {"PATH": f"{mine.get('PATH', os.defpath)}:/usr/sbin:/sbin"}


def _shown(command: list[str]) -> str:
    text = shlex.join(command)
    return text if len(text) < 160 else text[:157] + "..."  # noqa: PLR2004 - about two lines of a terminal


def _last_lines(text: str) -> str:
    return "\n".join("  | " + line for line in text.strip().splitlines()[-TAIL_LINES:])

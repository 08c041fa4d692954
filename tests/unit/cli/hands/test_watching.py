"""What is shown again and again: each change in a pipe, a screen on a terminal, until Ctrl-C."""

import asyncio
import os
import pty
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from utilitarian_operator.cli.hands.watching import follow, looks
from utilitarian_operator.errors import ClusterError, OperatorError


def in_turn(*answers: str | Exception) -> Callable[[], Awaitable[str]]:
    """A look that answers so, and is then ended by a person."""
    left = iter([*answers, KeyboardInterrupt()])

    async def look() -> str:
        answer = next(left)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return look


def followed(*answers: str | Exception) -> None:
    follow(lambda: looks(in_turn(*answers), every_s=0))


def test_a_pipe_has_each_change_once(capsys: pytest.CaptureFixture[str]) -> None:
    followed("a\nb", "a\nb", "c")
    assert capsys.readouterr().out == "a\nb\n\nc\n"


def test_a_look_that_fails_later_is_said_under_what_was_seen_last(capsys: pytest.CaptureFixture[str]) -> None:
    followed("a", ClusterError("away"), ClusterError("away"), "b")
    said = capsys.readouterr().out
    assert said == "a\n\na\nerror: the cluster does not answer; this is what it said last\n\nb\n"


def test_a_first_look_that_fails_ends_it() -> None:
    with pytest.raises(OperatorError):
        followed(ClusterError("away"))


async def test_looks_are_apart() -> None:
    started = asyncio.get_running_loop().time()
    frames: AsyncIterator[str] = looks(in_turn("a", "b"), every_s=0.01)
    assert [await anext(frames), await anext(frames)] == ["a", "b"]
    assert asyncio.get_running_loop().time() - started >= 0.01


def test_a_terminal_has_its_screen_back_with_the_last_frame_on_it() -> None:
    code = (
        "from utilitarian_operator.cli.hands.watching import follow, looks\n"
        "left = iter(['first\\nframe', 'last\\nframe'])\n"
        "async def look():\n"
        "    try: return next(left)\n"
        "    except StopIteration: raise KeyboardInterrupt from None\n"
        "follow(lambda: looks(look, every_s=0))"
    )
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", code], stdout=theirs, env={**os.environ, "TERM": "xterm"}) as process:  # noqa: S603 - our own program
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:
            pass  # the terminal is gone with its last writer
        assert process.wait(300) == 0
    os.close(ours)
    assert shown.startswith(b"\x1b[?1049h")  # the other screen
    *_, after = shown.partition(b"\x1b[?1049l")
    assert b"last\r\nframe" in after
    assert b"first" in shown

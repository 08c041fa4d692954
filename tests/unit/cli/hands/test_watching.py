"""What is shown again and again: each change in a pipe, a screen on a terminal, until Ctrl-C."""

import asyncio
import os
import pty
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from utilitarian_operator.cli.hands.watching import follow, looks
from utilitarian_operator.cli.output import WrongInput
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


@pytest.mark.parametrize(
    "error", [ClusterError("GET x: HTTP 403:\nno"), WrongInput("GET x: HTTP 403: no")], ids=["away", "taken away"]
)
def test_a_look_that_fails_later_is_said_above_what_was_seen_last(
    capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    """A screen that has no room for all of a frame shows its first lines; and what is gone may be made anew."""
    followed("a", error, error, "b")
    said = capsys.readouterr().out
    assert said == "a\n\nerror: what follows is what was seen last: GET x: HTTP 403: no\na\n\nb\n"


@pytest.mark.parametrize("error", [ClusterError("away"), WrongInput("none")], ids=["away", "not there"])
def test_a_first_look_that_fails_ends_it(error: Exception) -> None:
    with pytest.raises((OperatorError, WrongInput)):
        followed(error)


ALWAYS_THE_SAME = (
    "from utilitarian_operator.cli.hands.watching import follow, looks\n"
    "async def look(): return 'a frame'\n"
    "follow(lambda: looks(look, every_s=0.01))"
)


def test_it_ends_when_nobody_reads_any_more_also_where_nothing_changes() -> None:
    """As with `| head`: else it would ask the cluster until somebody finds it."""
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", ALWAYS_THE_SAME], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as it:
        assert it.stdout is not None
        assert it.stderr is not None
        assert it.stdout.readline() == b"a frame\n"
        it.stdout.close()
        assert it.wait(300) == 0
        assert it.stderr.read() == b""


async def test_looks_are_apart() -> None:
    started = asyncio.get_running_loop().time()
    frames: AsyncIterator[str] = looks(in_turn("a", "b"), every_s=0.01)
    assert [await anext(frames), await anext(frames)] == ["a", "b"]
    assert asyncio.get_running_loop().time() - started >= 0.01


def on_a_terminal(kind: str, *frames: str) -> bytes:
    """What a terminal gets of these frames."""
    code = (
        "from utilitarian_operator.cli.hands.watching import follow, looks\n"
        f"left = iter({frames!r})\n"
        "async def look():\n"
        "    try: return next(left)\n"
        "    except StopIteration: raise KeyboardInterrupt from None\n"
        "follow(lambda: looks(look, every_s=0))"
    )
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", code], stdout=theirs, env={**os.environ, "TERM": kind}) as process:  # noqa: S603 - our own program
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:
            pass  # the terminal is gone with its last writer
        assert process.wait(300) == 0
    os.close(ours)
    return shown


def test_a_terminal_has_its_screen_back_with_the_last_frame_on_it() -> None:
    shown = on_a_terminal("xterm", "first\nframe", "last\nframe")
    assert shown.startswith(b"\x1b[?1049h")  # the other screen
    *_, after = shown.partition(b"\x1b[?1049l")
    assert b"last\r\nframe" in after
    assert b"first" in shown


def test_a_terminal_that_obeys_no_escapes_has_each_change_as_a_pipe() -> None:
    assert on_a_terminal("dumb", "first", "first", "last") == b"first\r\n\r\nlast\r\n"

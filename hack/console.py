"""Says on plain lines of stderr what is being done and how long it took; needs no terminal and never touches stdout."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from hack.commands import end_all
from hack.failure import Failure

STILL_EVERY = 30.0  # seconds between two signs of life of a long step


def say(text: str) -> None:
    """Print one line at once."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(name: str) -> Iterator[None]:
    """Announce a step that takes a while, give a sign of life every half minute, and say how long it took."""
    say(f"{name} ...")
    started = time.monotonic()
    over = threading.Event()
    threading.Thread(target=_signs_of_life, args=(name, started, over), daemon=True).start()
    try:
        yield
    finally:
        over.set()
    say(f"{name}: {time.monotonic() - started:.1f} s")


def _signs_of_life(name: str, started: float, over: threading.Event) -> None:
    while not over.wait(STILL_EVERY):
        say(f"{name}: still at it, {time.monotonic() - started:.0f} s")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End what is waited for, so that a thread pool does not keep a person waiting for minutes."""
    end_all()
    raise KeyboardInterrupt


def exit_code(main: Callable[[], None]) -> int:
    """Run a command's main: 0, or 1 after one clear sentence, or 130 when it was interrupted."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        main()
    except Failure as failure:
        say(f"error: {failure}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; the same command goes on where this one stopped")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0

"""Bounds how many lines a module may run, so that a loop without an end fails a test instead of filling the memory."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, ModuleType
from typing import Any


class TooManyStepsError(AssertionError):
    """More lines were run than were allowed."""


@contextmanager
def at_most(lines: int, module: ModuleType) -> Iterator[None]:
    """Fail when functions of the module run more lines than so many, all calls together."""
    left, where = lines, module.__file__

    def counted(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename != where:
            return None
        if event == "line":
            left -= 1
        if left < 0:
            raise TooManyStepsError(f"{frame.f_code.co_name} of {where}: more than {lines:,} lines were run")
        return counted

    before = sys.gettrace()
    sys.settrace(counted)
    try:
        yield
    finally:
        sys.settrace(before)

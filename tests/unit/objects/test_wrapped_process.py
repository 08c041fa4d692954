"""Which process is celery's own, of those that have its words: run as Python text on processes that are there."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from utilitarian_operator.core.objects.wrapped_process import FIND

CHILD = "import os, time; os.fork(); print('ready', flush=True); time.sleep(600)"


@pytest.fixture
def found() -> Callable[[bytes], tuple[int, list[bytes], dict[str, str]]]:
    """The function of the scripts."""
    names: dict[str, Any] = {"os": os}
    exec(FIND, names)  # noqa: S102 - the text is the operator's own
    return names["found"]  # type: ignore[no-any-return]


@pytest.fixture
def family() -> Iterator[tuple[bytes, subprocess.Popen[bytes]]]:
    """A wrapper that waits, a process with a mark, and its child with the same words; and the mark."""
    mark = f"mark-{os.getpid()}"
    wait = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"
    words = [sys.executable, "-c", wait, sys.executable, "-c", CHILD, mark]
    with subprocess.Popen(words, stdout=subprocess.PIPE, process_group=0) as wrapper:  # noqa: S603 - our own program
        try:
            assert wrapper.stdout
            both = wrapper.stdout.read(len(b"ready\n") * 2)  # their letters may be mixed
            assert sorted(both) == sorted(b"ready\n" * 2), both
            yield mark.encode(), wrapper
        finally:
            os.killpg(wrapper.pid, 9)


def test_it_is_the_first_of_those_with_the_fewest_words(
    found: Callable[[bytes], tuple[int, list[bytes], dict[str, str]]], family: tuple[bytes, "subprocess.Popen[bytes]"]
) -> None:
    mark, wrapper = family
    number, words, status = found(mark)
    assert words == [sys.executable.encode(), b"-c", CHILD.encode(), mark]
    assert int(status["PPid"]) == wrapper.pid
    assert number not in {0, wrapper.pid}


def test_where_none_has_the_mark_there_is_none(
    found: Callable[[bytes], tuple[int, list[bytes], dict[str, str]]],
) -> None:
    assert found(b"nobody-has-this-word-%d" % os.getpid()) == (0, [b""], {})

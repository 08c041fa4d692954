"""How commands print: aligned columns, JSON or YAML, colour only for a terminal, one sentence for an error."""

import contextlib
import json
import os
import re
import select
import sys
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

import typer

from utilitarian_operator.api.problem import InvalidSpec
from utilitarian_operator.errors import OperatorError

FAILED = 1
WRONG_INPUT = 2
CHANGED = 3
MISSED = 3
WRONG = 3
_GAP = "   "
_ORDERS = r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
"""What a terminal obeys, but for line ends, tabs and escapes: the last ones change the direction of writing."""
_CONTROL = re.compile(rf"\x1b(?!\[(?:0|1|3[0-7])m)|{_ORDERS}")
"""The same, and all escapes but for our own colours and bold: the words of a broker or a peer may have them in them."""
_UNCOLOURED = re.compile(rf"\x1b|{_ORDERS}")
_RESET = "\x1b[0m"


class WrongInput(Exception):
    """What was given can't be used: a file, a name, or options that contradict each other."""


class Format(StrEnum):
    """Formats of a command's answer."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"


class Shape(StrEnum):
    """Formats of the report."""

    TABLE = "table"
    JSON = "json"
    HTML = "html"


@contextlib.contextmanager
def explained(output: Format) -> Iterator[None]:
    """Turn what goes wrong into a sentence on stderr and an exit code; problems of a spec into the chosen format."""
    try:
        yield
    except InvalidSpec as error:
        if output in {Format.JSON, Format.YAML}:
            emit(document({"problems": [problem._asdict() for problem in error.errors]}, output))
        for problem in error.errors:
            remark(f"error: {problem}")
        raise typer.Exit(WRONG_INPUT) from error
    except WrongInput as error:
        remark(f"error: {error}")
        raise typer.Exit(WRONG_INPUT) from error
    except OperatorError as error:
        remark(f"error: {error}")
        raise typer.Exit(FAILED) from error
    except RecursionError:
        remark("error: what was read lies too deep: it has hundreds of parts within each other")
        raise typer.Exit(FAILED) from None


def emit(text: str) -> bool:
    """Print an answer; a reader that has seen enough (`| head`) is no error.

    Returns:
        Whether there is still a reader.

    Raises:
        OperatorError: it can't be printed, as on a disk that is full.
    """
    try:
        typer.echo(harmless(text) if coloured() else plain(text))
    except BrokenPipeError:
        _to_nowhere()
        return False
    except OSError as error:
        _to_nowhere()
        raise OperatorError(f"stdout: {error.strerror or error}") from error
    return True


def remark(text: str) -> None:
    """Say something beside the answer, on stderr."""
    with contextlib.suppress(OSError):
        typer.echo(plain(text), err=True)


def is_read() -> bool:
    """Whether the answer may still have a reader: not so once that of a pipe has ended."""
    if sys.stdout is None:
        return False
    try:
        stdout, poll = sys.stdout.fileno(), select.poll()
    except (AttributeError, OSError, ValueError):  # no file, or a system without it
        return True
    poll.register(stdout, 0)
    return not any(event & select.POLLERR for _, event in poll.poll(0))


def _to_nowhere() -> None:
    """Let stdout go nowhere: else the interpreter would complain once more when it closes the stream."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def harmless(text: str) -> str:
    """The text as a terminal may have it: without what it would obey but for colours, and without what is no text."""
    said = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text).encode(errors="replace").decode()
    # A colour that is not ours ends with its line.
    return "\n".join(f"{it}{_RESET}" if "\x1b" in it and not it.endswith(_RESET) else it for it in said.split("\n"))


def plain(text: str) -> str:
    """The same without colours."""
    return _UNCOLOURED.sub("\N{REPLACEMENT CHARACTER}", text).encode(errors="replace").decode()


def document(value: Any, output: Format) -> str:
    """A value as JSON or YAML, its keys in the order they have."""
    if output is Format.JSON:
        text = json.dumps(value, indent=2, default=str, ensure_ascii=False)
        return _CONTROL.sub(lambda it: f"\\u{ord(it[0]):04x}", text)
    import yaml  # slow to import

    return yaml.safe_dump(json.loads(json.dumps(value, default=str)), sort_keys=False, allow_unicode=True).rstrip()


def pairs(entries: Mapping[str, str]) -> str:
    """Names and values, one a line, the values under each other."""
    width = max((len(name) for name in entries), default=0)
    return "\n".join(f"{name.ljust(width)}{_GAP}{value}" for name, value in entries.items())


def section(title: str, body: str) -> list[str]:
    """A title and its indented body; nothing if the body is empty."""
    return ["", title, *(f"  {line}".rstrip() for line in body.splitlines())] if body else []


def painted(text: str, colour: str) -> str:
    """The text in a colour where a person sees it, and in none of its own."""
    return typer.style(plain(text), fg=colour) if coloured() else text


def coloured() -> bool:
    """Whether colours are used: on a terminal that knows them, and unless NO_COLOR is set (no-color.org)."""
    return on_a_screen() and not os.environ.get("NO_COLOR")


def on_a_screen() -> bool:
    """Whether the answer goes to a terminal that obeys escapes."""
    return on_a_terminal() and os.environ.get("TERM") != "dumb"


def on_a_terminal() -> bool:
    """Whether the answer goes to a terminal; without a stdout (`>&-`) it goes nowhere."""
    return sys.stdout is not None and sys.stdout.isatty()

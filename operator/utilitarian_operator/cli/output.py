"""How commands print: aligned columns, JSON or YAML, colour only for a terminal, one sentence for an error."""

import contextlib
import json
import os
import re
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
_CONTROL = re.compile(r"\x1b(?!\[[0-9;]{1,8}m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")
"""What a terminal obeys, but for line ends, tabs and colours: the words of a broker or a peer may have it in them."""


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
            typer.echo(f"error: {problem}", err=True)
        raise typer.Exit(WRONG_INPUT) from error
    except WrongInput as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(WRONG_INPUT) from error
    except OperatorError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(FAILED) from error


def emit(text: str) -> None:
    """Print an answer; a reader that has seen enough (`| head`) is no error."""
    try:
        typer.echo(harmless(text))
    except BrokenPipeError:
        # Else the interpreter would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def harmless(text: str) -> str:
    """The text as a terminal may have it: without what it would obey, and without what is no text."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text).encode(errors="replace").decode()


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
    """The text in a colour where a person sees it: on a terminal, and unless NO_COLOR is set (no-color.org)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not sys.stdout.isatty()
    return text if plain else typer.style(text, fg=colour)

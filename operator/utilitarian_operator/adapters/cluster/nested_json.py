"""Reads JSON of the API server, whose parts lie within each other as deep as any author of an object likes.

The API server lets through 10,000 levels where a field passes on what it doesn't know. Python reads no more than about
a thousand, and one list or watch tells of all objects: so what lies too deep in one of them must not end the reading of
the others. It is taken away, and null stands in its place.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

DEEPEST = 200
"""Levels that are read, those of a list included; an object of Kubernetes has two dozen, with what tells its owners."""

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]|[\]}]', re.DOTALL)


def load(text: bytes) -> Any:
    """The value.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return json.loads(text)
    except RecursionError:
        return json.loads(cut(text))


def is_shallow(text: bytes) -> bool:
    """Whether Python can read it, as far as that depends on how deep its parts lie."""
    if text.count(b"{") + text.count(b"[") <= DEEPEST:
        return True
    try:
        json.loads(text)
    except RecursionError:
        return False
    except ValueError:  # its reader finds that it is no JSON
        return True
    return True


def cut(text: bytes) -> bytes:
    """The same JSON, with null for what lies deeper than `DEEPEST`."""
    return b"".join(_kept(text))


def _kept(text: bytes) -> Iterator[bytes]:
    depth, begin = 0, 0
    for found in _TOKEN.finditer(text):
        token = found[0]
        if token in b"[{":
            depth += 1
            if depth == DEEPEST + 1:
                yield text[begin : found.start()] + b"null"
        elif token in b"]}":
            depth -= 1
            if depth == DEEPEST:
                begin = found.end()
    if depth <= DEEPEST:
        yield text[begin:]

"""What is wrong with a resource, as values with a path and a remedy; a value that may be secret is masked."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from utilitarian_operator.errors import OperatorError

MASKED = "(not shown)"
_PRIVATE = re.compile(r"(^|\.)(broker|env|envFrom|extraArgs|commandPrefix|annotations|volumes)(\.|\[|$)")
_LONGEST = 80
_LONGEST_PART = 300
"""Of a path, and of a value: a review may come from one who writes names that no API server takes."""


class Problem(NamedTuple):
    """One thing that is wrong: the field's path as in YAML (`spec.pools[0].scaling.max`), its value, and what to do."""

    path: str
    value: str
    remedy: str

    def __str__(self) -> str:
        """`path: remedy (is: value)`, the last part only where there is a value to show."""
        value = f" (is: {_cut(self.value)})" if self.value else ""
        return f"{_cut(self.path)}: {self.remedy}{value}"


class InvalidSpec(OperatorError):
    """A resource that cannot be run as written; `errors` holds every problem found, in the order of the spec."""

    def __init__(self, errors: Iterable[Problem]) -> None:
        self.errors: tuple[Problem, ...] = tuple(errors)
        super().__init__("; ".join(str(problem) for problem in self.errors))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_PART else f"{text[: _LONGEST_PART - 1]}…"


def field_path(location: Sequence[str | int]) -> str:
    """Join a location to a path as Kubernetes writes it: `("spec", "pools", 0, "name")` is `spec.pools[0].name`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return text.lstrip(".")


def shown(path: str, value: object) -> str:
    """A value as a message may print it: masked where secrets may stand, only its kind if it has parts, cut if long."""
    if value is None:
        return ""
    if _PRIVATE.search(path) or (isinstance(value, str) and "://" in value):
        return MASKED
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"

"""Makes the table of values in the chart's README from the comments of values.yaml; `python -m` writes it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.support.chart import CHART

README = CHART / "README.md"
VALUES = CHART / "values.yaml"
HEADING = "## Values\n"

_KEY = re.compile(r"^(?P<indent> *)(?P<name>\w+):")
_COMMENT = re.compile(r"^ *# (?P<described>-- )?(?P<text>.*)$")


def readme() -> str:
    """The README as it should be: what stands before the heading "Values" is kept, the table is made anew."""
    kept = README.read_text().split(HEADING)[0]
    rows = [f"| `{path}` | `{_shown(default)}` | {text} |" for path, text, default in described_values()]
    return "\n".join([kept + HEADING, "| Value | Default | Meaning |", "| --- | --- | --- |", *rows, ""])


def described_values() -> Iterator[tuple[str, str, Any]]:
    """(path, description, default) of every value that has a comment starting with `--`, in their order."""
    defaults = yaml.safe_load(VALUES.read_text())
    path: list[str] = []
    text: list[str] = []
    for line in VALUES.read_text().splitlines():
        if comment := _COMMENT.match(line):
            if comment["described"]:
                text = [comment["text"]]
            elif text and not comment["text"].startswith("@schema "):
                text.append(comment["text"])
        elif key := _KEY.match(line):
            path = [*path[: len(key["indent"]) // 2], key["name"]]
            if text:
                yield ".".join(path), " ".join(text), _at(defaults, path)
            text = []


def undescribed_values() -> list[str]:
    """The paths that neither have a description nor lie below or above one."""
    described = [path for path, _, _ in described_values()]
    leaves = _leaves(yaml.safe_load(VALUES.read_text()), ())
    return [leaf for leaf in leaves if not any((leaf + ".").startswith(path + ".") for path in described)]


def _leaves(values: Any, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(values, dict) and values:
        for name, value in values.items():
            yield from _leaves(value, (*path, name))
    else:
        yield ".".join(path)


def _at(values: Any, path: list[str]) -> Any:
    for name in path:
        values = values[name]
    return values


def _shown(default: Any) -> str:
    return json.dumps(default)


if __name__ == "__main__":
    README.write_text(readme())

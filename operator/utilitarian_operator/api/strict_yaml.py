"""Reads YAML as the API server does: a key that stands twice is refused, and a date is text.

What JSON does not have is refused, as by `kubectl`, which makes JSON of it.
"""

import json
import re
from datetime import date
from math import isfinite
from typing import Any

import yaml

_TIMESTAMP = "tag:yaml.org,2002:timestamp"


_QUOTED = re.compile(r"'.*'")

DEEPEST = 100
"""Parts within parts; a resource has a dozen."""


class StrictLoader(yaml.SafeLoader):
    """For `yaml.load`, `load_all` and `compose`, which raise yaml.YAMLError."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next part, unless it is within too many others."""
        self.depth += 1
        if self.depth > DEEPEST:
            where = parent.start_mark if parent is not None else None
            raise yaml.composer.ComposerError(None, None, f"more than {DEEPEST} parts within each other", where)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT002 - theirs
        """The value; what has a tag that it does not fit (`!!int soon`) is no YAML either."""
        try:
            value = super().construct_object(node, deep=deep)
        except (ValueError, LookupError, AttributeError, TypeError, ArithmeticError) as error:
            kind = node.tag.rpartition(":")[2]
            raise yaml.constructor.ConstructorError(None, None, f"this is no {kind}", node.start_mark) from error
        if isinstance(value, bytes | set | date) or (isinstance(value, float) and not isfinite(value)):
            raise yaml.constructor.ConstructorError(None, None, "JSON has no such value", node.start_mark)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT002 - theirs
        """The mapping, if each of its keys stands there once; a number or a truth value as a key is text."""
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} stands there twice", key.start_mark)
            seen.add(key.value)
        made = super().construct_mapping(node, deep=deep)
        if not all(isinstance(key, str | int | float) for key in made):
            raise yaml.constructor.ConstructorError(None, None, "a key is no text", node.start_mark)
        return {key if isinstance(key, str) else json.dumps(key): value for key, value in made.items()}


def why_no_yaml(error: yaml.YAMLError) -> str:
    """What is wrong, with line and column; nothing of the text, which may be a password's line.

    Args:
        error: of a loader.
    """
    said = getattr(error, "problem", None) or getattr(error, "reason", None) or "it can't be read"
    mark = getattr(error, "problem_mark", None)
    where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    return f"{_QUOTED.sub('…', said)}{where}"


StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != _TIMESTAMP]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

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

MOST_WITH_ALIASES = 100_000
"""Parts of a text in which an alias is used, each alias counted as what it stands for: 40 lines may make 10¹² of it."""


class StrictLoader(yaml.SafeLoader):
    """For `yaml.load`, `load_all` and `compose`, which raise yaml.YAMLError."""

    depth = 0
    _deepest = 0
    _parts = 0

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._anchored: dict[str, tuple[int, int]] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next part, unless it is within too many others, or aliases make too many parts of it."""
        event = self.peek_event()  # type: ignore[no-untyped-call] # PyYAML's
        outer, self._deepest, self.depth = self._deepest, self.depth + 1, self.depth + 1
        self._check(event)
        if isinstance(event, yaml.AliasEvent):
            node = super().compose_node(parent, index)
            self._stands_for(event)
            self._check(event)
        else:
            begun = self._parts
            self._anchored.pop(event.anchor, None)
            node = super().compose_node(parent, index)
            self._parts += 1
            if event.anchor is not None:
                self._anchored[event.anchor] = self._parts - begun, self._deepest - self.depth
        self._deepest, self.depth = max(outer, self._deepest), self.depth - 1
        return node

    def _stands_for(self, event: Any) -> None:
        """Count an alias as what it stands for."""
        if event.anchor not in self._anchored:  # it has begun, and not ended
            raise yaml.composer.ComposerError(None, None, "a part stands within itself", event.start_mark)
        parts, height = self._anchored[event.anchor]
        self._parts, self._deepest = self._parts + parts, self.depth + height
        if self._parts > MOST_WITH_ALIASES:
            said = f"its aliases make more than {MOST_WITH_ALIASES} parts of it"
            raise yaml.composer.ComposerError(None, None, said, event.start_mark)

    def _check(self, event: Any) -> None:
        if self._deepest > DEEPEST:
            said = f"more than {DEEPEST} parts within each other"
            raise yaml.composer.ComposerError(None, None, said, event.start_mark)

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

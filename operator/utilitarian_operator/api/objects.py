"""The types of a Kubernetes object as JSON has it."""

from collections.abc import Mapping
from typing import Any, TypeAlias

Object: TypeAlias = dict[str, Any]
"""One that may be changed, or is sent."""

ReadOnlyObject: TypeAlias = Mapping[str, Any]
"""One that is only read."""

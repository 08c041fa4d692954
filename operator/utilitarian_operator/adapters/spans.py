"""Spans: what a look is made of and how long each part takes, for traces; unless they are switched on, nothing."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Protocol, Self

Attributes = Mapping[str, str | int | bool]
"""Of a span: names of objects and numbers, never what is secret."""

NONE: Attributes = MappingProxyType({})


class Span(Protocol):
    """A part of what is done, while it lasts."""

    def tell(self, attributes: Callable[[], Attributes]) -> None:
        """Give it more attributes, which are made only if it is kept."""


class Spans(Protocol):
    """Where spans are told of."""

    def __call__(
        self,
        name: str,
        attributes: Attributes = NONE,
        *,
        alone: bool = False,
        answered: Callable[[Exception], bool] = lambda _: False,
    ) -> AbstractContextManager[Span]:
        """Around a part of what is done; it is a child of the part that it is in.

        Args:
            name: of a kind of part, which are few.
            attributes: of this one.
            alone: it belongs to no other part, though it may have been begun in one.
            answered: whether an error is none for who reads the trace, as "there is no such object" is.
        """


class _Untraced:
    """Neither a name nor a moment is kept."""

    def __call__(
        self,
        name: str,
        attributes: Attributes = NONE,
        *,
        alone: bool = False,
        answered: Callable[[Exception], bool] = lambda _: False,
    ) -> Self:
        del name, attributes, alone, answered
        return self

    def tell(self, attributes: Callable[[], Attributes]) -> None:
        del attributes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        del error


UNTRACED: Spans = _Untraced()
"""Of an operator whose traces are switched off."""

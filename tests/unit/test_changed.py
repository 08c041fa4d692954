from dataclasses import dataclass, replace

import pytest

from utilitarian_operator.core.changed import changed


@dataclass(frozen=True, slots=True)
class Value:
    a: int
    b: str = "b"
    c: tuple[int, ...] = ()


@pytest.mark.parametrize("new", [{}, {"a": 2}, {"b": "x", "c": (1,)}], ids=["nothing", "one-field", "some-fields"])
def test_it_is_what_replace_makes(new: dict[str, object]) -> None:
    value = Value(1)
    assert changed(value, **new) == replace(value, **new)  # type: ignore[arg-type]
    assert value == Value(1)


def test_a_field_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError):
        changed(Value(1), d=1)

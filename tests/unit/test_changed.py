from dataclasses import dataclass, replace

import pytest

from utilitarian_operator.core.changed import changed


@dataclass(frozen=True, slots=True)
class WithSlots:
    a: int
    b: str = "b"
    c: tuple[int, ...] = ()


@dataclass(frozen=True)
class WithoutSlots:
    a: int
    b: str = "b"
    c: tuple[int, ...] = ()


VALUES = pytest.mark.parametrize("value", [WithSlots(1), WithoutSlots(1)], ids=["slots", "no-slots"])


@VALUES
@pytest.mark.parametrize("new", [{}, {"a": 2}, {"b": "x", "c": (1,)}], ids=["nothing", "one-field", "some-fields"])
def test_it_is_what_replace_makes(value: WithSlots | WithoutSlots, new: dict[str, object]) -> None:
    made = changed(value, **new)
    assert made == replace(value, **new)  # type: ignore[arg-type]
    assert type(made) is type(value)
    assert value == type(value)(1)


@VALUES
def test_a_field_that_is_not_there_is_an_error(value: WithSlots | WithoutSlots) -> None:
    with pytest.raises(TypeError, match="has no field d"):
        changed(value, d=1)

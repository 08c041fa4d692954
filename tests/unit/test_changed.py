from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import pytest

from utilitarian_operator.core.changed import NOTHING_KEPT, Kept, changed


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

    @cached_property
    def twice(self) -> int:
        return 2 * self.a


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


def test_what_was_worked_out_of_the_fields_is_left_behind() -> None:
    value = WithoutSlots(1)
    assert value.twice == 2
    assert changed(value, a=2).twice == 4
    assert changed(value, b="x") == WithoutSlots(1, "x")
    with pytest.raises(TypeError, match="has no field d"):
        changed(value, d=1)


class Counted:
    """How often something was made."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, *given: object) -> list[object]:
        self.made += 1
        return list(given)


def two_looks(make: Callable[..., object], first: tuple[object, ...], second: tuple[object, ...]) -> list[object]:
    """What is made at a look, and at the one after it."""
    found, makings = [], NOTHING_KEPT
    for given in (first, second):
        kept = Kept(makings)
        found.append(kept.of("a", make, *given))
        makings = kept.makings
    return found


BODY = {"metadata": {"resourceVersion": "7"}}


@pytest.mark.parametrize(
    "first, second, times",
    [
        pytest.param((BODY, 1), (BODY, 1), 1, id="the-very-same"),
        pytest.param((BODY, 1), ({"metadata": {"resourceVersion": "7"}}, 1), 1, id="equal"),
        pytest.param((BODY, 1), ({"metadata": {"resourceVersion": "8"}}, 1), 2, id="another-object"),
        pytest.param((BODY, 1), (BODY, 2), 2, id="another-number"),
        pytest.param((BODY,), (BODY, 1), 2, id="one-value-more"),
    ],
)
def test_it_is_made_anew_only_of_other_values(
    first: tuple[object, ...], second: tuple[object, ...], times: int
) -> None:
    make = Counted()
    assert two_looks(make, first, second) == [list(first), list(second)]
    assert make.made == times


def test_an_equal_value_is_the_one_of_the_look_before() -> None:
    before = Kept()
    first = before.same("a", WithoutSlots(1))
    after = Kept(before.makings)
    assert after.same("a", WithoutSlots(1)) is first
    assert after.same("b", WithoutSlots(1)) is not first
    assert Kept(before.makings).same("a", WithoutSlots(2)) == WithoutSlots(2)


def test_what_one_look_does_not_make_is_kept_no_longer() -> None:
    make, before = Counted(), Kept()
    before.of("a", make, 1)
    between = Kept(before.makings)
    between.of("b", make, 1)
    assert len(between.makings) == 1
    Kept(between.makings).of("a", make, 1)
    assert make.made == 3

"""Which of two bodies that have one name is the newer one, and whether both are of one object."""

from typing import Any

import pytest

from utilitarian_operator.adapters.cluster.versions import is_successor, life, version


def body(uid: str, at: str | None, **more: Any) -> dict[str, Any]:
    return {"metadata": {"uid": uid, **({} if at is None else {"resourceVersion": at}), **more}}


@pytest.mark.parametrize("at, number", [("9", 9), ("10", 10), (None, 0)])
def test_versions_are_numbers(at: str | None, number: int) -> None:
    assert version(body("a", at)) == number


@pytest.mark.parametrize(
    "uid, at, succeeds",
    [("b", "10", True), ("b", "8", False), ("a", "10", False)],
    ids=["made after the other had gone", "made before", "the same object"],
)
def test_one_succeeds_another_that_has_gone(uid: str, at: str, succeeds: bool) -> None:
    assert is_successor(body(uid, at), body("a", "9")) is succeeds


def test_another_object_or_one_about_to_go_has_another_life() -> None:
    lives = [body("a", "1"), body("a", "2"), body("a", "3", deletionTimestamp="now"), body("b", "4")]
    assert [life(it) == life(lives[0]) for it in lives] == [True, True, False, False]

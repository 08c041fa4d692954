"""Names of objects, and how long those may be that they are made from."""

import pytest

from utilitarian_operator.api.names import LONGEST_PAIR, beat_object, fits, is_label, pool_object


def test_the_objects_of_a_fleet() -> None:
    assert (pool_object("fleet", "amr"), beat_object("fleet")) == ("fleet-amr", "fleet-beat")


@pytest.mark.parametrize("fleet,pool,fit", [("f" * 40, "p" * 5, True), ("f" * 40, "p" * 6, False)])
def test_fleet_and_pool_fit_a_label_together(fleet: str, pool: str, *, fit: bool) -> None:
    assert fits(fleet, pool) is fit
    name_of_a_pod = f"{pool_object('f' * (LONGEST_PAIR - 1), 'p')}-{'0' * 10}-{'0' * 5}"
    assert len(name_of_a_pod) <= 63


@pytest.mark.parametrize(
    "name,label",
    [("amr", True), ("a-1", True), ("1-a", False), ("a-", False), ("A", False), ("", False), ("a.b", False)],
)
def test_a_label(name: str, *, label: bool) -> None:
    assert is_label(name) is label


def test_a_label_ends_where_its_line_does() -> None:
    assert not is_label("amr\n")

"""Tests that need the same thing run in the same process."""

import pytest

from tests.support.sharing import shared


@pytest.mark.parametrize(
    "one, other, together",
    [
        pytest.param("tests/e2e/test_a.py::test_1", "tests/e2e/test_b.py::test_1[x]", True, id="the cluster"),
        pytest.param("tests/controlplane/test_a.py::test_1", "tests/controlplane/test_a.py::test_2", True, id="module"),
        pytest.param("tests/unit/test_a.py::test_1", "tests/unit/test_b.py::test_1", False, id="two modules"),
        pytest.param("tests/integration/test_a.py::test_1", "tests/integration/test_a.py::test_2", False, id="broker"),
    ],
)
def test_who_shares_what(one: str, other: str, together: bool) -> None:
    assert (shared(one) == shared(other)) == together

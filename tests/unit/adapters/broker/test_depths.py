"""What a broker says of itself, which the claims of all fleets are compared by."""

import pytest

from utilitarian_operator.adapters.broker.depths import LONGEST_NAME, name


@pytest.mark.parametrize(
    "said, kept",
    [
        ("rabbit@a", "rabbit@a"),
        ("", None),
        (None, None),
        ({"a": 1}, None),
        ([], None),
        (b"rabbit", None),
        (7, None),
        ("x" * (LONGEST_NAME + 1), None),
    ],
    ids=["a name", "nothing", "none", "a table", "a list", "bytes", "a number", "too long"],
)
def test_only_a_name_is_one(said: object, kept: str | None) -> None:
    """A table can't be looked up: a single broker that said one ended every look at the others that name its queues."""
    assert name(said) == kept

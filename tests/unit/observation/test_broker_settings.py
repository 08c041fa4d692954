"""Settings of queues under the names of policies."""

from datetime import timedelta

import pytest

from utilitarian_operator.core.observation.broker_settings import by_policy_name


def test_an_argument_comes_before_the_policy() -> None:
    arguments = {"x-delivery-limit": 3, "x-queue-type": "quorum"}
    policy = {"delivery-limit": 9, "dead-letter-exchange": "dlx"}
    assert by_policy_name(arguments, policy) == {
        "delivery-limit": 3,
        "queue-type": "quorum",
        "dead-letter-exchange": "dlx",
    }


@pytest.mark.parametrize("name", ["consumer-timeout", "expires", "delivery-limit"])
@pytest.mark.parametrize("value", [2**63 - 1, 10**400, -(10**400)])
def test_a_number_that_means_never_can_be_reckoned_with(name: str, value: int) -> None:
    found = by_policy_name({f"x-{name}": value}, {name: 5})[name]
    assert abs(timedelta(milliseconds=found)) < timedelta.max


def test_what_is_not_read_is_not_kept() -> None:
    """A broker may say any number of settings, each of any size, of each of its queues."""
    found = by_policy_name({"x-other": 1, "x-expires": [[]] * 1_000}, {"dead-letter-exchange": "d" * 1_000})
    assert found == {"expires": None, "dead-letter-exchange": "d" * 255}

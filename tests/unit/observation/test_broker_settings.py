from utilitarian_operator.core.observation.broker_settings import by_policy_name


def test_an_argument_comes_before_the_policy() -> None:
    arguments = {"x-delivery-limit": 3, "x-queue-type": "quorum"}
    policy = {"delivery-limit": 9, "dead-letter-exchange": "dlx"}
    assert by_policy_name(arguments, policy) == {
        "delivery-limit": 3,
        "queue-type": "quorum",
        "dead-letter-exchange": "dlx",
    }

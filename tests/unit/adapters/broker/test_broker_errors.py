"""What RabbitMQ says when it opens no connection, and what is said of it: the cause, and the remedy for that cause."""

import pytest
from amqp.exceptions import NotAllowed, PreconditionFailed

from utilitarian_operator.adapters.broker.address import EXAMPLE
from utilitarian_operator.adapters.broker.connection import broker_errors
from utilitarian_operator.errors import BrokerError, BrokerUnreachable, LoginRefused


@pytest.mark.parametrize(
    "said,kind,remedy",
    [
        pytest.param("NOT_ALLOWED - vhost nowhere not found", LoginRefused, "rabbitmqctl add_vhost", id="no vhost"),
        pytest.param(
            "NOT_ALLOWED - access to vhost 'v' refused for user 'u'", LoginRefused, "set_permissions", id="no right"
        ),
        pytest.param(
            "NOT_ALLOWED - access to vhost 'v' refused for user 'u': connection limit (1) is reached",
            BrokerUnreachable,
            "takes no more connections",
            id="the vhost's limit",
        ),
        pytest.param(
            "NOT_ALLOWED - connection refused for user 'u': user connection limit (1) is reached",
            BrokerUnreachable,
            "set_user_limits",
            id="the user's limit",
        ),
        pytest.param(
            "NOT_ALLOWED - connection refused: node connection limit (1) is reached",
            BrokerUnreachable,
            "rabbitmq.conf",
            id="the node's limit",
        ),
        pytest.param(
            "NOT_ALLOWED - access to vhost 'v' refused for user 'u': vhost 'v' is down",
            BrokerUnreachable,
            "restart_vhost",
            id="the vhost is down",
        ),
        pytest.param("NOT_ALLOWED - something new", LoginRefused, "something new", id="what is not known yet"),
    ],
)
def test_a_connection_that_is_not_opened_is_said_with_its_own_remedy(
    said: str, kind: type[BrokerError], remedy: str
) -> None:
    with pytest.raises(BrokerError) as refused, broker_errors(place="amqp://broker:5672"):
        raise NotAllowed(said, (10, 40), "Connection.open")
    assert type(refused.value) is kind
    assert said in str(refused.value)
    assert remedy in str(refused.value)
    assert EXAMPLE not in str(refused.value), "the URL is written as it should be"


def test_a_broker_that_ends_a_call_has_answered() -> None:
    with (
        pytest.raises(BrokerUnreachable, match="ended the call: PRECONDITION_FAILED - inequivalent arg"),
        broker_errors(),
    ):
        raise PreconditionFailed("PRECONDITION_FAILED - inequivalent arg 'x-expires'", (50, 10), "Queue.declare")

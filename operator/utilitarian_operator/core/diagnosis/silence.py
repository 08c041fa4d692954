"""The sentence for a pool whose workers don't answer: why, and what to do."""

from collections.abc import Collection

from utilitarian_operator.api.broker_url import Broker
from utilitarian_operator.core.observation.broker_settings import TOO_LARGE

SERIALIZERS = {
    "application/x-python-serialize": "pickle",
    "application/x-yaml": "yaml",
    "application/x-msgpack": "msgpack",
}
"""Celery's names of the content types that an answer may have beside JSON."""

SAYS_TOO_MUCH = (
    "as that of a worker which holds ten thousands of tasks with a later time; quorum queues with Celery's native "
    "delayed delivery keep such tasks in the broker"
)
"""Of an answer that was too large to be read."""


def causes(broker: Broker, unreadable: Collection[str]) -> str:
    """What keeps workers from answering, and the settings of the application that cure it.

    Args:
        broker: of the fleet.
        unreadable: content types of answers that came and are never decoded, and `TOO_LARGE`.
    """
    if TOO_LARGE in unreadable:
        return f"an answer was too large to be read, {SAYS_TOO_MUCH}"
    if unreadable:
        first = min(unreadable)
        return (
            f"answers come in {SERIALIZERS.get(first, first)}, which is never decoded: set task_serializer to json in "
            "the application (a task may have a serializer of its own)"
        )
    return (
        "the application must have json in accept_content, the control_exchange that spec.broker.controlExchange "
        f"names ({broker.control_exchange}), and worker_enable_remote_control on"
    )

"""What was seen of one queue: messages and consumers, by the queue itself and by the broker's statistics."""

from dataclasses import dataclass
from typing import TypeAlias

from utilitarian_operator.core.observation.model.figures import Unknown


@dataclass(frozen=True, slots=True)
class Present:
    """A queue that exists.

    Args:
        ready: messages waiting for delivery.
        consumers: consumers on the queue, of whatever fleet.
        unacked: messages delivered and not yet acknowledged, where the broker's statistics have it.
        most: messages that may be ready, by the larger of the sources; None where there is only one.
        doubt: why what it says is no reason for a worker to go; None where it is.
        single: whether it hands messages to one consumer at a time (`x-single-active-consumer`). A quorum queue says
            then that it has one, however many wait for their turn (RabbitMQ 3.10, measured).
    """

    ready: int
    consumers: int
    unacked: int | None = None
    most: int | None = None
    doubt: Unknown | None = None
    single: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """A queue that is not declared on the broker."""


QueueSnapshot: TypeAlias = Present | Missing | Unknown


@dataclass(frozen=True, slots=True)
class Counted:
    """What the broker's statistics say of one queue.

    Args:
        ready: messages waiting for delivery, a few seconds ago.
        unacked: messages delivered and not yet acknowledged, a few seconds ago.
        arrived: tasks that came since the statistics were first read; never falls; None without statistics.
        left: messages acknowledged, or delivered to one who need not, since then; never falls; None as above.
    """

    ready: int
    unacked: int
    arrived: int | None = None
    left: int | None = None

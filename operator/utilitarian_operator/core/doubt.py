"""What of a broker's answers about one queue can be believed; a zero that nobody vouches for can not; asks nobody."""

from utilitarian_operator.core.observation import Counted
from utilitarian_operator.core.wording import plural


def doubted(name: str, ready: int, consumers: int, counted: Counted | None, serving: int) -> tuple[int, str | None]:
    """How many messages are ready as far as is known, and why that is no reason for a worker to go; None: it may be.

    A quorum queue whose leader is down, or slower than 250 ms, answers a passive declare with no message and no
    consumer and without an error (RabbitMQ 3.10, measured).

    Args:
        name: of the queue.
        ready: messages, as it answered.
        consumers: as it answered.
        counted: what the statistics say of it.
        serving: workers that are ready, and so ought to consume it.
    """
    if ready or consumers:
        return ready, None
    if counted is not None and counted.ready:
        waiting = plural(counted.ready, "message")
        return counted.ready, f"queue {name} says that it is empty, the statistics say {waiting}: is its leader away?"
    if serving:
        ours = plural(serving, "ready worker")
        return 0, f"queue {name} says that it is empty and that none of the {ours} consumes it: is its leader away?"
    return ready, None

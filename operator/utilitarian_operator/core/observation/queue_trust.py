"""What of a broker's answers about one queue can be believed, and when a zero is really zero."""

from dataclasses import dataclass, replace
from datetime import datetime

from utilitarian_operator.core.observation.model.figures import HOLDS
from utilitarian_operator.core.observation.model.queue import Counted
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


@dataclass(frozen=True, slots=True)
class Contradiction:
    """The statistics say another number of ready messages than the queue itself.

    Args:
        figure: of the statistics.
        since: when the queue first said otherwise.
        proven: whether the figure stood still for so long that it can't be current any more.
    """

    figure: int
    since: datetime
    proven: bool = False


def contradiction(
    before: Contradiction | None, ready: int, consumers: int, counted: Counted | None, now: datetime
) -> Contradiction | None:
    """What is known of a figure of the statistics after one more answer of the queue; None: they agree.

    A node that comes back from a partition may tell for ever what was ready when it led the queue last, by either kind
    of endpoint (RabbitMQ 3.10, measured). A queue that has consumers was answered for by its leader.

    Args:
        before: of the look before.
        ready: messages, as the queue itself answered.
        consumers: as it answered.
        counted: what the statistics say of it; None while they say nothing.
        now: the one clock.
    """
    if counted is None:
        return before
    if counted.ready == ready:
        return None
    if before is None or before.figure != counted.ready:
        return Contradiction(counted.ready, now) if consumers else None
    if before.proven:
        return before
    return replace(before, proven=now - before.since >= HOLDS) if consumers else None


def believed(counted: Counted | None, ready: int, known: Contradiction | None) -> Counted | None:
    """What the statistics say of a queue, without a figure that is proven wrong."""
    return replace(counted, ready=ready) if counted is not None and known is not None and known.proven else counted

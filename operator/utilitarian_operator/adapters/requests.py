"""Tells how long requests to brokers, workers and the API server take, and which of them fail."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from utilitarian_operator.adapters.spans import NONE, UNTRACED, Attributes, Spans


class Target(StrEnum):
    """Who is asked; their names stand in metrics."""

    BROKER = "broker"
    """RabbitMQ over AMQP, for the depths of queues."""
    STATISTICS = "statistics"
    """Its statistics, over HTTP."""
    REMOTE_CONTROL = "remote_control"
    """Workers, by Celery's remote control: all answers that came in time."""
    API = "api"
    """The Kubernetes API server."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Where requests are told of.

    Args:
        tell: called after each with its target, its seconds, and whether it failed.
        seconds: of a clock that never goes back.
        spans: of traces.
    """

    tell: Callable[[Target, float, bool], None]
    seconds: Callable[[], float]
    spans: Spans = UNTRACED

    @contextlib.contextmanager
    def to(
        self, target: Target, answered: Callable[[Exception], bool] = lambda _: False, what: Attributes = NONE
    ) -> Iterator[None]:
        """Around one request; one that is called off is not told of.

        Args:
            target: who is asked.
            answered: whether an error is an answer all the same, as "there is no such object" is.
            what: is asked, for traces.
        """
        began = self.seconds()
        # Brokers are read in the background, for all fleets that have them: no look waits for it.
        with self.spans(f"request {target}", what, alone=target is not Target.API, answered=answered):
            try:
                yield
            except Exception as error:
                self.tell(target, self.seconds() - began, not answered(error))
                raise
        self.tell(target, self.seconds() - began, False)  # noqa: FBT003 - as `tell` has it


UNTOLD = Requests(lambda _target, _seconds, _failed: None, lambda: 0.0)
"""Of a client whose requests no one counts."""

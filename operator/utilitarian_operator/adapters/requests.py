"""Tells how long requests to brokers, workers and the API server take, and which of them fail."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum


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
    """

    tell: Callable[[Target, float, bool], None]
    seconds: Callable[[], float]

    @contextlib.contextmanager
    def to(self, target: Target, answered: Callable[[Exception], bool] = lambda _: False) -> Iterator[None]:
        """Around one request; one that is called off is not told of.

        Args:
            target: who is asked.
            answered: whether an error is an answer all the same, as "there is no such object" is.
        """
        began = self.seconds()
        try:
            yield
        except Exception as error:
            self.tell(target, self.seconds() - began, not answered(error))
            raise
        self.tell(target, self.seconds() - began, False)  # noqa: FBT003 - as `tell` has it


UNTOLD = Requests(lambda _target, _seconds, _failed: None, lambda: 0.0)
"""Of a client whose requests no one counts."""

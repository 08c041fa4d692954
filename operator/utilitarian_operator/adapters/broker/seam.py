"""What the operator asks of a broker: one protocol of six methods."""

from collections.abc import Hashable, Sequence
from typing import Protocol

from utilitarian_operator.core.observation.broker import BrokerSnapshot, Questions


class Broker(Protocol):
    """One broker, as all that looks at it and acts on it sees it."""

    @property
    def known(self) -> BrokerSnapshot:
        """What is known without a question: everything but depths."""

    async def look(self, queues: Sequence[str]) -> BrokerSnapshot:
        """What is known of these queues after their depths were read; why not, if they could not be, is part of it."""

    def ask(self, who: Hashable, questions: Questions) -> None:
        """Ask this from now on, in the background; replaces what the same one wanted before."""

    async def cancel_consumers(self, node: str, queues: Sequence[str]) -> None:
        """Tell one worker to take nothing more from these queues; raises BrokerError."""

    async def add_consumers(self, node: str, queues: Sequence[str]) -> None:
        """Tell one worker to consume these queues again, and those of its own that it left; raises BrokerError."""

    async def is_same(self, other: "Broker") -> bool | None:
        """Whether another one is the same virtual host of the same broker; None where a right is missing.

        Raises:
            BrokerError: one of them can't be asked now.
        """

    async def close(self) -> None:
        """Ask nothing more, and leave nothing on the broker."""

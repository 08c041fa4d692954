"""Stands for a broker whose address is not known: every figure is unknown, with the reason."""

from collections.abc import Hashable, Sequence

from utilitarian_operator.adapters.broker.seam import Broker
from utilitarian_operator.core.observation.broker import BrokerSnapshot, Questions
from utilitarian_operator.errors import BrokerUnreachable, OperatorError


class UnreachableBroker:
    """A broker that can't be looked at, because its address is not known.

    Args:
        error: why.
    """

    def __init__(self, error: OperatorError) -> None:
        self._error = error

    @property
    def known(self) -> BrokerSnapshot:
        """Nothing: no source ever answered."""
        return BrokerSnapshot(at=0.0)

    async def look(self, queues: Sequence[str]) -> BrokerSnapshot:
        """The reason alone."""
        del queues
        return BrokerSnapshot(at=0.0, failed=self._why())

    def ask(self, who: Hashable, questions: Questions) -> None:
        """There is no worker to ask."""

    async def cancel_consumers(self, node: str, queues: Sequence[str]) -> None:
        """Raise the reason, as a BrokerError."""
        del node, queues
        raise self._why() from self._error

    async def add_consumers(self, node: str, queues: Sequence[str]) -> None:
        """Raise the reason, as a BrokerError."""
        del node, queues
        raise self._why() from self._error

    async def is_same(self, other: Broker) -> bool | None:
        """Raise the reason, as a BrokerError."""
        del other
        raise self._why() from self._error

    async def close(self) -> None:
        """There is nothing to close."""

    def _why(self) -> BrokerUnreachable:
        return BrokerUnreachable(str(self._error))

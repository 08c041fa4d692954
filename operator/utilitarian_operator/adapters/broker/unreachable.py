"""Stands for a broker whose address is not known: every figure is unknown, with the reason."""

from collections.abc import Hashable, Iterable, Mapping, Sequence

from utilitarian_operator.adapters.broker.depths import Depth, Untold
from utilitarian_operator.core.observation.broker_settings import BrokerSettings
from utilitarian_operator.errors import BrokerUnreachable, OperatorError


class UnreachableBroker:
    """A broker that can't be looked at, because its address is not known.

    Args:
        error: why.
    """

    def __init__(self, error: OperatorError) -> None:
        self._error = error

    async def depths(self, queues: list[str]) -> Mapping[str, Depth | Untold | None]:
        """Raise the reason, as a BrokerError."""
        del queues
        raise BrokerUnreachable(str(self._error)) from self._error

    def counted(self) -> None:
        """There are no statistics."""

    def told(self, node: str, not_before: float) -> None:
        """No worker answers."""

    def sample(self, node: str, not_before: float) -> None:
        """No worker answers."""

    def worked(self, node: str) -> None:
        """No worker answers."""

    def seen_at(self) -> Mapping[str, float | None]:
        """No worker ever answered."""
        return {}

    def consuming(self) -> Mapping[str, tuple[str, ...]]:
        """No worker answers."""
        return {}

    def beats(self) -> tuple[str, ...]:
        """No worker answers."""
        return ()

    def mute(self) -> None:
        """The reason is that of the depths."""

    def about(self) -> BrokerSettings:
        """Nothing is told."""
        return BrokerSettings()

    def ask(
        self,
        who: Hashable,
        nodes: Iterable[str],
        learn: Iterable[str] = (),
        *,
        around: bool = False,
        beats: bool = False,
    ) -> None:
        """There is no worker to ask."""
        del who, nodes, learn, around, beats

    async def cancel_consumers(self, node: str, queues: Sequence[str]) -> None:
        """Raise the reason, as a BrokerError."""
        del node, queues
        raise BrokerUnreachable(str(self._error)) from self._error

    async def add_consumers(self, node: str, queues: Sequence[str]) -> None:
        """Raise the reason, as a BrokerError."""
        del node, queues
        raise BrokerUnreachable(str(self._error)) from self._error

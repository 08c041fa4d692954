"""What stands for a broker that nobody knows the place of: it sees nothing and says why; it calls nobody."""

from collections.abc import Hashable, Iterable, Mapping, Sequence

from utilitarian_operator.adapters.broker.depths import Depth, Untold
from utilitarian_operator.core.observation.broker_settings import BrokerSettings
from utilitarian_operator.errors import BrokerUnreachable, OperatorError


class UnreachableBroker:
    """A broker that can't be looked at, because nobody knows where it is.

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
        """Nobody counts."""

    def told(self, node: str, not_before: float) -> None:
        """Nobody answers."""

    def sample(self, node: str, not_before: float) -> None:
        """Nobody answers."""

    def worked(self, node: str) -> None:
        """Nobody answers."""

    def seen_at(self) -> Mapping[str, float | None]:
        """Nobody ever answered."""
        return {}

    def consuming(self) -> Mapping[str, tuple[str, ...]]:
        """Nobody answers."""
        return {}

    def beats(self) -> tuple[str, ...]:
        """Nobody answers."""
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
        """There is nobody to ask."""
        del who, nodes, learn, around, beats

    async def cancel_consumers(self, node: str, queues: Sequence[str]) -> None:
        """Raise the reason, as a BrokerError."""
        del node, queues
        raise BrokerUnreachable(str(self._error)) from self._error

    async def add_consumers(self, node: str, queues: Sequence[str]) -> None:
        """Raise the reason, as a BrokerError."""
        del node, queues
        raise BrokerUnreachable(str(self._error)) from self._error

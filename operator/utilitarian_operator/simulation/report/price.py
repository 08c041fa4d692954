"""What a worker-hour costs: one price for every worker, or by the CPU and memory that it requests."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from utilitarian_operator.api.units import parse_quantity
from utilitarian_operator.errors import OperatorError

_GIBIBYTE = 1024**3


class InvalidPrice(OperatorError):
    """A `--price` that says no price; the message says how to write it."""


@dataclass(frozen=True, slots=True)
class Price:
    """Prices in one currency.

    Args:
        worker: of a worker-hour, beside what follows.
        cpu: of a core requested for an hour.
        memory: of a GiB requested for an hour.
        currency: as it is to be printed; may be empty.
    """

    worker: float = 0.0
    cpu: float = 0.0
    memory: float = 0.0
    currency: str = ""

    @property
    def by_requests(self) -> bool:
        """Whether a worker that requests more costs more."""
        return bool(self.cpu or self.memory)

    def of(self, requests: Mapping[str, str]) -> float:
        """The price of a worker-hour of a worker with these requests."""
        cores, memory = parse_quantity(requests.get("cpu", "0")), parse_quantity(requests.get("memory", "0"))
        return self.worker + self.cpu * float(cores) + self.memory * float(memory) / _GIBIBYTE

    def shown(self, amount: float) -> str:
        """An amount as it is printed: `27.46 EUR`."""
        return f"{amount:,.2f} {self.currency}".rstrip()


def read_price(text: str, currency: str) -> Price:
    """`0.05` for a worker-hour, or `cpu=0.03,memory=0.004` for a core and a GiB an hour.

    Raises:
        InvalidPrice: it is written otherwise.
    """
    named = [part.strip().rpartition("=") for part in text.split(",")]
    try:
        values = {name or "worker": float(value) for name, _, value in named}
    except ValueError:
        values = {}
    wrong = (
        len(values) != len(named)
        or set(values) - {"worker", "cpu", "memory"}
        or ("worker" in values and len(values) > 1)
    )
    if wrong or not all(isfinite(value) and value >= 0 for value in values.values()):
        raise InvalidPrice(
            f"--price {text}: write what a worker-hour costs, like 0.05, or what a requested core and GiB cost an "
            "hour, like cpu=0.03,memory=0.004"
        )
    return Price(**values, currency=currency)

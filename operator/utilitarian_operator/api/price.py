"""What a worker-hour costs: one price for every worker, or by the CPU and memory that it requests."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from utilitarian_operator.api.units import parse_quantity
from utilitarian_operator.errors import OperatorError

_GIBIBYTE = 1024**3

_NUMBER = r"[0-9]{1,7}([.][0-9]{1,9})?"
PRICE_PATTERN = rf"^({_NUMBER}|cpu={_NUMBER}(, ?memory={_NUMBER})?|memory={_NUMBER}(, ?cpu={_NUMBER})?)$"
CURRENCY_PATTERN = "^([A-Za-z]{1,8}|[$€£¥])?$"
"""It is the value of a label of metrics. The schema of the chart's values has both patterns."""


class InvalidPrice(OperatorError):
    """A `--price` or `--currency` that is none; the message says how to write it."""


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

    Args:
        text: of the price; at most 7 digits before the point and 9 behind it.
        currency: a code of at most 8 letters, a sign, or empty.

    Raises:
        InvalidPrice: it is written otherwise.
    """
    if not re.fullmatch(PRICE_PATTERN, text):
        raise InvalidPrice(
            f"--price {text[:50]}: write what a worker-hour costs, like 0.05, or what a requested core and GiB cost an "
            "hour, like cpu=0.03,memory=0.004"
        )
    if not re.fullmatch(CURRENCY_PATTERN, currency):
        raise InvalidPrice(f"--currency {currency[:50]!r}: write it like EUR, or as one of $, €, £ and ¥")
    named = [part.strip().rpartition("=") for part in text.split(",")]
    return Price(**{name or "worker": float(value) for name, _, value in named}, currency=currency)

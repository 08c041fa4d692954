"""Bounds what the greetings of TLS may cost the event loop: who answers chooses how much is reckoned for them."""

import ssl
from contextvars import ContextVar
from dataclasses import dataclass

from utilitarian_operator.adapters.broker.bounded.refused import Ours
from utilitarian_operator.adapters.broker.timing import CLOCK

MOST_S = 0.2
"""Seconds of a processor for all greetings of one reading; one takes a millisecond or two, or, with a group of 8,192
bits, a tenth of a second."""


@dataclass
class Greetings:
    """What the greetings of one reading have taken.

    Args:
        took_s: seconds of a processor.
    """

    took_s: float = 0.0


OF_THIS: ContextVar[Greetings | None] = ContextVar("greetings", default=None)
"""Of the reading that goes on, with those of its tasks; others have no bound."""


class TooCostly(ssl.SSLError, Ours):
    """The greetings of a reading have taken too long."""

    def __init__(self) -> None:
        super().__init__(ssl.SSL_ERROR_SSL, "its TLS takes a processor too long; have it use an elliptic curve")


class Greeting(ssl.SSLObject):
    """One side of TLS in an event loop, whose steps are counted."""

    def do_handshake(self) -> None:
        """Go one step on; raises TooCostly where those before took too long."""
        all_of_them = OF_THIS.get()
        if all_of_them is None:
            super().do_handshake()
            return
        if all_of_them.took_s > MOST_S:
            raise TooCostly
        begun = CLOCK.worked()
        try:
            super().do_handshake()
        finally:
            all_of_them.took_s += CLOCK.worked() - begun

"""Reads the addresses of a broker's statistics; nothing of a URL but scheme and host is in what is said of it."""

import re
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

EXAMPLE = "http://USER:PASSWORD@HOST:15672"
_BETWEEN = re.compile(r",\s*(?=https?://)", re.IGNORECASE)
"""A comma parts two addresses only where another one follows: it may stand in a password, too."""


class WrongEndpoint(ValueError):
    """It is no URL of statistics; the message shows an example and nothing of the URL."""


def endpoints(text: str) -> tuple[str, ...]:
    """The URLs of a text, which commas separate.

    Raises:
        WrongEndpoint: one of them is none.
    """
    found = tuple(part.strip().rstrip(",") for part in _BETWEEN.split(text.strip()))
    if not all(_parts(part) for part in found):
        raise WrongEndpoint(f"write {EXAMPLE}, special characters escaped")
    return found


def plain_hosts(urls: Iterable[str]) -> list[str]:
    """The hosts to which URLs of statistics send a login without TLS over a network."""
    found = [parts for parts in map(_parts, urls) if parts and parts.scheme == "http" and parts.username is not None]
    return [parts.hostname or "" for parts in found if not is_this_machine(parts.hostname or "")]


def is_this_machine(host: str) -> bool:
    """Whether what is sent to a host never leaves this machine."""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _parts(text: str) -> SplitResult | None:
    """The parts, if host and port stand where they should; an unescaped / ? or # puts a password there."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:  # the port is no number, or a bracket is not closed
        return None
    known = parts.scheme in {"http", "https"}
    password_went_on = "@" in parts.path + parts.query + parts.fragment
    return parts if known and parts.hostname and port != 0 and not password_went_on else None

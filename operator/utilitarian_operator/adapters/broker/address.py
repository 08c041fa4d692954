"""Reads the URLs of a broker, as Celery does, and of its statistics; what is said of a wrong one has nothing of it."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

PORTS = {"amqp": 5672, "pyamqp": 5672, "amqps": 5671}
"""Of the schemes of Celery's own library for RabbitMQ; another one is no RabbitMQ, or needs another library."""
MOST = 8
"""Addresses of one broker."""
MOST_OF_STATISTICS = 16
"""URLs of the statistics of one broker, which are all read at once; a Secret has room for 100,000."""
LONGEST = 16 * 1024
"""Characters of one URL: a token in it has a few thousand."""
EXAMPLE = "amqp://USER:PASSWORD@HOST:5672/VHOST"
STATISTICS_EXAMPLE = "http://USER:PASSWORD@HOST:15672"
STATISTICS_REMEDY = f"write {STATISTICS_EXAMPLE}, special characters escaped, and no more than {MOST_OF_STATISTICS}"
_BETWEEN = re.compile(r",\s*(?=https?://)", re.IGNORECASE)
"""A comma parts two addresses of statistics only where another one follows: it may stand in a password, too."""
_HOST = re.compile(r"[\w.-]+|[0-9a-f:.]+(%[\w.-]+)?")
"""A name, or an address of IPv6; what else is there is a part of a password, behind which the @ was escaped too."""


class WrongAddress(ValueError):
    """It is no URL of RabbitMQ; the message shows an example and nothing of the URL but its scheme."""


@dataclass(frozen=True)
class Address:
    """One address of a broker.

    Args:
        host, port: where it is.
        user, password: of the login; None where the URL names none.
        vhost: `/` where the URL names none, as Celery has it.
        secure: whether TLS is spoken.
        by_certificate: whether the client certificate is the login (SASL's EXTERNAL).
    """

    host: str
    port: int
    user: str | None
    password: str | None
    vhost: str
    secure: bool
    by_certificate: bool

    def __repr__(self) -> str:
        """Without user and password."""
        return f"Address({self.place})"

    @property
    def place(self) -> str:
        """Host and port, for messages; without a user they may be a password that lost its host."""
        return "the broker" if self.user is None else f"{self.host}:{self.port}"


def addresses(url: str) -> tuple[Address, ...]:
    """The addresses of a URL, which semicolons separate; all are of one virtual host.

    Raises:
        WrongAddress: one of them is wrong; the message says which.
    """
    return tuple(_addresses(url.split(";")))


def endpoints(text: str) -> tuple[str, ...]:
    """The URLs of a text, which commas separate.

    Raises:
        WrongAddress: one of them is none; nothing of it is in the message.
    """
    found = tuple(part.strip().rstrip(",") for part in _BETWEEN.split(text.strip(), MOST_OF_STATISTICS))
    if len(found) > MOST_OF_STATISTICS or not all(map(_statistics_parts, found)):
        raise WrongAddress(STATISTICS_REMEDY)
    return found


def plain_hosts(urls: Iterable[str]) -> list[str]:
    """The hosts to which URLs of statistics send a login without TLS over a network."""
    found = [
        parts
        for parts in map(_statistics_parts, urls)
        if parts and parts.scheme == "http" and parts.username is not None
    ]
    return [parts.hostname or "" for parts in found if not is_this_machine(parts.hostname or "")]


def is_this_machine(host: str) -> bool:
    """Whether what is sent to a host never leaves this machine."""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _addresses(texts: list[str]) -> Iterator[Address]:
    if len(texts) > MOST:
        raise WrongAddress(f"it names {len(texts)} addresses; write at most {MOST}")
    first = None
    for number, text in enumerate(texts, start=1):
        which = f"address {number} of {len(texts)}" if len(texts) > 1 else "it"
        address = _address(text, which)
        first = first or address
        if address.vhost != first.vhost:
            raise WrongAddress(f"{which} names another virtual host than the first; all must be of one broker")
        yield address


def _address(text: str, which: str) -> Address:
    scheme, separator, _ = text.partition("://")
    parts, port = _parts(text)
    if scheme.lower() not in PORTS or parts is None:
        given = f"{which} is {scheme}://…" if separator and scheme.isalnum() else f"{which} is no URL"
        given = f"{which} has more than {LONGEST} characters" if len(text) > LONGEST else given
        raise WrongAddress(f"{given}; write {EXAMPLE}, special characters escaped")
    options = dict(parse_qsl(parts.query))
    # Celery hands the options to its connection, which speaks TLS where any of these is given.
    secure = scheme.lower() == "amqps" or any(name == "ssl" or name.startswith("ssl_") for name in options)
    return Address(
        host=unquote(parts.hostname or ""),
        port=port or PORTS["amqps" if secure else "amqp"],
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        vhost=unquote(parts.path[1:]) or "/",
        secure=secure,
        by_certificate=options.get("login_method") == "EXTERNAL",
    )


def _parts(text: str) -> tuple[SplitResult | None, int | None]:
    """The parts and the port, if host and port stand where they should; an unescaped / ? or # puts a password there."""
    if len(text) > LONGEST:
        return None, None
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:  # the port is no number, or a bracket is not closed
        return None, None
    # An @ in a virtual host must be escaped too: else it looks like one in a password that was cut off.
    password_went_on = "@" in parts.path + parts.query + parts.fragment
    is_host = _HOST.fullmatch(unquote(parts.hostname or "")) is not None
    return (parts if is_host and port != 0 and not password_went_on else None), port


def _statistics_parts(text: str) -> SplitResult | None:
    parts, _ = _parts(text)
    return parts if parts is not None and parts.scheme in {"http", "https"} else None

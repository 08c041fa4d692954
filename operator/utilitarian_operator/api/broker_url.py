"""Puts a broker's URL together from its parts, each escaped: as a pattern, and filled in."""

import re
from collections.abc import Mapping
from urllib.parse import quote

HOST = r"[\w.:-]+"
"""A name or an address alone."""


def pattern(values: Mapping[str, str | None]) -> str:
    """The URL with `{PASSWORD}` and so on where a part is read from elsewhere.

    Args:
        values: of the parts that are given, by their names; None where a part is read from elsewhere.
    """
    full = {"scheme": "amqp", "vhost": "/"} | dict(values)
    scheme, vhost = (_part(name, full[name]) for name in ("scheme", "vhost"))
    login, place = (
        ":".join(_part(name, full[name]) for name in names if name in full)
        for names in (("username", "password"), ("host", "port"))
    )
    return f"{scheme}://{login}{'@' if login else ''}{place}/{vhost}"


def filled(pattern: str, values: Mapping[str, str]) -> str:
    """The URL.

    Args:
        pattern: with parts to be filled in.
        values: of these, by their names.
    """
    return re.sub(r"{(\w+)}", lambda it: escaped(it[1].lower(), values[it[1].lower()]), pattern)


def escaped(name: str, value: str) -> str:
    """A part as it stands in a URL; white space around it, such as the end of a file's line, is no part of it."""
    value = value.strip()
    return f"[{value}]" if name == "host" and ":" in value else quote(value, safe="")


def _part(name: str, value: str | None) -> str:
    return f"{{{name.upper()}}}" if value is None else escaped(name, value)

"""By which address a broker let the operator in for a resource: kept in the status, so that a restart forgets none."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

FIELD = "letIn"
"""Of the status."""

LENGTH = 16
"""Hexadecimal characters."""


def mark(hosts: Iterable[str], vhost: str) -> str:
    """What stands for addresses and virtual host of a URL; no name of either can be read in it.

    Args:
        hosts: host and port of each address.
        vhost: of the URL.
    """
    return _mark(frozenset(hosts), vhost)


@lru_cache(maxsize=1024)
def _mark(hosts: frozenset[str], vhost: str) -> str:
    there = sorted({re.sub(r"\.(?=:\d+$)", "", it.lower()) for it in hosts})
    return hashlib.sha256("\n".join([vhost, *there]).encode()).hexdigest()[:LENGTH]


def recorded(status: Mapping[str, Any]) -> str:
    """The mark in a status; empty where there is none."""
    found = status.get(FIELD)
    return found if isinstance(found, str) else ""

"""Reads the broker's credentials from the Secrets that a resource names; prints none of them."""

import time
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlsplit

from utilitarian_operator.adapters.broker import Credentials
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.kubernetes import SecretKeyRef
from utilitarian_operator.errors import ClusterError, Gone, SecretMissing

READ_EVERY_S = 30.0
SCHEMES = ("amqp", "amqps", "pyamqp")


class Secrets(Protocol):
    """What is needed of the cluster."""

    async def secret(self, namespace: str, name: str) -> Mapping[str, str]:
        """The decoded values of a Secret; raises Gone."""


class BrokerCredentials:
    """The broker's credentials of one resource, followed when its Secret changes.

    Args:
        secrets: where they are read.
        namespace: of the resource.
    """

    def __init__(self, secrets: Secrets, namespace: str) -> None:
        self._secrets, self._namespace = secrets, namespace
        self._last: Credentials | None = None
        self._asked_for: tuple[SecretKeyRef, SecretKeyRef | None] | None = None
        self._read_at = 0.0

    async def read(self, fleet: Fleet) -> Credentials:
        """The credentials as the resource names them; those read last while they are fresh or the API server is away.

        Raises:
            SecretMissing: the Secret or its key doesn't exist, or holds no URL of RabbitMQ; the path is in the message.
            ClusterError: it can't be read and never was.
        """
        wanted = (fleet.broker.url, fleet.broker.stats_url)
        fresh = wanted == self._asked_for and time.monotonic() - self._read_at < READ_EVERY_S
        if self._last is not None and fresh:
            return self._last
        try:
            url = broker_url(await self._value(fleet.broker.url, "spec.broker.urlFrom"))
            stats = fleet.broker.stats_url
            endpoints = await self._value(stats, "spec.broker.stats.urlFrom") if stats else ""
        except ClusterError:
            if self._last is None or wanted != self._asked_for:
                raise
            return self._last  # an unreadable Secret keeps the last one
        self._last = Credentials(url, tuple(part.strip() for part in endpoints.split(",") if part.strip()))
        self._asked_for, self._read_at = wanted, time.monotonic()
        return self._last

    def refused(self) -> None:
        """The broker refused the login: read the Secret again at the next look."""
        self._read_at = 0.0

    async def _value(self, ref: SecretKeyRef, path: str) -> str:
        try:
            values = await self._secrets.secret(self._namespace, ref.name)
        except Gone as error:
            raise SecretMissing(f"{path}: Secret {self._namespace}/{ref.name} does not exist; create it") from error
        if ref.key not in values:
            raise SecretMissing(f"{path}: Secret {self._namespace}/{ref.name} has no key {ref.key}; add it")
        return values[ref.key].strip()


def broker_url(text: str) -> str:
    """The URL, if it is one of RabbitMQ's.

    Raises:
        SecretMissing: it is not; the message shows an example and nothing of the URL but its scheme.
    """
    for address in text.split(";"):
        scheme, separator, _ = address.partition("://")
        if scheme not in SCHEMES or not _names_a_host(address):
            given = f"it is {scheme}://…" if separator and scheme.isalnum() else "it is no URL"
            raise SecretMissing(
                f"spec.broker.urlFrom: {given}; write amqp://USER:PASSWORD@HOST:5672/VHOST, special characters escaped"
            )
    return text


def _names_a_host(address: str) -> bool:
    """Whether host and port stand where they should; an unescaped / ? or # in a password puts it in their place."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:  # the port is no number, or a bracket is not closed
        return False
    password_went_on = parts.username is None and "@" in address
    return bool(parts.hostname) and port != 0 and not password_went_on

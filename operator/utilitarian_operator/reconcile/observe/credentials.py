"""Reads the broker's credentials from the Secrets that a resource names, masked wherever they are printed."""

import logging
import math
from collections.abc import Callable, Iterable, Mapping

from utilitarian_operator.adapters.broker.address import (
    WrongAddress,
    addresses,
    endpoints,
    is_this_machine,
    plain_hosts,
)
from utilitarian_operator.adapters.broker.session import Credentials
from utilitarian_operator.adapters.broker.tls import SYSTEM, Tls, UnusablePem
from utilitarian_operator.adapters.cluster.seam import Cluster, secret_values
from utilitarian_operator.api import broker_url
from utilitarian_operator.api.broker_url import Broker, Source
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.objects import Object
from utilitarian_operator.errors import ClusterError, Gone, Rejected, SecretMissing

logger = logging.getLogger(__name__)

READ_EVERY_S = 30.0
_RIGHTS = "rbac.secrets of its chart"


class BrokerCredentials:
    """The broker's credentials of one resource, followed when its Secret changes.

    Args:
        cluster: where they are read.
        namespace: of the resource.
        monotonic: seconds of a clock that never goes back.
        noted: given kind, name and body of each object that is read.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        monotonic: Callable[[], float],
        noted: Callable[[str, str, Object], None] = lambda *_: None,
    ) -> None:
        self._cluster, self._namespace, self._monotonic, self._noted = cluster, namespace, monotonic, noted
        self._last: Credentials | None = None
        self._asked_for: Broker | None = None
        self._read_at = -math.inf

    async def read(self, fleet: Fleet) -> Credentials:
        """The credentials as the resource names them; those read last while they are fresh or the API server is away.

        Raises:
            SecretMissing: the Secret or its key doesn't exist or may not be read, or holds no URL of RabbitMQ or no
                PEM; the message has the path of the field.
            ClusterError: it can't be read and never was.
        """
        wanted = fleet.broker
        fresh = wanted == self._asked_for and self._monotonic() - self._read_at < READ_EVERY_S
        if self._last is not None and fresh:
            return self._last
        try:
            read = await self._credentials(wanted)
        except ClusterError as error:
            if self._last is None or wanted != self._asked_for:
                if isinstance(error, Rejected):
                    raise SecretMissing(f"spec.broker: {error.said}; let the operator read it ({_RIGHTS})") from error
                raise
            return self._last  # an unreadable Secret keeps the last one
        self._last, self._asked_for, self._read_at = read, wanted, self._monotonic()
        return self._last

    @property
    def due(self) -> float:
        """When they are read again, in monotonic seconds."""
        return self._read_at + READ_EVERY_S

    def refused(self) -> None:
        """The broker refused the login: read the Secret again at the next look."""
        self._read_at = -math.inf

    async def _credentials(self, broker: Broker) -> Credentials:
        values = await self._values(broker.sources)
        url, stats = _url(broker, values), values.get("stats.urlFrom", "")
        read = Tls(*(values.get(field, "") for field in ("tls.caFrom", "tls.certFrom", "tls.keyFrom")))
        # One whose context is made already: that of all that the system trusts takes 20 ms, and 0.8 MiB.
        made = [SYSTEM] if self._last is None else [SYSTEM, self._last.tls]
        tls = next((it for it in made if it == read), read)
        _check("urlFrom" if broker.parts is None else "from", url, tls)
        addressed = _endpoints(stats) if stats else ()
        if self._last is None or (url, addressed) != (self._last.url, self._last.stats):
            self._warn_of_plain(url, addressed)
        return Credentials(url, addressed, tls, broker.control_exchange)

    def _warn_of_plain(self, url: str, stats: Iterable[str]) -> None:
        """Say once that a login can be read on its way."""
        plain = [it.host for it in addresses(url) if it.user is not None and not it.secure]
        for host in dict.fromkeys([*(it for it in plain if not is_this_machine(it)), *plain_hosts(stats)]):
            logger.warning("login sent without TLS", extra={"namespace": self._namespace, "host": host})

    async def _values(self, sources: Mapping[str, Source]) -> dict[str, str]:
        """The values of keys by field; each Secret is read once, so that a certificate has its own key."""
        read: dict[tuple[str, str], Mapping[str, str]] = {}
        values = {}
        for field, (kind, ref) in sources.items():
            where = f"spec.broker.{field}: {kind} {self._namespace}/{ref.name}"
            at = (kind, ref.name)
            try:
                read[at] = read.get(at) or await self._read(kind, ref.name)
            except Gone as error:
                raise SecretMissing(f"{where} does not exist; create it", at) from error
            if ref.key not in read[at]:
                raise SecretMissing(f"{where} has no key {ref.key}; add it", (*at, ref.key))
            values[field] = read[at][ref.key].strip()
            if not values[field]:
                raise SecretMissing(f"{where} has nothing under the key {ref.key}; write it")
        return values

    async def _read(self, kind: str, name: str) -> Mapping[str, str]:
        body = await self._cluster.read(kind, self._namespace, name)
        self._noted(kind, name, body)
        return secret_values(body) if kind == "Secret" else body.get("data") or {}


def _endpoints(text: str) -> tuple[str, ...]:
    """The addresses; an empty one where one is wrong: reading it says so, and the broker is looked at all the same."""
    try:
        return endpoints(text)
    except WrongAddress:
        return ("",)


def _url(broker: Broker, values: Mapping[str, str]) -> str:
    if broker.parts is None:
        return values["urlFrom"]
    parts = {path.removeprefix("from."): value for path, value in values.items() if path.startswith("from.")}
    if not broker_url.is_host(parts.get("host", "given")):
        raise SecretMissing("spec.broker.from.host: what is read is no host; write its name or address alone")
    return broker_url.filled(broker_url.pattern(broker.parts), parts)


def _check(field: str, url: str, tls: Tls) -> None:
    """Refuse what can't be used; nothing of it is in the message, nor in what a traceback would print."""
    try:
        addresses(url)
    except WrongAddress as error:
        raise SecretMissing(f"spec.broker.{field}: {error}") from None
    try:
        if tls != SYSTEM:
            _ = tls.context
    except UnusablePem as error:
        raise SecretMissing(f"spec.broker.tls.{error.field}From: {error.why}") from None

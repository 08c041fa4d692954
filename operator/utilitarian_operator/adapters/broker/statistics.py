"""A broker's statistics of every node, from its Prometheus endpoint or the management API."""

import asyncio
import base64
import contextlib
import re
import socket
import ssl
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote, unquote, urlsplit

import aiohttp
from yarl import URL

from utilitarian_operator.adapters.broker.address import STATISTICS_REMEDY
from utilitarian_operator.adapters.broker.bounded import pages
from utilitarian_operator.adapters.broker.bounded.calls import MOST_ADDRESSES
from utilitarian_operator.adapters.broker.bounded.failures import kind, untrusted
from utilitarian_operator.adapters.broker.bounded.names import Names
from utilitarian_operator.adapters.broker.statistics_page import (
    management_in_steps,
    peers_in_steps,
    prometheus_in_steps,
)
from utilitarian_operator.adapters.broker.timing import (
    CLOCK,
    Clock,
)
from utilitarian_operator.adapters.broker.tls import SYSTEM, Tls
from utilitarian_operator.core.observation.counted.queue_rates import NodeStatistics, Row, Tally, count, figures, merged
from utilitarian_operator.core.observation.model.queue import Counted
from utilitarian_operator.core.wording import named, plural
from utilitarian_operator.errors import BrokerError, BrokerUnreachable, LoginRefused, RightMissing

T = TypeVar("T")

TIMEOUT_S = 3.0

COUNTED_EACH = 3
"""Of so many readings of the management API one counts: its full listing costs the broker five times the totals."""

PEERS_EACH = 6
"""Of so many readings of nodes one asks how many they are."""

_TOOLS = "rabbitmqcli"
_PAGES = re.compile(r"/(metrics(/detailed|/per-object)?|api)$")
"""How the names of the command line's own nodes begin."""


@dataclass(frozen=True, slots=True)
class _Place:
    """One address of an endpoint."""

    endpoint: str
    address: str | None = None

    def __str__(self) -> str:
        """Host and port, and the address where the host is a name."""
        place = _place(self.endpoint)
        host = urlsplit(self.endpoint).hostname
        return place if self.address in {None, host} else f"{place} ({self.address})"


class Statistics:
    """The statistics endpoints of one broker.

    A node's Prometheus endpoint tells only of the queues it hosts, so every address behind every name is read, and
    fewer nodes than the cluster has are no answer. The management API tells of the whole cluster: one is enough.

    Args:
        endpoints: `http(s)://[user:password@]host:port` of each node's Prometheus endpoint, or of the management API.
        vhost: of the queues.
        tls: certificates for https://.
        clock: when something was read.
        names: finds the addresses, and says which of them may be spoken to.
    """

    def __init__(
        self,
        endpoints: Sequence[str],
        vhost: str,
        tls: Tls = SYSTEM,
        clock: Clock = CLOCK,
        names: Names | None = None,
    ) -> None:
        self._clock, self._names = clock, names or Names()
        self._endpoints, self._vhost, self._quoted = tuple(endpoints), vhost, quote(vhost, safe="")
        self._management: set[str] = set()
        self._by_channel: set[_Place] = set()
        self._cluster: frozenset[str] = frozenset()
        self._readings = 0
        self._tally = Tally()
        self._tls = tls

    async def read(self) -> dict[str, Counted]:
        """What is said of each queue; one that no node lists is not in the answer.

        Raises:
            BrokerUnreachable: one of the nodes did not answer: what it would have said is unknown.
            LoginRefused, RightMissing: it refused the user.
        """
        async with pages.session(self._tls, TIMEOUT_S, self._names) as session:
            self._readings, at = self._readings + 1, self._clock.monotonic()
            nodes = await self._nodes(session)
            if nodes is None:
                return figures(await self._of_cluster(session), self._tally)
        self._tally = count(self._tally, nodes, at)
        return figures(merged(nodes, self._tally.rows), self._tally)

    async def _nodes(self, session: aiohttp.ClientSession) -> list[NodeStatistics] | None:
        """The statistics of every node; None where the management API has to be asked for those of all."""
        places = [it for endpoint in self._endpoints for it in await self._places(endpoint)]
        answers = await asyncio.gather(*(self._node(session, place) for place in places), return_exceptions=True)
        nodes = {answer.node: answer for answer in answers if isinstance(answer, NodeStatistics)}
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        missing: list[str] = []
        if nodes and not failures:
            one = next(place for place, answer in zip(places, answers, strict=True) if answer is not None)
            missing = await self._missing(session, one, nodes.keys())
        if nodes and not failures and not missing:
            return list(nodes.values())
        if self._management:
            return None
        if missing:
            raise BrokerUnreachable(_partly(len(nodes), len(self._cluster), f"missing is {named(missing)}"))
        if len(answers) > 1 and isinstance(failures[0], BrokerUnreachable):
            raise BrokerUnreachable(_partly(len(nodes), len(places), str(failures[0]))) from failures[0]
        raise failures[0]

    async def _places(self, endpoint: str) -> list[_Place]:
        """Every address of an endpoint; the management API itself for one that is known to be it."""
        _address(endpoint)  # refuses what is no URL
        parts = urlsplit(endpoint)
        if endpoint in self._management:
            return [_Place(endpoint)]
        try:
            async with asyncio.timeout(TIMEOUT_S):
                found = await self._names.find(parts.hostname or "", parts.port or 0)
        except OSError as error:  # also TimeoutError
            raise BrokerUnreachable(f"no statistics from {_place(endpoint)}: {kind(error)}") from error
        # A node with an address of each kind is one node.
        families = {family for family, *_ in found}
        chosen = socket.AF_INET if socket.AF_INET in families else socket.AF_INET6
        return [
            _Place(endpoint, str(address))
            for address in sorted({at[0] for family, *_, at in found if family == chosen})[:MOST_ADDRESSES]
        ]

    async def _node(self, session: aiohttp.ClientSession, place: _Place) -> NodeStatistics | None:
        """The statistics of one node; None where the management API answers."""
        if place.endpoint in self._management:
            return None
        for _ in range(2):
            counters = "channel_queue_metrics" if place in self._by_channel else "queue_delivery_metrics"
            families = f"family=queue_coarse_metrics&family={counters}"
            body = await _get(session, place, f"/metrics/detailed?vhost={self._quoted}&{families}")
            if body is None:
                self._management.add(place.endpoint)
                return None
            page = await _read(place, prometheus_in_steps(body, self._vhost))
            if page.sums_up or place in self._by_channel:
                break
            self._by_channel.add(place)
        return page.statistics

    async def _missing(self, session: aiohttp.ClientSession, place: _Place, seen: Iterable[str]) -> list[str]:
        """The running nodes of the cluster that were not read, by name."""
        read = frozenset(seen)
        if not read >= self._cluster or self._readings % PEERS_EACH == 1:
            page = await _get(session, place, "/metrics") or ""
            peers = await _read(place, peers_in_steps(page))
            self._cluster = read | {peer for peer in peers if not peer.startswith(_TOOLS)}
        return sorted(self._cluster - read)

    async def _of_cluster(self, session: aiohttp.ClientSession) -> dict[str, Row]:
        """The rows of the whole cluster, by the first management API that answers."""
        failures = []
        for endpoint in self._endpoints:
            if endpoint in self._management:
                place = _Place(endpoint)
                try:
                    listed = await self._listing(session, place, "disable_stats=true&enable_queue_totals=true")
                    if self._readings % COUNTED_EACH == 1:
                        await self._count(session, place)
                except BrokerError as error:
                    failures.append(error)
                else:
                    return merged([listed])
        raise failures[0]

    async def _count(self, session: aiohttp.ClientSession, place: _Place) -> None:
        """Count by the full listing; where a broker keeps no such statistics nothing is counted."""
        stats = ",".join(f"message_stats.{counter}" for counter in ("ack", "deliver_no_ack", "get_no_ack"))
        columns = f"columns=name,messages_ready,messages_unacknowledged,messages_details.rate,{stats}"
        with contextlib.suppress(BrokerError):
            at = self._clock.monotonic()
            listed = await self._listing(session, place, columns)
            kept = {name: row for name, row in listed.rows.items() if (name, "") in listed.left}
            self._tally = count(self._tally, [replace(listed, rows=kept)], at)

    async def _listing(self, session: aiohttp.ClientSession, place: _Place, query: str) -> NodeStatistics:
        body = await _get(session, place, f"/api/queues/{self._quoted}?{query}")
        if body is None:
            # It answered 404 to both: Prometheus' page may have been away for a moment, as while a node starts.
            self._management.discard(place.endpoint)
            raise BrokerUnreachable(f"{place} is no statistics endpoint, or doesn't know the URL's virtual host")
        try:
            return await _read(place, management_in_steps(body))
        except BrokerUnreachable:
            self._management.discard(place.endpoint)
            raise


def _partly(read: int, of: int, why: str) -> str:
    return f"the statistics of {read} of {plural(of, 'node')} are read: {why}"


async def _get(session: aiohttp.ClientSession, place: _Place, path: str) -> str | None:
    """The body of an answer; None for a 404."""
    scheme, headers = _address(place.endpoint)
    host = urlsplit(place.endpoint).hostname
    # As written: `%2F`, the default virtual host, must not be decoded on the way.
    url = URL(f"{scheme}://{_place(place.endpoint)}{prefix(place.endpoint)}{path}", encoded=True)
    if place.address is not None:
        headers["Host"] = _place(place.endpoint)
        url = url.with_host(place.address)
    try:
        async with session.get(url, headers=headers, server_hostname=host, allow_redirects=False) as answer:
            if answer.status == HTTPStatus.NOT_FOUND:
                return None
            _refused(answer.status, str(place))
            return await pages.text(answer)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        if isinstance(error.__cause__, ssl.SSLError):
            raise untrusted(error.__cause__, _place(place.endpoint)) from error
        raise BrokerUnreachable(f"no statistics from {place}: {kind(error)}") from error


def _address(endpoint: str) -> tuple[str, dict[str, str]]:
    """The scheme, and the header of the login where there is one.

    Raises:
        BrokerUnreachable: it is no URL; nothing of it is shown, because its password may be anywhere in it.
    """
    try:
        parts = urlsplit(endpoint)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or "@" in parts.path + parts.query + parts.fragment:  # an unescaped / ? or # in the password
        raise BrokerUnreachable(f"spec.broker.stats.urlFrom: {STATISTICS_REMEDY}")
    if parts.username is None:
        return parts.scheme, {}
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return parts.scheme, {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


async def _read(place: _Place, steps: Generator[None, None, T]) -> T:
    try:
        return await pages.in_slices(steps)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BrokerUnreachable(f"{place} answers something else than RabbitMQ's statistics") from error


def _place(endpoint: str) -> str:
    """Host and port of an endpoint, without user and password."""
    return urlsplit(endpoint).netloc.rpartition("@")[2]


def prefix(endpoint: str) -> str:
    """The path under which a proxy, or `management.path_prefix`, has the endpoint; without what it is asked for itself.

    Args:
        endpoint: a URL, also one that names the page or the API: `…/rabbit/metrics`, `…/rabbit/api`.
    """
    return _PAGES.sub("", urlsplit(endpoint).path.rstrip("/"))


def _refused(status: int, place: str) -> None:
    if status == HTTPStatus.UNAUTHORIZED:
        raise LoginRefused(f"{place} refuses the login, or its user lacks the tag `management`")
    if status == HTTPStatus.FORBIDDEN:
        raise RightMissing(f"{place} refuses the user: give it the tag `monitoring` and rights in the virtual host")
    if status != HTTPStatus.OK:
        raise BrokerUnreachable(f"no statistics from {place}: HTTP {status}")

"""Unacknowledged messages by a broker's statistics, Prometheus' endpoint or the management API; reads only."""

import asyncio
import base64
import json
import ssl
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from urllib.parse import quote, unquote, urlsplit

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from yarl import URL

from utilitarian_operator.adapters.connection import untrusted
from utilitarian_operator.adapters.tls import SYSTEM, Tls
from utilitarian_operator.errors import BrokerUnreachable, LoginRefused, RightMissing

TIMEOUT_S = 3.0

_OTHERS = "rabbitmq_detailed_queue_"
_UNACKED = "rabbitmq_detailed_queue_messages_unacked"


class Statistics:
    """The statistics endpoints of one broker.

    A node's Prometheus endpoint tells only of the queues it hosts, so all are read and the larger figure counts.

    Args:
        endpoints: `http(s)://[user:password@]host:port` of each node's Prometheus endpoint, or of the management API.
        vhost: of the queues.
        tls: certificates for https://.
    """

    def __init__(self, endpoints: Sequence[str], vhost: str, tls: Tls = SYSTEM) -> None:
        self._endpoints, self._vhost = tuple(endpoints), quote(vhost, safe="")
        self._management: set[str] = set()
        self._tls = tls

    async def unacked(self) -> dict[str, int]:
        """Messages delivered and not yet acknowledged, by queue; one that no endpoint lists is not in the answer.

        Raises:
            BrokerUnreachable: one of the endpoints did not answer: what it would have told is unknown.
            LoginRefused, RightMissing: it refused the user.
        """
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        connector = aiohttp.TCPConnector(ssl=self._tls.context)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            tables = await asyncio.gather(*(self._read(session, endpoint) for endpoint in self._endpoints))
        merged: dict[str, int] = {}
        for name, count in (row for table in tables for row in table):
            merged[name] = max(merged.get(name, 0), count)
        return merged

    async def _read(self, session: aiohttp.ClientSession, endpoint: str) -> list[tuple[str, int]]:
        if endpoint not in self._management:
            body = await _get(session, endpoint, f"/metrics/detailed?vhost={self._vhost}&family=queue_coarse_metrics")
            if body is not None:
                return _rows(endpoint, body, _from_prometheus)
            self._management.add(endpoint)
        path = f"/api/queues/{self._vhost}?disable_stats=true&enable_queue_totals=true"
        body = await _get(session, endpoint, path)
        if body is None:
            raise BrokerUnreachable(
                f"{_place(endpoint)} is no statistics endpoint, or knows no virtual host {self._vhost}"
            )
        return _rows(endpoint, body, _from_management)


async def _get(session: aiohttp.ClientSession, endpoint: str, path: str) -> str | None:
    """The body of an answer; None for a 404."""
    scheme, login = _address(endpoint)
    # As written: `%2F`, the default virtual host, must not be decoded on the way.
    url = URL(f"{scheme}://{_place(endpoint)}{path}", encoded=True)
    try:
        async with session.get(url, headers=login) as answer:
            if answer.status == HTTPStatus.NOT_FOUND:
                return None
            _refused(answer.status, _place(endpoint))
            return await answer.text()
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        if isinstance(error.__cause__, ssl.SSLError):
            raise untrusted(error.__cause__, _place(endpoint)) from error
        raise BrokerUnreachable(f"no statistics from {_place(endpoint)}: {error or type(error).__name__}") from error


def _address(endpoint: str) -> tuple[str, dict[str, str]]:
    """The scheme, and the header of the login where there is one.

    Raises:
        BrokerUnreachable: it is no URL; nothing of it is shown, because nobody knows where its password is.
    """
    try:
        parts = urlsplit(endpoint)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or "@" in parts.path + parts.query + parts.fragment:  # an unescaped / ? or # in the password
        raise BrokerUnreachable(
            "spec.broker.stats.urlFrom: write http://USER:PASSWORD@HOST:15672, special characters escaped"
        )
    if parts.username is None:
        return parts.scheme, {}
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return parts.scheme, {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


def _rows(endpoint: str, body: str, read: Callable[[str], Iterable[tuple[str, int]]]) -> list[tuple[str, int]]:
    try:
        return list(read(body))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BrokerUnreachable(f"{_place(endpoint)} answers something else than RabbitMQ's statistics") from error


def _place(endpoint: str) -> str:
    """Host and port of an endpoint, without user and password."""
    return urlsplit(endpoint).netloc.rpartition("@")[2]


def _refused(status: int, place: str) -> None:
    if status == HTTPStatus.UNAUTHORIZED:
        raise LoginRefused(f"{place} refuses the login, or its user lacks the tag `management`")
    if status == HTTPStatus.FORBIDDEN:
        raise RightMissing(f"{place} refuses the user: give it the tag `monitoring` and rights in the virtual host")
    if status != HTTPStatus.OK:
        raise BrokerUnreachable(f"no statistics from {place}: HTTP {status}")


def _from_prometheus(body: str) -> Iterable[tuple[str, int]]:
    # The parser takes 19 µs a line, and no other coroutine runs meanwhile: the families that nobody reads are left out.
    lines = (
        line for line in body.splitlines(keepends=True) if not line.startswith(_OTHERS) or line.startswith(_UNACKED)
    )
    for family in text_string_to_metric_families("".join(lines)):
        if family.name == _UNACKED:
            yield from ((sample.labels["queue"], int(sample.value)) for sample in family.samples)


def _from_management(body: str) -> Iterable[tuple[str, int]]:
    for row in json.loads(body):
        count = row.get("messages_unacknowledged")
        if isinstance(count, int):
            yield str(row["name"]), count

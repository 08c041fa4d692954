"""How the queues of a virtual host were declared, by the management API; what can't be read is left out.

The statistics, from the same endpoints, say what is wrong with them.
"""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import aiohttp
from yarl import URL

from utilitarian_operator.adapters.broker.bounded import pages
from utilitarian_operator.adapters.broker.bounded.names import Names
from utilitarian_operator.adapters.broker.statistics import prefix
from utilitarian_operator.adapters.broker.statistics_page import rows_in_steps
from utilitarian_operator.adapters.broker.tls import Tls
from utilitarian_operator.core.observation.broker_settings import LONGEST, QueueSettings, by_policy_name

T = TypeVar("T")

TIMEOUT_S = 10.0
_NO_ANSWER = (
    *(aiohttp.ClientError, TimeoutError, OSError),
    *(ValueError, KeyError, TypeError, AttributeError, RecursionError),
)


async def declarations(
    endpoints: Sequence[str], vhost: str, tls: Tls, names: Names | None = None
) -> dict[str, QueueSettings]:
    """The settings of each queue by the first endpoint that tells them; empty where none does.

    Args:
        endpoints: `http(s)://[user:password@]host:port`; those of Prometheus know nothing of it.
        vhost: of the queues.
        tls: certificates for https://.
        names: finds the addresses, and says which of them may be spoken to.
    """
    names = names or Names()
    async with pages.session(tls, TIMEOUT_S, names) as session:
        for endpoint in endpoints:
            try:
                names.reach.check(urlsplit(endpoint).hostname or "")
                return await _read(session, _base(endpoint), quote(vhost, safe=""))
            except _NO_ANSWER:
                continue
    return {}


def _base(endpoint: str) -> str:
    """The endpoint with the path under which the API lies, and nothing after it."""
    return urlsplit(endpoint)._replace(path=prefix(endpoint), query="", fragment="").geturl()


async def _read(session: aiohttp.ClientSession, endpoint: str, vhost: str) -> dict[str, QueueSettings]:
    policies = dict(await _json(session, f"{endpoint}/api/policies/{vhost}", _defined))
    queues = f"{endpoint}/api/queues/{vhost}?disable_stats=true&enable_queue_totals=true"
    return dict(await _json(session, queues, lambda row: (row["name"], _settings(row, policies))))


def _defined(policy: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    return policy["name"], by_policy_name({}, policy["definition"])


def _settings(row: Mapping[str, Any], policies: Mapping[str, Mapping[str, Any]]) -> QueueSettings:
    arguments = row.get("arguments") or {}
    kind = row.get("type") or arguments.get("x-queue-type") or "classic"
    settings = by_policy_name(arguments, policies.get(row.get("policy") or "", {}))
    return QueueSettings(
        str(kind)[:LONGEST], settings | ({"auto-delete": True} if row.get("auto_delete") is True else {})
    )


async def _json(session: aiohttp.ClientSession, address: str, kept: Callable[[Any], T]) -> list[T]:
    # As written: `%2F`, the default virtual host, must not be decoded on the way.
    async with session.get(URL(address, encoded=True), allow_redirects=False) as answer:
        if answer.status != HTTPStatus.OK:
            raise ValueError(f"HTTP {answer.status}")
        return await pages.in_slices(rows_in_steps(await pages.text(answer), kept))

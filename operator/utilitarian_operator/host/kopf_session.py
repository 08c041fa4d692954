"""The HTTP session that kopf watches through: its TLS and login, and a bound on how long an answer may ask to wait."""

from dataclasses import dataclass, field
from http import HTTPStatus
from math import isfinite

import kopf
from aiohttp import ClientResponse, ClientSession, TCPConnector
from multidict import CIMultiDict, CIMultiDictProxy

RETRY_AFTER = "Retry-After"

LONGEST_S = 30
"""kopf sleeps for as long as a 429 asks for, a day too, and its process ends where that is no number: a date, say. So a
longer time is cut to this, and what is no time counts as none: then kopf's own pauses go on."""


class BoundedAnswer(ClientResponse):
    """An answer whose `Retry-After` is a number of seconds that is not too long."""

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """As they were sent, but for `Retry-After` of a 429, which is always there: else kopf looks into the body."""
        sent: CIMultiDictProxy[str] = super().headers
        if self.status != HTTPStatus.TOO_MANY_REQUESTS:
            return sent
        bounded = CIMultiDict(sent)
        asked = bounded.popall(RETRY_AFTER, [""])[0]
        bounded[RETRY_AFTER] = str(pause_s(asked))
        return CIMultiDictProxy(bounded)


def pause_s(asked: str) -> int:
    """For how many seconds a client waits that was asked to retry after some time."""
    try:
        seconds = float(asked)
    except ValueError:
        return 0
    return int(min(max(seconds, 0), LONGEST_S)) if isfinite(seconds) else 0


@dataclass(frozen=True, kw_only=True)
class Session(kopf.AiohttpSession):
    """A session; two with the same login are equal, so that kopf knows one again that was refused.

    Args:
        login: its address and credentials.
    """

    login: kopf.ConnectionInfo
    aiohttp_session: ClientSession = field(compare=False)


def session(login: kopf.ConnectionInfo) -> Session:
    """Open a session; kopf closes it."""
    opened = ClientSession(
        connector=TCPConnector(limit=0, ssl=login.as_ssl_context()),
        headers=login.as_http_headers(),
        proxy=login.proxy_url,
        response_class=BoundedAnswer,
    )
    return Session(server=login.server, login=login, aiohttp_session=opened)

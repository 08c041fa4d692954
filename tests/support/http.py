"""Sends one JSON request to a server of the tests; it never retries."""

import base64
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any


class HttpError(AssertionError):
    """A server refused a request; `status` is the HTTP status, `body` what it said."""

    def __init__(self, method: str, url: str, status: int, body: str) -> None:
        super().__init__(f"{method} {url}: {status} {body}")
        self.status = status
        self.body = body


def request_json(  # noqa: PLR0913 - these are the parts of a request
    method: str,
    url: str,
    body: Mapping[str, Any] | None = None,
    *,
    content_type: str = "application/json",
    login: tuple[str, str] | None = None,
    token: str | None = None,
    tls: ssl.SSLContext | None = None,
) -> Any:
    """Sends one request and returns the answer: parsed when it is JSON, None when it is empty, else its text.

    Raises:
        HttpError: the server refused it.
        OSError: no answer comes within 30 s.
    """
    headers = {"Content-Type": content_type}
    if login:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, method=method, data=data, headers=headers)  # noqa: S310 - our own servers
    try:
        with urllib.request.urlopen(request, timeout=120, context=tls) as answer:  # noqa: S310 - as above
            text = answer.read().decode()
            is_json = answer.headers.get_content_type() == "application/json"
    except urllib.error.HTTPError as error:
        with error:
            raise HttpError(method, url, error.code, error.read().decode(errors="replace")) from error
    if not text:
        return None
    return json.loads(text) if is_json else text

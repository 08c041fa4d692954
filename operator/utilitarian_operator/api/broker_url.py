"""Where a fleet's broker is read from, and how its URL is put together from parts, each escaped."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal, NamedTuple
from urllib.parse import quote

from utilitarian_operator.api.kubernetes import KeySource, SecretKeyRef, SecretSource
from utilitarian_operator.api.resource import BrokerSpec

CONTROL_EXCHANGE = "celery"
"""Celery's own `control_exchange`."""

HOST = r"[\w.-]+"
"""A name or an address alone, but for one of IPv6."""


class Source(NamedTuple):
    """One key of a Secret or ConfigMap."""

    kind: Literal["Secret", "ConfigMap"]
    ref: SecretKeyRef


@dataclass(frozen=True)
class Broker:
    """Keys of Secrets with the broker's URLs and certificates, never their values, and by what workers are asked.

    `parts` are the values of the parts that make up the URL, None for those that are read from `sources`, which are by
    their paths below `spec.broker`; `url` is None then.
    """

    url: SecretKeyRef | None
    stats_url: SecretKeyRef | None
    ca: SecretKeyRef | None
    cert: SecretKeyRef | None
    key: SecretKeyRef | None
    control_exchange: str = CONTROL_EXCHANGE
    parts: Mapping[str, str | None] | None = None
    part_sources: Mapping[str, Source] = field(default_factory=dict)

    @property
    def sources(self) -> dict[str, Source]:
        """What is read, by its path below `spec.broker`."""
        keys = {
            "urlFrom": self.url,
            "stats.urlFrom": self.stats_url,
            "tls.caFrom": self.ca,
            "tls.certFrom": self.cert,
            "tls.keyFrom": self.key,
        }
        given = {path: Source("Secret", ref) for path, ref in keys.items() if ref is not None}
        return given | {f"from.{name}": source for name, source in self.part_sources.items()}


def effective_broker(spec: BrokerSpec) -> Broker:
    """Where the broker's URL and certificates are."""

    def key_of(source: SecretSource | None) -> SecretKeyRef | None:
        return source.secret_key_ref if source else None

    given: dict[str, str | KeySource] = {n: v for n, v in (spec.from_ or ()) if v is not None}
    return Broker(
        url=key_of(spec.url_from),
        stats_url=key_of(spec.stats.url_from) if spec.stats else None,
        ca=key_of(spec.tls.ca_from) if spec.tls else None,
        cert=key_of(spec.tls.cert_from) if spec.tls else None,
        key=key_of(spec.tls.key_from) if spec.tls else None,
        control_exchange=spec.control_exchange,
        parts=None if spec.from_ is None else {n: v if isinstance(v, str) else None for n, v in given.items()},
        part_sources={name: source for name, value in given.items() if (source := _source(value)) is not None},
    )


def _source(value: str | KeySource) -> Source | None:
    if isinstance(value, str):
        return None
    if value.secret_key_ref is not None:
        return Source("Secret", value.secret_key_ref)
    # One that names nothing is refused by its rule.
    return Source("ConfigMap", value.config_map_key_ref) if value.config_map_key_ref is not None else None


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


def is_host(text: str) -> bool:
    """Whether a text is a name or an address alone."""
    if re.fullmatch(HOST, text):
        return True
    try:
        return ip_address(text).version == 6 and "%" not in text  # noqa: PLR2004 - that of IPv6
    except ValueError:
        return False


def _part(name: str, value: str | None) -> str:
    return f"{{{name.upper()}}}" if value is None else escaped(name, value)

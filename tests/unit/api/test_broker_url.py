"""A URL put together from its parts is read again as these parts, whatever stands in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utilitarian_operator.adapters.broker.address import addresses
from utilitarian_operator.api.broker_url import filled, pattern

PRINTABLE = st.characters(exclude_categories=("C", "Z"), include_characters=" ")
TEXT = st.text(PRINTABLE, min_size=1, max_size=30).map(str.strip).filter(bool)


@given(username=TEXT, password=TEXT, vhost=TEXT)
def test_what_is_put_together_is_read_again(username: str, password: str, vhost: str) -> None:
    given_here = {"host": "rabbit", "username": username, "password": password, "vhost": vhost}
    elsewhere = {"host": "rabbit", "username": None, "password": None, "vhost": None}
    for url in (pattern(given_here), filled(pattern(elsewhere), given_here)):
        (address,) = addresses(url)
        assert (address.user, address.password, address.vhost) == (username, password, vhost)
        assert (address.host, address.port, address.secure) == ("rabbit", 5672, False)


@pytest.mark.parametrize(
    "values,url",
    [
        pytest.param({"host": "h"}, "amqp://h/%2F", id="the host alone"),
        pytest.param({"host": "h", "scheme": "amqps"}, "amqps://h/%2F", id="TLS has its own port"),
        pytest.param({"host": "fd00::1", "port": "99"}, "amqp://[fd00::1]:99/%2F", id="an address of IPv6"),
        pytest.param(
            {"host": None, "port": None, "vhost": "prod/ledger"}, "amqp://{HOST}:{PORT}/prod%2Fledger", id="elsewhere"
        ),
        pytest.param({"host": "h", "username": "u", "password": "p\n"}, "amqp://u:p@h/%2F", id="a line's end"),
    ],
)
def test_a_pattern(values: dict[str, str | None], url: str) -> None:
    assert pattern(values) == url

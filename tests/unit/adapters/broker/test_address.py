"""The broker's URL as people write it, read as Celery reads it, and refused without a word of its password."""

from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu import Connection

from utilitarian_operator.adapters.broker.address import (
    LONGEST,
    MOST_OF_STATISTICS,
    Address,
    WrongAddress,
    addresses,
    endpoints,
)

SECRET = "hunter2"


PLAIN = Address("rabbit", 5672, "user", SECRET, "/", secure=False, by_certificate=False)


def address(**different: Any) -> Address:
    """A plain one, but for what is named."""
    return replace(PLAIN, **different)


@pytest.mark.parametrize(
    "url,read",
    [
        pytest.param(f"amqp://user:{SECRET}@rabbit:5673/vhost", address(port=5673, vhost="vhost"), id="plain"),
        pytest.param(f"amqps://user:{SECRET}@rabbit/vhost", address(port=5671, vhost="vhost", secure=True), id="tls"),
        pytest.param(f"pyamqp://user:{SECRET}@rabbit//", address(), id="celerys-own-name"),
        pytest.param("amqp://rabbit/", address(user=None, password=None), id="no-user"),
        pytest.param("amqp://user@rabbit/", address(password=None), id="no-password"),
        pytest.param(f"amqp://user:{SECRET}@rabbit/", address(), id="empty-vhost"),
        pytest.param("amqp://user:p%2Fss%40%3A@rabbit:5672/", address(password="p/ss@:"), id="escaped-password"),
        pytest.param("amqp://user:p@ss@rabbit:5672/", address(password="p@ss"), id="at-sign-that-python-forgives"),
        pytest.param("amqp://user:a:b@rabbit:5672/", address(password="a:b"), id="colon-that-python-forgives"),
        pytest.param(f"amqp://user:{SECRET}@rabbit/%2F", address(), id="escaped-vhost"),
        pytest.param(f"amqp://user:{SECRET}@rabbit/a%40b", address(vhost="a@b"), id="at-sign-in-vhost"),
        pytest.param(f"amqp://user:{SECRET}@rabbit//a%20b", address(vhost="/a b"), id="slash-in-vhost"),
        pytest.param(f"amqp://user:{SECRET}@rabbit:5672", address(), id="no-vhost"),
        pytest.param("amqp://rabbit", address(user=None, password=None), id="a-host-alone"),
        pytest.param(f"amqps://user:{SECRET}@rabbit", address(port=5671, secure=True), id="no-vhost-over-tls"),
        pytest.param(f"amqp://user:{SECRET}@rabbit?heartbeat=10", address(), id="no-vhost-and-options"),
        pytest.param(f"amqp://user:{SECRET}@[::1]", address(host="::1"), id="no-vhost-and-ipv6"),
        pytest.param(f"amqp://user:{SECRET}@rabbit///", address(vhost="//"), id="two-slashes-are-the-vhost"),
        pytest.param(f"amqp://user:{SECRET}@rabbit/%2f", address(), id="escaped-vhost-in-small-letters"),
        pytest.param(f"amqp://user:{SECRET}@rabbit/%2Fa", address(vhost="/a"), id="escaped-slash-in-vhost"),
        pytest.param(f"amqp://user:{SECRET}@rabbit/a/", address(vhost="a/"), id="slash-after-vhost"),
        pytest.param(f"amqp://user:{SECRET}@rabbit/a+b", address(vhost="a+b"), id="plus-is-no-space"),
        pytest.param(f"AMQPS://user:{SECRET}@Rabbit/v", address(port=5671, vhost="v", secure=True), id="capitals"),
        pytest.param("amqp://user:@rabbit/", address(password=None), id="empty-password"),
        pytest.param(f"amqp://:{SECRET}@rabbit/", address(user=None), id="empty-user"),
        pytest.param(f"amqp://user:{SECRET}@rabbit:/", address(), id="empty-port"),
        pytest.param(
            f"amqp://user:{SECRET}@rabbit/v?ssl=true", address(port=5671, vhost="v", secure=True), id="tls-by-option"
        ),
        pytest.param(
            f"amqp://user:{SECRET}@rabbit/v?ssl_cert_reqs=CERT_REQUIRED",
            address(port=5671, vhost="v", secure=True),
            id="tls-by-an-option-of-it",
        ),
        pytest.param(f"amqp://user:{SECRET}@[::1]:5672/", address(host="::1"), id="ipv6"),
        pytest.param(f"amqp://user:{SECRET}@rabbit/v?heartbeat=10", address(vhost="v"), id="options"),
        pytest.param(
            "amqps://rabbit/v?login_method=EXTERNAL",
            address(port=5671, user=None, password=None, vhost="v", secure=True, by_certificate=True),
            id="login-by-certificate",
        ),
    ],
)
def test_an_address_is_read_as_celery_reads_it(url: str, read: Address) -> None:
    assert addresses(url) == (read,)
    assert as_celery_reads(url) == read


def as_celery_reads(url: str) -> Address:
    celerys = Connection(url)
    asked_for = (celerys.userid, celerys.password)
    transport = celerys.transport  # what it makes of the options
    return Address(
        celerys.hostname,
        celerys.port or transport.default_connection_params["port"],
        *asked_for,
        celerys.virtual_host,
        secure=bool(celerys.ssl),
        by_certificate=celerys.login_method == "EXTERNAL",
    )


NAMES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8)
HOSTS = st.sampled_from(("rabbit", "rabbit.mq.svc", "10.0.0.1", "[::1]"))


@given(
    scheme=st.sampled_from(("amqp", "pyamqp", "amqps")),
    login=st.one_of(st.none(), st.tuples(NAMES, NAMES)),
    host=HOSTS,
    port=st.one_of(st.none(), st.integers(1, 65535)),
    vhost=st.one_of(st.none(), st.just(""), NAMES),
)
def test_whatever_is_escaped_is_read_as_celery_reads_it(
    scheme: str, login: tuple[str, str] | None, host: str, port: int | None, vhost: str | None
) -> None:
    who = "" if login is None else f"{quote(login[0], safe='')}:{quote(login[1], safe='')}@"
    where = host if port is None else f"{host}:{port}"
    url = f"{scheme}://{who}{where}{'' if vhost is None else '/' + quote(vhost, safe='')}"
    assert addresses(url) == (as_celery_reads(url),)


def test_several_addresses_keep_their_order_and_differ_in_all_but_the_virtual_host() -> None:
    read = addresses(f"amqp://user:{SECRET}@a/v;amqps://user:{SECRET}@b:5673/v")
    assert read == (address(host="a", vhost="v"), address(host="b", port=5673, vhost="v", secure=True))


@pytest.mark.parametrize(
    "url,given",
    [
        pytest.param(f"redis://:{SECRET}@redis:6379/0", "it is redis://…", id="redis"),
        pytest.param("sqs://", "it is sqs://…", id="sqs"),
        pytest.param(f"http://u:{SECRET}@rabbit:15672", "it is http://…", id="http"),
        pytest.param(f"user:{SECRET}@rabbit:5672", "it is no URL", id="no-scheme"),
        pytest.param("", "it is no URL", id="empty"),
        pytest.param(SECRET, "it is no URL", id="only-the-password"),
        pytest.param("amqp://", "it is amqp://…", id="no-host"),
        pytest.param(f"amqp://user:{SECRET}@", "it is amqp://…", id="no-host-after-the-password"),
        pytest.param("amqp://user:hunter/2@rabbit:5672/", "it is amqp://…", id="slash-in-password"),
        pytest.param("amqp://user:123/hunter2@rabbit:5672/", "it is amqp://…", id="password-like-a-port"),
        pytest.param("amqp://user:hunter?2@rabbit:5672/", "it is amqp://…", id="question-mark-in-password"),
        pytest.param("amqp://user:12?hunter2@rabbit:5672/", "it is amqp://…", id="question-mark-after-digits"),
        pytest.param("amqp://user:hunter#2@rabbit:5672/", "it is amqp://…", id="hash-in-password"),
        pytest.param("amqp://user:p@hunter/w#rd@rabbit:5672/", "it is amqp://…", id="everything-in-password"),
        pytest.param("amqp://user:p@hunter/w@rabbit:5672/", "it is amqp://…", id="slash-after-at-sign-in-password"),
        pytest.param("amqp://user:hunter[2@rabbit:5672/", "it is amqp://…", id="bracket-in-password"),
        pytest.param("amqp://user:p@hunter2%40rabbit:5672/", "it is amqp://…", id="at-sign-that-is-escaped"),
        pytest.param("amqp://user:p@hunter2%2Frabbit/", "it is amqp://…", id="slash-in-host"),
        pytest.param("amqp://user:p@hunter2%2540rabbit/", "it is amqp://…", id="escaped-twice"),
        pytest.param("amqp://user:p@hunter2%C3%28/", "it is amqp://…", id="no-text-in-host"),
        pytest.param("amqp://user:p@hunter2 rabbit/", "it is amqp://…", id="space-in-host"),
        pytest.param("amqp://user:hunter;2@rabbit:5672/", "address 1 of 2 is amqp://…", id="semicolon-in-password"),
        pytest.param(f"amqp://user:{SECRET}@rabbit:port/", "it is amqp://…", id="port-is-a-word"),
        pytest.param(f"amqp://user:{SECRET}@rabbit:99999/", "it is amqp://…", id="port-too-large"),
        pytest.param(f"amqp://user:{SECRET}@rabbit:0/", "it is amqp://…", id="port-zero"),
        pytest.param(f"amqp://u:s@a/v;http://u:{SECRET}@b/v", "address 2 of 2 is http://…", id="second-address"),
        pytest.param(f"amqp://u:{SECRET}@a/v;", "address 2 of 2 is no URL", id="nothing-after-the-semicolon"),
        pytest.param(f"{SECRET}:x://rabbit", "it is no URL", id="secret-where-the-scheme-is"),
    ],
)
def test_another_url_is_refused_without_a_word_of_it(url: str, given: str) -> None:
    with pytest.raises(WrongAddress) as refused:
        addresses(url)
    said = f"{refused.value!s} {refused.value!r}"
    assert given in said
    assert "write amqp://USER:PASSWORD@HOST:5672/VHOST" in said
    assert "hunter" not in said


def test_of_statistics_no_more_urls_are_read_than_a_cluster_has_nodes() -> None:
    """A Secret has room for 100,000, and all of them were asked at once, wherever they lead."""
    each = [f"http://node-{number}:15692" for number in range(MOST_OF_STATISTICS)]
    assert endpoints(", ".join(each)) == tuple(each)
    with pytest.raises(WrongAddress, match="no more than 16"):
        endpoints(", ".join([*each, "http://one-more:15692"]))


def test_a_url_may_be_as_long_as_one_with_a_token() -> None:
    """One of a MiB of options took a third of a second of all fleets each time that it was read."""
    token = "t" * (LONGEST - len("amqp://u:@h/"))
    assert addresses(f"amqp://u:{token}@h/")[0].password == token
    with pytest.raises(WrongAddress, match="it has more than 16384 characters; write amqp://"):
        addresses(f"amqp://u:{token}t@h/")
    with pytest.raises(WrongAddress):
        endpoints("http://h/" + "a" * LONGEST)


def test_addresses_of_several_virtual_hosts_are_refused() -> None:
    with pytest.raises(WrongAddress, match="address 3 of 3 names another virtual host"):
        addresses("amqp://a/v;amqp://b/v;amqp://c/w")


def test_an_address_shows_no_password() -> None:
    assert SECRET not in f"{address()} {address()!r} {addresses(f'amqp://user:{SECRET}@a/')}"


@pytest.mark.parametrize(
    "url,place",
    [
        pytest.param(f"amqp://user:{SECRET}@rabbit/", "rabbit:5672", id="with-a-user"),
        # A user who forgot the host: what stands in its place may be a password.
        pytest.param("amqp://user:12345/", "the broker", id="without-one"),
    ],
)
def test_a_place_is_named_only_where_it_is_surely_one(url: str, place: str) -> None:
    assert addresses(url)[0].place == place

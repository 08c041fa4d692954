"""Whatever a password is made of, and however it is escaped or not: nothing that is said or printed has it in it."""

import base64
import logging
import time
import traceback
from collections.abc import Callable, Sequence
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.resources import resource
from utilitarian_operator.adapters.broker.address import Address, addresses, endpoints, plain_hosts
from utilitarian_operator.adapters.broker.statistics import Statistics
from utilitarian_operator.adapters.cluster.fake import FakeCluster
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.errors import OperatorError
from utilitarian_operator.reconcile.observe.credentials import BrokerCredentials

WORD = "geheim"
"""Stands in every password; in nothing else."""
AROUND = st.text("a0,;:/?#@%[]()<>&=+ \\'\"`{}|^~!$*._-ä\t", max_size=6)
PASSWORDS = st.builds(lambda before, after: f"{before}{WORD}{after}", AROUND, AROUND)
ESCAPED = st.booleans()
SPEC = "broker: {urlFrom: {secretKeyRef: {name: s, key: url}}, stats: {urlFrom: {secretKeyRef: {name: s, key: stats}}}}"
FLEET = effective_fleet(parse(resource(SPEC)).spec)


def told(error: BaseException) -> str:
    """All that a status, a log or a traceback would say of an error."""
    return "".join([*traceback.format_exception(error), str(error), repr(error)])


def attempt(read: Callable[[str], Sequence[str] | Sequence[Address]], text: str) -> tuple[Sequence[object], str]:
    """What was read, or nothing and all that is said of why."""
    try:
        return read(text), ""
    except ValueError as error:
        return (), told(error)


@given(password=PASSWORDS, escaped=ESCAPED)
def test_a_brokers_url(password: str, *, escaped: bool) -> None:
    url = f"amqp://user:{quote(password, safe='') if escaped else password}@rabbit:5672/vhost"
    found, said = attempt(addresses, url)
    assert WORD not in "".join([said, repr(found), *(it.place for it in found if isinstance(it, Address))])
    if escaped:
        [address] = addresses(url)
        assert address.password == password


@given(passwords=st.lists(PASSWORDS, min_size=1, max_size=3), escaped=ESCAPED)
def test_the_urls_of_statistics(passwords: list[str], *, escaped: bool) -> None:
    text = ",".join(f"http://user:{quote(it, safe='') if escaped else it}@127.0.0.1:1" for it in passwords)
    found, said = attempt(endpoints, text)
    assert WORD not in "".join([said, *plain_hosts(map(str, found))])
    assert not escaped or len(found) == len(passwords)


@pytest.mark.parametrize("password", [f"pa,ss{WORD}", f"1{WORD},2@3", f",{WORD}"])
def test_a_comma_in_a_password_parts_no_addresses(password: str) -> None:
    assert endpoints(f"http://user:{quote(password, safe=',')}@one:15672") == (
        f"http://user:{quote(password, safe=',')}@one:15672",
    )


async def looked(url: str, stats: str) -> str:
    """All that is said when these are read, and used."""
    data = {key: base64.b64encode(value.encode()).decode() for key, value in (("url", url), ("stats", stats))}
    cluster = FakeCluster()
    metadata = {"name": "s", "namespace": "ns"}
    await cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})
    try:
        read = await BrokerCredentials(cluster, "ns", time.monotonic).read(FLEET)
        await Statistics(read.stats, "/").read()
    except OperatorError as error:
        return told(error)
    return repr(read)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(50))
@given(password=PASSWORDS, escaped=ESCAPED)
async def test_what_a_look_says_and_logs_of_it(
    caplog: pytest.LogCaptureFixture, password: str, *, escaped: bool
) -> None:
    written = quote(password, safe="") if escaped else password
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    said = await looked(f"amqp://user:{written}@rabbit/", f"http://user:{written}@127.0.0.1:1")
    assert WORD not in said
    assert WORD not in "".join(str(vars(record)) for record in caplog.records)
    assert said

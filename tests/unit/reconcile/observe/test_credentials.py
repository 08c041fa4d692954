"""How the Secrets that name a broker are read and followed, and that no message shows what they hold."""

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.contents import NAMESPACE, Contents, secrets
from tests.support.resources import resource
from utilitarian_operator.adapters.broker.session import Credentials
from utilitarian_operator.adapters.broker.tls import SYSTEM, Tls
from utilitarian_operator.api.effective import Fleet, effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.errors import ClusterError, Rejected, SecretMissing
from utilitarian_operator.host.certificates import make
from utilitarian_operator.reconcile.observe.credentials import BrokerCredentials

SECRET = "hunter2"
STATS = "broker: {urlFrom: {secretKeyRef: {name: env, key: URL}}, stats: {urlFrom: {secretKeyRef: {name: s, key: u}}}}"


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(f"redis://:{SECRET}@redis:6379/0", id="redis"),
        pytest.param("amqp://user:p@hunter2/w#rd@rabbit:5672/", id="unescaped-password"),
        pytest.param(f"amqp://user:{SECRET}@rabbit:port/", id="port-is-a-word"),
    ],
)
async def test_another_url_is_refused_with_its_path_and_without_a_word_of_it(url: str) -> None:
    with pytest.raises(SecretMissing) as refused:
        await reader(await secrets(env={"URL": url})).read(fleet())
    said = str(refused.value)
    assert said.startswith("spec.broker.urlFrom: ")
    assert "write amqp://USER:PASSWORD@HOST:5672/VHOST" in said
    assert "hunter" not in said
    # A traceback prints the chain too.
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_credentials_are_never_shown() -> None:
    credentials = Credentials(f"amqp://user:{SECRET}@rabbit/", (f"http://user:{SECRET}@rabbit:15672",))
    assert (
        SECRET
        not in f"{credentials} {credentials!r} {Tls(SECRET, SECRET, SECRET)} {[credentials]} { ({'a': credentials}) }"
    )


ENCRYPTED = (
    ec.generate_private_key(ec.SECP256R1())
    .private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"hunter2")
    )
    .decode()
)


def fleet(spec: str = "{}") -> Fleet:
    return effective_fleet(parse(resource(spec)).spec)


def unreadable(error: ClusterError) -> Contents:
    """A cluster whose Secret `env` can't be read."""
    contents = Contents()
    contents.errors["env"] = error
    return contents


def reader(contents: Contents) -> BrokerCredentials:
    return BrokerCredentials(contents.cluster, NAMESPACE, time.monotonic)


async def test_a_secret_is_read_once_until_the_login_is_refused() -> None:
    contents = await secrets(env={"URL": "amqp://a/\n"})
    credentials = reader(contents)
    assert await credentials.read(fleet()) == await credentials.read(fleet()) == Credentials("amqp://a/")
    assert contents.read == ["env"]
    await contents.put("Secret", env={"URL": "amqp://b/"})
    credentials.refused()
    assert await credentials.read(fleet()) == Credentials("amqp://b/")


async def test_each_object_that_is_read_is_noted_once() -> None:
    contents, noted = await secrets(env={"URL": "amqp://a/"}, s={"u": "http://a:15692"}), list[tuple[str, str, str]]()
    credentials = BrokerCredentials(
        contents.cluster, NAMESPACE, time.monotonic, lambda kind, name, it: noted.append((kind, name, it["kind"]))
    )
    for _ in range(2):
        await credentials.read(fleet(STATS))
    assert noted == [("Secret", "env", "Secret"), ("Secret", "s", "Secret")]


async def test_statistics_endpoints_are_split_and_trimmed() -> None:
    contents = await secrets(env={"URL": "amqp://a/"}, s={"u": " http://a:15692 ,http://b:15692,\n"})
    read = await reader(contents).read(fleet(STATS))
    assert read.stats == ("http://a:15692", "http://b:15692")


async def test_another_reference_is_read_at_once() -> None:
    contents = await secrets(env={"URL": "amqp://a/"}, other={"URL": "amqp://b/"})
    credentials = reader(contents)
    await credentials.read(fleet())
    other = fleet("broker: {urlFrom: {secretKeyRef: {name: other, key: URL}}}")
    assert await credentials.read(other) == Credentials("amqp://b/")


async def test_a_secret_that_may_not_be_read_is_named_with_the_right_that_is_missing() -> None:
    said = 'secrets "env" is forbidden: User "operator" cannot get resource "secrets"'
    with pytest.raises(SecretMissing, match="let the operator read it"):
        await reader(unreadable(Rejected("HTTP 403", said))).read(fleet())
    contents = await secrets(env={"URL": "amqp://a/"})
    credentials = reader(contents)
    first = await credentials.read(fleet())
    contents.errors["env"] = Rejected("HTTP 403", said)
    credentials.refused()
    assert await credentials.read(fleet()) == first


@pytest.mark.parametrize("error", [ClusterError("HTTP 500"), ClusterError("timed out")], ids=["failed", "away"])
async def test_an_unreadable_secret_keeps_the_last_one(error: ClusterError) -> None:
    contents = await secrets(env={"URL": "amqp://a/"})
    credentials = reader(contents)
    await credentials.read(fleet())
    credentials.refused()
    contents.errors["env"] = error
    assert await credentials.read(fleet()) == Credentials("amqp://a/")


async def test_an_unreadable_secret_that_never_was_read_is_an_error() -> None:
    with pytest.raises(ClusterError):
        await reader(unreadable(ClusterError("HTTP 500"))).read(fleet())


@pytest.mark.parametrize(
    "there,message",
    [
        pytest.param({}, "spec.broker.urlFrom: Secret ns/env does not exist; create it", id="no-secret"),
        pytest.param({"env": {"X": SECRET}}, "spec.broker.urlFrom: Secret ns/env has no key URL; add it", id="no-key"),
        pytest.param(
            {"env": {"URL": "\n"}},
            "spec.broker.urlFrom: Secret ns/env has nothing under the key URL; write it",
            id="empty",
        ),
        pytest.param(
            {"env": {"URL": "amqp://a/"}},
            "spec.broker.stats.urlFrom: Secret ns/s does not exist; create it",
            id="no-secret-of-the-statistics",
        ),
    ],
)
async def test_what_is_missing_is_named(there: Mapping[str, Mapping[str, str]], message: str) -> None:
    with pytest.raises(SecretMissing) as missing:
        await reader(await secrets(**there)).read(fleet(STATS))
    assert str(missing.value) == message


async def test_what_the_system_trusts_is_held_once_for_all_fleets() -> None:
    """A context of it takes 0.8 MiB, and 20 ms to make."""
    read = [await reader(await secrets(env={"URL": f"amqps://{host}/"})).read(fleet()) for host in "ab"]
    assert [it.tls is SYSTEM for it in read] == [True, True]


CERTIFIED = """
broker:
  urlFrom: {secretKeyRef: {name: env, key: URL}}
  tls:
    caFrom: {secretKeyRef: {name: pem, key: ca.crt}}
    certFrom: {secretKeyRef: {name: pem, key: tls.crt}}
    keyFrom: {secretKeyRef: {name: pem, key: tls.key}}
"""
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def pem(**values: str) -> dict[str, str]:
    made = make(["client"], NOW)
    return {"ca.crt": made.authority, "tls.crt": made.certificate, "tls.key": made.key} | values


async def test_certificates_are_held_as_texts_and_a_renewed_one_is_another_set_of_credentials() -> None:
    contents = await secrets(env={"URL": "amqps://a/"}, pem=pem())
    credentials = reader(contents)
    first = await credentials.read(fleet(CERTIFIED))
    assert contents.read == ["env", "pem"]  # once, so that a certificate has its own key
    credentials.refused()
    again = await credentials.read(fleet(CERTIFIED))
    assert (again, again.tls.context) == (first, first.tls.context)
    credentials.refused()
    await contents.put("Secret", pem=pem())
    assert await credentials.read(fleet(CERTIFIED)) != first
    assert await credentials.read(fleet()) == Credentials("amqps://a/")


@pytest.mark.parametrize(
    "values,message",
    [
        pytest.param({"ca.crt": "hunter2"}, "spec.broker.tls.caFrom: it holds no certificate", id="no-authority"),
        pytest.param({"ca.crt": "mätare"}, "spec.broker.tls.caFrom: it holds no certificate", id="no-ascii"),
        pytest.param(
            {"tls.crt": "hunter2"}, "spec.broker.tls.keyFrom: it and the certificate are no pair", id="no-pem"
        ),
        pytest.param(
            {"tls.key": "hunter2"}, "spec.broker.tls.keyFrom: it and the certificate are no pair", id="no-key"
        ),
        pytest.param(
            {"tls.key": make(["other"], NOW).key},
            "spec.broker.tls.keyFrom: it and the certificate are no pair",
            id="the-key-of-another",
        ),
        pytest.param(
            {"tls.key": ENCRYPTED},
            "spec.broker.tls.keyFrom: it and the certificate are no pair",
            id="key-with-passphrase",
        ),
    ],
)
async def test_what_is_no_certificate_is_refused_with_its_path(values: Mapping[str, str], message: str) -> None:
    with pytest.raises(SecretMissing) as refused:
        await reader(await secrets(env={"URL": "amqps://a/"}, pem=pem(**values))).read(fleet(CERTIFIED))
    assert str(refused.value).startswith(message)
    assert "hunter" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


async def test_the_control_exchange_is_one_of_what_a_session_is_opened_with() -> None:
    contents = await secrets(env={"URL": "amqp://a/"})
    elsewhere = replace(fleet(), broker=replace(fleet().broker, control_exchange="shop"))
    read = [await reader(contents).read(it) for it in (fleet(), elsewhere)]
    assert read == [Credentials("amqp://a/"), Credentials("amqp://a/", control_exchange="shop")]


@pytest.mark.parametrize(
    "url,stats,hosts",
    [
        pytest.param(
            "amqp://u:p@rabbit/v", "http://u:p@one:15672,http://u:p@two:15672", ["rabbit", "one", "two"], id="plain"
        ),
        pytest.param("amqps://u:p@rabbit/v;amqp://u:p@rabbit/v?ssl=1", "https://u:p@one", [], id="tls"),
        pytest.param("amqp://u:p@127.0.0.1/v", "http://u:p@localhost:15672", [], id="this-machine"),
        pytest.param("amqp://rabbit/v", "http://one:15692", [], id="no-login"),
    ],
)
async def test_a_login_without_tls_is_named_once(
    caplog: pytest.LogCaptureFixture, url: str, stats: str, hosts: list[str]
) -> None:
    credentials = reader(await secrets(env={"URL": url}, s={"u": stats}))
    for _ in range(2):
        await credentials.read(fleet(STATS))
        credentials.refused()
    assert [vars(it)["host"] for it in caplog.records if it.message == "login sent without TLS"] == hosts


PARTS = """
broker:
  from:
    host: {configMapKeyRef: {name: where, key: host}}
    username: {secretKeyRef: {name: login, key: user}}
    password: {secretKeyRef: {name: login, key: password}}
    vhost: prod/a
"""


async def test_a_url_is_put_together_escaped_and_follows_each_of_its_parts() -> None:
    contents = await secrets(login={"user": "a b", "password": "p@ss/#"})
    await contents.put("ConfigMap", where={"host": "rabbit"})
    credentials = reader(contents)
    assert await credentials.read(fleet(PARTS)) == Credentials("amqp://a%20b:p%40ss%2F%23@rabbit/prod%2Fa")
    assert sorted(contents.read) == ["login", "where"], "one Secret is read once"
    await contents.put("Secret", login={"user": "a b", "password": "new"})
    credentials.refused()
    assert await credentials.read(fleet(PARTS)) == Credentials("amqp://a%20b:new@rabbit/prod%2Fa")
    await contents.put("ConfigMap", where={"host": "other"})
    credentials.refused()
    assert await credentials.read(fleet(PARTS)) == Credentials("amqp://a%20b:new@other/prod%2Fa")


@pytest.mark.parametrize(
    "login,message",
    [
        pytest.param(
            {"user": "u"}, "spec.broker.from.password: Secret ns/login has no key password; add it", id="no-key"
        ),
        pytest.param({"user": "u", "password": SECRET}, "spec.broker.from.host: what is read is no host", id="no-host"),
    ],
)
async def test_a_part_that_is_wrong_is_named_and_nothing_of_it_shown(login: dict[str, str], message: str) -> None:
    contents = await secrets(login=login)
    await contents.put("ConfigMap", where={"host": f"{SECRET}/x"})
    with pytest.raises(SecretMissing) as refused:
        await reader(contents).read(fleet(PARTS))
    assert str(refused.value).startswith(message)
    assert SECRET not in str(refused.value)

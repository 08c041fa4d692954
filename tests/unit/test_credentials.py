"""The broker's URL as people write it, how a Secret is followed, and that no message shows a password."""

from collections.abc import Mapping

import pytest

from tests.unit.api_cases import resource
from utilitarian_operator.adapters.broker import Credentials
from utilitarian_operator.api.effective import Fleet, effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.credentials import BrokerCredentials, broker_url
from utilitarian_operator.errors import ClusterError, Gone, SecretMissing

SECRET = "hunter2"
STATS = "broker: {urlFrom: {secretKeyRef: {name: env, key: URL}}, stats: {urlFrom: {secretKeyRef: {name: s, key: u}}}}"


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(f"amqp://user:{SECRET}@rabbit:5672/vhost", id="plain"),
        pytest.param(f"amqps://user:{SECRET}@rabbit:5671/vhost", id="tls"),
        pytest.param(f"pyamqp://user:{SECRET}@rabbit//", id="celerys-own-name"),
        pytest.param("amqp://rabbit", id="no-user"),
        pytest.param("amqp://user:p%2Fss%40%3A@rabbit:5672/", id="escaped-password"),
        pytest.param("amqp://user:p@ss@rabbit:5672/", id="at-sign-that-python-forgives"),
        pytest.param("amqp://user:secret@rabbit/%2F", id="escaped-vhost"),
        pytest.param("amqp://user:secret@rabbit/a@b", id="at-sign-in-vhost"),
        pytest.param("amqp://user:secret@[::1]:5672/", id="ipv6"),
        pytest.param("amqp://u:s@a:5672/v;amqp://u:s@b:5672/v", id="several-addresses"),
        pytest.param("amqp://u:s@a/v?heartbeat=10", id="options"),
    ],
)
def test_a_url_of_rabbitmq_is_taken_as_it_is(url: str) -> None:
    assert broker_url(url) == url


@pytest.mark.parametrize(
    "url,given",
    [
        pytest.param(f"redis://:{SECRET}@redis:6379/0", "it is redis://…", id="redis"),
        pytest.param("sqs://", "it is sqs://…", id="sqs"),
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
        pytest.param("amqp://user:hunter[2@rabbit:5672/", "it is amqp://…", id="bracket-in-password"),
        pytest.param("amqp://user:hunter;2@rabbit:5672/", "special characters escaped", id="semicolon-in-password"),
        pytest.param(f"amqp://user:{SECRET}@rabbit:port/", "it is amqp://…", id="port-is-a-word"),
        pytest.param(f"amqp://user:{SECRET}@rabbit:99999/", "it is amqp://…", id="port-too-large"),
        pytest.param(f"amqp://u:s@a/v;http://u:{SECRET}@b/", "it is http://…", id="second-address"),
        pytest.param(f"{SECRET}:x://rabbit", "it is no URL", id="secret-where-the-scheme-is"),
    ],
)
def test_another_url_is_refused_without_a_word_of_it(url: str, given: str) -> None:
    with pytest.raises(SecretMissing) as refused:
        broker_url(url)
    said = f"{refused.value!s} {refused.value!r}"
    assert given in said
    assert "write amqp://USER:PASSWORD@HOST:5672/VHOST" in said
    assert "hunter" not in said
    # A traceback prints the chain too.
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_credentials_are_never_shown() -> None:
    credentials = Credentials(f"amqp://user:{SECRET}@rabbit/", (f"http://user:{SECRET}@rabbit:15672",))
    assert SECRET not in f"{credentials} {credentials!r} {[credentials]} { ({'a': credentials}) }"


class Secrets:
    """Secrets by name; a value that is an error is raised."""

    def __init__(self, **secrets: Mapping[str, str] | ClusterError) -> None:
        self.secrets = secrets
        self.asked: list[str] = []

    async def secret(self, namespace: str, name: str) -> Mapping[str, str]:
        self.asked.append(f"{namespace}/{name}")
        found = self.secrets.get(name, Gone("HTTP 404"))
        if isinstance(found, ClusterError):
            raise found
        return found


def fleet(spec: str = "{}") -> Fleet:
    return effective_fleet(parse(resource(spec)).spec)


async def test_a_secret_is_read_once_until_the_login_is_refused() -> None:
    secrets = Secrets(env={"URL": "amqp://a/\n"})
    credentials = BrokerCredentials(secrets, "ns")
    assert await credentials.read(fleet()) == await credentials.read(fleet()) == Credentials("amqp://a/")
    assert secrets.asked == ["ns/env"]
    secrets.secrets["env"] = {"URL": "amqp://b/"}
    credentials.refused()
    assert await credentials.read(fleet()) == Credentials("amqp://b/")


async def test_statistics_endpoints_are_split_and_trimmed() -> None:
    secrets = Secrets(env={"URL": "amqp://a/"}, s={"u": " http://a:15692 ,http://b:15692,\n"})
    read = await BrokerCredentials(secrets, "ns").read(fleet(STATS))
    assert read.stats == ("http://a:15692", "http://b:15692")


async def test_another_reference_is_read_at_once() -> None:
    secrets = Secrets(env={"URL": "amqp://a/"}, other={"URL": "amqp://b/"})
    credentials = BrokerCredentials(secrets, "ns")
    await credentials.read(fleet())
    other = fleet("broker: {urlFrom: {secretKeyRef: {name: other, key: URL}}}")
    assert await credentials.read(other) == Credentials("amqp://b/")


@pytest.mark.parametrize("error", [ClusterError("HTTP 500"), ClusterError("timed out")], ids=["failed", "away"])
async def test_an_unreadable_secret_keeps_the_last_one(error: ClusterError) -> None:
    secrets = Secrets(env={"URL": "amqp://a/"})
    credentials = BrokerCredentials(secrets, "ns")
    await credentials.read(fleet())
    credentials.refused()
    secrets.secrets["env"] = error
    assert await credentials.read(fleet()) == Credentials("amqp://a/")


async def test_an_unreadable_secret_that_never_was_read_is_an_error() -> None:
    with pytest.raises(ClusterError):
        await BrokerCredentials(Secrets(env=ClusterError("HTTP 500")), "ns").read(fleet())


@pytest.mark.parametrize(
    "secrets,message",
    [
        pytest.param(Secrets(), "spec.broker.urlFrom: Secret ns/env does not exist; create it", id="no-secret"),
        pytest.param(
            Secrets(env={"X": SECRET}), "spec.broker.urlFrom: Secret ns/env has no key URL; add it", id="no-key"
        ),
        pytest.param(
            Secrets(env={"URL": "amqp://a/"}),
            "spec.broker.stats.urlFrom: Secret ns/s does not exist; create it",
            id="no-secret-of-the-statistics",
        ),
    ],
)
async def test_what_is_missing_is_named(secrets: Secrets, message: str) -> None:
    with pytest.raises(SecretMissing) as missing:
        await BrokerCredentials(secrets, "ns").read(fleet(STATS))
    assert str(missing.value) == message

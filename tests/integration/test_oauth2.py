"""An OAuth2 token as the broker's password, on a real broker with its own plugin: what ends with it, what goes on."""

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import amqp
import kombu
import pytest
from amqp.exceptions import AccessRefused
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.support.celery_workers import Application, running, send
from tests.support.controlplane import ControlPlane
from tests.support.fleet import Fleet
from tests.support.ledger import FileLedgerReader
from tests.support.operator import Operator
from tests.support.ports import LOOPBACK
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from utilitarian.routing import DEFAULT_QUEUE
from utilitarian_operator.adapters.broker.workers.remote_control import RemoteControl

POOL = {"name": "work", "queues": [DEFAULT_QUEUE]}
SOON = timedelta(seconds=30)
RENEWED = timedelta(seconds=60)
"""The operator reads each Secret every 30 s."""

LASTING_S = 100.0
"""Of tasks that outlast a token."""

LIFE, HOUR = timedelta(seconds=30), timedelta(hours=1)
"""Of a token that ends during the test, which a slow machine must be let in by before; and of one that doesn't."""


class Issuer:
    """Signs tokens that the broker believes.

    Args:
        directory: for its public key.
    """

    def __init__(self, directory: Path) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.file = directory / "tokens.pem"
        public = self._key.public_key()
        encoding, kind = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        self.file.write_bytes(public.public_bytes(encoding, kind))

    def token(self, ends: datetime) -> str:
        """A token for all of every virtual host until then."""
        rights = ["rabbitmq.configure:*/*", "rabbitmq.write:*/*", "rabbitmq.read:*/*"]
        claims = {"aud": ["rabbitmq"], "sub": "fleet", "scope": rights, "exp": int(ends.timestamp())}
        signed = ".".join(_encoded(json.dumps(it).encode()) for it in ({"alg": "RS256", "kid": "tests"}, claims))
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_encoded(signature)}"

    @property
    def settings(self) -> list[str]:
        """Of a broker that takes its tokens beside its own users."""
        return [
            "auth_backends.1 = internal",
            "auth_backends.2 = rabbit_auth_backend_oauth2",
            "auth_oauth2.resource_server_id = rabbitmq",
            "auth_oauth2.default_key = tests",
            f"auth_oauth2.signing_keys.tests = {self.file}",
        ]


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Login:
    """A virtual host of a broker, and URLs for it with tokens as their password."""

    def __init__(self, broker: RabbitMQ, issuer: Issuer, vhost: str) -> None:
        self.broker, self.issuer, self.vhost = broker, issuer, vhost
        broker.declare(vhost, DEFAULT_QUEUE)

    def url(self, life: timedelta) -> tuple[str, datetime]:
        """One whose token lives for so long, and when it is over."""
        ends = datetime.now(UTC).replace(microsecond=0) + life
        token = self.issuer.token(ends)
        return f"amqp://any:{token}@{LOOPBACK}:{self.broker.amqp_port}/{self.vhost}", ends

    def refuses(self, url: str) -> bool:
        """Whether the broker lets nobody in by this URL."""
        try:
            with kombu.Connection(url) as connection:
                connection.connect()
        except AccessRefused:
            return True
        return False

    def cut(self) -> None:
        """Closes all its connections; one that is new is known after a moment."""
        wait_until(lambda: self.broker.close_connections(self.vhost), within=SOON)


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    return Issuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture(scope="module")
def believing(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """A broker with the plugin."""
    directory, plugins = tmp_path_factory.mktemp("oauth2"), ("rabbitmq_auth_backend_oauth2",)
    with RabbitMQ(directory, settings=issuer.settings, plugins=plugins) as started:
        yield started


@pytest.fixture
def login(believing: RabbitMQ, issuer: Issuer) -> Iterator[Login]:
    with believing.vhost() as vhost:
        yield Login(believing, issuer, vhost)


def over(login: Login, url: str, ends: datetime) -> None:
    """Waits until a token is over, also for the broker."""
    wait_until(lambda: datetime.now(UTC) > ends and login.refuses(url), within=LIFE * 2)


def test_rabbitmq_leaves_the_connection_open_and_refuses_what_is_sent(login: Login) -> None:
    url, ends = login.url(timedelta(seconds=10))
    with kombu.Connection(url, transport_options={"confirm_publish": True}) as connection:
        channel = connection.channel()
        over(login, url, ends)
        assert channel.queue_declare(DEFAULT_QUEUE, passive=True).consumer_count == 0
        # What a channel was allowed before it may do for up to a minute.
        new, message = connection.channel(), amqp.Message("{}")
        with pytest.raises(AccessRefused, match="refused for user"):
            new.basic_publish(message, exchange="", routing_key=DEFAULT_QUEUE)
        assert channel.queue_declare(DEFAULT_QUEUE, passive=True).message_count == 0


@pytest.mark.soak
def test_a_worker_that_is_asked_anything_ends_when_its_tasks_are_done(login: Login, tmp_path: Path) -> None:
    """Its answer is refused, and a new mailbox, too: it stops with an error, after the tasks that it runs."""
    url, ends = login.url(LIFE)
    ledger, own = FileLedgerReader(tmp_path / "ledger"), login.broker.amqp_url(login.vhost)
    worker = Application(url, tmp_path, ledger.directory).worker("one", queues=[DEFAULT_QUEUE])
    with running(worker), closing(RemoteControl(own)) as control:
        sent = send(own, DEFAULT_QUEUE, [*[LASTING_S] * 2, 0.1])
        wait_until(lambda: len(ledger.read().running()) == 2, within=SOON, describe=worker.tail)
        over(login, url, ends)
        # What its channels were allowed before is forgotten within a minute.
        wait_until(lambda: not control.holdings(["celery@one"]), within=LIFE * 4, describe=worker.tail)
        assert worker.wait(within=timedelta(seconds=LASTING_S * 2)) == 1, worker.tail()
    assert ledger.read().ids("end") == set(sent[:2])
    wait_until(lambda: login.broker.totals(login.vhost)[DEFAULT_QUEUE] == (1, 0), within=SOON)


@pytest.mark.soak
def test_a_worker_goes_on_with_what_comes_and_is_refused_when_it_connects_again(login: Login, tmp_path: Path) -> None:
    url, ends = login.url(LIFE)
    ledger = FileLedgerReader(tmp_path / "ledger")
    worker = Application(url, tmp_path, ledger.directory).worker("one", queues=[DEFAULT_QUEUE])
    with running(worker):
        over(login, url, ends)
        sent = send(login.broker.amqp_url(login.vhost), DEFAULT_QUEUE, [0.1, 0.1])
        wait_until(lambda: ledger.read().ids("end") == set(sent), within=SOON, describe=worker.tail)
        login.cut()
        wait_until(lambda: "ACCESS_REFUSED" in worker.log_text(), within=SOON, describe=worker.tail)
        worker.kill()


def test_a_token_that_is_over_is_named_and_the_next_one_is_taken_from_its_secret(
    login: Login, controlplane: ControlPlane, namespace: str, operator: Operator
) -> None:
    """Who looks at depths alone is asked for no right: the operator sees on until it must connect again."""
    fleet, (url, ends) = Fleet(controlplane, namespace), login.url(LIFE)

    def reachable() -> str:
        return fleet.condition("BrokerReachable")[0]

    fleet.create(url, pools=[POOL], beat={"enabled": False})
    wait_until(lambda: reachable() == "True", within=LIFE, describe=fleet.describe)
    over(login, url, ends)
    assert reachable() == "True"
    login.cut()
    refused = "refuses user, password or virtual host"
    wait_until(lambda: refused in fleet.condition("BrokerReachable")[2], within=SOON, describe=fleet.describe)
    assert reachable() == "False"
    fleet.edit_secret(login.url(HOUR)[0])
    wait_until(lambda: reachable() == "True", within=SOON, describe=fleet.describe)
    login.broker.publish(login.vhost, DEFAULT_QUEUE)
    wait_until(lambda: fleet.replicas("work") == 1, within=SOON, describe=fleet.describe)
    assert operator.healthy()


@pytest.mark.soak
def test_a_token_that_is_renewed_in_time_leaves_no_gap(
    login: Login, controlplane: ControlPlane, namespace: str, operator: Operator
) -> None:
    """As an agent does it: no connection of before is left when the operator has read the Secret again."""
    fleet, known = Fleet(controlplane, namespace), f"/api/vhosts/{login.vhost}/connections"

    def begun() -> list[float]:
        """When each of the connections was opened, in seconds since the epoch; one that is new comes without it."""
        return [row.get("connected_at", 0) / 1000 for row in login.broker.api("GET", known)]

    fleet.create(login.url(LIFE)[0], pools=[POOL], beat={"enabled": False})
    wait_until(lambda: fleet.condition("BrokerReachable")[0] == "True", within=SOON, describe=fleet.describe)
    since, edited = transition(fleet), datetime.now(UTC).timestamp()
    fleet.edit_secret(login.url(HOUR)[0])
    wait_until(lambda: (at := begun()) and min(at) > edited, within=RENEWED, describe=lambda: (edited, begun()))
    login.broker.publish(login.vhost, DEFAULT_QUEUE)
    wait_until(lambda: fleet.replicas("work") == 1, within=SOON, describe=fleet.describe)
    assert (fleet.condition("BrokerReachable")[0], transition(fleet)) == ("True", since)
    assert operator.healthy()


def transition(fleet: Fleet) -> str:
    """When it last became known, or unknown, whether the broker can be reached."""
    conditions = fleet.status()["conditions"]
    return str(next(it["lastTransitionTime"] for it in conditions if it["type"] == "BrokerReachable"))

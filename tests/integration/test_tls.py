"""A broker over TLS: who is trusted, what is shown, and what a mistake is called."""

import base64
import re
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.celery_workers import Application, running
from tests.support.controlplane import MERGE_PATCH, ControlPlane
from tests.support.fleet import SECRET, URL_KEY, Fleet
from tests.support.operator import in_process
from tests.support.pace import takes_at_most
from tests.support.ports import LOOPBACK, free_port
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from utilitarian.routing import DEFAULT_QUEUE
from utilitarian_operator.adapters.broker.depths import DepthReader
from utilitarian_operator.adapters.broker.statistics import Statistics
from utilitarian_operator.adapters.broker.tls import SYSTEM, Tls
from utilitarian_operator.adapters.broker.workers.remote_control import RemoteControl
from utilitarian_operator.core.observation.broker import Depth
from utilitarian_operator.errors import BrokerError, BrokerUnreachable, CertificateRefused, LoginRefused

SOON = timedelta(seconds=20)
GIVEN_UP_WITHIN_S = 5.0
OTHERS = Authority()
CLIENT = "client"


def tls(rabbitmq: RabbitMQ, who: str) -> Tls:
    """What the operator has: nothing, an authority, or the right one with a client certificate."""
    ours = rabbitmq.authority
    return {
        "system": SYSTEM,
        "authority": Tls(ours.certificate),
        "other-authority": Tls(OTHERS.certificate),
        "client": Tls(ours.certificate, *ours.issue(CLIENT)),
        "stranger": Tls(ours.certificate, *ours.issue("stranger")),
        "others-client": Tls(ours.certificate, *OTHERS.issue(CLIENT)),
    }[who]


def url(rabbitmq: RabbitMQ, vhost: str, host: str = "localhost", login: str | None = None) -> str:
    given = f"{rabbitmq.user}:{rabbitmq.password}@" if login is None else login
    return f"amqps://{given}{host}:{rabbitmq.amqps_port}/{vhost}"


@pytest.fixture
def client(rabbitmq: RabbitMQ, vhost: str) -> str:
    """A user that has no password to log in with."""
    rabbitmq.make_user(CLIENT, "never given to any client")
    rabbitmq.grant(CLIENT, vhost)
    return CLIENT


@pytest.mark.parametrize(
    "who,host,login",
    [
        pytest.param("authority", "localhost", None, id="by name"),
        pytest.param("authority", LOOPBACK, None, id="by address"),
        pytest.param("client", "localhost", None, id="certificate beside a password"),
        pytest.param("client", "localhost", "", id="certificate instead of a password"),
    ],
)
@pytest.mark.usefixtures("client")
def test_queues_and_workers_are_seen(rabbitmq: RabbitMQ, vhost: str, who: str, host: str, login: str | None) -> None:
    rabbitmq.declare(vhost, "queue")
    place, certificates = url(rabbitmq, vhost, host, login), tls(rabbitmq, who)
    with closing(DepthReader(place, certificates)) as reader, closing(RemoteControl(place, certificates)) as control:
        assert reader.read(["queue", "missing"]) == {"queue": Depth(0, 0), "missing": None}
        assert control.holdings(["celery@none"]) == {}


NOT_TRUSTED = r"certificate of \S+ is not trusted: .*{}.*; spec\.broker\.tls\.caFrom must hold"


@pytest.mark.parametrize(
    "who,host,login,error,says",
    [
        pytest.param("system", "localhost", None, CertificateRefused, NOT_TRUSTED.format("self-signed"), id="system"),
        pytest.param("other-authority", "localhost", None, CertificateRefused, NOT_TRUSTED.format(""), id="others"),
        # Another name of the same address.
        pytest.param("authority", "127.1", None, CertificateRefused, NOT_TRUSTED.format("mismatch"), id="wrong name"),
        pytest.param("others-client", "localhost", None, BrokerError, "spec.broker.tls", id="client of others"),
        pytest.param("stranger", "localhost", "", LoginRefused, "refuses user, password", id="client without a user"),
    ],
)
def test_a_mistake_is_named(  # noqa: PLR0913 - one mistake
    rabbitmq: RabbitMQ, vhost: str, who: str, host: str, login: str | None, error: type[BrokerError], says: str
) -> None:
    with closing(DepthReader(url(rabbitmq, vhost, host, login), tls(rabbitmq, who))) as reader:
        with pytest.raises(error, match=says) as refused:
            reader.read(["queue"])
        assert rabbitmq.password not in str(refused.value)


def test_a_port_that_speaks_no_tls_is_said_so(rabbitmq: RabbitMQ, vhost: str) -> None:
    plain = url(rabbitmq, vhost).replace(str(rabbitmq.amqps_port), str(rabbitmq.amqp_port))
    with (
        closing(DepthReader(plain, tls(rabbitmq, "authority"))) as reader,
        pytest.raises(BrokerUnreachable, match="speaks no TLS there"),
    ):
        reader.read(["queue"])


def test_of_several_addresses_each_is_checked_by_its_own_name(rabbitmq: RabbitMQ, vhost: str) -> None:
    rabbitmq.declare(vhost, "queue")
    dead = f"amqps://u:p@localhost:{free_port()}/{vhost}"
    wrong_name, right = url(rabbitmq, vhost, "127.1"), url(rabbitmq, vhost, LOOPBACK)
    certificates = tls(rabbitmq, "authority")
    with closing(DepthReader(f"{dead};{wrong_name};{right}", certificates)) as reader:
        assert reader.read(["queue"]) == {"queue": Depth(0, 0)}
    with closing(DepthReader(f"{dead};{wrong_name}", certificates)) as reader:
        with pytest.raises(
            CertificateRefused, match=r"localhost:\d+: .*refused; .*127\.1:\d+ is not trusted"
        ) as refused:
            reader.read(["queue"])
        assert rabbitmq.password not in str(refused.value)


@pytest.mark.soak
def test_a_frozen_broker_is_given_up_over_tls_too(fragile: RabbitMQ) -> None:
    fragile.declare("/", "queue")
    place, certificates = url(fragile, ""), tls(fragile, "authority")
    with closing(DepthReader(place, certificates)) as reader:
        reader.read(["queue"])
        fragile.pause()
        try:
            for _ in ("on the connection that stood", "on a new one"):
                with takes_at_most(GIVEN_UP_WITHIN_S), pytest.raises(BrokerUnreachable):
                    reader.read(["queue"])
        finally:
            fragile.resume()
        wait_until(lambda: reader.read(["queue"]), within=SOON, ignoring=(BrokerError,))


@pytest.mark.parametrize(
    "port,who,says",
    [
        pytest.param("prometheus_tls_port", "authority", None, id="prometheus"),
        pytest.param("management_tls_port", "client", None, id="management that asks for a certificate"),
        pytest.param("prometheus_tls_port", "system", NOT_TRUSTED.format("self-signed"), id="system"),
        pytest.param("management_tls_port", "authority", "another client certificate .*tls.certFrom", id="none shown"),
        pytest.param(
            "management_tls_port", "others-client", "client certificate .*tls.certFrom", id="client of others"
        ),
        pytest.param("prometheus_port", "authority", "speaks no TLS there", id="plain port"),
    ],
)
async def test_statistics_over_https(rabbitmq: RabbitMQ, vhost: str, port: str, who: str, says: str | None) -> None:
    endpoint = f"https://{rabbitmq.user}:{rabbitmq.password}@localhost:{getattr(rabbitmq, port)}"
    statistics = Statistics([endpoint], vhost, tls(rabbitmq, who))
    if says is None:
        assert await statistics.read() == {}
        return
    with pytest.raises(BrokerError, match=says) as refused:
        await statistics.read()
    assert rabbitmq.password not in str(refused.value)


def test_an_operator_follows_a_certificate_that_is_put_right(
    controlplane: ControlPlane, namespace: str, rabbitmq: RabbitMQ, vhost: str
) -> None:
    fleet = Fleet(controlplane, namespace)
    path = f"/api/v1/namespaces/{namespace}/secrets"
    ours, mine = rabbitmq.authority, rabbitmq.authority.issue(CLIENT)
    wrong = {"ca.crt": OTHERS.certificate, "tls.crt": mine.certificate, "tls.key": mine.key}
    controlplane.request("POST", path, {"metadata": {"name": "pem"}, "stringData": wrong})
    keys = {"caFrom": "ca.crt", "certFrom": "tls.crt", "keyFrom": "tls.key"}
    refer = {
        "urlFrom": {"secretKeyRef": {"name": SECRET, "key": URL_KEY}},
        "tls": {field: {"secretKeyRef": {"name": "pem", "key": key}} for field, key in keys.items()},
    }
    with in_process(controlplane, namespace):
        fleet.create(url(rabbitmq, vhost), mode="Preview", broker=refer)
        wait_until(
            lambda: fleet.condition("BrokerReachable")[:2] == ("False", "Unreachable"),
            within=SOON,
            describe=fleet.describe,
        )
        assert re.search(NOT_TRUSTED.format(""), fleet.condition("BrokerReachable")[2])
        patch = {"data": {"ca.crt": base64.b64encode(ours.certificate.encode()).decode()}}
        controlplane.request("PATCH", f"{path}/pem", patch, MERGE_PATCH)
        wait_until(lambda: fleet.condition("BrokerReachable")[0] == "True", within=SOON, describe=fleet.describe)


def test_a_worker_trusts_a_private_authority_by_its_environment_alone(
    rabbitmq: RabbitMQ, vhost: str, tmp_path: Path
) -> None:
    """As docs/install.md has it: neither the application nor its image knows of the authority."""
    (tmp_path / "ca.crt").write_text(rabbitmq.authority.certificate)
    env = {"SSL_CERT_FILE": str(tmp_path / "ca.crt")}
    place = url(rabbitmq, vhost)
    worker = Application(place, tmp_path, env=env).worker("secure", queues=[DEFAULT_QUEUE], execution="solo")
    with running(worker) as (secure,), closing(RemoteControl(place, tls(rabbitmq, "authority"))) as control:
        wait_until(lambda: control.holdings(["celery@secure"]), within=SOON)
        assert control.holdings(["celery@secure"])["celery@secure"].nothing
        secure.kill()

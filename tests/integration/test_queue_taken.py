"""Two resources name one queue of one broker: the older keeps it, the newer says so and takes over by itself."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.controlplane import ControlPlane
from tests.support.fleet import Fleet
from tests.support.installation import DEFAULT, POOLS, QUICK, Installation
from tests.support.operator import Operator, in_process
from tests.support.ports import LOOPBACK
from tests.support.process_node import ProcessNode
from tests.support.rabbitmq import RabbitMQ
from utilitarian_operator.adapters.broker.session import BrokerSession, Credentials


@pytest.fixture
def newer(controlplane: ControlPlane, rabbitmq: RabbitMQ, vhost: str, tmp_path: Path) -> Iterator[Installation]:
    """A second installation in a namespace of its own, which knows the broker by another name of its host."""
    with controlplane.namespace() as name, ProcessNode(controlplane, name, tmp_path / "second") as node:
        made = Installation(Fleet(controlplane, name), rabbitmq, vhost, node, tmp_path / "ledger")
        made.broker_url = made.broker_url.replace(LOOPBACK, "localhost")
        yield made


@pytest.fixture
def seeing_both(installation: Installation, newer: Installation) -> Iterator[Operator]:
    """One operator of both namespaces."""
    with in_process(installation.fleet.controlplane, installation.fleet.namespace, newer.fleet.namespace) as running:
        yield running


def key(installation: Installation) -> str:
    return f"{installation.fleet.namespace}/{installation.fleet.name}"


def is_taken(newer: Installation, by: str) -> bool:
    status, reason, message = newer.fleet.condition("Stalled")
    return (status, reason) == ("True", "QueueTaken") and by in message and DEFAULT in message


@pytest.mark.usefixtures("seeing_both")
def test_the_older_keeps_the_queue_and_sleeps_and_the_newer_takes_over_when_it_is_gone(
    installation: Installation, newer: Installation
) -> None:
    installation.declare()
    installation.create()
    installation.wait(lambda: installation.fleet.condition("Ready")[0] == "True")
    newer.create()
    newer.wait(lambda: is_taken(newer, key(installation)))
    assert newer.fleet.condition("Ready")[:2] == ("False", "QueueTaken")
    assert newer.fleet.deployment("work") is None
    assert [reason for reason, note in newer.fleet.events() if key(installation) in note] == ["QueueTaken"]

    sent = installation.send(DEFAULT, 8, 0.2)
    installation.wait(lambda: len(installation.ledger.read().ids("end")) == len(sent))
    installation.wait(lambda: installation.fleet.replicas("work") == 0)  # without statistics, too
    assert installation.fleet.pool("work").get("reason") != "ForeignConsumers"
    assert is_taken(newer, key(installation))

    installation.fleet.delete()
    newer.wait(lambda: newer.fleet.condition("Stalled")[0] == "False")
    sent += newer.send(DEFAULT, 8, 0.2)
    newer.wait(lambda: len(newer.ledger.read().ids("end")) == len(sent))
    assert newer.ledger.read().summary(sent).each_finished_once
    newer.wait(lambda: newer.fleet.replicas("work") == 0)


def test_of_two_that_run_already_the_newer_is_led_to_zero_and_comes_back_when_the_queue_is_free(
    installation: Installation, newer: Installation
) -> None:
    """As an upgrade finds them: an operator of each namespace has let both run."""
    installation.declare()
    pools = [{**POOLS[0], "scaling": {**QUICK, "min": 1}}, POOLS[1]]
    with contextlib.ExitStack() as apart:
        for it in (installation, newer):
            apart.enter_context(in_process(it.fleet.controlplane, it.fleet.namespace))
            it.create(pools=pools if it is installation else pools[:1])
            it.wait(lambda it=it: it.fleet.pool("work").get("ready") == 1)
    sent = installation.send(DEFAULT, 8, 3)  # each worker holds some of them
    with in_process(installation.fleet.controlplane, installation.fleet.namespace, newer.fleet.namespace):
        newer.wait(lambda: newer.fleet.replicas("work") == 0)
        assert is_taken(newer, key(installation))
        assert f"left to UtilitarianWorkerPool {key(installation)}" in newer.fleet.pool("work")["message"]
        installation.wait(lambda: len(installation.ledger.read().ids("end")) == len(sent))
        assert installation.ledger.read().summary(sent).each_finished_once
        assert installation.fleet.replicas("work")
        installation.fleet.edit(pools=POOLS[1:])
        newer.wait(lambda: newer.fleet.pool("work").get("ready") == 1)
        assert newer.fleet.condition("Stalled")[0] == "False"


@pytest.mark.usefixtures("seeing_both")
def test_who_names_the_broker_with_a_wrong_password_keeps_no_newer_one_from_running(
    installation: Installation, newer: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("utilitarian_operator.reconcile.claims.NEVER_LET_IN_S", 5.0)
    installation.declare()
    right = newer.broker_url = installation.broker_url
    installation.broker_url = right.replace(f":{installation.rabbitmq.password}@", ":wrong@")
    installation.create()
    installation.wait(lambda: "refuses user, password" in installation.fleet.condition("BrokerReachable")[2])
    newer.create()
    newer.wait(lambda: newer.fleet.condition("Ready")[0] == "True")
    sent = newer.send(DEFAULT, 4, 0.2)
    newer.wait(lambda: len(newer.ledger.read().ids("end")) == len(sent))
    assert newer.fleet.read()["status"]["letIn"]
    assert "letIn" not in installation.fleet.read()["status"]
    assert is_taken(installation, key(newer))


@pytest.mark.usefixtures("seeing_both")
def test_a_new_one_whose_secret_comes_later_starts_no_worker_beside_the_one_that_has_its_queue(
    installation: Installation, newer: Installation
) -> None:
    installation.declare()
    installation.create(pools=[{**POOLS[0], "scaling": {**QUICK, "min": 1}}])
    installation.wait(lambda: installation.fleet.pool("work").get("ready") == 1)
    newer.fleet.create(None, pools=[{**POOLS[0], "scaling": {**QUICK, "min": 1}}], beat={"enabled": False})

    def waits() -> bool:
        status, reason, message = newer.fleet.condition("Stalled")
        may_have = f"{key(installation)} may have {DEFAULT}"
        return (status, reason) == ("True", "SecretMissing") and may_have in message

    newer.wait(waits)
    assert newer.fleet.condition("Ready")[:2] == ("False", "SecretMissing")
    newer.fleet.create_secret(newer.broker_url)
    newer.wait(lambda: is_taken(newer, key(installation)))
    assert newer.fleet.deployment("work") is None


@pytest.mark.usefixtures("seeing_both")
def test_an_edit_that_names_the_queue_of_another_keeps_the_last_spec_running(
    installation: Installation, newer: Installation
) -> None:
    installation.declare()
    installation.create(pools=POOLS[:1])
    newer.create(pools=POOLS[1:])
    newer.wait(lambda: newer.fleet.deployment("cleanup"))
    newer.fleet.edit(pools=POOLS)
    newer.wait(lambda: is_taken(newer, key(installation)))
    assert "the last accepted spec keeps running" in newer.fleet.condition("Stalled")[2]
    assert newer.fleet.condition("Ready")[0] == "True"
    assert newer.fleet.deployment("work") is None
    installation.fleet.edit(pools=[{"name": "work", "queues": ["another"]}])
    newer.wait(lambda: newer.fleet.deployment("work"))
    newer.wait(lambda: newer.fleet.condition("Stalled")[0] == "False")


@pytest.mark.parametrize(
    "other, same",
    [
        pytest.param("alias", True, id="another name of the host"),
        pytest.param("vhost", False, id="another virtual host"),
        pytest.param("broker", False, id="another broker that calls itself alike"),
        pytest.param("no rights", None, id="a login without the rights of remote control"),
    ],
)
async def test_two_sessions_find_out_whether_they_look_at_one_broker(
    rabbitmq: RabbitMQ, fragile: RabbitMQ, vhost: str, other: str, same: bool | None
) -> None:
    url = rabbitmq.amqp_url(vhost)
    with contextlib.ExitStack() as made:
        urls = {"alias": url.replace(LOOPBACK, "localhost")}
        if other == "vhost":
            urls["vhost"] = rabbitmq.amqp_url(made.enter_context(rabbitmq.vhost()))
        if other == "broker":
            fragile.make_vhost(vhost)
            made.callback(fragile.delete_vhost, vhost)
            urls["broker"] = fragile.amqp_url(vhost)
        if other == "no rights":
            rabbitmq.make_user("blind", "secret")
            rabbitmq.grant("blind", vhost, configure="^$", write="^$", read="^$")
            urls["no rights"] = url.replace(f"{rabbitmq.user}:{rabbitmq.password}", "blind:secret")
        one, two = BrokerSession(Credentials(urls[other])), BrokerSession(Credentials(url))
        try:
            assert await one.is_same(two) is same
            assert (await one.look(())).failed is (await two.look(())).failed is None  # both go on
            assert one.known.cluster
            assert two.known.cluster
        finally:
            await one.close()
            await two.close()
        assert not [it for it in rabbitmq.queues(vhost) if "pidbox" in it]

"""A broker's URL that is put together from parts: a login full of what a URL must escape, and parts that change."""

import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.celery_workers import send
from tests.support.controlplane import MERGE_PATCH, REPOSITORY, ControlPlane
from tests.support.fleet import Fleet
from tests.support.ledger import FileLedgerReader
from tests.support.operator import Operator
from tests.support.pid_namespace import Container
from tests.support.ports import LOOPBACK
from tests.support.rabbitmq import RabbitMQ
from tests.support.resources import resource
from tests.support.waiting import wait_until
from utilitarian.routing import DEFAULT_QUEUE
from utilitarian_operator.api.broker_url import filled, pattern
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.validation.resource_rules import accept
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.objects.manifests import deployment

SOON = timedelta(seconds=60)
USER, PASSWORD, VHOST = "an@gent", "p@ss/w#rd?;%$(HOME)", "prod/ledger"


def test_a_worker_and_its_hook_log_in_with_parts_that_are_not_escaped(rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    keys = {name: {"secretKeyRef": {"name": "login", "key": name}} for name in ("username", "password", "vhost")}
    body = resource()
    host, _, port = rabbitmq.amqp_url().rpartition("@")[2].partition("/")[0].partition(":")
    body["spec"]["broker"] = {"from": {"host": host, "port": int(port), **keys}}
    body["spec"]["pools"] = [{"name": "a", "queues": [DEFAULT_QUEUE], "worker": {"concurrency": 1}}]
    fleet = effective_fleet(accept(body).spec)
    spec = deployment(Owner("ns", "fleet", "uid"), fleet, fleet.pools[0])["spec"]["template"]["spec"]["containers"][0]
    rabbitmq.make_vhost(VHOST)
    rabbitmq.make_user(USER, PASSWORD)
    rabbitmq.grant(USER, VHOST)
    values = {"username": USER, "password": PASSWORD, "vhost": VHOST}
    ledger = FileLedgerReader(tmp_path / "ledger")
    own = {"POD_NAME": "parts", "PYTHONPATH": str(REPOSITORY / "worker"), "UTILITARIAN_LEDGER": str(ledger.directory)}
    told = {f"UTILITARIAN_BROKER_{name.upper()}": f"{value}\n" for name, value in values.items()}
    command = [word.replace("$(POD_NAME)", "parts") for word in spec["command"]]
    with Container(command, tmp_path, {**own, **told}) as container:
        send(filled(pattern(fleet.broker.parts or {}), values), DEFAULT_QUEUE, [3, 1])
        wait_until(lambda: ledger.read().running(), within=SOON, describe=container.process.tail)
        hook = container.beside("pre-stop", spec["lifecycle"]["preStop"]["exec"]["command"])
        assert hook.wait(within=SOON) == 0, hook.tail()
        assert len(ledger.read().ids("end")) == 2
        container.signal(signal.SIGTERM)
        container.process.wait(within=SOON)
    rabbitmq.delete_vhost(VHOST)


def reachable(fleet: Fleet) -> str:
    """Whether the broker can be reached, as its condition says it."""
    return fleet.condition("BrokerReachable")[0]


class InParts:
    """A fleet whose login and virtual host are keys of a Secret, on a virtual host of a broker."""

    def __init__(self, controlplane: ControlPlane, namespace: str, rabbitmq: RabbitMQ, **values: str) -> None:
        self.fleet, self._secrets = Fleet(controlplane, namespace), f"/api/v1/namespaces/{namespace}/secrets"
        self._controlplane = controlplane
        controlplane.request("POST", self._secrets, {"metadata": {"name": "login"}, "stringData": values})
        parts: dict[str, Any] = {name: {"secretKeyRef": {"name": "login", "key": name}} for name in values}
        host = {"host": LOOPBACK, "port": rabbitmq.amqp_port}
        pools = [{"name": "work", "queues": [DEFAULT_QUEUE]}]
        self.fleet.create(None, broker={"from": {**host, **parts}}, pools=pools, beat={"enabled": False})
        self.wait(lambda: reachable(self.fleet) == "True")

    def wait(self, condition: Callable[[], object]) -> None:
        wait_until(condition, within=SOON, describe=self.fleet.describe)

    def edit(self, **values: str) -> None:
        """Other values for some of the keys."""
        self._controlplane.request("PATCH", f"{self._secrets}/login", {"stringData": values}, MERGE_PATCH)

    @property
    def template(self) -> Any:
        """What the pods of its pool are annotated with: another checksum rolls them."""
        return (self.fleet.deployment("work") or {})["spec"]["template"]["metadata"]["annotations"]


def test_a_part_that_changes_is_used_when_the_old_one_is_refused_and_rolls_the_pods(
    rabbitmq: RabbitMQ, vhost: str, controlplane: ControlPlane, namespace: str, operator: Operator
) -> None:
    user, new = f"of-{vhost}", "another one/#"
    rabbitmq.make_user(user, PASSWORD)
    rabbitmq.grant(user, vhost)
    within = InParts(controlplane, namespace, rabbitmq, username=user, password=PASSWORD, vhost=vhost)
    before = within.template
    rabbitmq.make_user(user, new)
    within.wait(lambda: rabbitmq.close_connections(vhost))
    within.wait(lambda: reachable(within.fleet) == "False")
    within.edit(password=new)
    within.wait(lambda: reachable(within.fleet) == "True")
    within.wait(lambda: within.template != before)
    assert operator.healthy()


@pytest.mark.soak
def test_what_waits_on_the_virtual_host_of_before_is_told_when_the_secret_names_another(
    rabbitmq: RabbitMQ, vhost: str, controlplane: ControlPlane, namespace: str, operator: Operator
) -> None:
    rabbitmq.declare(vhost, DEFAULT_QUEUE)
    rabbitmq.publish(vhost, DEFAULT_QUEUE, ["{}"] * 3)
    login = {"username": rabbitmq.user, "password": rabbitmq.password}
    with rabbitmq.vhost() as other:
        within = InParts(controlplane, namespace, rabbitmq, **login, vhost=vhost)
        within.wait(lambda: within.fleet.status().get("backlog") == 3)
        within.edit(vhost=other)
        within.wait(lambda: any(reason == "BrokerChanged" for reason, _ in within.fleet.events()))
    (note,) = [note for reason, note in within.fleet.events() if reason == "BrokerChanged"]
    assert "3 tasks waited on the old one and stay there" in note
    assert operator.healthy()

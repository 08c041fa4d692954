"""A worker whose broker's URL is put together from parts: a login full of what a URL must escape, and the hook too."""

import signal
from datetime import timedelta
from pathlib import Path

from tests.support.celery_workers import send
from tests.support.controlplane import REPOSITORY
from tests.support.ledger import FileLedgerReader
from tests.support.pid_namespace import Container
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

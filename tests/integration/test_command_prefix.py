"""Workers and beat behind a wrapper, as process 1 of a container: the hook finds the worker, and nothing is lost."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.celery_workers import send
from tests.support.controlplane import REPOSITORY
from tests.support.ledger import FileLedgerReader
from tests.support.pid_namespace import Container
from tests.support.rabbitmq import RabbitMQ
from tests.support.resources import resource
from tests.support.waiting import wait_until
from utilitarian.routing import DEFAULT_QUEUE
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.validation.resource_rules import accept
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.objects.manifests import beat_statefulset, deployment

POD = "wrapped"
SOON = timedelta(seconds=60)
GRACE = "2m"

PASSES_ON = """\
import signal, subprocess, sys
child = subprocess.Popen(sys.argv[1:])
signal.signal(signal.SIGTERM, lambda *_: child.terminate())
sys.exit(child.wait())
"""
EXECS = ["sh", "-c", 'exec "$@"', "sh"]
SOURCES = ["sh", "-c", '. "$ENV_FILE"; exec "$@"', "sh"]
FORKS = [sys.executable, "-c", PASSES_ON]
DEAF = ["sh", "-c", '"$@"; exit $?', "sh"]
PYTHON_M = ["python", "-m"]


@dataclass
class Stand:
    """A worker in a container of its own."""

    container: Container
    template: dict[str, Any]
    broker_url: str
    ledger: FileLedgerReader

    def hook(self) -> int:
        """Runs the preStop hook and gives its exit code."""
        command = self.template["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
        return self.container.beside("pre-stop", command).wait(within=SOON)


@contextmanager
def worker(
    prefix: list[str], rabbitmq: RabbitMQ, directory: Path, env: dict[str, str] | None = None
) -> Iterator[Stand]:
    """A worker with the command that the operator gives it, which works on two tasks and holds two more."""
    pool = {"name": "a", "queues": [DEFAULT_QUEUE], "worker": {"commandPrefix": prefix, "concurrency": 2}}
    body = resource()
    body["spec"]["pools"] = [{**pool, "drainTimeout": GRACE}]
    fleet = effective_fleet(accept(body).spec)
    template = deployment(Owner("ns", "fleet", "uid"), fleet, fleet.pools[0])["spec"]["template"]["spec"]
    command = [word.replace("$(POD_NAME)", POD) for word in template["containers"][0]["command"]]
    ledger = FileLedgerReader(directory / "ledger")
    with rabbitmq.vhost() as vhost:
        url = rabbitmq.amqp_url(vhost)
        own = {"POD_NAME": POD, "PYTHONPATH": str(REPOSITORY / "worker"), "UTILITARIAN_LEDGER": str(ledger.directory)}
        given = {"CELERY_BROKER_URL": url, **(env or {})}
        if "ENV_FILE" in given:
            Path(given["ENV_FILE"]).write_text(f"export CELERY_BROKER_URL={given.pop('CELERY_BROKER_URL')}\n")
        with Container(command, directory, {**own, **given}) as container:
            stand = Stand(container, template, url, ledger)
            send(url, DEFAULT_QUEUE, [4, 4, 1, 1])
            wait_until(lambda: len(ledger.read().running()) == 2, within=SOON, describe=container.process.tail)
            yield stand


@pytest.mark.parametrize(
    "prefix, said",
    [
        pytest.param(EXECS, "", id="a shell that execs"),
        pytest.param(PYTHON_M, "", id="python -m"),
        pytest.param(FORKS, "", id="forks and passes SIGTERM on"),
        pytest.param(DEAF, "sh of commandPrefix does not pass SIGTERM on", id="forks and keeps SIGTERM for itself"),
    ],
)
def test_the_hook_finds_the_worker_and_it_ends_when_it_is_empty(
    rabbitmq: RabbitMQ, tmp_path: Path, prefix: list[str], said: str
) -> None:
    with worker(prefix, rabbitmq, tmp_path) as stand:
        assert stand.hook() == 0, (tmp_path / "pre-stop.log").read_text()
        records = stand.ledger.read()
        assert (len(records.ids("start")), records.running()) == (4, set()), "it finishes what it holds"
        stand.container.signal(signal.SIGTERM)
        stand.container.process.wait(within=timedelta(seconds=15))
        assert said in stand.container.process.log_text()
        assert ("does not pass" in stand.container.process.log_text()) is bool(said)


def test_the_hook_has_the_environment_that_the_wrapper_made(rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    with worker(SOURCES, rabbitmq, tmp_path, {"ENV_FILE": str(tmp_path / "secrets")}) as stand:
        assert stand.hook() == 0, (tmp_path / "pre-stop.log").read_text()
        assert len(stand.ledger.read().ids("end")) == 4


def test_a_worker_that_can_be_told_nothing_is_told_by_the_hook_where_its_wrapper_keeps_sigterm(
    rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    prefix = [*DEAF[:2], '"$@" worker.enable_remote_control=false; exit $?', "sh"]
    with worker(prefix, rabbitmq, tmp_path) as stand:
        assert stand.hook() == 1
        stand.container.process.wait(within=SOON)
        records = stand.ledger.read()
        assert records.ids("start") == records.ids("end"), "a warm shutdown: what ran has come to its end"


@pytest.mark.parametrize("prefix", [pytest.param(FORKS, id="forks"), pytest.param(EXECS, id="execs")])
def test_a_beat_behind_a_wrapper_is_alive_while_it_wakes(rabbitmq: RabbitMQ, tmp_path: Path, prefix: list[str]) -> None:
    body = resource()
    body["spec"]["beat"] = {"commandPrefix": prefix, "extraArgs": ["--max-interval=1"]}
    template = beat_statefulset(Owner("ns", "fleet", "uid"), effective_fleet(accept(body).spec))["spec"]["template"]
    container = template["spec"]["containers"][0]
    words = container["command"], container["livenessProbe"]["exec"]["command"]
    command, probe = ([word.replace("/var/lib/celery-beat", str(tmp_path)) for word in it] for it in words)
    probe[4] = "0"  # a sign since it was last run
    env = {"CELERY_BROKER_URL": rabbitmq.amqp_url(), "PYTHONPATH": str(REPOSITORY / "worker")}
    with Container(command, tmp_path, env) as stand:
        wait_until(lambda: "beat: Starting" in stand.process.log_text(), within=SOON, describe=stand.process.tail)
        assert stand.beside("probe", probe).wait(within=SOON) == 0
        wait_until(lambda: stand.beside("probe", probe).wait(within=SOON) == 0, within=SOON)  # it has woken again
        stand.freeze()
        stand.beside("probe", probe).wait(within=SOON)  # stopping may have counted once
        assert stand.beside("probe", probe).wait(within=SOON) == 1

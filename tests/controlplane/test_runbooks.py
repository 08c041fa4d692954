"""The commands of the runbooks and of the troubleshooting page do what they say, on a real API server.

Not run here: those that need a kubelet (`logs`, `exec`) or a broker's own tools.
"""

import re
import shlex
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.command import operator_command
from tests.support.controlplane import ControlPlane
from tests.support.fleet import Fleet
from tests.support.operator import in_process
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from utilitarian_operator.api.names import FLEETS_LEASE

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = [*sorted((DOCS / "runbooks").glob("Utilitarian*.md")), DOCS / "troubleshooting.md"]
QUEUE = "utilitarian.tasks.amr.scheduled.hourly"
ELSEWHERE = ("rabbitmqctl", "rabbitmq-diagnostics")
"""Programs of the broker's node."""


def commands(page: Path) -> list[str]:
    """What stands in the page's blocks of commands, one a line."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL)
    text = "".join(blocks).replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip()]


def runs_here(words: list[str]) -> bool:
    """Whether a command needs no more than the API server."""
    return words[0] not in ELSEWHERE and not {"logs", "exec"} & set(words)


COMMANDS = sorted({line for page in PAGES for line in commands(page) if runs_here(shlex.split(line))})


@pytest.fixture(scope="module")
def fleet(controlplane: ControlPlane, rabbitmq: RabbitMQ) -> Iterator[Fleet]:
    """The fleet that the pages speak of, at work, with what a release makes beside it."""
    with controlplane.namespace() as namespace, rabbitmq.vhost() as vhost:
        rabbitmq.declare(vhost, QUEUE)
        found = Fleet(controlplane, namespace, "utilitarian")
        schedule = [{"name": "hourly-run", "start": "0 * * * *", "finishWithin": "30m"}]
        found.create(rabbitmq.amqp_url(vhost), pools=[{"name": "amr-hourly", "queues": [QUEUE], "schedule": schedule}])
        _release(controlplane, namespace)
        with in_process(controlplane, namespace):
            wait_until(lambda: found.pool("amr-hourly").get("reason"), within=timedelta(seconds=40))
            yield found


def _release(controlplane: ControlPlane, namespace: str) -> None:
    """The Deployment, the right and the Leases that the chart and a running release have."""
    here = f"--namespace={namespace}"
    controlplane.kubectl(here, "create", "deployment", "utilitarian-operator", "--image=utilitarian-operator:dev")
    account = f"--serviceaccount={namespace}:utilitarian-operator"
    controlplane.kubectl(here, "create", "rolebinding", "operator", "--clusterrole=cluster-admin", account)
    for name in ("utilitarian-operator", FLEETS_LEASE):
        body = {"metadata": {"name": name}, "spec": {"holderIdentity": "a"}}
        controlplane.request("POST", f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases", body)


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_a_page_runs_as_it_is_written(fleet: Fleet, line: str) -> None:
    told = line.replace("metering", fleet.namespace).replace("utilitarian-system", fleet.namespace)
    program, *words = shlex.split(told)
    if program == "kubectl":
        fleet.controlplane.kubectl(*words)
    else:
        assert program == "utilitarian-operator"
        done = operator_command(*words, env={"KUBECONFIG": str(fleet.controlplane.kubeconfig)})
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_page_has_commands_that_are_run() -> None:
    assert [page.name for page in PAGES if not set(commands(page)) & set(COMMANDS)] == []


@pytest.mark.parametrize("kind", ["BrokerReachable", "BeatReady", "DeadlineAtRisk", "AtMaximum"])
def test_the_message_of_a_condition_is_what_the_pages_print(fleet: Fleet, kind: str) -> None:
    (line,) = {it for it in COMMANDS if f'"{kind}"' in it}
    words = shlex.split(line.replace("metering", fleet.namespace))[1:]
    _, reason, message = fleet.condition(kind)
    assert fleet.controlplane.kubectl(*words).startswith(f"{reason}: {message[:20]}")

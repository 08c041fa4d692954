"""Broker URLs as people get them wrong: each is named with its field, and its password is printed nowhere."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.command import operator_command
from tests.support.controlplane import ControlPlane
from tests.support.fleet import Fleet
from tests.support.operator import as_process
from tests.support.ports import LOOPBACK, free_port
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until

WITHIN = timedelta(seconds=60)
WORD = "geheim"
"""Stands in every password, escaped or not; in nothing else."""

EXAMPLE = "write amqp://USER:PASSWORD@HOST:5672/VHOST, special characters escaped"
WRONG_URL = "spec.broker.urlFrom: {}; " + EXAMPLE
WRONG_STATS = "spec.broker.stats.urlFrom: write http://USER:PASSWORD@HOST:15672, special characters escaped"


class Case(NamedTuple):
    """What a Secret holds, and what the status must say."""

    url: str
    says: str
    stats: str | None = None


def cases(rabbitmq: RabbitMQ, vhost: str) -> dict[str, Case]:
    there = f"{LOOPBACK}:{rabbitmq.amqp_port}"
    dead = f"{LOOPBACK}:{free_port()}"
    login = f"known:{WORD}%2F%40%23"
    return {
        "other-scheme": Case(f"redis://:{WORD}@redis:6379/0", WRONG_URL.format("it is redis://…")),
        "web-page": Case(f"http://u:{WORD}@{there}/", WRONG_URL.format("it is http://…")),
        "queue-service": Case(f"sqs://{WORD}:{WORD}@", WRONG_URL.format("it is sqs://…")),
        "no-scheme": Case(f"u:{WORD}@{there}/", WRONG_URL.format("it is no URL")),
        "unescaped": Case(f"amqp://u:p@{WORD}/w#rd@{there}/", WRONG_URL.format("it is amqp://…")),
        "unescaped-slash": Case(f"amqp://u:{WORD}/w@{there}/", WRONG_URL.format("it is amqp://…")),
        "unescaped-hash": Case(f"amqp://u:{WORD}#w@{there}/", WRONG_URL.format("it is amqp://…")),
        "unescaped-question": Case(f"amqp://u:{WORD}?w@{there}/", WRONG_URL.format("it is amqp://…")),
        "bad-port": Case(f"amqp://u:{WORD}@rabbit:port/", WRONG_URL.format("it is amqp://…")),
        "no-host": Case(f"amqp://u:{WORD}", WRONG_URL.format("it is amqp://…")),
        "bad-part": Case(f"amqp://u:{WORD}@{there}/v;u:{WORD}@b/v", WRONG_URL.format("address 2 of 2 is no URL")),
        "empty": Case("", "has nothing under the key URL; write it"),
        "dead": Case(f"amqp://{login}@{dead}/{vhost}", f"no answer from {dead}: "),
        "all-dead": Case(f"amqp://{login}@{dead}/v;amqp://{login}@{dead}/v", f"; no answer from {dead}: "),
        "no-tls": Case(f"amqps://{login}@{there}/{vhost}", f"{there} speaks no TLS there"),
        "refused": Case(f"amqp://known:{WORD}@{there}/{vhost}", f"{there} refuses user, password or virtual host"),
        "other-vhost": Case(
            f"amqp://{login}@{there}/nowhere", f"{there} lacks the URL's virtual host; make it (rabbitmqctl add_vhost)"
        ),
        "stats-no-scheme": Case(rabbitmq.amqp_url(vhost), WRONG_STATS, f"u:{WORD}@{there}"),
        "stats-unescaped": Case(rabbitmq.amqp_url(vhost), WRONG_STATS, f"http://u:p@{WORD}/w#rd@{there}"),
        "stats-refused": Case(
            rabbitmq.amqp_url(vhost), "refuses the login", f"http://{login}@{LOOPBACK}:{rabbitmq.management_port}"
        ),
        "stats-comma": Case(rabbitmq.amqp_url(vhost), f"no statistics from {dead}", f"http://u:p,{WORD}@{dead}"),
        "stats-dead": Case(rabbitmq.amqp_url(vhost), f"no statistics from {dead}", f"http://{login}@{dead}"),
    }


def create(controlplane: ControlPlane, namespace: str, name: str, case: Case) -> Fleet:
    fleet = Fleet(controlplane, namespace, name)
    values = {"URL": case.url, "STATS": case.stats or ""}
    secret = {"metadata": {"name": name}, "stringData": values}
    controlplane.request("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)
    broker: dict[str, Any] = {"urlFrom": {"secretKeyRef": {"name": name, "key": "URL"}}}
    if case.stats is not None:
        broker["stats"] = {"urlFrom": {"secretKeyRef": {"name": name, "key": "STATS"}}}
    fleet.create(None, mode="Preview", broker=broker, pools=[{"name": "work", "queues": ["queue"]}])
    return fleet


def printed(controlplane: ControlPlane, fleet: Fleet, directory: Path) -> str:
    """What the commands print of a fleet that is in the cluster, and of its file beside it."""
    cluster = ("-n", fleet.namespace, "--kubeconfig", controlplane.kubeconfig)
    saved = directory / f"{fleet.name}.json"
    saved.write_text(json.dumps(fleet.read()))
    commands: list[tuple[str | Path, ...]] = [
        ("explain", "work", "--fleet", fleet.name),
        ("status", "--fleet", fleet.name, "-o", "json"),
        ("plan", "-f", saved, "--live"),
        ("plan", "-f", saved, "--live", "-o", "yaml"),
    ]
    done = [operator_command(*command, *cluster) for command in commands]
    return "\n".join(f"{it.stdout}\n{it.stderr}" for it in done)


def messages(resource: Mapping[str, Any]) -> str:
    return "\n".join(condition["message"] for condition in resource.get("status", {}).get("conditions", []))


def test_no_password_is_printed_whatever_is_wrong_with_a_url(
    controlplane: ControlPlane, namespace: str, rabbitmq: RabbitMQ, vhost: str, tmp_path: Path
) -> None:
    rabbitmq.declare(vhost, "queue")
    rabbitmq.make_user("known", f"{WORD}/@#")
    rabbitmq.grant("known", vhost)
    wanted = cases(rabbitmq, vhost)
    with as_process(controlplane, namespace, directory=tmp_path, options=("--log-level=DEBUG",)) as (process, operator):
        fleets = {name: create(controlplane, namespace, name, case) for name, case in wanted.items()}

        def unsaid() -> dict[str, str]:
            said = {name: messages(fleet.read()) for name, fleet in fleets.items()}
            return {name: text for name, text in said.items() if wanted[name].says not in text}

        wait_until(lambda: not unsaid(), within=WITHIN, describe=lambda: json.dumps(unsaid(), indent=1))
        shown = controlplane.request("GET", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events")["items"]
        assert {event["regarding"]["name"] for event in shown} >= {name for name in wanted if "stats" not in name}
        written = {
            "status": [fleet.read() for fleet in fleets.values()],
            "events": shown,
            "metrics": list(operator.metrics()),
            "log": process.log_text(),
            "commands": [printed(controlplane, fleet, tmp_path) for fleet in fleets.values()],
        }
        for where, what in written.items():
            assert WORD not in json.dumps(what), where
        assert operator.healthy()

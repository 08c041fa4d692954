"""How containers are told a broker whose URL is made of parts."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.support.resources import resource
from utilitarian_operator.api.broker_url import filled, pattern
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.validation.resource_rules import accept
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.objects.broker_environment import PUT_TOGETHER
from utilitarian_operator.core.objects.manifests import beat_statefulset, deployment

OWNER = Owner("ns", "fleet", "uid")
SECRET = "{secretKeyRef: {name: rabbit, key: password}}"
PARTS = f"{{host: rabbit, username: {{configMapKeyRef: {{name: c, key: u}}}}, password: {SECRET}, vhost: prod/a}}"
PATTERN = "amqp://{USERNAME}:{PASSWORD}@rabbit/prod%2Fa"
NASTY = {"USERNAME": "a b", "PASSWORD": 'p@/#?:;%"$(HOME)é', "HOST": "::1", "VHOST": "/"}


def containers(parts: str, more: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """Of a worker and of beat."""
    body = resource(f"{{broker: {{from: {parts}}}, pools: [{{name: a, queues: [q]}}]{more}}}")
    fleet = effective_fleet(accept(body).spec)
    made = deployment(OWNER, fleet, fleet.pools[0]), beat_statefulset(OWNER, fleet)
    worker, beat = (it["spec"]["template"]["spec"]["containers"][0] for it in made)
    return worker, beat


def test_parts_are_variables_and_the_words_before_celery_put_them_together() -> None:
    for container in containers(PARTS):
        env = {it["name"]: it.get("valueFrom") or it["value"] for it in container["env"]}
        assert env["UTILITARIAN_BROKER_USERNAME"] == {"configMapKeyRef": {"name": "c", "key": "u"}}
        assert env["UTILITARIAN_BROKER_PASSWORD"] == {"secretKeyRef": {"name": "rabbit", "key": "password"}}
        url = "amqp://$(UTILITARIAN_BROKER_USERNAME):$(UTILITARIAN_BROKER_PASSWORD)@rabbit/prod%2Fa"
        assert env["CELERY_BROKER_URL"] == url
        assert container["command"][:5] == ["python3", "-c", PUT_TOGETHER, PATTERN, "celery"]


def test_the_hook_has_the_url_too() -> None:
    worker, _ = containers(PARTS)
    hook = worker["lifecycle"]["preStop"]["exec"]["command"]
    assert hook[:6] == ["python3", "-c", PUT_TOGETHER, PATTERN, "python3", "-c"]


def test_values_alone_need_no_words() -> None:
    worker, _ = containers("{host: h, port: 99, username: a@b}")
    assert worker["command"][0] == "celery"
    assert {"name": "CELERY_BROKER_URL", "value": "amqp://a%40b@h:99/%2F"} in worker["env"]


def test_a_url_of_ones_own_is_left_alone() -> None:
    worker, _ = containers(PARTS, ", env: [{name: CELERY_BROKER_URL, value: x}]")
    assert worker["command"][0] == "celery"
    assert [it["name"] for it in worker["env"]] == ["POD_NAME", "CELERY_BROKER_URL"]


@pytest.mark.parametrize("parts", [{"host": None, "vhost": None}, {"host": "h", "username": None, "password": None}])
def test_pods_put_the_same_together_as_the_operator(parts: dict[str, str | None]) -> None:
    env = {f"UTILITARIAN_BROKER_{name}": f"{value}\n" for name, value in NASTY.items()}
    show = [sys.executable, "-c", "import json, os; print(json.dumps(os.environ['CELERY_BROKER_URL']))"]
    words = [sys.executable, "-c", PUT_TOGETHER, pattern(parts), *show]
    done = subprocess.run(words, env={**os.environ, **env}, capture_output=True, check=True)  # noqa: S603 - our own program
    assert json.loads(done.stdout) == filled(pattern(parts), {name.lower(): value for name, value in NASTY.items()})

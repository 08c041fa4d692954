from typing import Any

import pytest

from tests.support.resources import pool, resource
from utilitarian_operator.api.effective import Fleet, effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.objects.manifests import deployment
from utilitarian_operator.core.objects.pre_stop_hook import CA_VARIABLE, EXCHANGE_VARIABLE, SCRIPT

OWNER = Owner("ns", "fleet", "uid")


def fleet(spec: str) -> Fleet:
    return effective_fleet(parse(resource(spec)).spec)


def made(spec: str) -> dict[str, Any]:
    asked = fleet(spec)
    return deployment(OWNER, asked, asked.pools[0])


def container(spec: str) -> dict[str, Any]:
    found: dict[str, Any] = made(spec)["spec"]["template"]["spec"]["containers"][0]
    return found


@pytest.mark.parametrize(
    "execution,settling,never_begun", [("prefork", 0, 0), ("threads", 0, 180), ("gevent", 5, 180), ("solo", 0, 180)]
)
def test_the_hook_knows_its_times(execution: str, settling: int, never_begun: int) -> None:
    written = pool(f"drainTimeout: 90m, worker: {{execution: {execution}, concurrency: 1}}")
    *_, patience, silence, late, doubted, first = container(written)["lifecycle"]["preStop"]["exec"]["command"]
    assert (patience, silence, late, doubted) == ("5390", "30", str(settling), str(never_begun))
    assert first == ("30" if execution == "solo" else "10")


def test_the_hook_is_given_the_brokers_authority_and_no_pod_waits_for_it() -> None:
    ref = "{secretKeyRef: {name: tls, key: ca.crt}}"
    url = "urlFrom: {secretKeyRef: {name: env, key: URL}}"
    env = container(f"broker: {{{url}, tls: {{caFrom: {ref}}}}}")["env"]
    given = {variable["name"]: variable.get("valueFrom") for variable in env}
    assert given[CA_VARIABLE] == {"secretKeyRef": {"name": "tls", "key": "ca.crt", "optional": True}}
    assert f'os.environ.get("{CA_VARIABLE}")' in SCRIPT


def test_the_hook_knows_another_control_exchange_and_celerys_own_needs_no_word() -> None:
    url = "urlFrom: {secretKeyRef: {name: env, key: URL}}"
    said, untold = (container(f"broker: {{{url}{more}}}")["env"] for more in (", controlExchange: shop", ""))
    assert [it for it in said if it not in untold] == [{"name": EXCHANGE_VARIABLE, "value": "shop"}]
    assert f'os.environ.get("{EXCHANGE_VARIABLE}", "celery")' in SCRIPT
    assert container(f"broker: {{{url}, controlExchange: celery}}")["env"] == untold

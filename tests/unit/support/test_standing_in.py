"""The fleets of the examples as the test bed runs them: accepted, and with what is special about each kept."""

from pathlib import Path
from typing import Any

import pytest

from demo.bed import Bed
from tests.support.standing_in import WRAPPER, StandIn, fleets, standing_in
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.validation.resource_rules import accept
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.objects.manifests import deployment

BED = Bed("", "", "", "", "amqp://user:pass%2Fword@rabbitmq.svc:5672/e2e%2Ffleets", "utilitarian:dev")
FLEETS = {path.stem: path for path in fleets()}


def pods(name: str) -> dict[str, dict[str, Any]]:
    """The pod template's spec of each pool."""
    fleet = effective_fleet(accept(standing_in(FLEETS[name], BED).resource).spec)
    owner = Owner("ns", "fleet", "uid")
    return {it.name: deployment(owner, fleet, it)["spec"]["template"]["spec"] for it in fleet.pools}


def worker(pod: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(it for it in pod["containers"] if it["name"] == "worker")
    return found


@pytest.mark.parametrize("path", FLEETS.values(), ids=FLEETS)
def test_each_is_accepted_and_its_pods_name_nothing_that_is_not_there(path: Path) -> None:
    made: StandIn = standing_in(path, BED)
    there = {(it["kind"], it["metadata"]["name"]) for it in made.mounted}
    for pod in pods(path.stem).values():
        assert {it["image"].rpartition("/")[2] for it in [*pod["containers"], *pod.get("initContainers", [])]} == {
            BED.worker_image
        }
        volumes = {it["name"]: it for it in pod["volumes"]}
        assert {it["name"] for it in worker(pod)["volumeMounts"]} <= set(volumes)
        named = {("ConfigMap", it["configMap"]["name"]) for it in volumes.values() if "configMap" in it}
        named |= {("Secret", it["secret"]["secretName"]) for it in volumes.values() if "secret" in it}
        assert named <= there
        assert not {"nodeSelector", "tolerations", "runtimeClassName"} & set(pod)


def test_what_is_special_about_each_is_kept() -> None:
    alerting, dags, scanner = (
        pods("alerting-seven-queues"),
        pods("dag-engine-worker-sets"),
        pods("scanner-proxy-and-settings-file"),
    )
    notices, analysis = pods("notices-two-applications-gevent"), pods("analysis-solo-prefetch-128")
    shop, bank = pods("cache-broadcast-and-direct"), pods("bank-amqps-vault-database-scheduler")
    assert {*WRAPPER} <= {*worker(alerting["critical"])["command"]}
    assert worker(alerting["critical"])["command"][:2] == ["python3", "-c"]  # its URL is put together from parts
    assert [it["name"] for it in dags["gpu"]["initContainers"]] == ["wait-for-migrations", "git-sync"]
    assert dags["gpu"]["securityContext"]["runAsUser"] == 50000
    assert worker(dags["gpu"])["image"] != worker(dags["default"])["image"]
    assert worker(scanner["all"])["securityContext"]["readOnlyRootFilesystem"]
    assert "--pool=gevent" in worker(notices["push"])["command"]
    assert "another" in worker(notices["mailer"])["command"]
    assert {"--pool=solo", "--prefetch-multiplier=128"} <= {*worker(analysis["ingestion"])["command"]}
    assert "fanout" in worker(shop["everything"])["command"]
    assert bank["postings"]["hostAliases"]


def test_workers_behind_a_sidecar_have_the_broker_in_their_own_pod() -> None:
    made = standing_in(FLEETS["dag-engine-worker-sets"], BED)
    assert made.behind_sidecar
    assert made.environment["BROKER_LOCAL_URL"] == "amqp://user:pass%2Fword@127.0.0.1:5672/e2e%2Ffleets"
    assert (made.environment["BROKER_PASSWORD"], made.environment["BROKER_VHOST"]) == ("pass/word", "e2e/fleets")
    assert not standing_in(FLEETS["saas-apm-wrapper-and-events"], BED).behind_sidecar

"""What Argo CD and Flux make of a fleet: the health script in the Lua of Argo CD, and manifests that can be read."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from lupa.lua51 import LuaRuntime

from tests.golden.manifests import examples, objects
from tests.support.chart import CHART, render
from utilitarian_operator.api.resource import Mode

ROOT = Path(__file__).resolve().parents[3]
GITOPS = ROOT / "examples" / "gitops"
EXAMPLES = examples()
ACCEPTED = ("Stalled", "False", "Accepted")
SETTLED = ("Reconciling", "False", "RolledOut")
IDLE = ("Ready", "True", "Idle")


def health(status: dict[str, Any] | None, generation: int = 3) -> tuple[str, str]:
    """Status and message, as Argo CD gets them: it gives the script no library but Lua's safe ones."""
    lua = LuaRuntime(unpack_returned_tuples=True)
    lua.globals().obj = lua.table_from(
        {"metadata": {"generation": generation}} | ({} if status is None else {"status": status}), recursive=True
    )
    found = lua.execute((GITOPS / "argocd" / "health.lua").read_text())
    return found["status"], found["message"]


def seen(*conditions: tuple[str, str, str], generation: int = 3, mode: str = "Auto") -> dict[str, Any]:
    written = [{"type": kind, "status": status, "reason": why, "message": "words"} for kind, status, why in conditions]
    return {"observedGeneration": generation, "mode": mode, "conditions": written}


@pytest.mark.parametrize(
    "status,expected",
    [
        pytest.param(None, "Progressing", id="never seen"),
        pytest.param({}, "Progressing", id="an empty status"),
        pytest.param(seen(generation=2), "Progressing", id="an older version"),
        pytest.param(seen(IDLE, SETTLED, ACCEPTED, generation=2), "Progressing", id="healthy, in an older version"),
        pytest.param(seen(), "Progressing", id="no condition"),
        pytest.param(seen(IDLE, SETTLED, ACCEPTED), "Healthy", id="idle"),
        pytest.param(seen(IDLE, ("Reconciling", "True", "RollingOut"), ACCEPTED), "Progressing", id="rolling out"),
        pytest.param(seen(IDLE, SETTLED, ("Stalled", "True", "InvalidSpec")), "Degraded", id="stalled"),
        pytest.param(seen(("Ready", "False", "WorkersFailing"), SETTLED, ACCEPTED), "Degraded", id="not ready"),
        pytest.param(seen(IDLE, SETTLED, ACCEPTED, mode="Paused"), "Healthy", id="paused"),
        pytest.param(seen(IDLE, SETTLED, ACCEPTED, mode="Preview"), "Healthy", id="preview"),
        pytest.param(
            seen(("Ready", "False", "BrokerUnreachable"), SETTLED, ACCEPTED, mode="Paused"),
            "Degraded",
            id="paused and not ready",
        ),
        pytest.param(
            seen(IDLE, SETTLED, ("Stalled", "True", "NameTaken"), mode="Paused"), "Degraded", id="paused and stalled"
        ),
    ],
)
def test_argo_cd_shows_the_health(status: dict[str, Any] | None, expected: str) -> None:
    assert health(status)[0] == expected


def test_argo_cd_shows_the_operators_own_sentence() -> None:
    assert health(seen(IDLE, SETTLED, ("Stalled", "True", "InvalidSpec")))[1] == "InvalidSpec: words"
    assert health(seen(IDLE, SETTLED, ACCEPTED))[1] == "words"
    assert health(seen(IDLE, SETTLED, ACCEPTED, mode="Preview"))[1] == "mode Preview: words"


WAVES_WAIT_FOR = {"Progressing", "Suspended", "Missing", "Unknown"}
"""Argo CD's sync goes on after Healthy, and fails at Degraded; it waits while a resource is anything else."""


@pytest.mark.parametrize("mode", get_args(Mode))
def test_no_mode_keeps_a_sync_wave_waiting(mode: str) -> None:
    assert health(seen(IDLE, SETTLED, ACCEPTED, mode=mode))[0] not in WAVES_WAIT_FOR


def tracked(made: dict[str, Any], application: str) -> bool:
    """Whether Argo CD takes an object for one of an Application's: by the label, and only if nothing owns it."""
    metadata = made["metadata"]
    return metadata["labels"]["app.kubernetes.io/instance"] == application and not metadata.get("ownerReferences")


@pytest.mark.parametrize("example", EXAMPLES)
def test_argo_cd_prunes_nothing_of_a_fleet_that_is_called_like_its_application(example: str) -> None:
    resource = EXAMPLES[example]
    at_risk = [made for made in objects(resource) if tracked(made, resource["metadata"]["name"])]
    assert {made["kind"] for made in at_risk} <= {"PersistentVolumeClaim"}
    for made in at_risk:
        annotations = made["metadata"]["annotations"]
        assert annotations["argocd.argoproj.io/sync-options"].split(",") == ["Prune=false", "Delete=false"]
        assert annotations["argocd.argoproj.io/compare-options"] == "IgnoreExtraneous"


def test_the_operator_comes_from_a_registry_of_ones_own() -> None:
    """No public one has the image: a user who copies an example must see where to name theirs."""
    (argo, _) = yaml.safe_load_all((GITOPS / "argocd" / "application.yaml").read_text())
    (_, flux) = yaml.safe_load_all((GITOPS / "flux" / "operator.yaml").read_text())
    for values in (argo["spec"]["source"]["helm"]["valuesObject"], flux["spec"]["values"]):
        assert image_of(values).startswith("registry.example.com/")
    for page in (ROOT / "docs/install.md", CHART / "README.md"):
        for command in re.findall(r"^helm upgrade (?:.*\\\n)*.*$", page.read_text(), re.MULTILINE):
            assert "--set image.repository=registry.example.com/" in command


def image_of(values: dict[str, Any]) -> str:
    (deployment,) = [it for it in render(values) if it["kind"] == "Deployment"]
    image: str = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    return image


@pytest.mark.parametrize("path", sorted(GITOPS.rglob("*.yaml")), ids=lambda path: str(path.relative_to(GITOPS)))
def test_each_manifest_can_be_read_and_names_its_object(path: Path) -> None:
    documents = list(yaml.safe_load_all(path.read_text()))
    assert documents
    assert all(it["apiVersion"] and it["kind"] and it["metadata"]["name"] and it["spec"] for it in documents)

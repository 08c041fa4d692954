"""What Argo CD and Flux make of a fleet: the health script in the Lua of Argo CD, and manifests that can be read."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from lupa.lua51 import LuaRuntime

GITOPS = Path(__file__).resolve().parents[2] / "examples" / "gitops"
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
        pytest.param(seen(IDLE, SETTLED, ACCEPTED, mode="Paused"), "Suspended", id="paused"),
        pytest.param(seen(IDLE, SETTLED, ACCEPTED, mode="Preview"), "Suspended", id="preview"),
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


@pytest.mark.parametrize("path", sorted(GITOPS.rglob("*.yaml")), ids=lambda path: str(path.relative_to(GITOPS)))
def test_each_manifest_can_be_read_and_names_its_object(path: Path) -> None:
    documents = list(yaml.safe_load_all(path.read_text()))
    assert documents
    assert all(it["apiVersion"] and it["kind"] and it["metadata"]["name"] and it["spec"] for it in documents)

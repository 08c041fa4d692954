"""`report`: what is in the bundle, and that nothing secret is."""

import io
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_shell import NAMESPACE, FakeShell
from utilitarian_operator.cli import explain, resources, status
from utilitarian_operator.errors import ClusterError

WORD = "geheim"
URL = f"amqp://user:{WORD}@rabbit:5672/vhost"


@pytest.fixture
def fleet(shell: FakeShell) -> FakeShell:
    """A fleet, its objects, its events and its operator, with a password wherever one may stand."""
    labels = {"app.kubernetes.io/instance": "utilitarian"}
    container = {"name": "worker", "env": [{"name": "CELERY_BROKER_URL", "value": URL}], "args": ["-b", URL]}
    spec = {"containers": [container]}
    body = shell.fleet(env=[{"name": "PASSWORD", "value": WORD}], broker={"from": {"host": "r", "password": WORD}})
    applied = {"kubectl.kubernetes.io/last-applied-configuration": f'{{"password": "{WORD}"}}'}
    live = shell.cluster._objects["UtilitarianWorkerPool", NAMESPACE, "utilitarian"]
    live["metadata"]["annotations"] = applied
    message = f"{URL} does not answer"
    live["status"] = {**body["status"], "advice": [message]}
    for kind, name in (("Deployment", "utilitarian-cleanup"), ("Pod", "utilitarian-cleanup-7d-x")):
        metadata = {"name": name, "namespace": NAMESPACE, "labels": labels, "annotations": applied}
        shell.add(
            {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": {**spec, "template": {"spec": spec}}}
        )
    about = {"kind": "UtilitarianWorkerPool", "name": "utilitarian"}
    metadata = {"name": "e", "namespace": NAMESPACE}
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": metadata,
        "regarding": about,
        "note": message,
    }
    shell.add(event | {"eventTime": "2026-03-02T12:00:00Z", "reason": "BrokerUnreachable"})
    metadata = {"name": "op-1", "namespace": "op", "labels": {"app.kubernetes.io/name": "utilitarian-operator"}}
    shell.add({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "operator"}]}})
    shell.cluster.logs["op", "op-1", "operator", False] = f"started\nGET {URL}\ntoken={WORD}\nended"
    shell.add(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": NAMESPACE}, "data": {"a": WORD}}
    )
    return shell


def unpacked(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        found: dict[str, Any] = {it.name.partition("/")[2]: archive.extractfile(it) for it in archive.getmembers()}
        return {name: io.TextIOWrapper(it, encoding="utf-8").read() for name, it in found.items()}


def test_what_is_in_it_and_that_nothing_secret_is(fleet: FakeShell, tmp_path: Path) -> None:
    path = tmp_path / "r.tar.gz"
    done = fleet.run("report", "--file", path)
    assert (done.returncode, done.stderr) == (0, "")
    files = unpacked(path)
    assert set(files) == {
        "README.txt",
        "resource-utilitarian.yaml",
        "status.txt",
        "explain-utilitarian-amr-hourly.txt",
        "explain-utilitarian-cleanup.txt",
        "events.txt",
        "objects.yaml",
        "doctor.txt",
        "operator-op-1.log",
        "not-read.txt",
    }
    assert WORD not in "\n".join(files.values())
    assert files["not-read.txt"] == ""
    assert files["operator-op-1.log"].splitlines()[0::3] == ["started", "ended"]
    assert "BrokerUnreachable" in files["events.txt"]
    assert "name: utilitarian-cleanup-7d-x" in files["objects.yaml"]
    assert "max is 5, 9 workers would be needed" in files["explain-utilitarian-amr-hourly.txt"]
    assert "API server ok: v1.34.1" in files["doctor.txt"]
    assert path.stat().st_mode & 0o077 == 0


def test_no_secret_and_no_workers_log_is_read(fleet: FakeShell, tmp_path: Path) -> None:
    fleet.run("report", "--file", tmp_path / "r.tar.gz")
    asked = {(it.verb, it.kind) for it in fleet.cluster.requests if it.verb in {"read", "items", "log_end"}}
    assert {kind for _, kind in asked}.isdisjoint({"Secret", "secrets", "ConfigMap", "configmaps"})
    assert [it.name for it in fleet.cluster.requests if it.verb == "log_end"] == ["op-1"]


def test_what_can_not_be_read_is_one_of_the_files(fleet: FakeShell, tmp_path: Path) -> None:
    fleet.cluster.fails = lambda it: ClusterError(f"no: {URL}") if it.kind in {"pods", "events", "Pod"} else None
    assert fleet.run("report", "--file", tmp_path / "r.tar.gz").returncode == 0
    files = unpacked(tmp_path / "r.tar.gz")
    lines = files["not-read.txt"].splitlines()
    assert [line.partition(":")[0] for line in lines] == ["events", "pods", "pods of operators"]
    assert WORD not in files["not-read.txt"]


@pytest.mark.parametrize("place", ["there", "nowhere/r"], ids=["a file is there", "no folder"])
def test_a_file_that_can_not_be_written(fleet: FakeShell, tmp_path: Path, place: str) -> None:
    (tmp_path / "there").write_text("mine")
    done = fleet.run("report", "--file", f"{tmp_path}/{place}")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "there").read_text() == "mine"


def test_without_a_fleet_there_is_no_report(shell: FakeShell, tmp_path: Path) -> None:
    done = shell.run("report", "--file", tmp_path / "r")
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert done.stderr == "error: no UtilitarianWorkerPool in namespace metering: name another one by -n\n"


def test_a_terminal_changes_nothing_of_it(fleet: FakeShell, tmp_path: Path) -> None:
    """A sentence that is broken into lines would have a password on two of them."""
    found = []
    for columns in ("30", "200"):
        fleet.run("report", "--file", tmp_path / columns, env={"COLUMNS": columns})
        files = unpacked(tmp_path / columns)
        assert WORD not in files["status.txt"].replace("\n", "").replace(" ", "")
        found.append({name: re.sub(r"\d+ (s|min) ago|[\dT:-]+Z", "", text) for name, text in files.items()})
    assert found[0] == found[1]


def test_what_a_hook_was_started_with_is_not_in_an_event(fleet: FakeShell, tmp_path: Path) -> None:
    spec = fleet.cluster._objects["UtilitarianWorkerPool", NAMESPACE, "utilitarian"]["spec"]
    spec["env"] = [*spec["env"], {"name": "A", "value": "correct-horse"}]
    about = {"kind": "Pod", "name": "utilitarian-cleanup-7d-x"}
    metadata = {"name": "f", "namespace": NAMESPACE}
    event = {"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": metadata, "regarding": about}
    fleet.add(
        event | {"note": "Exec lifecycle hook ([sh -c login correct-horse]) failed", "reason": "FailedPreStopHook"}
    )
    fleet.cluster.logs["op", "op-1", "operator", False] = "refused: correct-horse"
    fleet.run("report", "--file", tmp_path / "r")
    files = unpacked(tmp_path / "r")
    assert "correct-horse" not in "\n".join(files.values())
    assert "FailedPreStopHook" in files["events.txt"]


def test_what_a_status_calls_a_pool_leads_out_of_no_folder(fleet: FakeShell, tmp_path: Path) -> None:
    live = fleet.cluster._objects["UtilitarianWorkerPool", NAMESPACE, "utilitarian"]
    live["spec"] = {**live["spec"], "mode": "Sometimes"}
    live["status"] = {**live["status"], "pools": [{"name": "../../etc/x", "message": "m"}]}
    fleet.run("report", "--file", tmp_path / "r")
    with tarfile.open(tmp_path / "r") as archive:
        assert {it.name.count("/") for it in archive.getmembers()} == {1}


def test_the_spec_of_a_large_fleet_is_read_once_and_not_for_each_pool(
    shell: FakeShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report on 1,000 pools took more than a minute."""
    shell.fleet(pools=[{"name": f"p{number}", "queues": [f"q{number}"]} for number in range(30)])
    read: list[str] = []

    def counted(resource: Any, before: Any = resources.fleet_of) -> Any:
        read.append(resource["metadata"]["name"])
        return before(resource)

    for module in (explain, resources, status):
        monkeypatch.setattr(module, "fleet_of", counted)
    file = tmp_path / "report"
    assert shell.run("report", "--file", file).returncode == 0
    with tarfile.open(file) as archive:
        assert sum("explain-" in name for name in archive.getnames()) == 30
    assert len(read) < 10

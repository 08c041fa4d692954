"""What is refused before anything is started, and in which words; needs no engine and no cluster."""

import socket
from pathlib import Path

import pytest

from hack import engine, packages, preflight
from hack.failure import Failure

GIGABYTE = preflight.GIGABYTE


@pytest.mark.parametrize(
    "context",
    ["kind-demo", "minikube", "minikube-two", "k3d-local", "docker-desktop", "team-test-3", "testing"],
)
def test_a_context_that_looks_like_a_test_cluster_is_taken(context: str) -> None:
    preflight.check_context(context, allowed=None)
    assert preflight.TEST_CONTEXT.search(context)


@pytest.mark.parametrize("context", ["production", "arn:aws:eks:eu-north-1:1:cluster/live", "my-kind-of-cluster"])
def test_another_context_is_refused_with_the_words_that_would_allow_it(context: str) -> None:
    with pytest.raises(Failure, match="does not look like a test cluster") as refused:
        preflight.check_context(context, allowed=None)
    assert f"ALLOW_CLUSTER={context}" in str(refused.value)


def test_a_context_named_on_purpose_is_taken_and_no_other_is() -> None:
    preflight.check_context("production", allowed="production")
    with pytest.raises(Failure):
        preflight.check_context("production-2", allowed="production")


def test_no_context_at_all_asks_for_a_kubeconfig() -> None:
    with pytest.raises(Failure, match="set KUBECONFIG"):
        preflight.check_context("", allowed=None)


def test_a_full_disk_is_told_in_gigabytes_with_a_way_out() -> None:
    text = preflight.too_little_room(Path("/cache"), free=int(2.5 * GIGABYTE), needed=8 * GIGABYTE)
    assert text == (
        "/cache has 2.5 GB free and the test bed needs 8 GB; free some, or set XDG_CACHE_HOME to a larger disk"
    )


def test_a_disk_with_less_room_than_asked_is_refused(tmp_path: Path) -> None:
    preflight.check_room(tmp_path, needed=1)
    with pytest.raises(Failure, match="GB free"):
        preflight.check_room(tmp_path, needed=2**62)


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Failure, match=f"port {port} on 127.0.0.1 is in use"):
            preflight.check_ports([port])
    preflight.check_ports([port])


def test_only_root_may_start_an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(Failure, match="only root can do; run this as root, or start a Docker engine"):
        preflight.check_root("a private engine must be started")


def test_missing_packages_are_named_where_they_can_not_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(Failure, match=r"these packages are missing: jq, runc; install them"):
        packages.install(["jq", "runc"])


def test_what_is_on_the_machine_is_not_missing() -> None:
    needs = {"sh": "dash", "/etc/passwd": "base-passwd", "no-such-program": "b", "/no/such/file": "a"}
    assert packages.missing(needs) == ["a", "b"]


def test_an_engine_is_only_started_when_none_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    there = engine.Engine("unix:///run/docker.sock", private=False)
    monkeypatch.setattr(engine, "running", lambda: there)
    assert engine.find_or_start() is there

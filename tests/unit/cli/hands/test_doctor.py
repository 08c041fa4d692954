"""`doctor`: each thing that can be wrong is found, with its remedy, and nothing else is called wrong."""

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.support.fake_shell import NAMESPACE, FakeShell
from utilitarian_operator import __version__
from utilitarian_operator.adapters.cluster.no_right import NoRight
from utilitarian_operator.errors import ClusterError, Gone

GOOD = [{"type": "BrokerReachable", "status": "True", "reason": "Reachable", "message": "queues are seen"}]


def deployed(shell: FakeShell, version: str = __version__) -> None:
    """The operator's Deployment."""
    labels = {"app.kubernetes.io/name": "utilitarian-operator", "app.kubernetes.io/version": version}
    shell.add(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "o", "namespace": "op", "labels": labels}}
    )


@pytest.fixture
def well(shell: FakeShell) -> FakeShell:
    """A fleet with which all is well."""
    fleet = shell.fleet()
    status = {**fleet["status"], "conditions": GOOD}
    shell.cluster._objects["UtilitarianWorkerPool", NAMESPACE, "utilitarian"]["status"] = status
    shell.lease()
    deployed(shell)
    return shell


def wrong(shell: FakeShell) -> dict[str, str]:
    """What is wrong, each with its remedy."""
    checks = json.loads(shell.run("doctor", "-o", "json").stdout)["checks"]
    return {it["said"]: it["remedy"] for it in checks if it["state"] == "WRONG"}


def test_all_is_well(well: FakeShell) -> None:
    done = well.run("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert "WRONG" not in done.stdout
    assert "unknown" not in done.stdout
    assert done.stdout.splitlines()[1].split() == ["API", "server", "ok", "v1.34.1"]
    assert "broker, login and virtual host: the broker lets the operator in" in done.stdout
    assert "broker, statistics: the endpoint of broker.stats answers" in done.stdout
    assert "broker, the workers' own login: workers of amr-hourly consume" in done.stdout
    assert f"{__version__}, as the operator's" in done.stdout


def pod(shell: FakeShell, reason: str) -> None:
    waiting = {"name": "worker", "state": {"waiting": {"reason": reason}}}
    metadata = {"name": "p", "namespace": NAMESPACE, "labels": {"app.kubernetes.io/instance": "utilitarian"}}
    shell.add({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"containerStatuses": [waiting]}})


def status(shell: FakeShell, **more: Any) -> None:
    body = shell.cluster._objects["UtilitarianWorkerPool", NAMESPACE, "utilitarian"]
    body["status"] = {**body["status"], **more}


def clock_ahead(shell: FakeShell) -> None:
    """The cluster's clock is ahead of this machine's, and its operator works by that clock."""
    shell.cluster.clock_ahead = timedelta(minutes=10)
    shell.cluster._objects.pop(("Lease", NAMESPACE, "utilitarian-fleets"))
    shell.lease(-timedelta(minutes=10))


STALLED = {"type": "Stalled", "status": "True", "reason": "NameTaken", "message": "another has it"}


@pytest.mark.parametrize(
    "harm,said,remedy",
    [
        pytest.param(clock_ahead, "10 min apart", "NTP", id="clock"),
        pytest.param(
            lambda it: setattr(it.cluster, "forbidden", frozenset({("patch", "utilitarianworkerpools")})),
            "to patch utilitarianworkerpools is missing",
            "role edit in namespace metering",
            id="a right",
        ),
        pytest.param(
            lambda it: it.cluster._objects.pop(("Deployment", "op", "o")) and deployed(it, "0.0.1"),
            "the operator is 0.0.1",
            "operator's version",
            id="version",
        ),
        pytest.param(
            lambda it: it.cluster._objects.pop(("Lease", NAMESPACE, "utilitarian-fleets")),
            "operator NOT SEEN",
            "kubectl get pods -A -l",
            id="no operator",
        ),
        pytest.param(
            lambda it: status(it, conditions=[STALLED]),
            "Stalled=True, NameTaken: another",
            "docs/status.md",
            id="stalled",
        ),
        pytest.param(lambda it: status(it, advice=["pool a: two budgets"]), "two budgets", "what it says", id="advice"),
        pytest.param(lambda it: pod(it, "ImagePullBackOff"), "wait: ImagePullBackOff", "imagePullSecrets", id="image"),
        pytest.param(
            lambda it: it.cluster._objects["UtilitarianWorkerPool", NAMESPACE, "utilitarian"]["spec"].update(image="i"),
            "image i has no version",
            "name a version",
            id="no version",
        ),
    ],
)
def test_what_is_wrong_has_its_remedy(well: FakeShell, harm: Any, said: str, remedy: str) -> None:
    harm(well)
    ((found, cure),) = wrong(well).items()
    assert said in found
    assert remedy in cure
    done = well.run("doctor", env={"COLUMNS": "80"})
    assert done.returncode == 3
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing", "\x1b[2J"])
def test_a_container_that_is_only_starting_is_well(well: FakeShell, reason: str) -> None:
    pod(well, reason)
    assert wrong(well) == {}


@pytest.mark.parametrize("image", ["i@sha256:0", "registry:5000/i:1", "i:2026.11"])
def test_an_image_with_a_version_is_well(well: FakeShell, image: str) -> None:
    well.cluster._objects["UtilitarianWorkerPool", NAMESPACE, "utilitarian"]["spec"]["image"] = image
    assert wrong(well) == {}


def test_without_the_resource_or_the_right_to_see_it(shell: FakeShell) -> None:
    shell.cluster.fails = lambda it: Gone("HTTP 404") if it.kind == "utilitarianworkerpools" else None
    ((said, remedy),) = wrong(shell).items()
    assert said == "the API server does not know utilitarianworkerpools.utilitarian.io"
    assert remedy == "install it: utilitarian-operator crd | kubectl apply --server-side -f -"
    refused = NoRight("jo may not list it", "ask for the role view there")
    shell.cluster.fails = lambda it: refused if it.kind == "utilitarianworkerpools" else None
    assert wrong(shell) == {"jo may not list it": "ask for the role view there: our chart adds the resource to it"}
    shell.cluster.fails = lambda it: ClusterError("HTTP 500") if it.kind == "utilitarianworkerpools" else None
    assert wrong(shell) == {"HTTP 500": "see whether kubectl can list it"}


def test_what_can_not_be_seen_is_unknown_and_not_wrong(well: FakeShell) -> None:
    well.cluster.fails = lambda it: (
        ClusterError("no") if it.kind in {"deployments", "pods", "leases", "Lease"} else None
    )
    done = well.run("doctor")
    assert (done.returncode, done.stdout.count(" unknown ")) == (0, 3)


def test_a_namespace_without_a_fleet(shell: FakeShell) -> None:
    done = shell.run("doctor")
    assert done.returncode == 0
    assert "there are none in namespace metering; remedy: name another one by -n" in done.stdout
    shell.fleet()
    assert shell.run("doctor", "--fleet", "utilitariam").returncode == 2


def broker(shell: FakeShell, reason: str, message: str, state: str = "True") -> list[tuple[str, str, str]]:
    """What is said of the broker where its condition is so: what, state and remedy."""
    status(shell, conditions=[{"type": "BrokerReachable", "status": state, "reason": reason, "message": message}])
    checks = json.loads(shell.run("doctor", "-o", "json").stdout)["checks"]
    rows = [it for it in checks if it["said"].startswith("broker")]
    return [(it["said"].partition(":")[0].removeprefix("broker, "), it["state"], it["remedy"]) for it in rows]


@pytest.mark.parametrize(
    "reason,message,states,remedy",
    [
        pytest.param(*it[1:], id=it[0])
        for it in (
            (
                "password",
                "Unreachable",
                "the broker refuses user, password or virtual host of the URL",
                "WUUU",
                "Secret",
            ),
            ("no vhost", "Unreachable", "the broker lacks the URL's virtual host; make it", "WUUU", "add_vhost"),
            ("not its vhost", "Unreachable", "the broker refuses the user its virtual host", "WUUU", "set_permissions"),
            ("certificate", "Unreachable", "the certificate of the broker is not trusted", "WUUU", "caFrom"),
            ("TLS", "Unreachable", "the broker speaks no TLS there", "WUUU", "port of the URL"),
            ("away", "Unreachable", "no answer from the broker: timed out", "WUUU", "check_running"),
            ("read", "QueueUntold", "the broker refuses the right `read` on a queue", "OWUU", "let the user read them"),
            (
                "mailbox",
                "WorkersUnasked",
                "the broker refuses the right `configure` on a queue",
                "OOWU",
                "celery.pidbox",
            ),
            (
                "alarm",
                "WorkersUnasked",
                "the broker takes no messages (a memory or disk alarm)",
                "OOWU",
                "check_alarms",
            ),
            (
                "tag",
                "DepthOnly",
                "http://r:15672 refuses the login, or its user lacks the tag",
                "OOOW",
                "set_user_tags",
            ),
            ("no endpoint", "DepthOnly", "queues are seen over AMQP (no broker.stats)", "OOOO", ""),
            ("all", "Reachable", "queues and statistics are seen", "OOOO", ""),
        )
    ],
)
def test_the_rights_on_the_broker(well: FakeShell, reason: str, message: str, states: str, remedy: str) -> None:
    rows = broker(well, reason, message, "False" if reason == "Unreachable" else "True")
    assert [state[0].upper() for _, state, _ in rows[:4]] == list(states)
    assert [what for what, _, _ in rows[:4]][1:4:2] == ["read on the queues", "statistics"]
    found = "".join(it for _, _, it in rows)
    assert remedy in found
    assert bool(found) == bool(remedy)
    assert well.run("doctor").returncode == (3 if "W" in states else 0)


@pytest.mark.parametrize(
    "reason,state", [("Unknown", "Unknown"), ("OfALaterVersion", "True")], ids=["unknown", "a later version"]
)
def test_a_broker_of_which_nothing_is_said_that_is_understood(well: FakeShell, reason: str, state: str) -> None:
    (row,) = broker(well, reason, "m", state)
    assert row[1] == "unknown"


def test_what_an_operator_said_that_is_gone_is_well_no_more(well: FakeShell) -> None:
    well.cluster._objects.pop(("Lease", NAMESPACE, "utilitarian-fleets"))
    assert {state for _, state, _ in broker(well, "Reachable", "seen")} == {"unknown"}

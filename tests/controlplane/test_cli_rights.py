"""What a person with fewer rights, or with a login that is valid no longer, is told by each command."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.chart import render
from tests.support.command import PROGRAM, installed_program, operator_command
from tests.support.controlplane import ControlPlane
from tests.support.fleet import Fleet
from tests.support.logins import Logins
from tests.support.shell import POOLS
from tests.support.waiting import wait_until
from utilitarian_operator.adapters.cluster.no_right import NOT_ITS_CERTIFICATE
from utilitarian_operator.api.names import FLEETS_LEASE

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "minimal.yaml"
SOON = timedelta(seconds=30)
RUN = {"name": "yearly-run", "start": "0 0 1 1 *", "workers": 2, "finishWithin": "24h"}
LOOKS = {
    "status": ["status"],
    "top": ["top", "--once"],
    "explain": ["explain", "work"],
    "events": ["events"],
    "report": ["report", "--file", "{folder}/report.tar.gz"],
    "doctor": ["doctor", "-o", "json"],
}
CHANGES = {
    "scale": ["scale", "work", "1"],
    "scale as a dry run": ["scale", "work", "1", "--dry-run"],
    "scale auto": ["scale", "other", "auto"],
    "drain": ["drain", "work"],
    "pause": ["pause"],
    "pause for a while": ["pause", "--for", "1h"],
    "resume": ["resume"],
    "run-now": ["run-now", "work"],
}
PLAN = {"plan": ["plan", "-f", str(EXAMPLE)]}
WATCHES = {"status -w": ["status", "-w"], "explain -w": ["explain", "work", "-w"], "top": ["top"]}


@pytest.fixture
def fleet(controlplane: ControlPlane, namespace: str) -> Fleet:
    """A fleet that has a pause and a number by hand, and an operator that is at work."""
    made = Fleet(controlplane, namespace)
    first, second = POOLS
    made.create(None, pools=[{**first, "schedule": [RUN]}, second])
    until = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    made.annotate({"utilitarian.io/paused": f"until {until}", "utilitarian.io/override.other": f"1 until {until}"})
    renewed = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    spec = {"holderIdentity": "operator-1", "leaseDurationSeconds": 3600, "renewTime": renewed}
    lease = {"metadata": {"name": FLEETS_LEASE}, "spec": spec}
    controlplane.request("POST", f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases", lease)
    return made


@pytest.fixture
def roles(controlplane: ControlPlane) -> Iterator[None]:
    """The roles of people as our chart adds to them."""
    roles = [it for it in render() if "aggregate-to-" in json.dumps(it["metadata"].get("labels") or {})]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": roles})
    controlplane.kubectl("apply", "-f", "-", stdin=text)
    yield
    controlplane.kubectl("delete", "-f", "-", stdin=text)


@pytest.fixture
def logins(fleet: Fleet, tmp_path: Path) -> Logins:
    return Logins(fleet.controlplane, fleet.namespace, tmp_path)


def answers(fleet: Fleet, login: Path, commands: dict[str, list[str]]) -> dict[str, tuple[int, str, str]]:
    """Exit code, answer and complaint of each command."""

    def answer(words: list[str]) -> tuple[int, str, str]:
        given = [it.format(folder=login.parent) for it in words]
        done = operator_command(*given, "-n", fleet.namespace, env={"KUBECONFIG": str(login)})
        return done.returncode, done.stdout, done.stderr

    return {name: answer(words) for name, words in commands.items()}


@pytest.mark.usefixtures("roles")
def test_who_may_only_look_sees_all_and_is_told_what_the_rest_needs(fleet: Fleet, logins: Logins) -> None:
    viewer, who = logins.with_role("view"), f"system:serviceaccount:{fleet.namespace}:view"
    wait_until(
        lambda: answers(fleet, viewer, {"it": ["events"]})["it"][0] == 0, within=SOON
    )  # the controller adds our role to `view` a moment later
    seen = answers(fleet, viewer, LOOKS)
    assert {name: code for name, (code, _, _) in seen.items()} == dict.fromkeys(LOOKS, 0) | {"doctor": 3}
    assert seen["status"][1].splitlines()[1].startswith("operator seen ")
    wrong = [it for it in json.loads(seen["doctor"][1])["checks"] if it["what"] == "right" and it["state"] != "ok"]
    assert [it["said"] for it in wrong] == ["to patch utilitarianworkerpools is missing"]
    lacks = f"{who} may not patch utilitarianworkerpools in namespace {fleet.namespace}"
    remedy = "ask for the role edit there, or for this right alone"
    refused = (1, "", f"error: {lacks}: {remedy}\n")
    assert answers(fleet, viewer, CHANGES) == dict.fromkeys(CHANGES, refused)
    ((code, answer, said),) = answers(fleet, viewer, PLAN).values()
    assert (code, answer, len(said.splitlines())) == (1, "", 1)
    assert said.startswith(f"error: a dry run needs the rights of a write: {who} may not patch deployments in ")
    everywhere = operator_command("status", "-A", env={"KUBECONFIG": str(viewer)})
    assert everywhere.stderr.startswith(f"error: {who} may not list utilitarianworkerpools in all namespaces: ask for")
    assert everywhere.stderr.endswith("; -n NAMESPACE looks in one\n")


@pytest.mark.usefixtures("roles")
def test_who_may_edit_a_namespace_may_do_all_of_it(fleet: Fleet, logins: Logins) -> None:
    editor = logins.with_role("edit")
    wait_until(lambda: answers(fleet, editor, {"it": ["pause", "--for", "1h"]})["it"][0] == 0, within=SOON)
    done = answers(fleet, editor, {**CHANGES, **PLAN, **LOOKS})
    assert {name: it for name, it in done.items() if it[0] and name != "doctor"} == {}
    checks = json.loads(done["doctor"][1])["checks"]
    assert [it["said"] for it in checks if it["what"] == "right" and it["state"] != "ok"] == []


@pytest.mark.parametrize(
    "login,said",
    [
        ("expired_token", "the API server refuses the login of this kubeconfig (HTTP 401): it has expired or"),
        ("expired_certificate", "the API server refuses the login of this kubeconfig (HTTP 401): it has expired or"),
        ("certificate", "jo may not list utilitarianworkerpools in namespace "),
        ("without", "this kubeconfig has no login, and without one nothing can be read: log in as for kubectl, or"),
    ],
)
def test_who_is_not_let_in_is_told_why_and_what_to_do(fleet: Fleet, logins: Logins, login: str, said: str) -> None:
    by: Path = getattr(logins, login)()
    commands = {**LOOKS, **CHANGES, **PLAN, **WATCHES}
    commands |= {"doctor": ["doctor"]} if login.startswith("expired") else {}
    found = answers(fleet, by, commands)
    if not login.startswith("expired"):
        code, answer, _ = found.pop("doctor")
        checks = {it["what"]: it for it in json.loads(answer)["checks"]}
        assert code == 3
        assert (checks["resource"]["said"] + ": " + checks["resource"]["remedy"]).startswith(said.partition(": ")[0])
    for name, (code, answer, complaint) in found.items():
        assert (code, answer, len(complaint.splitlines())) == (1, "", 1), (name, answer, complaint)
        if not (name == "plan" and login == "certificate"):
            assert complaint.startswith(f"error: {said}"), name


def test_a_server_that_the_kubeconfig_does_not_trust(fleet: Fleet, logins: Logins) -> None:
    commands = {"status": ["status"], "doctor": ["doctor"], "pause": ["pause"]}
    for name, (code, answer, said) in answers(fleet, logins.elsewhere(), commands).items():
        assert (code, answer, len(said.splitlines())) == (1, "", 1), name
        assert said.startswith("error: GET ")
        assert said.endswith(f": {NOT_ITS_CERTIFICATE}\n")


def test_a_plugin_of_kubectl_says_the_same(fleet: Fleet, logins: Logins) -> None:
    def kubectl(login: Path, *words: str) -> tuple[int, str, str]:
        env = {"KUBECONFIG": str(login), "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}
        program = fleet.controlplane.tools / "kubectl"
        done = installed_program(program, "utilitarian", *words, "-n", fleet.namespace, env=env)
        return done.returncode, done.stdout, done.stderr

    expired = kubectl(logins.expired_token(), "status")
    assert expired[:2] == (1, "")
    assert expired[2].startswith("error: the API server refuses the login of this kubeconfig (HTTP 401): ")
    code, answer, said = kubectl(logins.certificate(), "pause", "--for", "1h")
    assert (code, answer) == (1, "")
    assert said.startswith("error: jo may not list utilitarianworkerpools in namespace ")
    assert len(said.splitlines()) == len(expired[2].splitlines()) == 1

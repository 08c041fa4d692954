"""A command reaches the cluster that was asked for, or says in one sentence that there is none."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.command import operator_command
from utilitarian_operator.cli import connection
from utilitarian_operator.cli.connection import Target
from utilitarian_operator.errors import ClusterError

ROOT = Path(__file__).resolve().parents[3]
PRODUCTION = ROOT / "examples" / "production.yaml"


@pytest.mark.parametrize(
    "options,env",
    [
        (["--live"], {}),
        (["--kubeconfig", "/nonexistent/config"], {}),
        ([], {"KUBECONFIG": "/nonexistent/config"}),
        ([], {"KUBECONFIG": __file__}),
        (["--context", "elsewhere"], {}),
    ],
    ids=["live", "kubeconfig", "variable", "no-kubeconfig", "context"],
)
def test_without_the_cluster_that_was_asked_for_it_fails_in_one_sentence(
    options: list[str], env: dict[str, str]
) -> None:
    done = operator_command("plan", "-f", PRODUCTION, *options, env=env)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: no cluster: ")
    assert len(done.stderr.splitlines()) == 1


def test_offline_needs_no_cluster_even_where_one_is_configured() -> None:
    done = operator_command("plan", "-f", PRODUCTION, "--offline", env={"KUBECONFIG": "/nonexistent/config"})
    assert done.returncode == 0, done.stderr


HEAD = 'apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]\n'
AT = "contexts: [{name: a, context: {cluster: c, user: u}}]\ncurrent-context: a\n"
USABLE = f"{HEAD}users: [{{name: u, user: {{token: geheim}}}}]\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a\n",
        "geheim\n",
        b"\xff\xfe\x00",
        f'{HEAD}users: [{{name: u, user: {{client-certificate-data: "aGVs", client-key-data: "aGVs"}}}}]\n{AT}',
        f"{HEAD}users: [{{name: u, user: {{auth-provider: {{name: oidc, config: {{id-token: geheim}}}}}}}}]\n{AT}",
        USABLE + AT.replace("user: u", "user: u, namespace: ../x"),
        f"{USABLE}contexts: [{{name: a, context: null}}]\ncurrent-context: a\n",
    ],
    ids=["nothing", "a list", "a text", "no text", "no certificate", "no token", "no namespace", "no context"],
)
def test_whatever_stands_in_a_kubeconfig_is_said_in_one_sentence(tmp_path: Path, text: str | bytes) -> None:
    (tmp_path / "config").write_bytes(text if isinstance(text, bytes) else text.encode())
    done = operator_command("status", "--kubeconfig", tmp_path / "config")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: no cluster: ")
    assert len(done.stderr.splitlines()) == 1
    assert "geheim" not in done.stderr
    assert "NoneType" not in done.stderr


def test_a_context_that_is_named_needs_no_current_one(tmp_path: Path) -> None:
    context = "contexts: [{name: a, context: {cluster: c, user: u, namespace: mine}}]\n"
    (tmp_path / "config").write_text(f"{USABLE}{context}")
    done = operator_command("status", "--kubeconfig", tmp_path / "config", "--context", "a")
    assert done.stderr.startswith("error: GET apis/utilitarian.io/v1alpha1/namespaces/mine/")


def test_a_kubeconfig_that_lies_too_deep_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[" * 100_000)
    done = operator_command("status", "--kubeconfig", tmp_path / "config")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: what was read lies too deep: it has hundreds of parts within each other\n"


async def test_a_look_that_failed_is_followed_by_one_with_a_login_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token may be over; and a program that gives tokens is not called for each look."""
    happened: list[str] = []

    @contextlib.asynccontextmanager
    async def connected(_: Target) -> AsyncIterator[str]:
        happened.append("login")
        yield "there"
        happened.append("end")

    async def well(_: object) -> None:
        happened.append("look")

    async def fails(_: object) -> None:
        raise ClusterError("HTTP 401")

    monkeypatch.setattr(connection, "connected", connected)
    async with connection.for_long(Target()) as asked:
        await asked(well)
        await asked(well)
        for _ in range(2):
            with pytest.raises(ClusterError):
                await asked(fails)
        await asked(well)
    assert happened == ["login", "look", "look", "end", "login", "end", "login", "look", "end"]


PLUGIN = "{exec: {apiVersion: client.authentication.k8s.io/v1, command: COMMAND, args: [-c, SCRIPT]}}"


@pytest.mark.parametrize(
    "command,script,said",
    [
        pytest.param(
            "sh",
            "'echo SSO session expired >&2; echo run: aws sso login >&2; exit 7'",
            "it ended with 7: SSO session expired run: aws sso login; log in again as for kubectl, or choose another",
            id="it fails",
        ),
        pytest.param("sh", "exit 1", "it ended with 1; log in again as for kubectl", id="in silence"),
        pytest.param("sh", "'exec >&2; yes a | head -c 9999; exit 1'", "it ended with 1: a a a a ", id="at length"),
        pytest.param("sh", "echo no", "failed to decode process output: ", id="no answer"),
        pytest.param("no-such", "x", "[Errno 2] No such file or directory: 'no-such'; log in", id="it is not there"),
    ],
)
def test_a_program_that_logs_in_and_can_not_is_no_fault_of_the_kubeconfig(
    tmp_path: Path, command: str, script: str, said: str
) -> None:
    """The login of a cloud, once it is over: the library says so in its log alone, and goes on without a login."""
    user = PLUGIN.replace("COMMAND", command).replace("SCRIPT", script)
    (tmp_path / "config").write_text(f"{HEAD}users: [{{name: u, user: {user}}}]\n{AT}")
    done = operator_command("status", "--kubeconfig", tmp_path / "config")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert done.stderr.startswith(f"error: no login: the program that the kubeconfig names for it failed: {said}")
    assert len(done.stderr) < 700
    assert "KUBECONFIG" not in done.stderr

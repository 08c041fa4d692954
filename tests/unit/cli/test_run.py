"""`run` says in one sentence why it can't: each test that gets as far as the operator runs the installed program."""

from pathlib import Path

import pytest
import typer

from tests.support.command import PROGRAM, installed_program, operator_command
from utilitarian_operator.cli.run import _admission, _memory, _tick, _where
from utilitarian_operator.errors import ClusterError
from utilitarian_operator.host.settings import Admission, Settings
from utilitarian_operator.host.wiring import _login


@pytest.mark.thorough
@pytest.mark.parametrize(
    "env,said",
    [
        pytest.param({"UTILITARIAN_OPERATOR_TICK": "soon"}, "error: --tick: 'soon' is no duration", id="variable"),
        pytest.param({"UTILITARIAN_OPERATOR_PRICE": "cheap"}, "error: --price cheap: write what", id="price"),
        pytest.param({"KUBECONFIG": __file__}, "error: no cluster: ", id="kubeconfig-is-none"),
    ],
)
def test_run_says_in_one_sentence_why_it_cannot(env: dict[str, str], said: str) -> None:
    done = installed_program(PROGRAM, "run", "--metrics-port", "0", "--health-port", "0", env=env)
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1].startswith(said), done.stderr
    assert "Traceback" not in done.stderr


async def test_without_a_kubeconfig_there_is_no_cluster(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"no cluster: .*set KUBECONFIG to a kubeconfig file, or run it in a pod"):
        await _login(Settings(kubeconfig=tmp_path / "kubeconfig"))


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_run_refuses_a_port_that_is_none(port: str) -> None:
    done = operator_command("run", "--metrics-port", port)
    assert done.returncode == 2
    assert "--metrics-port" in done.stderr


@pytest.mark.parametrize(
    "text,said",
    [
        ("5", "'5' is no duration: write it like 500ms"),
        ("99ms", "99ms is too short: use 100ms or more"),
        ("0s", "0s is too short: use 100ms or more"),
        ("5m", "5m is too long: use 30s or less"),
    ],
)
def test_a_tick_is_a_duration_that_a_look_fits_into(text: str, said: str) -> None:
    with pytest.raises(typer.BadParameter, match=said):
        _tick(text)


@pytest.mark.parametrize(
    "selector",
    [
        "a=b",
        "a==b",
        "a!=b",
        "!utilitarian.io/shard",
        "a",
        "a=",
        "a=b,!c, d in (e, f),g notin (h)",
        "x.y/A_b-c=1.2",
        "a in ()",
        f"{'x' * 253}/{'a' * 63}={'b' * 63}",
    ],
)
def test_namespaces_are_chosen_by_a_selector_of_labels(selector: str) -> None:
    assert _where(None, selector, "system") == {
        "namespaces": (),
        "namespace_selector": selector,
        "lease_namespace": "system",
    }


@pytest.mark.parametrize(
    "namespaces,selector,lease,said",
    [
        pytest.param(None, "a;b", "system", "a;b is no selector of labels: write it like", id="not-a-selector"),
        pytest.param(None, "a=b,", "system", "is no selector", id="nothing-after-a-comma"),
        pytest.param(None, "a in b", "system", "is no selector", id="no-brackets"),
        pytest.param(None, " ", "system", "is no selector", id="blank"),
        pytest.param(
            None, "a =\N{NO-BREAK SPACE}b", "system", "is no selector", id="a space that is none to Kubernetes"
        ),
        pytest.param(None, f"a={'b' * 64}", "system", "is no selector", id="a value that no label can have"),
        pytest.param(None, f"x.y/{'a' * 64}", "system", "is no selector", id="a name that no label can have"),
        pytest.param(None, f"{'x' * 254}/a", "system", "is no selector", id="a prefix that no label can have"),
        pytest.param(None, "a=b=c", "system", "is no selector", id="two values"),
        pytest.param(None, f"{'a' * 4000};", "system", "is no selector", id="4 kB"),
        pytest.param(["metering"], "a=b", "system", "--namespace names the namespaces already", id="both"),
        pytest.param(None, "a=b", None, "agree by Leases: give --lease-namespace too", id="no-lease"),
    ],
)
def test_a_selector_that_can_not_be_is_refused(
    namespaces: list[str] | None, selector: str, lease: str | None, said: str
) -> None:
    with pytest.raises(typer.BadParameter, match=said):
        _where(namespaces, selector, lease)


def test_without_a_selector_all_namespaces_are_worked_in() -> None:
    assert _where(None, "", None) == {"namespaces": (), "namespace_selector": None, "lease_namespace": None}


@pytest.mark.parametrize("text", ["0", "1", "0.5", "512m", "127Mi"])
def test_memory_that_the_process_itself_would_fill_is_refused(text: str) -> None:
    """Of 512m, half a byte, every namespace was left alone; 0 counted as no bound."""
    with pytest.raises(typer.BadParameter, match=f"--memory: {text} is less than the process itself takes.*use 128Mi"):
        _memory(text)


@pytest.mark.parametrize("text,bytes_", [("", None), ("128Mi", 2**27), ("536870912", 2**29), ("1Gi", 2**30)])
def test_memory_that_is_enough_is_a_bound(text: str, bytes_: int | None) -> None:
    assert _memory(text) == bytes_


def test_the_webhook_needs_a_secret_and_makes_a_certificate_only_for_a_name() -> None:
    assert _admission(None, [], None, 9443) is None
    found = _admission("ns/tls", ["webhook.ns.svc"], "configuration", 9443)
    assert found == Admission("ns", "tls", ("webhook.ns.svc",), "configuration", 9443)
    with pytest.raises(typer.BadParameter, match="tls is no Secret: write NAMESPACE/NAME"):
        _admission("tls", [], None, 9443)
    with pytest.raises(typer.BadParameter, match="give --admission-name too"):
        _admission("ns/tls", [], "configuration", 9443)

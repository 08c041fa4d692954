"""A command reaches the cluster that was asked for, or says in one sentence that there is none."""

from pathlib import Path

import pytest

from tests.support.command import operator_command

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

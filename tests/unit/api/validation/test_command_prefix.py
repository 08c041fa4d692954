"""What may stand before celery, and which wrappers are warned of."""

import pytest

from utilitarian_operator.api.validation.command_prefix import check_command_prefix, prefix_warnings

PATH = "spec.defaults.worker.commandPrefix"
SHELL = ["sh", "-c"]


@pytest.mark.parametrize(
    "prefix",
    [
        [],
        ["newrelic-admin", "run-program"],
        ["poetry", "run"],
        ["opentelemetry-instrument"],
        ["python", "-m"],
        ["dumb-init", "-c", "--"],
        ["tini", "--"],
        ["/bin/bash", "-euc", 'source /vault/secrets/env; exec "$@"', "bash"],
        ["/entrypoint.sh"],
        [*SHELL, 'exec "$@" 2>&1', "sh"],
        [*SHELL, 'exec "$@" &> /proc/1/fd/1 || exit 1', "sh"],
        [*SHELL, 'wait-for db & exec "$@"; exit 1', "sh"],
        ["bash", "--login", "-c", 'exec "$@"', "bash"],
    ],
    ids=" ".join,
)
def test_what_is_right(prefix: list[str]) -> None:
    assert [*check_command_prefix(PATH, prefix), *prefix_warnings(PATH, prefix)] == []


@pytest.mark.parametrize(
    "prefix,says",
    [
        (["poetry", "run", "celery"], "leave celery out"),
        (["/venv/bin/celery"], "leave celery out"),
        ([*SHELL, ". /env", "sh"], 'is given celery\'s words as "$@"'),
        (["bash", "--login", "-c", ". /env", "bash"], 'is given celery\'s words as "$@"'),
        ([*SHELL, 'exec "$@"'], "add one more word, such as sh"),
    ],
    ids=" ".join,
)
def test_what_would_not_start(prefix: list[str], says: str) -> None:
    (problem,) = check_command_prefix(PATH, prefix)
    assert (problem.path, problem.value) == (PATH, "")
    assert says in problem.remedy


@pytest.mark.parametrize(
    "prefix,says",
    [
        ([*SHELL, './exporter & "$@"', "sh"], "does not pass SIGTERM on"),
        ([*SHELL, 'exec "$@" | tee /log', "sh"], "in a pipe"),
        ([*SHELL, 'exec "$@" 2>&1 | tee /log', "sh"], "in a pipe"),
        ([*SHELL, 'exec "$@" & wait', "sh"], "behind a &"),
        (["bash", "-l", "-c", '"$@"', "bash"], "does not pass SIGTERM on"),
        (["dumb-init", "--"], "dumb-init: it passes SIGTERM on to all processes"),
        (["/usr/bin/tini", "-g", "--"], "leave -g out"),
        (["/usr/bin/timeout", "1h"], "ends the worker when its time is over"),
        (["watchmedo", "auto-restart", "-R", "--"], "when a file changes"),
        (["su", "app", "-c"], "runs the one word celery"),
    ],
    ids=" ".join,
)
def test_what_ends_otherwise(prefix: list[str], says: str) -> None:
    assert list(check_command_prefix(PATH, prefix)) == []
    (warning,) = prefix_warnings(PATH, prefix)
    assert says in warning.remedy

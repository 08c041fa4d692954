"""Every option of a worker was thought of, and what passes breaks no promise when Celery reads it."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
from celery.app.defaults import DEFAULTS
from celery.bin.worker import worker
from celery.loaders.base import BaseLoader
from hypothesis import given
from hypothesis import strategies as st

from tests.support.celery_versions import VERSIONS, interpreter
from utilitarian_operator.api import cel_rules as rules
from utilitarian_operator.api.validation.worker_arguments import REFUSED, SETTINGS, check_worker_arguments

ALLOWED = {
    *("-l", "--loglevel", "-f", "--logfile", "--umask"),
    *("-O", "--optimization", "--disable-prefetch", "--heartbeat-interval", "--pool-start-method"),
    *("-E", "--task-events", "--events", "-I", "--include", "--time-limit", "--soft-time-limit"),
}
"""Options with which a worker does what is promised of it."""

PATH = "spec.pools[0].worker.extraArgs"
OPTIONS = "import json; from celery.bin.worker import worker; print(json.dumps([it.opts for it in worker.params]))"


@pytest.mark.parametrize(
    "python",
    [
        pytest.param(None, id="installed"),
        *(pytest.param(version, id=version, marks=pytest.mark.soak) for version in VERSIONS),
    ],
)
def test_every_option_of_a_worker_is_refused_or_allowed_on_purpose(python: str | None) -> None:
    if python is None:
        options = [it.opts for it in worker.params]
    else:
        command: list[str | Path] = [interpreter(python), "-c", OPTIONS]
        options = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)  # noqa: S603 - our own
    names = {name for it in options for name in it if name.startswith("-")}
    assert names - REFUSED.keys() - ALLOWED == set()
    assert REFUSED.keys() & ALLOWED == set()


def test_the_settings_are_celerys_own() -> None:
    assert SETTINGS.keys() - DEFAULTS.keys() == set()


def passes(words: list[str]) -> bool:
    return not list(check_worker_arguments(PATH, words))


def by_the_api_server(words: list[str]) -> bool:
    patterns = [re.search(r"matches\('(.*)'\)", rule.cel) for rule in rules.WORKER_ARGUMENTS]
    return not any(it and re.search(it[1].replace("\\\\", "\\"), word) for it in patterns for word in words)


def made_of(words: list[str]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The options and settings that a worker has by these words; None where it does not start."""
    parser = click.Command("worker", params=[it for it in worker.params if isinstance(it, click.Option)])
    try:
        options, rest, _ = parser.make_parser(click.Context(parser)).parse_args(list(words))
        return options, BaseLoader(app=None).cmdline_config_parser(rest, namespace="worker")
    except (click.UsageError, ValueError, KeyError):
        return None


BREAKS = {
    *(
        "beat",
        "autoscale",
        "purge",
        "detach",
        "statedb",
        "pidfile",
        "uid",
        "gid",
        "queues",
        "exclude_queues",
        "hostname",
    ),
    *(
        "concurrency",
        "pool",
        "prefetch_multiplier",
        "max_tasks_per_child",
        "max_memory_per_child",
        "schedule",
        "scheduler",
    ),
}

WORDS = st.one_of(
    st.sampled_from(
        ["-B", "-E", "-BE", "-EB", "-EBc4", "-c4", "-Q", "q", "-Qq", "-lINFO", "-l", "INFO", "-D", "-ED", "-S", "x"]
    ),
    st.sampled_from(
        ["--beat", "--autoscale", "10,3", "--autoscale=10,3", "--purge", "--discard", "--pool", "solo", "--pool=solo"]
    ),
    st.sampled_from(
        ["--time-limit", "--time-limit=9", "--statedb=/tmp/s", "--pidfile", "-n", "a", "-EXq", "-Ofair", "--", "-Ia.b"]
    ),
    st.sampled_from(
        ["worker.enable_remote_control=false", "worker_enable_remote_control=0", ".pool=solo", "_concurrency=9"]
    ),
    st.sampled_from(
        ["WORKER.Prefetch_Multiplier=9", "broker.heartbeat=2", "task.serializer=yaml", "control_exchange=a"]
    ),
)


@given(st.lists(WORDS, max_size=6))
def test_what_passes_breaks_no_promise_when_celery_reads_it(words: list[str]) -> None:
    made = made_of(words)
    if made is None or not passes(words):
        return
    options, settings = made
    assert {name for name in BREAKS if options.get(name)} == set()
    assert settings.keys() & SETTINGS.keys() == set()


@given(st.lists(WORDS, max_size=1))
def test_the_api_server_refuses_of_one_word_what_the_operator_refuses_if_it_is_more_than_an_option_without_its_value(
    words: list[str],
) -> None:
    alone = words and (words[0] in {"-l", "--time-limit"} or ("=" not in words[0] and not words[0].startswith("-")))
    assert by_the_api_server(words) == (passes(words) or bool(alone))


@pytest.mark.parametrize("words", [["--auto=1,2"], ["--bea"], ["--purg"]])
def test_celery_knows_no_short_form_of_a_long_option(words: list[str]) -> None:
    assert made_of(words) is None

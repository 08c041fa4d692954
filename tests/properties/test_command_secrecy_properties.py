"""Whatever a password is made of and wherever in a resource it stands by mistake: no command prints it."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.command import installed_program, operator_command
from tests.support.examples import examples

LOAD = "days: 0.01\nqueues: [{name: q, arrivals: {perHour: 1}, taskDuration: {typical: 1s}}]\n"
WORD = "geheim"
"""Stands in every password; in nothing else."""
AROUND = st.text("a0,;:/?#@%[]()<>&=+ \\'\"`{}|^~!$*._-ä\t\n", max_size=6)
PASSWORDS = st.builds(lambda before, after: f"{before}{WORD}{after}", AROUND, AROUND)
RIGHT = {
    "image": "i",
    "broker": {"urlFrom": {"secretKeyRef": {"name": "s", "key": "url"}}},
    "pools": [{"name": "a", "queues": ["q"]}],
}

PLACES: dict[str, Any] = {
    "the whole broker": lambda url, _: {"broker": url},
    "its URL, not by a Secret": lambda url, _: {"broker": {"urlFrom": url}},
    "a field that is none": lambda url, _: {"broker": {**RIGHT["broker"], "url": url}},  # type: ignore[dict-item]
    "a Secret's name": lambda url, _: {"broker": {"urlFrom": {"secretKeyRef": {"name": url, "key": "k"}}}},
    "a Secret's key": lambda url, _: {"broker": {"urlFrom": {"secretKeyRef": {"name": "s", "key": url}}}},
    "a list": lambda url, _: {"broker": [url]},
    "the statistics": lambda url, _: {"broker": {**RIGHT["broker"], "stats": url}},  # type: ignore[dict-item]
    "their URL": lambda url, _: {"broker": {**RIGHT["broker"], "stats": {"urlFrom": url}}},  # type: ignore[dict-item]
    "a part of the URL": lambda _, password: {
        "broker": {"from": {"host": "r", "username": "u", "password": password, "port": password}}
    },
    "the password alone": lambda _, password: {"broker": {"from": {"host": "r", "password": password}}},
    "the host": lambda url, _: {"broker": {"from": {"host": url}}},
    "certificates": lambda url, _: {"broker": {**RIGHT["broker"], "tls": {"caFrom": url}}},  # type: ignore[dict-item]
    "a variable": lambda url, _: {"env": [{"name": "URL", "valu": url}]},
    "variables as an object": lambda url, _: {"env": {"CELERY_BROKER_URL": url}},
    "a variable's source": lambda url, _: {"env": [{"name": "URL", "valueFrom": url}]},
    "variables from": lambda url, _: {"envFrom": [url]},
    "a pool's variables": lambda url, _: {"pools": [{"name": "a", "queues": ["q"], "env": [url]}]},
    "an argument": lambda url, _: {"pools": [{"name": "a", "queues": ["q"], "worker": {"extraArgs": {"-b": url}}}]},
    "a schedule": lambda url, _: {"pools": [{"name": "a", "queues": ["q"], "schedule": url}]},
    "the application": lambda url, _: {"app": [url]},
    "a pool": lambda url, _: {"pools": [url]},
    "the mode": lambda url, _: {"mode": url},
    "the time zone": lambda url, _: {"timeZone": url},
}


def printed(text: str, *, objects: bool = True) -> str:
    """All that the commands print of a file.

    Args:
        text: of it.
        objects: whether also those that would be made, which have in them what the resource has in plain text.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fleet.yaml"
        path.write_text(text)
        load = Path(folder) / "load.yaml"
        load.write_text(LOAD)
        commands: list[list[str | Path]] = [
            ["plan", "-f", path, "--offline"],
            *([["plan", "-f", path, "--offline", "-o", "json"]] if objects else []),
            ["explain", "a", "-f", path],
            ["status", "-f", path],
            ["simulate", "-f", path, "--load", load, "--days", "0.01"],
        ]
        done = [operator_command(*command) for command in commands]
    return "\n".join(f"{it.stdout}\n{it.stderr}" for it in done)


def resource(spec: dict[str, Any]) -> dict[str, Any]:
    kind = {"apiVersion": "utilitarian.io/v1alpha1", "kind": "UtilitarianWorkerPool"}
    return {**kind, "metadata": {"name": "u", "namespace": "n"}, "spec": {**RIGHT, **spec}}


def written(place: Any, password: str) -> str:
    return json.dumps(resource(place(f"amqp://user:{password}@rabbit:5672/vhost", password)))


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_password_where_none_belongs_is_refused_and_not_printed(place: Any) -> None:
    said = printed(written(place, WORD))
    assert WORD not in said
    assert "error: spec." in said


@settings(max_examples=examples(20, fewest=5), deadline=None)
@given(password=PASSWORDS, place=st.sampled_from(list(PLACES.values())))
def test_no_command_prints_a_password_that_stands_where_none_belongs(password: str, place: Any) -> None:
    assert WORD not in printed(written(place, password))


@settings(max_examples=examples(20, fewest=5), deadline=None)
@given(
    password=PASSWORDS, cut=st.integers(1, 60), more=st.sampled_from(["", "\t", "}", "]", "'", '"', ": :", "&", "*a"])
)
@example(password=WORD, cut=12, more="")
def test_no_command_prints_a_password_of_a_file_that_is_no_yaml(password: str, cut: int, more: str) -> None:
    text = yaml.safe_dump(resource({"broker": {"from": {"host": "r", "username": "u", "password": password}}}))
    where = text.index(WORD)
    broken = f"{text[: where + len(WORD)]}{more}\n{text[where + len(WORD) + cut :]}"
    assert WORD not in printed(broken, objects=False)


@pytest.mark.thorough
def test_a_traceback_has_no_values_in_it(tmp_path: Path) -> None:
    """What no code expects ends a command with Python's own traceback: lines of the program, without variables."""
    (tmp_path / "fleet.json").write_text(json.dumps(resource({"broker": {"urlFrom": f"amqp://u:{WORD}@r/"}})))
    (tmp_path / "run.py").write_text(
        "from unittest import mock\n"
        "from utilitarian_operator.cli import main\n"
        "with mock.patch('utilitarian_operator.api.pydantic_messages._problem', side_effect=KeyError('unexpected')):\n"
        "    main()\n"
    )
    done = installed_program(sys.executable, tmp_path / "run.py", "plan", "-f", tmp_path / "fleet.json", "--offline")
    assert "Traceback" in done.stderr
    assert "KeyError: 'unexpected'" in done.stderr
    assert WORD not in done.stderr + done.stdout

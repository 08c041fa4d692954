"""Whatever a person types: no command ends with a traceback, and an exit code says how it went."""

import os
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.fake_shell import FakeShell

COMMANDS = (
    "status", "explain", "top", "events", "doctor", "report", "scale", "drain", "pause", "resume", "run-now", "plan"
)  # fmt: skip
OPTIONS = (
    "--for", "--fleet", "-n", "--namespace", "-l", "--selector", "-A", "-w", "--once", "--last", "--dry-run", "-o",
    "-f", "--file", "--context", "-h", "--", "-", "--offline", "--watch",
)  # fmt: skip
WORDS = ("amr-hourly", "cleanup", "utilitarian", "metering", "hourly-run", "auto", "5", "2h", "json", "table", "team=a")
TEXT = st.text(st.characters(exclude_characters="\0"), max_size=12)
"""No program can be given a NUL."""


@settings(max_examples=examples(60), deadline=None)
@given(
    command=st.sampled_from(COMMANDS),
    words=st.lists(st.sampled_from(OPTIONS) | st.sampled_from(WORDS) | TEXT, max_size=5),
    columns=st.integers(60, 200) | TEXT,
    paused=st.sampled_from(["until 2100-01-01T00:00Z", "for ever"]) | TEXT,
)
def test_no_argument_ends_in_a_traceback(command: str, words: list[str], columns: object, paused: str) -> None:
    here = os.getcwd()  # noqa: PTH109 - a report is written there
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            shell = FakeShell(patch)
            shell.fleet()
            body = shell.cluster._objects["UtilitarianWorkerPool", "metering", "utilitarian"]
            body["metadata"]["annotations"] = {
                "utilitarian.io/paused": paused,
                "utilitarian.io/run-now.cleanup": paused,
            }
            for place in ("hands.watching", "status", "explain"):
                patch.setattr(f"utilitarian_operator.cli.{place}.follow", lambda _: None)
            done = shell.run(command, *words, env={"COLUMNS": str(columns)})
        finally:
            os.chdir(here)
    assert done.returncode in {0, 1, 2, 3}
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode in {0, 3} or done.stderr

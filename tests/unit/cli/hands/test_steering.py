"""What all hands that change something have in common."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fake_shell import FakeShell
from utilitarian_operator.cli.hands.steering import LONGEST, Change, lasting
from utilitarian_operator.cli.output import WrongInput
from utilitarian_operator.cli.resources import annotations_of, mode_of

HANDS = (["scale", "cleanup", "1"], ["drain", "cleanup"], ["pause"], ["resume"], ["run-now", "amr-hourly"])


@given(st.text(max_size=30))
def test_a_length_of_time_is_bounded_or_refused(text: str) -> None:
    try:
        assert timedelta(seconds=1) <= lasting(text) <= LONGEST
    except WrongInput as error:
        assert str(error).startswith("--for: ")  # noqa: PT017 - one of both


def test_a_change_is_a_patch_of_what_changes_alone() -> None:
    assert Change("so").nothing
    assert Change("so", {"a": None}).body() == {"metadata": {"annotations": {"a": None}}}
    assert Change("so", spec={"mode": "Auto"}).body() == {"metadata": {}, "spec": {"mode": "Auto"}}


@pytest.mark.parametrize(
    "body", [{"metadata": {}}, {"metadata": {"annotations": None}, "spec": None}], ids=["bare", "null"]
)
def test_a_resource_without_a_mode_or_annotations(body: dict[str, Any]) -> None:
    assert (mode_of(body), annotations_of(body)) == ("Auto", {})


@pytest.mark.parametrize("hand", HANDS, ids=lambda words: words[0])
def test_a_hand_in_an_empty_namespace_says_what_is_there(shell: FakeShell, hand: list[str]) -> None:
    done = shell.run(*hand)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: no UtilitarianWorkerPool here; there are: none\n"


@pytest.mark.parametrize("hand", HANDS, ids=lambda words: words[0])
def test_a_dry_run_keeps_nothing(shell: FakeShell, hand: list[str]) -> None:
    fleet = shell.fleet()
    done = shell.run(*hand, "--dry-run", "-n", "metering", "--fleet", "utilitarian")
    assert done.returncode in {0, 2}, done.stderr  # a run may be due within its warm-up just now
    assert shell.now() == fleet

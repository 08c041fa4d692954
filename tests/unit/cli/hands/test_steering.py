"""What all hands that change something have in common."""

import tarfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fake_shell import NAMESPACE, FakeShell
from utilitarian_operator.adapters.cluster.fake import Request
from utilitarian_operator.cli.hands.steering import LONGEST, Change, lasting
from utilitarian_operator.cli.output import WrongInput
from utilitarian_operator.cli.resources import annotations_of, mode_of
from utilitarian_operator.core.spec.override import overrides
from utilitarian_operator.errors import Gone

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


def edited(shell: FakeShell, name: str = "utilitarian", **spec: Any) -> None:
    """What somebody else writes meanwhile, as a tool that takes the resource from Git does."""
    live = shell.cluster._objects["UtilitarianWorkerPool", NAMESPACE, name]
    version = str(int(live["metadata"]["resourceVersion"]) + 1000)
    live["spec"], live["metadata"] = {**live["spec"], **spec}, {**live["metadata"], "resourceVersion": version}


def at_each_patch(shell: FakeShell, happens: Callable[[], None], times: int = 1) -> None:
    """Let something happen between a hand's look and its write."""
    left = iter(range(times))

    def before(request: Request) -> None:
        if request.verb == "patch" and next(left, None) is not None:
            happens()

    shell.cluster.fails = before


def test_what_git_sets_between_look_and_write_counts(shell: FakeShell) -> None:
    """Else `resume` would let a fleet run that was put into Preview a moment ago."""
    shell.fleet(mode="Paused")
    at_each_patch(shell, lambda: edited(shell, mode="Preview"))
    done = shell.run("resume")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: the fleet's mode is Preview, which is no pause")
    assert shell.now()["spec"]["mode"] == "Preview"


def test_a_pool_that_is_taken_out_between_look_and_write_gets_no_number(shell: FakeShell) -> None:
    pools = shell.fleet()["spec"]["pools"]
    at_each_patch(shell, lambda: edited(shell, pools=pools[:1]))
    done = shell.run("scale", "cleanup", "1")
    assert (done.returncode, done.stderr) == (2, "error: no pool cleanup; there are: amr-hourly\n")
    assert shell.annotations() == {}


@pytest.mark.parametrize("times,code", [(4, 0), (5, 1)], ids=["a busy one", "one that never rests"])
def test_a_hand_tries_again_where_the_resource_changes_under_it(shell: FakeShell, times: int, code: int) -> None:
    shell.fleet()
    at_each_patch(shell, lambda: edited(shell), times)
    done = shell.run("scale", "cleanup", "1")
    assert done.returncode == code
    assert done.stderr.startswith(
        "error: metering/utilitarian was changed by others at each of 5 tries" if code else "warning: operator NOT SEEN"
    )
    assert len(shell.annotations()) == 1 - code


def test_a_resource_that_is_deleted_between_look_and_write(shell: FakeShell) -> None:
    shell.fleet()
    at_each_patch(shell, shell.cluster._objects.clear)
    done = shell.run("drain", "cleanup")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)


def test_what_is_wrong_with_one_fleet_keeps_no_other_from_its_change(shell: FakeShell) -> None:
    for name, mode in (("a", "Auto"), ("b", "Preview"), ("c", "Auto")):
        shell.fleet(name, mode=mode)
        live = shell.cluster._objects["UtilitarianWorkerPool", NAMESPACE, name]
        live["metadata"] = {**live["metadata"], "labels": {"team": "billing"}}
    done = shell.run("pause", "-l", "team=billing", "--for", "2h")
    assert done.returncode == 2
    assert [it.partition(":")[0] for it in done.stdout.splitlines()] == ["metering/a", "metering/c"]
    said = "error: metering/b: the fleet's mode is Preview, which scales nothing: there is nothing to pause"
    assert said in done.stderr.splitlines()
    assert [len(shell.annotations(name)) for name in "abc"] == [1, 0, 1]


@pytest.mark.parametrize("hand", [["scale", "amr-hourly", "1"], ["run-now", "amr-hourly"]], ids=["scale", "run-now"])
def test_a_pause_by_annotation_is_said_by_the_hands_that_it_holds_up(shell: FakeShell, hand: list[str]) -> None:
    run = {"name": "monthly-run", "start": "0 0 1 1 *", "workers": 2}
    shell.fleet(pools=[{"name": "amr-hourly", "queues": ["one"], "schedule": [run]}])
    shell.run("pause", "--for", "2h")
    until = shell.annotations()["utilitarian.io/paused"].removeprefix("until ")
    said = f"note: the fleet is paused until {until}: no number of workers changes before"
    assert said in shell.run(*hand).stderr.splitlines()


@pytest.mark.parametrize("hours,said", [(3, "3 h behind"), (-3, "3 h ahead of")], ids=["behind", "ahead"])
def test_an_end_is_by_the_clock_of_the_api_server_where_this_machine_s_is_wrong(
    shell: FakeShell, hours: int, said: str
) -> None:
    """Else what is to last for two hours would be over before it began, or last for five."""
    shell.fleet()
    shell.cluster.clock_ahead = timedelta(hours=hours)
    done = shell.run("drain", "cleanup", "--for", "2h")
    until = overrides(shell.annotations())[0]["cleanup"].until
    assert abs(until - datetime.now(UTC) - timedelta(hours=hours + 2)) < timedelta(minutes=1)
    assert f"note: this machine's clock is {said} the API server's: moments are by the latter" in done.stderr


@pytest.mark.parametrize("hand", [["status"], ["top", "--once"], ["explain", "a"], ["pause"]], ids=lambda it: it[0])
def test_without_the_crd_it_is_said_how_to_install_it(shell: FakeShell, hand: list[str]) -> None:
    shell.cluster.fails = lambda it: Gone("HTTP 404") if it.kind == "utilitarianworkerpools" else None
    done = shell.run(*hand)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("install it: utilitarian-operator crd | kubectl apply --server-side -f -\n")


COMMANDS = [["status"], ["top", "--once"], ["explain", "amr-hourly"], ["events"], ["pause", "--for", "2h"]]


@pytest.mark.parametrize("hours", [3, -3], ids=["behind", "ahead"])
@pytest.mark.parametrize("words", COMMANDS, ids=lambda it: it[0])
def test_an_operator_that_is_at_work_is_seen_by_a_machine_whose_clock_is_wrong(
    shell: FakeShell, words: list[str], hours: int
) -> None:
    """Else a laptop that slept would say in the night that there is none."""
    shell.fleet()
    shell.cluster.clock_ahead = timedelta(hours=hours)
    shell.lease(-shell.cluster.clock_ahead)
    done = shell.run(*words)
    assert done.returncode == 0
    which = "behind" if hours > 0 else "ahead of"
    notes = [it for it in done.stderr.splitlines() if "clock" in it]
    assert notes == [f"note: this machine's clock is 3 h {which} the API server's: moments are by the latter"]
    assert "NOT SEEN" not in done.stdout + done.stderr
    assert words[0] in {"events", "pause"} or "operator seen" in done.stdout


def test_a_pause_that_is_over_by_the_clusters_clock_is_over(shell: FakeShell) -> None:
    shell.fleet()
    shell.run("pause", "--for", "1h")
    shell.cluster.clock_ahead = timedelta(hours=3)
    assert "paused until" not in shell.run("scale", "cleanup", "1").stderr


def labelled(shell: FakeShell, name: str, **labels: str) -> None:
    shell.fleet(name, pools=[{"name": name[0], "queues": ["q"], "schedule": [RUN]}])
    live = shell.cluster._objects["UtilitarianWorkerPool", NAMESPACE, name]
    live["metadata"] = {**live["metadata"], "labels": labels}


RUN = {"name": "yearly-run", "start": "0 0 1 1 *", "workers": 2}
BY_LABEL = [["scale", "a", "1"], ["drain", "a"], ["run-now", "a"], ["pause"], ["resume"]]
LOOKS = [["status"], ["top", "--once"], ["explain", "a"], ["events"], ["doctor"], ["report", "--file"]]


@pytest.mark.parametrize("hand", BY_LABEL, ids=lambda it: it[0])
def test_each_hand_does_it_to_all_fleets_with_a_label_that_have_the_pool(shell: FakeShell, hand: list[str]) -> None:
    for name, team in (("a1", "billing"), ("a2", "billing"), ("a3", "other")):
        labelled(shell, name, team=team)
    done = shell.run(*hand, "-l", "team=billing")
    assert done.returncode == 0
    assert [it.partition(":")[0] for it in done.stdout.splitlines()] == ["metering/a1", "metering/a2"]
    one = shell.run(*hand, "-l", "team=billing", "--fleet", "a2", "--dry-run")
    assert [it.partition(":")[0] for it in one.stdout.splitlines()][:1] == (["metering/a2"] if one.stdout else [])
    labelled(shell, "b1", team="billing")
    assert "metering/b1" not in shell.run(*hand, "-l", "team=billing").stdout or hand[0] in {"pause", "resume"}
    assert shell.run(*hand, "-l", "team=none").returncode == 2


@pytest.mark.parametrize("words", LOOKS, ids=lambda it: it[0])
def test_each_look_is_at_the_fleets_with_a_label(shell: FakeShell, tmp_path: Path, words: list[str]) -> None:
    labelled(shell, "a1", team="billing")
    labelled(shell, "a2", team="other")
    file = tmp_path / "r.tar.gz"
    done = shell.run(*words, *([file] if words[0] == "report" else []), "-l", "team=billing")
    said = done.stdout + done.stderr
    if words[0] == "report":
        with tarfile.open(file) as archive:
            said = "\n".join(archive.extractfile(it).read().decode() for it in archive)  # type: ignore[union-attr]
    assert done.returncode in {0, 3}
    assert words[0] == "events" or "metering/a1" in said
    assert "metering/a2" not in said

"""`scale` and `drain`: the annotation that they set, what they say, and what they refuse."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.fake_shell import FakeShell
from utilitarian_operator.core.spec.override import PREFIX, overrides
from utilitarian_operator.errors import Rejected

NAME = f"{PREFIX}amr-hourly"


def soon(shell: FakeShell, workers: int, lasts: timedelta) -> bool:
    """Whether the number is set by hand, for so long from now on."""
    override = overrides(shell.annotations())[0]["amr-hourly"]
    return override.workers == workers and abs(override.until - datetime.now(UTC) - lasts) < timedelta(minutes=1)


def test_scale_sets_a_number_with_its_end(shell: FakeShell) -> None:
    shell.fleet()
    shell.lease()
    done = shell.run("scale", "amr-hourly", "7", "--for", "2h")
    assert (done.returncode, done.stderr) == (0, "")
    assert soon(shell, 7, timedelta(hours=2))
    until = shell.annotations()[NAME].removeprefix("7 until ")
    said = f"metering/utilitarian: amr-hourly has 7 workers until {until}, then the rules decide again\n"
    assert done.stdout == said
    assert shell.now()["spec"] == shell.fleet("other")["spec"]


def test_without_an_end_it_lasts_an_hour_and_auto_takes_it_away(shell: FakeShell) -> None:
    shell.fleet()
    shell.run("scale", "amr-hourly", "1")
    assert soon(shell, 1, timedelta(hours=1))
    done = shell.run("scale", "amr-hourly", "auto")
    assert done.stdout == "metering/utilitarian: the rules decide again how many workers amr-hourly has\n"
    assert shell.annotations() == {}
    again = shell.run("scale", "amr-hourly", "AUTO")
    assert again.stdout == "metering/utilitarian: amr-hourly has no number by hand: the rules decide\n"
    assert [it.verb for it in shell.cluster.requests].count("patch") == 3  # the first wrote the status


def test_drain_leaves_no_worker_for_a_while(shell: FakeShell) -> None:
    shell.fleet()
    done = shell.run("drain", "amr-hourly", "--for", "30m")
    assert "the workers of amr-hourly finish what they hold and go, and no other comes until " in done.stdout
    assert soon(shell, 0, timedelta(minutes=30))


def test_a_dry_run_changes_nothing_and_says_so(shell: FakeShell) -> None:
    shell.fleet()
    done = shell.run("scale", "amr-hourly", "7", "--dry-run")
    assert done.stdout.endswith(", then the rules decide again (dry run: nothing was changed)\n")
    assert shell.annotations() == {}
    assert len(shell.dry_runs) == 1


def test_what_keeps_a_number_from_counting_is_said(shell: FakeShell) -> None:
    shell.fleet(maxWorkers=5, mode="Paused")
    shell.lease(timedelta(hours=3))
    done = shell.run("scale", "amr-hourly", "7")
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "note: the fleet's mode is Paused: no number of workers changes before it is Auto",
        "note: spec.maxWorkers is 5: amr-hourly gets no more than that, with all other pools",
        "warning: operator NOT SEEN for 3 h; it is done when one runs",
    ]


def test_a_number_that_another_person_set_is_said_where_it_is_replaced(shell: FakeShell) -> None:
    shell.fleet()
    shell.lease()
    assert shell.run("scale", "amr-hourly", "7", "--for", "8h").stderr == ""
    until = shell.annotations()[NAME].removeprefix("7 until ")
    said = f"note: it takes the place of 7 workers until {until}, which was set by hand before\n"
    assert shell.run("drain", "amr-hourly", "--dry-run").stderr == said
    assert shell.run("scale", "amr-hourly", "7").stderr == ""  # the same number for longer or shorter
    assert shell.run("scale", "cleanup", "1").stderr == ""


@pytest.mark.parametrize(
    "words,said",
    [
        (["scale", "amr-hurly", "7"], "no pool amr-hurly; there are: amr-hourly, cleanup; did you mean amr-hourly?"),
        (["scale", "zzz", "7"], "no pool zzz; there are: amr-hourly, cleanup\n"),
        (["scale", "amr-hourly", "many"], '"many" is no number of workers: 0 to 9999, or auto'),
        (["scale", "amr-hourly", "10000"], '"10000" is no number of workers'),
        (["scale", "amr-hourly", "²"], '"²" is no number of workers'),
        (["scale", "amr-hourly", "9" * 5000], "is no number of workers"),
        (["scale", "amr-hourly", "000000000123456"], "is no number of workers"),
        (["scale", "amr-hourly", ""], "is no number of workers"),
        (["scale", "amr-hourly", "7", "--for", "2"], "--for: '2' is no duration: write it like 500ms, 90s or 1h30m"),
        (["scale", "amr-hourly", "7", "--for", "0s"], "--for: from 1s to 31 days (744h)"),
        (["scale", "amr-hourly", "7", "--for", "745h"], "--for: from 1s to 31 days (744h)"),
        (["drain", "cleanup", "--for", "99999999h"], "--for: "),
        (["drain", "cleanup", "--fleet", "utilitarion"], "there are: utilitarian; did you mean utilitarian?"),
        (["drain", "cleanup", "-n", "../x"], '--namespace "../x" is no name of a namespace'),
    ],
    ids=[
        "nearly a pool",
        "no pool",
        "no number",
        "too many",
        "no digit",
        "far too many",
        "too many behind zeros",
        "nothing",
        "no unit",
        "no time",
        "too long",
        "for ever",
        "nearly a fleet",
        "no namespace",
    ],
)
def test_what_is_refused_in_one_sentence(shell: FakeShell, words: list[str], said: str) -> None:
    shell.fleet()
    done = shell.run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert shell.annotations() == {}


def test_of_several_fleets_the_one_with_the_pool_is_meant_or_the_named_one(shell: FakeShell) -> None:
    shell.fleet("a")
    shell.fleet("b")
    done = shell.run("scale", "cleanup", "1")
    assert done.stderr == "error: several fleets could be meant, name one by --fleet: a, b\n"
    assert shell.run("scale", "cleanup", "1", "--fleet", "b").returncode == 0
    assert (shell.annotations("a"), len(shell.annotations("b"))) == ({}, 1)


def test_what_the_api_server_refuses_is_said_in_one_sentence(shell: FakeShell) -> None:
    shell.fleet()
    shell.cluster.fails = lambda it: Rejected("PATCH …: HTTP 403: no") if it.verb == "patch" else None
    done = shell.run("scale", "cleanup", "1")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "error: PATCH …: HTTP 403: no\n")


@pytest.mark.parametrize("zeros", ["00", "0" * 5000], ids=["some", "thousands"])
def test_zeros_in_front_say_nothing(shell: FakeShell, zeros: str) -> None:
    shell.fleet()
    assert shell.run("scale", "amr-hourly", f"{zeros}7").returncode == 0
    assert soon(shell, 7, timedelta(hours=1))
    assert shell.run("scale", "amr-hourly", zeros).returncode == 0
    assert soon(shell, 0, timedelta(hours=1))

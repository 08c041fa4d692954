import signal
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.processes import Process, ProcessEndedError
from tests.support.waiting import NotInTimeError, wait_until, wait_until_async

SHORT = timedelta(milliseconds=120)
LONG = timedelta(seconds=20)

SLEEPS = "import time; print('here', flush=True); time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(600)"
HAS_CHILD = (
    "import subprocess, sys, time;"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "print('child', child.pid, flush=True); time.sleep(600)"
)


def python(tmp_path: Path, code: str) -> Process:
    return Process("sample", [sys.executable, "-c", code], log=tmp_path / "sample.log")


def test_a_child_is_stopped_with_sigterm_and_can_be_started_again(tmp_path: Path) -> None:
    with python(tmp_path, SLEEPS) as child:
        child.wait_ready(lambda: "here" in child.log_text(), within=LONG)
        assert child.stop() == -signal.SIGTERM
        assert not child.running
        assert child.start().running
    assert child.exit_code is not None


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    with python(tmp_path, DEAF) as child:
        child.wait_ready(lambda: "here" in child.log_text(), within=LONG)
        assert child.stop(within=SHORT) == -signal.SIGKILL


def test_a_frozen_child_is_stopped_too(tmp_path: Path) -> None:
    with python(tmp_path, SLEEPS) as child:
        child.wait_ready(lambda: "here" in child.log_text(), within=LONG)
        child.pause()
        assert child.stop() == -signal.SIGTERM


def test_the_children_of_a_child_end_with_it(tmp_path: Path) -> None:
    with python(tmp_path, HAS_CHILD) as child:
        child.wait_ready(lambda: "child" in child.log_text(), within=LONG)
        grandchild = int(child.log_text().split()[1])
    wait_until(lambda: _is_gone(grandchild), within=LONG)


def test_the_group_of_a_child_is_ended_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Later its number may be that of another group."""
    killed: list[int] = []
    with python(tmp_path, SLEEPS) as child:
        child.kill()
        monkeypatch.setattr("os.killpg", lambda group, _: killed.append(group))
        child.kill()
        child.stop()
    assert killed == []


def test_a_child_that_ends_early_is_told_with_its_log(tmp_path: Path) -> None:
    with (
        python(tmp_path, "raise SystemExit('no such luck')") as child,
        pytest.raises(ProcessEndedError, match=r"(?s)ended with 1 before it was ready.*no such luck"),
    ):
        child.wait_ready(lambda: False, within=LONG)


def test_a_missed_deadline_tells_answer_and_state() -> None:
    with pytest.raises(NotInTimeError, match=r"(?s)within 0\.12 s; its last answer was 0.*state: three left"):
        wait_until(lambda: 0, within=SHORT, describe=lambda: "three left")


def test_an_ignored_error_is_told_when_the_deadline_passes() -> None:
    def refuse() -> bool:
        raise ConnectionRefusedError("port 1")

    with pytest.raises(NotInTimeError, match="port 1"):
        wait_until(refuse, within=SHORT, ignoring=(OSError,))


async def test_the_asynchronous_wait_takes_both_kinds_of_conditions() -> None:
    answers = iter([0, 0, 7])

    async def later() -> int:
        return next(answers)

    assert await wait_until_async(later, within=LONG) == 7
    assert await wait_until_async(lambda: 5, within=LONG) == 5
    with pytest.raises(NotInTimeError):
        await wait_until_async(lambda: None, within=SHORT)


def _is_gone(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    try:
        return "State:\tZ" in status.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True

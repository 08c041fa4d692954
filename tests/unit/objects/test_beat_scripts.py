"""The scripts in beat's containers, run as they are: a schedule file that can be read is never touched."""

import dbm
import importlib
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.beat_probe import alive
from utilitarian_operator.api.validation.beat_arguments import LONGEST_INTERVAL_S
from utilitarian_operator.core.objects import beat_scripts

WITHIN_S = 300
CONTENT = {b"entries": pickle.dumps({"run": 1}), b"__version__": pickle.dumps("5.7.0")}


def available(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


KINDS = [kind for kind in ("dbm.gnu", "dbm.ndbm", "dbm.dumb", "dbm.sqlite3") if available(kind)]


def check(folder: Path, pod: str = "fleet-beat-0", *, file: bool = True) -> tuple[int, str]:
    """The exit code and the termination message."""
    message = folder.parent / "message"
    message.unlink(missing_ok=True)
    command = beat_scripts.check(str(folder / "schedule") if file else "", str(message))
    ended = subprocess.run([sys.executable, *command[1:]], env={"POD_NAME": pod}, timeout=WITHIN_S, check=False)  # noqa: S603 - our own program
    return ended.returncode, message.read_text() if message.exists() else ""


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    folder = tmp_path / "volume"
    folder.mkdir()
    return folder


def write(folder: Path, kind: str = "dbm.dumb") -> None:
    with importlib.import_module(kind).open(str(folder / "schedule"), "n") as store:
        for key, value in CONTENT.items():
            store[key] = value


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_can_be_read_is_not_touched(volume: Path, kind: str) -> None:
    write(volume, kind)
    before = contents(volume)
    assert check(volume) == (0, "kept")
    assert contents(volume) == before


def test_a_file_of_unknown_classes_is_not_touched(volume: Path) -> None:
    """The application's own schedules can't be loaded here: its code is not imported."""
    with dbm.open(str(volume / "schedule"), "n") as store:
        store[b"entries"] = b"cno_such_module\nSchedule\n."
    assert check(volume) == (0, "kept")


def test_no_file_is_said(volume: Path) -> None:
    assert check(volume) == (0, "new: there was no schedule file")
    assert contents(volume) == {}


def cut_values(folder: Path) -> None:
    (data,) = folder.glob("*.dat")
    os.truncate(data, data.stat().st_size // 2)


def cut_index(folder: Path) -> None:
    """And the last one is not there either."""
    (folder / "schedule.dir").write_text("'entries', (0,")
    (folder / "schedule.bak").unlink(missing_ok=True)


def cut_index_to_nothing(folder: Path) -> None:
    cut_index(folder)
    (folder / "schedule.dir").write_text("")


def garbage(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    (folder / "schedule").write_bytes(b"\x13\x57\x9a\xcf" + bytes(range(256)) * 20)


def empty(folder: Path) -> None:
    garbage(folder)
    (folder / "schedule").write_bytes(b"")


@pytest.mark.parametrize("spoil", [cut_values, cut_index, cut_index_to_nothing, garbage, empty])
def test_a_file_that_can_not_be_read_is_moved_aside_whole(volume: Path, spoil: "pytest.Function") -> None:
    write(volume)
    spoil(volume)  # type: ignore[operator]
    before = contents(volume)
    code, said = check(volume)
    assert (code, said.partition(":")[0]) == (0, "moved"), said
    aside = contents(volume)
    assert sorted(aside.values()) == sorted(before.values())
    assert all(name.startswith("schedule.aside-") for name in aside)
    assert next(iter(aside)).removesuffix(".dat").removesuffix(".dir").removesuffix(".bak") in said
    assert check(volume)[1].startswith("new")


BEFORE, AFTER = pickle.dumps({"run": 1}), pickle.dumps({"run": 2**40, "more": "x" * 20})
FAR_LONGER = pickle.dumps({"run": 2, "more": "x" * 2000})


def killed_in_a_commit(folder: Path, value: bytes, written: int | None) -> None:
    """The files as dbm.dumb leaves them when it is killed while it writes an index.

    Args:
        folder: of the files.
        value: of the entries, which is in the data already.
        written: bytes of the new index that are; None if its file was not made yet.
    """
    with importlib.import_module("dbm.dumb").open(str(folder / "schedule"), "n") as store:
        store[b"entries"], store[b"tz"] = BEFORE, pickle.dumps("UTC")
    last = (folder / "schedule.dir").read_bytes()
    with importlib.import_module("dbm.dumb").open(str(folder / "schedule"), "w") as store:
        store[b"entries"] = value
    new = (folder / "schedule.dir").read_bytes()
    (folder / "schedule.bak").write_bytes(last)
    (folder / "schedule.dir").unlink()
    if written is not None:
        (folder / "schedule.dir").write_bytes(new[:written])


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(BEFORE, id="as before"),
        pytest.param(AFTER, id="longer", marks=pytest.mark.thorough),
        pytest.param(FAR_LONGER, id="far longer", marks=pytest.mark.thorough),
    ],
)
@pytest.mark.parametrize("written", [None, 0, 5, 18, 24])
def test_a_kill_within_a_commit_costs_no_memory(volume: Path, value: bytes, written: int | None) -> None:
    """Celery itself would take an empty index for an empty memory, and skip what was due in silence."""
    killed_in_a_commit(volume, value, written)
    code, said = check(volume)
    assert (code, said) == (0, "kept: its index was cut off by a kill and was mended")
    with dbm.open(str(volume / "schedule"), "r") as store:
        assert pickle.loads(store[b"tz"]) == "UTC"  # noqa: S301 - our own
        assert store[b"entries"] in {BEFORE, value}
    assert check(volume) == (0, "kept")


def test_a_cut_index_whose_data_are_cut_too_is_moved_aside_whole(volume: Path) -> None:
    killed_in_a_commit(volume, BEFORE, 0)
    cut_values(volume)
    before = contents(volume)
    assert check(volume)[1].startswith("moved")
    assert sorted(contents(volume).values()) == sorted(before.values())


def test_only_the_last_three_are_kept(volume: Path) -> None:
    for year in range(2020, 2026):
        for ending in (".dat", ".dir"):
            (volume / f"schedule.aside-{year}0101T000000Z{ending}").touch()
    write(volume)
    cut_index(volume)
    check(volume)
    times = {name.partition("-")[2][:4] for name in contents(volume)}
    assert len(times) == 3
    assert times >= {"2024", "2025"}


def test_what_could_not_be_copied_is_left_alone(volume: Path) -> None:
    (volume / "schedule").mkdir()  # can't be read as a file, like one on a volume with a fault
    code, said = check(volume)
    assert (code, said.partition(" (")[0]) == (0, "kept: it could not be looked at")


def test_a_second_pod_does_not_get_as_far_as_beat(volume: Path) -> None:
    write(volume)
    before = contents(volume)
    assert check(volume, "fleet-beat-1")[0] == 1
    assert check(volume, "fleet-beat-1", file=False)[0] == 1
    assert contents(volume) == before


def test_a_scheduler_of_its_own_has_no_file_to_be_looked_at(volume: Path) -> None:
    write(volume)
    garbage(volume)
    before = contents(volume)
    assert check(volume, file=False) == (0, "")
    assert contents(volume) == before


TICK_S = 0.2


@pytest.fixture
def ticking() -> Iterator["subprocess.Popen[bytes]"]:
    """A process whose main thread sleeps again and again."""
    program = f"import time\nprint(flush=True)\nwhile True: time.sleep({TICK_S})"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:  # noqa: S603 - our own program
        assert process.stdout
        process.stdout.readline()
        yield process
        process.kill()


def test_a_beat_that_sleeps_is_alive_and_one_that_hangs_is_not(
    ticking: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    note = tmp_path / "note"
    assert alive(ticking.pid, note, silent=0)
    ticking.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, ticking.pid, os.WSTOPPED | os.WNOWAIT)
    alive(ticking.pid, note, silent=0)  # stopping may have counted once
    assert alive(ticking.pid, note, silent=60), "it may sleep for that long"
    assert not alive(ticking.pid, note, silent=0)
    ticking.send_signal(signal.SIGCONT)
    os.waitid(os.P_PID, ticking.pid, os.WCONTINUED | os.WNOWAIT)


def test_a_note_that_can_not_be_written_ends_no_process(ticking: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    for _ in range(2):
        assert alive(ticking.pid, tmp_path / "no such folder" / "note", silent=0)


def test_a_node_that_began_anew_is_no_hang(ticking: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    ticking.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, ticking.pid, os.WSTOPPED | os.WNOWAIT)
    status = Path(f"/proc/{ticking.pid}/status").read_text()
    woke = next(line.split()[1] for line in status.splitlines() if line.startswith("voluntary_ctxt"))
    note = tmp_path / "note"
    note.write_text(f"{woke} 99999999999.0")
    assert alive(ticking.pid, note, silent=0)


def test_arguments_may_let_beat_sleep_as_long_as_its_probe_allows() -> None:
    assert beat_scripts.SILENT_S == LONGEST_INTERVAL_S

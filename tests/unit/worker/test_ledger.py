import os
from pathlib import Path

import pytest

from tests.support.ledger import FileLedgerReader, Ledger
from utilitarian.ledger import BrokerLedger, FileLedger, LedgerUnavailableError, Record, open_ledger, recorded

QUEUE = "utilitarian.tasks.amr"


def record(task_id: str, event: str, at: float) -> Record:
    return Record(task_id, event, at, QUEUE, "celery@a", 7)  # type: ignore[arg-type]


def unreachable() -> object:
    raise AssertionError("nothing should connect")


def test_a_record_survives_its_line() -> None:
    written = record("t1", "start", 1763899200.125)
    assert Record.from_json(written.to_json()) == written
    assert "\n" not in written.to_json()


@pytest.mark.parametrize(
    "line", [pytest.param("{", id="half"), pytest.param("[]", id="list"), pytest.param('{"a": 1}', id="other object")]
)
def test_what_is_no_record_is_refused(line: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - JSON's own message, or ours
        Record.from_json(line)


def test_a_block_is_recorded_with_start_and_end(tmp_path: Path) -> None:
    with recorded(FileLedger(tmp_path), "t1", QUEUE, "celery@a"):
        assert FileLedgerReader(tmp_path).read().ids("start") == {"t1"}
        assert not FileLedgerReader(tmp_path).read().ids("end")
    start, end = FileLedgerReader(tmp_path).read().records
    assert (start.event, end.event) == ("start", "end")
    assert start.at <= end.at
    assert (start.queue, start.hostname, start.pid) == (QUEUE, "celery@a", os.getpid())


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_a_block_that_raises_is_recorded_as_failed(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), recorded(FileLedger(tmp_path), "t1", QUEUE, "celery@a"):
        raise error
    assert [written.event for written in FileLedgerReader(tmp_path).read().records] == ["start", "fail"]


def test_without_a_ledger_nothing_is_recorded() -> None:
    ledger, ran = open_ledger(None, unreachable), []
    with recorded(ledger, "t1", QUEUE, "celery@a"):
        ran.append("t1")
    assert (ledger, ran) == (None, ["t1"])


def test_the_setting_chooses_the_kind(tmp_path: Path) -> None:
    assert isinstance(open_ledger("amqp", unreachable), BrokerLedger)
    assert isinstance(open_ledger(str(tmp_path), unreachable), FileLedger)


def test_each_process_writes_its_own_file(tmp_path: Path) -> None:
    ledger = FileLedger(tmp_path / "made")
    ledger.write(record("parent", "start", 1.0))
    child = os.fork()
    if child == 0:
        ledger.write(record("child", "start", 2.0))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert FileLedgerReader(tmp_path / "made").read().ids("start") == {"parent", "child"}
    assert {file.name for file in (tmp_path / "made").iterdir()} == {
        f"celery@a-{os.getpid()}.jsonl",
        f"celery@a-{child}.jsonl",
    }


def test_a_ledger_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerUnavailableError, match=r"can't write the ledger in .*file/below"):
        FileLedger(tmp_path / "file" / "below").write(record("t1", "start", 1.0))


def test_a_full_disk_says_so() -> None:
    ledger = FileLedger(Path("/dev"))
    ledger._file, ledger._owner = os.open("/dev/full", os.O_WRONLY), os.getpid()
    try:
        with pytest.raises(LedgerUnavailableError, match="No space left"):
            ledger.write(record("t1", "start", 1.0))
    finally:
        os.close(ledger._file)


def test_a_half_written_last_line_is_left_for_later(tmp_path: Path) -> None:
    whole = record("t1", "start", 1.0).to_json()
    (tmp_path / "a-1.jsonl").write_text(f"{whole}\n{whole[:20]}")
    assert FileLedgerReader(tmp_path).read().records == [record("t1", "start", 1.0)]


def test_the_summary_tells_every_fate_apart() -> None:
    ledger = Ledger.of(
        [
            *(record("once", event, at) for event, at in [("start", 1.0), ("end", 2.0)]),
            *(record("copied", event, at) for event, at in [("start", 1.0), ("start", 1.0), ("end", 2.0)]),
            *(record("twice", event, at) for event, at in [("start", 1.0), ("start", 3.0), ("end", 4.0)]),
            *(record("failed", event, at) for event, at in [("start", 1.0), ("fail", 2.0)]),
            record("cut off", "start", 5.0),
            record("not ours", "start", 5.0),
        ]
    )
    summary = ledger.summary({"once", "copied", "twice", "failed", "cut off", "waiting"})
    assert summary.finished == {"once", "copied", "twice"}
    assert summary.failed == {"failed"}
    assert summary.unfinished == {"cut off"}
    assert summary.never_started == {"waiting"}
    assert summary.lost == {"cut off", "waiting"}
    assert summary.run_twice == {"twice"}
    assert summary.unknown == {"not ours"}
    assert not summary.each_finished_once
    assert ledger.summary({"once", "copied"}).each_finished_once
    assert ledger.running() == {"cut off", "not ours", "twice"}
    assert str(summary) == "6 sent, 3 finished, 1 failed, 2 lost (of them 1 started), 1 run twice"

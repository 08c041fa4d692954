"""A test that measures has the machine to itself."""

import fcntl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Event

from tests.support.turns import turn
from tests.support.waiting import wait_until

SOON = timedelta(seconds=10)


def test_many_run_together(tmp_path: Path) -> None:
    with turn(tmp_path, alone=False), turn(tmp_path, alone=False):
        pass


def test_whoever_is_alone_waits_for_the_others_and_lets_nobody_begin(tmp_path: Path) -> None:
    seen: list[str] = []
    begun, over = Event(), Event()

    def run(name: str, *, alone: bool, within: Callable[[], object] = lambda: None) -> None:
        with turn(tmp_path, alone=alone):
            seen.append(f"{name} begins")
            within()
            seen.append(f"{name} ends")

    def first() -> None:
        begun.set()
        over.wait(SOON.total_seconds())

    with ThreadPoolExecutor() as threads:
        runs = [threads.submit(run, "first", alone=False, within=first)]
        begun.wait(SOON.total_seconds())
        runs.append(threads.submit(run, "alone", alone=True))
        wait_until(lambda: queued(tmp_path), within=SOON)
        runs.append(threads.submit(run, "last", alone=False))
        over.set()
        for it in runs:
            it.result(SOON.total_seconds())
    assert seen == [f"{name} {what}" for name in ("first", "alone", "last") for what in ("begins", "ends")]


def queued(folder: Path) -> bool:
    """Whether somebody waits to be alone."""
    file = folder / "queue"
    if not file.exists():
        return False
    with file.open("a") as queue:
        try:
            fcntl.flock(queue, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False

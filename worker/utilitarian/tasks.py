"""Defines the tasks: each waits as long as its message says, as a poll of a meter does; none of them reads a meter."""

import time
from typing import Any

from celery import Celery, Task

from utilitarian.ledger import Ledger, recorded
from utilitarian.routing import RUN_TASKS, WORK_TASKS, period_queue
from utilitarian.work import Parameters, draw_work


class TaskFailedOnPurposeError(Exception):
    """The message asked for failures, and this task was drawn to be one."""


class RecordedTask(Task):
    """A task whose start and end stand in the ledger; `ledger` is set by `register`."""

    abstract = True
    ledger: Ledger | None = None

    def __call__(self, *args: object, **kwargs: object) -> Any:
        """Runs the task between two records."""
        request = self.request
        queue = (request.delivery_info or {}).get("routing_key") or ""
        with recorded(self.ledger, request.id or "", queue, request.hostname or ""):
            # Not Task.__call__: it would hide the request, with the task's id, behind an empty one.
            return self.run(*args, **kwargs)


def work(
    task: Task, duration: Parameters | None = None, failure_probability: float = 0.0, memory_mib: float = 0.0
) -> float:
    """Does one piece of work and returns the seconds it waited; `draw_work` has the arguments.

    Raises:
        WorkError: the message asks for something that can't be drawn.
        TaskFailedOnPurposeError: it was drawn to fail.
    """
    drawn = draw_work(task.request.id, duration, failure_probability, memory_mib)
    # Multiplying writes to every page; a plain bytearray(n) would take no memory before it is used.
    held = bytearray(b"\x01") * drawn.memory
    time.sleep(drawn.seconds)
    del held
    if drawn.fails:
        raise TaskFailedOnPurposeError(f"drawn to fail with probability {failure_probability:g}")
    return drawn.seconds


def run(task: Task, period: str, meters: int, **arguments: Any) -> float:
    """Polls one meter itself, or hands each of several to a task of its own; returns the seconds it waited."""
    if meters == 1:
        return work(task, **arguments)
    for _ in range(meters):
        task.app.send_task(WORK_TASKS[period_queue(period)], kwargs=arguments)
    return 0.0


def register(app: Celery, ledger: Ledger | None) -> None:
    """Registers every task under the names that the routing table knows."""
    base = type("LedgerTask", (RecordedTask,), {"abstract": True, "ledger": ledger})
    # Not shared: Celery would register them, ledger and all, with every other application of the process.
    options = {"base": base, "bind": True, "shared": False}
    for name in WORK_TASKS.values():
        app.task(work, name=name, **options)
    for period, name in RUN_TASKS.items():
        app.task(_run_of(period), name=name, **options)


def _run_of(period: str) -> Any:
    def run_of_period(task: Task, meters: int = 1, **arguments: Any) -> float:
        return run(task, period, meters, **arguments)

    return run_of_period

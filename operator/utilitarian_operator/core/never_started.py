"""Tasks that a worker calls active for ever and never runs, because its acknowledgement of them raised.

Where a task is acknowledged at its start, a worker that runs tasks in its own process counts it as active, acknowledges
its message, and then calls it (celery/concurrency/base.py, `apply_target`; worker/request.py, `on_accepted`). What
raises in between ends that, and nothing takes the task from the active ones any more. Celery does it to itself where
its connection was lost: until its prefetch count is restored, each acknowledgement asks the broker for a larger one,
from the task's thread, on the connection that the main thread reads (`_restore_prefetch_count_after_connection_restart`
in worker/consumer/consumer.py). A prefork worker acknowledges while a child runs the task already, so that there such a
task is at work like any other.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

AFTER = timedelta(minutes=3)
"""An acknowledgement takes a moment. One that waits for a word of the broker gets that with the next heartbeat, which
comes each minute; one that has not come so long after the start never will. Should one come after all, the task still
ends within the grace period: a worker waits for its threads before it ends (concurrency/thread.py, `on_stop`)."""

IN_PROCESS = frozenset(f"celery.concurrency.{kind}:TaskPool" for kind in ("thread", "gevent", "eventlet", "solo"))
"""Pools of Celery, as a worker's statistics name them, that call a task after its acknowledgement."""


def surely_run(
    active: Iterable[Mapping[str, Any]], acked_early: frozenset[str], now: float, after: timedelta = AFTER
) -> list[Mapping[str, Any]]:
    """The active requests of one worker without those that never began.

    Args:
        active: as the worker tells them (`inspect active`).
        acked_early: names of the tasks that it acknowledges at their start; none for a worker that is not `IN_PROCESS`.
        now: seconds since 1970.
        after: how long an acknowledgement may take.
    """
    return [request for request in active if not _never_began(request, acked_early, now, after)]


def _never_began(request: Mapping[str, Any], acked_early: frozenset[str], now: float, after: timedelta) -> bool:
    if request.get("acknowledged") or request.get("name") not in acked_early:
        return False
    start = request.get("time_start")
    return start is not None and now - start > after.total_seconds()

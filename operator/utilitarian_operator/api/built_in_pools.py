"""The documented queues, and the pools that a fleet has when its resource names none."""

from datetime import timedelta
from typing import Any

PREFIX = "utilitarian.tasks."

DOCUMENTED_QUEUES: tuple[str, ...] = tuple(
    PREFIX + name
    for name in (
        "default",
        "amr",
        "amr.scheduled.quarterly",
        "amr.scheduled.hourly",
        "amr.scheduled.daily",
        "amr.scheduled.monthly",
        "amr.scheduled.yearly",
        "amr.on_demand",
        "commits",
        "commits.meter_readings",
        "commits.meter_system_events",
        "external",
        "external.publish",
        "cleanup",
    )
)
"""The vendor's list, in its order ("Async Workers", list of queues)."""

POLLING = 10
"""Concurrency of pools whose tasks wait for meters: the vendor's own example; "start more workers" beyond it."""


def _pool(
    name: str, *queues: str, priority: int, concurrency: int, drain_within: timedelta | None = None
) -> dict[str, Any]:
    scaling = {} if drain_within is None else {"drainWithin": drain_within}
    return {
        "name": name,
        "queues": tuple(PREFIX + queue for queue in queues),
        "priority": priority,
        "worker": {"concurrency": concurrency},
        "scaling": scaling,
    }


BUILT_IN_POOLS: tuple[dict[str, Any], ...] = (
    _pool("amr-on-demand", "amr.on_demand", priority=90, concurrency=POLLING, drain_within=timedelta(seconds=30)),
    _pool(
        "commits",
        "commits",
        "commits.meter_readings",
        "commits.meter_system_events",
        priority=80,
        concurrency=4,
        drain_within=timedelta(minutes=1),
    ),
    _pool("default", "default", priority=70, concurrency=4, drain_within=timedelta(minutes=1)),
    _pool("amr", "amr", priority=70, concurrency=POLLING, drain_within=timedelta(minutes=2)),
    _pool(
        "external",
        "external",
        "external.publish",
        priority=60,
        concurrency=POLLING,
        drain_within=timedelta(minutes=5),
    ),
    _pool("amr-hourly", "amr.scheduled.hourly", priority=60, concurrency=POLLING),
    _pool("amr-daily", "amr.scheduled.daily", priority=50, concurrency=POLLING),
    _pool("amr-monthly", "amr.scheduled.monthly", priority=40, concurrency=POLLING),
    _pool("amr-quarterly", "amr.scheduled.quarterly", priority=30, concurrency=POLLING),
    _pool("amr-yearly", "amr.scheduled.yearly", priority=20, concurrency=POLLING),
    _pool("cleanup", "cleanup", priority=10, concurrency=2),
)

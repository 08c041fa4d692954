"""Effective pools and facts for tests of the rules, all with defaults: a test names only what it is about."""

from datetime import UTC, datetime
from typing import Any

from utilitarian_operator.api.effective import Fleet, Pool, effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.sizing.facts import Facts

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def fleet(*pools: dict[str, Any], **spec: Any) -> Fleet:
    """The fleet of a resource with these pools, each as in YAML, and these fields of the spec."""
    body: dict[str, Any] = {
        "apiVersion": "utilitarian.io/v1alpha1",
        "kind": "UtilitarianWorkerPool",
        "metadata": {"name": "fleet", "namespace": "test"},
        "spec": {
            "image": "utilitarian:1",
            "broker": {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "url"}}},
            **spec,
        },
    }
    if pools:
        body["spec"]["pools"] = [{"queues": [f"queue-{pool['name']}"], **pool} for pool in pools]
    return effective_fleet(parse(body).spec)


def pool(
    name: str = "pool", *, concurrency: int = 4, schedule: list[dict[str, Any]] | None = None, **scaling: Any
) -> Pool:
    """One pool with these scaling fields, as in YAML."""
    written: dict[str, Any] = {"name": name, "worker": {"concurrency": concurrency}, "scaling": scaling}
    if schedule:
        written["schedule"] = schedule
    return fleet(written).pools[0]


def facts(work: int | None = 0, *, current: int = 0, idle: int | None = None, **more: Any) -> Facts:
    """Facts of a pool with this much work, all of it ready and certain; with any, no worker is idle unless told."""
    if work is None:
        unknown = Unknown("the broker does not answer", NOW)
        return Facts(
            **{"current": current, "ready": unknown, "work": unknown, "at_least": None, "idle": idle or 0, **more}
        )
    known: dict[str, Any] = {
        "current": current,
        "ready": work,
        "work": work,
        "at_least": work,
        "idle": (0 if work else current) if idle is None else idle,
    }
    return Facts(**{**known, **more})

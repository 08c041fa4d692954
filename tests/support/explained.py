"""A resource as an operator leaves it: what commands that have only the resource explain."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from tests.support.pools import NOW, facts, fleet
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.memory_json import to_text
from utilitarian_operator.core.sizing.pools import FleetContext, decide_fleet


def left_by_operator(decided: Fleet, seen: Facts, memory: Memory = Memory(), **more: Any) -> dict[str, Any]:  # noqa: B008 - frozen
    """The resource as an operator would leave it that sees this and decides by the real rules."""
    context = more.pop("circumstances", FleetContext(now=NOW))
    sizes = decide_fleet(decided, {"pool": seen}, {"pool": memory}, context)
    decisions, memories = sizes.decisions, sizes.memories
    decision = decisions["pool"]
    pool = {
        "name": "pool",
        "replicas": seen.current,
        "ready": seen.serving,
        "desired": decision.replicas,
        "draining": 0,
        "busy": seen.running,
        "deferred": seen.deferred,
        "reason": decision.rule,
        "message": decision.message,
        "trail": [asdict(step) for step in decision.trail],
        "memory": to_text(memories["pool"]),
    }
    if not isinstance(seen.ready, Unknown):
        pool |= {"backlog": seen.ready, "unacked": 0}
    if seen.held_up:
        pool["heldUp"] = seen.held_up
    return {
        "metadata": {"name": "fleet", "namespace": "test", "annotations": more.pop("annotations", {})},
        "status": {"pools": [pool], **more},
    }


def one(**pool: Any) -> Fleet:
    spec = {key: pool.pop(key) for key in ("mode", "maxWorkers") if key in pool}
    return fleet({"name": "pool", **pool}, **spec)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


MEASURED = Memory(
    slot_seconds=1_000, completions=200, start_up_s=28, longest_s=12, busy_since=ago(600), period_seconds=5
)
OUTLOOKS: dict[str, tuple[Fleet, dict[str, Any], str]] = {
    "asleep": (one(), {"seen": facts(0)}, "the first message wakes it with one worker"),
    "asleep, and wakes when due": (
        one(scaling={"wake": "WhenDue", "drainWithin": "10m"}),
        {"seen": facts(0), "memory": Memory(start_up_s=28, start_up_deviation_s=1, started_at=NOW)},
        "the first message waits for 9m21s, then it asks for one worker",
    ),
    "asleep, and has not seen a start": (
        one(scaling={"wake": "WhenDue"}),
        {"seen": facts(0)},
        "the first message wakes it with one worker",
    ),
    "work": (
        one(worker={"concurrency": 20}),
        {"seen": facts(20_000, current=9), "memory": MEASURED},
        "from 20,701 tasks on, 5 s each, it asks for 10 workers",
    ),
    "at its max": (
        one(worker={"concurrency": 20}, scaling={"max": 5}),
        {"seen": facts(20_000, current=5), "memory": MEASURED},
        "scaling.max: 9 lets it have all that it asks for; now it is 5",
    ),
    "at its min": (one(scaling={"min": 2}), {"seen": facts(0)}, "scaling.min is 2: a smaller one lets it have fewer"),
    "the fleet's ceiling": (
        one(worker={"concurrency": 20}, maxWorkers=4),
        {"seen": facts(20_000), "memory": MEASURED},
        "5 workers more when other pools give some back; or a spec.maxWorkers larger than 4, or a priority larger than",
    ),
    "idle since a moment ago": (
        one(),
        {"seen": facts(0, current=1), "memory": Memory(idle_since=ago(30))},
        "it sleeps at 2026-03-02T12:01:30Z if nothing comes until then",
    ),
    "idle, but with tasks for later": (
        one(),
        {"seen": facts(0, current=1, deferred=3)},
        "it sleeps when 3 tasks with a later time have run, or may be given back",
    ),
    "more workers than needed": (
        one(worker={"concurrency": 20}),
        {"seen": facts(130, current=9, idle=2), "memory": MEASURED},
        "a worker goes when no more than 120 tasks are left",
    ),
    "a demand that was larger a moment ago": (
        one(),
        {"seen": facts(1, current=9, idle=8), "memory": Memory(highs=((ago(30), 6),), surplus_since=ago(100))},
        "a worker goes when the smaller demand has lasted 1m",
    ),
    "unseen": (one(), {"seen": facts(None, current=4)}, "nothing changes until its queues are seen again"),
    "a missing queue": (
        one(),
        {"seen": facts(0, missing=("queue-pool",))},
        "the application declares the missing queue",
    ),
    "work held for a run": (
        one(schedule=[{"name": "nightly", "start": "0 2 * * *"}], scaling={"outsideRuns": "Hold"}),
        {"seen": facts(7)},
        "is done when a run opens (nightly); scaling.outsideRuns: React does it now",
    ),
    "an open run": (
        one(schedule=[{"name": "noon", "start": "0 12 * * *", "workers": 3, "until": "Duration", "duration": "1h"}]),
        {"seen": facts(1, current=3)},
        "noon is over: then demand alone counts",
    ),
    "an open run of a pool that holds its work": (
        one(
            schedule=[{"name": "noon", "start": "0 12 * * *", "workers": 3, "until": "Duration", "duration": "1h"}],
            scaling={"outsideRuns": "Hold"},
        ),
        {"seen": facts(1, current=3)},
        "noon is over: then what still waits is held for the next run (outsideRuns: Hold)",
    ),
    "more workers for a run than its work asks for": (
        one(schedule=[{"name": "noon", "start": "0 12 * * *", "workers": 3}]),
        {"seen": facts(1)},
        "from 1,441 tasks on, 5 s each, it asks for 4 workers",
    ),
    "the next run": (
        one(schedule=[{"name": "nightly", "start": "0 2 * * *", "workers": 3}]),
        {"seen": facts(0)},
        "run nightly starts at 2026-03-03T02:00:00Z, 3 workers from 2026-03-03T01:58:00Z on",
    ),
    "an operator that has just started": (
        one(),
        {"seen": facts(0, current=2), "circumstances": FleetContext(now=NOW, running_for=timedelta())},
        "workers go again when the operator has seen well, twice, and run for 1m",
    ),
    "paused": (one(mode="Paused"), {"seen": facts(10)}, "spec.mode: Auto sets it to 1"),
}

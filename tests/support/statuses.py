"""A fleet of two pools and the status that is written of it; a memory in which each field is set."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.resources import resource
from utilitarian_operator.api.effective import Fleet, effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.core.forecast.completion import Forecast
from utilitarian_operator.core.observation.beat import BeatSnapshot
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Missing, Present
from utilitarian_operator.core.sizing.decision import Decision, Step, start
from utilitarian_operator.core.sizing.eta_sleep import EtaSleep
from utilitarian_operator.core.sizing.learning import Oldest
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.runs.run_state import OpenRun, Outcome, PastRun
from utilitarian_operator.core.sizing.usage import Usage
from utilitarian_operator.core.status.report import Reported, StatusInput
from utilitarian_operator.core.status.status import fleet_status

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
BUSY = WorkerLoad(active=2, acked_early=1, reserved=1, scheduled=3)
POD = PodSnapshot("fleet-a-1", ready=True, running=True, leaving=False, held=BUSY)
SEEN = FleetSnapshot(
    NOW,
    {
        "a": PoolSnapshot({"q": Present(5, 1), "r": Missing()}, 4, (POD, replace(POD, name="x", leaving=True)), 2),
        "b": PoolSnapshot({"s": Unknown("no answer", NOW)}, Unknown("no answer", NOW)),
    },
    beat=BeatSnapshot(ready=True),
)
FULL = Memory(
    looked_at=NOW,
    idle_since=NOW,
    busy_since=NOW,
    slot_seconds=12.5,
    completions=3.5,
    period_seconds=4.5,
    longest_s=60.0,
    longest_before=(50.0, 40.0),
    oldest=Oldest(30.0, 20.0, 10.0, 5.0),
    start_up_s=2.5,
    start_ups=(2.0, 2.5, 3.0),
    start_up_deviation_s=0.5,
    started_at=NOW,
    start_waited_s=90.0,
    arrivals=((NOW, 3), (NOW + timedelta(seconds=6), 4)),
    highs=((NOW, 5),),
    surplus_since=NOW,
    waiting_since=NOW,
    asked_since=NOW,
    start_delay_s=240.0,
    usage=Usage(4, (0.03, 0.04, 0.05, 0.06, 0.07), 2.0**30, (2.0**29,), NOW, NOW),
    empty_looks=2,
    first_worker_since=NOW,
    first_worker_spent=True,
    first_worker_turn=NOW - timedelta(hours=3),
    eta_sleep=EtaSleep(3, NOW, 1, slept=True),
    of_queues="5f2a9c01",
    runs=(OpenRun("monthly", NOW, NOW, NOW, NOW, 7, 6, 5, 4.5, NOW, missed=True, at_risk=True),),
    opened=(("monthly", NOW),),
    history=(
        PastRun("monthly", NOW, NOW, NOW, Outcome.LATE, 7, 5, 4.0),
        PastRun("other", NOW, NOW, None, Outcome.DONE),
    ),
)


def fleet(spec: str = "maxWorkers: 7") -> Fleet:
    pools = "pools: [{name: a, queues: [q, r]}, {name: b, queues: [s]}]"
    return effective_fleet(parse(resource(f"{{{spec}, {pools}}}")).spec)


def decided(a: int = 2, because: str = "2 wanted") -> dict[str, Decision]:
    return {"a": start(Step("demand", 0, a, because)), "b": start(Step("unknown", 0, 0, "nothing changes"))}


def status(
    seen: FleetSnapshot = SEEN,
    decisions: Mapping[str, Decision] | None = None,
    previous: Mapping[str, Any] | None = None,
    memory: Memory | None = None,
) -> dict[str, Any]:
    memories = {"a": memory or Memory(), "b": Memory()}
    return fleet_status(Reported(fleet(), seen, decisions or decided(), memories, previous or {}, StatusInput(3)))


RUN = OpenRun("monthly", NOW, at_risk=True)
FORECAST = Forecast(RUN, NOW + timedelta(hours=2), 12, NOW + timedelta(hours=1), timedelta(seconds=754))

"""Each rule of the decision in one row: what was seen, what was remembered, what comes of it and which rule says so."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.pools import NOW, facts, pool
from utilitarian_operator.api.effective import Pool
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.sizing.eta_sleep import EtaSleep
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.rule_input import RuleInput
from utilitarian_operator.core.sizing.rules import decide
from utilitarian_operator.core.sizing.runs.run_state import OpenRun, Outcome, PastRun
from utilitarian_operator.core.spec.override import Override


def seconds_ago(seconds: float) -> Any:
    return NOW - timedelta(seconds=seconds)


@dataclass
class Case:
    facts: Facts
    replicas: int
    rule: str
    says: str
    memory: Memory = field(default_factory=Memory)
    pool: Pool = field(default_factory=lambda: pool(concurrency=20))
    override: Override | None = None
    steady: bool = True


def past(name: str, tasks: int) -> PastRun:
    day = timedelta(days=1)
    return PastRun(name, NOW - day, NOW - day, None, Outcome.DONE, tasks)


IDLE_LONG = Memory(idle_since=seconds_ago(120))
HOLDING = pool(outsideRuns="Hold", schedule=[{"name": "run", "start": "0 0 1 * *"}])
WOKEN = {"name": "soon", "start": "2 12 * * *", "workers": 3}

CASES = {
    "a burst wakes a sleeping pool in one step": Case(facts(20_000), 9, "demand", "20,000 tasks of 5 s"),
    "no worker goes while its slots have work": Case(facts(10_000, current=9), 9, "calm", "fill their slots"),
    "nine workers and 130 tasks: seven": Case(
        facts(130, current=9, idle=2), 7, "calm", "7 workers kept: 130 tasks fill their slots"
    ),
    "a demand of a moment ago still counts": Case(
        facts(1, current=9, idle=8),
        6,
        "calm",
        "as many were needed within the last 1m",
        memory=Memory(highs=((seconds_ago(30), 6),), surplus_since=seconds_ago(100)),
    ),
    "a demand of more than the stabilization ago does not": Case(
        facts(1, current=9, idle=8),
        1,
        "demand",
        "1 worker",
        memory=Memory(highs=((seconds_ago(61), 6),), surplus_since=seconds_ago(100)),
    ),
    "a worker that holds tasks stays until the surplus has lasted": Case(
        facts(4, current=4, idle=1),
        3,
        "calm",
        "hold tasks",
        memory=Memory(surplus_since=seconds_ago(4)),
    ),
    "and goes, by the drain, when it has": Case(
        facts(4, current=4, idle=1),
        1,
        "demand",
        "1 worker",
        memory=Memory(surplus_since=seconds_ago(6)),
    ),
    "idle, but not yet for long": Case(
        facts(0, current=1), 1, "idle", "not yet for 2m", memory=Memory(idle_since=seconds_ago(119))
    ),
    "idle for long enough": Case(facts(0, current=1), 0, "demand", "nothing to do", memory=IDLE_LONG),
    "a task that waits for its time keeps one worker": Case(
        facts(0, current=1, deferred=1), 1, "deferred", "1 task waits for its time", memory=IDLE_LONG
    ),
    "tasks that wait for their time keep one worker": Case(
        facts(0, current=1, deferred=3), 1, "deferred", "3 tasks wait for their time", memory=IDLE_LONG
    ),
    "a broker that is not seen changes nothing": Case(
        facts(None, current=4), 4, "unknown", "the broker does not answer"
    ),
    "and wakes no worker": Case(facts(None), 0, "unknown", "nothing changes"),
    "what waits on a queue that can be seen wakes the first worker": Case(
        facts(None, seen_ready=88),
        1,
        "demand",
        "88 tasks wait on the queues that can be seen: 1 worker, since the rest",
    ),
    "and no more than that": Case(facts(None, seen_ready=88, current=1), 1, "unknown", "nothing changes"),
    "not where it waits for a run": Case(facts(None, seen_ready=88), 0, "unknown", "nothing changes", pool=HOLDING),
    "nor for a time of its own": Case(
        facts(None, seen_ready=3),
        0,
        "unknown",
        "nothing changes",
        memory=Memory(eta_sleep=EtaSleep(3, NOW + timedelta(hours=1), 0)),
    ),
    "but where that time has come": Case(
        facts(None, seen_ready=3),
        1,
        "demand",
        "3 tasks wait on the queues that can be seen",
        memory=Memory(eta_sleep=EtaSleep(3, NOW, 0)),
    ),
    "no more are asked for while those that are there fail": Case(
        facts(20_000, current=3, held_up="pod a: CrashLoopBackOff"),
        3,
        "held-up",
        "3 workers and no more, though 9 are needed: pod a: CrashLoopBackOff",
    ),
    "the first is asked for whatever hinders the others": Case(
        facts(20_000, held_up="its pods are refused"), 1, "held-up", "1 worker and no more, though 9 are needed"
    ),
    "what hinders more workers keeps none from going": Case(
        facts(0, current=3, held_up="its pods are refused"), 0, "demand", "nothing to do", memory=IDLE_LONG
    ),
    "min holds although workers fail": Case(
        facts(0, current=1, held_up="its pods are refused"), 2, "bounds", "min is 2", pool=pool(min=2)
    ),
    "min holds without any sight": Case(facts(None), 2, "bounds", "min is 2", pool=pool(min=2)),
    "min holds at rest": Case(facts(0, current=2), 2, "bounds", "min is 2", memory=IDLE_LONG, pool=pool(min=2)),
    "max limits": Case(
        facts(20_000), 3, "bounds", "max is 3, 9 workers would be needed", pool=pool(concurrency=20, max=3)
    ),
    "a missing queue gets one worker": Case(
        facts(0, missing=("amr",)), 1, "missing-queue", "queue amr does not exist yet"
    ),
    "but only once": Case(
        facts(0, missing=("amr",)), 0, "demand", "nothing to do", memory=Memory(first_worker_spent=True)
    ),
    "after a start no worker goes": Case(
        facts(0, current=3), 3, "safety", "just started", memory=IDLE_LONG, steady=False
    ),
    "after a start workers come": Case(facts(20_000), 9, "demand", "9 workers", steady=False),
    "a run is prepared": Case(
        facts(0),
        3,
        "run",
        "starts in 2m with 3 workers",
        pool=pool(schedule=[WOKEN]),
        memory=Memory(runs=(OpenRun("soon", NOW + timedelta(minutes=2)),)),
    ),
    "a run that comes at once keeps the last worker": Case(
        facts(0, current=1),
        1,
        "idle",
        "run soon would wake it again at once",
        pool=pool(schedule=[WOKEN | {"warmUp": "2m"}]),
        memory=IDLE_LONG,
    ),
    "a run with a deadline is sized by it": Case(
        facts(200_000, current=9),
        9,
        "run",
        "deadline in 2h",
        pool=pool(concurrency=20, max=100, schedule=[{"name": "run", "start": "0 12 * * *", "finishWithin": "2h"}]),
        memory=Memory(runs=(OpenRun("run", NOW),), longest_s=60),
    ),
    "of two open runs the one that needs most decides, though it needs as much as demand": Case(
        facts(4_000, current=9),
        9,
        "demand",
        "9 workers",
        pool=pool(
            max=100,
            drainWithin="10m",
            schedule=[
                {"name": "needy", "start": "0 12 * * *", "finishWithin": "12m"},
                {"name": "patient", "start": "0 12 * * *", "finishWithin": "24h"},
            ],
        ),
        memory=Memory(runs=(OpenRun("needy", NOW), OpenRun("patient", NOW))),
    ),
    "a run without a deadline beside one with it is promised what demand asks for": Case(
        facts(20_000, current=9),
        42,
        "demand",
        "42 workers",
        pool=pool(
            max=100,
            schedule=[
                {"name": "open", "start": "0 12 * * *"},
                {"name": "patient", "start": "0 12 * * *", "finishWithin": "24h"},
            ],
        ),
        memory=Memory(runs=(OpenRun("open", NOW), OpenRun("patient", NOW))),
    ),
    "a run is prepared as the last one was": Case(
        facts(0),
        9,
        "run",
        "run run starts in 1m with 9 workers: 200,000 tasks came in the last one",
        pool=pool(concurrency=20, max=100, schedule=[{"name": "run", "start": "1 12 * * *", "finishWithin": "2h"}]),
        memory=Memory(
            runs=(OpenRun("run", NOW + timedelta(minutes=1)),),
            longest_s=60,
            history=(past("run", 200_000), past("run", 1)),
        ),
    ),
    "a run is prepared for what waits for it": Case(
        facts(20_000),
        5,
        "run",
        "run run starts in 1m with 5 workers: 20,000 tasks are there",
        pool=pool(concurrency=4, schedule=[{"name": "run", "start": "1 12 * * *", "finishWithin": "2h"}]),
        memory=Memory(runs=(OpenRun("run", NOW + timedelta(minutes=1)),)),
    ),
    "what is still to come is counted with": Case(
        facts(20_000, current=2),
        8,
        "run",
        "20,000 tasks of 5 s, and 150,000 more to come as in the last run, deadline in 2h: 8 workers",
        pool=pool(concurrency=20, max=100, schedule=[{"name": "run", "start": "0 12 * * *", "finishWithin": "2h"}]),
        memory=Memory(
            runs=(OpenRun("run", NOW, done=30_000),),
            longest_s=60,
            history=(past("other", 1_000_000), past("run", 0), past("run", 200_000)),
        ),
    ),
    "but no more workers than the tasks that are there can use": Case(
        facts(30, current=2),
        2,
        "run",
        "30 tasks of 5 s",
        pool=pool(concurrency=20, max=100, schedule=[{"name": "run", "start": "0 12 * * *", "finishWithin": "2h"}]),
        memory=Memory(runs=(OpenRun("run", NOW),), longest_s=60, history=(past("run", 200_000),)),
    ),
    "outside its runs a pool may hold its work": Case(
        facts(50),
        0,
        "hold",
        "50 tasks wait for the next run",
        pool=pool(outsideRuns="Hold", schedule=[{"name": "run", "start": "0 0 1 * *"}]),
    ),
    "once its run is over its workers go at once, full of tasks as they are, whatever still waits": Case(
        facts(85_600, current=5, ready=85_580, serving=5),
        0,
        "hold",
        "85,580 tasks wait for the next run",
        pool=HOLDING,
        memory=Memory(busy_since=NOW - timedelta(hours=6), highs=((NOW, 10),)),
    ),
    "a single task outside the runs finds no worker that stands by for idleAfter": Case(
        facts(1, current=1, serving=1),
        0,
        "hold",
        "1 task waits",
        pool=HOLDING,
        memory=Memory(idle_since=None),
    ),
    "nor does a pool that holds its work wait to fall asleep": Case(
        facts(0, current=2, serving=2), 0, "hold", "nothing waits", pool=HOLDING, memory=Memory(idle_since=NOW)
    ),
    "but none goes on unknown sight": Case(
        replace(facts(50, current=5), work=Unknown("statistics are 20 s old", NOW)),
        5,
        "calm",
        "5 workers kept: statistics",
        pool=HOLDING,
    ),
    "min stays, and can hold nothing": Case(
        facts(50, current=5),
        1,
        "bounds",
        "min is 1",
        pool=pool(min=1, outsideRuns="Hold", schedule=[{"name": "run", "start": "0 0 1 * *"}]),
    ),
    "a missing queue still gets its first worker": Case(
        facts(0, missing=("queue-pool",)), 1, "missing-queue", "does not exist yet", pool=HOLDING
    ),
    "another run that is open lets it work": Case(
        facts(50, current=1),
        1,
        "demand",
        "50 tasks",
        pool=pool(concurrency=20, outsideRuns="Hold", schedule=[{"name": "run", "start": "0 0 1 * *"}]),
        memory=Memory(runs=(OpenRun("run", NOW, first_message=NOW),)),
    ),
    "tasks with a later time are given back, but not so often that a queue drops them": Case(
        facts(0, current=1, deferred=3, first_due=NOW + timedelta(days=3)),
        1,
        "deferred",
        "given back 3 times so far",
        pool=HOLDING,
        memory=Memory(eta_sleep=EtaSleep(3, NOW + timedelta(days=3), returns=3)),
    ),
    "a person's number replaces demand and bounds": Case(
        facts(0), 25, "override", "25 workers by annotation", override=Override(25, NOW + timedelta(hours=1))
    ),
    "until it ends": Case(facts(0), 0, "demand", "nothing to do", override=Override(25, NOW)),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_rule(case: Case) -> None:
    decision, _ = decide(RuleInput(case.pool, case.facts, case.memory, NOW, case.steady, case.override))
    assert (decision.replicas, decision.rule) == (case.replicas, case.rule), decision.trail
    assert case.says in decision.message

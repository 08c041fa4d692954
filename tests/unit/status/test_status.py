"""The resource's status: what is written at once, what can wait, and that nothing remembered is lost on the way."""

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.merge_patch import merged
from tests.support.pools import fleet as made
from tests.support.resources import resource
from utilitarian_operator.api.effective import Fleet, effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.api.status import FleetStatus
from utilitarian_operator.core.blocker import INVALID_SPEC, Blocker
from utilitarian_operator.core.forecast.completion import Forecast
from utilitarian_operator.core.observation.beat import BeatSnapshot
from utilitarian_operator.core.observation.broker_settings import BrokerSettings
from utilitarian_operator.core.observation.model import (
    FleetSnapshot,
    Missing,
    PodSnapshot,
    PoolSnapshot,
    Present,
    Unknown,
    WorkerLoad,
)
from utilitarian_operator.core.observation.pod_failures import PodFailure
from utilitarian_operator.core.sizing.decision import Decision, Step, start
from utilitarian_operator.core.sizing.eta_sleep import EtaSleep
from utilitarian_operator.core.sizing.learning import Oldest
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.run_state import OpenRun, Outcome, PastRun
from utilitarian_operator.core.status.change import Written, patch, worth_writing
from utilitarian_operator.core.status.recall import last_messages, remembered
from utilitarian_operator.core.status.report import StatusInput
from utilitarian_operator.core.status.size import CONDITION_LENGTH, size
from utilitarian_operator.core.status.status import fleet_status, most_past_runs, refused_status

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
JUST_NOW, LONG_AGO = (Written({}, {}, NOW - timedelta(seconds=ago)) for ago in (29, 30))
TO_COME = Written({}, {}, NOW + timedelta(hours=1))
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
    longest=60.0,
    longest_before=(50.0, 40.0),
    oldest=Oldest(30.0, 20.0, 10.0, 5.0),
    start_up=2.5,
    start_ups=(2.0, 2.5, 3.0),
    start_up_deviation=0.5,
    started_at=NOW,
    start_waited=90.0,
    arrivals=((NOW, 3), (NOW + timedelta(seconds=6), 4)),
    highs=((NOW, 5),),
    surplus_since=NOW,
    waiting_since=NOW,
    asked_since=NOW,
    start_delay=240.0,
    empty_looks=2,
    first_worker_since=NOW,
    first_worker_spent=True,
    first_worker_turn=NOW - timedelta(hours=3),
    eta_sleep=EtaSleep(3, NOW, 1, slept=True),
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
    return fleet_status(fleet(), seen, decisions or decided(), memories, previous or {}, StatusInput(3))


def test_the_columns_and_figures_of_a_status() -> None:
    told = status()
    shown = ("observedGeneration", "mode", "workers", "queues", "activePools")
    assert {name: told[name] for name in shown} == {
        "observedGeneration": 3,
        "mode": "Auto",
        "workers": "1/7",
        "queues": "2/3",
        "activePools": 1,
    }
    assert len(told["conditions"]) == 8
    assert FleetStatus.model_validate(told).pools


def test_the_part_of_a_pool_and_what_is_unknown_is_left_out() -> None:
    first, second = status()["pools"]
    assert first == {
        "backlog": 5,
        "unacked": 4,
        "name": "a",
        "replicas": 2,
        "ready": 1,
        "desired": 2,
        "draining": 1,
        "busy": 4,
        "deferred": 6,
        "reason": "demand",
        "message": "2 wanted",
        "trail": [{"rule": "demand", "before": 0, "after": 2, "because": "2 wanted"}],
        "memory": {},
    }
    assert not {"backlog", "unacked"} & second.keys()


NONE = PoolSnapshot({"s": Missing()}, 0)


@pytest.mark.parametrize("other,backlog", [(SEEN.pools["b"], None), (NONE, 5)], ids=["unknown", "known"])
def test_a_fleets_backlog_is_told_where_that_of_each_pool_is_known(other: PoolSnapshot, backlog: int | None) -> None:
    assert status(replace(SEEN, pools={"a": SEEN.pools["a"], "b": other})).get("backlog") == backlog


SILENT = replace(POD, name="silent", held=Unknown("does not answer", NOW))


@pytest.mark.parametrize(
    "pods,busy",
    [
        pytest.param((POD, SILENT), None, id="one-never-answered"),
        pytest.param((POD, replace(SILENT, sample=BUSY)), 4, id="one-answered-some-seconds-ago"),
        pytest.param((POD, replace(SILENT, running=False)), 2, id="one-does-not-run"),
        pytest.param((), 0, id="no-worker"),
    ],
)
def test_what_runs_is_told_where_each_worker_has_said_it(pods: tuple[PodSnapshot, ...], busy: int | None) -> None:
    seen = replace(SEEN, pools=SEEN.pools | {"a": replace(SEEN.pools["a"], pods=pods)})
    assert status(seen)["pools"][0].get("busy") == busy


@pytest.mark.parametrize(
    "pod_failure,reason,message",
    [
        pytest.param(PodFailure("PodsRefused", "a quota"), "PodsRefused", "a quota; 2 wanted", id="it-stops"),
        pytest.param(
            PodFailure("WorkersFailing", "one fails", stops=False), "demand", "2 wanted; one fails", id="some-go-on"
        ),
        pytest.param(PodFailure("Unschedulable", "wanted"), "Unschedulable", "2 wanted", id="the-decision-says-it"),
    ],
)
def test_what_hinders_a_pool_is_its_reason(pod_failure: PodFailure, reason: str, message: str) -> None:
    failure = replace(SEEN, pools={**SEEN.pools, "a": replace(SEEN.pools["a"], pod_failure=pod_failure)})
    first, _ = status(failure)["pools"]
    assert (first["reason"], first["message"]) == (reason, message)


def test_when_something_last_came_is_told_and_read_back_and_waits_for_the_next_write() -> None:
    came = {"q": NOW, "r": NOW - timedelta(hours=1)}
    told = status(replace(SEEN, last_messages=came))
    assert FleetStatus.model_validate(told).beat
    assert last_messages(told, NOW) == came
    later = status(replace(SEEN, last_messages=came | {"q": NOW + timedelta(seconds=9)}), previous=told)
    assert later["beat"] != told["beat"]
    assert not worth_writing(later, told, JUST_NOW, NOW)
    assert worth_writing(later, told, LONG_AGO, NOW)
    assert last_messages({}, NOW) == {}


def test_of_many_queues_those_are_told_to_which_nothing_came_for_longest() -> None:
    came = {f"q{number:03}": NOW - timedelta(seconds=number) for number in range(150)}
    assert set(last_messages(status(replace(SEEN, last_messages=came)), NOW)) == set(sorted(came)[50:])


def test_without_a_ceiling_the_pools_own_count() -> None:
    told = fleet_status(fleet("mode: Paused"), SEEN, decided(), dict.fromkeys("ab", Memory()), {}, StatusInput(1))
    assert (told["workers"], told["mode"]) == ("1/20", "Paused")


def test_a_pool_s_sentence_has_the_figures_that_ready_has_and_is_written_with_the_others() -> None:
    before = status(decisions=decided(because="1,103 tasks: 2 workers"))
    now = status(decisions=decided(because="4,882 tasks: 2 workers"), previous=before)
    ready = next(it for it in now["conditions"] if it["type"] == "Ready")
    assert now["pools"][0]["message"] == "4,882 tasks: 2 workers"
    assert ready["message"] == "pool a: 4,882 tasks: 2 workers"
    assert not worth_writing(now, before, JUST_NOW, NOW)
    assert worth_writing(now, before, LONG_AGO, NOW)


def changed(**new: object) -> dict[str, Any]:
    return {**status(), **new}


def with_pool(**new: object) -> dict[str, Any]:
    told = status()
    return {**told, "pools": [{**told["pools"][0], **new}, told["pools"][1]]}


def with_condition(**new: object) -> dict[str, Any]:
    told = status()
    return {**told, "conditions": [{**told["conditions"][0], **new}, *told["conditions"][1:]]}


@pytest.mark.parametrize(
    "wanted,at_once,later",
    [
        pytest.param(status(), False, False, id="nothing"),
        pytest.param(changed(backlog=6), False, True, id="the-backlog"),
        pytest.param(with_pool(backlog=6), False, True, id="a-pools-backlog"),
        pytest.param(with_pool(unacked=6), False, True, id="unacknowledged"),
        pytest.param(with_pool(busy=6, deferred=1), False, True, id="what-workers-hold"),
        pytest.param(with_pool(trail=[]), False, True, id="the-trails-figures"),
        pytest.param(with_pool(memory={"completions": 5.0, "arrivals": []}), False, True, id="averages"),
        pytest.param(with_condition(message="other figures"), False, True, id="a-conditions-message"),
        pytest.param(with_condition(status="False"), True, True, id="a-conditions-status"),
        pytest.param(with_condition(reason="Idle"), True, True, id="a-conditions-reason"),
        pytest.param(with_pool(desired=3), True, True, id="a-number-of-workers"),
        pytest.param(with_pool(reason="calm"), True, True, id="a-rule"),
        pytest.param(with_pool(ready=2), True, True, id="a-worker-got-ready"),
        pytest.param(with_pool(memory={"idleSince": "2026-11-23T12:00:00Z"}), True, True, id="what-changes-a-decision"),
        pytest.param(changed(observedGeneration=4), True, True, id="a-new-generation"),
        pytest.param(changed(workers="2/7"), True, True, id="workers"),
    ],
)
def test_figures_alone_are_written_every_30_s_and_all_else_at_once(
    wanted: dict[str, Any], *, at_once: bool, later: bool
) -> None:
    assert worth_writing(wanted, status(), JUST_NOW, NOW) is at_once
    assert worth_writing(wanted, status(), LONG_AGO, NOW) is later
    assert worth_writing(wanted, status(), None, NOW) is later
    assert worth_writing(wanted, status(), TO_COME, NOW) is later  # the clock was set back


def test_the_first_status_is_written_at_once() -> None:
    assert worth_writing(status(), {}, None, NOW)
    assert worth_writing(status(), {}, JUST_NOW, NOW)


@pytest.mark.parametrize("memory", [Memory(), FULL, replace(FULL, idle_since=None)], ids=["new", "full", "busy"])
def test_what_is_remembered_survives_the_status(memory: Memory) -> None:
    told = status(memory=memory)
    assert remembered(told, NOW) == {
        "a": replace(memory, looked_at=None, oldest=Oldest(), empty_looks=0),
        "b": Memory(),
    }
    assert FleetStatus.model_validate(told).pools


@pytest.mark.parametrize("pools, most", [(1, 12), (25, 12), (30, 10), (100, 3)])
def test_many_pools_tell_fewer_past_runs_each(pools: int, most: int) -> None:
    run = "schedule: [{name: run, start: 0 1 * * *}]"
    written = ", ".join(f"{{name: p{n}, queues: [q{n}], {run}}}" for n in range(pools))
    assert most_past_runs(effective_fleet(parse(resource(f"{{pools: [{written}]}}")).spec)) == most


def test_the_full_memory_is_full() -> None:
    empty = Memory()
    assert [f.name for f in fields(Memory) if getattr(FULL, f.name) == getattr(empty, f.name)] == []


@pytest.mark.parametrize(
    "previous",
    [
        {},
        {"pools": [{"name": "a"}]},
        {"pools": [{"name": "a", "memory": {"idleSince": "yesterday", "runs": 5}, "history": [{"name": "a"}]}]},
    ],
    ids=["nothing", "no-memory", "of-another-version"],
)
def test_what_cannot_be_read_is_as_at_the_beginning(previous: dict[str, Any]) -> None:
    assert remembered(previous, NOW) == {pool["name"]: Memory() for pool in previous.get("pools", [])}


def test_that_the_broker_keeps_tasks_for_later_is_told_at_once_and_how_many_as_figures_are() -> None:
    def keeping(delayed: int | None) -> dict[str, Any]:
        return status(replace(SEEN, about=BrokerSettings(delayed=delayed)))

    assert "delayed" not in keeping(None)
    assert FleetStatus.model_validate(keeping(12)).delayed == 12
    assert worth_writing(keeping(12), keeping(0), JUST_NOW, NOW)
    assert not worth_writing(keeping(12), keeping(11), JUST_NOW, NOW)
    assert worth_writing(keeping(12), keeping(11), LONG_AGO, NOW)


@pytest.mark.parametrize(
    "wanted, previous",
    [
        ({"a": 1}, {"a": 0, "nextRun": "x"}),
        ({"beat": {"ready": True}}, {"beat": {"ready": True, "lastMessages": [{"queue": "q"}], "memorySince": "x"}}),
        ({"beat": {"ready": True}}, {}),
        ({"beat": {"deep": {"x": 1}}}, {"beat": {"deep": {"y": 1}}}),
        ({"beat": {"deep": 1}}, {"beat": {"deep": {"y": 1}}}),
    ],
    ids=["a-field", "a-field-of-a-part", "nothing-before", "deeper", "a-part-that-was"],
)
def test_what_shall_go_is_named_in_the_patch_however_deep(wanted: dict[str, Any], previous: dict[str, Any]) -> None:
    assert merged(previous, patch(wanted, previous)) == wanted


def test_what_the_api_server_does_not_take_is_not_written_again_and_again() -> None:
    wanted = status() | {"ofANewerVersion": {"x": 1}}
    stored = status()  # its CRD is older
    written = Written(wanted, stored, NOW - timedelta(hours=1))
    assert not worth_writing(wanted, stored, written, NOW)
    assert worth_writing(wanted, stored | {"mode": "Paused"}, written, NOW)  # another client wrote
    assert worth_writing(wanted | {"mode": "Paused"}, stored, written, NOW)


def test_a_refused_resource_keeps_what_it_is_remembered_by() -> None:
    previous = status(memory=FULL)
    told = refused_status([Blocker(INVALID_SPEC, "spec.image: write an image")], previous, 4, NOW)
    assert told["observedGeneration"] == 4
    assert remembered(told, NOW) == remembered(previous, NOW)
    assert len(told["conditions"]) == 8


RUN = OpenRun("monthly", NOW, at_risk=True)
FORECAST = Forecast(RUN, NOW + timedelta(hours=2), 12, NOW + timedelta(hours=1), timedelta(seconds=754))


def with_run(it: Forecast = FORECAST, memory: Memory | None = None) -> dict[str, Any]:
    memories = {"a": memory or Memory(runs=(RUN,)), "b": Memory()}
    return fleet_status(fleet(), SEEN, decided(), memories, {}, StatusInput(3, runs={"a": (it,)}))


@pytest.mark.parametrize(
    "it, told",
    [
        pytest.param(
            FORECAST,
            {"remaining": 12, "eta": "2026-11-23T13:00:00Z", "uncertainty": "13m", "deadline": "2026-11-23T14:00:00Z"},
            id="all-is-known",
        ),
        pytest.param(Forecast(RUN, None, 0), {"remaining": 0}, id="no-deadline-and-nothing-left"),
        pytest.param(Forecast(RUN, None), {}, id="unseen"),
    ],
)
def test_an_open_run_is_told(it: Forecast, told: dict[str, Any]) -> None:
    status = with_run(it)
    assert status["pools"][0]["run"] == {"name": "monthly", "started": "2026-11-23T12:00:00Z", **told}
    assert FleetStatus.model_validate(status).pools


@pytest.mark.parametrize(
    "wanted, at_once",
    [
        pytest.param(with_run(replace(FORECAST, remaining=11, eta=NOW)), False, id="its-figures"),
        pytest.param(
            with_run(memory=Memory(runs=(replace(RUN, tasks=9, worked_at=NOW),))), False, id="what-is-counted"
        ),
        pytest.param(with_run(replace(FORECAST, deadline=NOW)), True, id="its-deadline"),
        pytest.param(with_run(memory=Memory(runs=(replace(RUN, at_risk=False),))), True, id="its-risk"),
        pytest.param(with_run(memory=Memory(runs=(replace(RUN, first_message=NOW),))), True, id="its-first-message"),
        pytest.param(status(), True, id="its-end"),
    ],
)
def test_what_changes_of_a_run_is_written_at_once_and_what_moves_later(
    wanted: dict[str, Any], *, at_once: bool
) -> None:
    assert worth_writing(wanted, with_run(), JUST_NOW, NOW) is at_once
    assert worth_writing(wanted, with_run(), LONG_AGO, NOW)


def test_a_run_that_is_over_is_told() -> None:
    past = PastRun("monthly", NOW, NOW + timedelta(hours=1), NOW + timedelta(hours=2), Outcome.DONE, 200, 3, 7200.4)
    assert status(memory=Memory(history=(past,)))["pools"][0]["history"] == [
        {
            "name": "monthly",
            "started": "2026-11-23T12:00:00Z",
            "finished": "2026-11-23T13:00:00Z",
            "deadline": "2026-11-23T14:00:00Z",
            "tasks": 200,
            "outcome": "Done",
            "mostWorkers": 3,
            "workerSeconds": 7200,
        }
    ]


def crowd(schedules: int, pools: int = 100) -> dict[str, Any]:
    """A status of the largest fleet, each of its pools awake in as many runs."""
    runs = [{"name": f"hourly-run-{number}", "start": f"{number} * * * *"} for number in range(schedules)]
    asked = made(*({"name": f"pool-{number:03}", "schedule": runs} for number in range(pools)))
    memory = replace(
        FULL,
        arrivals=FULL.arrivals * 5,
        highs=FULL.highs * 10,
        runs=tuple(replace(FULL.runs[0], name=run["name"]) for run in runs),
        opened=tuple((run["name"], NOW) for run in runs),
        history=FULL.history * 6,
    )
    names = [pool.name for pool in asked.pools]
    because = "run hourly-run-1: 12,345 tasks of 5.2 s, deadline in 27m: 9 workers"
    steps = tuple(Step(rule, 3, 9, because) for rule in ("demand", "run", "calm", "bounds"))
    snapshot = FleetSnapshot(
        NOW, dict.fromkeys(names, SEEN.pools["a"]), last_messages=dict.fromkeys(map(str, range(100)), NOW)
    )
    forecasts = dict.fromkeys(names, (FORECAST,))
    about = StatusInput(3, starts=dict.fromkeys(names, NOW), runs=forecasts)
    return fleet_status(
        asked, snapshot, dict.fromkeys(names, Decision(9, steps)), dict.fromkeys(names, memory), {}, about
    )


@pytest.mark.parametrize("schedules", [0, 1, 10])
def test_a_hundred_busy_pools_fit_and_what_they_decide_by_is_kept(schedules: int) -> None:
    told = crowd(schedules)
    assert size(told) <= 200 * 1024
    for pool in told["pools"]:
        memory = remembered({"pools": [pool]}, NOW)[pool["name"]]
        assert (memory.slot_seconds, memory.completions, memory.longest) == (12.5, 3.5, 60.0)
        assert memory.eta_sleep == FULL.eta_sleep
        assert len(memory.runs) == schedules
        assert pool["message"]
        assert pool["run"]["eta"]


def test_a_small_fleet_is_told_whole() -> None:
    (pool,) = crowd(3, pools=1)["pools"]
    assert (len(pool["trail"]), len(pool["history"]), len(pool["memory"]["opened"])) == (4, 12, 3)


def test_a_peer_of_any_name_makes_no_message_that_the_api_server_refuses() -> None:
    peer = "x" * 100_000
    told = status(replace(SEEN, broker=Unknown(f"statistics are read from {peer}", NOW - timedelta(hours=1))))
    messages = [it["message"] for it in told["conditions"]]
    assert max(map(len, messages)) == CONDITION_LENGTH
    assert next(it for it in messages if len(it) == CONDITION_LENGTH).startswith("statistics are read from xxx")

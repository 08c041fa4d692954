"""The resource's status: what is written at once, what can wait, and that nothing remembered is lost on the way."""

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.merge_patch import merged
from tests.support.resources import resource
from tests.support.statuses import BUSY, FORECAST, FULL, NOW, POD, RUN, SEEN, decided, fleet, status
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.api.status import FleetStatus
from utilitarian_operator.core.blocker import INVALID_SPEC, Blocker
from utilitarian_operator.core.forecast.completion import Forecast
from utilitarian_operator.core.observation.broker_settings import BrokerSettings
from utilitarian_operator.core.observation.let_in import recorded
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.pod import PodSnapshot
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Missing
from utilitarian_operator.core.observation.pod_failures import PodFailure
from utilitarian_operator.core.sizing.learning import Oldest
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.runs.run_state import Outcome, PastRun
from utilitarian_operator.core.status.change import Written, patch, worth_writing
from utilitarian_operator.core.status.recall import last_messages, remembered
from utilitarian_operator.core.status.report import Reported, StatusInput
from utilitarian_operator.core.status.status import fleet_status, most_past_runs, refused_status

JUST_NOW, LONG_AGO = (Written({}, {}, NOW - timedelta(seconds=ago)) for ago in (29, 30))
TO_COME = Written({}, {}, NOW + timedelta(hours=1))


def test_the_columns_and_figures_of_a_status() -> None:
    said = status()
    shown = ("observedGeneration", "mode", "workers", "queues", "activePools")
    assert {name: said[name] for name in shown} == {
        "observedGeneration": 3,
        "mode": "Auto",
        "workers": "1/7",
        "queues": "2/3",
        "activePools": 1,
    }
    assert len(said["conditions"]) == 8
    assert FleetStatus.model_validate(said).pools


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
    assert first["heldUp"] == pod_failure.message


def test_a_pool_whose_next_worker_may_start_is_not_held_up() -> None:
    failure = PodFailure("WorkersFailing", "one fails", stops=False, more_is_useless=False)
    seen = replace(SEEN, pools={**SEEN.pools, "a": replace(SEEN.pools["a"], pod_failure=failure)})
    assert [pool.get("heldUp") for pool in status(seen)["pools"]] == [None, None]


def test_when_something_last_came_is_told_and_read_back_and_waits_for_the_next_write() -> None:
    came = {"q": NOW, "r": NOW - timedelta(hours=1)}
    said = status(replace(SEEN, last_messages=came))
    assert FleetStatus.model_validate(said).beat
    assert last_messages(said, NOW) == came
    later = status(replace(SEEN, last_messages=came | {"q": NOW + timedelta(seconds=9)}), previous=said)
    assert later["beat"] != said["beat"]
    assert not worth_writing(later, said, JUST_NOW, NOW)
    assert worth_writing(later, said, LONG_AGO, NOW)
    assert last_messages({}, NOW) == {}


def test_of_many_queues_those_are_told_to_which_nothing_came_for_longest() -> None:
    came = {f"q{number:03}": NOW - timedelta(seconds=number) for number in range(150)}
    assert set(last_messages(status(replace(SEEN, last_messages=came)), NOW)) == set(sorted(came)[50:])


def test_without_a_ceiling_the_pools_own_count() -> None:
    said = fleet_status(
        Reported(fleet("mode: Paused"), SEEN, decided(), dict.fromkeys("ab", Memory()), {}, StatusInput(1))
    )
    assert (said["workers"], said["mode"]) == ("1/20", "Paused")


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
    said = status()
    return {**said, "pools": [{**said["pools"][0], **new}, said["pools"][1]]}


def with_condition(**new: object) -> dict[str, Any]:
    said = status()
    return {**said, "conditions": [{**said["conditions"][0], **new}, *said["conditions"][1:]]}


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
    said = status(memory=memory)
    assert remembered(said, NOW) == {
        "a": replace(memory, looked_at=None, oldest=Oldest(), empty_looks=0),
        "b": Memory(),
    }
    assert FleetStatus.model_validate(said).pools


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


def test_by_which_addresses_the_broker_let_the_operator_in_is_written_at_once_and_kept() -> None:
    """A claim of its queues rests on it after a restart, also while the broker is away then."""
    told = status(replace(SEEN, let_in="0123456789abcdef"))
    assert FleetStatus.model_validate(told).let_in == recorded(told) == "0123456789abcdef"
    assert worth_writing(told, status(), JUST_NOW, NOW)
    assert status(SEEN, previous=told)["letIn"] == "0123456789abcdef"
    assert refused_status([Blocker(INVALID_SPEC, "no")], told, 3, NOW)["letIn"] == "0123456789abcdef"
    assert "letIn" not in status(SEEN, previous={"letIn": 5})


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
    said = refused_status([Blocker(INVALID_SPEC, "spec.image: write an image")], previous, 4, NOW)
    assert said["observedGeneration"] == 4
    assert remembered(said, NOW) == remembered(previous, NOW)
    assert len(said["conditions"]) == 8


def with_run(it: Forecast = FORECAST, memory: Memory | None = None) -> dict[str, Any]:
    memories = {"a": memory or Memory(runs=(RUN,)), "b": Memory()}
    return fleet_status(Reported(fleet(), SEEN, decided(), memories, {}, StatusInput(3, runs={"a": (it,)})))


@pytest.mark.parametrize(
    "it, said",
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
def test_an_open_run_is_told(it: Forecast, said: dict[str, Any]) -> None:
    status = with_run(it)
    assert status["pools"][0]["run"] == {"name": "monthly", "started": "2026-11-23T12:00:00Z", **said}
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


def test_what_workers_use_stands_in_the_status_once_it_was_measured() -> None:
    assert {"cpuPerSlot", "peakMemory"} & status()["pools"][0].keys() == set()
    said = status(memory=FULL)["pools"][0]
    assert (said["cpuPerSlot"], said["peakMemory"]) == ("50m", "1024Mi")

"""What expires in which queue, by what workers say of their application, however odd that is."""

import time
from datetime import timedelta
from typing import Any

import pytest
from celery.app.routes import prepare
from hypothesis import example, given
from hypothesis import strategies as st

from utilitarian_operator.core.observation.expiring import (
    MOST_PATTERNS,
    MOST_ROUTES,
    Expiring,
    Registered,
    expiring,
    registered,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["q", "t", "a.*"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["task", "queue", "a.*", "t"]), inner),
    max_leaves=8,
)
HOURLY = {"task": "t", "schedule": "<crontab>", "options": {"expires": 30, "queue": "q"}}


def entry(**options: object) -> dict[str, Any]:
    return {"beat_schedule": {"tick": {"task": "t", "schedule": 60.0, "options": options}}}


@pytest.mark.parametrize(
    "line, told",
    [
        pytest.param("a.task", Registered("a.task"), id="its name alone"),
        pytest.param("a.task [acks_late=False]", Registered("a.task", acked_early=True), id="acknowledged early"),
        pytest.param("a.task [acks_late=True]", Registered("a.task"), id="acknowledged late"),
        pytest.param("t [rate_limit=1/m acks_late=True]", Registered("t", limited=True), id="a rate limit"),
        pytest.param("t [rate_limit=0.5]", Registered("t", limited=True), id="one below one"),
        *(
            pytest.param(f"t [rate_limit={none} acks_late=True]", Registered("t"), id=f"a rate limit of {none!r}")
            for none in ("0", "0.0", "0/m", "00.00/s", "", "False")
        ),
        pytest.param("t [expires=1.5 acks_late=True]", Registered("t", expires_s=1.5), id="it expires"),
        pytest.param("t [expires=2026-01-01 00:00:00 acks_late=True]", Registered("t"), id="it expires at a moment"),
        pytest.param("t [acks_late=True queue=a b]", Registered("t", queue="a b"), id="a queue with a space"),
        pytest.param(
            "two words [acks_late=False]", Registered("two words", acked_early=True), id="a name with a space"
        ),
        pytest.param("t [1] [acks_late=False]", Registered("t [1]", acked_early=True), id="a name with a bracket"),
        pytest.param(
            "t [queue=x expires=5 acks_late=False]",
            Registered("t", queue="x expires=5 acks_late=False"),
            id="as a name",
        ),
    ],
)
def test_a_line_of_a_worker_is_read_as_it_writes_it(line: str, told: Registered) -> None:
    assert registered(line) == told


@pytest.mark.parametrize(
    "settings, queue",
    [
        pytest.param(entry(expires=30, queue="q"), "q", id="the entry names it"),
        pytest.param(entry(expires=30), "celery", id="Celery's own"),
        pytest.param(entry(expires=30) | {"task_default_queue": "d"}, "d", id="the application's default"),
        pytest.param(entry(expires=30) | {"task_routes": {"t": {"queue": "r"}}}, "r", id="a route"),
        pytest.param(entry(expires=30) | {"task_routes": {"t": "r"}}, "r", id="a route that is a name"),
        pytest.param(
            entry(expires=30) | {"task_routes": {"*": "p", "t": "r"}}, "r", id="an exact name before a pattern"
        ),
        pytest.param(entry(expires=30) | {"task_routes": [[["t*", {"queue": "r"}]]]}, "r", id="a list of pairs"),
        pytest.param(entry(expires=30) | {"task_routes": [{"x": "y"}, {"t": "r"}]}, "r", id="a list of routers"),
        pytest.param({"CELERY_BEAT_SCHEDULE": {"a": HOURLY}}, "q", id="with a prefix, as Django has it"),
        pytest.param({"CELERYBEAT_SCHEDULE": {"a": HOURLY}}, "q", id="by its old name"),
        pytest.param(entry(expires=30) | {"CELERY_DEFAULT_QUEUE": "old"}, "old", id="an old name of the default"),
    ],
)
def test_an_entry_that_expires_is_found_with_its_queue(settings: dict[str, Any], queue: str) -> None:
    (found,) = expiring(settings, [])
    assert (found.queue, found.after) == (queue, timedelta(seconds=30))
    assert found.what.startswith("task t (")


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="no schedule"),
        pytest.param(entry(), id="no expires"),
        pytest.param(entry(expires="0:00:30"), id="a duration as text"),
        pytest.param(entry(expires="2026-01-01T00:00:00"), id="a moment"),
        pytest.param(entry(expires=True), id="no number"),
        pytest.param(entry(expires=-1), id="before it was sent"),
        pytest.param(entry(expires=float("nan")), id="no number at all"),
        pytest.param(entry(expires=10**400), id="for ever"),
        pytest.param(entry(expires=30) | {"task_routes": "a.function"}, id="a router"),
        pytest.param(entry(expires=30) | {"task_routes": [{"t": "r"}, "<function f>"]}, id="a router among others"),
        pytest.param(entry(expires=30) | {"task_routes": {"t": "********"}}, id="a queue that Celery hides"),
        pytest.param(entry(expires=30) | {"task_routes": {"t": {"exchange": "e"}}}, id="a route without a queue"),
        pytest.param({"beat_schedule_filename": {"a": HOURLY}}, id="another setting"),
    ],
)
def test_nothing_is_said_of_what_does_not_expire_or_goes_to_a_queue_that_is_not_known(settings: dict[str, Any]) -> None:
    assert expiring(settings, []) == ()


def test_a_task_that_expires_by_its_own_word_is_found_and_the_shortest_of_a_queue_is_told() -> None:
    tasks = [Registered("slow", expires_s=90, queue="q"), Registered("quick", expires_s=5, queue="q"), Registered("t")]
    assert expiring(entry(expires=30, queue="q"), tasks) == (Expiring("q", "task quick", timedelta(seconds=5)),)


def test_the_entry_comes_before_the_task_and_the_task_before_the_routes() -> None:
    tasks = [Registered("t", expires_s=5, queue="own")]
    found = expiring(entry(expires=30, queue="q") | {"task_routes": {"t": "r"}}, tasks)
    assert {it.queue: it.after.total_seconds() for it in found} == {"q": 30, "own": 5}


@given(
    settings=st.dictionaries(st.sampled_from(["beat_schedule", "task_routes", "task_default_queue"]), VALUES),
    lines=st.lists(st.text(max_size=20), max_size=3),
)
@example(settings={"beat_schedule": {"a": HOURLY}, "task_routes": [[["a.*", None]]]}, lines=[])
@example(
    settings={"beat_schedule": {"a": {"task": "t", "options": {"expires": 1}}}, "task_routes": [{}]},
    lines=["t [expires=1]"],
)
def test_whatever_a_worker_says_is_read(settings: dict[str, Any], lines: list[str]) -> None:
    for it in expiring(settings, map(registered, lines)):
        assert it.queue
        assert timedelta() < it.after <= timedelta(days=365)


LONG = 400_000
"""Characters, of which each one more would take longer than all before it if anything looked back over them."""


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("a" + " [expires=1" * (LONG // 11), id="begun again and again"),
        pytest.param("a" + " [expires=1]" * (LONG // 12) + "x", id="with an end each time, and more behind it"),
        pytest.param("a [expires=" + "1" * LONG + "x]", id="a long number"),
        pytest.param("a [" + "expires=1." * (LONG // 10) + "]", id="no number, again and again"),
    ],
)
def test_a_long_line_of_a_worker_keeps_no_other_fleet_waiting(line: str) -> None:
    began = time.perf_counter()
    assert registered(line).expires_s is None
    assert time.perf_counter() - began < 1.0


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param("?" * 50_000 + "*{}", id="a long pattern"),
        pytest.param("*aaa" * 2_000 + "{}", id="one with many stars"),
    ],
)
def test_many_long_patterns_of_a_route_keep_no_other_fleet_waiting(pattern: str) -> None:
    entries = {f"e{n}": {"task": f"t{'a' * 200}{n}", "options": {"expires": 30}} for n in range(10_000)}
    routes = [{pattern.format(n): "q"} for n in range(200)]
    began = time.process_time()
    expiring({"beat_schedule": entries, "task_routes": routes}, [])
    assert time.process_time() - began < 5.0


@pytest.mark.parametrize(
    "routes, queues",
    [
        pytest.param({f"x{n}": "x" for n in range(5_000)} | {"t": "last"}, ["last"], id="by name"),
        pytest.param({f"x{n}": "x" for n in range(MOST_ROUTES)} | {"t": "last"}, [], id="too many names"),
        pytest.param({f"x{n}*": "x" for n in range(MOST_PATTERNS)} | {"t": "last"}, ["last"], id="beside patterns"),
        pytest.param({f"x{n}*": "x" for n in range(MOST_PATTERNS + 1)}, [], id="too many patterns"),
        pytest.param([{"t*": "first"}, {"t": "last"}], ["first"], id="one router after the other"),
        pytest.param([{"t*": "x", "t": "last"}], ["last"], id="in one router names come first"),
        pytest.param([{f"x{n}": "x"} for n in range(300)] + [{"t": "last"}], ["last"], id="in many routers"),
    ],
)
def test_of_many_routes_the_last_counts_too_and_of_too_many_none_is_guessed(routes: object, queues: list[str]) -> None:
    assert [it.queue for it in expiring(entry(expires=30) | {"task_routes": routes}, [])] == queues


def test_a_name_that_no_queue_can_have_is_left_out() -> None:
    assert expiring(entry(expires=30, queue="q" * 256), []) == ()
    assert [it.queue for it in expiring(entry(expires=30, queue="q" * 255), [])] == ["q" * 255]
    assert expiring(entry(expires=30) | {"task_routes": {"*" * 256: "q"}}, []) == ()


NAMES = st.text("ab.*?[", min_size=1, max_size=4).filter(lambda it: "**" not in it)
"""Celery takes two stars for the same pattern as one."""
ROUTERS = st.lists(st.dictionaries(NAMES, st.sampled_from(["q", "r", {"queue": "s"}])), max_size=3)


@given(routers=ROUTERS, name=st.text("ab.", min_size=1, max_size=4))
def test_a_task_goes_where_celery_itself_sends_it(routers: list[dict[str, Any]], name: str) -> None:
    found = next((route for it in prepare(routers) if (route := it(name)) is not None), {"queue": "celery"})
    entries = {"a": {"task": name, "options": {"expires": 1}}}
    (ours,) = expiring({"beat_schedule": entries, "task_routes": routers}, [])
    assert ours.queue == found["queue"]

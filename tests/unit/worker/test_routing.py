from datetime import UTC, datetime, timedelta

import pytest

from utilitarian import routing
from utilitarian.celery import build
from utilitarian.schedule import beat_schedule
from utilitarian.settings import Settings, SettingsError

# As the vendor documents them, in the vendor's order.
DOCUMENTED = [
    "utilitarian.tasks.default",
    "utilitarian.tasks.amr",
    "utilitarian.tasks.amr.scheduled.quarterly",
    "utilitarian.tasks.amr.scheduled.hourly",
    "utilitarian.tasks.amr.scheduled.daily",
    "utilitarian.tasks.amr.scheduled.monthly",
    "utilitarian.tasks.amr.scheduled.yearly",
    "utilitarian.tasks.amr.on_demand",
    "utilitarian.tasks.commits",
    "utilitarian.tasks.commits.meter_readings",
    "utilitarian.tasks.commits.meter_system_events",
    "utilitarian.tasks.external",
    "utilitarian.tasks.external.publish",
    "utilitarian.tasks.cleanup",
]


def test_the_queues_are_the_documented_ones() -> None:
    assert list(routing.QUEUES) == DOCUMENTED


def test_every_task_has_a_route_to_a_documented_queue() -> None:
    app = build(Settings())
    own = {name for name in app.tasks if not name.startswith("celery.")}
    assert own == set(routing.routes())
    assert {route["queue"] for route in routing.routes().values()} == set(DOCUMENTED)


@pytest.mark.parametrize("queue", DOCUMENTED)
def test_a_task_is_published_to_its_queue_under_the_queues_own_name(queue: str) -> None:
    app = build(Settings())
    route = app.amqp.router.route({}, routing.WORK_TASKS[queue])["queue"]
    assert (route.name, route.routing_key, route.exchange.type) == (queue, queue, "direct")
    assert route.durable
    assert route.exchange.durable


@pytest.mark.parametrize(
    "queue_type, arguments",
    [pytest.param("classic", None, id="classic"), pytest.param("quorum", {"x-queue-type": "quorum"}, id="quorum")],
)
def test_all_queues_are_declared_with_the_chosen_type(queue_type: str, arguments: dict[str, str] | None) -> None:
    app = build(Settings(queue_type=queue_type))
    assert [queue.name for queue in app.conf.task_queues] == DOCUMENTED
    assert all(queue.queue_arguments == arguments for queue in app.conf.task_queues)


def test_all_queues_are_on_the_chosen_exchange() -> None:
    app = build(Settings(exchange_type="topic"))
    assert {queue.exchange.type for queue in app.conf.task_queues} == {"topic"}


@pytest.mark.parametrize(
    "entry, after, due",
    [
        pytest.param("poll-hourly", "2026-11-23 10:59:30", "2026-11-23 11:00", id="hourly"),
        pytest.param("poll-daily", "2026-11-23 00:01", "2026-11-24 00:00", id="daily"),
        pytest.param("poll-monthly", "2026-11-23 00:00", "2026-12-01 00:00", id="monthly"),
        pytest.param("poll-quarterly", "2026-11-23 00:00", "2027-01-01 00:00", id="quarterly"),
        pytest.param("poll-yearly", "2026-11-23 00:00", "2027-01-01 00:00", id="yearly"),
        pytest.param("cleanup", "2026-11-23 04:00", "2026-11-24 03:30", id="cleanup"),
    ],
)
def test_beat_runs_each_entry_at_its_hour_in_utc(entry: str, after: str, due: str) -> None:
    schedule = build(Settings()).conf.beat_schedule[entry]["schedule"]
    last_run = _utc(after)
    schedule.nowfun = lambda: last_run
    assert last_run + schedule.remaining_estimate(last_run) == _utc(due)


def test_a_compressed_schedule_runs_every_entry_after_the_interval() -> None:
    entries = beat_schedule(meters=3, compressed=timedelta(seconds=5))
    assert {entry["schedule"].run_every for entry in entries.values()} == {timedelta(seconds=5)}
    assert entries["poll-daily"]["kwargs"] == {"meters": 3}
    assert entries.keys() == beat_schedule(meters=1, compressed=None).keys()


def test_what_beat_sends_is_a_task_of_the_application() -> None:
    assert {entry["task"] for entry in beat_schedule(meters=1, compressed=None).values()} <= set(routing.routes())


def test_settings_come_from_the_environment() -> None:
    environ = {
        "UTILITARIAN_QUEUE_TYPE": "quorum",
        "UTILITARIAN_ACKS_LATE": "true",
        "UTILITARIAN_BEAT_COMPRESSED": "2.5",
        "UTILITARIAN_METERS": "40",
        "UTILITARIAN_LEDGER": "amqp",
        "UTILITARIAN_EXCHANGE_TYPE": "topic",
    }
    expected = Settings("quorum", True, timedelta(seconds=2.5), 40, "amqp", "topic")  # noqa: FBT003
    assert Settings.from_environment(environ) == expected
    assert Settings.from_environment({}) == Settings.from_environment(dict.fromkeys(environ, "")) == Settings()


@pytest.mark.parametrize(
    "name, value",
    [
        pytest.param("UTILITARIAN_QUEUE_TYPE", "stream", id="unknown queue type"),
        pytest.param("UTILITARIAN_ACKS_LATE", "maybe", id="no boolean"),
        pytest.param("UTILITARIAN_BEAT_COMPRESSED", "0", id="no interval"),
        pytest.param("UTILITARIAN_BEAT_COMPRESSED", "nan", id="not a number"),
        pytest.param("UTILITARIAN_BEAT_COMPRESSED", "5s", id="a unit"),
        pytest.param("UTILITARIAN_METERS", "0", id="no meter"),
        pytest.param("UTILITARIAN_METERS", "1.5", id="half a meter"),
    ],
)
def test_a_bad_setting_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is '{value}': use"):
        Settings.from_environment({name: value})


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)

"""Names the 14 documented queues and which task goes to which; it connects to nothing."""

from types import MappingProxyType

from kombu import Exchange, Queue

PREFIX = "utilitarian.tasks"
DEFAULT_QUEUE = f"{PREFIX}.default"
CLEANUP_QUEUE = f"{PREFIX}.cleanup"
PERIODS = ("hourly", "daily", "monthly", "quarterly", "yearly")

# What a message in a queue asks for: the task that does one piece of work there.
WORK_TASKS = MappingProxyType(
    {
        DEFAULT_QUEUE: "utilitarian.default.work",
        f"{PREFIX}.amr": "utilitarian.amr.poll_meter",
        f"{PREFIX}.amr.scheduled.quarterly": "utilitarian.amr.scheduled.quarterly.poll_meter",
        f"{PREFIX}.amr.scheduled.hourly": "utilitarian.amr.scheduled.hourly.poll_meter",
        f"{PREFIX}.amr.scheduled.daily": "utilitarian.amr.scheduled.daily.poll_meter",
        f"{PREFIX}.amr.scheduled.monthly": "utilitarian.amr.scheduled.monthly.poll_meter",
        f"{PREFIX}.amr.scheduled.yearly": "utilitarian.amr.scheduled.yearly.poll_meter",
        f"{PREFIX}.amr.on_demand": "utilitarian.amr.on_demand.poll_meter",
        f"{PREFIX}.commits": "utilitarian.commits.commit",
        f"{PREFIX}.commits.meter_readings": "utilitarian.commits.meter_readings.commit",
        f"{PREFIX}.commits.meter_system_events": "utilitarian.commits.meter_system_events.commit",
        f"{PREFIX}.external": "utilitarian.external.call",
        f"{PREFIX}.external.publish": "utilitarian.external.publish.publish",
        CLEANUP_QUEUE: "utilitarian.cleanup.remove_expired",
    }
)
QUEUES = tuple(WORK_TASKS)

# What beat sends: a run over all meters of a period, in the same queue as the polls it fans out to.
RUN_TASKS = MappingProxyType({period: f"utilitarian.amr.scheduled.{period}.poll_meters" for period in PERIODS})


def period_queue(period: str) -> str:
    """The queue of one period of scheduled polling, such as "monthly"."""
    return f"{PREFIX}.amr.scheduled.{period}"


def routes() -> dict[str, dict[str, str]]:
    """Celery's `task_routes`: the queue of every task, by name."""
    table = {task: {"queue": queue} for queue, task in WORK_TASKS.items()}
    table.update({task: {"queue": period_queue(period)} for period, task in RUN_TASKS.items()})
    return table


def declarations(queue_type: str, exchange_type: str = "direct") -> tuple[Queue, ...]:
    """Celery's `task_queues`: all 14, durable, on one exchange.

    `queue_type` is "classic" or "quorum"; `exchange_type` "direct", or "topic", with which Celery leaves tasks for
    later in the broker if the queues are quorum queues.
    """
    exchange = Exchange(PREFIX, type=exchange_type, durable=True)
    # A classic queue says nothing of its type, so that a broker's own default for it stays in force.
    arguments = {"x-queue-type": queue_type} if queue_type != "classic" else None
    return tuple(Queue(name, exchange, routing_key=name, durable=True, queue_arguments=arguments) for name in QUEUES)

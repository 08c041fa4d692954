"""Builds the Celery application that `celery -A utilitarian worker` and `… beat` run; it holds no logic of its own."""

import os

from celery import Celery

from utilitarian import routing
from utilitarian.ledger import open_ledger
from utilitarian.schedule import beat_schedule
from utilitarian.settings import Settings
from utilitarian.tasks import register

# A record or a task that the broker did not confirm is lost without a word.
_CONFIRMED = {"confirm_publish": True}


def build(settings: Settings) -> Celery:
    """The application with its queues, routes, schedule and tasks; Celery takes the broker from CELERY_BROKER_URL."""
    app = Celery("utilitarian", set_as_current=False)
    app.conf.update(
        task_queues=routing.declarations(settings.queue_type, settings.exchange_type),
        task_default_queue=routing.DEFAULT_QUEUE,
        task_routes=routing.routes(),
        task_acks_late=settings.acks_late,
        task_ignore_result=True,
        beat_schedule=beat_schedule(meters=settings.meters, compressed=settings.beat_compressed),
        timezone="UTC",
        broker_connection_retry_on_startup=True,
        # After its broker was away Celery would restore the prefetch count from the threads of the tasks, on the
        # connection that its main thread reads: tasks get lost, and others are called active for ever (5.7.0).
        worker_enable_prefetch_count_reduction=False,
        broker_transport_options=_CONFIRMED,
    )
    ledger = open_ledger(settings.ledger, lambda: app.connection_for_write(connect_timeout=5))
    register(app, ledger)
    return app


app = build(Settings.from_environment(os.environ))

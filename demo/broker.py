"""Sends the scenario's tasks, and reads depths and the ledger, on the test bed's broker; it decides nothing."""

import base64
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import kombu
from amqp.exceptions import AMQPError, NotFound
from kombu.exceptions import OperationalError

from demo.bed import Bed, DemoError
from utilitarian.celery import build
from utilitarian.ledger import LEDGER_QUEUE, Record
from utilitarian.reckoning import Ledger
from utilitarian.routing import QUEUES, WORK_TASKS
from utilitarian.settings import Settings

WITHIN = 10.0  # seconds for one request


@dataclass(frozen=True)
class Depth:
    """Messages of a queue: waiting, and delivered without an acknowledgement yet."""

    ready: int
    unacked: int


@dataclass(frozen=True)
class Lot:
    """Tasks to send to one queue; `duration` as the reference application's messages have it."""

    queue: str
    tasks: int
    duration: dict[str, object]


@dataclass(frozen=True)
class Sent:
    """A lot that was sent: the tasks' ids, and when each went off, in seconds since the epoch."""

    queue: str
    ids: tuple[str, ...]
    sent_at: tuple[float, ...]

    @property
    def first_at(self) -> float:
        """When the first went off."""
        return self.sent_at[0]


class Broker:
    """The test bed's broker; each method raises DemoError when it doesn't answer or refuses."""

    def __init__(self, bed: Bed) -> None:
        self._url = bed.amqp_url
        self._vhost = str(self._connection().virtual_host)
        address = urllib.parse.urlsplit(bed.management_url)
        login = f"{urllib.parse.unquote(address.username or '')}:{urllib.parse.unquote(address.password or '')}"
        self._management = f"http://{address.hostname}:{address.port}"
        self._authorization = "Basic " + base64.b64encode(login.encode()).decode()
        self._records: list[Record] = []

    def depths(self) -> dict[str, Depth]:
        """What is on each queue now; a queue that doesn't exist is not among them."""
        vhost = urllib.parse.quote(self._vhost, safe="")
        rows = self._ask(f"/api/queues/{vhost}?disable_stats=true&enable_queue_totals=true")
        return {row["name"]: Depth(row.get("messages_ready", 0), row.get("messages_unacknowledged", 0)) for row in rows}

    def send(self, lots: Sequence[Lot]) -> list[Sent]:
        """Send all lots side by side, with Celery's own client; each message is confirmed by the broker."""
        app = build(Settings())
        app.finalize()  # once, before threads share it
        with ThreadPoolExecutor(max_workers=len(lots)) as pool:
            return list(pool.map(partial(self._send, app), lots))

    def _send(self, app: Any, lot: Lot) -> Sent:
        task, ids = WORK_TASKS[lot.queue], tuple(str(uuid.uuid4()) for _ in range(lot.tasks))
        try:
            # An address of its own, since CELERY_BROKER_URL of this process must not count.
            with app.connection_for_write(self._url) as connection, app.amqp.Producer(connection) as producer:
                connection.ensure_connection(max_retries=3)
                sent_at = []
                for task_id in ids:
                    sent_at.append(time.time())
                    app.send_task(task, kwargs={"duration": lot.duration}, task_id=task_id, producer=producer)
        except (OSError, AMQPError, OperationalError) as error:
            raise self._silent(error) from error
        return Sent(lot.queue, ids, tuple(sent_at))

    def ledger(self) -> Ledger:
        """All records so far; they are taken out of the ledger's queue, so there may be one reader only."""
        try:
            with self._connection() as connection, connection.channel() as channel:
                self._take(channel)
        except NotFound:
            pass  # the queue is declared by the first task that starts
        except (OSError, AMQPError, OperationalError) as error:
            raise self._silent(error) from error
        return Ledger.of(self._records)

    def sweep(self) -> None:
        """Delete the application's queues and its ledger, with all that is in them."""
        try:
            with self._connection() as connection, connection.channel() as channel:
                for queue in (*QUEUES, LEDGER_QUEUE):
                    channel.queue_delete(queue)
        except (OSError, AMQPError, OperationalError) as error:
            raise self._silent(error) from error

    def _take(self, channel: Any) -> None:
        last = None
        while (message := channel.basic_get(LEDGER_QUEUE, no_ack=False)) is not None:
            self._records.append(Record.from_json(message.body))
            last = message.delivery_tag
        if last is not None:
            channel.basic_ack(last, multiple=True)

    def _connection(self) -> Any:
        return kombu.Connection(self._url, connect_timeout=WITHIN)

    def _ask(self, path: str) -> Any:
        request = urllib.request.Request(  # noqa: S310 - always http
            self._management + path, headers={"Authorization": self._authorization}
        )
        try:
            with urllib.request.urlopen(request, timeout=WITHIN) as answer:  # noqa: S310 - as above
                return json.load(answer)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise DemoError(
                f"RabbitMQ's management API at {self._management} can't be read ({error}): is it up? `make up`"
            ) from error

    def _silent(self, error: Exception) -> DemoError:
        address = urllib.parse.urlsplit(self._url)
        return DemoError(f"RabbitMQ at {address.hostname}:{address.port} refuses ({error!r}): is it up? `make up`")

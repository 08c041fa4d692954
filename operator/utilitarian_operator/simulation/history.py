"""Asks a Prometheus server how many tasks came to a queue, to play the past again; asks nothing else of anybody.

RabbitMQ's own per-queue counter of published messages is read (`rabbitmq_detailed_queue_messages_published_total`, of
the family `channel_queue_exchange_metrics`), minute by minute; a minute's tasks come evenly within it.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from urllib.error import URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

from utilitarian_operator.simulation.workload import InvalidLoad

STEP = 60
"""Seconds of one sample."""

MOST_SAMPLES = 10_000
"""Prometheus answers a range query with at most 11,000."""

TIMEOUT = 30
QUERY = 'sum(increase(rabbitmq_detailed_queue_messages_published_total{{queue="{queue}"}}[{step}s]))'


def read_history(url: str, queue: str, begins: datetime, until: float) -> Iterator[float]:
    """Seconds from `begins` to each task that came to the queue, for `until` seconds.

    Raises:
        InvalidLoad: the server can't be asked or has no such history.
    """
    if urlsplit(url).scheme not in {"http", "https"}:
        raise InvalidLoad(url, 1, "no address of a Prometheus server: write http://… or https://…")
    query = QUERY.format(queue=queue, step=STEP)
    owed = 0.0
    for offset in range(0, int(until), STEP * MOST_SAMPLES):
        first = begins + timedelta(seconds=offset + STEP)
        last = begins + timedelta(seconds=min(until, offset + STEP * MOST_SAMPLES))
        for moment, increase in _samples(url, query, first, last):
            owed += increase
            count, begin = int(owed), moment - begins.timestamp() - STEP
            owed -= count
            yield from (begin + STEP * i / count for i in range(count))


def _samples(url: str, query: str, first: datetime, last: datetime) -> Iterator[tuple[float, float]]:
    asked = urlencode({"query": query, "start": first.timestamp(), "end": last.timestamp(), "step": STEP})
    try:
        with urlopen(f"{url.rstrip('/')}/api/v1/query_range?{asked}", timeout=TIMEOUT) as answer:  # noqa: S310 - http
            result = json.load(answer)["data"]["result"]
    except (URLError, OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidLoad(url, 1, f"no history to be had ({error}): is it a Prometheus server?") from error
    if not result:
        raise InvalidLoad(url, 1, f"has no history of {query} from {first.isoformat()}")
    return ((float(at), max(float(value), 0.0)) for at, value in result[0]["values"])
